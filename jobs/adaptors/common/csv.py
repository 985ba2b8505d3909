"""`csv`: reading and writing tables as text, with the first line as names."""

from __future__ import annotations

import csv as standard
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from jobs.adaptors.errors import ValidationError

SEPARATORS = ",;\t|"
LONGEST_FIELD = 10_000_000


def read(text: str | bytes, *, delimiter: str | None = None, quote: str = '"') -> list[dict[str, str]]:
    """The lines as dicts. The separator is found by itself unless told; empty lines are left out."""
    if isinstance(text, bytes):
        text = _decoded(text)
    if not isinstance(text, str):
        raise ValidationError("csv.read needs the text of a CSV, or its bytes.", sent=False)
    text = text.removeprefix("\ufeff")  # Excel's mark would become part of the first name
    standard.field_size_limit(LONGEST_FIELD)
    lines = standard.reader(
        io.StringIO(text, newline=""), delimiter=delimiter or _separator(text), quotechar=quote, strict=True
    )
    try:
        rows = [row for row in lines if any(cell.strip() for cell in row)]
    except standard.Error as error:
        raise ValidationError(
            f"Line {lines.line_num} of the CSV cannot be read: {error}.", sent=False
        ) from None
    if not rows:
        return []
    width = max(_filled(row) for row in rows)
    rows = [row[:width] for row in rows]  # spreadsheets write empty cells beside the table
    names = [name.strip() for name in rows[0]]
    _check_names(names)
    for number, row in enumerate(rows[1:], start=2):
        if len(row) > len(names):
            raise ValidationError(
                f"Row {number} of the CSV has {len(row)} cells, but there are {len(names)} names.", sent=False
            )
    return [dict(zip(names, row + [""] * (len(names) - len(row)), strict=True)) for row in rows[1:]]


def write(
    rows: Iterable[Mapping[str, Any]], *, columns: Sequence[str] | None = None, delimiter: str = ","
) -> str:
    """Text with a line of names first. Without `columns` they are those of all rows, in order of appearance."""
    kept = list(rows)
    names = (
        list(columns) if columns is not None else list(dict.fromkeys(name for row in kept for name in row))
    )
    out = io.StringIO(newline="")
    writer = standard.DictWriter(
        out, names, delimiter=delimiter, extrasaction="ignore", restval="", lineterminator="\r\n"
    )
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in kept)
    return out.getvalue()


def _filled(row: list[str]) -> int:
    """How many cells a line has up to the last one with something in it."""
    return max((number for number, cell in enumerate(row, start=1) if cell.strip()), default=0)


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (dict, list, tuple)):
        return json.dumps(value, default=str, ensure_ascii=False)
    return value.isoformat() if hasattr(value, "isoformat") else value


def _decoded(content: bytes) -> str:
    for encoding in ("utf-8-sig", "utf-16") if content[:2] in (b"\xff\xfe", b"\xfe\xff") else ("utf-8-sig",):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    return content.decode("cp1252", "replace")  # what Excel writes where it does not write UTF-8


def _separator(text: str) -> str:
    first = text.lstrip("\r\n").partition("\n")[0]
    outside = "".join(first.split('"')[::2])  # separators inside quotes do not count
    return max(SEPARATORS, key=outside.count)


def _check_names(names: list[str]) -> None:
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValidationError(f"The CSV has two columns named '{twice}'.", sent=False)
