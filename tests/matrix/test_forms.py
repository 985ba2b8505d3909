"""Forms take no id of another project: they answer as to an id that nothing has, and write nothing.

Each is sent three times by somebody who owns a project of his own: with what is his, which is taken, so that the form is
otherwise right; with what is another project's; and with an id that nothing has.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, is_dataclass
from typing import Any

import pytest
from django import forms
from django.apps import apps
from django.db import transaction

from jobs.rows import row_set
from openfn_platform.common.ids import uuid7
from openfn_platform.projects.actors import PLATFORM
from openfn_platform.projects.models import Project
from runs.models import StateKind
from runs.states import encode, state_store
from tests.matrix.actors import ACTORS
from tests.matrix.addresses import Address, addresses
from tests.matrix.asking import Heard, Told, ask, path_of
from tests.matrix.scene import CANARIES, Scene, scene_build

pytestmark = pytest.mark.django_db
[OUTSIDER] = [actor for actor in ACTORS if actor.name == "outsider"]
BY_PATTERN = {each.pattern: each for each in addresses()}


@pytest.fixture(scope="module")
def scene(django_db_setup: None, django_db_blocker: Any) -> Any:
    with django_db_blocker.unblock(), transaction.atomic():
        scene = scene_build()
        for things in (scene.things, scene.own):
            project = things["projects.project"]
            raw = encode({"data": {"name": "saved"}})
            state_store(project_id=project.pk, kind=StateKind.SAVED, raw=raw, name="saved")
            row_set(table=things["jobs.table"], key="12", value="changed", by=PLATFORM)
        yield scene
        transaction.set_rollback(True)


def first(model: str, **conditions: Any) -> Callable[[Project], Any]:
    """Some row of a project, as a form is told it."""

    def of(project: Project) -> Any:
        rows: Any = apps.get_model(model)._default_manager
        return str(rows.filter(project=project, **conditions).order_by("pk")[0].pk)

    return of


def itself(project: Project) -> str:
    return str(project.pk)


@dataclass(frozen=True)
class Choice:
    """One field of one page that takes a thing of a project."""

    page: str
    name: str
    thing: Callable[[Project], Any]
    also: dict[str, str] = field(default_factory=dict)  # what has no value yet
    query: str = ""  # with {workflow} of one's own
    unknown: Callable[[], Any] = lambda: str(uuid7())

    def __str__(self) -> str:
        return f"{self.page.removeprefix('admin/')} {self.name} {self.query}"


JOB, WORKFLOW = first("jobs.Job", state="on"), first("jobs.Workflow")
NAME = {"name": "Another one"}
CHOICES = (
    Choice("admin/jobs/job/add/", "workflow", WORKFLOW, NAME),
    Choice("admin/jobs/job/add/", "project", itself, {**NAME, "workflow": ""}),
    Choice("admin/jobs/job/<path:object_id>/change/", "connections-0-credential", first("jobs.ProjectCredential", credential__adaptor="openmrs"),
        {"connections-0-alias": "other", "connections-0-adaptor": "openmrs", "connections-TOTAL_FORMS": "1"}),
    Choice("admin/jobs/job/<path:object_id>/run/", "message", first("triggers.Message"), {"source": "message"}),
    Choice("admin/jobs/job/<path:object_id>/run/", "run", first("runs.Run"), {"source": "run"}),
    Choice("admin/jobs/job/<path:object_id>/run/", "saved", first("runs.State", kind="saved"), {"source": "saved"}),
    Choice("admin/jobs/librarymodule/add/", "project", itself, {**NAME, "key": "another"}),
    Choice("admin/jobs/table/add/", "project", itself, NAME),
    Choice("admin/jobs/table/<path:object_id>/row/", "restore", first("jobs.TableChange", kind="changed"), {"key": "12"}, unknown=lambda: "987654321"),
    Choice("admin/jobs/workflow/add/", "project", itself, NAME),
    Choice("admin/jobs/credential/add/", "project", itself, {**NAME, "value_baseUrl": "https://a.example"}, "adaptor=http"),
    Choice("admin/jobs/credential/<path:object_id>/lend/", "project", lambda project: str((Project.objects.filter(key="elsewhere-too", memberships__user__memberships__project=project).first() or project).pk)),
    Choice("admin/projects/apitoken/add/", "project", itself, {**NAME, "scopes": "read"}),
    Choice("admin/projects/invitation/add/", "project", itself, {"email": "new@example.org", "role": "viewer"}),
    Choice("admin/runs/personsearch/", "project", itself, {"who": "Ottilie Wambrecht"}),
    Choice("admin/triggers/inbox/add/", "trigger", first("triggers.Trigger", kind="message"), NAME),
    Choice("admin/triggers/message/<path:object_id>/reprocess/", "jobs", JOB, {"confirmed": "1"}),
    Choice("admin/triggers/message/<path:object_id>/run/", "jobs", JOB, {"confirmed": "1"}),
    Choice("admin/triggers/trigger/add/", "jobs", JOB, NAME, "kind=message&workflow={workflow}"),
    Choice("admin/triggers/trigger/add/", "jobs", JOB, {**NAME, "schedule_kind": "cron", "cron": "0 1 * * *"}, "kind=schedule&workflow={workflow}"),
    Choice("admin/triggers/trigger/add/", "upstream", JOB, NAME, "kind=flow&workflow={workflow}"),
    Choice("admin/triggers/trigger/<path:object_id>/change/", "jobs", JOB),
)  # fmt: skip


def path_to(scene: Scene, choice: Choice) -> str:
    query = choice.query.format(workflow=scene.own["jobs.workflow"].pk)
    return path_of(BY_PATTERN[choice.page], scene, "own") + (f"?{query}" if query else "")


def filled(scene: Scene, path: str) -> dict[str, Any]:
    """What a browser would send if one only pressed the button."""
    found: dict[str, Any] = {}
    for form in forms_on(scene, path):
        for bound in form:
            value = bound.value()
            if bound.name == "project" and not value:
                value = str(scene.own["projects.project"].pk)
            if value is not None and value is not False and not isinstance(bound.field, forms.FileField):
                found[bound.html_name] = value() if callable(value) else value
    return found


def forms_on(scene: Scene, path: str) -> Iterator[Any]:
    with transaction.atomic():
        page = scene.client(OUTSIDER).get(path)
        transaction.set_rollback(True)
    for name, value in (getattr(page, "context_data", None) or {}).items():
        for one in vars(value).values() if is_dataclass(value) else [value]:
            if isinstance(one, forms.BaseFormSet):
                yield from (one.management_form, *one.forms)
        if name == "adminform":
            yield value.form
        elif isinstance(value, forms.BaseForm) and name != "action_form":
            yield value


def send(scene: Scene, choice: Choice, value: Any) -> Heard:
    path = path_to(scene, choice)
    told: Told = {**filled(scene, path), **choice.also, choice.name: value}
    return ask(scene, OUTSIDER, path, "POST", told)


def complaints(heard: Heard) -> list[str]:
    """What the page says is wrong."""
    return re.findall(r"error[^>]*>([^<]+)<", heard.text) or [str(heard.status)]


@pytest.mark.parametrize("choice", CHOICES, ids=str)
def test_a_form_takes_what_is_ones_own_and_nothing_else(scene: Scene, choice: Choice):
    mine = send(scene, choice, choice.thing(scene.own["projects.project"]))
    theirs = send(scene, choice, choice.thing(scene.clinic.project))
    unknown = send(scene, choice, choice.unknown())
    assert mine.wrote or mine.lasting != unknown.lasting, complaints(mine)
    assert not theirs.wrote
    assert not [mark for mark in CANARIES if mark in theirs.text]
    assert (theirs.status, theirs.lasting) == (unknown.status, unknown.lasting)


ASKED = (
    ("admin/triggers/trigger/add/", "workflow", WORKFLOW, "kind=message&"),
    (
        "admin/triggers/trigger/add/",
        "message",
        first("triggers.Message"),
        "kind=message&workflow={workflow}&",
    ),
    ("admin/triggers/trigger/preview/", "workflow", WORKFLOW, "schedule_kind=cron&cron=0+1+*+*+*&"),
    ("admin/triggers/trigger/examples/", "workflow", WORKFLOW, ""),
)


@pytest.mark.parametrize(
    ("page", "name", "thing", "query"), ASKED, ids=[f"{page} {name}" for page, name, *_ in ASKED]
)
def test_an_address_takes_what_is_ones_own_and_nothing_else(
    scene: Scene, page: str, name: str, thing: Callable[[Project], str], query: str
):
    path = path_of(BY_PATTERN[page], scene, "own")
    query = query.format(workflow=scene.own["jobs.workflow"].pk)

    def heard(value: str) -> Heard:
        return ask(
            scene,
            OUTSIDER,
            path,
            "GET",
            dict(pair.split("=") for pair in f"{query}{name}={value}".split("&")),
        )

    assert heard(thing(scene.own["projects.project"])).status == 200
    theirs, unknown = heard(thing(scene.clinic.project)), heard(str(uuid7()))
    assert (theirs.status, theirs.lasting) == (unknown.status, unknown.lasting)


def pages() -> Iterator[Address]:
    yield from (each for each in BY_PATTERN.values() if each.pattern.startswith("admin/"))


def test_no_form_with_a_choice_of_things_is_missing_here(scene: Scene):
    """A further page with such a field has to be written into the table above."""
    known = {(choice.page, choice.name) for choice in CHOICES}
    queries = {
        choice.page: {"", *(each.query for each in CHOICES if each.page == choice.page)} for choice in CHOICES
    }
    missing = set()
    for address in pages():
        for query in queries.get(address.pattern, {""}):
            path = path_of(address, scene, "own")
            path += "?" + query.format(workflow=scene.own["jobs.workflow"].pk) if query else ""
            for form in forms_on(scene, path):
                missing |= {
                    (address.pattern, form.add_prefix(name))
                    for name, one in form.fields.items()
                    if isinstance(one, forms.ModelChoiceField)
                    and (address.pattern, form.add_prefix(name)) not in known
                }
    assert not missing
