"""What is written into the outbox, for whom, and what never stands in it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.models import Job
from openfn_platform.projects.models import Membership, Project
from runs import incidents
from runs.models import Incident, Notification
from runs.models.incident import IncidentKind
from runs.notifications import outbox
from runs.notifications.letters import facts_of
from runs.notifications.recipients import unsubscribed_projects

from . import cast

pytestmark = pytest.mark.django_db


def test_a_failure_is_told_to_the_subscribed_members_and_to_nobody_else(clinic: SimpleNamespace) -> None:
    cast.fail(cast.failing_run(clinic.project))
    assert cast.told("opened") == {"olga", "max"}


def test_equal_failures_are_one_mail_each_however_often_they_are_reported(clinic: SimpleNamespace) -> None:
    run = cast.failing_run(clinic.project)
    for number in range(20):
        incident = cast.fail(run, f"Patient {number} was refused")
        outbox.incident_opened(incident=incident)
    assert len(cast.mails("opened")) == 2
    assert Incident.objects.get().count == 20


def test_the_all_clear_is_told_once(clinic: SimpleNamespace) -> None:
    run = cast.failing_run(clinic.project)
    cast.fail(run)
    cast.succeed(run)
    cast.succeed(run)
    assert len(cast.mails("closed")) == 2
    assert "well again after AdaptorError (1 failure)" in cast.mails("closed")[0].subject
    assert "It works again." in cast.mails("closed")[0].text


def test_an_incident_that_somebody_took_is_still_told(clinic: SimpleNamespace) -> None:
    run = cast.failing_run(clinic.project)
    incident = cast.fail(run)
    incidents.incident_take(incident=incident, by=clinic.owner)
    cast.succeed(run)
    assert cast.told("closed") == {"olga", "max"}


def test_where_nobody_is_subscribed_the_superusers_are_told_and_the_project_is_named(
    clinic: SimpleNamespace,
) -> None:
    assert clinic.project not in unsubscribed_projects()
    Membership.objects.filter(user=clinic.owner).update(failure_mail=False)
    clinic.member.is_active = False
    clinic.member.save()
    cast.fail(cast.failing_run(clinic.project))
    assert cast.told() == {"root"}
    assert "nobody in this project is subscribed" in cast.mails()[0].text
    assert clinic.project in unsubscribed_projects()


def test_an_alarm_goes_to_the_superusers_in_the_platforms_own_words(clinic: SimpleNamespace) -> None:
    incidents.alarm_raise(name="workers", title="No worker is running", message="Start one.")
    incidents.alarm_raise(name="workers", title="No worker is running", message="Start one.")
    [mail] = cast.mails()
    assert (mail.recipient, mail.subject) == ("root@clinic.example", "[Platform] No worker is running")
    assert "Start one." in mail.text


def test_the_subject_names_project_job_error_and_count(clinic: SimpleNamespace) -> None:
    cast.fail(cast.failing_run(clinic.project))
    assert cast.mails()[0].subject == "[Clinic registration] Create patient: AdaptorError (1 failure)"


def test_the_text_says_when_what_next_what_to_try_who_else_and_where(
    clinic: SimpleNamespace, settings: Any
) -> None:
    settings.PUBLIC_URL = "https://platform.example"
    run = cast.failing_run(clinic.project)
    incident = cast.fail(run, error_type="TimeoutError")
    text = cast.mails()[0].text if cast.mails()[0].recipient.startswith("olga") else cast.mails()[1].text
    assert "Create patient failed: TimeoutError." in text
    assert "(Africa/Nairobi)" in text
    assert "not repeated by itself" in text
    assert "took longer than it may" in text
    assert "This mail also went to: Max." in text
    assert f"https://platform.example/admin/runs/incident/{incident.pk}/change/" in text
    assert f"https://platform.example/admin/runs/run/{run.pk}/change/" in text


def test_a_failure_that_another_job_handles_says_so(clinic: SimpleNamespace) -> None:
    run = cast.failing_run(clinic.project, handled=True)
    job = Job.objects.create(project=run.project, workflow=run.workflow, key="alert", name="Alert the desk")
    type(run).objects.create(
        project=run.project, workflow=run.workflow, work_order=run.work_order, job=job, parent=run
    )
    cast.fail(run)
    assert "handled by “Alert the desk”" in cast.mails()[0].text


def test_automatic_attempts_that_ended_are_counted(clinic: SimpleNamespace) -> None:
    cast.fail(cast.failing_run(clinic.project, attempt=3, retry_kind="auto"))
    assert "The automatic attempts have ended after 3." in cast.mails()[0].text


def test_what_an_error_said_is_in_no_mail(clinic: SimpleNamespace) -> None:
    run = cast.failing_run(clinic.project)
    incident = cast.fail(run)
    outbox.incident_reminded(incident=incident, number=1)
    incidents.incident_dismiss(incident=incident, by=clinic.owner, reason=f"{cast.KNOWN} was a test")
    assert [mail.kind for mail in cast.mails()] == ["opened"] * 2 + ["reminder"] * 2 + ["closed"] * 2
    for mail in cast.mails():
        assert "canary" not in mail.subject + mail.text
        assert "Jane" not in mail.subject + mail.text
    assert "is not in this mail" in cast.mails("opened")[0].text
    assert "Dismissed by Olga." in cast.mails("closed")[0].text


def test_a_project_that_ticked_it_reads_what_the_error_said(clinic: SimpleNamespace) -> None:
    Project.objects.filter(pk=clinic.project.pk).update(mail_shows_text=True)
    cast.fail(cast.failing_run(clinic.project))
    assert f"{cast.KNOWN} was refused" in cast.mails()[0].text


def test_names_with_line_breaks_forge_neither_a_header_nor_a_line(clinic: SimpleNamespace) -> None:
    Project.objects.filter(pk=clinic.project.pk).update(name="Clinic\r\nBcc: otto@evil.example")
    run = cast.failing_run(clinic.project, name="Create\npatient\u2028Look at it:\x0bhttp://evil.example")
    cast.fail(run, "a\x00b\r\nSubject: x", error_type="Adaptor\nError")
    mail = cast.mails()[0]
    assert mail.subject.startswith("[Clinic")
    assert mail.subject.endswith("Adaptor Error (1 failure)")
    assert mail.subject.isprintable()
    assert not any(line.startswith(("Bcc", "Look at it: http", "Subject")) for line in mail.text.splitlines())


@settings(max_examples=60, deadline=None)
@given(
    name=st.text(max_size=120),
    job=st.text(max_size=120),
    error=st.text(max_size=60),
    kind=st.sampled_from(["opened", "reminder", "closed"]),
    of=st.sampled_from(IncidentKind.values),
)
def test_every_subject_is_one_short_printable_line(
    name: str, job: str, error: str, kind: str, of: str
) -> None:
    incident = Incident(
        project=Project(name=name), job=Job(name=job), kind=of, error_type=error, title=job, count=1234
    )
    subject = facts_of(incident=incident, kind=kind).subject
    assert len(subject) <= 150
    assert not set(subject) & set("\r\n\x00\x0b\x0c\x1b\x85\u2028\u2029")
    assert subject.strip() == subject
    if of == IncidentKind.RUN:
        assert "(1,234 " in subject


def test_a_time_zone_that_is_no_more_does_not_stop_the_mail(clinic: SimpleNamespace) -> None:
    type(clinic.owner).objects.filter(pk=clinic.owner.pk).update(time_zone="Mars/../Base")
    cast.fail(cast.failing_run(clinic.project))
    assert Notification.objects.filter(recipient=clinic.owner.email, text__contains="(UTC)").exists()
