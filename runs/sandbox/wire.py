"""How worker, zygote and child talk: two memory files, one socket with frames, one with small packets.

    packet   worker → zygote   JSON ≤ 64 kB and descriptors: start a child
             zygote → worker   JSON on the run's own socket: {"pid"} with a pidfd, then {"exit", "cpu", "rss"}
    request  sealed memory file: 16-byte prefix, header (the Request as JSON), the state's raw bytes
    result   memory file: 32-byte prefix, header (the Result as JSON), state, memory; the prefix is written last
    frame    4-byte length + JSON, both ways over the channel: one question, one answer

States pass through as bytes that nobody here decodes. Whatever a child wrote is checked in `untrusted`.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from runs.sandbox import kernel

JSONObject = dict[str, Any]

PACKET_BYTES: Final = 64_000
HEADER_BYTES: Final = 2_000_000  # of a result: a thousand problems of a page each
REQUEST_HEADER_BYTES: Final = 64_000_000  # code, settings, credentials
FRAME_SLACK: Final = (
    256_000  # what a question or answer may be longer than a state: a value of a table, escaped
)

# Descriptors of a request packet, in this order; the child finds them (but the last) under fixed numbers.
RAW, RECORDS, CHANNEL, REQUEST, RESULT, STATUS = range(6)
CHILD_FD: Final = {RAW: 1, RECORDS: 3, CHANNEL: 4, REQUEST: 5, RESULT: 6}

_REQUEST_PREFIX = struct.Struct("=8sQ")
_REQUEST_MAGIC = b"OPFNREQ1"
_RESULT_PREFIX = struct.Struct("=8sQqq")  # lengths of state and memory: -1 means there is none
_RESULT_MAGIC = b"OPFNRES1"
_FRAME_PREFIX = struct.Struct("!I")


class Malformed(Exception):
    """The other side did not keep to the protocol; the text says how."""


def encode(value: Any) -> bytes:
    """Compact JSON; ASCII, so that lone surrogates survive the way."""
    return json.dumps(value, separators=(",", ":")).encode("ascii")


def decode_object(data: bytes) -> JSONObject:
    """A JSON object, or `Malformed`: also for nesting that would exhaust the stack."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Malformed("it is not JSON") from error
    if not isinstance(value, dict):
        raise Malformed("it is not a JSON object")
    return value


def _write(fd: int, parts: Sequence[bytes | memoryview], offset: int) -> None:
    """Write everything at a place; one call takes at most 2 GB and may take less."""
    for part in parts:
        view = memoryview(part)
        while view:
            written = os.pwrite(fd, view, offset)
            view, offset = view[written:], offset + written


def _read(fd: int, size: int, offset: int) -> bytes:
    data = os.pread(fd, size, offset)
    if len(data) == size:
        return data
    whole = bytearray(data)
    while len(whole) < size:
        data = os.pread(fd, size - len(whole), offset + len(whole))
        if not data:
            raise Malformed("it ends too early")
        whole += data
    return bytes(whole)


def request_file(*, header: JSONObject, state: bytes) -> int:
    """A sealed memory file with everything that a child is given; never on a disk, never in /proc."""
    encoded = encode(header)
    fd = os.memfd_create("request", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        _write(fd, (_REQUEST_PREFIX.pack(_REQUEST_MAGIC, len(encoded)), encoded, state), 0)
        kernel.seal(fd)
    except BaseException:
        os.close(fd)
        raise
    return fd


def request_read(fd: int) -> tuple[JSONObject, bytes]:
    """The child's side of `request_file`."""
    magic, length = _REQUEST_PREFIX.unpack(_read(fd, _REQUEST_PREFIX.size, 0))
    if magic != _REQUEST_MAGIC or length > REQUEST_HEADER_BYTES:
        raise Malformed("it is not a request")
    start = _REQUEST_PREFIX.size
    header = decode_object(_read(fd, length, start))
    rest = os.fstat(fd).st_size - start - length
    return header, _read(fd, rest, start + length)


def result_file() -> int:
    """An empty memory file for a child to write its result into; its file-size limit bounds it."""
    return os.memfd_create("result", os.MFD_CLOEXEC)


def result_write(fd: int, *, header: JSONObject, state: bytes | None, memory: bytes | None) -> None:
    """The child's side of `result_read`: the prefix comes last, so that half a result is none."""
    encoded = encode(header)
    _write(fd, (encoded, state or b"", memory or b""), _RESULT_PREFIX.size)
    lengths = (-1 if part is None else len(part) for part in (state, memory))
    _write(fd, (_RESULT_PREFIX.pack(_RESULT_MAGIC, len(encoded), *lengths),), 0)


@dataclass(frozen=True, kw_only=True)
class RawResult:
    """What lies in a result file: lengths are checked, contents are not."""

    header: JSONObject
    state: bytes | None
    memory: bytes | None


class TooLarge(Exception):
    """A state or memory in the result is bigger than this run may have."""

    def __init__(self, size: int) -> None:
        self.size = size
        super().__init__(f"{size} bytes")


def result_read(fd: int, *, state_bytes: int) -> RawResult | None:
    """Read a result after the child's end; None when it wrote none. The file may hold anything."""
    size = os.fstat(fd).st_size
    if size < _RESULT_PREFIX.size:
        return None
    magic, header_size, *lengths = _RESULT_PREFIX.unpack(_read(fd, _RESULT_PREFIX.size, 0))
    if magic == bytes(len(_RESULT_MAGIC)):  # it died while writing the rest
        return None
    state_size, memory_size = (max(length, 0) for length in lengths)
    if magic != _RESULT_MAGIC or min(lengths) < -1 or header_size > HEADER_BYTES:
        raise Malformed("its beginning is wrong")
    largest = max(state_size, memory_size)
    if largest > state_bytes:
        raise TooLarge(largest)
    if _RESULT_PREFIX.size + header_size + state_size + memory_size != size:
        raise Malformed("its lengths do not add up")
    place = _RESULT_PREFIX.size + header_size
    return RawResult(
        header=decode_object(_read(fd, header_size, _RESULT_PREFIX.size)),
        state=None if lengths[0] < 0 else _read(fd, state_size, place),
        memory=None if lengths[1] < 0 else _read(fd, memory_size, place + state_size),
    )


def frame(payload: bytes) -> bytes:
    """One message of the channel."""
    return _FRAME_PREFIX.pack(len(payload)) + payload


class FrameReader:
    """Collects frames from pieces as they arrive; never holds more than one frame and what came with it."""

    def __init__(self, *, limit: int) -> None:
        self._limit = limit
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
        self._buffer += data

    def next(self) -> bytes | None:
        """The next whole frame; `Malformed` when one announces more than the limit."""
        start = _FRAME_PREFIX.size
        if len(self._buffer) < start:
            return None
        (length,) = _FRAME_PREFIX.unpack_from(self._buffer)
        if length > self._limit:
            raise Malformed(f"a message of {length} bytes is longer than the {self._limit} allowed")
        if len(self._buffer) < start + length:
            return None
        payload = bytes(self._buffer[start : start + length])
        del self._buffer[: start + length]
        return payload
