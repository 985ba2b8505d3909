"""Tables as CSV: read line by line, compared with what there is, brought in as a whole or not at all.

The first line has names. One column is the key (`key`, or else the first); the others are the value:

    key,value           one text
    key,json            anything, written as JSON
    code,name,uuid      an object of texts

A cell that a program for tables would take for a formula gets a `'` in front when it is written, and loses it when it
is read.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from jobs.models import Table
from jobs.table_values import key_clean, value_text
from openfn_platform.common.errors import Invalid

MOST_BYTES = 100_000_000
MOST_COLUMNS = 100
BAD_LINES_KEPT = 100
LONGEST_LINE = 1_000_000
SEPARATORS = ",;\t|"
# A program for tables takes what begins so for a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r")


class BadSheet(Invalid):
    """This is no CSV that can be brought in."""

    code = "invalid_csv"


@dataclass(frozen=True, kw_only=True)
class BadLine:
    """One line that cannot be brought in, and why."""

    line: int
    reason: str


@dataclass
class Reading:
    """What was found while reading; complete when the rows have been read to their end."""

    table: Table
    key_column: str = ""
    lines: int = 0
    bad_count: int = 0
    bad: list[BadLine] = field(default_factory=list)

    def refuse(self, line: int, reason: str) -> None:
        self.bad_count += 1
        if len(self.bad) < BAD_LINES_KEPT:
            self.bad.append(BadLine(line=line, reason=reason))


def sheet_rows(reading: Reading, chunks: Iterable[bytes]) -> Iterator[tuple[int, str, str]]:
    """(line, key, value as JSON text) of every good line; the others are counted in `reading`."""
    # One for the whole process, which others may have set: a cell that is too long shall be a bad line of ours.
    csv.field_size_limit(max(csv.field_size_limit(), LONGEST_LINE))
    text = _lines(chunks)
    first = next(text, "")
    if not first.strip():
        raise BadSheet("The CSV is empty: its first line must have the names of its columns.")
    lines = csv.reader(_chain(first, text), delimiter=_separator(first), strict=True)
    try:
        names = [_fused(name).strip() for name in next(lines)]
        place, read = _shape(names, reading)
        yield from _rows(reading, lines, names, place, read)
    except csv.Error as error:
        raise BadSheet(f"Line {lines.line_num} of the CSV cannot be read: {error}.") from None


def _rows(
    reading: Reading, lines: Any, names: Sequence[str], place: int, read: Callable[[list[str]], Any]
) -> Iterator[tuple[int, str, str]]:
    seen: dict[str, int] = {}
    for cells in lines:
        number = lines.line_num
        if not any(cell.strip() for cell in cells):
            continue
        reading.lines += 1
        try:
            if len(cells) > len(names):
                raise Invalid(f"It has {len(cells)} cells, but there are {len(names)} names.")
            cells += [""] * (len(names) - len(cells))
            key = key_clean(_fused(cells[place]).strip())
            if key in seen:
                raise Invalid(f"The key “{key[:40]}” stands in line {seen[key]} already.")
            text = value_text(read([_fused(cell) for cell in cells]), most=reading.table.value_bytes)
        except Invalid as error:
            reading.refuse(number, error.message)
            continue
        seen[key] = number
        yield number, key, text


def _shape(names: list[str], reading: Reading) -> tuple[int, Callable[[list[str]], Any]]:
    """Where the key stands, and how a line becomes a value."""
    if len(names) < 2:
        raise BadSheet(
            "The CSV needs a column for the key and one for the value at least. If it has them, they are "
            "separated by something else than a comma, semicolon, tab or bar."
        )
    if len(names) > MOST_COLUMNS:
        raise BadSheet(f"The CSV has {len(names)} columns; the most is {MOST_COLUMNS}.")
    empty = next((number for number, name in enumerate(names, start=1) if not name), None)
    if empty is not None:
        raise BadSheet(f"Column {empty} of the CSV has no name in the first line.")
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise BadSheet(f"The CSV has two columns named “{twice[:40]}”.")
    place = names.index("key") if "key" in names else 0
    reading.key_column = names[place]
    others = [number for number in range(len(names)) if number != place]
    if [names[number] for number in others] == ["value"]:
        return place, lambda cells: cells[others[0]]
    if [names[number] for number in others] == ["json"]:
        return place, lambda cells: _decoded(cells[others[0]])
    return place, lambda cells: {names[number]: cells[number] for number in others}


def _decoded(cell: str) -> Any:
    try:
        return json.loads(cell)
    except (ValueError, RecursionError):
        raise Invalid(
            "What stands in the column “json” is not JSON; a text there needs its quotes."
        ) from None


class _Source(io.RawIOBase):
    """Pieces of bytes as a file, counted."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._piece = b""
        self._size = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._piece:
            piece = next(self._chunks, None)
            if piece is None:
                return 0
            self._piece = piece
            self._size += len(piece)
            if self._size > MOST_BYTES:
                raise BadSheet(f"The CSV is larger than {MOST_BYTES // 1_000_000} MB; bring it in in parts.")
        taken = self._piece[: len(buffer)]
        buffer[: len(taken)] = taken
        self._piece = self._piece[len(taken) :]
        return len(taken)


def _lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """Lines of text with their ends, as csv wants them; never more than a piece and a line in memory."""
    text = io.TextIOWrapper(io.BufferedReader(_Source(chunks)), encoding="utf-8-sig", newline="")
    try:
        while line := text.readline(LONGEST_LINE):
            if len(line) == LONGEST_LINE:
                raise BadSheet("The CSV has a line of more than a million characters.")
            yield line
    except UnicodeDecodeError:
        raise BadSheet("The CSV is not in UTF-8; save it as “CSV UTF-8” and try again.") from None


def _chain(first: str, others: Iterator[str]) -> Iterator[str]:
    yield first
    yield from others


def _separator(first: str) -> str:
    outside = "".join(first.split('"')[::2])  # separators inside quotes do not count
    return max(SEPARATORS, key=outside.count)


def _fused(cell: str) -> str:
    """Without the mark that keeps it from being a formula."""
    return cell[1:] if cell[:1] == "'" and cell.lstrip("'").startswith(FORMULA) else cell


def defused(cell: str) -> str:
    """For programs for tables: no formula. What looks as if it was defused gets one more, or reading would change it."""
    return f"'{cell}" if cell.lstrip("'").startswith(FORMULA) else cell


def csv_lines(rows: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([[defused(cell) for cell in row] for row in rows])
    return text.getvalue().encode("utf-8", "replace")
