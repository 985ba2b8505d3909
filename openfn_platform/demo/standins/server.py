"""One stand-in on a socket: connections, faults, log, control, start and end of the process.

One event loop and synchronous handlers: a request is processed in one go, so records need no lock, and a request
that waits (slow partner, delay, hang) holds nothing but its connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import http.client
import json
import os
import signal
import socket
import struct
import sys
import time
import traceback
import urllib.error
import urllib.request
from typing import Any

from openfn_platform.demo.standins import faults as fault
from openfn_platform.demo.standins.control import PREFIX, Control
from openfn_platform.demo.standins.partner import Callback, Partner
from openfn_platform.demo.standins.requestlog import RequestLog
from openfn_platform.demo.standins.wire import MAX_HEAD, Answer, BadRequest, Request, read_request

PR_SET_PDEATHSIG = 1
PARENT_GONE = signal.SIGUSR2


class Dropped(Exception):
    """The connection ends here without an answer."""


class Server:
    """Listens for one partner."""

    def __init__(self, partner: Partner) -> None:
        self.partner = partner
        self.log = RequestLog()
        self.faults = fault.Faults()
        self.control = Control(partner, self.log, self.faults)
        self._tasks: set[asyncio.Task[None]] = set()
        partner.call_later = self._schedule

    async def serve(self, *, host: str, port: int, die_with_parent: bool) -> None:
        """Listen, say where, and go on until a signal asks to stop."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        if die_with_parent:
            _watch_parent(loop, stop)
        server = await asyncio.start_server(self._connected, host, port, limit=MAX_HEAD, backlog=1024)
        bound = server.sockets[0].getsockname()[1]
        ready = {
            "kind": self.partner.kind,
            "url": f"http://{host}:{bound}",
            "port": bound,
            "pid": os.getpid(),
        }
        print(json.dumps(ready), flush=True)
        await stop.wait()
        server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.partner.store.close()

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._keep(asyncio.get_running_loop().create_task(self._connection(reader, writer)))

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            while (request := await read_request(reader, writer)) is not None:
                await self._exchange(request, reader, writer)
                if not request.keep_alive:
                    break
        except BadRequest as error:
            writer.write(_bytes(Answer.json(400, {"error": str(error)}), keep_alive=False))
        except (Dropped, ConnectionError, asyncio.IncompleteReadError):
            pass  # ended on purpose, or by the caller
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _exchange(
        self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if request.path.startswith(PREFIX):
            await self._send(writer, request, self.control.handle(request))
            return
        entry, began = self.log.arrived(request), time.monotonic()
        action = self.faults.action_for(request)
        try:
            if self.faults.slow:
                await asyncio.sleep(self.faults.slow)
            if action is None:
                answer = self._processed(request)
            else:
                entry["fault"] = action
                answer = await self._faulty(action, request, reader, writer)
            entry["status"] = answer.status
        finally:
            entry["seconds"] = round(time.monotonic() - began, 6)
        await self._send(writer, request, answer, drip=(action or {}).get("drip"))

    async def _faulty(
        self,
        action: dict[str, Any],
        request: Request,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> Answer:
        if action.get("delay"):
            await asyncio.sleep(action["delay"])
        if action.get("hang"):
            await reader.read()
            raise Dropped
        if action.get("reset"):
            # Linger of zero seconds: closing sends RST instead of FIN.
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            raise Dropped
        if action.get("drop_before"):
            raise Dropped
        if "status" in action:
            return fault.canned(action)
        answer = self._processed(request)
        if action.get("drop_after_processing"):
            raise Dropped
        return fault.spoilt(action, answer)

    def _processed(self, request: Request) -> Answer:
        try:
            return self.partner.handle(request)
        except (
            Exception
        ):  # a defect of the stand-in: shown to whoever started it, and not mistaken for a fault
            traceback.print_exc(file=sys.stderr)
            return Answer.json(500, {"standin": "This stand-in has a defect; its standard error tells more."})

    async def _send(
        self, writer: asyncio.StreamWriter, request: Request, answer: Answer, drip: float | None = None
    ) -> None:
        data = _bytes(answer, keep_alive=request.keep_alive, head_only=request.method == "HEAD")
        if drip:
            for at in range(len(data)):
                writer.write(data[at : at + 1])
                await writer.drain()
                await asyncio.sleep(drip)
        else:
            writer.write(data)
            await writer.drain()

    def _schedule(self, callback: Callback) -> None:
        self._keep(asyncio.get_running_loop().create_task(_call_back(callback)))


async def _call_back(callback: Callback) -> None:
    if not callback.url.startswith(("http://", "https://")):
        return
    wait, again = callback.after, callback.again
    for _ in range(callback.tries):
        await asyncio.sleep(wait)
        if await asyncio.to_thread(_post, callback):
            return
        wait, again = again, again * 2


def _post(callback: Callback) -> bool:
    """Whether it was taken. Nobody listening there is the listener's business, as with the real partner."""
    call = urllib.request.Request(  # noqa: S310
        callback.url, callback.body or None, dict(callback.headers), method=callback.method
    )
    try:
        with urllib.request.urlopen(call, timeout=3) as answer:  # noqa: S310  (http and https only, checked above)
            answer.read()
    except urllib.error.HTTPError as error:
        error.close()
        return False
    except (OSError, ValueError, http.client.HTTPException):
        return False
    return True


def _bytes(answer: Answer, *, keep_alive: bool, head_only: bool = False) -> bytes:
    return answer.head(keep_alive=keep_alive) + (b"" if head_only else answer.body)


def _watch_parent(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    """Stop when the process that started us ends.

    The kernel also signals when merely the *thread* that started us ends, so the parent's id is compared first.
    """
    parent = os.getppid()
    loop.add_signal_handler(PARENT_GONE, lambda: stop.set() if os.getppid() != parent else None)
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, PARENT_GONE.value, 0, 0, 0)
    if parent == 1:
        stop.set()  # it ended before we could ask
