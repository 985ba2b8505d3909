"""Tables and modules of the library as files in a folder, for jobs at the desk."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from jobs.language.contract import LibrarySource
from jobs.models import Table
from jobs.sheets import BadSheet, Reading, sheet_rows
from openfn_platform.common.errors import Invalid

_MODULE = re.compile(r"[a-z][a-z0-9_]*")


def desk_tables(folder: str) -> dict[str, dict[str, Any]]:
    """Every `.csv` and `.json` file there, by the name of the file."""
    return {
        file.stem: _csv(file) if file.suffix == ".csv" else _json(file)
        for file in _files(folder)
        if file.suffix in (".csv", ".json")
    }


def desk_library(folder: str) -> tuple[LibrarySource, ...]:
    """Every `.py` file there."""
    return tuple(
        LibrarySource(key=file.stem, number=1, code=_text(file))
        for file in _files(folder)
        if file.suffix == ".py" and _MODULE.fullmatch(file.stem)
    )


def _files(folder: str) -> list[Path]:
    try:
        return sorted(Path(folder).iterdir())
    except OSError as error:
        raise Invalid(f"The folder “{folder}” cannot be read: {error.strerror}.") from None


def _csv(file: Path) -> dict[str, Any]:
    reading = Reading(table=Table(name=file.stem))
    with file.open("rb") as source:
        rows = {key: json.loads(text) for _line, key, text in sheet_rows(reading, source)}
    if reading.bad:
        raise BadSheet(f"{file.name}, line {reading.bad[0].line}: {reading.bad[0].reason}")
    return rows


def _json(file: Path) -> dict[str, Any]:
    try:
        value = json.loads(_text(file))
    except ValueError as error:
        raise Invalid(f"What “{file.name}” holds is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise Invalid(f"“{file.name}” must be a JSON object: keys of the table with their values.")
    return value


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8-sig")
    except OSError as error:
        raise Invalid(f"“{file}” cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise Invalid(f"“{file}” is not a text in UTF-8.") from None
