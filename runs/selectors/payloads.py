"""Stored states and logs as screens show them: the beginning, laid out; the whole only as a download."""

from __future__ import annotations

import io
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import zstandard
from django.db.models import BinaryField
from django.db.models.functions import Substr

from runs.models import LogLine, Run, State
from runs.pretty import Difference, TooLong, difference, pretty_json
from runs.states import StateGone

SHOWN = 100_000  # characters of one payload on a page
EDITABLE = 300_000  # bytes of JSON that a person can correct in a form
COMPARED = 200_000
CHUNK = 256_000
LOG_PAGE = 500


@dataclass(frozen=True, kw_only=True)
class Payload:
    """A payload for a page."""

    text: str
    size: int
    whole: bool  # False: only the beginning
    gone: bool = False  # erased, or older than the project keeps payloads
    name: str = ""
    author: Any = None


def gone(marker: str = "") -> Payload:
    """`marker`: by which certificate it was erased."""
    return Payload(text="", size=0, whole=True, gone=True, name=marker)


GONE = gone()


def state_payload(*, state_id: uuid.UUID | None) -> Payload | None:
    """None when there never was one. Reads and decodes no more than is shown."""
    if state_id is None:
        return None
    row: Any = (  # with a column that the annotation adds
        State.objects.filter(pk=state_id)
        .annotate(head=Substr("body", 1, SHOWN + 1_000, output_field=BinaryField()))
        .defer("body")
        .select_related("created_by")
        .first()
    )
    if row is None:
        return GONE
    head: Any = row.head  # null where it was wiped
    if head is None:
        return gone(row.name)
    raw = _beginning(row.codec, bytes(head), SHOWN)
    whole = row.size <= SHOWN
    text = raw.decode("utf-8", "replace")
    return _payload(
        pretty_json(text) if whole else text,
        size=row.size,
        whole=whole,
        name=row.name,
        author=row.created_by,
    )


def text_payload(text: str, *, size: int) -> Payload:
    """Any other text, cut where a page would grow too long."""
    return _payload(text, size=size, whole=True)


def _payload(text: str, *, size: int, whole: bool, name: str = "", author: Any = None) -> Payload:
    return Payload(text=text[:SHOWN], size=size, whole=whole and len(text) <= SHOWN, name=name, author=author)


def _beginning(codec: str, body: bytes, limit: int) -> bytes:
    if codec != "zstd":
        return body[:limit]
    found = b""
    # A reader and not one call: the beginning of a packed text may unpack to gigabytes.
    with zstandard.ZstdDecompressor().stream_reader(io.BytesIO(body)) as reader:
        while len(found) < limit and (piece := reader.read(limit - len(found))):
            found += piece
    return found


def state_chunks(*, state_id: uuid.UUID) -> Iterator[bytes]:
    """The whole JSON text, piece by piece. Raises StateGone before the first."""
    row = State.objects.filter(pk=state_id).values_list("codec", "body").first()
    if row is None or row[1] is None:
        raise StateGone
    return _chunks(row[0], bytes(row[1]))


def _chunks(codec: str, body: bytes) -> Iterator[bytes]:
    if codec == "zstd":
        yield from zstandard.ZstdDecompressor().read_to_iter(body, write_size=CHUNK)
        return
    yield body


def state_text(*, state_id: uuid.UUID | None, limit: int) -> str | None:
    """The whole state laid out; None when it is gone, missing or larger than `limit`."""
    if state_id is None:
        return None
    size = State.objects.filter(pk=state_id, body__isnull=False).values_list("size", flat=True).first()
    if size is None or size > limit:
        return None
    return pretty_json(b"".join(state_chunks(state_id=state_id)).decode("utf-8", "replace"))


def states_difference(*, before: uuid.UUID | None, after: uuid.UUID | None) -> Difference | None:
    """What changed from one state to the other; None when they cannot be compared on a page."""
    old = state_text(state_id=before, limit=COMPARED)
    new = state_text(state_id=after, limit=COMPARED)
    if old is None or new is None:
        return None
    try:
        return difference(old, new)
    except TooLong:
        return None


# --- logs -----------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class LogPage:
    lines: tuple[LogLine, ...]
    last: int  # seq of the last line known, to ask for those after it
    before: int = 0  # lines that stand before the first one shown


def log_after(*, run: Run, after: int) -> LogPage:
    """The next lines, at most a page of them."""
    lines = tuple(LogLine.objects.filter(run_id=run.pk, seq__gt=after).order_by("seq")[:LOG_PAGE])
    return LogPage(lines=lines, last=lines[-1].seq if lines else after)


def log_end(*, run: Run) -> LogPage:
    """The last lines: what one looks at first."""
    lines = tuple(LogLine.objects.filter(run_id=run.pk).order_by("-seq")[:LOG_PAGE])[::-1]
    return LogPage(
        lines=lines, last=lines[-1].seq if lines else 0, before=max(0, lines[0].seq - 1) if lines else 0
    )


def log_text(*, run: Run) -> Iterator[str]:
    """The whole log as text. Bounded by the log limit of a run."""
    rows = LogLine.objects.filter(run_id=run.pk).order_by("seq").values_list("at", "level", "text")
    for at, level, text in rows.iterator(chunk_size=2_000):
        yield f"{_stamp(at)} {level.upper():<7} {text}\n"


def _stamp(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds")
