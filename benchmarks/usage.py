"""What processes use: processor time, and memory shared out fairly (PSS), from /proc."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from openfn_platform.local.processes import descendants

_TICKS = os.sysconf("SC_CLK_TCK")
_SAMPLE_SECONDS = 0.5


def with_descendants(roots: Iterable[int]) -> list[int]:
    return [pid for root in roots for pid in (root, *descendants(root))]


def cpu_seconds(roots: Iterable[int]) -> float:
    """Processor time so far of these processes, their living descendants, and the dead ones they waited for."""
    total = 0
    for pid in with_descendants(roots):
        try:
            fields = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        except OSError:
            continue
        total += sum(int(field) for field in fields[11:15])
    return total / _TICKS


def machine_seconds() -> tuple[float, float]:
    """(busy, altogether): processor time of the whole machine so far, over all cores."""
    fields = [int(field) for field in Path("/proc/stat").read_text("ascii").split("\n")[0].split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / _TICKS, sum(fields) / _TICKS


class Neighbours:
    """What share of the machine others took while the block ran: figures mean little when it is high."""

    def __enter__(self) -> Neighbours:
        self._machine, self._ours = machine_seconds(), cpu_seconds([os.getpid()])
        return self

    def __exit__(self, *_: object) -> None:
        busy, total = (now - then for now, then in zip(machine_seconds(), self._machine, strict=True))
        ours = cpu_seconds([os.getpid()]) - self._ours
        self.share = max(0.0, busy - ours) / total if total else 0.0


def memory_bytes(roots: Iterable[int]) -> int:
    """Proportional set size of these processes and everything below them, together."""
    return sum(_pss(pid) for pid in with_descendants(roots))


def _pss(pid: int) -> int:
    """Where the kernel does not let us look (another user's, not dumpable), the resident size: rather too much."""
    for name, field in (("smaps_rollup", "Pss:"), ("status", "VmRSS:")):
        try:
            with open(f"/proc/{pid}/{name}", encoding="utf-8", errors="replace") as file:
                for line in file:
                    if line.startswith(field):
                        return int(line.split()[1]) * 1024
        except OSError:
            continue
    return 0


class PeakMemory:
    """Samples memory every half second while the block runs; `roots` are asked anew each time."""

    def __init__(self, roots: Callable[[], Iterable[int]], *, every: float = _SAMPLE_SECONDS) -> None:
        self._roots = roots
        self._every = every
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._sample, name="peak-memory", daemon=True)
        self.peak = 0
        self.first = 0

    def __enter__(self) -> PeakMemory:
        self.first = self.peak = memory_bytes(self._roots())
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join(timeout=10)

    @property
    def megabytes(self) -> float:
        return self.peak / 1e6

    def _sample(self) -> None:
        while not self._done.wait(self._every):
            self.peak = max(self.peak, memory_bytes(self._roots()))
