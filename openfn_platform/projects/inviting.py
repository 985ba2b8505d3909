"""Invitations: how people come into projects. They belong to it once they said yes, and not before."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from openfn_platform.common.errors import Conflict, Invalid, NotAllowed, NotFound
from openfn_platform.common.models import as_uuid
from openfn_platform.common.saving import row_save
from openfn_platform.common.text import clean_name, one_line
from openfn_platform.projects.actors import PLATFORM, By, as_actor, author_of
from openfn_platform.projects.auditing import audit
from openfn_platform.projects.locking import project_lock
from openfn_platform.projects.mailing import letter_send
from openfn_platform.projects.membering import ANSWERABLE, AlreadyMember, may_decide, member_add
from openfn_platform.projects.models import Invitation, Membership, Project, Role, User
from openfn_platform.projects.people import password_check
from openfn_platform.projects.tokens import secret_digest, secret_make

PREFIX = "ofi_"
LENGTH = len(PREFIX) + 43
GOOD_FOR = timedelta(days=7)
PATH = "/admin/invitation/"


class StaleInvitation(NotFound):
    """This invitation was used, taken back, or is more than seven days old. Ask for a new one."""

    code = "stale_invitation"


@transaction.atomic
def invitation_make(
    *,
    project: Project,
    email: str,
    role: Role,
    by: By,
    may_see_data: bool | None = None,
    failure_mail: bool | None = None,
) -> tuple[Invitation, str]:
    """Invite somebody. Returns the link too: it is mailed, and shown to the inviter, and kept nowhere."""
    may_decide(by, project, role)
    project_lock(project)
    email = email.strip().lower()
    if Membership.objects.filter(project=project, user__email=email).exists():
        raise AlreadyMember(field="email")
    if _open(project, email).exists():
        raise Conflict("This person is invited already; send that invitation again instead.", field="email")
    known = User.objects.filter(email=email).first()
    if known is not None and not known.is_active:
        raise Invalid("The account of this person is switched off.", field="email")
    answerable = role in ANSWERABLE
    secret = secret_make(PREFIX)
    invitation = Invitation(
        project=project,
        email=email,
        role=role,
        may_see_data=answerable if may_see_data is None else may_see_data,
        failure_mail=answerable if failure_mail is None else failure_mail,
        digest=secret_digest(secret),
        invited_by=author_of(by),
        sent_at=timezone.now(),
        expires_at=timezone.now() + GOOD_FOR,
    )
    row_save(invitation)
    audit("person invited", by, project=project, target=invitation, changes=_values(invitation))
    return invitation, _send(invitation, secret, by)


@transaction.atomic
def invitation_renew(*, invitation: Invitation, by: By) -> str:
    """Send it again: with a new link for seven more days; the old link no longer works."""
    may_decide(by, invitation.project, Role(invitation.role))
    invitation = _locked(invitation)
    secret = secret_make(PREFIX)
    invitation.digest = secret_digest(secret)
    invitation.sent_at = timezone.now()
    invitation.expires_at = timezone.now() + GOOD_FOR
    invitation.save(update_fields=["digest", "sent_at", "expires_at"])
    audit("invitation sent again", by, project=invitation.project, target=invitation)
    return _send(invitation, secret, by)


@transaction.atomic
def invitation_revoke(*, invitation: Invitation, by: By) -> None:
    """Take it back: its link opens nothing any more."""
    may_decide(by, invitation.project, Role(invitation.role))
    invitation = _locked(invitation)
    invitation.revoked_at = timezone.now()
    invitation.save(update_fields=["revoked_at"])
    audit("invitation taken back", by, project=invitation.project, target=invitation)


def invitation_find(secret: str) -> Invitation:
    """The open invitation of that link; raises `StaleInvitation`."""
    if secret.startswith(PREFIX) and len(secret) == LENGTH and secret.isascii():
        found = _good().filter(digest=secret_digest(secret)).first()
        if found is not None:
            return found
    raise StaleInvitation()


def invitation_found(key: str) -> Invitation | None:
    """The same, for somebody whose session remembers that they opened the link."""
    known = as_uuid(key)
    rows = _good().filter(pk=known) if known else None
    return rows.first() if rows is not None else None


def _good() -> QuerySet[Invitation]:
    rows = Invitation.objects.select_related("project", "invited_by")
    return rows.filter(
        accepted_at=None, revoked_at=None, expires_at__gt=timezone.now(), project__archived_at=None
    )


@transaction.atomic
def invitation_accept(*, invitation: Invitation, person: User) -> Membership:
    """The invited person says yes, logged in with the address that was invited."""
    if person.email != invitation.email or not person.is_active:
        raise NotAllowed(f"This invitation is for {invitation.email}.")
    project_lock(invitation.project_id)
    invitation = _locked(invitation)
    if invitation.expires_at <= timezone.now():
        raise StaleInvitation()
    _inviter_may_still(invitation)
    invitation.accepted_at = timezone.now()
    invitation.save(update_fields=["accepted_at"])
    membership = Membership.objects.filter(project=invitation.project, user=person).first()
    audit("invitation accepted", person, project=invitation.project, target=invitation)
    return membership or member_add(
        project=invitation.project,
        user=person,
        role=Role(invitation.role),
        may_see_data=invitation.may_see_data,
        failure_mail=invitation.failure_mail,
        by=PLATFORM,
    )


@transaction.atomic
def invitation_accept_as_new(
    *, invitation: Invitation, name: str, password: str | None, time_zone: str = "UTC"
) -> User:
    """Somebody new says yes, and chooses a name and a password; None for who logs in at the organisation's."""
    if User.objects.filter(email=invitation.email).exists():
        raise Conflict("There is an account with this address: log in to accept the invitation.")
    person = User(email=invitation.email, name=clean_name(name), time_zone=time_zone)
    if password is None:
        person.set_unusable_password()
    else:
        password_check(password, person)
        person.set_password(password)
    row_save(person)
    audit("person joined", person, target=person, changes={"email": person.email})
    invitation_accept(invitation=invitation, person=person)
    return person


