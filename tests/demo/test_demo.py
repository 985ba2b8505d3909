"""The demo project: made once, brought up to date, and never over what somebody changed."""

from __future__ import annotations

import json
import os
from collections import Counter
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction

from jobs.credentials import credential_change, credential_visible
from jobs.editing import draft_save, job_archive, version_make_live
from jobs.language.check import check_in_process
from jobs.models import Credential, Job, JobConnection, JobState, JobVersion, Workflow
from openfn_platform.demo import clinic
from openfn_platform.demo.forms import registrations
from openfn_platform.projects.actors import PLATFORM
from openfn_platform.projects.founding import project_archive
from openfn_platform.projects.models import ApiToken, Membership, Project, Role, Scope
from openfn_platform.projects.tokens import secret_digest, token_find
from tests import factories
from triggers.editing import MessageSpec, trigger_archive
from triggers.matching import matches
from triggers.models import Inbox, InboxAuth, Trigger

OPENMRS, TWILIO = "http://127.0.0.1:8101", "http://127.0.0.1:8102"
DHIS2, CARTO = "http://127.0.0.1:8103", "http://127.0.0.1:8104"
ROWS = (
    ApiToken,
    Credential,
    Inbox,
    InboxAuth,
    Job,
    JobConnection,
    JobVersion,
    Membership,
    Project,
    Trigger,
    Workflow,
)


@pytest.fixture(scope="module")
def first_load(django_db_setup, django_db_blocker, tmp_path_factory):
    """Loaded once for all tests of this module: checking the code of all jobs takes seconds."""
    secrets = tmp_path_factory.mktemp("demo") / "demo.json"
    with django_db_blocker.unblock(), transaction.atomic():
        owner = factories.superuser()
        yield secrets, owner, load("--secrets", str(secrets))
        transaction.set_rollback(True)


@pytest.fixture
def demo(first_load, db):
    """(secrets file, owner, what the command said); what a test does to the rows is undone by `db`."""
    secrets, _, _ = first_load
    kept = secrets.read_text()
    yield first_load
    secrets.write_text(kept)


def load(*options, openmrs=OPENMRS):
    output = StringIO()
    call_command(
        "demo_load", "--standin", f"openmrs={openmrs}", "--standin", f"twilio={TWILIO}",
        "--standin", f"dhis2={DHIS2}", "--standin", f"carto={CARTO}", *options,
        stdout=output, stderr=StringIO(),
    )  # fmt: skip
    return json.loads(output.getvalue().splitlines()[-1])


def rows():
    return {model: sorted(model.objects.values_list("pk", flat=True)) for model in ROWS}


def job(plan):
    return Job.objects.get(project__key=clinic.PROJECT_KEY, key=plan.key)


def address_of(key):
    credential = Credential.objects.get(project__key=clinic.PROJECT_KEY, key=key)
    return credential_visible(credential=credential).values["instanceUrl"]


@pytest.mark.parametrize("plan", clinic.JOBS, ids=lambda plan: plan.key)
def test_the_code_of_every_job_passes_the_check_without_a_word(plan):
    beside = [other.key for other in clinic.JOBS if other.workflow == plan.workflow and other is not plan]
    found = check_in_process(
        language="python",
        code=plan.code,
        aliases={key: key for key in plan.connections},
        settings=[setting["key"] for setting in plan.settings],
        steps=beside,
    )
    assert found == []


def test_everything_is_on_live_and_owned_by_the_administrator(demo):
    _, owner, _ = demo
    jobs = Job.objects.filter(project__key=clinic.PROJECT_KEY)
    assert Counter(jobs.values_list("state", flat=True)) == {JobState.ON: len(clinic.JOBS)}
    assert all(each.live_version_id == each.latest_version_id for each in jobs)
    assert Trigger.objects.filter(project__key=clinic.PROJECT_KEY, enabled=True).count() == len(
        clinic.TRIGGERS
    )
    assert [
        (each.user, each.role) for each in Membership.objects.filter(project__key=clinic.PROJECT_KEY)
    ] == [(owner, Role.OWNER)]
    export = Trigger.objects.get(project__key=clinic.PROJECT_KEY, key="friday-23-00")
    assert export.next_slot_at is not None
    assert (export.next_slot_at.isoweekday(), export.next_slot_at.hour) == (5, 20), (
        "Nairobi is three hours ahead"
    )


def test_a_second_load_makes_and_changes_nothing(demo):
    secrets, _, said = demo
    before = rows()
    assert load("--secrets", str(secrets)) == said
    assert rows() == before


