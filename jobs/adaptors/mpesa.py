"""`mpesa`: Safaricom's M-Pesa by its Daraja API. A payment that was asked for once is never asked for again by itself."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from jobs.adaptors.auth import Auth, Basic
from jobs.adaptors.context import Context
from jobs.adaptors.engine import Response, RestClient
from jobs.adaptors.errors import AdaptorError, ConfigurationError, ValidationError
from jobs.adaptors.signing_in import SignIn
from jobs.adaptors.spec import AdaptorSpec, address, credential, operation, secret, text

HOSTS = {"sandbox": "https://sandbox.safaricom.co.ke", "production": "https://api.safaricom.co.ke"}
LONGEST_REFERENCE = 12
NAIROBI = timezone(timedelta(hours=3))  # timestamps of their passwords are local time there


class Client(RestClient):
    """One short code."""

    system = "M-Pesa"
    message_paths = ("errorMessage", "ResponseDescription", "responseDescription", *RestClient.message_paths)
    schema = credential(
        {
            "consumer_key": secret("Consumer key", minLength=1),
            "consumer_secret": secret("Consumer secret", minLength=1),
            "shortcode": text("Short code", "Of the till or paybill.", minLength=1),
            "pass_key": secret("Pass key", "For payments that a person confirms on the telephone."),
            "environment": text("Environment", enum=list(HOSTS), default="sandbox"),
            "baseUrl": address("Address", "Only for a test server.", example=HOSTS["sandbox"]),
        },
        required=("consumer_key", "consumer_secret", "shortcode"),
    )

    def __init__(self, configuration: dict[str, Any], context: Context) -> None:
        super().__init__(configuration, context)
        self._shortcode = str(configuration["shortcode"])
        self._pass_key = str(configuration.get("pass_key") or "")

    def base_url(self, configuration: dict[str, Any]) -> str:
        return str(configuration.get("baseUrl") or HOSTS[configuration.get("environment") or "sandbox"])

    def authenticate(self, configuration: dict[str, Any]) -> Auth:
        pair = Basic(configuration["consumer_key"], configuration["consumer_secret"])

        def log_in(client: RestClient) -> Response:
            headers: dict[str, str] = {}
            pair.apply(headers, {})
            return client.ask("GET", "/oauth/v1/generate?grant_type=client_credentials", headers=headers)

        return SignIn(log_in, also=(configuration["consumer_key"], *pair.secrets()))

    def problem(self, response: Response) -> AdaptorError | None:
        """A 200 whose code is not zero is a refusal; an unknown `ResponseCode` of a read is its answer."""
        body = response.body if isinstance(response.body, dict) else {}
        code = body.get("ResponseCode", body.get("responseCode"))
        if code is None or str(code) in ("0", "00000000"):
            return None
        return ValidationError(self._sentence(response), status=response.status, body=body, sent=False)

    def dry_answer(self, method: str, path: str, data: Any) -> Any:
        return {"ResponseCode": "0", "MerchantRequestID": "dry-run", "CheckoutRequestID": "dry-run"}

    @operation(
        example='mpesa.stk_push(250, "+254708374149", "INV-7", "Clinic fee", callback_url="https://x.example/inbox/…")',
        writes=True,
    )
    def stk_push(
        self, amount: int, phone: str, reference: str, description: str, *, callback_url: str, **more: Any
    ) -> dict[str, Any]:
        """Ask somebody to confirm a payment on the telephone; the answer comes to `callback_url`.

        `reference` has at most 12 characters; of the description the first 13 are shown.
        """
        if len(str(reference)) > LONGEST_REFERENCE:
            # Cut off, it would be the reference of another payment.
            raise ValidationError(
                f"M-Pesa takes a reference of at most {LONGEST_REFERENCE} characters.", sent=False
            )
        number = _number(phone)
        return self._asked(
            "/mpesa/stkpush/v1/processrequest",
            {
                **self._signed(),
                "TransactionType": "CustomerPayBillOnline",
                "Amount": _shillings(amount),
                "PartyA": number,
                "PartyB": self._shortcode,
                "PhoneNumber": number,
                "CallBackURL": callback_url,
                "AccountReference": str(reference),
                "TransactionDesc": str(description)[:13],
                **more,
            },
        )

    @operation(example='mpesa.stk_query(pushed["CheckoutRequestID"])')
    def stk_query(self, checkout_request_id: str) -> dict[str, Any]:
        """What became of a payment that somebody was asked for; `pending` is true until that is known."""
        data = {**self._signed(), "CheckoutRequestID": checkout_request_id}
        path = "/mpesa/stkpushquery/v1/query"
        response = self.post(path, data, read_only=True, errors={500: _unless_pending})
        return {**self.part(response.body), "pending": response.status == 500}

    @operation(
        example='mpesa.check_transaction_status({"TransactionID": "OEI2AK4Q16", "Initiator": "api"})',
        writes=True,
    )
    def check_transaction_status(self, query: Mapping[str, Any]) -> dict[str, Any]:
        """Ask what became of a payment; the answer comes to the `ResultURL`."""
        usual = {"CommandID": "TransactionStatusQuery", "PartyA": self._shortcode, "IdentifierType": "4"}
        return self._asked("/mpesa/transactionstatus/v1/query", {**usual, **query})

    @operation(
        example='mpesa.register_url(confirmation="https://x.example/c", validation="https://x.example/v")',
        writes=True,
    )
    def register_url(
        self, *, confirmation: str, validation: str, if_unreachable: str = "Completed"
    ) -> dict[str, Any]:
        """Say where payments to the short code are told; a second time changes nothing."""
        data = {
            "ShortCode": self._shortcode,
            "ResponseType": if_unreachable,
            "ConfirmationURL": confirmation,
            "ValidationURL": validation,
        }
        return dict(self.part(self.post("/mpesa/c2b/v1/registerurl", data, repeatable=True).body))

    @operation(example='mpesa.remit_tax({"Amount": "239", "AccountReference": "353353"})', writes=True)
    def remit_tax(self, payment: Mapping[str, Any]) -> dict[str, Any]:
        """Pay tax to the revenue authority."""
        usual = {"Command ID": "PayTaxToKRA", "PartyA": self._shortcode, "SenderIdentifierType": "4"}
        return self._asked("/mpesa/b2b/v1/remittax", {**usual, **payment})

    @operation(example='mpesa.buy_goods({"Amount": "239", "PartyB": "000000"})', writes=True)
    def buy_goods(self, payment: Mapping[str, Any]) -> dict[str, Any]:
        """Pay another business."""
        usual = {"Command ID": "BusinessBuyGoods", "PartyA": self._shortcode, "SenderIdentifierType": "4"}
        return self._asked("/mpesa/b2b/v1/paymentrequest", {**usual, **payment})

    @operation(example='mpesa.request("POST", "/mpesa/b2c/v3/paymentrequest", payment).body', writes=True)
    def request(self, method: str, path: str, data: Any = None, **options: Any) -> Response:
        """Send any request; `.body` is the parsed answer."""
        return super().request(method, path, data, **options)

    def test(self) -> str:
        """One sentence for *Test connection*; a failure raises."""
        with self._told():
            self._sign_in()
        return f"M-Pesa accepts the keys for the short code {self._shortcode}."

    def _asked(self, path: str, data: Mapping[str, Any]) -> dict[str, Any]:
        answer = self.post(path, dict(data), repeatable=False, retry_statuses=(429,))
        return dict(self.part(answer.body))

    def _signed(self) -> dict[str, str]:
        if not self._pass_key:
            raise ConfigurationError("The credential for M-Pesa needs its pass key for this.")
        stamp = datetime.now(UTC).astimezone(NAIROBI).strftime("%Y%m%d%H%M%S")
        password = base64.b64encode(f"{self._shortcode}{self._pass_key}{stamp}".encode()).decode("ascii")
        # Made from the pass key, so as secret as that.
        self.redact.learn([password])
        self.http_client.learn([password])
        self.context.learn(password)
        return {"BusinessShortCode": self._shortcode, "Password": password, "Timestamp": stamp}


def _unless_pending(response: Response) -> bool | None:
    """They answer 500 while the person has not decided yet."""
    said = response.body.get("errorMessage", "") if isinstance(response.body, dict) else ""
    return False if "being processed" in str(said) else None


def _shillings(amount: Any) -> int:
    """250 also from 250.0, as a table reads it."""
    if isinstance(amount, bool) or not isinstance(amount, (int, float, Decimal)) or amount < 1 or amount % 1:
        raise ValidationError("M-Pesa takes whole shillings, at least one.", sent=False)
    return int(amount)


def _number(phone: str) -> str:
    number = re.sub(r"[\s()-]", "", str(phone)).lstrip("+")
    number = "254" + number[1:] if number.startswith("0") else number
    if not re.fullmatch(r"254\d{9}", number):
        raise ValidationError("M-Pesa pays from Kenyan numbers, as in +254708374149.", sent=False)
    return number


ADAPTOR = AdaptorSpec(
    name="mpesa",
    title="M-Pesa",
    summary="Payments by Safaricom's M-Pesa.",
    schema=Client.schema,
    client=Client,
)
