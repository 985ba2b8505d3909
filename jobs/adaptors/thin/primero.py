"""`primero`: cases and referrals of a Primero child protection system."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from jobs.adaptors.descriptor import Call, Descriptor, ThinClient, basic
from jobs.adaptors.errors import ValidationError
from jobs.adaptors.paging import PageNumber, dig
from jobs.adaptors.searching import as_text, refuse_empty, the_one, told_apart
from jobs.adaptors.spec import address, credential, operation, secret, text

PAGES = PageNumber(page="page", size_param="per", size=100)
ALL = 1_000_000
OWN_ID = ("id", "record_id")  # two names of Primero's own ID of a case; only the first may be sent


@operation(example='primero.upsert_case({"case_id": "6aeaa66a", "age": 8})', writes=True)
def upsert_case(
    self: ThinClient, case: Mapping[str, Any], *, key: str | Sequence[str] = "case_id"
) -> dict[str, Any]:
    """Change the case that has the same values in the fields of `key`, or make it.

    `key` is one field or several. Several cases with those values raise AmbiguousError.
    """
    conditions = told_apart("primero.upsert_case", case, key)
    found = the_one("Primero", "cases", _cases(self, conditions), conditions)
    data = {name: value for name, value in case.items() if name not in OWN_ID}
    if found is None:
        own = _own_id(conditions) or case.get("id")
        answer = self.request("POST", "/cases", {"data": {**data, "id": own} if own else data})
    else:
        # Never sent again by itself: rows of a subform would be added twice.
        answer = self.request("PATCH", f"/cases/{quote(as_text(found['id']), safe='')}", {"data": data})
    return dict(self.part(answer.body, "data"))


@operation(
    example='primero.create_referrals(["7", "8"], {"transitioned_to": "amina", "notes": "Seen"})', writes=True
)
def create_referrals(self: ThinClient, cases: Iterable[str], referral: Mapping[str, Any]) -> Any:
    """Refer several cases to one user at once."""
    ids = [] if isinstance(cases, str) else list(cases)
    if not ids:
        raise ValidationError("primero.create_referrals needs a list of cases.", sent=False)
    answer = self.request("POST", "/cases/referrals", {"data": {**referral, "ids": ids}})
    return None if answer.status == 204 else dig(self.part(answer.body), "data")


@operation(
    example='primero.update_referrals("7", [{"id": "9", "status": "done"}, {"id": "10", "status": "done"}])',
    writes=True,
)
def update_referrals(
    self: ThinClient, case: str, referrals: Iterable[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Change several referrals of a case, each by its `id`; nothing is sent if one has none."""
    kept = list(referrals)
    for referral in kept:
        refuse_empty(
            "primero.update_referrals",
            {"case": case, **told_apart("primero.update_referrals", referral, "id")},
        )
    changed = []
    for referral in kept:
        path = f"/cases/{quote(as_text(case), safe='')}/referrals/{quote(as_text(referral['id']), safe='')}"
        data = {name: value for name, value in referral.items() if name != "id"}
        changed.append(dict(self.part(self.request("PATCH", path, {"data": data}).body, "data")))
    return changed


def _cases(client: ThinClient, conditions: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Cases that may have these values."""
    own = _own_id(conditions)
    if own is None:
        wanted = {name: as_text(value) for name, value in conditions.items()}
        params = {"remote": "true", **wanted}
        yield from client.records("/cases", params=params, paging=PAGES, items="data", max=ALL)
        return
    answer = client.request("GET", f"/cases/{quote(as_text(own), safe='')}", errors={404: False})
    if answer.status != 404:
        found = client.part(answer.body, "data")
        yield {**found, "record_id": found.get("id")}


def _own_id(conditions: Mapping[str, Any]) -> Any:
    return next((value for name, value in conditions.items() if name in OWN_ID), None)


ADAPTOR = Descriptor(
    name="primero",
    title="Primero",
    summary="Cases and referrals of a Primero child protection system.",
    schema=credential(
        {
            "baseUrl": address("Address", example="https://primero.example.org"),
            "username": text("User name", minLength=1),
            "password": secret("Password"),
        },
        required=("baseUrl", "username", "password"),
    ),
    base="{baseUrl}/api/v2",
    auth=basic("username", "password"),
    words=("errors.0.message",),
    items="data",
    paging=PAGES,
    test="/users?per=1",
    calls=(
        Call(
            "get_cases",
            "(*, query=None, remote=None)",
            "GET",
            "/cases",
            query={"query": "query", "remote": "remote"},
            take="data",
            paging=PAGES,
            help="Cases, all pages.",
            example="primero.get_cases(remote=True)",
        ),
        Call(
            "get_forms",
            "()",
            "GET",
            "/forms",
            query={},
            take="data",
            paging=PAGES,
            help="All forms.",
            example="primero.get_forms()",
        ),
        Call(
            "get_lookups",
            "()",
            "GET",
            "/lookups",
            query={},
            take="data",
            paging=PAGES,
            help="All lookups.",
            example="primero.get_lookups()",
        ),
        Call(
            "get_locations",
            "()",
            "GET",
            "/locations",
            query={},
            take="data",
            paging=PAGES,
            help="All locations.",
            example="primero.get_locations()",
        ),
        Call(
            "create_case",
            "(case)",
            "POST",
            "/cases",
            fields={"data": "case"},
            take="data",
            help="Make a case.",
            example='primero.create_case({"age": 7})',
        ),
        Call(
            "update_case",
            "(id, case)",
            "PATCH",
            "/cases/{id}",
            fields={"data": "case"},
            take="data",
            help="Change a case.",
            example='primero.update_case("7", {"age": 8})',
        ),
        Call(
            "get_referrals",
            "(case)",
            "GET",
            "/cases/{case}/referrals",
            take="data",
            help="Referrals of a case.",
            example='primero.get_referrals("7")',
        ),
        Call(
            "create_referral",
            "(case, referral)",
            "POST",
            "/cases/{case}/referrals",
            fields={"data": "referral"},
            take="data",
            help="Refer a case.",
            example='primero.create_referral("7", {"transitioned_to": "amina"})',
        ),
        Call(
            "update_referral",
            "(case, id, referral)",
            "PATCH",
            "/cases/{case}/referrals/{id}",
            fields={"data": "referral"},
            take="data",
            help="Change a referral of a case.",
            example='primero.update_referral("7", "9", {"status": "accepted"})',
        ),
    ),
    methods=(upsert_case, create_referrals, update_referrals),
).adaptor()
