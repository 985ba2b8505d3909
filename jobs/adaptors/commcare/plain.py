"""`commcare.http`: any path of the server. Relative ones are below `/a/<project space>/api/`."""

from __future__ import annotations

from typing import Any

from jobs.adaptors.commcare.connection import Connection
from jobs.adaptors.engine import Response
from jobs.adaptors.spec import operation


class Plain:
    """Operations under `commcare.http`. Options are those of the `http` adaptor."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @operation(example='commcare.http.request("GET", "case/v2/", params={"limit": 5})', writes=True)
    def request(self, method: str, path: str, data: Any = None, **options: Any) -> Response:
        """Send a request of any method; `.body` is the parsed answer."""
        full = path if path.startswith("/") or "://" in path else self._connection.space(f"api/{path}")
        return self._connection.request(method, full, data, **options)

    @operation(example='commcare.http.get("case/v2/", params={"case_type": "patient"}).body')
    def get(self, path: str, **options: Any) -> Response:
        """Read from a path."""
        return self.request("GET", path, **options)

    @operation(example='commcare.http.post("case/v2/", {"case_type": "patient"})', writes=True)
    def post(self, path: str, data: Any = None, **options: Any) -> Response:
        """Send data to a path."""
        return self.request("POST", path, data, **options)

    @operation(example='commcare.http.put("case/v2/ext/NID-7/", {"case_name": "Ama"})', writes=True)
    def put(self, path: str, data: Any = None, **options: Any) -> Response:
        """Replace what is at a path."""
        return self.request("PUT", path, data, **options)
