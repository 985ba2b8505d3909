"""Editing jobs: drafts, what is live, switches, putting away."""

from __future__ import annotations

import pytest
from django.db.models import ProtectedError

from jobs.connecting import BadConnection
from jobs.credentials import credential_archive
from jobs.declaring import BadSetting
from jobs.editing import (
    ConnectionChoice,
    JobArchived,
    NotFit,
    NotLive,
    draft_save,
    job_archive,
    job_change,
    job_create,
    job_rename,
    job_switch,
    version_make_live,
    version_restore,
)
from jobs.lending import credential_lend, credential_unlend
from jobs.models import Job, JobState, JobVersion
from jobs.signals import job_archived, job_switched, version_made_live
from jobs.workflows import workflow_archive, workflow_create, workflow_rename
from openfn_platform.common.errors import Conflict, Invalid, NotAllowed, NotFound
from openfn_platform.projects.actors import PLATFORM
from openfn_platform.projects.models import AuditEntry
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def cast():
    return factories.cast()


@pytest.fixture
def job(cast):
    return job_create(project=cast.project, name="Register patient", by=cast.editor)


@pytest.fixture
def heard():
    """The signals that were sent, in order."""
    found = []

    def hear(signal, **facts):
        found.append({"signal": signal, **facts})

    signals = (job_switched, job_archived, version_made_live)
    for signal in signals:
        signal.connect(hear)
    yield found
    for signal in signals:
        signal.disconnect(hear)


def openmrs(credential=None) -> ConnectionChoice:
    return ConnectionChoice(alias="openmrs", adaptor="openmrs", credential=credential)


# ---- making ----------------------------------------------------------------------------------------------


def test_a_first_job_brings_its_workflow_along_and_is_off(cast, job):
    assert (job.workflow.name, job.workflow.key, job.key) == (
        "Register patient",
        "register-patient",
        "register-patient",
    )
    assert job.state == JobState.OFF


def test_keys_are_free_in_their_workflow_and_survive_a_new_name(cast, job):
    twin = job_create(project=cast.project, name="Register patient", by=cast.editor, workflow=job.workflow)
    assert twin.key == "register-patient-2"
    assert job_rename(job=job, name="Enrol", by=cast.editor).key == "register-patient"


@pytest.mark.parametrize("person", ["viewer", "operator", "outsider"])
def test_only_editors_write(cast, job, person):
    somebody = getattr(cast, person)
    deeds = [
        lambda: job_create(project=cast.project, name="x", by=somebody),
        lambda: workflow_create(project=cast.project, name="x", by=somebody),
        lambda: workflow_rename(workflow=job.workflow, name="x", by=somebody),
        lambda: workflow_archive(workflow=job.workflow, by=somebody),
        lambda: draft_save(job=job, by=somebody, code="pass"),
        lambda: job_change(job=job, by=somebody, max_concurrency=1),
        lambda: job_archive(job=job, by=somebody),
    ]
    for deed in deeds:
        with pytest.raises(NotFound if person == "outsider" else NotAllowed):
            deed()


def test_a_job_cannot_be_made_in_a_workflow_of_another_project(cast):
    elsewhere = factories.workflow(factories.project())
    with pytest.raises(Invalid, match="another project"):
        job_create(project=cast.project, name="x", by=cast.editor, workflow=elsewhere)


def test_a_name_is_asked_for(cast):
    with pytest.raises(Invalid, match="Name"):
        job_create(project=cast.project, name=" \u200b ", by=cast.editor)


# ---- drafts ----------------------------------------------------------------------------------------------


def test_each_draft_is_the_next_version_and_a_full_snapshot(cast, job):
    first = draft_save(
        job=job,
        by=cast.editor,
        code="note('a')",
        connections=[ConnectionChoice(alias="http", adaptor="http")],
        settings=[{"key": "place", "default": "Lomé"}],
        wall_seconds=60,
        max_attempts=3,
    )
    second = draft_save(job=job, by=cast.editor, code="note('b')", wall_seconds=90)
    assert (first.number, second.number) == (1, 2)
    assert (second.wall_seconds, second.max_attempts, second.settings) == (90, 3, first.settings)
    assert [row.alias for row in second.connections.all()] == ["http"]
    assert (second.author, Job.objects.get(pk=job.pk).latest_version) == (cast.editor, second)
    first.refresh_from_db()
    assert (first.code, first.wall_seconds) == ("note('a')", 60)


def test_a_draft_may_have_errors_and_says_them(cast, job):
    draft = draft_save(job=job, by=cast.editor, code="x = 1\nnote(patent)\n")
    assert [(each["line"], each["severity"]) for each in draft.findings] == [(2, "error")]


def test_the_check_knows_connections_settings_and_the_jobs_beside(cast, job):
    other = job_create(project=cast.project, name="Look up", by=cast.editor, workflow=job.workflow)
    code = "note(steps['look-up'].data)\nhttp.get(settings.path)\n"
    choices = [ConnectionChoice(alias="http", adaptor="http")]
    draft = draft_save(job=job, by=cast.editor, code=code, connections=choices, settings=[{"key": "path"}])
    assert other.key == "look-up"
    assert [each for each in draft.findings if each["severity"] == "error"] == []


