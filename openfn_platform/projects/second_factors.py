"""Second factors: an authenticator app's code at log-in, and recovery codes for the day when the phone is lost.

allauth computes and keeps the codes; here is who may switch them on and off. A code works once, in all processes:
the time step of the last one that was used is kept with the secret. The secrets are encrypted.
"""

from __future__ import annotations

import base64
import time
from typing import Any

from allauth.core.internal.cryptokit import compare_user_code
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import format_hotp_value, generate_totp_secret, hotp_value
from django.conf import settings
from django.db import transaction
from django.http import HttpRequest

from openfn_platform.common.crypto import Cipher
from openfn_platform.common.errors import Conflict, Invalid, NotAllowed
from openfn_platform.projects.actors import Actor, By, as_actor
from openfn_platform.projects.auditing import audit
from openfn_platform.projects.mailing import letter_send
from openfn_platform.projects.models import Membership, Role, User
from openfn_platform.projects.sessions import sessions_end
from openfn_platform.projects.throttling import (
    CODES_OF,
    bare,
    client_address,
    may_try,
    tries_forget,
    try_failed,
)

PERIOD = 30
DRIFT = 1  # steps that a phone's clock may be wrong
_OWNER = "second factor"


class WrongCode(Invalid):
    """This code is not right. Codes change every half minute, and each works once."""

    code = "wrong_code"

    def __init__(self) -> None:
        super().__init__(field="code")


class Adapter(DefaultMFAAdapter):  # type: ignore[misc]  # allauth ships no types
    """How allauth keeps the secrets: encrypted, like those of partner systems."""

    def encrypt(self, text: str) -> str:
        return base64.b64encode(_cipher().encrypt(text.encode(), owner=_OWNER)).decode()

    def decrypt(self, encrypted_text: str) -> str:
        return _cipher().decrypt(base64.b64decode(encrypted_text), owner=_OWNER).decode()


def _cipher() -> Cipher:
    return Cipher(settings.CREDENTIAL_KEYS)


def has_factor(person: User) -> bool:
    return bool(Authenticator.objects.filter(user=person, type=Authenticator.Type.TOTP).exists())


def codes_left(person: User) -> int:
    row = Authenticator.objects.filter(user=person, type=Authenticator.Type.RECOVERY_CODES).first()
    return len(RecoveryCodes(row).get_unused_codes()) if row else 0


def factor_secret_new() -> str:
    """For the app; kept in the person's session until a first code proves that the app has it."""
    return str(generate_totp_secret())


def factor_seal(secret: str) -> str:
    """As it may wait in the session, which stands in the database."""
    return Adapter().encrypt(secret)


def factor_open(sealed: str) -> str:
    return Adapter().decrypt(sealed)


def factor_address(person: User, secret: str) -> str:
    """What the QR code says."""
    return str(Adapter().build_totp_url(person, secret))


@transaction.atomic
def factor_enable(*, person: User, secret: str, code: str, session: str | None) -> list[str]:
    """Switch it on, once a code shows that the app works. Returns the recovery codes, to be shown this once."""
    User.objects.select_for_update().get(pk=person.pk)
    if has_factor(person):
        raise Conflict("You have a second factor already.")
    step = _step_of(secret, code, after=-1)
    if step is None:
        raise WrongCode()
    data = {"secret": Adapter().encrypt(secret), "last_step": step}
    Authenticator.objects.create(user=person, type=Authenticator.Type.TOTP, data=data)
    audit("second factor switched on", person, target=person)
    sessions_end(person=person, by=person, but=session, why="a second factor was switched on")
    _tell(person, "A second factor was switched on", "From now on logging in asks for a code of your app.")
    return _codes_new(person)


@transaction.atomic
def codes_renew(*, person: User) -> list[str]:
    """New recovery codes; the old ones no longer work."""
    if not has_factor(person):
        raise Conflict("Set up a second factor first.")
    audit("recovery codes renewed", person, target=person)
    return _codes_new(person)


@transaction.atomic
def factor_disable(*, person: User) -> None:
    """Switch it off, by the person's own wish."""
    if not has_factor(person):
        raise Conflict("You have no second factor.")
    Authenticator.objects.filter(user=person).delete()
    audit("second factor switched off", person, target=person)
    _tell(person, "Your second factor was switched off", "Logging in asks for your password alone.")


