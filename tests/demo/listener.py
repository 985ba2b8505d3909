"""A system at the other end: keeps what a stand-in posts to it, and answers as it is told."""

import http.server
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass
class Posted:
    """One request that arrived."""

    path: str
    headers: dict[str, str]
    body: bytes
    at: float


class Listener:
    """Its address, what came, and the statuses that it still has to answer; after those it takes everything."""

    def __init__(self, statuses):
        self.url = ""
        self.statuses = list(statuses)
        self.posted: list[Posted] = []

    def wait_for(self, count, seconds=5):
        """What has come once there are so many."""
        end = time.monotonic() + seconds
        while len(self.posted) < count and time.monotonic() < end:
            time.sleep(0.01)
        return list(self.posted)


@contextmanager
def listening(*statuses):
    """A listener as long as the block lasts."""
    heard = Listener(statuses)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            heard.posted.append(Posted(self.path, headers, body, time.monotonic()))
            self.send_response(heard.statuses.pop(0) if heard.statuses else 204)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments):
            """Silence."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        heard.url = f"http://127.0.0.1:{server.server_port}/inbox"
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        try:
            yield heard
        finally:
            server.shutdown()
            thread.join()
