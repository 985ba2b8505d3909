"""What somebody asks the page *Sent* for, as it stands in the address: read once, kept in every link."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta, tzinfo
from typing import Any

from django.db.models import QuerySet
from django.http import QueryDict

from openfn_platform.common.models import as_uuid
from openfn_platform.common.words import words_wanted
from runs.models import HttpExchange
from runs.selectors.sent import KINDS, MODES, kind_conditions, mode_conditions, status_conditions

LONGEST = 200
NAMES = ("q", "connection", "method", "status", "job", "kind", "mode", "when", "from", "until")
USUAL = {"kind": "written", "mode": "live"}
RANGES = (("today", "Today"), ("yesterday", "Yesterday"), ("week", "Last 7 days"))
METHODS = ("POST", "PUT", "PATCH", "DELETE", "INSERT", "UPDATE", "SEND", "GET", "SELECT")
STATUSES = ("failed", "2xx", "4xx", "5xx", "none")

_METHOD = re.compile(r"[A-Z]{1,10}")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The filters, and what is wrong with them."""

    given: dict[str, str]  # as it was typed
    conditions: dict[str, Any] = field(default_factory=dict)
    words: str = ""
    errors: dict[str, str] = field(default_factory=dict)

    def narrow(self, rows: QuerySet[HttpExchange]) -> QuerySet[HttpExchange]:
        return rows.filter(**self.conditions)

    def without(self, *names: str) -> dict[str, str]:
        """The parameters of a link that keeps everything else."""
        return {name: value for name, value in self.given.items() if name not in names}

    @property
    def audited(self) -> dict[str, str]:
        """What the audit tells. Not the words: it cannot forget, and a person who was erased would be named there."""
        return self.given | ({"q": "(words)"} if "q" in self.given else {})

    @property
    def is_plain(self) -> bool:
        """Nobody has asked for anything yet."""
        return not self.given


def asked_read(query: QueryDict, *, zone: tzinfo, now: datetime) -> Asked:
    typed = {name: query.get(name, "").replace("\0", "").strip()[:LONGEST] for name in NAMES}
    given = {name: value for name, value in typed.items() if value and value != USUAL.get(name)}
    errors: dict[str, str] = {}
    conditions: dict[str, Any] = {}
    if "connection" in given:
        conditions["connection"] = given["connection"]
    if "method" in given:
        _method(given["method"].upper(), conditions, errors)
    if "status" in given:
        _status(given["status"].lower(), conditions, errors)
    if "job" in given:
        conditions["job_id"] = as_uuid(given["job"]) or uuid.UUID(int=0)
    kind, mode = given.get("kind", USUAL["kind"]), given.get("mode", USUAL["mode"])
    conditions |= kind_conditions([kind] if kind in KINDS else KINDS)
    conditions |= mode_conditions([mode] if mode in MODES else MODES)
    conditions |= _times(given, zone=zone, now=now, errors=errors)
    words = words_wanted(given.get("q", ""))
    if words:
        conditions["words__have"] = words
    elif "q" in given:
        errors["q"] = "Write at least two letters or digits of a word."
    return Asked(given=given, conditions=conditions, words=words, errors=errors)


def _method(text: str, conditions: dict[str, Any], errors: dict[str, str]) -> None:
    if _METHOD.fullmatch(text):
        conditions["method"] = text
    else:
        errors["method"] = "A method is a word such as POST, INSERT or SEND."


def _status(text: str, conditions: dict[str, Any], errors: dict[str, str]) -> None:
    found = status_conditions(text)
    if found is None:
        errors["status"] = (
            "Write a number such as 404, a class such as 4xx, “failed”, or “none” for no answer."
        )
    else:
        conditions.update(found)


def _times(given: dict[str, str], *, zone: tzinfo, now: datetime, errors: dict[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if "when" in given:
        start, end = range_of(given["when"], now=now.astimezone(zone))
        found = {"at__gte": start} | ({"at__lt": end} if end else {})
    for name, lookup in (("from", "at__gte"), ("until", "at__lt")):
        if name not in given:
            continue
        moment = moment_of(given[name], zone=zone, end=name == "until")
        if moment is None:
            errors[name] = "This is no date with a time; write it like 2026-03-06T23:00."
        else:
            found[lookup] = moment
    if {"at__gte", "at__lt"} <= found.keys() and found["at__gte"] >= found["at__lt"]:
        errors["until"] = "This is before the beginning."
    return found


def range_of(name: str, *, now: datetime) -> tuple[datetime, datetime | None]:
    """From and until of a quick choice; what is none counts as the last seven days."""
    today = datetime.combine(now.date(), time.min, tzinfo=now.tzinfo)
    match name:
        case "today":
            return today, None
        case "yesterday":
            before = datetime.combine(now.date() - timedelta(days=1), time.min, tzinfo=now.tzinfo)
            return before, today
        case _:
            return datetime.combine(now.date() - timedelta(days=6), time.min, tzinfo=now.tzinfo), None


def moment_of(text: str, *, zone: tzinfo, end: bool) -> datetime | None:
    """A day or a minute in the zone; as an `end` it is the first moment that no longer belongs to it."""
    try:
        moment = datetime.fromisoformat(text.replace(" ", "T", 1))
    except ValueError:
        return None
    if not 1990 < moment.year < 3000:
        return None
    if end:
        moment += timedelta(days=1) if _DAY.fullmatch(text) else timedelta(minutes=1)
    # An hour that the clocks repeat lies between the first and the second time of it.
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=zone, fold=int(end))
