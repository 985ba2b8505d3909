"""The process that children are forked from: everything imported, nothing secret, one thread.

It is executed afresh by the worker (`python -I -S zygote.py …`), so it has neither Django nor the worker's memory,
environment or sockets. It forks one child per request, sends the worker a pidfd of it, and reports how it ended.
It ends with its worker, and its children end with it.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import importlib
import json
import os
import resource
import select
import signal
import socket
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

if __name__ == "__main__":  # executed by path in isolated mode: nothing of ours is importable yet
    sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from runs.sandbox import child, kernel, shelves, wire
from runs.sandbox.confinement import Confinement, Walls, confine, confinement_in_force, file_list
from runs.sandbox.limits import Limits

Config = dict[str, Any]
OUT_OF_THE_WAY = 100


@dataclass
class Running:
    """One child that has not ended yet."""

    pid: int
    pidfd: int
    status: socket.socket


class Zygote:
    """Forks on request until the worker closes its end of the control socket."""

    def __init__(self, *, control: socket.socket, config: Config) -> None:
        self._control = control
        self._config = config
        self._running: dict[int, Running] = {}
        self._poll = select.poll()
        self._after_shelves = shelves.FIRST_SHELF_FD

    def prepare(self) -> Confinement:
        """Import everything that a job may use, then see how far a child can be confined here."""
        config = self._config
        sys.path += [path for path in config["import_paths"] if path not in sys.path]
        shelves.gate_imports(config["names"])
        if config["uid"] is not None and not self._reachable():
            self._after_shelves = shelves.import_through_descriptors(sys.path)
        files = self._file_list()  # before anything else is open: it has a fixed number, too
        executor = importlib.import_module(config["executor"])
        executor.prepare()
        with contextlib.suppress(OSError):
            socket.getaddrinfo("localhost", 80)  # loads the resolver's libraries while they can be loaded
        self._executor = executor
        self._walls = Walls(
            confined=config["confined"],
            files=files,
            roots=tuple(config["roots"]),
            uid=config["uid"],
            gid=config["gid"],
            baseline_bytes=_address_space(),
        )
        confinement = self._probe()
        gc.collect()
        gc.freeze()  # the collector would otherwise touch, and so copy, every page in each child
        return confinement

    def _reachable(self) -> bool:
        """Can the jobs' user read the folders that modules are imported from?"""
        paths = [path for path in sys.path if os.path.isdir(path)]

        def look() -> bytes:
            kernel.drop_user(uid=self._config["uid"], gid=self._config["gid"])
            return b"1" if all(os.access(path, os.R_OK | os.X_OK) for path in paths) else b"0"

        return _ask_fork(look) == b"1"

    def _file_list(self) -> int | None:
        config = self._config
        fd = file_list(readable=config["readable"], listable=config["listable"], temp=config["temp"])
        if fd is not None:
            os.dup2(fd, shelves.FILE_LIST_FD, inheritable=False)
            os.close(fd)
            fd = shelves.FILE_LIST_FD
        return fd

    def _probe(self) -> Confinement:
        """Confine a child as runs will be, and hear from it what holds."""
        if not self._walls.confined:
            return Confinement(details=("Confinement is switched off.",))
        parent = os.getpid()

        def look() -> bytes:
            confine(walls=self._walls, limits=Limits(), temp="/nonexistent", ports=(80,), parent=parent)
            return wire.encode(confinement_in_force(walls=self._walls).to_json())

        answer = _ask_fork(look)
        try:
            return Confinement.from_json(wire.decode_object(answer))
        except wire.Malformed:
            reason = answer.decode("utf-8", "replace") or "the process died"
            raise RuntimeError(f"a child cannot be confined here: {reason}") from None

    def serve(self) -> None:
        """The loop: requests from the worker, ends of children."""
        self._poll.register(self._control, select.POLLIN)
        while True:
            for fd, _ in self._poll.poll():
                if fd == self._control.fileno():
                    if not self._accept():
                        return
                else:
                    self._report(self._running[fd])

    def _accept(self) -> bool:
        data, fds, _, _ = socket.recv_fds(self._control, wire.PACKET_BYTES, 8)
        if not data:
            return False
        try:
            self._fork(json.loads(data), fds)
        finally:
            for fd in fds:
                os.close(fd)
        return True

    def _fork(self, header: dict[str, Any], fds: Sequence[int]) -> None:
        status = socket.socket(fileno=os.dup(fds[wire.STATUS]))
        parent = os.getpid()
        try:
            pid = os.fork()
        except OSError as error:  # out of processes or memory
            _tell(status, {"error": f"The machine cannot start another process ({error.strerror})."})
            status.close()
            return
        if pid == 0:
            child.run(
                executor=self._executor,
                walls=self._walls,
                header=header,
                fds=fds,
                parent=parent,
                shelves=(shelves.FILE_LIST_FD, self._after_shelves),
            )
        running = Running(pid=pid, pidfd=os.pidfd_open(pid), status=status)
        self._running[running.pidfd] = running
        self._poll.register(running.pidfd, select.POLLIN)
        _tell(status, {"pid": pid}, running.pidfd)

    def _report(self, running: Running) -> None:
        _, code, usage = os.wait4(running.pid, 0)
        self._poll.unregister(running.pidfd)
        del self._running[running.pidfd]
        report = {
            "exit": os.waitstatus_to_exitcode(code),
            "cpu": usage.ru_utime + usage.ru_stime,
            "rss": usage.ru_maxrss,
        }
        _tell(running.status, report)
        running.status.close()
        os.close(running.pidfd)


def _tell(status: socket.socket, message: dict[str, Any], *fds: int) -> None:
    """To a supervisor that may have gone, or may not be listening: neither must stop the zygote."""
    status.setblocking(False)
    with contextlib.suppress(OSError):
        socket.send_fds(status, [wire.encode(message)], list(fds))


def _address_space() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")


def _ask_fork(look: Any) -> bytes:
    """Let a fork try something irreversible and say what it found."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(reader)
            os.write(writer, look())
        except BaseException as error:
            os.write(writer, repr(error).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader, "rb") as file:
        answer = file.read()
    os.waitpid(pid, 0)
    return answer


def main(arguments: Sequence[str]) -> None:
    """`zygote.py CONTROL_FD CONFIG_FD PARENT_PID`"""
    control_fd, config_fd, parent = map(int, arguments)
    kernel.die_with_parent(parent=parent)
    kernel.make_undumpable()
    for ignored in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        # A service manager signals the whole group; when runs end is the worker's decision.
        signal.signal(ignored, signal.SIG_IGN)
    # Out of the way of the shelves, which have fixed numbers: both came under the numbers they had in the worker.
    control = socket.socket(fileno=fcntl.fcntl(control_fd, fcntl.F_DUPFD_CLOEXEC, OUT_OF_THE_WAY))
    os.close(control_fd)
    with open(config_fd, "rb") as file:
        config: Config = json.load(file)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    zygote = Zygote(control=control, config=config)
    try:
        confinement = zygote.prepare()
    except BaseException:  # whatever it is, the worker must hear why there are no runs
        control.sendall(wire.encode({"error": traceback.format_exc()[-8000:]}))
        return
    control.sendall(wire.encode({"ready": replace(confinement).to_json()}))
    zygote.serve()
    os._exit(0)  # children die with it; nothing here needs tidying


if __name__ == "__main__":
    main(sys.argv[1:])
