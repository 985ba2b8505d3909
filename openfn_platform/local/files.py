"""Files that only their owner may read, written whole or not at all; and folders for sockets."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path

SOCKETS = Path("/tmp")  # noqa: S108  # only by mkdtemp


def write_private(path: Path, text: str, *, uid: int | None = None) -> None:
    """Replace `path` in one move; who reads at the same time sees the old text or the new one."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mode 600
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if uid is not None:
            os.chown(name, uid, -1)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def socket_folder(*, note: Path, prefix: str) -> Path:
    """A fresh private folder with a short path; the one that `note` remembers from a `kill -9` goes.

    Not in the data folder: a socket's path may have 107 bytes, and PostgreSQL wants no blank in it."""
    with contextlib.suppress(OSError):
        old = Path(note.read_text("utf-8"))
        if old.parent == SOCKETS and old.name.startswith(prefix) and old.stat().st_uid == note.stat().st_uid:
            shutil.rmtree(old, ignore_errors=True)
    fresh = Path(tempfile.mkdtemp(prefix=prefix, dir=SOCKETS))
    write_private(note, str(fresh))
    return fresh
