"""The few doors that belong neither to the admin nor to the API; and that there is no door which no table knows."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import transaction

from openfn_platform.common.ids import uuid7
from tests.api.test_scopes import PATTERNS
from tests.matrix.actors import ACTORS
from tests.matrix.addresses import addresses
from tests.matrix.asking import ask
from tests.matrix.scene import CANARIES, Scene, scene_build
from tests.matrix.test_admin import METHODS
from tests.matrix.test_admin import TABLE as ADMIN

pytestmark = pytest.mark.django_db

# What each method is answered with: to people, for whom it counts nothing here who they are, and to a program with an
# API token, which opens its project's inbox and shows what it posted itself. Methods that are missing are not known.
OTHERS: dict[str, dict[str, tuple[int, int]]] = {
    "": {"GET": (302, 302), "HEAD": (302, 302)},
    "inbox/<str:address>": {"GET": (200, 200), "HEAD": (204, 204), "POST": (401, 415), "OPTIONS": (200, 200)},
    "inbox/<str:address>/messages/<str:message>": {
        "GET": (401, 404),
        "HEAD": (401, 404),
        "OPTIONS": (200, 200),
    },
}
UNKNOWN = (405, 405)


@pytest.fixture(scope="module")
def scene(django_db_setup: None, django_db_blocker: Any) -> Any:
    with django_db_blocker.unblock(), transaction.atomic():
        yield scene_build()
        transaction.set_rollback(True)


def path_to(pattern: str, scene: Scene, *, known: bool = True) -> str:
    address = scene.clinic.inbox.address if known else uuid7()
    message = scene.things["triggers.message"].pk if known else uuid7()
    return "/" + pattern.replace("<str:address>", str(address)).replace("<str:message>", str(message))


def test_no_address_is_missing_from_the_tables():
    api = {prefix + str(pattern.pattern) for prefix, pattern in PATTERNS}
    known = [set(ADMIN), api, set(OTHERS)]
    assert set().union(*known) == {each.pattern for each in addresses()}
    assert sum(map(len, known)) == len(set().union(*known))


@pytest.mark.parametrize("pattern", OTHERS)
def test_everybody_is_answered_alike(scene: Scene, pattern: str):
    for method in METHODS:
        for actor in ACTORS:
            heard = ask(scene, actor, path_to(pattern, scene), method, {})
            wanted = OTHERS[pattern].get(method, UNKNOWN)[actor.name == "a token"]
            assert heard.status == wanted, f"{method} {actor.name}"
            assert not [mark for mark in CANARIES if mark in heard.text], f"{method} {actor.name}"


@pytest.mark.parametrize("pattern", [pattern for pattern in OTHERS if pattern])
def test_of_an_inbox_that_is_not_there_nobody_learns_more(scene: Scene, pattern: str):
    for method in OTHERS[pattern]:
        for actor in ACTORS:
            heard = ask(scene, actor, path_to(pattern, scene, known=False), method, {})
            assert heard.status == 404, f"{method} {actor.name}"
            assert not heard.wrote


def test_to_ask_for_the_methods_of_an_inbox_that_is_not_there_tells_what_a_get_tells(client: Any):
    for address in (uuid7(), uuid7(), "no-id", "a" * 300):
        for path in (f"/inbox/{address}", f"/inbox/{address}/messages/{uuid7()}"):
            asked, got = client.options(path), client.get(path)
            assert (asked.status_code, got.status_code) == (404, 404)
            assert asked.content.replace(str(address).encode(), b"") == got.content.replace(
                str(address).encode(), b""
            )
            assert asked.headers["Content-Type"] == got.headers["Content-Type"] == "application/problem+json"


def test_the_bare_address_leads_people_to_the_admin(client: Any):
    assert client.get("/")["Location"] == "/admin/"
