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
    book = Workbook(write_only=True)
    for name, rows in sheets.items():
        page = book.create_sheet(name[:31])
        columns = list(dict.fromkeys(key for row in rows for key in row))
        page.append(columns)
        for row in rows:
            page.append([_cell(row.get(column)) for column in columns])
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def _cell(value: Any) -> Any:
    # Text that begins like a formula must stay text; numbers keep their kind, so that 8 stays 8.
    if value is None or (isinstance(value, (int, float)) and not isinstance(value, bool)):
        return value
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
