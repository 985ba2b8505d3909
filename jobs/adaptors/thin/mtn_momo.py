"""`mtn_momo`: requests to pay and transfers by MTN Mobile Money."""

from __future__ import annotations

from jobs.adaptors.descriptor import Call, Descriptor, both, client_credentials, header, open_header
from jobs.adaptors.spec import address, credential, secret, text

ADAPTOR = Descriptor(
    name="mtn_momo",
    title="MTN MoMo",
    summary="Requests to pay and transfers by MTN Mobile Money.",
    schema=credential(
        {
            "baseUrl": address("Address", example="https://sandbox.momodeveloper.mtn.com"),
            "apiUser": text("API user", minLength=1),
            "apiKey": secret("API key", minLength=1),
            "subscriptionKey": secret("Subscription key", minLength=1),
            "product": text(
                "Product", enum=["collection", "disbursement", "remittance"], default="collection"
            ),
            "environment": text("Environment", default="sandbox"),
        },
        required=("baseUrl", "apiUser", "apiKey", "subscriptionKey"),
    ),
    base="{baseUrl}",
    auth=both(
        client_credentials("/{product|collection}/token/", client_id="apiUser", client_secret="apiKey"),
        header("Ocp-Apim-Subscription-Key", "subscriptionKey"),
        open_header("X-Target-Environment", "environment"),
    ),
    words=("message", "reason"),
    calls=(
        Call(
            "request_to_pay",
            "(payment, reference)",
            "POST",
            "/collection/v1_0/requesttopay",
            body="payment",
            headers={"X-Reference-Id": "reference"},
            key="reference",
            help="Ask somebody to pay; `reference` is a UUID, and the same one never asks twice.",
            example='mtn_momo.request_to_pay({"amount": "10"}, reference=run.idempotency_key)',
        ),
        Call(
            "get_payment",
            "(reference)",
            "GET",
            "/collection/v1_0/requesttopay/{reference}",
            help="What became of a request to pay.",
            example='mtn_momo.get_payment("7")',
        ),
    ),
).adaptor()
