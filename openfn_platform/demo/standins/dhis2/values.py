"""Whether a value fits its type: the same rules for data elements and for attributes."""

from __future__ import annotations

import re
from collections.abc import Callable

from openfn_platform.demo.standins.dhis2.dates import day_of, moment_text
from openfn_platform.demo.standins.dhis2.uids import is_uid

_INTEGER = re.compile(r"0|-?[1-9]\d{0,9}", re.ASCII)
_NUMBER = re.compile(r"-?\d{1,250}(\.\d{1,250})?([eE][-+]?\d{1,3})?", re.ASCII)
_PHONE = re.compile(r"[0-9+()#.\s/ext-]{6,50}", re.ASCII)
_COORDINATE = re.compile(r"\[\s*(-?\d{1,3}(?:\.\d+)?)\s*,\s*(-?\d{1,2}(?:\.\d+)?)\s*\]", re.ASCII)
_LONGEST = 50_000
BOOLEANS = ("true", "false", "1", "0", "t", "f")

Check = Callable[[str], str | None]


def value_problem(value_type: str, text: str) -> str | None:
    """DHIS2's word for what is wrong with a value, None when it fits."""
    if len(text) > _LONGEST:
        return "value_length_greater_than_max_length"
    check = _CHECKS.get(value_type)
    return check(text) if check else None


def is_zero(value_type: str, text: str) -> bool:
    """Whether this is a numeric zero, which some data elements do not keep."""
    return value_type in _NUMERIC and _NUMBER.fullmatch(text) is not None and float(text) == 0


def stored(value_type: str, text: str) -> str:
    """A value in the form in which it is kept."""
    if value_type == "BOOLEAN" and text.lower() in BOOLEANS:
        return "true" if text.lower() in ("true", "1", "t") else "false"
    return text


def _within(low: float | None, high: float | None, word: str, *, whole: bool = False) -> Check:
    form = _INTEGER if whole else _NUMBER

    def check(text: str) -> str | None:
        if not form.fullmatch(text):
            return word
        number = float(text)
        return word if (low is not None and number < low) or (high is not None and number > high) else None

    return check


def _parsed(parse: Callable[[str], object], word: str) -> Check:
    def check(text: str) -> str | None:
        try:
            parse(text)
        except ValueError:
            return word
        return None

    return check


def _one_of(choices: tuple[str, ...], word: str) -> Check:
    return lambda text: None if text.lower() in choices else word


def _shaped(form: str, word: str) -> Check:
    return lambda text: None if re.fullmatch(form, text, re.ASCII) else word


def _coordinate(text: str) -> str | None:
    found = _COORDINATE.fullmatch(text)
    fits = found and abs(float(found[1])) <= 180 and abs(float(found[2])) <= 90
    return None if fits else "value_not_coordinate"


_CHECKS: dict[str, Check] = {
    "NUMBER": _within(None, None, "value_not_numeric"),
    "INTEGER": _within(None, None, "value_not_integer", whole=True),
    "INTEGER_POSITIVE": _within(1, None, "value_not_positive_integer", whole=True),
    "INTEGER_NEGATIVE": _within(None, -1, "value_not_negative_integer", whole=True),
    "INTEGER_ZERO_OR_POSITIVE": _within(0, None, "value_not_zero_or_positive_integer", whole=True),
    "PERCENTAGE": _within(0, 100, "value_not_percentage"),
    "UNIT_INTERVAL": _within(0, 1, "value_not_unit_interval"),
    "BOOLEAN": _one_of(BOOLEANS, "value_not_bool"),
    "TRUE_ONLY": _one_of(("true", "1", "t"), "value_not_true_only"),
    "DATE": _parsed(day_of, "value_not_valid_date"),
    "AGE": _parsed(day_of, "value_not_valid_date"),
    "DATETIME": _parsed(moment_text, "value_not_valid_datetime"),
    "TIME": _shaped(r"([01]\d|2[0-3]):[0-5]\d", "value_not_valid_time"),
    "EMAIL": _shaped(r"[^@\s]+@[^@\s]+\.[^@\s]+", "value_not_email"),
    "PHONE_NUMBER": lambda text: None if _PHONE.fullmatch(text) else "value_not_phone_number",
    "URL": _shaped(r"https?://\S+", "value_not_url"),
    "LETTER": _shaped("[A-Za-z]", "value_not_single_letter"),
    "COORDINATE": _coordinate,
    "ORGANISATION_UNIT": lambda text: None if is_uid(text) else "value_not_valid_organisation_unit_uid",
}
_NUMERIC = (
    "NUMBER",
    "INTEGER",
    "INTEGER_POSITIVE",
    "INTEGER_NEGATIVE",
    "INTEGER_ZERO_OR_POSITIVE",
    "PERCENTAGE",
    "UNIT_INTERVAL",
)
