"""Registrations as CommCare forwards them: made up for one play of the story, with numbers nobody has had."""

from __future__ import annotations

import random
import string
import uuid
from collections.abc import Container
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from openfn_platform.demo.clinic import FORM_XMLNS

_PEOPLE = (
    ("Neema", "Mwakasege", "female", "1994-05-02"),
    ("Baraka", "Kisanga", "male", "1987-11-23"),
    ("Rehema", "Lyimo", "female", "2001-02-14"),
    ("Juma", "Ndikumana", "male", "1979-08-30"),
    ("Zawadi", "Mrisho", "female", "1990-12-09"),
)
_random = random.SystemRandom()


@dataclass(frozen=True, kw_only=True)
class Registration:
    """One case that was opened, and the form that says so."""

    national_id: str
    first: str
    last: str
    sex: str
    dob: str
    phone: str
    instance: str = field(default_factory=lambda: str(uuid.uuid4()))
    case: str = field(default_factory=lambda: str(uuid.uuid4()))
    filled: datetime = field(default_factory=lambda: datetime.now(UTC) - timedelta(minutes=5))

    @property
    def personal(self) -> tuple[str, ...]:
        """What must not stand in a mail."""
        return (self.national_id, self.first, self.last, self.dob, self.phone)

    @property
    def message(self) -> dict[str, Any]:
        """The form as CommCare's forwarding sends it. Sent again, only the time of receipt differs."""
        begun, ended = self.filled - timedelta(minutes=3), self.filled
        return {
            "id": self.instance,
            "app_id": "5f2c1d1e9c7b4a7fa1e0c3f7d7a90001",
            "domain": "kigoma-clinic",
            "received_on": _text(datetime.now(UTC)),
            "form": {
                "@name": "Registration",
                "@xmlns": FORM_XMLNS,
                "#type": "data",
                "case": {
                    "@case_id": self.case,
                    "@xmlns": "http://commcarehq.org/case/transaction/v2",
                    "create": {"case_name": f"{self.first} {self.last}", "case_type": "patient"},
                },
                "consent": "yes",
                "national_id": self.national_id,
                "first": self.first,
                "last": self.last,
                "sex": self.sex,
                "dob": self.dob,
                "phone": self.phone,
                "meta": {
                    "instanceID": self.instance,
                    "timeStart": _text(begun),
                    "timeEnd": _text(ended),
                    "userID": "3d1b7a2c",
                    "username": "chw.kigoma",
                    "deviceID": "commcare-demo",
                },
            },
        }


def registrations(*, taken: Container[str]) -> tuple[list[Registration], str]:
    """Five of them, the last with a national ID that lacks a digit; and what that ID should have been."""
    ids = _fresh(len(_PEOPLE), taken)
    found = [
        Registration(national_id=nid, first=first, last=last, sex=sex, dob=dob, phone=_phone())
        for nid, (first, last, sex, dob) in zip(ids, _PEOPLE, strict=True)
    ]
    right = found[-1].national_id
    return [*found[:-1], replace(found[-1], national_id=right[:-1])], right


def _fresh(count: int, taken: Container[str]) -> list[str]:
    """National IDs in a row that no patient has yet."""
    while True:
        letters = "".join(_random.choices(string.ascii_uppercase, k=2))
        start = _random.randrange(100_000, 999_000)
        ids = [f"{letters}{start + at}" for at in range(count)]
        if not any(nid in taken or nid[:-1] in taken for nid in ids):
            return ids


def _phone() -> str:
    return f"+25575{_random.randrange(10_000_000):07}"


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
