"""An API token that posted messages ended, and its sender goes on: somebody is told once, as of a key."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone

from openfn_platform.projects.models import ApiToken
from openfn_platform.projects.tokens import token_create, token_revoke
from runs.incidents import incident_dismiss
from runs.models import Incident, Notification
from runs.notifications.refused_tokens import refused_tokens_tell
from tests.flows.world import World
from tests.triggers.serving import Server
from tests.triggers.test_inbox_auth import GOOD, address
from triggers.inboxes import inbox_archive, inbox_change
from triggers.models import Refusal
from triggers.models.inbox import InboxAccess

pytestmark = pytest.mark.django_db(transaction=True, available_apps=list(settings.INSTALLED_APPS))


class Sender:
    """A program that posted a message with a token, which has ended since."""

    def __init__(self, server: Server, site: World, *, end: str = "revoked", scope: str = "intake") -> None:
        self.server, self.site = server, site
        inbox_change(inbox=site.inbox, by=site.owner, access=InboxAccess.KEY, name="Forms")
        self.token, self.text = token_create(
            project=site.project, name="Tablets", scopes=[scope], by=site.owner
        )
        if scope == "intake":
            assert self.post() == 202
        if end == "revoked":
            token_revoke(token=self.token, by=site.owner)
        else:
            past = timezone.now() - timedelta(seconds=1)
            ApiToken.objects.filter(pk=self.token.pk).update(expires_at=past)

    def post(self) -> int:
        return self.server.post(address(self.site), GOOD, x_api_key=self.text).status


def mails(kind: str = "opened") -> list[Notification]:
    """What the sweep has to tell by now."""
    refused_tokens_tell()
    return list(Notification.objects.filter(kind=kind).order_by("id"))


@pytest.mark.parametrize("end", ["revoked", "expired"])
def test_one_mail_says_which_inbox_refuses_which_token(server: Server, site: World, end: str):
    sender = Sender(server, site, end=end)
    assert mails() == []
    assert [sender.post() for _ in range(3)] == [401] * 3
    [mail] = mails()
    assert "“Forms”" in mail.subject
    assert "“Tablets”" in mail.subject
    assert end in mail.text
    assert (mail.recipient, mail.project_id) == (site.owner.email, site.project.pk)
    assert sender.text not in mail.text
    assert len(mails()) == 1


def test_the_sender_is_told_that_it_was_revoked(server: Server, site: World):
    sender = Sender(server, site)
    answer = server.post(address(site), GOOD, x_api_key=sender.text)
    assert (answer.status, answer.json["code"]) == (401, "access_revoked")


def test_after_a_silent_day_it_is_over_and_the_next_is_no_news(server: Server, site: World):
    sender = Sender(server, site)
    assert sender.post() == 401
    assert len(mails()) == 1
    assert mails("closed") == []
    Refusal.objects.update(at=timezone.now() - timedelta(hours=25))
    [closed] = mails("closed")
    assert "for a day" in closed.text
    assert sender.post() == 401
    assert len(mails()) == 1


def test_who_puts_it_aside_is_not_told_again(server: Server, site: World):
    sender = Sender(server, site)
    assert sender.post() == 401
    assert len(mails()) == 1
    incident_dismiss(incident=Incident.objects.get(closed_at=None), by=site.owner, reason="An old phone.")
    assert sender.post() == 401
    assert len(mails()) == 1


def test_what_never_worked_or_never_could_raises_no_alarm(server: Server, site: World):
    reader = Sender(server, site, scope="read")
    ApiToken.objects.filter(pk=reader.token.pk).update(last_used_at=timezone.now())
    unused, text = token_create(project=site.project, name="Unused", scopes=["intake"], by=site.owner)
    token_revoke(token=unused, by=site.owner)
    elsewhere = World("Elsewhere")
    theirs, other = token_create(project=elsewhere.project, name="T", scopes=["intake"], by=elsewhere.owner)
    ApiToken.objects.filter(pk=theirs.pk).update(last_used_at=timezone.now(), revoked_at=timezone.now())
    for each in (reader.text, text, other, "ofp_" + "x" * 43):
        assert server.post(address(site), GOOD, x_api_key=each).status == 401
    assert mails() == []


def test_an_archived_inbox_raises_no_alarm(server: Server, site: World):
    sender = Sender(server, site)
    assert sender.post() == 401
    inbox_archive(inbox=site.inbox, by=site.owner)
    assert mails() == []


def test_looking_for_alarms_costs_two_questions(server: Server, site: World, django_assert_num_queries: Any):
    Sender(server, site)
    with django_assert_num_queries(2):
        refused_tokens_tell()
