"""What the editor completes: the project's tables and the functions of its library."""

from __future__ import annotations

import re
import uuid
from typing import Any

from jobs.models import LibraryModule, Table

MOST = 200
# Read off the text and not parsed: the code is somebody's, and a parser can be brought down by it.
_FUNCTION = re.compile(
    r"^def ([a-z]\w*)(\([^\n]*\))[^\n()]*:[ \t]*\n(?:[ \t]+\"\"\"([^\"\n]*))?", re.MULTILINE
)


def shared_names(project_id: uuid.UUID) -> list[dict[str, Any]]:
    return [*_tables(project_id), *_library(project_id)]


def _tables(project_id: uuid.UUID) -> list[dict[str, Any]]:
    rows = Table.objects.filter(project_id=project_id, archived_at=None).order_by("key")[:MOST]
    return [
        {
            "name": f"tables.{table.attribute}",
            "signature": "",
            "help": f"{table.name}: {table.row_count:,} rows. {table.description}".strip(),
            "example": f'tables.{table.attribute}["…"]',
        }
        for table in rows
    ]


def _library(project_id: uuid.UUID) -> list[dict[str, Any]]:
    rows = LibraryModule.objects.filter(project_id=project_id, archived_at=None, live_version__isnull=False)
    found = rows.order_by("key").values_list("key", "description", "live_version__code")[:MOST]
    names = []
    for key, description, code in found:
        module = {"name": f"library.{key}", "signature": "", "help": description, "example": ""}
        names.append({**module, "example": f"from library import {key}"})
        names += [
            {
                "name": f"library.{key}.{name}",
                "signature": signature[:100],
                "help": help.strip(),
                "example": "",
            }
            for name, signature, help in _FUNCTION.findall(code[:256_000])[:MOST]
        ]
    return names
