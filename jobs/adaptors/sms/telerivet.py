"""Telerivet: messages by way of a project's routes."""

from __future__ import annotations

from typing import Any

from jobs.adaptors.auth import Auth, Basic
from jobs.adaptors.context import Context
from jobs.adaptors.engine import Response
from jobs.adaptors.errors import AdaptorError
from jobs.adaptors.paging import Cursor
from jobs.adaptors.sms.provider import Provider, Receipt, account
from jobs.adaptors.spec import address, credential, operation, secret, text

API = "https://api.telerivet.com"
ABOUT_RECIPIENT = frozenset({"to_number", "contact_id"})


class Telerivet(Provider):
    """One project."""

    system = "Telerivet"
    schema = credential(
        {
            "projectId": text("Project ID", examples=["PJ0123…"], minLength=1),
            "apiKey": secret("API key", minLength=1),
            "routeId": text("Route", "The phone or route that sends; the project's own if empty."),
            "baseUrl": address("Address", "Only for a test server or a proxy.", example=API),
        },
        required=("projectId", "apiKey"),
    )

    def __init__(self, configuration: dict[str, Any], context: Context) -> None:
        super().__init__(configuration, context)
        self._route = configuration.get("routeId")

    def base_url(self, configuration: dict[str, Any]) -> str:
        return f"{configuration.get('baseUrl') or API}/v1/projects/{configuration['projectId']}"

    def authenticate(self, configuration: dict[str, Any]) -> Auth:
        return Basic(configuration["apiKey"], "")

    def problem(self, response: Response) -> AdaptorError | None:
        error = response.body.get("error") if isinstance(response.body, dict) else None
        return None if not error else AdaptorError(self._sentence(response), body=response.body, sent=False)

    def dry_answer(self, method: str, path: str, data: Any) -> Any:
        return {"id": "dry-run", "status": "queued", **(data if isinstance(data, dict) else {})}

    def send_one(self, to: str, text: str, *, sender: str | None, idempotency_key: str | None) -> Receipt:
        """One message; `sender` is a route or phone of the project."""
        route = sender or self._route
        data = {"content": text, "to_number": to, **({"route_id": route} if route else {})}
        response = self._post_message(data, errors={400: False})
        body = response.body if isinstance(response.body, dict) else {}
        error = body.get("error") if response.status == 400 else None
        if response.status == 400 and not _is_about_recipient(error):
            raise self._error(response, safe=False)
        if response.ok:
            self.part(body, "id", str)
        failed = error is not None or body.get("status") in ("failed", "not_delivered", "cancelled")
        said = (
            self._sentence(response)
            if error
            else f"Telerivet: {body.get('error_message') or body.get('status')}"
        )
        return Receipt(
            to=to,
            provider_id=body.get("id"),
            status="rejected" if failed else "accepted",
            code=str(error["code"]) if isinstance(error, dict) else None,
            message=said if failed else None,
            raw=body,
        )

    @operation(
        example='telerivet.send_message({"content": "Hello", "to_number": "+22890112233"})', writes=True
    )
    def send_message(self, message: dict[str, Any]) -> dict[str, Any]:
        """Send a message with every option that Telerivet has (`status_url`, `route_id`, `contact_id` …)."""
        sent: dict[str, Any] = self.part(self._post_message(message).body)
        return sent

    @operation(example='telerivet.get_messages(direction="incoming", max=50)')
    def get_messages(self, *, max: int = 10_000, **params: Any) -> list[dict[str, Any]]:
        """Messages of the project, newest first, all pages."""
        paging = Cursor(param="marker", path="next_marker")
        return list(self.records("/messages", params=params, paging=paging, items="data", max=max))

    def test(self) -> str:
        """One sentence for *Test connection*; a failure raises."""
        return f"Telerivet accepts the key for the project {self.part(self.get('').body).get('name')}."

    def _post_message(self, data: dict[str, Any], **options: Any) -> Response:
        return self.post("/messages/send", data, repeatable=False, retry_statuses=(429,), **options)


def _is_about_recipient(error: Any) -> bool:
    return isinstance(error, dict) and (
        error.get("param") in ABOUT_RECIPIENT or error.get("code") == "blocked"
    )


ADAPTOR = account("telerivet", "Telerivet", Telerivet)
