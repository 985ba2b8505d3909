"""Keep several programs alive, merge what they print into one log, and stop them in order.

One loop in one thread: the kernel ties a child to the *thread* that started it, and a loop that always drains
the pipes cannot leave one child stuck on a full pipe while it waits for another.
"""

from __future__ import annotations

import ctypes
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, TypeVar

from openfn_platform.local.log import Log, Pipe, Sink
from openfn_platform.local.processes import (
    CannotStart,
    Command,
    Process,
    ending,
    kill_descendants,
    nothing,
)

FIRST_WAIT = 0.2
LONGEST_WAIT = 20.0
STEADY_SECONDS = 30.0  # who lived that long starts again at the first wait
HOPELESS_DEATHS = 3  # while something waits for it
LONGEST_TURN = 1.0
PR_SET_CHILD_SUBREAPER = 36
OURSELVES = "up"

T = TypeVar("T")


class Stopped(Exception):
    """Somebody asked us to stop while we waited for something else."""


@dataclass
class Child:
    """A command that is kept running."""

    command: Command
    sink: Sink | None = None
    process: Process | None = None
    started: float = 0.0
    restart_at: float = 0.0
    wait: float = FIRST_WAIT
    deaths: int = 0


@dataclass(frozen=True)
class Step:
    """A command that ends by itself. Its stdout is kept, the rest is logged."""

    process: Process
    lines: list[str] = field(default_factory=list)
    pipes: list[int] = field(default_factory=list)

    @property
    def output(self) -> str:
        return "\n".join(self.lines)

    def keep(self, line: str) -> bool:
        self.lines.append(line)
        return True


