"""Partners that post as fast as they are answered: N keep-alive connections in one thread, written to be cheap.

python -m benchmarks.sender PORT ADDRESS DOOR SECONDS CONNECTIONS [PER_SECOND]

DOOR is `key:TEXT`, `basic:USER:PASSWORD` or `hmac:whsec_…`. With PER_SECOND they post so many in all, and what an
answer took counts from when its message was due. A process of its own, so that it shares no interpreter with what it
measures. Prints one JSON object.
"""

from __future__ import annotations

import base64
import hmac
import json
import resource
import select
import socket
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from benchmarks.figures import percentile

FILLING = "a district hospital's form "
SIZE = 1_000
PATIENCE_SECONDS = 30


def body(number: int) -> bytes:
    """A JSON message of exactly 1 kB."""
    form = {
        "kind": "registration",
        "n": f"{number:09d}",
        "name": "Ada Example",
        "sex": "f",
        "born": "1990-02-28",
    }
    empty = len(json.dumps({"form": {**form, "note": ""}}))
    note = (FILLING * SIZE)[: SIZE - empty]
    return json.dumps({"form": {**form, "note": note}}).encode()


@dataclass
class Line:
    """One connection with the request that is under way on it."""

    link: socket.socket
    sent_at: float = 0.0
    got: bytearray = field(default_factory=bytearray)


class Sender:
    def __init__(self, *, port: int, address: str, door: str, connections: int) -> None:
        kind, _, text = door.partition(":")
        opened, self._secret = "", b""
        if kind == "key":
            opened = f"X-API-Key: {text}\r\n"
        elif kind == "basic":
            opened = f"Authorization: Basic {base64.b64encode(text.encode()).decode()}\r\n"
        else:
            self._secret = base64.b64decode(text.removeprefix("whsec_"))
        self._head = (
            f"POST /inbox/{address} HTTP/1.1\r\nHost: 127.0.0.1\r\n{opened}"
            f"Content-Type: application/json\r\nContent-Length: {SIZE}\r\n"
        ).encode()
        self._before, _, self._after = body(0).partition(b"000000000")
        self._run = f"{time.time_ns():x}"
        self._poll = select.epoll()
        self._lines: dict[int, Line] = {}
        for _ in range(connections):
            link = socket.create_connection(("127.0.0.1", port), timeout=10)
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._lines[link.fileno()] = Line(link)
            self._poll.register(link, select.EPOLLIN)
        self._number = 0
        self.statuses: Counter[str] = Counter()
        self.seconds: list[float] = []

    def run(self, *, seconds: float) -> float:
        """Send for so long, then wait for the last answers. Returns the seconds it took."""
        began = time.perf_counter()
        until = began + seconds
        for line in self._lines.values():
            self._send(line)
        waiting = len(self._lines)
        while waiting and time.perf_counter() < until + PATIENCE_SECONDS:
            for number, _ in self._poll.poll(1.0):
                line = self._lines[number]
                if not self._receive(line):
                    continue
                if time.perf_counter() < until:
                    self._send(line)
                else:
                    waiting -= 1
        took = time.perf_counter() - began
        for line in self._lines.values():
            line.link.close()
        self._poll.close()
        return took

    def _send(self, line: Line) -> None:
        self._number += 1
        message = b"%b%09d%b" % (self._before, self._number, self._after)
        head = self._head + self._signature(message) if self._secret else self._head
        line.sent_at = time.perf_counter()
        line.link.sendall(b"%b\r\n%b" % (head, message))

    def _signature(self, message: bytes) -> bytes:
        name, now = f"msg_{self._run}_{self._number}", int(time.time())
        mac = base64.b64encode(
            hmac.digest(self._secret, f"{name}.{now}.".encode() + message, "sha256")
        ).decode()
        return f"webhook-id: {name}\r\nwebhook-timestamp: {now}\r\nwebhook-signature: v1,{mac}\r\n".encode()

    def _receive(self, line: Line) -> bool:
        """Whether the answer is complete."""
        data = line.link.recv(65536)
        if not data:
            raise SystemExit("The web process closed a connection.")
        line.got += data
        head, mark, rest = bytes(line.got).partition(b"\r\n\r\n")
        if not mark:
            return False
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        if len(rest) < length:
            return False
        self.statuses[head[9:12].decode()] += 1
        self.seconds.append(time.perf_counter() - line.sent_at)
        line.got.clear()
        return True


class PacedSender(Sender):
    """So many a second, whatever the answers take: one that is late makes those behind it late, too."""

    def pace(self, *, seconds: float, per_second: float) -> float:
        began = time.perf_counter()
        idle = list(self._lines.values())
        due, total = 0, int(seconds * per_second)
        until = began + seconds + PATIENCE_SECONDS
        while time.perf_counter() < until and (due < total or len(idle) < len(self._lines)):
            now = time.perf_counter() - began
            while idle and due < total and due / per_second <= now:
                line = idle.pop()
                self._send(line)
                line.sent_at = began + due / per_second
                due += 1
            wait = max(0.001, min(0.05, due / per_second - now)) if due < total else 0.05
            for number, _ in self._poll.poll(wait):
                if self._receive(self._lines[number]):
                    idle.append(self._lines[number])
        for line in self._lines.values():
            line.link.close()
        self._poll.close()
        return time.perf_counter() - began


def main(arguments: list[str]) -> None:
    port, address, door, seconds, connections, *rate = arguments
    sender = PacedSender(port=int(port), address=address, door=door, connections=int(connections))
    if rate:
        took = sender.pace(seconds=float(seconds), per_second=float(rate[0]))
    else:
        took = sender.run(seconds=float(seconds))
    used = resource.getrusage(resource.RUSAGE_SELF)
    answer: dict[str, Any] = {
        "seconds": took,
        "statuses": sender.statuses,
        "p50_ms": percentile(sender.seconds, 50) * 1000,
        "p99_ms": percentile(sender.seconds, 99) * 1000,
        "cpu": (used.ru_utime + used.ru_stime) / took,
    }
    if rate:
        answer["ms"] = [round(each * 1000, 1) for each in sender.seconds]
    print(json.dumps(answer))


if __name__ == "__main__":
    main(sys.argv[1:])
