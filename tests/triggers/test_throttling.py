"""Limits of messages a minute: buckets in memory that several processes keep in step by way of the database."""

from __future__ import annotations

import uuid

import pytest

from tests import factories
from triggers.inboxes import inbox_change, project_inbox
from triggers.limits import Limit, limit_of
from triggers.listening import listening_at
from triggers.models import RateBucket, Refusal, RefusalCount
from triggers.throttling import RateLimited, Throttle


def limit(per_minute: int = 60, burst: int = 3, owner: uuid.UUID | None = None) -> Limit:
    return Limit(id=owner or uuid.uuid4(), per_minute=per_minute, burst=burst, whose="this key")


def process() -> Throttle:
    """One web process, which tells the others only when the test says so."""
    return Throttle(by_itself=False)


def taken(throttle: Throttle, *limits: Limit, tries: int = 1, now: float = 1_000.0) -> int:
    count = 0
    for _ in range(tries):
        try:
            throttle.take(limits, now=now)
        except RateLimited:
            continue
        count += 1
    return count


def test_a_burst_is_taken_and_then_one_by_one_as_time_goes_on():
    throttle, sixty = process(), limit()
    assert taken(throttle, sixty, tries=10) == 3
    assert taken(throttle, sixty, tries=10, now=1_001.0) == 1
    assert taken(throttle, sixty, tries=10, now=1_003.0) == 2
    assert taken(throttle, sixty, tries=10, now=2_000.0) == 3


def test_the_refusal_says_when_to_come_again():
    throttle, slow = process(), limit(per_minute=6, burst=1)
    throttle.take([slow], now=0)
    with pytest.raises(
        RateLimited, match=r"6 a minute that this key may send; send it again in 10 s"
    ) as refusal:
        throttle.take([slow], now=0)
    assert (refusal.value.status, refusal.value.context["retry_after"]) == (429, 10)


def test_of_two_limits_the_narrower_one_holds_and_a_refused_message_uses_neither():
    throttle, key, project = process(), limit(burst=1), limit(burst=5)
    assert taken(throttle, key, project, tries=4) == 1
    assert taken(throttle, project, tries=9) == 4


def test_without_a_number_there_is_no_limit():
    assert limit_of(owner=uuid.uuid4(), per_minute=None, burst=None, whose="") is None
    whole_minute = limit_of(owner=uuid.uuid4(), per_minute=90, burst=None, whose="")
    assert whole_minute is not None
    assert whole_minute.burst == 90


@pytest.mark.django_db
def test_processes_that_told_each_other_keep_one_limit_together():
    first, second, shared = process(), process(), limit(per_minute=1, burst=10)
    assert taken(first, shared, tries=6) == 6
    first.sync()
    assert taken(second, shared, tries=1) == 1  # it believes the bucket full until it has asked
    second.sync()
    assert taken(second, shared, tries=20, now=0.0) == 3
    second.sync()
    first.take([limit()], now=0.0)
    assert taken(first, shared, tries=1, now=0.0) == 1  # what it knew before the other one took
    first.sync()
    assert taken(first, shared, tries=5, now=0.0) == 0


@pytest.mark.django_db
def test_what_was_taken_too_much_is_paid_back_but_never_more_than_a_bucket():
    shared = limit(per_minute=60, burst=5)
    processes = [process() for _ in range(4)]
    assert sum(taken(each, shared, tries=9) for each in processes) == 20
    for each in processes:
        each.sync()
    owed = RateBucket.objects.get(pk=shared.id).tokens
    assert -5 <= owed < -4.5


@pytest.mark.django_db
def test_what_is_told_is_told_once():
    throttle, shared = process(), limit(per_minute=1, burst=10)
    taken(throttle, shared, tries=4)
    throttle.sync()
    throttle.sync()
    assert 6 <= RateBucket.objects.get(pk=shared.id).tokens < 6.5


@pytest.mark.django_db
def test_a_changed_limit_holds_at_once():
    throttle, owner = process(), uuid.uuid4()
    assert taken(throttle, limit(burst=2, owner=owner), tries=9) == 2
    throttle.sync()
    assert taken(throttle, limit(burst=50, owner=owner, per_minute=6_000), tries=1, now=1e9) == 1
    throttle.sync()
    assert RateBucket.objects.get(pk=owner).capacity == 50


@pytest.mark.django_db
def test_refusals_are_counted_together():
    inbox = project_inbox(project=factories.project())
    throttle = process()
    for _ in range(500):
        throttle.refused(project=inbox.project_id, inbox=inbox.pk, refusal=RateLimited("Too many; wait 7 s."))
    throttle.sync()
    throttle.sync()
    row = RefusalCount.objects.get()
    assert (row.status, row.code, row.count) == (429, "rate_limited", 500)
    assert Refusal.objects.get().reason == "Too many. (×500)"


@pytest.mark.django_db
def test_each_key_has_its_own_bucket_and_an_open_inbox_one_for_all():
    cast = factories.cast()
    inbox, auth, _ = factories.inbox_with_key(cast.project)
    inbox_change(inbox=inbox, by=cast.admin, key_per_minute=30, key_burst=5)
    listening = listening_at(address=inbox.address)
    assert listening is not None
    (of_key,) = listening.limits(listening.openers.keys[0])
    assert (of_key.id, of_key.per_minute, of_key.burst) == (auth.pk, 30, 5)
    (of_inbox,) = listening.limits(None)
    assert (of_inbox.id, of_inbox.whose) == (inbox.pk, "this inbox")
