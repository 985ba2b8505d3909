"""Lists do not tell by their answers what they do not show: searches, filters and actions with what is another project's.

Each is asked twice by a stranger, with what the other project has and with what nobody has, and must answer the same.
A superuser asks, too: where the two answers differ for nobody at all, the question would prove nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.db import transaction
from django.db.models import ForeignKey

from openfn_platform.common.ids import uuid7
from openfn_platform.projects.adminbase import ScopedAdmin
from tests.matrix.actors import ACTORS, Actor
from tests.matrix.addresses import Address, addresses
from tests.matrix.asking import Heard, Told, knock
from tests.matrix.scene import CANARIES, Scene, scene_build

pytestmark = pytest.mark.django_db
BY_NAME = {actor.name: actor for actor in ACTORS}
STRANGERS = tuple(BY_NAME[name] for name in ("outsider", "nobody's member"))
OUTSIDER, SUPERUSER, VIEWER = (BY_NAME[name] for name in ("outsider", "superuser", "viewer"))
NOBODY = "qqqzzq"  # a word that stands nowhere

MODEL_ADMINS = {
    model._meta.label_lower: model_admin
    for model, model_admin in admin.site._registry.items()
    if isinstance(model_admin, ScopedAdmin)
}
LISTS = [
    each
    for each in addresses()
    if each.model in MODEL_ADMINS and each.pattern == f"admin/{each.model.replace('.', '/')}/"
]
EXPORTS = [each for each in addresses() if each.pattern.endswith(("/export/", "/csv/", "-file/"))]
# What can be asked of lists that are pages of their own, and what of it is a thing.
MORE_FILTERS = {
    "runs.httpexchange": {"job": "jobs.job"},
    "projects.auditentry": {"object_id": "jobs.job"},
}


@pytest.fixture(scope="module")
def scene(django_db_setup: None, django_db_blocker: Any) -> Any:
    with django_db_blocker.unblock(), transaction.atomic():
        yield scene_build()
        transaction.set_rollback(True)


def without(heard: Heard, word: str) -> str:
    """A page repeats what it was asked."""
    return heard.lasting.replace(word.lower(), "")


def same(scene: Scene, actor: Actor, address: Address, told: Told, unknown: Told) -> bool:
    """Whether a person can tell the two questions apart by their answers."""
    one = knock(scene, actor, address, "GET", told=told)
    two = knock(scene, actor, address, "GET", told=unknown)
    [word], [other] = told.values(), unknown.values()
    shown = [mark for mark in CANARIES if mark in without(one, str(word)) and not actor.superuser]
    assert not shown
    assert not one.wrote
    return one.status == two.status and without(one, str(word)) == without(two, str(other))


def thing_of(scene: Scene, model: str) -> Any:
    """One of the other project; also of what has no pages of its own."""
    if model in scene.things:
        return scene.things[model]
    rows: Any = apps.get_model(model)._default_manager
    return rows.filter(project=scene.clinic.project)[0]


# --- searching ------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", LISTS, ids=lambda each: each.model)
@pytest.mark.parametrize("word", CANARIES)
def test_a_search_finds_nothing_of_another_project(scene: Scene, address: Address, word: str):
    for actor in STRANGERS:
        assert same(scene, actor, address, {"q": word}, {"q": NOBODY}), actor.name


SEARCHED = {
    "jobs.job",
    "jobs.workflow",
    "jobs.table",
    "triggers.trigger",
    "triggers.inbox",
    "projects.membership",
    "projects.auditentry",
    "runs.incident",
    "runs.notification",
}


def test_searches_of_names_find_what_one_may_see(scene: Scene):
    for address in LISTS:
        if address.model in SEARCHED:
            assert not same(scene, SUPERUSER, address, {"q": CANARIES[1]}, {"q": NOBODY}), address.model


def test_the_search_of_everything_finds_nothing_of_another_project(scene: Scene):
    [address] = [each for each in addresses() if each.pattern == "admin/search/"]
    for actor in STRANGERS:
        assert same(scene, actor, address, {"s": CANARIES[1]}, {"s": NOBODY}), actor.name


# --- filters --------------------------------------------------------------------------------------


def filters_of(model: str) -> dict[str, str]:
    """Name of the parameter -> the model whose id it takes: foreign keys, and what the list offers besides."""
    found = dict(MORE_FILTERS.get(model, {}))
    model_admin = MODEL_ADMINS[model]
    for field in model_admin.opts.get_fields():
        if isinstance(field, ForeignKey):
            found[f"{field.name}__id__exact"] = field.related_model._meta.label_lower
    offered: Any = model_admin.list_filter
    for each in offered:
        related = getattr(each, "model", None)
        if related is not None:
            found[each.parameter_name] = related._meta.label_lower
    return found


def questions() -> Iterator[tuple[Address, str, str]]:
    for address in LISTS:
        for parameter, model in filters_of(address.model).items():
            yield address, parameter, model


FILTERS = list(questions())


@pytest.mark.parametrize(
    ("address", "parameter", "model"), FILTERS, ids=[f"{one.model}?{name}" for one, name, _ in FILTERS]
)
def test_a_filter_by_what_is_another_projects_is_one_by_nothing(
    scene: Scene, address: Address, parameter: str, model: str
):
    thing = thing_of(scene, model)
    told, unknown = {parameter: str(thing.pk)}, {parameter: str(uuid7())}
    assert same(scene, OUTSIDER, address, told, unknown)


# Lists that offer a filter by a thing: there the two answers must differ for those who may see.
TELLING = {
    "runs.run?job__id__exact",
    "runs.run?workflow__id__exact",
    "runs.incident?job__id__exact",
    "runs.memory?trigger__id__exact",
    "runs.memory?job__id__exact",
    "triggers.message?inbox__id__exact",
    "runs.httpexchange?job",
}


def test_filters_by_a_thing_show_what_one_may_see(scene: Scene):
    known = {
        f"{address.model}?{parameter}": (address, parameter, model) for address, parameter, model in FILTERS
    }
    for name in TELLING:
        address, parameter, model = known[name]
        told, unknown = {parameter: str(thing_of(scene, model).pk)}, {parameter: str(uuid7())}
        assert not same(scene, SUPERUSER, address, told, unknown), name


@pytest.mark.parametrize("address", LISTS, ids=lambda each: each.model)
def test_a_condition_that_the_list_does_not_offer_tells_nothing(scene: Scene, address: Address):
    """Names and secrets guessed letter by letter."""
    for parameter in ("project__name__startswith", "project__memberships__user__password__startswith"):
        told, unknown = {parameter: CANARIES[1]}, {parameter: NOBODY}
        assert same(scene, OUTSIDER, address, told, unknown), parameter


# --- actions --------------------------------------------------------------------------------------


def deeds() -> Iterator[tuple[Address, str]]:
    for address in LISTS:
        for action in MODEL_ADMINS[address.model].actions or ():
            yield address, str(action)


ACTIONS = list(deeds())


def told_to(scene: Scene, address: Address, action: str, **more: str) -> Told:
    return {
        "action": action,
        "_selected_action": [str(scene.things[address.model].pk)],
        "index": "0",
        "confirmed": "1",
        "reason": "because",
        **more,
    }


@pytest.mark.parametrize(
    ("address", "action"), ACTIONS, ids=[f"{address.model} {action}" for address, action in ACTIONS]
)
def test_an_action_does_nothing_to_what_is_another_projects(scene: Scene, address: Address, action: str):
    across = {"select_across": "1"}
    for actor in STRANGERS:
        theirs = str(scene.things[address.model].pk)
        heard = knock(scene, actor, address, "POST", told=told_to(scene, address, action))
        assert not heard.wrote, actor.name
        assert not [mark for mark in CANARIES if mark in heard.text], actor.name
        unknown = {**told_to(scene, address, action), "_selected_action": [str(uuid7())]}
        assert heard.lasting == knock(scene, actor, address, "POST", told=unknown).lasting
        heard = knock(scene, actor, address, "POST", told=told_to(scene, address, action, **across))
        assert not [mark for mark in (*CANARIES, theirs) if mark in heard.text.replace(theirs, "", 1)]
    assert not knock(scene, VIEWER, address, "POST", told=told_to(scene, address, action)).wrote


def test_there_are_actions_and_they_do_something(scene: Scene):
    assert {action for _, action in ACTIONS} == {
        "retry_selected",
        "cancel_selected",
        "abort_selected",
        "dismiss_selected",
        "reprocess_selected",
    }
    [runs] = [address for address, action in ACTIONS if action == "retry_selected"]
    heard = knock(scene, BY_NAME["operator"], runs, "POST", told=told_to(scene, runs, "retry_selected"))
    assert "run" in heard.wrote


# --- exports, autocomplete ------------------------------------------------------------------------


@pytest.mark.parametrize("address", EXPORTS, ids=lambda each: each.pattern)
def test_exports_hold_nothing_of_another_project(scene: Scene, address: Address):
    for actor in STRANGERS:
        for told in ({}, {"format": "csv"}):
            heard = knock(scene, actor, address, "GET", told=told)
            assert not [mark for mark in CANARIES if mark in heard.text], actor.name


def test_the_exports_that_there_are_hold_something(scene: Scene):
    assert len(EXPORTS) >= 7
    for address in EXPORTS:
        heard = [knock(scene, SUPERUSER, address, "GET", told=told).text for told in ({}, {"format": "csv"})]
        assert any(mark in text for mark in CANARIES for text in heard), address.pattern


COMPLETED = (("runs", "run", "job"), ("triggers", "trigger", "workflow"), ("runs", "memory", "trigger"))


@pytest.mark.parametrize("asked", COMPLETED, ids=".".join)
def test_a_name_that_is_completed_is_never_one_of_another_project(scene: Scene, asked: tuple[str, str, str]):
    [address] = [each for each in addresses() if each.pattern == "admin/autocomplete/"]
    names = dict(zip(("app_label", "model_name", "field_name"), asked, strict=True))
    for actor in (*STRANGERS, BY_NAME["anonymous"]):
        heard = knock(scene, actor, address, "GET", told={**names, "term": CANARIES[1]})
        assert CANARIES[1] not in heard.text
        assert not [each for each in scene.ids() if each in heard.text], actor.name
    assert CANARIES[1] in knock(scene, SUPERUSER, address, "GET", told={**names, "term": CANARIES[1]}).text
