"""`monnify`: collections and disbursements through Monnify."""

from __future__ import annotations

from jobs.adaptors.descriptor import Call, Descriptor, Problem, log_in
from jobs.adaptors.spec import address, credential, secret

ADAPTOR = Descriptor(
    name="monnify",
    title="Monnify",
    summary="Collections and disbursements through Monnify.",
    schema=credential(
        {
            "baseUrl": address("Address", example="https://api.monnify.com"),
            "apiKey": secret("API key", minLength=1),
            "secretKey": secret("Secret key", minLength=1),
        },
        required=("baseUrl", "apiKey", "secretKey"),
    ),
    base="{baseUrl}/api",
    auth=log_in("/v1/auth/login", {}, token="responseBody.accessToken", as_basic=("apiKey", "secretKey")),
    words=("responseMessage",),
    problems=(
        Problem(when="requestSuccessful", good=(True, None), message="responseMessage"),
        Problem(when="responseCode", good=("0",), message="responseMessage"),
    ),
    calls=(
        Call(
            "get_transaction",
            "(reference)",
            "GET",
            "/v2/transactions/{reference}",
            take="responseBody",
            help="What became of a payment.",
            example='monnify.get_transaction("MNFY|7")',
        ),
    ),
).adaptor()
