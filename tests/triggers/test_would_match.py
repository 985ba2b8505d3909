"""Would this message match? What an inbox would do with a message, without doing it."""

from __future__ import annotations

import pytest
from django.utils import timezone

from jobs.models import Job, JobState
from openfn_platform.common.errors import NotFound
from tests import factories
from triggers.inboxes import inbox_archive, inbox_change, inbox_create, project_inbox
from triggers.listening import listening_at
from triggers.models import Message, Refusal, RefusalCount, Trigger
from triggers.receiving import receive
from triggers.would_match import OFF, WouldMatch, would_match

pytestmark = pytest.mark.django_db

BODY = {"form": {"kind": "registration", "id": "F-7"}}


@pytest.fixture
def cast():
    return factories.cast()


@pytest.fixture
def inbox(cast):
    return project_inbox(project=cast.project)


def asked(cast, inbox, body=BODY, **fields) -> WouldMatch:
    found = would_match(inbox=inbox, by=fields.pop("by", cast.viewer), body=body, **fields)
    assert Message.objects.count() == Refusal.objects.count() == RefusalCount.objects.count() == 0
    return found


def test_each_trigger_says_what_it_would_start_or_why_not(cast, inbox):
    wanted, other = factories.job(cast.project, "Register"), factories.job(cast.project, "Refer")
    match = factories.message_trigger(wanted, inclusion={"form": {"kind": "registration"}})
    miss = factories.message_trigger(other, inclusion={"form": {"kind": "referral"}})
    off = factories.message_trigger(other, inclusion={"form": {}}, enabled=False)
    found = asked(cast, inbox)
    assert [verdict.listener.trigger_id for verdict in found.verdicts] == [match.pk, miss.pk, off.pk]
    assert [verdict.starts for verdict in found.verdicts] == [True, False, False]
    assert "referral" in found.verdicts[1].reasons[0]
    assert found.verdicts[2].reasons == [OFF]
    assert list(found.work_orders.values()) == [{wanted.pk: "Register"}]


@pytest.mark.parametrize(("state", "starts"), [("on", True), ("paused", True), ("off", False)])
def test_a_job_that_is_off_would_not_start(cast, inbox, state, starts):
    job = factories.job(cast.project)
    factories.message_trigger(job)
    Job.objects.filter(pk=job.pk).update(state=JobState(state))
    found = asked(cast, inbox)
    assert bool(found.work_orders) is starts
    assert [each.outcome for each in found.verdicts[0].listener.jobs] == [{"on": "run"}.get(state, state)]


def test_two_triggers_that_name_one_job_start_it_once(cast, inbox):
    job = factories.job(cast.project)
    factories.message_trigger(job)
    factories.message_trigger(job)
    assert [len(jobs) for jobs in asked(cast, inbox).work_orders.values()] == [1]


def test_it_says_what_the_inbox_itself_says(cast, inbox):
    """The same message, posted: the same triggers match."""
    factories.message_trigger(factories.job(cast.project), inclusion={"form": {"kind": "registration"}})
    factories.message_trigger(factories.job(cast.project), inclusion={"form": {"kind": "referral"}})
    listening = listening_at(address=inbox.address)
    assert listening is not None
    received = receive(
        listening=listening, key=None, raw=b'{"form": {"kind": "registration"}}', content_type="application/json",
        content_encoding="", method="POST", path="/", query={}, headers={}, idempotency_key=None,
    )  # fmt: skip
    posted = {match.listener.trigger_id for match in received.matches if match.matched}
    found = asked(cast, inbox, {"form": {"kind": "registration"}})
    assert posted == {verdict.listener.trigger_id for verdict in found.verdicts if verdict.starts}


def test_xml_is_read_as_the_inbox_reads_it(cast, inbox):
    factories.message_trigger(factories.job(cast.project), inclusion={"form": {"kind": "registration"}})
    found = asked(cast, inbox, None, text="<form><kind>registration</kind></form>")
    assert (found.kind, found.taken) == ("XML", True)
    assert found.work_orders


@pytest.mark.parametrize(
    ("text", "code"), [("{", "not_json"), ("<a>", "not_xml"), ("7", "not_a_document"), ("\ud800", "not_json")]
)
def test_what_cannot_be_read_would_be_refused(cast, inbox, text, code):
    found = asked(cast, inbox, None, text=text)
    assert found.refusal is not None
    assert found.refusal.code == code
    assert not found.taken


def test_what_does_not_fit_the_schema_is_told_with_the_triggers(cast, inbox):
    factories.message_trigger(factories.job(cast.project))
    inbox_change(inbox=inbox, by=cast.admin, schema={"required": ["patient"]})
    found = asked(cast, inbox)
    assert found.refusal is not None
    assert "`patient`" in found.refusal.message
    assert [verdict.matched for verdict in found.verdicts] == [True]
    assert not found.work_orders


def test_an_inbox_that_is_off_or_too_small_says_so(cast, inbox):
    inbox_change(inbox=inbox, by=cast.admin, max_body_bytes=10)
    assert asked(cast, inbox).refusal.code == "too_large"  # type: ignore[union-attr]  # it refuses
    inbox_change(inbox=inbox, by=cast.admin, enabled=False)
    assert asked(cast, inbox).refusal.code == "inbox_off"  # type: ignore[union-attr]  # it refuses


def test_an_inbox_of_one_trigger_asks_that_one_alone(cast, inbox):
    trigger = factories.message_trigger(factories.job(cast.project))
    factories.message_trigger(factories.job(cast.project))
    own = inbox_create(project=cast.project, name="Own", by=cast.admin, trigger=trigger)
    assert [verdict.listener.trigger_id for verdict in asked(cast, own).verdicts] == [trigger.pk]


def test_an_archived_inbox_and_an_outsider_find_nothing(cast, inbox):
    with pytest.raises(NotFound):
        asked(cast, inbox, by=cast.outsider)
    inbox_archive(inbox=inbox, by=cast.admin)
    with pytest.raises(NotFound):
        asked(cast, inbox)


def test_archived_triggers_are_not_told_of(cast, inbox):
    trigger = factories.message_trigger(factories.job(cast.project))
    Trigger.objects.filter(pk=trigger.pk).update(archived_at=timezone.now())
    assert asked(cast, inbox).verdicts == []


def test_it_costs_few_queries_however_many_triggers_there_are(cast, inbox, django_assert_max_num_queries):
    job = factories.job(cast.project)
    for number in range(12):
        factories.message_trigger(job, inclusion={"n": number}, enabled=bool(number % 2))
    asked(cast, inbox)
    with django_assert_max_num_queries(6):
        would_match(inbox=inbox, by=cast.viewer, body=BODY)