class Supervisor:
    """Use as a context manager in the main thread; leaving it stops everything.

    `adopt_orphans` makes us the parent of whatever our children leave behind, so that nothing survives us. It
    reaps every child there is: only for a program that starts none by other means.
    """

    def __init__(
        self, *, log: Log, changed: Callable[[], None] = nothing, adopt_orphans: bool = False
    ) -> None:
        self.log = log
        self.children: dict[str, Child] = {}
        self.stop_requests = 0
        self._changed: Callable[[], None] = nothing
        self._adopt = adopt_orphans
        self._steps: list[Step] = []
        self._stopping: set[str] = set()
        self._selector = selectors.DefaultSelector()
        self._bell, self._bell_end = socket.socketpair()
        self._old_handlers: dict[signal.Signals, Any] = {}
        self._old_wakeup = -1

    # --- signals

    def __enter__(self) -> Supervisor:
        self._bell.setblocking(False)
        self._bell_end.setblocking(False)
        self._selector.register(self._bell, selectors.EVENT_READ)
        self._old_wakeup = signal.set_wakeup_fd(self._bell_end.fileno(), warn_on_full_buffer=False)
        # Also where SIGINT is ignored at start, as a shell does to what it runs in the background.
        handled = [signal.SIGINT, signal.SIGTERM]
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # nohup means it
            handled.append(signal.SIGHUP)
        for number in handled:
            self._old_handlers[number] = signal.signal(number, self._asked_to_stop)
        # Only to wake the loop; the default would not.
        self._old_handlers[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda number, frame: None)
        if self._adopt:
            ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        return self

    def __exit__(self, *exception: object) -> None:
        try:
            self.stop()
        finally:
            for number, handler in self._old_handlers.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(self._old_wakeup)
            for key in list(self._selector.get_map().values()):
                if isinstance(key.data, Pipe):
                    self._drain(key.fd, key.data)
                    self._close(key.fd, key.data)
            self._selector.close()
            self._bell.close()
            self._bell_end.close()

    def _asked_to_stop(self, number: int, frame: FrameType | None) -> None:
        self.stop_requests += 1

    # --- starting

    def start(self, command: Command, *, sink: Sink | None = None) -> Child:
        """Keep `command` running from now on."""
        child = self.children[command.name] = Child(command, sink)
        self._start(child)
        return child

    def on_change(self, tell: Callable[[], None]) -> None:
        """Have `tell` called whenever a child began or ended."""
        self._changed = tell

    def pid(self, name: str) -> int | None:
        child = self.children.get(name)
        return child.process.pid if child and child.process else None

    def _start(self, child: Child) -> None:
        read, write = os.pipe()
        self._listen(read, Pipe(child.command.name, child.sink))
        try:
            child.process = Process(child.command, stdout=write, stderr=write)
        finally:
            os.close(write)
        child.started = time.monotonic()
        self._changed()

    def begin(self, command: Command) -> Step:
        """Start something that ends by itself; `finish` waits for it."""
        out_read, out_write = os.pipe()
        err_read, err_write = os.pipe()
        try:
            step = Step(Process(command, stdout=out_write, stderr=err_write))
        finally:
            os.close(out_write)
            os.close(err_write)
        self._listen(out_read, Pipe(command.name, step.keep))
        self._listen(err_read, Pipe(command.name, None))
        step.pipes.extend([out_read, err_read])
        self._steps.append(step)
        return step

    def finish(self, step: Step, *, seconds: float, child: Child | None = None) -> int:
        """Its exit code. It is ended when it takes longer, or when the `child` it depends on keeps dying, and
        that is an error."""
        name = step.process.command.name
        try:
            code = self.until(step.process.ended, seconds=seconds, what=f"{name} to finish", child=child)
        except CannotStart:
            step.process.kill()
            step.process.wait(seconds=5)
            raise
        for read in step.pipes:
            if read in self._selector.get_map():
                self._drain(read, self._selector.get_key(read).data)
        self._steps.remove(step)
        return code

    def _listen(self, read: int, pipe: Pipe) -> None:
        os.set_blocking(read, False)
        self._selector.register(read, selectors.EVENT_READ, pipe)

    # --- the loop

    def until(
        self, ready: Callable[[], T | None], *, seconds: float, what: str, child: Child | None = None
    ) -> T:
        """Look after everybody until `ready` answers something. Gives up early on a child that keeps dying."""
        deadline = time.monotonic() + seconds
        while True:
            if (answer := ready()) is not None:
                return answer
            if self.stop_requests:
                raise Stopped
            if child and child.deaths >= HOPELESS_DEATHS:
                raise CannotStart(
                    f"{child.command.name} ended {child.deaths} times at its start; its lines above say why."
                )
            if time.monotonic() > deadline:
                raise CannotStart(
                    f"Waited {seconds:g} seconds for {what}, in vain; the lines above may say why."
                )
            self._turn(0.05)

    def serve(self) -> None:
        """Look after everybody until somebody asks us to stop."""
        while not self.stop_requests:
            self._turn(LONGEST_TURN)

    def _turn(self, longest: float) -> None:
        now = time.monotonic()
        waiting = [c.restart_at - now for c in self.children.values() if c.process is None]
        for key, _ in self._selector.select(max(0.0, min([longest, *waiting]))):
            if isinstance(key.data, Pipe):
                self._read(key.fd, key.data)
            else:
                self._bell.recv(4096)
        for child in list(self.children.values()):
            self._look_after(child)
        if self._adopt:
            self._reap_orphans()

    def _look_after(self, child: Child) -> None:
        name = child.command.name
        if child.process is not None and (code := child.process.ended()) is not None:
            died = child.process.pid
            child.process = None
            if name not in self._stopping:
                self._plan_restart(child)
                self.log.write(
                    OURSELVES, f"{name} (pid {died}) {ending(code)}; starting it again in {child.wait:g} s"
                )
            self._changed()
        elif child.process is None and name not in self._stopping and time.monotonic() >= child.restart_at:
            try:
                self._start(child)
            except (CannotStart, OSError) as error:
                self._plan_restart(child)
                self.log.write(OURSELVES, f"{name} could not be started: {error}; again in {child.wait:g} s")
            else:
                self.log.write(OURSELVES, f"{name} runs again (pid {self.pid(name)})")

    def _plan_restart(self, child: Child) -> None:
        steady = time.monotonic() - child.started > STEADY_SECONDS
        child.wait = FIRST_WAIT if steady or not child.deaths else min(child.wait * 2, LONGEST_WAIT)
        child.deaths += 1
        child.restart_at = time.monotonic() + child.wait

    def _reap_orphans(self) -> None:
        """Take the exit codes of what our children left to us; our own are for `Process.ended`."""
        ours = {child.process.pid for child in self.children.values() if child.process}
        ours |= {step.process.pid for step in self._steps}
        while True:
            try:
                dead = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if dead is None or dead.si_pid in ours:
                return
            os.waitpid(dead.si_pid, os.WNOHANG)

    # --- what they print

    def _read(self, read: int, pipe: Pipe) -> bool:
        """Log what is there. False when there is no more for now, or ever."""
        try:
            data = os.read(read, 65_536)
        except BlockingIOError:
            return False
        for line in pipe.lines(data):
            self._say(pipe, line)
        if not data:
            self._close(read, pipe)
        return bool(data)

    def _drain(self, read: int, pipe: Pipe) -> None:
        while self._read(read, pipe):
            pass

    def _close(self, read: int, pipe: Pipe) -> None:
        if read not in self._selector.get_map():
            return
        self._selector.unregister(read)
        os.close(read)
        for line in pipe.last():
            self._say(pipe, line)

    def _say(self, pipe: Pipe, line: str) -> None:
        if not (pipe.sink and pipe.sink(line)):
            self.log.write(pipe.name, line)

    # --- stopping

    def stop(self) -> None:
        """Stop everything, rank by rank; a second request to stop cuts the graces short."""
        for step in self._steps:
            step.process.kill()
            step.process.wait(seconds=5)
        self._stopping = set(self.children)
        for rank in sorted({child.command.stop_rank for child in self.children.values()}):
            self._stop_together([c for c in self.children.values() if c.command.stop_rank == rank])
        if self._adopt and (survivors := kill_descendants()):
            self.log.write(OURSELVES, f"could not end {survivors}")
        if self._adopt:
            self._reap_orphans()

    def _stop_together(self, children: list[Child]) -> None:
        requests = self.stop_requests
        for child in children:
            if child.process:
                child.process.signal(child.command.stop_signal)
        began = time.monotonic()
        while living := [child for child in children if child.process]:
            impatient = self.stop_requests > max(requests, 1)
            for child in living:
                if child.process and (impatient or time.monotonic() - began > child.command.grace):
                    self.log.write(OURSELVES, f"{child.command.name} takes too long and is killed")
                    child.process.kill()
            self._turn(0.05)
