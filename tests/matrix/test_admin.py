"""Who may open which page of the admin: every address × method × person, held against `admin.toml`.

An address that the table does not have fails, and so does a line of the table that no address has any more.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction

from tests.matrix.actors import ACTORS, STRANGERS, Fate, Rule
from tests.matrix.addresses import Address, addresses
from tests.matrix.asking import Heard, fits, knock, told_usually
from tests.matrix.scene import CANARIES, Scene, scene_build

TABLE: dict[str, Any] = tomllib.loads((Path(__file__).parent / "admin.toml").read_text())
ADDRESSES = [each for each in addresses() if each.pattern.startswith("admin/")]
pytestmark = pytest.mark.django_db  # the module's scene is a transaction around each test's own

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")


@pytest.fixture(scope="module")
def scene(django_db_setup: None, django_db_blocker: Any) -> Any:
    with django_db_blocker.unblock(), transaction.atomic():
        yield scene_build()
        transaction.set_rollback(True)


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
def test_every_door_opens_to_those_it_is_for(scene: Scene, address: Address):
    wrong = []
    for method in METHODS:
        rule = rule_of(address, method)
        for actor in ACTORS:
            heard = knock(scene, actor, address, method)
            wanted = rule.fate(actor) if rule else "no such method"
            if not as_it_should(heard, wanted, method=method):
                wrong.append(f"{method} {actor.name}: {heard.fate} ({heard.status}), not {wanted}")
            if heard.fate != "in" and heard.wrote:
                wrong.append(f"{method} {actor.name}: refused, but wrote {sorted(heard.wrote)}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("address", ADDRESSES, ids=lambda each: each.pattern)
def test_a_stranger_learns_nothing(scene: Scene, address: Address):
    """No name, no data and no id of the other project, and the same answer as for what never was."""
    for method in ("GET", "POST"):
        for actor in STRANGERS:
            heard = knock(scene, actor, address, method)
            asked = scene.things.get(address.model)
            ids = {each for each in scene.ids() if asked is None or each != str(asked.pk)}
            ids -= set(told_usually(address, scene.things).values())  # a log-in keeps what somebody has typed
            found = [mark for mark in (*CANARIES, *ids) if mark in heard.text]
            assert not found, f"{method} {actor.name}: {found}"
            if "object_id" in address.pattern:
                unknown = knock(scene, actor, address, method, "nobody's")
                assert heard.status == unknown.status, f"{method} {actor.name}"
                assert heard.lasting == unknown.lasting, f"{method} {actor.name}"


@pytest.mark.parametrize("address", ADDRESSES, ids=lambda each: each.pattern)
def test_data_is_shown_only_to_those_who_may_see_it(scene: Scene, address: Address):
    for actor in ACTORS:
        if not actor.data:
            heard = knock(scene, actor, address, "GET")
            assert CANARIES[0] not in heard.text, actor.name
