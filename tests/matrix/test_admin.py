"""Who may open which page of the admin: every address × method × person, held against `admin.toml`.

An address that the table does not have fails, and so does a line of the table that no address has any more.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction

from openfn_platform.projects.models import Role
from tests.matrix.actors import ACTORS, STRANGERS, Fate, Rule
from tests.matrix.addresses import Address, addresses
from tests.matrix.asking import Heard, fits, knock
from tests.matrix.scene import CANARIES, Scene, scene_build

TABLE: dict[str, Any] = tomllib.loads((Path(__file__).parent / "admin.toml").read_text())
ADDRESSES = [each for each in addresses() if each.pattern.startswith("admin/")]
pytestmark = pytest.mark.django_db  # the module's scene is a transaction around each test's own

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
Hear = Callable[..., Heard]
# Methods that no page knows are answered before anybody is looked at; these stand for all.
SOME = tuple(actor for actor in ACTORS if actor.name in ("anonymous", "outsider", "owner"))


@pytest.fixture(scope="module")
def scene(django_db_setup: None, django_db_blocker: Any) -> Any:
    with django_db_blocker.unblock(), transaction.atomic():
        yield scene_build()
        transaction.set_rollback(True)


@pytest.fixture(scope="module")
def heard() -> Hear:
    """What a door answers, asked once: nothing stays of a question, so the answer stays the same."""
    return cache(knock)


def rule_of(address: Address, method: str) -> Rule | None:
    """None where the method is not for this address."""
    line = TABLE[address.pattern]
    rules = {"GET": line, "POST": line} if isinstance(line, str) else line
    text = rules.get("GET" if method == "HEAD" else method)
    return Rule.read(text) if text else None


def test_the_table_has_every_address_and_no_other():
    assert set(TABLE) == {each.pattern for each in ADDRESSES}


def as_it_should(heard: Heard, wanted: Fate, *, method: str) -> bool:
    """A page need not know HEAD, and one that does not know a method may say who one is first."""
    if wanted == "no such method":
        return heard.status in (302, 401, 403, 404, 405)
    if wanted == "in" and method == "HEAD":
        return heard.status < 500
    return fits(heard.fate, wanted)


@pytest.mark.parametrize("address", ADDRESSES, ids=lambda each: each.pattern)
def test_every_door_opens_to_those_it_is_for(scene: Scene, heard: Hear, address: Address):
    wrong = []
    for method in METHODS:
        rule = rule_of(address, method)
        for actor in ACTORS if method in ("GET", "POST") else SOME:
            answer = heard(scene, actor, address, method)
            wanted = rule.fate(actor) if rule else "no such method"
            if not as_it_should(answer, wanted, method=method):
                wrong.append(f"{method} {actor.name}: {answer.fate} ({answer.status}), not {wanted}")
            if answer.fate != "in" and answer.wrote:
                wrong.append(f"{method} {actor.name}: refused, but wrote {sorted(answer.wrote)}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("address", ADDRESSES, ids=lambda each: each.pattern)
def test_a_stranger_learns_nothing(scene: Scene, heard: Hear, address: Address):
    """No name, no data and no id of the other project, and the same answer as for what never was."""
    asked = scene.things.get(address.model)
    ids = {each for each in scene.ids() if asked is None or each != str(asked.pk)}
    for method in ("GET", "POST"):
        for actor in STRANGERS:
            answer = heard(scene, actor, address, method)
            found = [mark for mark in (*CANARIES, *ids) if mark in answer.text]
            assert not found, f"{method} {actor.name}: {found}"
            if "object_id" in address.pattern:
                unknown = heard(scene, actor, address, method, "nobody's")
                assert answer.status == unknown.status, f"{method} {actor.name}"
                assert answer.lasting == unknown.lasting, f"{method} {actor.name}"


@pytest.mark.parametrize("address", ADDRESSES, ids=lambda each: each.pattern)
def test_data_is_shown_only_to_those_who_may_see_it(scene: Scene, heard: Hear, address: Address):
    for actor in ACTORS:
        if not actor.data:
            assert CANARIES[0] not in heard(scene, actor, address, "GET").text, actor.name


# Where somebody reads what a job or a partner said: each page, and whether it says that parts are hidden.
SENTENCES = {
    "admin/runs/run/": True,
    "admin/runs/run/<path:object_id>/change/": True,
    "admin/runs/run/<path:object_id>/live/": True,
    "admin/runs/incident/": False,
    "admin/runs/incident/<path:object_id>/change/": True,
    "admin/runs/incident/<path:object_id>/runs/": False,
    "admin/runs/connectionhold/": False,
    "admin/runs/connectionhold/<path:object_id>/change/": True,
    "admin/runs/notification/<path:object_id>/change/": True,
    "admin/runs/bulkoperation/<path:object_id>/change/": False,
    "admin/jobs/job/<path:object_id>/change/": True,
}


@pytest.mark.parametrize("pattern", SENTENCES)
def test_sentences_are_whole_only_for_those_who_may_see_data(scene: Scene, pattern: str):
    [address] = [each for each in ADDRESSES if each.pattern == pattern]
    told = {"state": "failed"} if pattern.endswith("/live/") else {}
    viewers = {actor.data: actor for actor in ACTORS if actor.role == Role.VIEWER}
    with_data, without = (
        knock(scene, viewers[data], address, "GET", told=told).text for data in (True, False)
    )
    assert CANARIES[0] in with_data
    assert CANARIES[0] not in without
    assert "“…”" in without
    assert ("parts of this sentence are hidden" in without) is SENTENCES[pattern]
    assert "parts of this sentence are hidden" not in with_data
