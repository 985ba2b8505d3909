"""The formats that an inbox's schema can ask for. What stands here is checked, other formats are remarks. Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from contextlib import suppress
from datetime import date, time

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_TIME = re.compile(r"\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})", re.ASCII)
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,190}")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.I)
_FRACTION = re.compile(r"\.\d+")


def _reads(read: Callable[[str], object], text: str) -> bool:
    with suppress(ValueError):
        read(text)
        return True
    return False


def _is_date(text: str) -> bool:
    return _DATE.fullmatch(text) is not None and _reads(date.fromisoformat, text)


def _is_time(text: str) -> bool:
    # Python knows microseconds, the standard knows any fraction.
    return _TIME.fullmatch(text) is not None and _reads(time.fromisoformat, _FRACTION.sub("", text).upper())


def _is_date_time(text: str) -> bool:
    return text[10:11].upper() == "T" and _is_date(text[:10]) and _is_time(text[11:])


def _matching(pattern: re.Pattern[str]) -> Callable[[str], bool]:
    return lambda text: pattern.fullmatch(text) is not None


_TESTS: dict[str, Callable[[str], bool]] = {
    "date": _is_date,
    "time": _is_time,
    "date-time": _is_date_time,
    "email": _matching(_EMAIL),
    "uuid": _matching(_UUID),
    "ipv4": lambda text: _reads(ipaddress.IPv4Address, text),
    "ipv6": lambda text: _reads(ipaddress.IPv6Address, text),
}


def _of_texts(test: Callable[[str], bool]) -> Callable[[object], bool]:
    """Formats speak of texts; any other value is left to `type`."""
    return lambda value: not isinstance(value, str) or (len(value) <= 300 and test(value))


FORMATS = {name: _of_texts(test) for name, test in _TESTS.items()}
