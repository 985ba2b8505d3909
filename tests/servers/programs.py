"""Programs of the operating system that a test starts: found or skipped, without root's rights, gone at the end."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

PATH = "/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin"
STOP_SECONDS = 10


def program(name: str, *, package: str) -> str:
    """Where it is; a test that needs it is skipped where it is not."""
    found = shutil.which(name, path=PATH)
    if found is None:
        pytest.skip(f"there is no {name} here: apt-get install {package}")
    return found


@contextmanager
def home() -> Iterator[Path]:
    """A folder for a program and its data, of the user who will run it."""
    folder = Path(tempfile.mkdtemp(prefix="openfn-program-"))
    try:
        if os.geteuid() == 0:
            os.chown(folder, _nobody().pw_uid, _nobody().pw_gid)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run(argv: list[str], folder: Path, text: str) -> None:
    """To its end, with a text to read."""
    done = subprocess.run(argv, input=text, capture_output=True, text=True, timeout=60, **_confined(folder))
    assert done.returncode == 0, f"{argv[0]} failed: {done.stderr[-2000:]}"


@contextmanager
def running(
    argv: list[str], folder: Path, *, ready: Callable[[], bool], seconds: float = 20
) -> Iterator[None]:
    """While the block lasts; its output is in a file beside its data, shown when it does not start."""
    log = folder / f"{Path(argv[0]).name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(argv, stdout=output, stderr=output, **_confined(folder))
    try:
        deadline = time.monotonic() + seconds
        while not ready():
            ended = process.poll() is not None or time.monotonic() > deadline
            assert not ended, f"{argv[0]} did not start: {log.read_text('utf-8', 'replace')[-3000:]}"
            time.sleep(0.02)
        yield
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _nobody() -> pwd.struct_passwd:
    return pwd.getpwnam("nobody")


def _confined(folder: Path) -> dict[str, Any]:
    options: dict[str, Any] = {"cwd": folder, "env": {"PATH": PATH, "HOME": str(folder)}}
    if os.geteuid() == 0:
        options |= {"user": _nobody().pw_uid, "group": _nobody().pw_gid, "extra_groups": []}
    return options
