"""The worker's side of the zygote: start it, ask it for children, replace it when it died or is worn out.

    owner thread        client.start(); client.serve(stopped)     (or client.maintain() now and then); client.stop()
    supervisor threads  client.spawn(…) → Child                   any number at the same time

Only the owner starts zygotes, because the kernel kills a zygote when the *thread* that started it ends: the
owner must live as long as the worker. A supervisor that finds the zygote dead sets `attention` and waits.
"""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from openfn_platform.common.errors import PlatformError
from runs.sandbox import shelves, wire
from runs.sandbox.confinement import Confinement
from runs.sandbox.limits import Limits
from runs.sandbox.temp import TempFolders, folder_remove

JOB_UID = 65533  # not `nobody`, which other services (and an embedded database) may be run as
START_SECONDS = 60.0
STOP_SECONDS = 5.0
_PROGRAM = str(Path(__file__).with_name("zygote.py"))
_ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "LC_ALL": "C.UTF-8",
    # Every thread of a child would otherwise reserve 64 MB of the memory that the job is allowed.
    "MALLOC_ARENA_MAX": "2",
}


class ZygoteUnavailable(PlatformError):
    """No process for running jobs could be started on this machine."""

    code = "zygote_unavailable"
    status = 503


@dataclass(eq=False)
class Generation:
    """One zygote process, from its start to the end of its last child."""

    process: subprocess.Popen[bytes]
    control: socket.socket
    confinement: Confinement
    runs: int = 0
    children: int = 0
    dead: bool = False

    @property
    def finished(self) -> bool:
        return self.dead or self.children == 0


@dataclass(eq=False, kw_only=True)
class Child:
    """The supervisor's ends of everything that leads to one child."""

    generation: Generation
    status: socket.socket
    channel: socket.socket
    raw: int
    records: int
    result: int
    temp: Path

    def close(self) -> None:
        self.status.close()
        self.channel.close()
        for fd in (self.raw, self.records, self.result):
            os.close(fd)
        folder_remove(self.temp)


