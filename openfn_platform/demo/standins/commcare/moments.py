"""Moments as CommCare HQ writes and reads them. Stored ones are all UTC in one form, so that they compare as text."""

from __future__ import annotations

from datetime import UTC, datetime

FILTERS = ("%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S.%f", "%Y-%m-%dT%H:%MZ")


def now_text() -> str:
    """This moment."""
    return moment_text(datetime.now(UTC))


def moment_text(moment: datetime) -> str:
    """`2026-11-23T08:00:00.000000Z`; one without zone is UTC."""
    zoned = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return zoned.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def any_moment(text: str) -> str:
    """From any ISO 8601 text, with or without zone: what phones send and what case API v2 takes."""
    return moment_text(datetime.fromisoformat(text))


def filter_moment(text: str) -> str:
    """From a filter of the list APIs, which take four forms and no zone (a `Z` only behind minutes)."""
    for pattern in FILTERS:
        try:
            return moment_text(datetime.strptime(text, pattern))
        except ValueError:
            continue
    raise ValueError(f"'{text}' is not a date or a datetime without a zone")
