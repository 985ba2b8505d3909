"""`pesapal`: orders and payments through Pesapal."""

from __future__ import annotations

from jobs.adaptors.descriptor import Call, Descriptor, Problem, log_in
from jobs.adaptors.spec import address, credential, secret

ADAPTOR = Descriptor(
    name="pesapal",
    title="Pesapal",
    summary="Orders and payments through Pesapal.",
    schema=credential(
        {
            "baseUrl": address("Address", example="https://pay.pesapal.com/v3"),
            "consumerKey": secret("Consumer key", minLength=1),
            "consumerSecret": secret("Consumer secret", minLength=1),
        },
        required=("baseUrl", "consumerKey", "consumerSecret"),
    ),
    base="{baseUrl}/api",
    auth=log_in("/Auth/RequestToken", {"consumer_key": "consumerKey", "consumer_secret": "consumerSecret"}),
    problems=(Problem(when="error.message", message="error.message"),),
    calls=(
        Call(
            "submit_order",
            "(order)",
            "POST",
            "/Transactions/SubmitOrderRequest",
            body="order",
            help="Start a payment; answers where to pay.",
            example='pesapal.submit_order({"id": "7", "amount": 10})',
        ),
        Call(
            "get_status",
            "(order)",
            "GET",
            "/Transactions/GetTransactionStatus",
            query={"orderTrackingId": "order"},
            help="What became of a payment.",
            example='pesapal.get_status("7")',
        ),
    ),
).adaptor()
