"""Storing and loading states as bytes. Nothing here decodes a large state: what a child wrote is what is kept.

Small states are stored as they are; from 2 kB on they are compressed with zstd (level 1: about a tenth of
zlib's time at the same size). The one place that joins JSON texts is `with_error`, for failure flows.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterator
from typing import Any, NoReturn

import zstandard

from openfn_platform.common.errors import Invalid, NotFound
from openfn_platform.common.ids import uuid7
from runs.models import State, StateKind

COMPRESS_FROM = 2_000  # bytes: below that PostgreSQL keeps the row in its page anyway


class StateGone(NotFound):
    """This state was erased: the project keeps no payloads, or none so old, or somebody wanted it so."""

    code = "state_gone"


def encode(value: Any) -> bytes:
    """A JSON text as the platform stores it: compact, UTF-8 where it can be, escapes for lone surrogates."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    try:
        return text.encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()


def packed(raw: bytes) -> tuple[str, bytes]:
    """(codec, body) as they stand in the table."""
    if len(raw) < COMPRESS_FROM:
        return "raw", raw
    return "zstd", zstandard.ZstdCompressor(level=1).compress(raw)


def unpacked(codec: str, body: bytes | memoryview) -> bytes:
    if codec == "zstd":
        return zstandard.ZstdDecompressor().decompress(body)
    return bytes(body)


def state_chunks(*, codec: str, body: bytes | memoryview) -> Iterator[bytes]:
    """`unpacked`, in pieces: a web process need not hold a large state as a whole."""
    if codec == "zstd":
        yield from zstandard.ZstdDecompressor().read_to_iter(bytes(body))
    else:
        yield bytes(body)


def state_build(
    *, project_id: uuid.UUID, kind: StateKind, raw: bytes, name: str = "", created_by: Any = None
) -> State:
    """An unsaved row for `raw`."""
    codec, body = packed(raw)
    return State(
        id=uuid7(),
        project_id=project_id,
        kind=kind,
        codec=codec,
        body=body,
        size=len(raw),
        digest=hashlib.sha256(raw).digest(),
        name=name,
        created_by=created_by,
    )


def state_store(
    *, project_id: uuid.UUID, kind: StateKind, raw: bytes, name: str = "", created_by: Any = None
) -> State:
    state = state_build(project_id=project_id, kind=kind, raw=raw, name=name, created_by=created_by)
    state.save(force_insert=True)
    return state


def state_read(*, state_id: uuid.UUID | None) -> bytes:
    """The JSON text. Raises StateGone when it was erased."""
    row = State.objects.filter(pk=state_id).values_list("codec", "body").first() if state_id else None
    if row is None or row[1] is None:
        raise StateGone()
    return unpacked(row[0], row[1])


def checked_object(text: str | bytes) -> dict[str, Any]:
    """What a person pasted as a state: a JSON object, or Invalid with a sentence."""
    try:
        value = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Invalid(f"This is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise Invalid("A state must be a JSON object, in braces.")
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"NaN and Infinity are not JSON numbers, and here is {name}")


def with_error(*, initial: bytes, error: bytes) -> bytes:
    """The initial state of a failure flow: the upstream's, plus `error`. Both are JSON texts.

    Spliced, not decoded, except where the initial state has an `error` of its own (a failure in a chain of
    failures), which must be replaced and not doubled.
    """
    body = initial.strip()
    if b'"error"' in body:
        return encode({**json.loads(body), "error": json.loads(error)})
    inner = body[1:-1].strip()
    return b"".join((b"{", inner, b"," if inner else b"", b'"error":', error, b"}"))


def with_memory(*, memory: bytes | None) -> bytes:
    """The initial state of a schedule: `data` is there, and what the memory holds."""
    if memory is None:
        return b'{"data":{}}'
    value = json.loads(memory)
    value.setdefault("data", {})
    return encode(value)
