"""`openelis`: orders and results of an OpenELIS laboratory system."""

from __future__ import annotations

from jobs.adaptors.descriptor import Call, Descriptor, basic
from jobs.adaptors.paging import LinkNext
from jobs.adaptors.spec import address, credential, secret, text

ADAPTOR = Descriptor(
    name="openelis",
    title="OpenELIS",
    summary="Orders and results of an OpenELIS laboratory system.",
    schema=credential(
        {
            "baseUrl": address("Address", example="https://lab.example.org"),
            "username": text("User name", minLength=1),
            "password": secret("Password"),
        },
        required=("baseUrl", "username", "password"),
    ),
    base="{baseUrl}",
    auth=basic("username", "password"),
    words=("issue.0.diagnostics", "issue.0.details.text"),
    headers={"Accept": "application/fhir+json, application/json"},
    items="entry",
    paging=LinkNext(path="link", name="relation", url="url"),
    test="/fhir/metadata",
    calls=(
        Call(
            "get_results",
            "(order)",
            "GET",
            "/fhir/DiagnosticReport",
            query={"based-on": "order"},
            take="entry",
            paging=LinkNext(path="link", name="relation", url="url"),
            help="Reports of an order.",
            example='openelis.get_results("ServiceRequest/7")',
        ),
        Call(
            "create_order",
            "(bundle)",
            "POST",
            "/fhir",
            body="bundle",
            help="Send an order as a bundle.",
            example='openelis.create_order({"resourceType": "Bundle"})',
        ),
    ),
).adaptor()