@transaction.atomic
def factor_reset(*, person: User, by: By) -> None:
    """Take away a second factor that was lost. The person is told, and logs in again."""
    may_reset(person, by)
    if not has_factor(person):
        raise Conflict(f"{person} has no second factor.")
    Authenticator.objects.filter(user=person).delete()
    tries_forget(CODES_OF + person.email)
    audit("second factor reset", by, target=person)
    count, _ = person.sessions.all().delete()
    if count:
        audit("sessions ended", by, target=person, changes={"count": count, "why": "second factor reset"})
    _tell(
        person,
        "Your second factor was reset",
        f"{as_actor(by).name} took away your second factor, because it was said to be lost.",
    )


def may_reset(person: User, by: By) -> None:
    """Who runs the installation; or an owner, if the person belongs to nobody else's projects."""
    actor = as_actor(by)
    if actor.is_superuser:
        return
    homes = list(Membership.objects.filter(user=person).values_list("project_id", flat=True))
    owned = bool(homes) and all(actor.may(home, Role.OWNER) for home in homes)
    if not owned or person.is_superuser or actor.user is None or actor.token is not None:
        raise NotAllowed(
            "Only who runs this installation may do that: this person also belongs to projects that are not yours."
            if any(actor.may(home, Role.OWNER) for home in homes)
            else "Only an owner may do that."
        )


def factors_rotate() -> int:
    """Encrypt with the current key what another one encrypted; returns how many. Can be broken off and repeated."""
    adapter, current, done = Adapter(), _cipher().current, 0
    for key in Authenticator.objects.order_by("pk").values_list("pk", flat=True):
        with transaction.atomic():
            row = Authenticator.objects.select_for_update().filter(pk=key).first()
            name = "secret" if row is not None and "secret" in row.data else "seed"
            if row is None or Cipher.key_id(base64.b64decode(row.data[name])) == current:
                continue
            row.data[name] = adapter.encrypt(adapter.decrypt(row.data[name]))
            row.save(update_fields=["data"])
            done += 1
    return done


def factor_try(*, request: HttpRequest, person: User, code: str) -> str:
    """Check a code at log-in. Says what kind it was; raises `WrongCode` or `Locked`."""
    name, asking = CODES_OF + person.email, bare(request)
    may_try(asking, name)
    how = _matches(person, code)
    if how is not None:
        tries_forget(name)
        return how
    address = client_address(request)
    locked = try_failed(asking, name)
    audit("second factor failed", Actor(address=address), target=person)
    if locked:
        audit("log-in locked", Actor(address=address), target=person, changes={"what": "second factor"})
        may_try(asking, name)
    raise WrongCode()


@transaction.atomic
def _matches(person: User, code: str) -> str | None:
    rows = {row.type: row for row in Authenticator.objects.select_for_update().filter(user=person)}
    app, recovery = rows.get(Authenticator.Type.TOTP), rows.get(Authenticator.Type.RECOVERY_CODES)
    if app is not None:
        secret = Adapter().decrypt(app.data["secret"])
        step = _step_of(secret, code, after=app.data.get("last_step", -1))
        if step is not None:
            app.data["last_step"] = step
            app.save(update_fields=["data"])
            app.record_usage()
            return "code of the app"
    if recovery is not None and RecoveryCodes(recovery).validate_code(code):
        audit("recovery code used", person, target=person, changes={"left": codes_left(person)})
        return "recovery code"
    return None


def _step_of(secret: str, code: str, *, after: int) -> int | None:
    """The time step whose code this is, if it is a newer one than the last that was used."""
    now = int(time.time()) // PERIOD
    for step in range(now - DRIFT, now + DRIFT + 1):
        right = compare_user_code(actual=code, expected=format_hotp_value(hotp_value(secret, step)))
        if right and step > after:
            return step
    return None


def _codes_new(person: User) -> list[str]:
    Authenticator.objects.filter(user=person, type=Authenticator.Type.RECOVERY_CODES).delete()
    codes: Any = RecoveryCodes.activate(person).generate_codes()
    return [str(code) for code in codes]


def _tell(person: User, subject: str, sentence: str) -> None:
    letter_send(
        to=person.email,
        subject=subject,
        lines=[
            f"{sentence}",
            "If that was not wanted by you, tell whoever runs the installation at once: somebody else knows your password.",
        ],
    )