class ZygoteClient:
    """Thread-safe; see the module's text for who may call what."""

    def __init__(
        self,
        *,
        executor: str = "jobs.language.runtime",
        confined: bool = True,  # off only in tests' controls
        job_uid: int | None = None,  # as root: JOB_UID; otherwise jobs keep the worker's user
        recycle_after: int = 500,
        forbidden_ports: Sequence[int] = (),  # the platform's own servers
        environment: Mapping[str, str] | None = None,  # handed to jobs on purpose: proxies, time zone
        packages: Sequence[str] = shelves.PACKAGES,
        readable: Sequence[str] = (),
    ) -> None:
        drops = confined and os.geteuid() == 0
        self._uid = (job_uid or JOB_UID) if drops else None
        self._executor = executor
        self._confined = confined
        self._recycle_after = recycle_after
        self.forbidden_ports = tuple(forbidden_ports)
        self._environment = {**_ENVIRONMENT, **(environment or {})}
        self._shelves = shelves.shelves_of_this_installation(
            packages=packages, executor=executor, extra=readable
        )
        self._changed = threading.Condition()
        self._current: Generation | None = None
        self._retired: list[Generation] = []
        self._temp: TempFolders | None = None
        self._stopping = False
        self.attention = threading.Event()

    # The owner's verbs.

    def start(self) -> Confinement:
        """Start the first zygote, from a thread that lives as long as the worker."""
        self._stopping = False
        self._temp = TempFolders(uid=self._uid, gid=self._uid)
        self._replace()
        return self.confinement

    def serve(self, stopped: threading.Event) -> None:
        """The owner thread's loop, until `stopped` is set (set `attention` too, to be heard at once)."""
        while not stopped.is_set():
            self.attention.wait(1.0)
            with suppress(ZygoteUnavailable):  # tried again in a second; supervisors are told by their wait
                self.maintain()

    def maintain(self) -> None:
        """Do what is due: a successor for a dead or worn-out zygote, an end for drained ones."""
        self.attention.clear()
        current = self._current
        if current is not None and current.process.poll() is not None:
            self.report_dead(current)
        if not self._stopping and (self._current is None or self._current.runs >= self._recycle_after):
            self._replace()
        with self._changed:
            done = [generation for generation in self._retired if generation.finished]
            self._retired = [generation for generation in self._retired if not generation.finished]
        for generation in done:
            _end(generation)

    def restart(self) -> None:
        """A fresh zygote, for example because adaptors changed; runs under way end in the old one."""
        self._replace()
        self.attention.set()

    def stop(self) -> None:
        """End the zygotes and with them every child; supervisors get an outcome."""
        with self._changed:
            self._stopping = True
            generations = [*self._retired, *([self._current] if self._current else [])]
            self._current, self._retired = None, []
            self._changed.notify_all()
        for generation in generations:
            _end(generation)
        if self._temp is not None:
            self._temp.close()
            self._temp = None

    @property
    def confinement(self) -> Confinement:
        """What holds the children of the present zygote back."""
        current = self._current
        return current.confinement if current is not None else Confinement()

    @property
    def pid(self) -> int | None:
        """The present zygote's process, for the health page; None while there is none."""
        current = self._current
        return current.process.pid if current is not None else None

    # The supervisors' verbs.

    def spawn(
        self, *, header: wire.JSONObject, state: bytes, limits: Limits, ports: Sequence[int] = ()
    ) -> Child:
        """Ask for one child. It is being forked when this returns; `status` says how it goes."""
        request = wire.request_file(header=header, state=state)
        try:
            while True:
                generation = self._acquire()
                try:
                    return self._ask(generation, request=request, limits=limits, ports=ports)
                except (BrokenPipeError, ConnectionError):  # it died before it heard of this run: not begun
                    self.release(generation)
                    self.report_dead(generation)
                except BaseException:
                    self.release(generation)
                    raise
        finally:
            os.close(request)

    def release(self, generation: Generation) -> None:
        """A supervisor has finished with its child."""
        with self._changed:
            generation.children -= 1
            if generation is not self._current and generation.children == 0:
                self.attention.set()

    def report_dead(self, generation: Generation) -> None:
        """A zygote was found dead, or does not answer: no more runs go there, and it ends with its children."""
        generation.process.kill()
        with self._changed:
            generation.dead = True
            if self._current is generation:
                self._current = None
                self._retired.append(generation)
        self.attention.set()

    # Inside.

    def _acquire(self) -> Generation:
        with self._changed:
            deadline = time.monotonic() + START_SECONDS
            while self._current is None:
                left = deadline - time.monotonic()
                if self._stopping or left <= 0:
                    raise ZygoteUnavailable
                self.attention.set()
                self._changed.wait(left)
            generation = self._current
            generation.children += 1
            generation.runs += 1
            if generation.runs == self._recycle_after:
                self.attention.set()
            return generation

    def _ask(self, generation: Generation, *, request: int, limits: Limits, ports: Sequence[int]) -> Child:
        if self._temp is None:
            raise ZygoteUnavailable
        theirs: list[int] = []
        child = _child(generation=generation, temp=self._temp.make(), request=request, theirs=theirs)
        try:
            packet = {"temp": str(child.temp), "ports": list(ports), "limits": asdict(limits)}
            socket.send_fds(generation.control, [wire.encode(packet)], theirs)
        except BaseException:
            child.close()
            raise
        finally:
            for fd in theirs:
                os.close(fd)
        return child

    def _replace(self) -> None:
        generation = self._launch()
        with self._changed:
            if self._stopping:
                self._retired.append(generation)
                generation.dead = True
            else:
                if self._current is not None:
                    self._retired.append(self._current)
                self._current = generation
            self._changed.notify_all()

    def _launch(self) -> Generation:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        config = os.memfd_create("config", os.MFD_CLOEXEC)
        os.pwrite(config, wire.encode(self._config()), 0)
        try:
            process = subprocess.Popen(  # noqa: S603 - our own program, arguments are numbers
                [
                    *(sys.executable, "-I", "-S", "-B", _PROGRAM),
                    *(str(theirs.fileno()), str(config), str(os.getpid())),
                ],
                env=self._environment,
                pass_fds=(theirs.fileno(), config),
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,  # a Ctrl-C at the terminal is for the worker
            )
        except OSError as error:
            ours.close()
            raise ZygoteUnavailable from error
        finally:
            theirs.close()
            os.close(config)
        return Generation(process, ours, _first_words(process, ours))

    def _config(self) -> wire.JSONObject:
        temp = str(self._temp.path) if self._temp else "/nonexistent"
        return {
            **asdict(self._shelves),
            "roots": self._shelves.roots(temp=temp),
            "temp": temp,
            "executor": self._executor,
            "confined": self._confined,
            "uid": self._uid,
            "gid": self._uid,
        }


def _child(*, generation: Generation, temp: Path, request: int, theirs: list[int]) -> Child:
    """Make both ends of everything; the child's ends are appended to `theirs`, in the order of the wire."""
    raw, raw_write = os.pipe()
    records, records_write = os.pipe()
    channel, channel_theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    status, status_theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    result = wire.result_file()
    theirs += [
        *(raw_write, records_write, channel_theirs.detach()),
        *(os.dup(request), os.dup(result), status_theirs.detach()),
    ]
    for fd in (raw, records):
        os.set_blocking(fd, False)
    for end in (channel, status):
        end.setblocking(False)
    return Child(
        generation=generation,
        status=status,
        channel=channel,
        raw=raw,
        records=records,
        result=result,
        temp=temp,
    )


def _first_words(process: subprocess.Popen[bytes], control: socket.socket) -> Confinement:
    """Wait until the zygote has imported everything, or says why it cannot."""
    control.settimeout(START_SECONDS)
    try:
        words = wire.decode_object(control.recv(wire.PACKET_BYTES))
        confinement = Confinement.from_json(words["ready"])
    except (OSError, wire.Malformed, KeyError) as error:
        reason = words.get("error") if isinstance(error, KeyError) else None
        control.close()
        process.kill()
        process.wait()
        text = f"No process for running jobs could be started: {reason}" if reason else ""
        raise ZygoteUnavailable(text) from error
    control.settimeout(None)
    return confinement


def _end(generation: Generation) -> None:
    """Close the control socket, which ends a zygote; and make sure that it did."""
    generation.control.close()
    try:
        generation.process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        generation.process.kill()
        generation.process.wait()


def wait_readable(fd: int, *, seconds: float) -> bool:
    """Wait for one descriptor; a pidfd becomes readable when its process has ended."""
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(seconds * 1000))
