"""`openmrs.http`: any path of the server, for modules that have an API of their own."""

from __future__ import annotations

from typing import Any

from jobs.adaptors.engine import Response
from jobs.adaptors.openmrs.connection import Connection
from jobs.adaptors.spec import operation


class Plain:
    """Operations under `openmrs.http`. Options are those of the `http` adaptor."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @operation(example='openmrs.http.request("PATCH", "/ws/module/thing", {"a": 1})', writes=True)
    def request(self, method: str, path: str, data: Any = None, **options: Any) -> Response:
        """Send a request of any method; `.body` is the parsed answer."""
        return self._connection.request(method, path, data, **options)

    @operation(example='openmrs.http.get("/ws/rest/v1/session").body')
    def get(self, path: str, **options: Any) -> Response:
        """Read from a path."""
        return self.request("GET", path, **options)

    @operation(example='openmrs.http.post("/ws/rest/v1/idgen/nextIdentifier", {"source": 1})', writes=True)
    def post(self, path: str, data: Any = None, **options: Any) -> Response:
        """Send data to a path."""
        return self.request("POST", path, data, **options)

    @operation(example='openmrs.http.put("/ws/module/thing/7", {"a": 1})', writes=True)
    def put(self, path: str, data: Any = None, **options: Any) -> Response:
        """Replace what is at a path."""
        return self.request("PUT", path, data, **options)

    @operation(example='openmrs.http.delete("/ws/module/thing/7")', writes=True)
    def delete(self, path: str, **options: Any) -> Response:
        """Delete what is at a path."""
        return self.request("DELETE", path, **options)
