"""How one speaks to CommCare HQ: log-in, addresses inside a project space, error answers."""

from __future__ import annotations

from typing import Any

from jobs.adaptors.auth import Auth, Basic, HeaderKey
from jobs.adaptors.commcare.uploads import WARNED
from jobs.adaptors.engine import Response, RestClient
from jobs.adaptors.errors import AdaptorError, ConfigurationError, ValidationError
from jobs.adaptors.spec import address, credential, secret, text

SILENT = {
    401: "the user name, API key or password of the credential is not accepted",
    429: "too many requests for this user and project space",
    509: "the project space takes no more forms for now",
}


class Connection(RestClient):
    """The part that all groups of operations share."""

    system = "CommCare"
    schema = credential(
        {
            "hostUrl": address("Address", example="https://www.commcarehq.org"),
            "domain": text("Project space", "As it stands in the address after /a/.", minLength=1),
            "appId": text("Application ID", "Needed to submit forms."),
            "username": text("User name", "The e-mail address of a web user.", minLength=1),
            "apiKey": secret("API key", "Made in the web user's own settings."),
            "password": secret("Password", "Instead of an API key; not with two-factor log-in."),
        },
        required=("hostUrl", "domain", "username"),
    )

    def __init__(self, configuration: dict[str, Any], context: Any) -> None:
        super().__init__(configuration, context)
        self.domain = str(configuration["domain"]).strip("/")
        self.app_id = str(configuration.get("appId") or "")

    def base_url(self, configuration: dict[str, Any]) -> str:
        return str(configuration["hostUrl"]).rstrip("/")

    def authenticate(self, configuration: dict[str, Any]) -> Auth:
        username = configuration["username"]
        if configuration.get("apiKey"):
            return _ApiKey("Authorization", f"{username}:{configuration['apiKey']}", "ApiKey")
        if configuration.get("password"):
            return Basic(username, configuration["password"])
        raise ConfigurationError("The credential for CommCare needs an API key or a password.")

    def words(self, response: Response) -> str:
        """Where CommCare says nothing itself, what its status means."""
        body = response.body
        if isinstance(body, dict):
            for name in ("error", "error_message", "message", "detail"):
                if body.get(name):
                    return str(body[name])
        return super().words(response) or SILENT.get(response.status, "")

    def problem(self, response: Response) -> AdaptorError | None:
        """Bulk uploads say 200 and mean the `code` inside; 402 is only a warning."""
        code = response.body.get("code") if isinstance(response.body, dict) else None
        if isinstance(code, int) and code >= 400 and code != WARNED:
            return ValidationError(self._sentence(response), status=code, body=response.body, sent=False)
        return None

    def dry_answer(self, method: str, path: str, data: Any) -> Any:
        """What the case API says of cases that went well; elsewhere what was sent."""
        if "/case/v2/" not in path:
            return super().dry_answer(method, path, data)
        cases = [{"case_id": "dry-run", **each} for each in (data if isinstance(data, list) else [data])]
        made: Any = cases if isinstance(data, list) else cases[0]
        return {"xform_id": "dry-run", "cases" if isinstance(data, list) else "case": made}

    def space(self, path: str) -> str:
        """A path inside the project space."""
        return f"/a/{self.domain}/{path.lstrip('/')}"

    def api(self, path: str) -> str:
        """Relative paths are those of the list API v0.5; `form/v1/` and `case/v2/` are newer names beside it."""
        path = path.strip("/")
        versioned = path.split("/")[0].startswith("v") or "/v1" in path or "/v2" in path
        return self.space(f"api/{'' if versioned else 'v0.5/'}{path}/")


class _ApiKey(HeaderKey):
    """`ApiKey name:key`: the key alone is the secret."""

    def secrets(self) -> tuple[str, ...]:
        return (self.key.partition(":")[2],)
