"""Plays the worker in a process of its own: runs every attack once and prints what came of it as JSON.

    python -m tests.runs.sandbox.drive confined|control SITE

SITE is a folder with Django in it. The control runs the same code as the same user with nothing closed.
"""

import ctypes
import json
import os
import socket
import sys
import tempfile
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from jobs.language.contract import Request, RunFacts
from runs.sandbox import kernel
from runs.sandbox.client import ZygoteClient
from runs.sandbox.limits import Limits
from runs.sandbox.supervisor import supervise
from tests.runs.sandbox.attacks import ATTACKS, SYSCALLS

FACTS = RunFacts(id="1", attempt=1, work_order="w", project="p", workflow="f", job="j")
SENTINEL = ctypes.create_string_buffer(b"SENTINEL")


def answer_pings(listener: socket.socket) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection:
            if connection.recv(10) == b"PING":
                connection.sendall(b"PONG")


def listen(stack: ExitStack, family: int, address: Any, kind: int = socket.SOCK_STREAM) -> socket.socket:
    listener = stack.enter_context(socket.socket(family, kind))
    listener.bind(address)
    if kind == socket.SOCK_STREAM:
        listener.listen()
        threading.Thread(target=answer_pings, args=(listener,), daemon=True).start()
    return listener


def estate(stack: ExitStack, site: str) -> dict[str, object]:
    """Everything worth attacking."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    folder.chmod(0o755)
    (folder / "db.sqlite3").write_text("secret rows")
    (folder / "db.sqlite3").chmod(0o600)
    (folder / "settings.py").write_text("SECRET_KEY = 1")
    tcp = listen(stack, socket.AF_INET, ("127.0.0.1", 0))
    listen(stack, socket.AF_UNIX, str(folder / "unix"))
    listen(stack, socket.AF_UNIX, str(folder / "datagram"), socket.SOCK_DGRAM)
    abstract = f"\0openfn-test-{os.getpid()}"
    listen(stack, socket.AF_UNIX, abstract)
    return {
        "worker": os.getpid(),
        "secret": os.environ["PLATFORM_SECRET"],
        "address": ctypes.addressof(SENTINEL),
        "estate": str(folder),
        "port": tcp.getsockname()[1],
        "unix": str(folder / "unix"),
        "datagram": str(folder / "datagram"),
        "abstract": abstract,
        "site": site,
        "syscalls": SYSCALLS[kernel.machine()],
    }


def main(mode: str, site: str) -> None:
    confined = mode == "confined"
    if confined:
        kernel.make_undumpable()
    library = {name: os.environ[name] for name in ["LD_LIBRARY_PATH"] if name in os.environ}
    zygote = ZygoteClient(executor="tests.runs.sandbox.executor", confined=confined, environment=library)
    zygote.start()
    found: dict[str, object] = {"confinement": zygote.confinement.to_json()}
    with ExitStack() as stack:
        stack.callback(zygote.stop)
        settings = estate(stack, site)
        assert zygote._temp is not None
        other = zygote._temp.make() / "x"
        other.write_text("patient")
        os.chown(other, *(2 * [zygote._uid if confined and zygote._uid else os.getuid()]))
        settings["other_run"] = str(other)
        for name, code in ATTACKS.items():
            found[name] = attack(zygote, code, settings)
    print(json.dumps(found))


def attack(zygote: ZygoteClient, code: str, settings: dict[str, object]) -> dict[str, object]:
    request = Request(language="test", code=code, run=FACTS, settings=settings)
    ended = supervise(
        zygote=zygote,
        request=request,
        state=b"{}",
        limits=Limits(wall_seconds=20),
        on_log=lambda lines: None,
        answer=lambda question, body: {},
    )
    answer = json.loads(ended.state or b"{}")
    left = alive(answer.get("left"))
    why = ended.death.reason if ended.death else None
    if ended.result and ended.result.failure:
        why = f"{ended.result.failure.type}: {ended.result.failure.message}"
    return {"open": answer.get("open") is True, "why": why, "left": left}


def alive(pid: int | None) -> bool:
    """Is the process that a job left behind still there? End it."""
    if pid is None:
        return False
    try:
        os.kill(pid, 9)
    except ProcessLookupError:
        return False
    return True


if __name__ == "__main__":
    main(*sys.argv[1:])
