"""Excel files as HQ reads them: sheets of rows, every value a text."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time
from io import BytesIO

from openpyxl import load_workbook
from openpyxl.utils.exceptions import InvalidFileException


class NoSheets(Exception):
    """This is no Excel file that can be read."""


@dataclass(frozen=True)
class Sheet:
    """One sheet: its columns in order, and its rows with their numbers as Excel counts them."""

    columns: list[str]
    rows: list[tuple[int, dict[str, str]]]


def sheets_of(content: bytes) -> dict[str, Sheet]:
    """All sheets by name, in order."""
    try:
        book = load_workbook(BytesIO(content), read_only=True, data_only=True)
        return {str(sheet.title): _sheet(sheet.iter_rows(values_only=True)) for sheet in book.worksheets}
    except (InvalidFileException, zipfile.BadZipFile, KeyError, ValueError, OSError) as error:
        raise NoSheets(str(error)) from error


def _sheet(rows: Iterator[tuple[object, ...]]) -> Sheet:
    columns = [_text(cell) for cell in next(rows, ())]
    read = []
    for number, row in enumerate(rows, 2):
        values = {name: _text(cell) for name, cell in zip(columns, row, strict=False) if name}
        if any(values.values()):
            read.append((number, values))
    return Sheet([name for name in columns if name], read)


def _text(cell: object) -> str:
    """A cell as text: whole numbers without a point, moments as dates unless they have a time."""
    if cell is None:
        return ""
    if isinstance(cell, datetime):
        return cell.date().isoformat() if cell.time() == time() else cell.isoformat(sep=" ")
    if isinstance(cell, date | time):
        return cell.isoformat()
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell).strip()
