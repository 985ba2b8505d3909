"""People of the installation: made, changed and switched off by whoever runs it. Nobody is deleted."""

from __future__ import annotations

from typing import TypedDict, Unpack

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction

from openfn_platform.common.errors import Conflict, Invalid
from openfn_platform.common.saving import row_save
from openfn_platform.common.text import clean_name
from openfn_platform.projects.actors import By, author_of, require_superuser
from openfn_platform.projects.auditing import audit, differences
from openfn_platform.projects.models import User


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
    _check(password, person)
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
    if person.is_active != active:
        person.is_active = active
        person.save(update_fields=["is_active"])
        audit("person switched", by, target=person, changes={"is_active": [not active, active]})
    return person


@transaction.atomic
def person_password_set(*, person: User, password: str, by: By) -> None:
    """A new password; it ends the person's sessions."""
    require_superuser(by)
    _check(password, person)
    person.set_password(password)
    person.save(update_fields=["password"])
    audit("password set", by, target=person)


def _check(password: str, person: User) -> None:
    try:
        validate_password(password, person)
    except ValidationError as error:
        raise Invalid(" ".join(error.messages), field="password") from None


def _not_the_last(person: User) -> None:
    if not User.objects.filter(is_superuser=True, is_active=True).exclude(pk=person.pk).exists():
        raise Conflict("Somebody must run the installation; make somebody else a superuser first.")
