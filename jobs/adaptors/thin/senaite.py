"""`senaite`: samples and analyses of the laboratory system SENAITE."""

from __future__ import annotations

from jobs.adaptors.descriptor import Call, Descriptor, Problem, cookie_log_in
from jobs.adaptors.paging import NextUrl
from jobs.adaptors.spec import address, credential, secret, text

ADAPTOR = Descriptor(
    name="senaite",
    title="SENAITE",
    summary="Samples and analyses of the laboratory system SENAITE.",
    schema=credential(
        {
            "baseUrl": address("Address", example="https://lims.example.org/senaite"),
            "username": text("User name", minLength=1),
            "password": secret("Password"),
        },
        required=("baseUrl", "username", "password"),
    ),
    base="{baseUrl}/@@API/senaite/v1",
    auth=cookie_log_in("/login", {"__ac_name": "username", "__ac_password": "password"}, form=True),
    problems=(Problem(when="success", good=(True,), message="message"),),
    items="items",
    paging=NextUrl("next"),
    test="/users/current",
    calls=(
        Call(
            "search",
            "(kind, *, text=None)",
            "GET",
            "/search",
            query={"portal_type": "kind", "q": "text"},
            take="items",
            paging=NextUrl("next"),
            help="Records of a kind, all pages.",
            example='senaite.search("Client")',
        ),
    ),
).adaptor()
