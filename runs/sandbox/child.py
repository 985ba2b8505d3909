"""One run's own process: close the doors, execute, leave the result in the memory file.

Forked from the zygote; never returns. Imports neither Django nor Celery, nor anything that does.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import struct
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, Protocol

from jobs.language.channel import Channel, ChannelError
from jobs.language.contract import Request, Result
from runs.sandbox import kernel, wire
from runs.sandbox.confinement import Walls, confine
from runs.sandbox.limits import Limits

EXIT_UNCONFINED = 96  # a door that should close did not: nothing of the job was run
EXIT_BROKEN = 97  # the request could not be read
_OUT_OF_THE_WAY = 200
_LAST_FIXED_FD = max(wire.CHILD_FD.values())


class Executor(Protocol):
    """What `jobs.language.runtime` (or a test's stand-in) offers."""

    def prepare(self) -> None: ...

    def execute(
        self, *, request: Request, state: bytes, channel: Channel, emit: Callable[[dict[str, Any]], None]
    ) -> tuple[Result, bytes | None, bytes | None]: ...


class SupervisorChannel:
    """The child's end of the channel: one question at a time, whichever thread asks."""

    def __init__(self, *, fd: int, limit: int) -> None:
        self._socket = socket.socket(fileno=fd)
        self._limit = limit
        self._lock = threading.Lock()

    def ask(self, question: str, body: dict[str, Any]) -> dict[str, Any]:
        payload = wire.encode({"question": question, "body": body})
        if len(payload) > self._limit:
            raise ChannelError(f"“{question}” is larger than the {self._limit:,} bytes allowed.")
        with self._lock:
            try:
                self._socket.sendall(wire.frame(payload))
                answer = wire.decode_object(self._receive())
            except (OSError, wire.Malformed) as error:
                raise ChannelError(f"The platform did not answer “{question}”.") from error
        if answer.get("ok") is not True:
            raise ChannelError(str(answer.get("error") or f"The platform refused “{question}”."))
        content: dict[str, Any] = answer.get("body") or {}
        return content

    def _receive(self) -> bytes:
        (length,) = struct.unpack("!I", self._exactly(4))
        if length > self._limit:
            raise wire.Malformed("the answer is too long")
        return bytes(self._exactly(length))

    def _exactly(self, size: int) -> bytearray:
        data = bytearray(size)
        view, have = memoryview(data), 0
        while have < size:
            got = self._socket.recv_into(view[have:])
            if not got:
                raise wire.Malformed("the channel is closed")
            have += got
        return data


class Recorder:
    """Writes structured records, one JSON line each; several threads may."""

    def __init__(self, *, fd: int) -> None:
        self._file = open(fd, "wb", buffering=0, closefd=False)  # noqa: SIM115 - open for the process's life
        self._lock = threading.Lock()

    def __call__(self, record: dict[str, Any]) -> None:
        line = memoryview(wire.encode(record) + b"\n")
        with self._lock:
            while line:
                line = line[self._file.write(line) :]


def run(
    *,
    executor: Executor,
    walls: Walls,
    header: dict[str, Any],
    fds: Sequence[int],
    parent: int,
    shelves: tuple[int, int],
) -> NoReturn:
    """The whole life of a child. Whatever happens, it ends here and never in the zygote's loop."""
    code = EXIT_UNCONFINED
    try:
        kernel.die_with_parent(parent=parent)
        _arrange(fds, shelves=shelves, temp=header["temp"])
        limits = Limits(**header["limits"])
        confine(walls=walls, limits=limits, temp=header["temp"], ports=header["ports"], parent=parent)
        os.chdir(header["temp"])
        code = EXIT_BROKEN
        _execute(executor=executor, limits=limits)
        code = 0
    except BaseException as error:
        # Nothing may leave this function: the zygote's loop lies below it.
        _last_words(error, code)
    finally:
        with contextlib.suppress(BaseException):
            sys.stdout.flush()
        os._exit(code)


def _arrange(fds: Sequence[int], *, shelves: tuple[int, int], temp: str) -> None:
    """Keep the descriptors of this run under fixed numbers, and none of anybody else's."""
    high = {role: fcntl.fcntl(fds[role], fcntl.F_DUPFD, _OUT_OF_THE_WAY) for role in wire.CHILD_FD}
    for role, fd in high.items():
        os.dup2(fd, wire.CHILD_FD[role])
    os.dup2(wire.CHILD_FD[wire.RAW], 2)
    os.closerange(_LAST_FIXED_FD + 1, shelves[0])
    os.closerange(shelves[1], os.sysconf("SC_OPEN_MAX"))
    sys.stdout = open(1, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
    os.umask(0o077)
    os.environ.update({"HOME": temp, "TMPDIR": temp})


def _execute(*, executor: Executor, limits: Limits) -> None:
    header, state = wire.request_read(wire.CHILD_FD[wire.REQUEST])
    os.close(wire.CHILD_FD[wire.REQUEST])
    request = Request.from_json(header)
    channel = SupervisorChannel(fd=wire.CHILD_FD[wire.CHANNEL], limit=request.state_limit + wire.FRAME_SLACK)
    try:
        result, final, memory = executor.execute(
            request=request, state=state, channel=channel, emit=Recorder(fd=wire.CHILD_FD[wire.RECORDS])
        )
        largest = max(len(final or b""), len(memory or b""))
        if largest > limits.state_bytes:
            _leave({"died": "state_too_large", "size": largest})
        else:
            _leave(result.to_json(), final, memory)
    except MemoryError:
        _leave({"died": "memory"})


def _leave(header: dict[str, Any], state: bytes | None = None, memory: bytes | None = None) -> None:
    wire.result_write(wire.CHILD_FD[wire.RESULT], header=header, state=state, memory=memory)


def _last_words(error: BaseException, code: int) -> None:
    """Say what broke in the sandbox itself; the language reports the job's own errors as a result."""
    place = "could not be confined" if code == EXIT_UNCONFINED else "broke"
    text = str(error)[:1500]
    what = f"{type(error).__name__}: {text}" if text else type(error).__name__
    with contextlib.suppress(BaseException):
        _leave({"died": "exit", "why": f"The process of this run {place} ({what})."})
