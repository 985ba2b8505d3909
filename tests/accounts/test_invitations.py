"""Invitations: from the form to the first page of the new member."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from openfn_platform.common.errors import Conflict, NotAllowed
from openfn_platform.projects.inviting import (
    StaleInvitation,
    invitation_accept,
    invitation_find,
    invitation_make,
    invitation_renew,
    invitation_revoke,
)
from openfn_platform.projects.membering import AlreadyMember, member_change
from openfn_platform.projects.models import AuditEntry, Invitation, Membership, Role, User
from runs.admin.notification import NotificationAdmin
from runs.models import Notification
from runs.notifications.delivery import mails_send
from tests import factories
from tests.accounts.doors import PASSWORD, browser, is_in, letters_to, link_to, log_in, logged_in, seen
from tests.factories import Cast
from tests.workspace.desk import at, page

NEWCOMER = "newcomer@example.org"
ANSWER = {"name": "Asha Mushi", "password": "purple mango bicycle"}


def invite(cast: Cast, email: str = NEWCOMER, role: Role = Role.EDITOR) -> tuple[Invitation, str]:
    """And the path of the link."""
    made, url = invitation_make(project=cast.project, email=email, role=role, by=cast.admin)
    return made, "/" + url.split("/", 3)[3]


def membership(cast: Cast, email: str = NEWCOMER) -> Membership | None:
    return Membership.objects.filter(project=cast.project, user__email=email).first()


def test_an_admin_invites_and_gets_the_link_that_is_mailed_too(cast: Cast):
    given = {"project": str(cast.project.pk), "email": NEWCOMER.upper(), "role": "editor"}
    client = at(cast.admin)
    assert client.get(page("projects_membership_add"))["Location"] == page("projects_invitation_add")
    answer = client.post(page("projects_invitation_add"), given)
    assert link_to(NEWCOMER) in answer.context["secret"]
    assert membership(cast) is None
    assert NEWCOMER in seen(client.get(page("projects_membership_changelist")))


def test_somebody_new_chooses_a_name_and_a_password_and_is_in(cast: Cast):
    _, link = invite(cast)
    client = browser()
    assert "invites you to work in" in seen(client.get(link))
    assert client.post(link, ANSWER).status_code == 302
    found = membership(cast)
    assert found is not None
    assert (found.role, found.may_see_data, str(found.user)) == (Role.EDITOR, False, "Asha Mushi")
    assert is_in(client)
    assert log_in(browser(), NEWCOMER, ANSWER["password"]).status_code == 302
    assert AuditEntry.objects.get(action="invitation accepted").actor == found.user


def test_who_has_an_account_belongs_to_the_project_only_after_saying_yes(cast: Cast):
    _, link = invite(cast, cast.outsider.email)
    client = browser()
    shown = client.get(link)
    assert "log in to accept" in seen(shown)
    client.post(shown.context["other_url"], {"username": cast.outsider.email, "password": PASSWORD})
    assert membership(cast, cast.outsider.email) is None
    assert "Accept" in seen(client.get(link))
    assert membership(cast, cast.outsider.email) is None
    client.post(link)
    assert membership(cast, cast.outsider.email) is not None


def test_the_link_of_somebody_else_opens_nothing(cast: Cast):
    _, link = invite(cast)
    client = logged_in(cast.outsider)
    assert client.post(link).status_code == 403
    assert not Membership.objects.filter(project=cast.project, user=cast.outsider).exists()


def test_nobody_takes_over_an_account_with_a_link(cast: Cast):
    _, link = invite(cast, cast.outsider.email)
    browser().post(link, ANSWER)
    cast.outsider.refresh_from_db()
    assert cast.outsider.check_password(PASSWORD)


def test_a_weak_password_is_refused_and_the_link_stays_good(cast: Cast):
    _, link = invite(cast)
    answer = browser().post(link, {"name": "Asha", "password": "short"})
    assert "password" in answer.context["form"].errors
    assert not User.objects.filter(email=NEWCOMER).exists()
    assert browser().post(link, ANSWER).status_code == 302


@pytest.mark.parametrize("how", ["used", "revoked", "expired", "sent again", "archived", "made up"])
def test_a_link_that_is_no_longer_good_opens_nothing(cast: Cast, how: str):
    made, link = invite(cast)
    if how == "used":
        browser().post(link, ANSWER)
    elif how == "revoked":
        invitation_revoke(invitation=made, by=cast.owner)
    elif how == "expired":
        Invitation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    elif how == "sent again":
        invitation_renew(invitation=made, by=cast.admin)
    elif how == "archived":
        cast.project.archived_at = timezone.now()
        cast.project.save()
    else:
        link = link[:-3] + "xx/"
    answer = browser().get(link)
    assert answer.status_code == 404
    assert cast.project.name not in seen(answer)
    assert browser().post(link, ANSWER).status_code == 404


def test_it_is_good_for_seven_days_and_only_its_fingerprint_is_kept(cast: Cast):
    made, link = invite(cast)
    secret = link.strip("/").rpartition("/")[2]
    assert timedelta(days=6, hours=23) < made.expires_at - timezone.now() <= timedelta(days=7)
    assert secret.encode() not in bytes(Invitation.objects.get().digest)
    assert not any(secret in str(entry.changes) for entry in AuditEntry.objects.all())


def test_sending_again_gives_a_new_link_and_shows_it(cast: Cast):
    made, link = invite(cast)
    answer = at(cast.admin).post(page("projects_invitation_send_again", made.pk))
    assert link not in answer.context["secret"]
    assert len(letters_to(NEWCOMER)) == 2
    assert browser().get(link_to(NEWCOMER)).status_code == 200


def test_taking_it_back_is_a_button(cast: Cast):
    made, link = invite(cast)
    at(cast.admin).post(page("projects_invitation_revoke", made.pk))
    assert browser().get(link).status_code == 404
    with pytest.raises(StaleInvitation):
        invitation_revoke(invitation=made, by=cast.owner)


def test_nobody_is_invited_twice_or_as_a_member(cast: Cast):
    invite(cast)
    with pytest.raises(Conflict):
        invite(cast)
    with pytest.raises(AlreadyMember):
        invite(cast, cast.viewer.email)


def test_only_admins_invite_and_only_owners_invite_owners(cast: Cast):
    for person, role in ((cast.editor, Role.VIEWER), (cast.admin, Role.OWNER)):
        with pytest.raises(NotAllowed):
            invitation_make(project=cast.project, email=NEWCOMER, role=role, by=person)
    invitation_make(project=cast.project, email=NEWCOMER, role=Role.OWNER, by=cast.owner)


def test_whoever_lost_the_right_to_invite_lets_nobody_in_afterwards(cast: Cast):
    _, link = invite(cast)
    member_change(membership=Membership.objects.get(user=cast.admin), by=cast.owner, role=Role.VIEWER)
    answer = browser().post(link, ANSWER)
    assert "taken back" in seen(answer)
    assert not User.objects.filter(email=NEWCOMER).exists()


def test_invitations_of_other_projects_are_not_there(cast: Cast):
    made, _ = invite(cast)
    client = at(cast.outsider)
    assert NEWCOMER not in seen(client.get(page("projects_invitation_changelist")))
    assert NEWCOMER not in seen(client.get(page("projects_membership_changelist")))
    for name in ("change", "revoke", "send_again"):
        assert client.post(page(f"projects_invitation_{name}", made.pk)).status_code == 404
    assert NEWCOMER not in seen(at(cast.viewer).get(page("projects_membership_changelist")))


def test_two_answers_at_a_time_make_one_member(cast: Cast):
    _, link = invite(cast, cast.outsider.email)
    secret = link.strip("/").rpartition("/")[2]
    one, other = invitation_find(secret), invitation_find(secret)
    invitation_accept(invitation=one, person=cast.outsider)
    with pytest.raises(StaleInvitation):
        invitation_accept(invitation=other, person=cast.outsider)


def test_the_mail_goes_out_and_its_link_is_then_kept_nowhere(cast: Cast, settings: Any, tmp_path: Any):
    settings.MAIL_DIR = str(tmp_path)
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    from django.core import mail

    _, link = invite(cast)
    assert mails_send() == 1
    assert link in mail.outbox[0].body
    row = Notification.objects.get()
    assert link not in row.text
    assert row.project is None


def test_no_page_shows_the_text_of_such_a_mail(cast: Cast):
    _, link = invite(cast)
    row = Notification.objects.get()
    assert NotificationAdmin.installation_rows
    shown = seen(at(cast.superuser).get(page("runs_notification_change", row.pk)))
    assert "its text is not kept" in shown
    assert link not in shown
    assert at(cast.owner).get(page("runs_notification_change", row.pk)).status_code == 404


def test_an_archived_or_switched_off_account_is_not_invited(cast: Cast):
    gone = factories.user("Gone", is_active=False)
    given = {"project": str(cast.project.pk), "email": gone.email, "role": "viewer"}
    answer = at(cast.admin).post(page("projects_invitation_add"), given)
    assert "switched off" in str(answer.context["adminform"].form.errors["email"])
