"""The matrix sees what it is for: each place that narrows rows is taken out once, and each time a stranger learns something.

How it is seen: pages for which one needs no id must say to a stranger what they said when the other project was
still empty; pages of one thing must say that there is none.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.contrib import admin
from django.db import transaction

from openfn_platform.projects.adminbase import ScopedAdmin
from openfn_platform.projects.deeds import Deed
from openfn_platform.projects.models import Role
from tests.matrix.actors import ACTORS
from tests.matrix.addresses import Address
from tests.matrix.asking import Heard, Whose, knock
from tests.matrix.scene import CANARIES, Scene, scene_build
from tests.matrix.sites import Site, Watch, sites, watching
from tests.matrix.test_admin import ADDRESSES, as_it_should, rule_of

pytestmark = pytest.mark.django_db
METHODS = ("GET", "POST")
# Here only names and data count, because the page is another one each time, or differs on purpose.
ON_PURPOSE = {
    "admin/jobs/credential/<path:object_id>/archive/",  # one that was lent and is used cannot be put away
    "admin/account/second-factor/",  # a new key to scan
    "admin/login/state/",  # a token against forged forms
    "admin/login/again/",
    "admin/projects/invitation/<path:object_id>/send-again/",  # a new link
}
# Narrowed twice: invitations are also asked for one by one who may decide about them.
TWICE = {"openfn_platform/projects/admin/invitation.py"}
SITES = [site for site in sites() if "/api/" not in site.file and site.file not in TWICE]
Knock = tuple[Address, str, Whose]
BY_NAME = {actor.name: actor for actor in ACTORS}
OUTSIDER, NOBODY, VIEWER = (BY_NAME[name] for name in ("outsider", "nobody's member", "viewer"))


@dataclass
class Ground:
    """The filled scene, what strangers were told before it was, and who reaches which place."""

    scene: Scene
    before: dict[Knock, Heard]
    watch: Watch
    after: dict[Knock, Heard] = field(default_factory=dict)
    reached: dict[Site, list[Knock]] = field(default_factory=dict)


@pytest.fixture(scope="module")
def ground(django_db_setup: None, django_db_blocker: Any) -> Iterator[Ground]:
    with django_db_blocker.unblock(), transaction.atomic(), watching() as watch:
        scene = scene_build(filled=False)
        before = {each: knock(scene, OUTSIDER, *each) for each in all_knocks()}
        scene.fill()
        ground = Ground(scene, before, watch)
        for each in before:
            watch.reached.clear()
            ground.after[each] = knock(scene, OUTSIDER, *each)
            for site in watch.reached:
                ground.reached.setdefault(site, []).append(each)
        yield ground
        transaction.set_rollback(True)


def all_knocks() -> Iterator[Knock]:
    """Every page as a stranger opens it: for theirs, and where it is about one thing also for one of his own."""
    for address in ADDRESSES:
        for method in METHODS:
            yield address, method, "theirs"
            if "object_id" in address.pattern:
                yield address, method, "own"


def learns(ground: Ground, each: Knock, heard: Heard | None = None) -> bool:
    """Whether the stranger is told anything that he was not told before."""
    heard, before = heard or knock(ground.scene, OUTSIDER, *each), ground.before[each]
    told = heard.status != before.status or heard.lasting != before.lasting
    told = told and each[0].pattern not in ON_PURPOSE
    return told or any(mark in heard.text and mark not in before.text for mark in CANARIES)


@pytest.mark.parametrize("address", ADDRESSES, ids=lambda each: each.pattern)
def test_what_happens_in_one_project_changes_nothing_that_another_sees(ground: Ground, address: Address):
    mine = [each for each in ground.before if each[0] == address]
    assert not [each[1:] for each in mine if learns(ground, each, ground.after[each])]


@pytest.mark.parametrize("site", SITES, ids=str)
def test_without_this_narrowing_a_stranger_would_learn_something(ground: Ground, site: Site):
    assert site in ground.reached, "nobody comes here: no page of the matrix shows what this is for"
    ground.watch.taken_out = site
    try:
        assert any(learns(ground, each) for each in ground.reached[site])
    finally:
        ground.watch.taken_out = None


def guarded() -> Iterator[tuple[ScopedAdmin, str]]:
    """Every page and deed that asks for more than a viewer."""
    for model_admin in admin.site._registry.values():
        if isinstance(model_admin, ScopedAdmin) and not model_admin.superusers_only:
            yield from (
                (model_admin, name) for name, role in model_admin.roles.items() if role is not Role.VIEWER
            )
            yield from (
                (model_admin, deed.name) for deed in model_admin.deeds if deed.role is not Role.VIEWER
            )


@pytest.mark.parametrize(
    ("model_admin", "name"), list(guarded()), ids=lambda each: str(getattr(each, "opts", each))
)
def test_without_this_role_a_viewer_would_come_in(
    ground: Ground, model_admin: ScopedAdmin, name: str, monkeypatch: pytest.MonkeyPatch
):
    _lower(model_admin, name, monkeypatch)
    wrong = []
    for address in ADDRESSES:
        if address.model == model_admin.opts.label_lower:
            for method in METHODS:
                rule = rule_of(address, method)
                heard = knock(ground.scene, VIEWER, address, method)
                if rule and not as_it_should(heard, rule.fate(VIEWER), method=method):
                    wrong.append(address)
    assert wrong


def _lower(model_admin: ScopedAdmin, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is asked of this deed, or in the name of that permission, is asked of a viewer."""
    real, role = model_admin.may, model_admin.roles.get(name)

    def may(request: Any, wanted: Role | None, thing: Any = None) -> bool:
        deed = sys._getframe(1).f_locals.get("deed")
        lowered = wanted is role if deed is None else isinstance(deed, Deed) and deed.name == name
        return real(request, Role.VIEWER if lowered else wanted, thing)

    monkeypatch.setattr(model_admin, "may", may)
