"""Many plausible events in a moment: `POST /__standin__/events {"count": 10000, "program": …, "days": 14}`.

The same numbers always make the same events, so only the plan is written down and a stand-in that starts again makes
them anew. About one in eight says `CONSENT_TO_PUBLISH` "false" and one in thirty says nothing about it; every one names
an (invented) patient. They are spread over the days up to now, the newest last.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from openfn_platform.demo.standins.dhis2.dates import text_of
from openfn_platform.demo.standins.dhis2.metadata import UNITS, Metadata
from openfn_platform.demo.standins.dhis2.records import EVENT, Book
from openfn_platform.demo.standins.dhis2.seeds import (
    CASE_AGE,
    CASE_NOTIFICATION,
    CONSENT_TO_PUBLISH,
    PATIENT_NAME,
)
from openfn_platform.demo.standins.dhis2.uids import drawn_uid
from openfn_platform.demo.standins.store import Record, Store

TABLE = "generated"
MOST = 200_000
_FIRST = ("Alima", "Bavo", "Cela", "Dorun", "Esha", "Fenno", "Gila", "Hamo", "Isa", "Joro", "Kesi", "Lumo")
_LAST = ("Arrande", "Bellur", "Corvane", "Dumari", "Ettoway", "Fennick", "Garrowe", "Hallam’s", "Ilyande")


class Generator:
    """Makes events for programs without registration."""

    def __init__(self, store: Store, metadata: Metadata, book: Book) -> None:
        self._store, self._metadata, self._book = store, metadata, book

    def restore(self) -> None:
        """Make again what earlier plans made."""
        for plan in self._store.table(TABLE).values():
            self._book.fill(EVENT, _events(plan))
        self._book.index()

    def make(self, wish: Mapping[str, Any]) -> dict[str, Any]:
        """Make what a test wishes, and say how much may be published."""
        plan = self._plan(wish)
        self._store.put(TABLE, str(plan["number"]), plan)
        made = list(_events(plan))
        self._book.fill(EVENT, made)
        public = sum(event["values"].get(CONSENT_TO_PUBLISH) == "true" for event in made)
        return {
            "count": len(made),
            "program": plan["program"],
            "public": public,
            "withheld": len(made) - public,
        }

    def _plan(self, wish: Mapping[str, Any]) -> Record:
        count, days = wish.get("count"), wish.get("days", 14)
        if not _whole(count) or not 1 <= int(count or 0) <= MOST:
            raise ValueError(f'Send {{"count": a number from 1 to {MOST}}}.')
        if not _whole(days) or not 1 <= days <= 3650:
            raise ValueError("`days` is a number from 1 to 3650.")
        program = self._metadata.find("programs", wish.get("program", CASE_NOTIFICATION))
        if program is None or program["programType"] != "WITHOUT_REGISTRATION":
            raise ValueError("`program` is an event program: one without registration.")
        stages = self._metadata.rows("programStages").values()
        stage = next(s for s in stages if s["program"]["id"] == program["id"])
        number = len(self._store.table(TABLE)) + 1
        return {
            "number": number,
            "count": count,
            "days": days,
            "seed": wish.get("seed", number),
            "until": text_of(datetime.now(UTC)),
            "first": self._book.last + 1,
            "program": program["id"],
            "stage": stage["id"],
            "units": [self._unit(each["id"]) for each in program["organisationUnits"]],
            "elements": [self._element(e["dataElement"]["id"]) for e in stage["programStageDataElements"]],
        }

    def _unit(self, uid: str) -> list[Any]:
        unit = self._metadata.read(UNITS, uid)
        place = unit.get("geometry") or {}
        return [uid, *(place["coordinates"] if place.get("type") == "Point" else (0.0, 0.0))]

    def _element(self, uid: str) -> list[Any]:
        element = self._metadata.read("dataElements", uid)
        return [uid, element["valueType"], self._metadata.option_codes(element)]


def _events(plan: Record) -> Iterator[Record]:
    source = random.Random(f"{plan['seed']}/{plan['program']}/{plan['number']}")  # noqa: S311  (no secret)
    until = datetime.fromisoformat(plan["until"])
    step = timedelta(days=plan["days"]) / plan["count"]
    for index in range(plan["count"]):
        back = plan["count"] - index - source.random()
        yield _event(plan, source, until - step * back, until, index)


def _event(plan: Record, source: random.Random, occurred: datetime, until: datetime, index: int) -> Record:
    unit, longitude, latitude = source.choice(plan["units"])
    place = [round(longitude + source.gauss(0, 0.03), 5), round(latitude + source.gauss(0, 0.03), 5)]
    day = occurred.date()
    written = text_of(min(occurred + timedelta(minutes=source.randrange(10, 1800)), until))
    values = {uid: _value(source, uid, kind, codes, day) for uid, kind, codes in plan["elements"]}
    return {
        "event": drawn_uid(source),
        "program": plan["program"],
        "programStage": plan["stage"],
        "enrollment": None,
        "trackedEntity": None,
        "orgUnit": unit,
        "status": "COMPLETED",
        "occurredAt": text_of(occurred),
        "completedAt": written,
        "completedBy": "field",
        "createdAt": written,
        "updatedAt": written,
        "geometry": {"type": "Point", "coordinates": place},
        "values": {uid: value for uid, value in values.items() if value is not None},
        "notes": [],
        "followUp": False,
        "deleted": False,
        "by": "field",
        "seq": plan["first"] + index,
    }


def _value(source: random.Random, uid: str, kind: str, codes: list[str] | None, day: Any) -> str | None:
    if uid == CONSENT_TO_PUBLISH:
        return source.choices(("true", "false", None), weights=(84, 12, 4))[0]
    if uid == PATIENT_NAME:
        return f"{source.choice(_FIRST)} {source.choice(_LAST)}"
    if uid == CASE_AGE:
        return str(min(int(source.expovariate(1 / 22)), 99))
    if codes:
        return source.choice(codes)
    return _BY_TYPE.get(kind, _word)(source, day)


def _word(source: random.Random, day: Any) -> str:
    return source.choice(("seen at the clinic", "seen at home", "referred", "“to be called” again"))


_BY_TYPE: dict[str, Callable[[random.Random, Any], str]] = {
    "DATE": lambda source, day: (day - timedelta(days=source.randrange(10))).isoformat(),
    "BOOLEAN": lambda source, day: source.choice(("true", "false")),
    "TRUE_ONLY": lambda source, day: "true",
    "NUMBER": lambda source, day: f"{source.uniform(1, 80):.1f}",
    "PERCENTAGE": lambda source, day: str(source.randrange(101)),
    "INTEGER": lambda source, day: str(source.randrange(100)),
    "INTEGER_POSITIVE": lambda source, day: str(source.randrange(1, 100)),
    "INTEGER_ZERO_OR_POSITIVE": lambda source, day: str(source.randrange(100)),
    "PHONE_NUMBER": lambda source, day: f"+99900{source.randrange(10**6):06d}",
}


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
