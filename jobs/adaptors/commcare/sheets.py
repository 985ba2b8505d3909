"""Spreadsheets for CommCare's bulk uploads. openpyxl is loaded when the first one is made."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

from jobs.adaptors.errors import ValidationError

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
Rows = Sequence[Mapping[str, Any]]


def workbook(sheets: Mapping[str, Rows]) -> bytes:
    """One sheet a name, the first row with every key that occurs, in order of appearance."""
    from openpyxl import Workbook

    if not sheets or not any(sheets.values()):
        raise ValidationError("There is nothing to upload: no row was given.", sent=False)
    # All is looked at before a book is begun, which cannot be left unfinished.
    lines = {name: _lines(rows) for name, rows in sheets.items()}
    book = Workbook(write_only=True)
    for name, listed in lines.items():
        page = book.create_sheet(name[:31])
        for line in listed:
            page.append([_cell(page, value) for value in line])
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def _lines(rows: Rows) -> list[list[Any]]:
    columns = list(dict.fromkeys(key for row in rows for key in row))
    names = [_value(name, name) for name in columns]
    return [names, *([_value(name, row.get(name)) for name in columns] for row in rows)]


def _value(column: Any, value: Any) -> Any:
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

    # Numbers keep their kind, so that 8 stays 8.
    if value is None or (isinstance(value, (int, float)) and not isinstance(value, bool)):
        return value
    text = value.isoformat() if hasattr(value, "isoformat") else str(value)
    if ILLEGAL_CHARACTERS_RE.search(text):
        raise ValidationError(
            f"{column!r} holds a control character, which no spreadsheet can hold.", sent=False
        )
    return text


def _cell(page: Any, value: Any) -> Any:
    if not isinstance(value, str) or value[:1] not in ("=", "#"):
        return value
    from openpyxl.cell import WriteOnlyCell

    cell = WriteOnlyCell(page, value)
    cell.data_type = "s"  # text that begins like a formula, or reads like an error, must stay text
    return cell
