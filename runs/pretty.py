"""JSON, XML and forms for people, and the difference of two such texts. Pure.

The text is laid out piece by piece and never decoded as a whole: numbers stay as they were written, names that
occur twice stay twice, and nothing nests too deeply. What is not JSON comes out legible all the same.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote_plus

INDENT = "  "
DEEPEST = 60  # further in, lines are not moved to the right any more
CONTEXT = 3
LONGEST_DIFFERENCE = 400  # lines shown
LINES_COMPARED = 4_000  # of each side: comparing takes the product

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{},:]|[^\s"\[\]{},:]+|"')

_XML = re.compile(r"<[^<>]*>|[^<]+|<")
_FORM = re.compile(r"[\w.%+*\[\]-]+=[^&\s]*(?:&[\w.%+*\[\]-]+=[^&\s]*)*")


def pretty(text: str) -> str:
    """A body over several lines, by what it looks like; anything else as it is."""
    begin = text.lstrip()[:1]
    if begin in ("{", "["):
        return pretty_json(text)
    if begin == "<":
        return pretty_xml(text)
    return pretty_form(text) if _FORM.fullmatch(text.strip()) else text


def pretty_form(text: str) -> str:
    """One field a line, without escapes."""
    fields = (part.partition("=") for part in text.strip().split("&"))
    return "\n".join(f"{unquote_plus(name)} = {unquote_plus(value)}" for name, _, value in fields)


def pretty_xml(text: str) -> str:
    """One element a line, those with nothing but text in them closed on the same."""
    pieces = [piece.strip() for piece in _XML.findall(text) if piece.strip()]
    lines: list[str] = []
    depth = 0
    opened = False  # the line before is an element that may be closed on it
    for piece in pieces:
        closes = piece.startswith("</")
        depth -= closes and depth > 0
        if opened and (closes or not piece.startswith("<")):
            lines[-1] += piece
            opened = not closes
            continue
        lines.append(INDENT * min(depth, DEEPEST) + piece)
        opened = (
            piece.startswith("<") and not closes and piece[1:2] not in ("?", "!") and not piece.endswith("/>")
        )
        depth += opened
    return "\n".join(lines)


def pretty_json(text: str) -> str:
    """The same document over several lines, escapes of letters resolved."""
    return "".join(_laid_out(text))


def _laid_out(text: str) -> Iterator[str]:
    depth = 0
    opened = False  # the piece before was a bracket that opens: `{}` stays on its line
    for piece in _TOKEN.findall(text):
        if piece in "}]":
            depth = max(0, depth - 1)
            if not opened:
                yield _line(depth)
            yield piece
            opened = False
            continue
        if opened:
            yield _line(depth)
            opened = False
        if piece in "{[":
            yield piece
            depth += 1
            opened = True
        elif piece == ",":
            yield "," + _line(depth)
        elif piece == ":":
            yield ": "
        else:
            yield _readable(piece)


def _line(depth: int) -> str:
    return "\n" + INDENT * min(depth, DEEPEST)


def _readable(piece: str) -> str:
    r"""`"Amina Ö"` for `"Amina \u00d6"`; what no screen can show stays escaped."""
    if "\\u" not in piece:
        return piece
    try:
        shown = json.dumps(json.loads(piece), ensure_ascii=False)
        shown.encode()
    except (ValueError, UnicodeEncodeError):
        return piece
    return shown


@dataclass(frozen=True)
class Line:
    """One line of a difference."""

    kind: str  # same | added | removed | gap
    text: str
    before: int | None = None  # line numbers
    after: int | None = None


@dataclass(frozen=True)
class Difference:
    lines: tuple[Line, ...]
    cut: bool = False  # more lines than are shown

    @property
    def nothing(self) -> bool:
        return not self.lines


class TooLong(ValueError):
    """Too many lines to compare."""


def difference(before: str, after: str) -> Difference:
    """What changed, with some lines around each change. Raises TooLong."""
    old, new = before.splitlines(), after.splitlines()
    if max(len(old), len(new)) > LINES_COMPARED:
        raise TooLong
    lines: list[Line] = []
    for number, group in enumerate(difflib.SequenceMatcher(None, old, new).get_grouped_opcodes(CONTEXT)):
        if number:
            lines.append(Line("gap", "…"))
        for tag, start, end, start_after, end_after in group:
            if tag == "equal":
                lines += [
                    Line("same", old[at], at + 1, start_after + at - start + 1) for at in range(start, end)
                ]
                continue
            lines += [Line("removed", old[at], before=at + 1) for at in range(start, end)]
            lines += [Line("added", new[at], after=at + 1) for at in range(start_after, end_after)]
    return Difference(tuple(lines[:LONGEST_DIFFERENCE]), cut=len(lines) > LONGEST_DIFFERENCE)
