"""HTTP/1.1 as the stand-ins speak it: one request read from a socket, one answer as bytes."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

MAX_HEAD = 64 * 1024
MAX_BODY = 64 * 1024 * 1024


class BadRequest(Exception):
    """What arrived is not HTTP that we can read."""


@dataclass(frozen=True)
class Request:
    """One request as it arrived; header names in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    version: str = "HTTP/1.1"

    @cached_property
    def path(self) -> str:
        """Decoded path without the query."""
        return unquote(urlsplit(self.target).path)

    @cached_property
    def query_string(self) -> str:
        """The query as it was sent."""
        return urlsplit(self.target).query

    @cached_property
    def query(self) -> dict[str, str]:
        """Query parameters; of a repeated one the first."""
        return _first_of_each(self.query_string)

    @cached_property
    def form(self) -> dict[str, str]:
        """Fields of a form body; empty when the body is declared as something else."""
        if self.content_type != "application/x-www-form-urlencoded":
            return {}
        return _first_of_each(self.text)

    @cached_property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", "replace")

    @property
    def content_type(self) -> str:
        """Media type of the body without parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def origin(self) -> str:
        """How the caller reached this server."""
        return f"http://{self.headers.get('host', 'localhost')}"

    @property
    def keep_alive(self) -> bool:
        """Whether the connection stays open after the answer."""
        wish = self.headers.get("connection", "").lower()
        return wish == "keep-alive" if self.version == "HTTP/1.0" else wish != "close"

    @cached_property
    def basic_auth(self) -> tuple[str, str] | None:
        """User name and password of HTTP Basic, None without or when unreadable."""
        kind, _, value = self.headers.get("authorization", "").partition(" ")
        if kind.lower() != "basic":
            return None
        try:
            name, colon, password = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        return (name, password) if colon else None

    def json(self) -> Any:
        """The body as JSON; ValueError when it is none."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Answer:
    """What goes back."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def json(cls, status: int, value: object, **headers: str) -> Answer:
        """An answer in JSON; further headers by keyword, `_` for `-`."""
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        named.setdefault("Content-Type", "application/json;charset=UTF-8")
        return cls(status, json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"), named)

    def head(self, *, keep_alive: bool) -> bytes:
        """Status line and headers."""
        try:
            phrase = HTTPStatus(self.status).phrase
        except ValueError:
            phrase = "Unknown"
        lines = [f"HTTP/1.1 {self.status} {phrase}", *(f"{n}: {v}" for n, v in self.headers.items())]
        if self.status not in (204, 304):
            lines.append(f"Content-Length: {len(self.body)}")
        lines.append(f"Connection: {'keep-alive' if keep_alive else 'close'}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")


async def read_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Request | None:
    """The next request of a connection, None when the caller closed it."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    except asyncio.LimitOverrunError as error:
        raise BadRequest("The headers are too long.") from error
    line, _, rest = head.decode("latin-1").partition("\r\n")
    parts = line.split(" ")
    if len(parts) != 3:
        raise BadRequest("The first line is not a request line.")
    headers = _headers(rest)
    if headers.get("expect", "").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    return Request(parts[0], parts[1], headers, await _body(reader, headers), parts[2])


def _headers(block: str) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in block.split("\r\n"):
        if line:
            name, colon, value = line.partition(":")
            if not colon:
                raise BadRequest("A header has no colon.")
            name, value = name.strip().lower(), value.strip()
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


async def _body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    if headers.get("transfer-encoding", "").lower() == "chunked":
        return await _chunks(reader)
    length = headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > MAX_BODY:
        raise BadRequest("The Content-Length is not usable.")
    return await reader.readexactly(int(length)) if int(length) else b""


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    body = bytearray()
    while True:
        try:
            size = int((await reader.readline()).partition(b";")[0], 16)
        except ValueError as error:
            raise BadRequest("A chunk has no size.") from error
        if len(body) + size > MAX_BODY:
            raise BadRequest("The body is too large.")
        body += await reader.readexactly(size)
        await reader.readline()
        if not size:
            return bytes(body)


def _first_of_each(encoded: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    for name, value in parse_qsl(encoded, keep_blank_values=True):
        fields.setdefault(name, value)
    return fields
