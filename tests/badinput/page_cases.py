"""The cases that come through the pages: forms with nonsense, markup in every text, formulas in exports."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib import admin
from django.db import Error, transaction
from django.db.models import CharField, F, Model, TextField, Value
from django.db.models.functions import Concat, Left
from django.test import Client
from django.utils import timezone

from openfn_platform.projects.models import AuditEntry
from runs.models import HttpExchange
from tests.badinput.inbox_cases import Ask
from tests.badinput.scene import Scene, is_sentence, our_models
from tests.matrix.actors import ACTORS
from tests.matrix.addresses import addresses
from tests.matrix.asking import path_of
from tests.matrix.scene import Scene as Stage
from tests.matrix.scene import scene_build
from tests.workspace.desk import page, text_of
from tests.workspace.test_job_page import form as job_form
from tests.workspace.test_people_pages import project_form
from tests.workspace.test_trigger_page import SCHEDULE

SCRIPT = "javascript:alert(1)//<script>alert(1)</script>"
FORMULAS = ("=cmd|' /C calc'!A0", "+1", "-1+1", "@SUM(1)", "\t=1", "\r=1")
# Texts that the platform itself writes and reads again.
READ_AGAIN = {
    "key", "email", "time_zone", "adaptor", "alias", "cron", "content_type", "environment", "kind", "language",
    "cursor", "again_from", "password", "fingerprint", "prefix", "session_key", "session_data", "deed", "task", "code", "number", "condition",
}  # fmt: skip
# What a page shows of a thing when it is asked for.
PARTS = {
    "runs.run": ("log", "input", "final", "difference", "http", "problems", "code"),
    "triggers.message": ("body", "headers", "triggers"),
    "runs.memory": ("earlier",),
}


@contextmanager
def imagined() -> Iterator[None]:
    """What is done in here never was."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


# --- forms ----------------------------------------------------------------------------------------


def form_refused(scene: Scene, address: str, given: dict[str, Any], *fields: str) -> None:
    """The page comes back with a sentence at one of the fields, and nothing was stored."""
    with scene.nothing_stored():
        answer = scene.browser.post(address, given)
        assert answer.status_code == 200, (answer.status_code, text_of(answer)[:300])
    form = answer.context["adminform"].form if "adminform" in answer.context else answer.context["form"]
    said = [str(each) for name in (*fields, "__all__") for each in form.errors.get(name, [])]
    assert said, form.errors
    assert all(is_sentence(each) for each in said), said


def schedule_forms(*each: dict[str, str]) -> Ask:
    def ask(scene: Scene) -> None:
        job = scene.clinic.job()
        address = page("triggers_trigger_add", kind="schedule", workflow=str(job.workflow_id))
        for given in each:
            values = {"name": "x", "jobs": [str(job.pk)], "settings": "", **SCHEDULE, **given}
            form_refused(scene, address, values, *given)

    return ask


def zones_of_projects(scene: Scene) -> None:
    address = page("projects_project_change", scene.clinic.project.pk)
    for zone in ("Mars/Olympus", "../etc/passwd", "\0"):
        form_refused(scene, address, project_form(time_zone=zone), "time_zone")


def names_in_forms(*names: str) -> Ask:
    def ask(scene: Scene) -> None:
        address = page("projects_project_change", scene.clinic.project.pk)
        for name in names:
            form_refused(scene, address, project_form(name=name), "name")

    return ask


def code_in_a_form(scene: Scene) -> None:
    """A draft may be wrong; making it live is refused on the page with the line."""
    job = scene.clinic.job("x = 1")
    given = job_form(job, code="x = 1\ny = (\n", _make_live="1")
    answer = scene.browser.post(page("jobs_job_change", job.pk), given, follow=True)
    assert answer.status_code == 200
    assert "Line 2" in text_of(answer)
    job.refresh_from_db()
    assert job.live_version is not None
    assert job.live_version.number == 1


# --- lists ----------------------------------------------------------------------------------------


def questions_to_lists(scene: Scene) -> None:
    """Of those who are logged in: an anonymous one would only be sent to log in."""
    queries: tuple[str, ...] = (
        "q=%00",
        "q=%ED%A0%80",
        "o=password",
        "o=-999",
        "p=1000000000",
        "p=x",
        "id__exact=x",
        "e=1",
    )
    queries += ("project__name__startswith=C", "created_by__password__startswith=a", "q=" + "x" * 5_000)
    with scene.nothing_stored(but="audit_entry"):  # that somebody searched is written down
        for model in admin.site._registry:
            address = page(f"{model._meta.app_label}_{model._meta.model_name}_changelist")
            for query in queries:
                answer = scene.browser.get(f"{address}?{query}")
                assert answer.status_code < 500, (address, query)


# --- markup ---------------------------------------------------------------------------------------


