"""People of the installation: made, changed and switched off by whoever runs it. Nobody is deleted."""

from __future__ import annotations

from datetime import timedelta
from typing import TypedDict, Unpack

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from openfn_platform.common.errors import Conflict, Invalid
from openfn_platform.common.saving import row_save
from openfn_platform.common.text import clean_name
from openfn_platform.projects.actors import NOBODY, By, author_of, require_superuser
from openfn_platform.projects.auditing import audit, differences
from openfn_platform.projects.locking import project_lock
from openfn_platform.projects.mailing import letter_send
from openfn_platform.projects.models import AuditEntry, Membership, Role, User
from openfn_platform.projects.sessions import sessions_end

LINKS_AN_HOUR = 3


class PersonValues(TypedDict, total=False):
    """What can be changed about a person."""

    name: str
    email: str
    time_zone: str
    is_superuser: bool


@transaction.atomic
def person_create(
    *, email: str, password: str, by: By, name: str = "", time_zone: str = "UTC", is_superuser: bool = False
) -> User:
    """Somebody new, who can log in from now on."""
    require_superuser(by)
    person = User(
        email=email.strip().lower(), name=clean_name(name), time_zone=time_zone, is_superuser=is_superuser
    )
    password_check(password, person)
    person.set_password(password)
    row_save(person)
    audit("person added", by, target=person, changes={"email": person.email, "is_superuser": is_superuser})
    return person


@transaction.atomic
def person_change(*, person: User, by: By, **values: Unpack[PersonValues]) -> User:
    """Change what is given."""
    require_superuser(by)
    wanted = dict(values)
    if "email" in values:
        wanted["email"] = values["email"].strip().lower()
    before = {field: getattr(person, field) for field in wanted}
    if before.get("is_superuser") and not wanted["is_superuser"]:
        _not_the_last(person)
    for field, value in wanted.items():
        setattr(person, field, value)
    changes = differences(before, wanted)
    if changes:
        row_save(person, only=changes)
        audit("person changed", by, target=person, changes=changes)
    return person


@transaction.atomic
def person_switch(*, person: User, active: bool, by: By) -> User:
    """Off: no more logging in, and every open session ends at its next click."""
    require_superuser(by)
    if not active and author_of(by) == person:
        raise Conflict("You cannot switch yourself off; somebody else who runs the installation can.")
    if not active and person.is_superuser:
        _not_the_last(person)
    if not active:
        _not_the_last_owner(person)
    if person.is_active != active:
        person.is_active = active
        person.save(update_fields=["is_active"])
        audit("person switched", by, target=person, changes={"is_active": [not active, active]})
        if not active:
            sessions_end(person=person, by=by, why="the person was switched off")
    return person


@transaction.atomic
def person_password_set(*, person: User, password: str, by: By) -> None:
    """A new password; it ends the person's sessions."""
    require_superuser(by)
    password_check(password, person)
    person.set_password(password)
    person.save(update_fields=["password"])
    audit("password set", by, target=person)
    sessions_end(person=person, by=by, why="a password was set")


@transaction.atomic
def own_password_change(*, person: User, password: str, session: str | None = None) -> None:
    """Somebody's own new password. It ends their other sessions; `session` is the key of the one that stays."""
    password_check(password, person)
    person.set_password(password)
    person.save(update_fields=["password"])
    audit("password changed", person, target=person)
    sessions_end(person=person, by=person, but=session, why="the password was changed")
    letter_send(
        to=person.email,
        subject="Your password was changed",
        lines=["If that was not you, tell whoever runs the installation at once."],
    )


@transaction.atomic
def password_link_send(*, person: User, url: str) -> bool:
    """Mail a link with which a forgotten password is replaced; three an hour at most. False: that was one too many."""
    lately = AuditEntry.objects.filter(
        project=None,
        action="password link sent",
        object_id=str(person.pk),
        at__gt=timezone.now() - timedelta(hours=1),
    )
    if lately.count() >= LINKS_AN_HOUR:
        return False
    audit("password link sent", NOBODY, target=person)
    letter_send(
        to=person.email,
        subject="A new password",
        lines=[
            "Somebody, probably you, asked for a new password.",
            "The link works once, for an hour. If it was not you, do nothing: your password stays as it is.",
        ],
        url=url,
        url_says="Choose a new password",
    )
    return True


def password_check(password: str, person: User) -> None:
    """Refuses what the rules for passwords refuse, in their words."""
    try:
        validate_password(password, person)
    except ValidationError as error:
        raise Invalid(" ".join(error.messages), field="password") from None


def _not_the_last_owner(person: User) -> None:
    """Each project keeps an owner who can log in. Locked, so that two of them are not switched off at a time."""
    owned = Membership.objects.filter(user=person, role=Role.OWNER, project__archived_at=None)
    for membership in owned.select_related("project").order_by("project_id"):
        project_lock(membership.project)
        others = Membership.objects.filter(
            project=membership.project_id, role=Role.OWNER, user__is_active=True
        ).exclude(user=person)
        if not others.exists():
            raise Conflict(
                f"{person} is the last owner of “{membership.project}”. Make somebody else an owner there first."
            )


def _not_the_last(person: User) -> None:
    if not User.objects.filter(is_superuser=True, is_active=True).exclude(pk=person.pk).exists():
        raise Conflict("Somebody must run the installation; make somebody else a superuser first.")
