"""`flutterwave`: payments and customers of a Flutterwave account."""

from __future__ import annotations

from typing import Any

from jobs.adaptors.descriptor import Call, Descriptor, Problem, bearer, client_credentials, first_of
from jobs.adaptors.spec import address, credential, secret, text

LOGIN = "https://idp.flutterwave.com"


def _newer(configuration: dict[str, Any]) -> bool:
    """Whether a credential is for version 4 of the API, which has customers and payment methods."""
    return bool(configuration.get("clientSecret"))


ADAPTOR = Descriptor(
    name="flutterwave",
    title="Flutterwave",
    summary="Payments and customers of a Flutterwave account.",
    schema={
        **credential(
            {
                "secretKey": secret("Secret key", "For version 3 of the API."),
                "clientId": text("Client ID", "For version 4, with a client secret and the address."),
                "clientSecret": secret("Client secret"),
                "baseUrl": address(
                    "Address",
                    "For version 4; for version 3 only of a test server.",
                    example="https://api.flutterwave.cloud/f4bexperience",
                ),
                "loginUrl": address("Log-in address", "Only for a test server.", example=LOGIN),
            }
        ),
        "anyOf": [{"required": ["secretKey"]}, {"required": ["clientId", "clientSecret", "baseUrl"]}],
    },
    base=lambda given: "{baseUrl}" if _newer(given) else "{baseUrl|https://api.flutterwave.com}/v3",
    auth=first_of(
        (
            "clientSecret",
            client_credentials(
                f"{{loginUrl|{LOGIN}}}/realms/flutterwave/protocol/openid-connect/token",
                client_id="clientId",
                client_secret="clientSecret",
                in_body=True,
            ),
        ),
        ("secretKey", bearer("secretKey")),
    ),
    problems=(Problem(when="status", good=("success",), message="message"),),
    test=lambda given: "/customers?page=1&size=10" if _newer(given) else "/balances",
    calls=(
        Call(
            "initiate_payment",
            "(payment)",
            "POST",
            "/payments",
            body="payment",
            take="data",
            help="Start a payment; answers the link to pay.",
            example='flutterwave.initiate_payment({"tx_ref": "7", "amount": 10})',
        ),
        Call(
            "create_customer",
            "(customer, *, key=None)",
            "POST",
            "/customers",
            body="customer",
            take="data",
            headers={"X-Idempotency-Key": "key"},
            key="key",
            help="Make a customer (version 4); with a `key` of 12 letters or more it may be sent twice.",
            example='flutterwave.create_customer({"email": "ama@clinic.example", "name": {"first": "Ama"}})',
        ),
        Call(
            "create_payment_method",
            "(method, *, key=None)",
            "POST",
            "/payment-methods",
            body="method",
            take="data",
            headers={"X-Idempotency-Key": "key"},
            key="key",
            help="Make a way to pay, as a mobile money account (version 4); with a `key` of 12 letters or more it may be sent twice.",
            example='flutterwave.create_payment_method({"type": "mobile_money", "customer_id": "cus_7"})',
        ),
        Call(
            "get_transaction",
            "(transaction)",
            "GET",
            "/transactions/{transaction}/verify",
            take="data",
            help="What became of a payment.",
            example='flutterwave.get_transaction("7")',
        ),
    ),
).adaptor()
