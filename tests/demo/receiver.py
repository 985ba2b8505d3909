"""Whoever a stand-in calls back: a listener on a socket that keeps what arrives."""

import http.server
import json
import threading
import time
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Received:
    """One request that arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def form(self):
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))

    @property
    def query(self):
        return dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))

    @property
    def json(self):
        return json.loads(self.body)


class Receiver:
    """`with Receiver() as receiver:` gives `receiver.url`; `receiver.wait(2)` gives the first two requests."""

    def __init__(self):
        self._all: list[Received] = []
        self._changed = threading.Condition()
        kept = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self):
                body = self.rfile.read(int(self.headers["Content-Length"] or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                with kept._changed:
                    kept._all.append(Received(self.command, self.path, headers, body))
                    kept._changed.notify_all()
                self.send_response(204)
                self.end_headers()

            do_GET = do_POST = answer

            def log_message(self, *arguments):
                """Silence."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/in"
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.02], daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *error):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def wait(self, count, seconds=5):
        """Requests in the order of arrival, as soon as there are so many."""
        end = time.monotonic() + seconds
        with self._changed:
            while len(self._all) < count:
                left = end - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    raise AssertionError(f"{len(self._all)} of {count} callbacks came: {self._all}")
            return self._all[:count]

    def stays_at(self, count, seconds=0.2):
        """Whether no more than so many came, also after a while."""
        time.sleep(seconds)
        return len(self._all) == count
