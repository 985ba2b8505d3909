"""Inboxes and their keys."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from openfn_platform.common.errors import Conflict, Invalid, NotAllowed, NotFound
from openfn_platform.projects.models import AuditEntry
from tests import factories
from triggers.authenticating import NotAuthenticated, Offer, knock
from triggers.inboxes import (
    InboxArchived,
    inbox_archive,
    inbox_change,
    inbox_create,
    inbox_key_add,
    inbox_key_revoke,
    project_inbox,
)
from triggers.listening import Listening, listening_at
from triggers.models import InboxAuth
from triggers.models.inbox import InboxAccess

pytestmark = pytest.mark.django_db


@pytest.fixture
def cast():
    return factories.cast()


@pytest.fixture
def inbox(cast):
    return project_inbox(project=cast.project)


def heard_at(inbox) -> Listening:
    listening = listening_at(address=inbox.address)
    assert listening is not None
    return listening


def opens(inbox, plaintext) -> bool:
    """Asked as the inbox itself asks."""
    try:
        return knock(listening=heard_at(inbox), offer=Offer(key=plaintext)).opened(b"") is not None
    except NotAuthenticated:
        return False


def test_a_key_opens_its_inbox_and_no_other(cast, inbox):
    _, plaintext = inbox_key_add(inbox=inbox, name="CommCare", by=cast.admin)
    other = project_inbox(project=factories.project())
    assert plaintext.startswith("ofk_")
    assert opens(inbox, plaintext)
    assert not opens(other, plaintext)
    assert not opens(inbox, plaintext + "x")


def test_a_new_key_leaves_the_old_one_valid_until_it_is_revoked(cast, inbox):
    old, first = inbox_key_add(inbox=inbox, name="old", by=cast.admin)
    _, second = inbox_key_add(inbox=inbox, name="new", by=cast.admin)
    assert opens(inbox, first)
    inbox_key_revoke(key=old, by=cast.admin)
    assert (opens(inbox, first), opens(inbox, second)) == (False, True)
    with pytest.raises(Conflict):
        inbox_key_revoke(key=old, by=cast.admin)


def test_an_expired_key_opens_nothing(cast, inbox):
    key, plaintext = inbox_key_add(
        inbox=inbox, name="x", by=cast.admin, expires_at=timezone.now() + timedelta(days=1)
    )
    assert opens(inbox, plaintext)
    InboxAuth.objects.filter(pk=key.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    assert not opens(inbox, plaintext)
    with pytest.raises(Invalid):
        inbox_key_add(inbox=inbox, name="y", by=cast.admin, expires_at=timezone.now())


def test_the_text_of_a_key_is_stored_nowhere(cast, inbox):
    _, plaintext = inbox_key_add(inbox=inbox, name="x", by=cast.admin)
    rows = [*InboxAuth.objects.values_list(), *AuditEntry.objects.values_list()]
    assert plaintext not in str(rows)


@pytest.mark.parametrize("person", ["editor", "outsider"])
def test_inboxes_are_for_admins(cast, inbox, person):
    somebody = getattr(cast, person)
    for deed in (
        lambda: inbox_create(project=cast.project, name="x", by=somebody),
        lambda: inbox_change(inbox=inbox, by=somebody, access=InboxAccess.NONE),
        lambda: inbox_archive(inbox=inbox, by=somebody),
        lambda: inbox_key_add(inbox=inbox, name="x", by=somebody),
    ):
        with pytest.raises(NotFound if person == "outsider" else NotAllowed):
            deed()


def test_a_project_has_one_inbox_for_all_its_triggers(cast, inbox):
    with pytest.raises(Conflict, match="its inbox already"):
        inbox_create(project=cast.project, name="Second", by=cast.admin)
    inbox_archive(inbox=inbox, by=cast.admin)
    with pytest.raises(NotFound):
        project_inbox(project=cast.project)
    fresh = inbox_create(project=cast.project, name="Second", by=cast.admin)
    assert fresh.address != inbox.address
    assert listening_at(address=inbox.address) is None


def test_a_message_trigger_may_have_an_address_of_its_own(cast):
    job = factories.job(cast.project)
    trigger, other = factories.message_trigger(job), factories.message_trigger(job)
    own = inbox_create(project=cast.project, name="Own", by=cast.admin, trigger=trigger)
    listening = heard_at(own)
    assert [each.trigger_id for each in listening.listeners] == [trigger.pk]
    assert other.pk not in {each.trigger_id for each in listening.listeners}


def test_only_a_message_trigger_of_the_same_project_may(cast):
    foreign = factories.message_trigger(factories.job(factories.project()))
    clock = factories.cron_trigger(factories.job(cast.project))
    for trigger, sentence in ((foreign, "another project"), (clock, "Only a trigger for messages")):
        with pytest.raises(Invalid, match=sentence):
            inbox_create(project=cast.project, name="x", by=cast.admin, trigger=trigger)


def test_a_change_holds_from_the_next_message_on(cast, inbox):
    assert heard_at(inbox).open
    inbox_change(inbox=inbox, by=cast.admin, enabled=False, duplicate_path=" form.meta.instanceID ")
    listening = heard_at(inbox)
    assert (listening.open, listening.duplicate_path) == (False, "form.meta.instanceID")


@pytest.mark.parametrize("path", ["form..id", ".form", "form id", "form[0].id"])
def test_a_path_that_would_never_be_found_is_refused(cast, inbox, path):
    with pytest.raises(Invalid, match=r"form\.meta\.instanceID"):
        inbox_change(inbox=inbox, by=cast.admin, duplicate_path=path)


def test_an_archived_inbox_stays_as_it_is(cast, inbox):
    inbox_archive(inbox=inbox, by=cast.admin)
    with pytest.raises(InboxArchived):
        inbox_change(inbox=inbox, by=cast.admin, enabled=True)


def test_addresses_do_not_tell_when_they_were_made(inbox):
    assert inbox.address.version == 4
