"""`godata`: cases, contacts and outbreaks of Go.Data."""

from __future__ import annotations

from jobs.adaptors.descriptor import Call, Descriptor, log_in
from jobs.adaptors.spec import address, credential, secret, text

ADAPTOR = Descriptor(
    name="godata",
    title="Go.Data",
    summary="Cases, contacts and outbreaks of Go.Data.",
    schema=credential(
        {
            "baseUrl": address("Address", example="https://godata.example.org"),
            "email": text("E-mail address", minLength=3),
            "password": secret("Password"),
        },
        required=("baseUrl", "email", "password"),
    ),
    base="{baseUrl}/api",
    auth=log_in(
        "/users/login",
        {"email": "email", "password": "password"},
        token="id",
        header="Authorization",
        prefix="",
    ),
    words=("error.message",),
    test="/users/count",
    calls=(
        Call(
            "list_cases",
            "(outbreak, *, filter=None)",
            "GET",
            "/outbreaks/{outbreak}/cases",
            query={"filter": "filter"},
            help="Cases of an outbreak; `filter` is Go.Data's JSON text.",
            example='godata.list_cases("7")',
        ),
        Call(
            "list_contacts",
            "(outbreak, *, filter=None)",
            "GET",
            "/outbreaks/{outbreak}/contacts",
            query={"filter": "filter"},
            help="Contacts of an outbreak; `filter` is Go.Data's JSON text.",
            example='godata.list_contacts("7")',
        ),
        Call(
            "list_outbreaks",
            "()",
            "GET",
            "/outbreaks",
            help="All outbreaks.",
            example="godata.list_outbreaks()",
        ),
        Call(
            "list_locations",
            "()",
            "GET",
            "/locations",
            help="All locations.",
            example="godata.list_locations()",
        ),
        Call(
            "list_reference_data",
            "()",
            "GET",
            "/reference-data",
            help="All reference data.",
            example="godata.list_reference_data()",
        ),
        Call(
            "create_case",
            "(outbreak, case)",
            "POST",
            "/outbreaks/{outbreak}/cases",
            body="case",
            help="Make a case.",
            example='godata.create_case("7", {"firstName": "Ama"})',
        ),
        Call(
            "update_case",
            "(outbreak, id, case)",
            "PUT",
            "/outbreaks/{outbreak}/cases/{id}",
            body="case",
            help="Change a case.",
            example='godata.update_case("7", "8", {"age": 7})',
        ),
    ),
).adaptor()