def _inviter_may_still(invitation: Invitation) -> None:
    """Whoever lost the right to invite cannot let somebody in by a link from before."""
    if invitation.invited_by is not None:
        try:
            may_decide(invitation.invited_by, invitation.project, Role(invitation.role))
        except (NotAllowed, NotFound):
            raise StaleInvitation() from None


def _open(project: Project, email: str) -> QuerySet[Invitation]:
    return Invitation.objects.filter(project=project, email=email, accepted_at=None, revoked_at=None)


def _locked(invitation: Invitation) -> Invitation:
    rows = Invitation.objects.select_for_update(of=("self",)).select_related("project", "invited_by")
    found = rows.filter(pk=invitation.pk, accepted_at=None, revoked_at=None).first()
    if found is None:
        raise StaleInvitation()
    return found


def _send(invitation: Invitation, secret: str, by: By) -> str:
    url = f"{settings.PUBLIC_URL}{PATH}{secret}/"
    who, where = one_line(as_actor(by).name, 80), one_line(invitation.project.name, 80)
    role = str(Role(invitation.role).label).partition(":")[0].lower()
    letter_send(
        to=invitation.email,
        subject=f"Invitation to “{where}”",
        lines=[
            f"{who} invites you to the project “{where}”, as {role}.",
            "The link works once, for seven days. You belong to the project only after you accepted.",
        ],
        url=url,
        url_says="Look at the invitation",
    )
    return url


def _values(invitation: Invitation) -> dict[str, object]:
    return {
        "email": invitation.email,
        "role": str(invitation.role),
        "may_see_data": invitation.may_see_data,
        "failure_mail": invitation.failure_mail,
    }
