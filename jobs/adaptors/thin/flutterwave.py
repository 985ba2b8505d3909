"""`flutterwave`: payments and customers of a Flutterwave account."""

from __future__ import annotations

from jobs.adaptors.descriptor import Call, Descriptor, Problem, bearer
from jobs.adaptors.spec import address, credential, secret

ADAPTOR = Descriptor(
    name="flutterwave",
    title="Flutterwave",
    summary="Payments and customers of a Flutterwave account.",
    schema=credential(
        {
            "secretKey": secret("Secret key", minLength=1),
            "baseUrl": address("Address", "Only for a test server.", example="https://api.flutterwave.com"),
        },
        required=("secretKey",),
    ),
    base="{baseUrl|https://api.flutterwave.com}/v3",
    auth=bearer("secretKey"),
    problems=(Problem(when="status", good=("success",), message="message"),),
    test="/balances",
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
            "(customer)",
            "POST",
            "/customers",
            body="customer",
            take="data",
            help="Make a customer.",
            example='flutterwave.create_customer({"email": "ama@clinic.example", "name": {"first": "Ama"}})',
        ),
        Call(
            "create_payment_method",
            "(method)",
            "POST",
            "/payment-methods",
            body="method",
            take="data",
            help="Make a way to pay, as a mobile money account.",
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