@pytest.mark.parametrize(
    ("choices", "sentence"),
    [
        ([ConnectionChoice(alias="a", adaptor="dhis9")], "unknown adaptor"),
        ([ConnectionChoice(alias="a", adaptor="http")] * 2, "Two connections"),
        ([ConnectionChoice(alias="Not a name", adaptor="http")], "alias"),
    ],
)
def test_bad_connections_are_refused_and_nothing_is_left(cast, job, choices, sentence):
    with pytest.raises(Invalid, match=sentence):
        draft_save(job=job, by=cast.editor, code="pass", connections=choices)
    assert not JobVersion.objects.filter(job=job).exists()


@pytest.mark.parametrize(
    "limits",
    [{"wall_seconds": 10**6}, {"wall_seconds": 0}, {"memory_mb": 10**6}, {"max_attempts": 0}, {"x": 1}],
)
def test_limits_stay_within_what_the_installation_allows(cast, job, limits):
    with pytest.raises(Invalid):
        draft_save(job=job, by=cast.editor, code="pass", **limits)


@pytest.mark.parametrize(
    "settings",
    [
        [{"key": "Not a name"}],
        [{"key": "a"}, {"key": "a"}],
        [{"key": "a", "type": "colour"}],
        [{"key": "a", "type": "number", "default": "3"}],
        [{"key": "a", "type": "boolean", "default": 1}],
        [{"key": "a", "type": "choice"}],
        [{"key": "a", "type": "choice", "choices": ["x"], "default": "y"}],
        [{"key": "a", "type": "list", "default": [1]}],
        [{"key": "a", "colour": "red"}],
        ["a"],
    ],
)
def test_settings_are_declared_properly(cast, job, settings):
    with pytest.raises(BadSetting):
        draft_save(job=job, by=cast.editor, code="pass", settings=settings)


def test_code_from_windows_gets_ordinary_line_ends_and_what_cannot_be_stored_is_refused(cast, job):
    assert draft_save(job=job, by=cast.editor, code="a = 1\r\nnote(a)\r\n").code == "a = 1\nnote(a)\n"
    for bad in ("a\0", "a\ud800"):
        with pytest.raises(Invalid, match="Code: A character"):
            draft_save(job=job, by=cast.editor, code=bad)


def test_a_credential_of_another_project_cannot_be_used(cast, job):
    foreign = factories.credential(factories.project())
    with pytest.raises(BadConnection, match="not one of this project"):
        draft_save(job=job, by=cast.editor, code="pass", connections=[openmrs(foreign)])


def test_a_credential_of_another_adaptor_cannot_be_used(cast, job):
    own = factories.credential(cast.project)
    wrong = ConnectionChoice(alias="web", adaptor="http", credential=own)
    with pytest.raises(BadConnection, match="is for openmrs"):
        draft_save(job=job, by=cast.editor, code="pass", connections=[wrong])


# ---- live ------------------------------------------------------------------------------------------------


def test_a_version_without_errors_is_made_live_and_told(cast, job, heard):
    draft = draft_save(job=job, by=cast.editor, code="note('a')")
    version_make_live(version=draft, by=cast.editor)
    job.refresh_from_db()
    assert job.live_version == draft
    assert draft.made_live_at is not None
    assert [(each["signal"], each["version"], each["previous"]) for each in heard] == [
        (version_made_live, draft, None)
    ]


def test_a_version_with_errors_is_not_made_live_and_says_where(cast, job, heard):
    draft = draft_save(job=job, by=cast.editor, code="a = 1\nnote(b)\nnote(c)")
    with pytest.raises(NotFit, match=r"Line 2: .*And 1 more error") as caught:
        version_make_live(version=draft, by=cast.editor)
    findings = caught.value.context["findings"]
    assert isinstance(findings, list)
    assert [each["line"] for each in findings] == [2, 3]
    assert Job.objects.get(pk=job.pk).live_version is None
    assert heard == []


def test_a_connection_that_needs_a_credential_must_have_one_to_be_live(cast, job):
    draft = draft_save(job=job, by=cast.editor, code="pass", connections=[openmrs()])
    with pytest.raises(BadConnection, match="has no credential"):
        version_make_live(version=draft, by=cast.editor)


def test_http_needs_none(cast, job):
    draft = draft_save(
        job=job, by=cast.editor, code="pass", connections=[ConnectionChoice(alias="http", adaptor="http")]
    )
    version_make_live(version=draft, by=cast.editor)


def test_a_credential_that_was_archived_or_taken_back_cannot_go_live(cast, job):
    owner_of_it = factories.project()
    lent = factories.credential(owner_of_it)
    credential_lend(credential=lent, project=cast.project, by=PLATFORM)
    draft = draft_save(job=job, by=cast.editor, code="pass", connections=[openmrs(lent)])
    credential_unlend(credential=lent, project=cast.project, by=PLATFORM)
    with pytest.raises(BadConnection, match="no longer lent"):
        version_make_live(version=draft, by=cast.editor)
    credential_archive(credential=lent, by=PLATFORM)
    with pytest.raises(BadConnection, match="was archived"):
        version_make_live(version=draft, by=cast.editor)


