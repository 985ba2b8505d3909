"""The plaintexts of the demo's own token and key, in a file of mode 600. The database keeps only their hashes."""

from __future__ import annotations

import json
import os
from pathlib import Path


class Kept:
    """What was kept last time; without a file nothing is, and everything is made anew."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._values: dict[str, str] = _read(path) if path else {}

    def get(self, name: str) -> str:
        return self._values.get(name, "")

    def keep(self, **values: str) -> None:
        before, self._values = self._values, self._values | values
        if self._path is None or before == self._values:
            return
        # A fresh file: an old one could have been left readable by others.
        fresh = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(self._values, file, indent=2)
            file.write("\n")
        fresh.replace(self._path)


def _read(path: Path) -> dict[str, str]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except (FileNotFoundError, ValueError):  # a damaged one costs a new token, no more
        return {}
    return (
        {name: value for name, value in found.items() if isinstance(value, str)}
        if isinstance(found, dict)
        else {}
    )
