"""`csv`: reading and writing tables as text, with the first line as names."""

from __future__ import annotations

import csv as standard
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
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
        raise _unreadable(lines.line_num, error) from None
    if not rows:
        return []
    width = max(_filled(row) for row in rows)
    rows = [row[:width] for row in rows]  # spreadsheets write empty cells beside the table
    names = [name.strip() for name in rows[0]]
    _check_names(names)
    for number, row in enumerate(rows[1:], start=2):
        if len(row) > len(names):
            raise _too_many(number, len(row), len(names))
    return [dict(zip(names, row + [""] * (len(names) - len(row)), strict=True)) for row in rows[1:]]


def each(
    lines: str | bytes | Iterable[str], *, delimiter: str | None = None, quote: str = '"'
) -> Iterator[dict[str, str]]:
    """As `read`, but one row at a time, so that a big file is never in memory: `csv.each(sftp.each_line(path))`."""
    standard.field_size_limit(LONGEST_FIELD)
    source = _lines(lines)
    first = next((line for line in source if line.strip()), "").removeprefix("\ufeff")
    reader = standard.reader(
        chain([first], source), delimiter=delimiter or _separator(first), quotechar=quote, strict=True
    )
    try:
        names = [name.strip() for name in next(reader, [])]
        names = names[: _filled(names)]
        _check_names(names)
        filled = (row for row in reader if any(cell.strip() for cell in row))
        for number, row in enumerate(filled, start=2):
            if _filled(row) > len(names):
                raise _too_many(number, len(row), len(names))
            yield dict(zip(names, row + [""] * (len(names) - len(row)), strict=False))
    except standard.Error as error:
        raise _unreadable(reader.line_num, error) from None


def lines(
    rows: Iterable[Mapping[str, Any]], *, columns: Sequence[str] | None = None, delimiter: str = ","
) -> Iterator[str]:
    """As `write`, but a line at a time, names first. Without `columns` they are those of the first row."""
    source = iter(rows)
    first = next(source, None)
    names = list(columns) if columns is not None else list(first or ())
    writer = standard.writer(_Line(), delimiter=delimiter, lineterminator="\r\n")
    yield _written(writer, names)
    for number, row in enumerate(() if first is None else chain([first], source), start=1):
        other = None if columns is not None else next((name for name in row if name not in names), None)
        if other is not None:
            raise ValidationError(
                f"Row {number} has '{other}', which the first row has not; name all with columns=[…].",
                sent=False,
            )
        yield _written(writer, [_cell(row.get(name)) for name in names])


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


class _Line:
    """What `csv.writer` writes to: it gives each line back."""

    def write(self, text: str) -> str:
        return text


def _written(writer: Any, cells: Sequence[Any]) -> str:
    line: str = writer.writerow(cells)
    return line


def _lines(source: str | bytes | Iterable[str]) -> Iterator[str]:
    """Each with its end, which a cell over several lines needs."""
    if isinstance(source, (str, bytes)):
        yield from io.StringIO(_decoded(source) if isinstance(source, bytes) else source, newline="")
        return
    for line in source:
        if not isinstance(line, str):
            raise ValidationError("csv.each needs the text of a CSV, its bytes, or its lines.", sent=False)
        yield line if line.endswith(("\n", "\r")) else f"{line}\n"


def _unreadable(line: int, error: standard.Error) -> ValidationError:
    return ValidationError(f"Line {line} of the CSV cannot be read: {error}.", sent=False)


def _too_many(number: int, cells: int, names: int) -> ValidationError:
    return ValidationError(
        f"Row {number} of the CSV has {cells} cells, but there are {names} names.", sent=False
    )


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
