"""One program that we started: how it begins, how it ends, and that nothing of it stays behind.

Pure: standard library only, so that `up` stays small. `supervisor.Supervisor` keeps several of them alive.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from openfn_platform.common.errors import PlatformError

LAUNCHER = Path(__file__).with_name("launch.py")


class CannotStart(PlatformError):
    """A part of the platform could not be started."""

    code = "cannot_start"


def nothing() -> None:
    """The default of a hook."""


@dataclass(frozen=True, kw_only=True)
class Command:
    """A program, and how it wants to be treated."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] | None = None  # None: ours
    folder: Path = Path("/")
    stop_signal: signal.Signals = signal.SIGTERM
    grace: float = 10.0  # seconds between that and SIGKILL
    death_signal: signal.Signals = signal.SIGKILL  # what the kernel sends when we are killed
    stop_rank: int = 0  # lower ranks are stopped first, equal ones together
    launch_options: tuple[str, ...] = ()
    before: Callable[[], None] = nothing  # ahead of every start, also of a restart


def launched(
    argv: Sequence[str], options: Sequence[str] = (), *, death_signal: signal.Signals = signal.SIGKILL
) -> list[str]:
    """The arguments that start `argv` by way of `launch.py`."""
    ties = ["--parent", str(os.getpid()), "--death-signal", str(int(death_signal))]
    return [sys.executable, "-I", "-S", str(LAUNCHER), *ties, *options, "--", *argv]


class Process:
    """A running command, leader of its own session. Start it from a thread that lives as long as it should:
    the kernel's death signal fires when the *starting thread* ends."""

    def __init__(
        self,
        command: Command,
        *,
        stdout: int | IO[bytes] | None = None,
        stderr: int | IO[bytes] | None = None,
    ) -> None:
        self.command = command
        command.before()
        self._popen = subprocess.Popen(  # noqa: S603  # our own arguments, no shell
            launched(command.argv, command.launch_options, death_signal=command.death_signal),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            cwd=command.folder,
            env=command.env,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        return self._popen.pid

    def ended(self) -> int | None:
        """The exit code (negative: the signal), or None while it runs."""
        if self._popen.returncode is None:
            flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
            if os.waitid(os.P_PID, self.pid, flags) is None:
                return None
            # Before the number is given back to the kernel: whom it left in its group must not outlive it.
            self.kill()
            self._popen.wait()
        return self._popen.returncode

    def signal(self, number: signal.Signals) -> None:
        if self._popen.returncode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL to it and its process group."""
        if self._popen.returncode is None:
            try:
                os.killpg(self.pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                self._popen.kill()

    def wait(self, *, seconds: float) -> int | None:
        """The exit code, or None when it still runs after that time."""
        deadline = time.monotonic() + seconds
        while (code := self.ended()) is None and time.monotonic() < deadline:
            time.sleep(0.01)
        return code

    def stop(self) -> int:
        """Ask, wait for the grace, then insist."""
        self.signal(self.command.stop_signal)
        if (code := self.wait(seconds=self.command.grace)) is None:
            self.kill()
            while (code := self.ended()) is None:
                time.sleep(0.01)
        return code


def ending(code: int) -> str:
    """An exit code in words."""
    if code >= 0:
        return f"ended with code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"


def descendants(ancestor: int) -> list[int]:
    """Every living process below `ancestor`, zombies left out."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            # The name may contain blanks and brackets: fields are counted from the last bracket.
            state, parent = (
                Path("/proc", entry, "stat").read_text("utf-8", "replace").rpartition(")")[2].split()[:2]
            )
        except OSError:
            continue
        if state != "Z":
            children.setdefault(int(parent), []).append(int(entry))
    found: list[int] = []
    queue = [ancestor]
    while queue:
        below = children.get(queue.pop(), [])
        found += below
        queue += below
    return found


def kill_descendants(*, seconds: float = 5.0) -> list[int]:
    """End whatever is still below us, and whatever that leaves behind. Returns who survived (nobody, but for
    a process stuck in the kernel)."""
    deadline = time.monotonic() + seconds
    while (living := descendants(os.getpid())) and time.monotonic() < deadline:
        for pid in living:
            try:
                os.kill(pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                continue
        time.sleep(0.02)
    return living