def test_it_says_how_the_demo_is_reached_and_keeps_the_secrets_to_their_owner(demo):
    secrets, _, said = demo
    token = token_find(said["api_token"])
    assert token is not None
    assert sorted(token.scopes) == sorted(Scope.values)
    inbox = Inbox.objects.get(project__key=clinic.PROJECT_KEY, trigger=None)
    assert said["inboxes"] == {clinic.PROJECT_KEY: f"http://127.0.0.1:8000/inbox/{inbox.address}"}
    assert secrets.stat().st_mode & 0o777 == 0o600
    kept = json.loads(secrets.read_text())
    key = InboxAuth.objects.get(digest=secret_digest(kept["inbox_key"]))
    assert kept["inbox_with_key"].endswith(str(key.inbox.address))
    assert key.inbox.access == "key"
    assert {inbox.duplicate_path, key.inbox.duplicate_path} == {clinic.FORM_ID_PATH}


def test_without_the_kept_secrets_new_ones_replace_the_old_ones(demo):
    secrets, _, said = demo
    secrets.unlink()
    again = load("--secrets", str(secrets))
    assert again["api_token"] != said["api_token"]
    assert token_find(said["api_token"]) is None
    assert token_find(again["api_token"]) is not None
    assert InboxAuth.objects.filter(revoked_at=None).count() == 1


def test_credentials_follow_a_stand_in_that_moved(demo):
    secrets, _, _ = demo
    load("--secrets", str(secrets), openmrs="http://127.0.0.1:9999")
    assert address_of("openmrs") == "http://127.0.0.1:9999"


def test_an_address_that_somebody_typed_stays(demo):
    secrets, _, _ = demo
    credential = Credential.objects.get(key="openmrs")
    own = {"instanceUrl": "https://emr.example.org/openmrs", "username": "clinic", "password": "another one"}
    credential_change(credential=credential, values=own, by=PLATFORM)
    load("--secrets", str(secrets), openmrs="http://127.0.0.1:9999")
    assert address_of("openmrs") == "https://emr.example.org/openmrs"


def test_a_job_that_somebody_edited_stays_as_it_is(demo):
    secrets, owner, _ = demo
    version_make_live(version=draft_save(job=job(clinic.WELCOME), by=owner, code="skip('not now')"), by=owner)
    before = rows()
    load("--secrets", str(secrets))
    assert rows() == before
    assert job(clinic.WELCOME).live_version.code == "skip('not now')"


def test_a_job_of_the_demo_follows_its_file(demo):
    secrets, _, _ = demo
    JobVersion.objects.filter(job=job(clinic.PAYMENT)).update(code="note('as an older release had it')")
    load("--secrets", str(secrets))
    assert job(clinic.PAYMENT).live_version.number == 2
    assert job(clinic.PAYMENT).live_version.code == clinic.PAYMENT.code


def test_what_was_put_away_stays_away(demo):
    secrets, owner, _ = demo
    job_archive(job=job(clinic.ALERT), by=owner)
    trigger_archive(trigger=Trigger.objects.get(key=clinic.ARRIVAL.key), by=owner)
    before = rows()
    load("--secrets", str(secrets))
    assert rows() == before
    assert job(clinic.ALERT).archived_at is not None


def test_an_archived_project_has_no_doors(demo):
    secrets, owner, _ = demo
    project_archive(project=Project.objects.get(key=clinic.PROJECT_KEY), by=owner)
    assert load("--secrets", str(secrets)) == {"api_token": "", "inboxes": {}}


def test_it_asks_for_a_stand_in_that_it_does_not_know(demo, monkeypatch):
    monkeypatch.delitem(os.environ, "STANDINS", raising=False)
    with pytest.raises(CommandError, match="--standin twilio="):
        call_command("demo_load", "--standin", f"openmrs={OPENMRS}", "--standin", f"dhis2={DHIS2}")


def test_the_forms_are_what_the_trigger_waits_for_and_only_the_last_one_lacks_a_digit():
    forms, right = registrations(taken=set())
    spec = clinic.ARRIVAL.spec({})
    assert isinstance(spec, MessageSpec)
    inclusion = spec.criteria[0]["inclusion"]
    assert all(matches(form.message, inclusion) for form in forms)
    assert not matches({"event": "payment.confirmed"}, inclusion)
    assert [len(form.national_id) for form in forms] == [8, 8, 8, 8, 7]
    assert right.startswith(forms[-1].national_id)
    assert len({form.instance for form in forms} | {form.phone for form in forms}) == 10
