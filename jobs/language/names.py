"""Lists of names in sentences: what there is, and what was probably meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

SHOWN = 20
LONGEST = 40


def listed(names: Iterable[object]) -> str:
    """`a, b, c … and 12 more`: keys may come from a message, so they are cut and counted."""
    known = [str(name) for name in names]
    if not known:
        return "nothing"
    shown = ", ".join(name if len(name) <= LONGEST else f"{name[:LONGEST]}…" for name in known[:SHOWN])
    more = len(known) - SHOWN
    return f"{shown} and {more} more" if more > 0 else shown


def meant(name: str, names: Iterable[str]) -> str:
    """`; did you mean `create`?`, or nothing."""
    close = get_close_matches(name, list(names), n=1)
    return f"; did you mean `{close[0]}`?" if close else ""
