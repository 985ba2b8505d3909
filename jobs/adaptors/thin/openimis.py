"""`openimis`: insurees, coverage and claims of openIMIS, by FHIR."""

from __future__ import annotations

from jobs.adaptors.descriptor import Call, Descriptor, log_in
from jobs.adaptors.paging import LinkNext
from jobs.adaptors.spec import address, credential, secret, text

ADAPTOR = Descriptor(
    name="openimis",
    title="openIMIS",
    summary="Insurees, coverage and claims of openIMIS, by FHIR.",
    schema=credential(
        {
            "baseUrl": address("Address", example="https://imis.example.org"),
            "username": text("User name", minLength=1),
            "password": secret("Password"),
        },
        required=("baseUrl", "username", "password"),
    ),
    base="{baseUrl}/api/api_fhir_r4",
    auth=log_in("/login/", {"username": "username", "password": "password"}),
    words=("issue.0.details.text", "issue.0.diagnostics"),
    items="entry",
    paging=LinkNext(path="link", name="relation", url="url"),
    test="/Patient/?page-limit=1",
    calls=(
        Call(
            "get_fhir",
            "(kind, *, query=None)",
            "GET",
            "/{kind}/",
            query={"q": "query"},
            take="entry",
            paging=LinkNext(path="link", name="relation", url="url"),
            help="Entries of a resource, all pages.",
            example='openimis.get_fhir("Claim")',
        ),
    ),
).adaptor()
