"""What changed between two versions of a job: the code line by line, the rest as a table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from jobs.models import JobVersion
from openfn_platform.workspace.jobpage.forms import LIMITS

CONTEXT = 4
MOST_LINES = 5000


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line as the page draws it."""

    before: int | None
    after: int | None
    text: str
    kind: str  # same | added | removed | gap


@dataclass(frozen=True, kw_only=True)
class Change:
    """One setting that differs."""

    what: str
    before: str
    after: str


def code_lines(before: str, after: str) -> list[Line]:
    """The changed lines with a few around them."""
    old, new = before.splitlines()[:MOST_LINES], after.splitlines()[:MOST_LINES]
    groups = list(SequenceMatcher(None, old, new, autojunk=False).get_grouped_opcodes(CONTEXT))
    lines: list[Line] = []
    for group in groups:
        if lines or group[0][1] > 0:
            lines.append(Line(before=None, after=None, text="…", kind="gap"))
        for opcode in group:
            lines.extend(_lines(opcode, old, new))
    return lines


def _lines(opcode: Any, old: list[str], new: list[str]) -> Iterator[Line]:
    tag, start, end, new_start, new_end = opcode
    if tag == "equal":
        for offset in range(end - start):
            here, there = start + offset, new_start + offset
            yield Line(before=here + 1, after=there + 1, text=old[here], kind="same")
        return
    for index in range(start, end):
        yield Line(before=index + 1, after=None, text=old[index], kind="removed")
    for index in range(new_start, new_end):
        yield Line(before=None, after=index + 1, text=new[index], kind="added")


def other_changes(before: JobVersion, after: JobVersion) -> list[Change]:
    """Connections, settings and limits that are not the same."""
    found = []
    for what, left, right in (
        ("Connections", _connections(before), _connections(after)),
        ("Settings", _settings(before), _settings(after)),
        *((_title(name), _word(before, name), _word(after, name)) for name in LIMITS),
    ):
        if left != right:
            found.append(Change(what=what, before=left or "none", after=right or "none"))
    return found


def _connections(version: JobVersion) -> str:
    rows = version.connections.select_related("credential__credential")
    return ", ".join(
        f"{row.alias} ({row.adaptor}, {row.credential.credential.name if row.credential else 'without credential'})"
        for row in rows
    )


def _settings(version: JobVersion) -> str:
    return ", ".join(f"{item['key']} = {item.get('default')!r}" for item in version.settings)


def _title(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _word(version: JobVersion, name: str) -> str:
    value = getattr(version, name)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else str(value)
