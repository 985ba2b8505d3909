"""A small HTTP server on a real socket that misbehaves exactly as a test tells it to."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Seen:
    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)


Act = Callable[[socket.socket, Seen], None]


def answer(status=200, body=b"", headers=(), kind="application/json") -> Act:
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} Said", f"content-type: {kind}", f"content-length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in dict(headers).items()]
    whole = "\r\n".join(lines).encode() + b"\r\n\r\n" + body
    return lambda connection, seen: connection.sendall(whole)


def raw(content: bytes) -> Act:
    def act(connection, seen):
        connection.sendall(content)
        connection.close()

    return act


def hang_up(connection, seen):
    """Read the request, then go."""
    connection.close()


def reset(connection, seen):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def silence(connection, seen):
    time.sleep(1.5)
    connection.close()


def drip(connection, seen):
    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
    for _ in range(100):
        connection.sendall(b"x")
        time.sleep(0.05)


def drip_headers(connection, seen):
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    for number in range(100):
        connection.sendall(b"x-%d: y\r\n" % number)
        time.sleep(0.05)


class FaultyServer:
    """Plays `acts` one per request, the last one for ever; keeps what it has seen."""

    def __init__(self, *acts: Act, host: str = "127.0.0.1", tls=None) -> None:
        self.acts = list(acts) or [answer(200, {})]
        self.seen: list[Seen] = []
        self._tls = tls
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server((host, 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://{host}:{self.port}"
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for connection in self._open:
                connection.close()
        self._thread.join(5)

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._open.add(connection)
            while connection.fileno() >= 0:
                seen = _read(connection)
                if seen is None:
                    return
                with self._lock:
                    self.seen.append(seen)
                    act = self.acts[min(len(self.seen), len(self.acts)) - 1]
                act(connection, seen)
        except OSError:
            pass
        finally:
            with self._lock:
                self._open.discard(connection)
            connection.close()


def _read(connection) -> Seen | None:
    head = b""
    while b"\r\n\r\n" not in head:
        piece = connection.recv(65536)
        if not piece:
            return None
        head += piece
    head, _, body = head.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, _version = first.split(" ")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    while len(body) < int(headers.get("content-length", 0)):
        body += connection.recv(65536)
    return Seen(method, target, headers, body)
