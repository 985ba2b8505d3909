"""Twilio as an SMS provider: one form post per recipient, errors as numbers with a sentence."""

from __future__ import annotations

from typing import Any

from jobs.adaptors.auth import Auth, Basic
from jobs.adaptors.context import Context
from jobs.adaptors.engine import Response
from jobs.adaptors.errors import AuthError, ValidationError
from jobs.adaptors.paging import NextUrl
from jobs.adaptors.sms.provider import Provider, Receipt, account
from jobs.adaptors.spec import address, credential, operation, secret, text

API = "https://api.twilio.com"
# Refusals that concern this one recipient or text: the others may still go.
ABOUT_RECIPIENT = frozenset(
    {21211, 21214, 21408, 21601, 21604, 21608, 21610, 21612, 21614, 21617, 30003, 30005, 30006}
)
WRONG_CREDENTIAL = frozenset({20003, 20005})
FAILED = frozenset({"failed", "undelivered", "canceled"})


class Twilio(Provider):
    """One Twilio account."""

    system = "Twilio"
    schema = credential(
        {
            "accountSid": text("Account SID", examples=["AC0123…"], minLength=1),
            "authToken": secret("Auth token", minLength=1),
            "from": text("Sender", "A number of the account, or a name where the country allows it."),
            "messagingServiceSid": text("Messaging service SID", "Instead of a sender."),
            "baseUrl": address("Address", "Only for a test server or a proxy.", example=API),
        },
        required=("accountSid", "authToken"),
    )

    def __init__(self, configuration: dict[str, Any], context: Context) -> None:
        super().__init__(configuration, context)
        self._account = f"/2010-04-01/Accounts/{configuration['accountSid']}"
        self._from = configuration.get("from")
        self._service = configuration.get("messagingServiceSid")

    def base_url(self, configuration: dict[str, Any]) -> str:
        return str(configuration.get("baseUrl") or API)

    def authenticate(self, configuration: dict[str, Any]) -> Auth:
        return Basic(configuration["accountSid"], configuration["authToken"])

    def words(self, response: Response) -> str:
        """Twilio's sentence; newer parts of it answer with `title` and `detail` instead of `message`."""
        body = response.body if isinstance(response.body, dict) else {}
        found = body.get("message") or body.get("detail") or body.get("title")
        return str(found) if found else super().words(response)

    def dry_answer(self, method: str, path: str, data: Any) -> Any:
        return {"sid": "dry-run", "status": "accepted", "to": data.get("To"), "body": data.get("Body")}

    def send_one(self, to: str, text: str, *, sender: str | None, idempotency_key: str | None) -> Receipt:
        """One message. Twilio knows no idempotency keys, so only a plain refusal (429) is asked again."""
        response = self.post(
            f"{self._account}/Messages.json",
            {"To": to, "Body": text, **self._sender(sender)},
            content_type="form",
            repeatable=False,
            retry_statuses=(429,),
            errors={400: False},
        )
        body = response.body if isinstance(response.body, dict) else {}
        if response.status == 400:
            return self._refused(to, body, response)
        self.part(body, "sid", str)
        return _receipt(to, body)

    @operation(example='sent = twilio.send_sms(body="Come at 9.", to="+22890112233")', writes=True)
    def send_sms(self, body: str, to: str, from_: str | None = None) -> dict[str, Any]:
        """One message, answered as Twilio answers it."""
        found: dict[str, Any] = self.send(to, body, from_)[0]["raw"]
        return found

    @operation(example='twilio.get_messages(to="+22890112233", max=20)')
    def get_messages(
        self,
        *,
        to: str | None = None,
        from_: str | None = None,
        date_sent: str | None = None,
        max: int = 10_000,
    ) -> list[dict[str, Any]]:
        """Messages of the account, newest first, with what became of them."""
        params = {"To": to, "From": from_, "DateSent": date_sent, "PageSize": 100}
        wanted = {name: value for name, value in params.items() if value is not None}
        path = f"{self._account}/Messages.json"
        paging = NextUrl("next_page_uri")
        return list(self.records(path, params=wanted, paging=paging, items="messages", max=max))

    @operation(example='status = twilio.get_message(sid)["status"]')
    def get_message(self, sid: str) -> dict[str, Any]:
        """One message, with what became of it."""
        found: dict[str, Any] = self.part(self.get(f"{self._account}/Messages/{sid}.json").body)
        return found

    def test(self) -> str:
        """One sentence for *Test connection*; a failure raises."""
        account = self.get(f"{self._account}.json").body
        name = account.get("friendly_name") if isinstance(account, dict) else None
        status = account.get("status") if isinstance(account, dict) else None
        if status not in (None, "active"):
            raise AuthError(f"Twilio says that this account is {status}.", sent=False)
        return (
            f"Twilio accepts the credential of the account {name}."
            if name
            else "Twilio accepts the credential."
        )

    def _sender(self, sender: str | None) -> dict[str, str]:
        if sender:
            return {"From": sender}
        if self._service:
            return {"MessagingServiceSid": str(self._service)}
        if self._from:
            return {"From": str(self._from)}
        raise ValidationError(
            "A text message needs a sender: put a number or a messaging service into the credential.",
            sent=False,
        )

    def _refused(self, to: str, body: dict[str, Any], response: Response) -> Receipt:
        code = body.get("code")
        if code in WRONG_CREDENTIAL:
            raise AuthError(self._sentence(response), status=response.status, body=body)
        if code not in ABOUT_RECIPIENT:
            raise self._error(response, safe=False)
        return Receipt(
            to=to,
            provider_id=None,
            status="rejected",
            code=str(code),
            message=self._sentence(response),
            raw=body,
        )


def _receipt(to: str, body: dict[str, Any]) -> Receipt:
    code = body.get("error_code")
    failed = body.get("status") in FAILED
    words = body.get("error_message")
    return Receipt(
        to=to,
        provider_id=body.get("sid"),
        status="rejected" if failed else "accepted",
        code=None if code is None else str(code),
        message=f"Twilio: {words or body.get('status')}" if failed else None,
        raw=body,
    )


ADAPTOR = account("twilio", "Twilio", Twilio)
