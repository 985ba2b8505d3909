"""The API's table of scopes sees what it is for; methods that an address does not know are refused.

The table itself, every address × way × scope, and what neighbours are told, is `tests/api/test_scopes.py`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any
from unittest.mock import patch

import pytest
from django.db import transaction

from openfn_platform.projects.api import scopes
from tests.api.cast import CANARY, Caller, Clinic
from tests.api.test_scopes import ADDRESSES, SCOPES, TABLE, address_of, ask, text, things_of
from tests.matrix.sites import Site, Watch, sites, watching

pytestmark = pytest.mark.django_db
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "TRACE")
# Narrowed twice: the pages of *Sent* are looked up project by project, so that the index serves them; what an inbox
# would do with a message is asked of a verb that asks for the role in its project, too; a bulk operation takes rows of
# its project only.
TWICE = {"runs/api/bulk.py", "runs/api/exchanges.py", "triggers/api/would_match.py"}
ALL = ("intake", "read", "read-data", "operate", "deploy")


# A deed of one's own that names what is theirs: where it is sent, and what.
WITH_THEIRS: dict[str, tuple[str, Callable[[dict[str, Any]], Any]]] = {
    "their message": ("jobs/{job}/run", lambda things: {"message": str(things["message"])}),
    "their run": ("jobs/{job}/run", lambda things: {"run": str(things["run"])}),
    "their job": ("messages/{message}/reprocess", lambda things: {"jobs": [str(things["job"])]}),
    "their job, listening": (
        "triggers",
        lambda things: {"name": "T", "kind": "message", "workflow": "main", "jobs": [str(things["job"])]},
    ),
    "theirs in a filter": (
        "bulk",
        lambda _things: {"deed": "retry", "filter": {"state": "failed"}, "dry_run": True},
    ),
}


class Fence:
    """A clinic and its neighbour, and which rows of the table come to which place that narrows."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.clinic, stranger = Clinic("Clinic"), Clinic("Stranger")
        self.things = things_of(self.clinic)
        self.caller = stranger.caller(*ALL)
        self.own = {"job": str(stranger.job().pk), "message": str(stranger.message().pk)}
        self.before = {row: self.told(row) for row in self.rows()}
        self.reached: dict[Site, list[str]] = {}
        for row in self.rows():
            watch.reached.clear()
            self.told(row)
            for site in watch.reached:
                self.reached.setdefault(site, []).append(row)

    def rows(self) -> list[str]:
        """All of the table, and deeds of one's own with what is the neighbour's."""
        return [*TABLE, *WITH_THEIRS]

    def told(self, row: str) -> tuple[int, str]:
        with transaction.atomic():
            if row in WITH_THEIRS:
                path, body = WITH_THEIRS[row]
                answer = self.caller.post(path.format(**self.own), body(self.things))
            else:
                answer = ask(self.caller, row, self.things)
            transaction.set_rollback(True)
        return answer.status_code, text(answer)

    def learns(self, row: str) -> bool:
        status, content = self.told(row)
        if row == "theirs in a filter" and content != self.before[row][1]:
            return True
        known = [CANARY, *(str(thing) for thing in self.things.values())]
        return status != self.before[row][0] or any(
            mark in content and mark not in self.before[row][1] for mark in known
        )


@pytest.fixture(scope="module")
def fence(django_db_setup: None, django_db_blocker: Any) -> Iterator[Fence]:
    with django_db_blocker.unblock(), transaction.atomic(), watching() as watch:
        yield Fence(watch)
        transaction.set_rollback(True)


@pytest.mark.parametrize("name", ADDRESSES)
def test_other_methods_are_not_known_here(fence: Fence, name: str):
    known = {TABLE[row][0] for row in TABLE if row.split(" ")[0] == name} or {"GET"}
    caller = fence.caller
    for method in METHODS:
        if method not in known:
            answer = caller.client.generic(
                method, address_of(name, {}), headers=caller.headers, content_type="application/json"
            )
            assert answer.status_code == 405, method
            assert set(answer["Allow"].split(", ")) - {"HEAD", "OPTIONS"} == known


@pytest.mark.parametrize("row", [row for row in TABLE if set(TABLE[row][1]) != set(SCOPES)])
def test_without_its_scope_a_row_of_the_table_would_fail(fence: Fence, row: str):
    """The question for the scope is taken out; the sentence that the table expects is then not told."""
    _, allowed, missing = TABLE[row]
    lacking = next(scope for scope in SCOPES if scope not in allowed)
    with _unasked():
        answer = ask(fence.clinic.caller(lacking), row, fence.things)
    assert f"the scope “{missing}”" not in text(answer)


def _unasked() -> ExitStack:
    real, patches = scopes.scope_require, ExitStack()
    for module in list(sys.modules.values()):
        if getattr(module, "__dict__", {}).get("scope_require") is real:
            patches.enter_context(patch.object(module, "scope_require", lambda **_asked: None))
    return patches


@pytest.mark.parametrize(
    "site", [site for site in sites() if "/api/" in site.file and site.file not in TWICE], ids=str
)
def test_without_this_narrowing_a_neighbour_would_learn_something(fence: Fence, site: Site):
    assert site in fence.reached, "no row of the table comes here"
    fence.watch.taken_out = site
    try:
        assert any(fence.learns(row) for row in fence.reached[site])
    finally:
        fence.watch.taken_out = None


def test_the_caller_is_a_stranger(fence: Fence):
    assert isinstance(fence.caller, Caller)
    assert fence.told("api-run")[0] == 404
