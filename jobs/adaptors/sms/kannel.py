"""Kannel: an SMS gateway of one's own, with everything in the address and an answer of one line."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, ClassVar

from jobs.adaptors.auth import Auth, NoAuth
from jobs.adaptors.context import Context
from jobs.adaptors.engine import SOMEBODY_ELSE, Response
from jobs.adaptors.errors import AdaptorError, AuthError
from jobs.adaptors.sms.provider import Provider, Receipt, account, is_gsm
from jobs.adaptors.spec import address, credential, operation, secret, text

NOT_ROUTABLE = "Not routable"  # a 403 as a wrong password is, but about the number


@dataclass(frozen=True)
class _InAddress(NoAuth):
    """Kannel wants name and password as parameters, and knows nothing else."""

    username: str
    password: str = field(repr=False)

    def apply(self, headers: dict[str, str], params: dict[str, Any]) -> None:
        params |= {"username": self.username, "password": self.password}

    def secrets(self) -> tuple[str, ...]:
        return (self.password,)

    def secret_params(self) -> tuple[str, ...]:
        return ("password",)


class Kannel(Provider):
    """One sendsms user of a gateway."""

    system = "Kannel"
    expects_json = False
    headers: ClassVar[dict[str, str]] = {}
    schema = credential(
        {
            "gatewayUrl": address(
                "Address", "Of the sendsms service.", example="http://gateway.example.org:13013"
            ),
            "username": text("User name", minLength=1),
            "password": secret("Password", minLength=1),
            "from": text("Sender", "Shown to the recipient, where the operator allows it."),
            "smsc": text("SMSC", "The connection that shall carry the messages, if there are several."),
        },
        required=("gatewayUrl", "username", "password"),
    )

    def __init__(self, configuration: dict[str, Any], context: Context) -> None:
        super().__init__(configuration, context)
        self._usual = {"from": configuration.get("from"), "smsc": configuration.get("smsc")}

    def base_url(self, configuration: dict[str, Any]) -> str:
        return str(configuration["gatewayUrl"])

    def authenticate(self, configuration: dict[str, Any]) -> Auth:
        return _InAddress(configuration["username"], configuration["password"])

    def dry_answer(self, method: str, path: str, data: Any) -> Any:
        return "0: Accepted for delivery"

    def send_one(self, to: str, text: str, *, sender: str | None, idempotency_key: str | None) -> Receipt:
        return self._sent(to, text, sender=sender, more={})

    @operation(
        example='kannel.send_sms("+22890112233", "Come at 9.", dlr_mask=31, dlr_url="https://x.example/dlr")',
        writes=True,
    )
    def send_sms(
        self,
        to: str,
        text: str,
        *,
        sender: str | None = None,
        dlr_mask: int | None = None,
        dlr_url: str | None = None,
    ) -> dict[str, Any]:
        """One message, with a delivery report to an address of yours; answers as `send` does for one recipient."""
        more = {"dlr-mask": dlr_mask, "dlr-url": dlr_url}
        return self._sent(to, text, sender=sender, more=more).to_json()

    def test(self) -> str:
        """One sentence for *Test connection*; a failure raises."""
        # Without a number nothing can be sent, and the log-in is judged first.
        response = self.get(
            "/cgi-bin/sendsms", params={"text": "test", "to": ""}, errors={400: False, 403: False}
        )
        if response.status == 403:
            raise self._refused(response)
        return "Kannel accepts the credential."

    def _sent(self, to: str, text: str, *, sender: str | None, more: dict[str, Any]) -> Receipt:
        coding = {"charset": "UTF-8", "coding": 0 if is_gsm(text) else 2}
        number = re.sub(r"[\s().-]", "", to)  # a space would begin another number
        params = {**self._usual, "to": number, "text": text, **coding, **more}
        if sender:
            params["from"] = sender
        response = self.get(
            "/cgi-bin/sendsms",
            params={name: value for name, value in params.items() if value is not None},
            write=True,  # a GET that sends
            repeatable=False,
            retry_statuses=(429,),
            errors={400: False, 403: False},
        )
        said = str(response.body or "").strip()
        if response.status == 403 and not said.startswith(NOT_ROUTABLE):
            raise self._refused(response)
        accepted = response.ok and said[:2] in ("0:", "3:", "Se")
        if response.ok and not accepted and not re.match(r"\d+:", said):  # that is not how Kannel speaks
            raise AdaptorError(
                "Kannel did not say that it takes the message.",
                status=response.status,
                body=said[:2000],
                hint=SOMEBODY_ELSE,
                sent=True,
            )
        return Receipt(
            to=to,
            provider_id=None,  # Kannel gives none
            status="accepted" if accepted else "rejected",
            code=said.partition(":")[0] if ":" in said[:4] else str(response.status),
            message=None if accepted else f"Kannel: {self.redact(said)[:300] or 'no answer'}",
            raw=said,
        )

    def _refused(self, response: Response) -> AuthError:
        return AuthError(self._sentence(response), status=403, body=response.body)


ADAPTOR = account("kannel", "Kannel", Kannel)
