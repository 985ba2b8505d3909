"""`stripe`: customers, charges and payments of a Stripe account."""

from __future__ import annotations

from jobs.adaptors.descriptor import Call, Descriptor, bearer
from jobs.adaptors.spec import address, credential, secret

ADAPTOR = Descriptor(
    name="stripe",
    title="Stripe",
    summary="Customers, charges and payments of a Stripe account.",
    schema=credential(
        {
            "apiKey": secret("Secret key", minLength=1),
            "baseUrl": address("Address", "Only for a test server.", example="https://api.stripe.com"),
        },
        required=("apiKey",),
    ),
    base="{baseUrl|https://api.stripe.com}/v1",
    auth=bearer("apiKey"),
    test="/balance",
    calls=(
        Call(
            "list_all",
            "(kind)",
            "GET",
            "/{kind}?limit=100",
            fixed={},
            take="data",
            help="The first hundred of a list (`customers`, `charges` …), newest first.",
            example='stripe.list_all("customers")',
        ),
        Call(
            "create",
            "(kind, fields, key)",
            "POST",
            "/{kind}",
            body="fields",
            content_type="form",
            key="key",
            help="Make something; the same key never makes it twice.",
            example='stripe.create("customers", {"name": "Ama"}, key=run.idempotency_key)',
        ),
    ),
).adaptor()
