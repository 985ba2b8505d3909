"""The folder in which `up` keeps everything of one installation, for one user and one `up` at a time.

lock            who uses it: pid and URL
up.json         how to reach what runs; gone when nothing does
secrets.json    keys and the first password, made once
remembered.json what must stay the same over restarts: the stand-ins' ports, the demo's token and inboxes
postgres/ redis/ mail/ standins/
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import secrets
from pathlib import Path
from typing import Any

from openfn_platform.local.files import write_private
from openfn_platform.local.processes import CannotStart


class DataFolder:
    """Made and locked on opening; close it to let the next `up` in."""

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().absolute()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            if self.path.stat().st_uid == os.geteuid():
                self.path.chmod(0o700)
        except OSError as error:
            raise CannotStart(f"The data folder {self.path} cannot be made: {error.strerror}.") from None
        if self.path.stat().st_uid != os.geteuid() or not os.access(self.path, os.W_OK | os.X_OK):
            raise CannotStart(f"The data folder {self.path} belongs to another user; choose one with --data.")
        self._lock = (self.path / "lock").open("a+", encoding="utf-8")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = self._holder()
            self._lock.close()
            raise CannotStart(f"The platform already runs on {self.path}: {holder}.") from None
        self.say_who("starting")

    def _holder(self) -> str:
        self._lock.seek(0)
        return self._lock.read().strip() or "just starting"

    def say_who(self, url: str) -> None:
        """What a second `up` on this folder is told."""
        self._lock.seek(0)
        self._lock.truncate()
        self._lock.write(f"{url} (process {os.getpid()})")
        self._lock.flush()

    def close(self) -> None:
        (self.path / "up.json").unlink(missing_ok=True)
        self._lock.close()

    def folder(self, name: str) -> Path:
        path = self.path / name
        path.mkdir(exist_ok=True, mode=0o700)
        return path

    def announce(self, facts: dict[str, Any]) -> None:
        write_private(self.path / "up.json", json.dumps(facts, indent=2) + "\n")

    def secrets(self) -> dict[str, str]:
        """Made on first use; what is there stays, since it opens what is stored."""
        kept = self._read("secrets.json")
        fresh = {
            "secret_key": secrets.token_urlsafe(48),
            "credential_keys": f"{secrets.token_hex(4)}:{base64.b64encode(secrets.token_bytes(32)).decode()}",
            "admin_password": "-".join(secrets.token_hex(2) for _ in range(4)),
        }
        if fresh.keys() - kept.keys():
            kept = fresh | kept
            write_private(self.path / "secrets.json", json.dumps(kept, indent=2) + "\n")
        return kept

    def remembered(self) -> dict[str, Any]:
        return self._read("remembered.json")

    def remember(self, **facts: Any) -> None:
        write_private(self.path / "remembered.json", json.dumps(self.remembered() | facts, indent=2) + "\n")

    def _read(self, name: str) -> dict[str, Any]:
        path = self.path / name
        if not path.exists():
            return {}
        try:
            found = json.loads(path.read_text("utf-8"))
        except ValueError:
            found = None
        if not isinstance(found, dict):
            # Fresh keys instead would lock every stored credential for good, in silence.
            raise CannotStart(f"{path} is damaged: restore it from a copy, or choose another --data folder.")
        return found
