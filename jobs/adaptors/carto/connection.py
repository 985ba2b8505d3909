"""How one speaks to CARTO's SQL API: the key in the body, errors as lists, errors in the midst of a success."""

from __future__ import annotations

from typing import Any

from jobs.adaptors.auth import Auth, Basic, NoAuth
from jobs.adaptors.engine import Response, RestClient
from jobs.adaptors.errors import AdaptorError, Unavailable, ValidationError
from jobs.adaptors.spec import address, credential, secret, text
from openfn_platform.common.http import Answer


class Connection(RestClient):
    """One account. The key travels in the body of a POST, where no log of addresses can keep it."""

    system = "CARTO"
    schema = credential(
        {
            "account": text("Account", "As in https://<account>.carto.com.", minLength=1),
            "apiKey": secret("API key", "The master key, or one that may do what the job does.", minLength=1),
            "baseUrl": address(
                "Address", "For an installation of your own.", example="https://maps.example.org/user/clinic"
            ),
        },
        required=("account", "apiKey"),
    )

    def __init__(self, configuration: dict[str, Any], context: Any) -> None:
        super().__init__(configuration, context)
        self.account = str(configuration["account"])
        self._key = str(configuration["apiKey"])

    def base_url(self, configuration: dict[str, Any]) -> str:
        return str(configuration.get("baseUrl") or f"https://{configuration['account']}.carto.com")

    def authenticate(self, configuration: dict[str, Any]) -> Auth:
        return NoAuth()

    def words(self, response: Response) -> str:
        body = response.body if isinstance(response.body, dict) else {}
        said = body.get("error")
        words = "; ".join(map(str, said)) if isinstance(said, list) else str(said or "")
        hint = body.get("hint")
        return f"{words} ({hint})" if words and hint else words or super().words(response)

    def problem(self, response: Response) -> AdaptorError | None:
        """A query that fails after its first rows have left ends a 200 with an error."""
        body = response.body
        if isinstance(body, dict) and body.get("error"):
            return ValidationError(self._sentence(response), status=None, body=body, sent=True)
        return None

    def worth_repeating(self, answer: Answer) -> bool:
        """A query that ran out of time is told as 429 too, and would do so again."""
        return b'"datasource"' not in answer.content

    def _error(self, response: Response, *, safe: bool, message: str = "") -> AdaptorError:
        body = response.body if isinstance(response.body, dict) else {}
        if response.status == 429 and body.get("detail") == "datasource":
            return Unavailable(
                self._sentence(response),
                status=429,
                body=body,
                kind="partner",
                retryable=False,
                hint="The query takes too long: ask for less at a time, or use job().",
                sent=not safe,
            )
        return super()._error(response, safe=safe, message=message)

    def ask_sql(self, query: str, *, write: bool, repeatable: bool, **more: Any) -> Response:
        """Send one query. `write` says that it changes something."""
        return self.request(
            "POST",
            "/api/v2/sql",
            {"q": query, **more, "api_key": self._key},
            write=write,
            read_only=not write,
            repeatable=repeatable,
        )

    def ask_job(self, method: str, path: str = "", data: dict[str, Any] | None = None) -> Response:
        """The batch API takes the key as a parameter of the address only."""
        return self.request(
            method,
            f"/api/v2/sql/job{path}",
            data,
            headers={"Authorization": self._basic()},
            repeatable=method != "POST",
        )

    def copy_in(self, query: str, content: bytes) -> Response:
        """COPY … FROM STDIN with the rows as body."""
        return self.request(
            "POST",
            "/api/v2/sql/copyfrom",
            content,
            params={"q": query},
            headers={"Authorization": self._basic()},
            content_type="application/octet-stream",
            repeatable=False,
        )

    def dry_answer(self, method: str, path: str, data: Any) -> Any:
        return {
            "rows": [],
            "time": 0,
            "fields": {},
            "total_rows": 0,
            "job_id": "dry-run",
            "status": "pending",
        }

    def _basic(self) -> str:
        headers: dict[str, str] = {}
        Basic(self.account, self._key).apply(headers, {})
        return headers["Authorization"]
