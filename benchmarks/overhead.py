"""(j) What a request costs more through an adaptor than through bare httpx, side by side against one small server."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from statistics import median

import httpx

from benchmarks.figures import Figure
from benchmarks.harness import Stage

BODY = b'{"pager": {"page": 1, "pageCount": 1}, "dataElements": [{"id": "DeAncVist01"}]}'
WARM_UP = 50


class Answering(BaseHTTPRequestHandler):
    """The same small JSON to everybody, over a connection that stays."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.wfile.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(BODY)
            + BODY
        )

    def log_message(self, format: str, *arguments: object) -> None:
        """Silence."""


def measure(stage: Stage) -> Iterator[Figure]:
    from jobs.adaptors import registry
    from jobs.adaptors.context import Context

    times = 200 if stage.quick else 2_000
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    traced: list[object] = []
    context = Context(allow_private=True, trace=traced.append)
    http = registry.connect(
        "http", {"baseUrl": address, "username": "amina", "password": "pass-4711"}, context
    )
    dhis2 = registry.connect(
        "dhis2", {"hostUrl": address, "username": "amina", "password": "pass-4711"}, context
    )
    try:
        with httpx.Client(base_url=address, auth=("amina", "pass-4711"), trust_env=False) as bare:
            calls: dict[str, Callable[[], object]] = {
                "bare": lambda: bare.get("/api/dataElements").json(),
                "http": lambda: http.get("/api/dataElements").body,
                "dhis2": lambda: dhis2.http.get("/api/dataElements"),
            }
            took = _in_turn(calls, times)
    finally:
        http.close()
        dhis2.close()
        server.shutdown()
        server.server_close()
    yardstick = median(took["bare"])
    for name in ("http", "dhis2"):
        yield Figure(
            benchmark="j", what=f"a request through `{name}`, more than bare httpx",
            value=median(took[name]) - yardstick, unit="ms", yardstick=yardstick, yardstick_what="ms, bare httpx",
            goal=1, at_most=True, note=f"median of {times:,}; with address policy, redaction and trace",
        )  # fmt: skip


def _in_turn(calls: dict[str, Callable[[], object]], times: int) -> dict[str, list[float]]:
    """Milliseconds of each call, all of them in turn, so that a busy machine is busy for all."""
    took: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(times + WARM_UP):
        for name, call in calls.items():
            began = time.perf_counter()
            call()
            if turn >= WARM_UP:
                took[name].append((time.perf_counter() - began) * 1000)
    return took
