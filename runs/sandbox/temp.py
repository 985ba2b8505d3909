"""Folders for temp files of runs: one per run, bounded by looking, removed with the run.

All of a worker's folders lie in one that it holds a lock on; a worker that was killed leaves its folder behind
unlocked, and the next worker to start removes it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

_PREFIX = "openfn-runs-"
_YOUNG_SECONDS = 60  # a folder between its making and its locking


class TempFolders:
    """The folder of one worker."""

    def __init__(self, *, uid: int | None = None, gid: int | None = None) -> None:
        self._uid, self._gid = uid, gid
        _sweep()
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX))
        self._fd = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        fcntl.flock(self._fd, fcntl.LOCK_EX)
        if uid is not None:
            self.path.chmod(0o711)  # the jobs' user may pass, not look around

    def make(self) -> Path:
        """An empty folder for one run."""
        folder = Path(tempfile.mkdtemp(prefix="run-", dir=self.path))
        if self._uid is not None and self._gid is not None:
            os.chown(folder, self._uid, self._gid)
        return folder

    def close(self) -> None:
        folder_remove(self.path)
        os.close(self._fd)


def folder_use(path: Path, *, most_files: int) -> tuple[int, int]:
    """(bytes on disk, files) below a folder; stops counting above `most_files`."""
    size = files = 0
    waiting = [str(path)]
    while waiting and files <= most_files:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    files += 1
                    if files > most_files:
                        break
                    with contextlib.suppress(FileNotFoundError):
                        found = entry.stat(follow_symlinks=False)
                        size += found.st_blocks * 512
                        if stat.S_ISDIR(found.st_mode):
                            waiting.append(entry.path)
        except OSError:  # it went away meanwhile
            continue
    return size, files


def folder_remove(path: Path) -> None:
    """Remove a folder whatever modes its inhabitant gave to it."""

    def open_up(call: Callable[..., Any], name: str, _error: object) -> None:
        with contextlib.suppress(OSError):
            os.chmod(os.path.dirname(name), 0o700)
            if os.path.isdir(name) and not os.path.islink(name):
                os.chmod(name, 0o700)
                shutil.rmtree(name, ignore_errors=True)
            else:
                call(name)

    shutil.rmtree(path, onerror=open_up)


def _sweep() -> None:
    """Remove the folders of workers that were killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            found = folder.lstat()
            ours = found.st_uid == os.geteuid() and stat.S_ISDIR(found.st_mode)
            if ours and time.time() - found.st_mtime > _YOUNG_SECONDS:
                _remove_unlocked(folder)


def _remove_unlocked(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        folder_remove(folder)
    finally:
        os.close(fd)
