"""A key that worked is refused: somebody is told once, by mail, over a real server and the sweep."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db.models import F
from django.utils import timezone

from runs.incidents import incident_dismiss
from runs.models import Incident, Notification
from runs.notifications.refused import refusals_tell
from tests.flows.world import World
from tests.triggers.serving import Server
from tests.triggers.test_inbox_auth import CHOSEN, GOOD, address, basic, signed
from triggers.admitting import inbox_password_add, inbox_secret_add
from triggers.inboxes import inbox_archive, inbox_change, inbox_key_add, inbox_key_revoke
from triggers.models import InboxAuth
from triggers.models.inbox import InboxAccess

pytestmark = pytest.mark.django_db(transaction=True, available_apps=list(settings.INSTALLED_APPS))


class Door:
    """An inbox with one thing that opens it, which has worked."""

    def __init__(self, server: Server, site: World, kind: str = "key") -> None:
        self.server, self.site = server, site
        inbox_change(inbox=site.inbox, by=site.owner, access=InboxAccess.KEY, name="Forms")
        given: dict[str, Any] = {"inbox": site.inbox, "name": "CommCare", "by": site.owner}
        if kind == "key":
            self.auth, text = inbox_key_add(**given)
            self.headers = {"x_api_key": text}
        elif kind == "hmac":
            self.auth, text = inbox_secret_add(**given)
            self.headers = signed(text)
        else:
            password = CHOSEN if kind == "chosen" else ""
            self.auth, text = inbox_password_add(**given, username="odk", password=password)
            self.headers = basic("odk", text)
        assert self.knock() == 202
        self.change(last_used_at=timezone.now() - timedelta(hours=1))

    def knock(self, **headers: str) -> int:
        return self.server.post(address(self.site), GOOD, **(headers or self.headers)).status

    def change(self, **fields: Any) -> None:
        InboxAuth.objects.filter(pk=self.auth.pk).update(**fields)

    def fresh(self) -> InboxAuth:
        return InboxAuth.objects.get(pk=self.auth.pk)


def mails(kind: str = "opened") -> list[Notification]:
    """What the sweep has to tell by now."""
    refusals_tell()
    return list(Notification.objects.filter(kind=kind).order_by("id"))


@pytest.mark.parametrize("kind", ["key", "made", "chosen", "hmac"])
def test_one_mail_says_which_inbox_refuses_what_was_revoked(server: Server, site: World, kind: str):
    door = Door(server, site, kind)
    inbox_key_revoke(key=door.auth, by=site.owner)
    assert mails() == []
    assert [door.knock() for _ in range(3)] == [401] * 3
    [mail] = mails()
    assert "“Forms”" in mail.subject
    assert "“CommCare”" in mail.subject
    assert "revoked" in mail.text
    assert (mail.recipient, mail.project_id) == (site.owner.email, site.project.pk)
    assert all(value not in mail.text for value in door.headers.values())
    door.change(refused_at=timezone.now())
    assert len(mails()) == 1


def test_an_expired_key_is_told_of_and_so_is_that_it_works_again(server: Server, site: World):
    door = Door(server, site)
    door.change(expires_at=timezone.now() - timedelta(seconds=1))
    assert door.knock() == 401
    [mail] = mails()
    assert "expired" in mail.text
    door.change(expires_at=None, refused_at=F("refused_at") - timedelta(minutes=3))
    assert door.knock() == 202
    [closed] = mails("closed")
    assert "opens the inbox again" in closed.text
    door.change(
        expires_at=timezone.now() - timedelta(seconds=1), last_used_at=timezone.now() - timedelta(hours=1)
    )
    assert door.knock() == 401
    assert len(mails()) == 2  # it worked in between, so it is news


@pytest.mark.parametrize("kind", ["key", "made"])
def test_a_mistyped_key_is_told_of_when_the_right_one_does_not_come(server: Server, site: World, kind: str):
    door = Door(server, site, kind)
    wrong = basic("odk", "mistyped") if kind == "made" else {"x_api_key": door.headers["x_api_key"][:30]}
    assert door.knock(**wrong) == 401
    assert mails() == []  # it may have been tried by hand, or guessed
    door.change(refused_since=timezone.now() - timedelta(minutes=11))
    [mail] = mails()
    assert "something like" in mail.text


def test_a_mistyped_key_beside_the_right_one_is_no_alarm(server: Server, site: World):
    door = Door(server, site)
    assert door.knock(x_api_key=door.headers["x_api_key"][:30]) == 401
    assert door.knock() == 202
    door.change(refused_since=timezone.now() - timedelta(minutes=11))
    assert mails() == []
    assert door.fresh().refused_since is None


def test_strangers_and_keys_that_never_worked_raise_no_alarm(server: Server, site: World):
    door = Door(server, site)
    new, text = inbox_key_add(inbox=site.inbox, name="new", by=site.owner)
    inbox_key_revoke(key=new, by=site.owner)
    for wrong in (
        {"x_api_key": text},
        {"x_api_key": "ofk_" + "x" * 43},
        {"x_api_key": ""},
        basic("odk", "x"),
    ):
        assert door.knock(**wrong) == 401
    assert not InboxAuth.objects.filter(refused_since__isnull=False).exists()
    assert mails() == []


def test_after_a_silent_day_it_is_over_and_the_next_is_no_news(server: Server, site: World):
    door = Door(server, site)
    inbox_key_revoke(key=door.auth, by=site.owner)
    assert door.knock() == 401
    assert len(mails()) == 1
    yesterday = timezone.now() - timedelta(hours=25)
    door.change(refused_since=yesterday, refused_at=yesterday)
    [closed] = mails("closed")
    assert "for a day" in closed.text
    assert door.fresh().refused_since is None
    door.change(refused_since=timezone.now(), refused_at=timezone.now())
    assert len(mails()) == 1


def test_who_puts_it_aside_is_not_told_again(server: Server, site: World):
    door = Door(server, site)
    inbox_key_revoke(key=door.auth, by=site.owner)
    assert door.knock() == 401
    assert len(mails()) == 1
    incident_dismiss(incident=Incident.objects.get(closed_at=None), by=site.owner, reason="An old phone.")
    door.change(refused_at=timezone.now())
    assert len(mails()) == 1


def test_an_archived_inbox_raises_no_alarm(server: Server, site: World):
    door = Door(server, site)
    inbox_key_revoke(key=door.auth, by=site.owner)
    assert door.knock() == 401
    inbox_archive(inbox=site.inbox, by=site.owner)
    assert mails() == []


def test_looking_for_alarms_costs_one_question(server: Server, site: World, django_assert_num_queries: Any):
    Door(server, site)
    with django_assert_num_queries(3):  # with the two of the transaction
        refusals_tell()
