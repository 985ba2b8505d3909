"""`dhis2.http`: any path of the server."""

from __future__ import annotations

from typing import Any

from jobs.adaptors.dhis2.connection import Connection
from jobs.adaptors.engine import Response
from jobs.adaptors.spec import operation


class Plain:
    """Operations under `dhis2.http`. Options are those of the `http` adaptor, and `api_version`.

    A path that begins with a slash counts from the server's address, any other from /api.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @operation(example='dhis2.http.request("POST", "sms/inbound", {"text": "x"})', writes=True)
    def request(
        self, method: str, path: str, data: Any = None, *, params: Any = None, **options: Any
    ) -> Response:
        """Send a request of any method; `.body` is the parsed answer.

        Files come with `parse_as="base64"`. A path that begins with a slash counts from the server's address,
        any other from /api.
        """
        given = {**(params or {}), "api_version": options.pop("api_version", None)}
        full = path if path.startswith("/") or "://" in path else self._connection.api(path, given)
        given.pop("api_version", None)
        return self._connection.request(method, full, data, params=given, **options)

    @operation(example='dhis2.http.get("system/info").body')
    def get(self, path: str, **options: Any) -> Response:
        """Read from a path."""
        return self.request("GET", path, **options)

    @operation(example='dhis2.http.post("sharing", data, params={"type": "dataSet", "id": uid})', writes=True)
    def post(self, path: str, data: Any = None, **options: Any) -> Response:
        """Send data to a path."""
        return self.request("POST", path, data, **options)

    @operation(example='dhis2.http.put("dataStore/clinic/last", {"at": "2025-05-02"})', writes=True)
    def put(self, path: str, data: Any = None, **options: Any) -> Response:
        """Replace what is at a path."""
        return self.request("PUT", path, data, **options)

    @operation(example='dhis2.http.patch("users/xE7jOejl9FI", patch)', writes=True)
    def patch(self, path: str, data: Any = None, **options: Any) -> Response:
        """Change part of what is at a path; a list is sent as a JSON patch."""
        if isinstance(data, list):
            options.setdefault("content_type", "application/json-patch+json")
        return self.request("PATCH", path, data, **options)

    @operation(example='dhis2.http.delete("dataStore/clinic/last")', writes=True)
    def delete(self, path: str, **options: Any) -> Response:
        """Delete what is at a path."""
        return self.request("DELETE", path, **options)