def fill(model: type[Model], field: Any) -> bool:
    """This text of all rows begins with markup now; where the database has a rule about it, it stays."""
    marked = Left(Concat(Value(SCRIPT), F(field.name), output_field=TextField()), field.max_length or 100_000)
    try:
        with transaction.atomic():
            return model._default_manager.update(**{field.name: marked}) > 0
    except Error:
        return False


def fill_everything() -> int:
    return sum(
        fill(model, field)
        for model in our_models()
        for field in model._meta.concrete_fields
        if isinstance(field, CharField | TextField)
        and not field.choices
        and field.name not in READ_AGAIN
        and (field.max_length or len(SCRIPT)) >= len(SCRIPT)
    )


def markup_everywhere(scene: Scene) -> None:
    """In every text of every table, shown on every page."""
    with imagined():
        stage = scene_build()
        assert fill_everything() > 40
        client = stage.client(next(each for each in ACTORS if each.name == "superuser"))
        shown = sum(shows_text(client, path) for path in pages_of(stage))
        assert shown > 40, shown


def pages_of(stage: Stage) -> Iterator[str]:
    for address in addresses():
        if address.pattern.startswith("admin/") and "logout" not in address.pattern:
            path = path_of(address, stage)
            yield path
            if address.pattern.endswith("change/"):
                yield from (f"{path}?show={part}" for part in PARTS.get(address.model, ()))


def shows_text(client: Client, path: str) -> bool:
    """Whether a text of the tables is on the page; the test fails where it is there as markup."""
    answer = client.get(path)
    assert answer.status_code < 500, path
    kind = answer.headers.get("Content-Type", "")
    text = answer.getvalue().decode("utf-8", "replace") if "html" in kind else ""
    assert "<script>alert(1)" not in text, path
    assert 'href="javascript:' not in text.lower(), path
    return "alert(1)" in text


def other_schemes(scene: Scene) -> None:
    """Nobody is sent to an address that is no web address."""
    for where in ("javascript:alert(1)", "//evil.example", "https://evil.example/", "data:text/html,x"):
        for path in ("/admin/login/", "/admin/"):
            answer = scene.browser.get(path, {"next": where})
            assert answer.headers.get("Location", "/admin/").startswith("/admin/"), answer.headers
            assert f'href="{where}"' not in text_of(answer)
    with scene.nothing_stored():
        for where in ("javascript:alert(1)", "file:///etc/passwd"):
            body = {"name": "x", "adaptor": "http", "values": {"baseUrl": where}}
            scene.refused(scene.api("POST", "credentials", body), 400, 422)


# --- exports --------------------------------------------------------------------------------------


def no_formulas(text: str, *wanted: str) -> None:
    rows = list(csv.reader(io.StringIO(text, newline="")))
    cells = [cell for row in rows for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))], cells
    assert all(any(each in cell for cell in cells) for each in wanted)


def formulas_in_exports(scene: Scene) -> None:
    table = scene.things["table"]
    for number, formula in enumerate(FORMULAS):
        answer = scene.api("PUT", f"tables/{table}/rows/formula-{number}", {"value": formula})
        assert answer.status in (200, 201)
    no_formulas(scene.get(f"tables/{table}/csv").body.decode(), *(f"'{each}" for each in FORMULAS[:4]))
    with imagined():
        for formula in FORMULAS:
            AuditEntry.objects.create(
                project=scene.clinic.project, actor_name=formula, action="job changed", object_name=formula
            )
        HttpExchange.objects.create(
            project_id=scene.clinic.project.pk,
            run_id=scene.things["run"],
            job_id=scene.things["job"],
            seq=99,
            at=timezone.now(),
            connection="=cmd",
            method="POST",
            url="@evil",
            error="-1+1",
            write=True,
        )
        for name, query in (
            ("projects_auditentry_export", {}),
            ("runs_httpexchange_export", {"format": "csv"}),
        ):
            sheet = scene.browser.get(page(name), query)
            assert sheet.status_code == 200
            no_formulas(sheet.getvalue().decode(), "cmd")


CASES: dict[str, Ask] = {
    "15 NUL in a form": names_in_forms("a\0b"),
    "16 too long or none in a form": names_in_forms("x" * 300, "", " ", "\u200b"),
    "48 a form for schedules that are none": schedule_forms(
        *({"cron": each} for each in ("61 * * * *", "*/0 * * * *", "* * * *", "* * * * * *", "", "\0"))
    ),
    "49 a form for a schedule that never fires": schedule_forms({"cron": "* * 31 2 *"}),
    "51 a form for a schedule in no time zone": schedule_forms({"time_zone": "Mars/Crater"}),
    "51 a form for a project in no time zone": zones_of_projects,
    "56 a form for code with an error in it": code_in_a_form,
    "59 markup everywhere": markup_everywhere,
    "60 other schemes": other_schemes,
    "61 formulas in exports": formulas_in_exports,
    "70 questions to lists": questions_to_lists,
}
