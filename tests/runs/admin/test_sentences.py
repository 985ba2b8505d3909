"""No page prints the words of a job or a partner as they are stored; lists pay nothing for asking who reads."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from openfn_platform.projects.models import Membership, Role, User
from runs.models import RunState
from tests.api.cast import CANARY, Clinic

TEMPLATES = Path(__file__).parents[3] / "templates"
# Columns that hold such words, printed without a tag that looks who reads.
PRINTED = re.compile(
    r"\{\{[^}]*\b(?:error_message|waits_for|dismissed_reason|closed_reason|run\.note|last\.note|failure\.hint|hold\.reason"
    r"|incident\.message|mail\.text|mark\.key)\b[^}]*\}\}|\{% firstof[^%]*error_message"
)


def test_no_template_prints_such_words_by_itself():
    found = {
        str(path.relative_to(TEMPLATES)): hits
        for path in TEMPLATES.rglob("*.html")
        if (hits := PRINTED.findall(path.read_text()))
    }
    assert found == {}


@pytest.mark.django_db
@pytest.mark.parametrize("data", [True, False])
def test_a_list_asks_no_more_for_more_rows(data: bool):
    clinic = Clinic()
    viewer = User.objects.create_user("reader@example.org", None)
    Membership.objects.create(project=clinic.project, user=viewer, role=Role.VIEWER, may_see_data=data)
    client = Client()
    client.force_login(viewer)
    job = clinic.job()

    def asked() -> int:
        with CaptureQueriesContext(connection) as queries:
            answer = client.get(reverse("admin:runs_run_changelist"))
        assert answer.content.decode().count(CANARY) == (2 * len(job.runs.all()) if data else 0)
        return len(queries)

    clinic.run(RunState.FAILED, job=job)
    asked()
    few = asked()
    for _ in range(8):
        clinic.run(RunState.FAILED, job=job)
    assert asked() == few
