"""`cht`: documents, people and places of a Community Health Toolkit instance."""

from __future__ import annotations

from jobs.adaptors.descriptor import Call, Descriptor, basic
from jobs.adaptors.paging import Cursor
from jobs.adaptors.spec import address, credential, secret, text

ADAPTOR = Descriptor(
    name="cht",
    title="Community Health Toolkit",
    summary="Documents, people and places of a Community Health Toolkit instance.",
    schema=credential(
        {
            "baseUrl": address("Address", example="https://cht.example.org"),
            "username": text("User name", minLength=1),
            "password": secret("Password"),
        },
        required=("baseUrl", "username", "password"),
    ),
    base="{baseUrl}",
    auth=basic("username", "password"),
    words=("reason",),
    test="/api/info",
    calls=(
        Call(
            "get_contacts",
            "(*, type=None)",
            "GET",
            "/api/v1/contact/uuid",
            query={"type": "type"},
            take="data",
            paging=Cursor("cursor", "cursor"),
            help="Contact IDs of a type, all pages.",
            example='cht.get_contacts(type="person")',
        ),
        Call(
            "create_record",
            "(record)",
            "POST",
            "/api/v2/records",
            body="record",
            help="Report a form.",
            example='cht.create_record({"_meta": {"form": "P"}})',
        ),
        Call(
            "create_person",
            "(person)",
            "POST",
            "/api/v1/people",
            body="person",
            help="Make a person.",
            example='cht.create_person({"name": "Ama", "place": "7"})',
        ),
        Call(
            "create_place",
            "(place)",
            "POST",
            "/api/v1/places",
            body="place",
            help="Make a place.",
            example='cht.create_place({"name": "Village", "type": "clinic"})',
        ),
    ),
).adaptor()
