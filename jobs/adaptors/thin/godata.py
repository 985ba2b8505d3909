"""`godata`: cases, contacts and outbreaks of Go.Data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from jobs.adaptors.descriptor import Call, Descriptor, ThinClient, log_in
from jobs.adaptors.searching import as_text, refuse_empty, the_one, told_apart
from jobs.adaptors.spec import address, credential, operation, secret, text

OF_AN_OUTBREAK = {"case": "cases", "contact": "contacts"}
KEYS = {"location": "name"}  # by what a kind is known unless told
OF_ALL = {"outbreak": "outbreaks", "location": "locations", "reference_data": "reference-data"}


def _finding(noun: str, path: str) -> Call:
    """`get_…`: what a filter finds."""
    within = "{outbreak}" in path
    words = noun.replace("_", " ")
    outbreak = '"7", ' if within else ""
    return Call(
        f"get_{noun}",
        f"({'outbreak, ' if within else ''}filter)",
        "GET",
        path,
        query={"filter": "filter"},
        help=f"All {words} records{' of an outbreak' if within else ''} that Go.Data's filter finds.",
        example=f'godata.get_{noun}({outbreak}{{"where": {{"id": "8"}}}})',
    )


def _upserting(noun: str, part: str, *, key: str) -> Callable[..., Any]:
    """`upsert_…` of what there is once for all outbreaks."""
    call = f"godata.upsert_{noun}"

    def upsert(self: ThinClient, record: Mapping[str, Any], *, key: str = key) -> Any:
        return _upserted(self, call, noun, f"/{part}", record, key)

    return _named(upsert, noun, example=f'{call}({{"{key}": "North"}})')


def _upserting_within(noun: str, part: str, *, key: str) -> Callable[..., Any]:
    """`upsert_…` of what belongs to an outbreak."""
    call = f"godata.upsert_{noun}"

    def upsert(self: ThinClient, outbreak: str, record: Mapping[str, Any], *, key: str = key) -> Any:
        refuse_empty(call, {"outbreak": outbreak})
        path = f"/outbreaks/{quote(as_text(outbreak), safe='')}/{part}"
        return _upserted(self, call, noun, path, record, key)

    return _named(upsert, noun, example=f'{call}("7", {{"{key}": "C-7", "firstName": "Ama"}})')


def _named(upsert: Callable[..., Any], noun: str, *, example: str) -> Callable[..., Any]:
    words = noun.replace("_", " ")
    upsert.__name__ = upsert.__qualname__ = f"upsert_{noun}"
    upsert.__doc__ = (
        f"Change the {words} record that has the same value in the field `key`, or make it.\n\n"
        "Several with that value raise AmbiguousError."
    )
    return operation(example=example, writes=True)(upsert)


def _upserted(
    client: ThinClient, call: str, noun: str, path: str, record: Mapping[str, Any], key: str
) -> Any:
    conditions = told_apart(call, record, key)
    asked = client.request("GET", path, params={"filter": {"where": conditions}})
    records = client.part(asked.body, kind=list)
    found = the_one("Go.Data", f"{noun.replace('_', ' ')} records", records, conditions)
    if found is None:
        return client.request("POST", path, dict(record)).body
    # Go.Data refuses a visual ID that exists, be it the record's own; one that it was found by stays as it is.
    kept = {"id", "visualId"} & {"id", key}
    changes = {name: value for name, value in record.items() if name not in kept}
    return client.request("PUT", f"{path}/{quote(as_text(found['id']), safe='')}", changes).body


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
        *(_finding(noun, f"/outbreaks/{{outbreak}}/{part}") for noun, part in OF_AN_OUTBREAK.items()),
        *(_finding(noun, f"/{part}") for noun, part in OF_ALL.items()),
    ),
    methods=(
        *(_upserting_within(noun, part, key="visualId") for noun, part in OF_AN_OUTBREAK.items()),
        *(_upserting(noun, part, key=KEYS.get(noun, "id")) for noun, part in OF_ALL.items()),
    ),
).adaptor()
