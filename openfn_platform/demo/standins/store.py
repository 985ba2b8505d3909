"""What a stand-in remembers: tables of JSON records, kept in a file when one is given.

The file is a journal, one JSON line per change, written before the answer leaves: a server that is killed right after
it said "created" still has the patient when it comes back. Everything runs on one event loop, so a handler is never
interrupted by another one and needs no lock.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, TextIO

Record = dict[str, Any]


class Store:
    """Records by table and key, in the order in which they were made."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._tables: dict[str, dict[str, Record]] = {}
        self._journal: TextIO | None = None
        self.restored = path is not None and path.exists()
        if path is not None:
            self._load(path)
            self._rewrite(path)

    def table(self, table: str) -> dict[str, Record]:
        """All records of a table by key. Change them through `put` only."""
        return self._tables.setdefault(table, {})

    def get(self, table: str, key: str) -> Record | None:
        """One record or None."""
        return self.table(table).get(key)

    def put(self, table: str, key: str, record: Record) -> Record:
        """Store a record, new or changed."""
        self.table(table)[key] = record
        self._note(table, key, record)
        return record

    def remove(self, table: str, key: str) -> None:
        """Forget a record, if there is one."""
        if self.table(table).pop(key, None) is not None:
            self._note(table, key, None)

    def clear(self) -> None:
        """Forget everything."""
        self._tables.clear()
        if self._path is not None:
            self._rewrite(self._path)

    def snapshot(self) -> dict[str, list[Record]]:
        """Every table as a list."""
        return {name: list(rows.values()) for name, rows in self._tables.items()}

    def close(self) -> None:
        """Close the file."""
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    def _note(self, table: str, key: str, record: Record | None) -> None:
        if self._journal is not None:
            self._journal.write(json.dumps([table, key, record], ensure_ascii=True) + "\n")
            self._journal.flush()

    def _load(self, path: Path) -> None:
        if not path.exists():
            return
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                try:
                    table, key, record = json.loads(line)
                except ValueError:
                    break  # the last line of a server that was killed while writing it
                if record is None:
                    self.table(table).pop(key, None)
                else:
                    self.table(table)[key] = record

    def _rewrite(self, path: Path) -> None:
        """Start a new journal with the present records, so that it does not grow over restarts."""
        self.close()
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(path.name + ".new")
        with fresh.open("w", encoding="utf-8") as lines:
            for table, rows in self._tables.items():
                for key, record in rows.items():
                    lines.write(json.dumps([table, key, record], ensure_ascii=True) + "\n")
        os.replace(fresh, path)
        self._journal = path.open("a", encoding="utf-8")