def test_a_credential_without_values_for_the_environment_cannot_go_live(cast, job):
    own = factories.credential(cast.project)
    own.bodies.update(environment="test")
    draft = draft_save(job=job, by=cast.editor, code="pass", connections=[openmrs(own)])
    with pytest.raises(BadConnection, match="no values for “main”"):
        version_make_live(version=draft, by=cast.editor)


def test_an_old_version_comes_back_as_a_new_draft(cast, job):
    old = draft_save(
        job=job,
        by=cast.editor,
        code="note('old')",
        connections=[openmrs(factories.credential(cast.project))],
        memory_mb=128,
    )
    draft_save(job=job, by=cast.editor, code="note('new')", connections=[], memory_mb=256)
    back = version_restore(version=old, by=cast.admin)
    assert (back.number, back.code, back.memory_mb, back.author) == (3, "note('old')", 128, cast.admin)
    assert back.connections.get().credential == old.connections.get().credential


# ---- switching and putting away --------------------------------------------------------------------------


def test_a_job_goes_on_only_with_a_live_version(cast, job, heard):
    with pytest.raises(NotLive):
        job_switch(job=job, state=JobState.ON, by=cast.editor)
    version_make_live(version=draft_save(job=job, by=cast.editor, code="pass"), by=cast.editor)
    Job.objects.filter(pk=job.pk).update(paused_reason="crashed", crashes_in_a_row=3)
    job_switch(job=job, state=JobState.ON, by=cast.editor)
    job.refresh_from_db()
    assert (job.state, job.paused_reason, job.crashes_in_a_row) == (JobState.ON, "", 0)
    assert (heard[-1]["signal"], heard[-1]["previous"]) == (job_switched, JobState.OFF)


def test_operators_pause_and_resume_but_do_not_switch_off_or_on(cast):
    job = factories.job(cast.project)
    job_switch(job=job, state=JobState.PAUSED, by=cast.operator)
    job_switch(job=job, state=JobState.ON, by=cast.operator)
    with pytest.raises(NotAllowed):
        job_switch(job=job, state=JobState.OFF, by=cast.operator)
    job_switch(job=job, state=JobState.OFF, by=cast.editor)
    with pytest.raises(NotAllowed):
        job_switch(job=job, state=JobState.ON, by=cast.operator)


def test_what_was_switched_meanwhile_decides_who_may(cast):
    """The operator's page is older than the editor's deed."""
    seen = factories.job(cast.project)
    job_switch(job=Job.objects.get(pk=seen.pk), state=JobState.OFF, by=cast.editor)
    with pytest.raises(NotAllowed):
        job_switch(job=seen, state=JobState.PAUSED, by=cast.operator)


def test_an_archived_job_is_off_and_stays_as_it_is(cast, heard):
    job = factories.job(cast.project)
    job_archive(job=job, by=cast.editor)
    assert Job.objects.get(pk=job.pk).state == JobState.OFF
    assert heard[-1]["signal"] == job_archived
    for deed in (
        lambda: job_archive(job=job, by=cast.editor),
        lambda: job_rename(job=job, name="x", by=cast.editor),
        lambda: draft_save(job=job, by=cast.editor, code="pass"),
        lambda: version_make_live(version=job.live_version, by=cast.editor),
        lambda: job_switch(job=job, state=JobState.ON, by=cast.editor),
    ):
        with pytest.raises(JobArchived):
            deed()


def test_a_workflow_takes_its_jobs_and_triggers_along(cast):
    workflow = factories.workflow(cast.project)
    job = factories.job(workflow)
    trigger = factories.message_trigger(job)
    workflow_archive(workflow=workflow, by=cast.editor)
    job.refresh_from_db()
    trigger.refresh_from_db()
    assert job.archived_at is not None
    assert (trigger.archived_at is not None, trigger.enabled) == (True, False)
    with pytest.raises(Conflict):
        job_create(project=cast.project, name="x", by=cast.editor, workflow=workflow)


def test_concurrency_is_at_least_one_or_unlimited(cast):
    job = factories.job(cast.project)
    assert job_change(job=job, by=cast.editor, max_concurrency=1).max_concurrency == 1
    assert job_change(job=job, by=cast.editor, max_concurrency=None).max_concurrency is None
    with pytest.raises(Invalid):
        job_change(job=job, by=cast.editor, max_concurrency=0)


def test_deeds_are_in_the_audit(cast, job):
    draft = draft_save(job=job, by=cast.editor, code="pass")
    version_make_live(version=draft, by=cast.editor)
    job_switch(job=job, state=JobState.ON, by=cast.editor)
    actions = list(
        AuditEntry.objects.filter(actor=cast.editor).order_by("id").values_list("action", flat=True)
    )
    assert actions == ["workflow made", "job made", "draft saved", "version made live", "job switched"]


def test_versions_that_ran_cannot_be_deleted_from_under_their_job(cast):
    job = factories.job(cast.project)
    with pytest.raises(ProtectedError):
        job.live_version.delete()
