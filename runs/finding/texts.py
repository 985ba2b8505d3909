"""What messages, runs and mails say, as texts: for their words, and to show where a word stands."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

import zstandard

from runs.models import LogLine, Notification, OnceMark, Run, State
from runs.states import unpacked
from triggers.models import Message, MessagePayload
from triggers.parsing import came_as_json

CHUNK = 1_000_000  # bytes of an unpacked state at a time
SMALL = 200_000  # bytes of a packed state that are read together with others

Texts = dict[uuid.UUID, list[str]]


def message_texts(ids: Sequence[uuid.UUID]) -> Texts:
    """Bodies as they came or as they were read, with query and headers."""
    kinds = dict(Message.objects.filter(pk__in=ids).values_list("pk", "content_type"))
    found: Texts = {}
    for payload in MessagePayload.objects.filter(message_id__in=ids):
        raw = bytes(payload.raw)
        texts = [raw.decode("utf-8", "replace")]
        if not came_as_json(raw, kinds.get(payload.message_id, "")):
            texts.append(json.dumps(payload.body, ensure_ascii=False))
        texts += [json.dumps(each, ensure_ascii=False) for each in (payload.query, payload.headers) if each]
        texts.append(payload.path)
        found[payload.message_id] = texts
    return found


def mail_texts(ids: Sequence[uuid.UUID]) -> Texts:
    rows = Notification.objects.filter(pk__in=ids).values_list("pk", "subject", "text")
    return {key: [subject, text] for key, subject, text in rows}


def run_texts(runs: Sequence[Run]) -> Iterator[tuple[Run, Iterator[str]]]:
    """Everything that a run holds but its exchanges, which have their words already."""
    keys = [run.pk for run in runs]
    states = _small_states([key for run in runs for key in (run.input_id, run.final_id) if key])
    logs: dict[uuid.UUID, list[str]] = {}
    for key, text in (
        LogLine.objects.filter(run_id__in=keys).order_by("run_id", "seq").values_list("run_id", "text")
    ):
        logs.setdefault(key, []).append(text)
    marks: dict[uuid.UUID, list[str]] = {}
    for mark in OnceMark.objects.filter(run__in=keys):
        result = bytes(mark.result).decode("utf-8", "replace") if mark.result else ""
        marks.setdefault(mark.run_id, []).extend((mark.key, result))
    for run in runs:
        yield run, _run_texts(run, states, logs.get(run.pk, []), marks.get(run.pk, []))


def _run_texts(run: Run, states: dict[uuid.UUID, bytes], log: list[str], marks: list[str]) -> Iterator[str]:
    yield from sentences(run)
    for key in (run.input_id, run.final_id):
        if key in states:
            yield states[key].decode("utf-8", "replace")
        elif key:
            yield from state_pieces(key)
    yield "\n".join(log)
    yield from marks


def sentences(run: Run) -> list[str]:
    """What it says about its own end."""
    problems: Any = [text for problem in run.problems or [] for text in problem]
    failure: Any = list((run.failure or {}).values())
    texts = [run.error_message, run.note, run.order_key, run.trial_code or "", *problems, *failure]
    return [text if isinstance(text, str) else json.dumps(text, ensure_ascii=False) for text in texts if text]


def _small_states(ids: list[uuid.UUID]) -> dict[uuid.UUID, bytes]:
    rows = State.objects.filter(pk__in=ids, size__lt=SMALL, body__isnull=False)
    found = {}
    for key, codec, body in rows.values_list("pk", "codec", "body"):
        found[key] = unpacked(codec, bytes(body or b""))
    return found


def state_pieces(state_id: uuid.UUID) -> Iterator[str]:
    """A state piece by piece: the largest are never in memory as a whole, except as they are packed."""
    row = State.objects.filter(pk=state_id, body__isnull=False).values_list("codec", "body").first()
    if row is None:
        return
    codec, body = row[0], bytes(row[1] or b"")
    if codec != "zstd":
        yield body.decode("utf-8", "replace")
        return
    pieces = zstandard.ZstdDecompressor().read_to_iter(body, write_size=CHUNK)
    tail = ""
    for number, piece in enumerate(pieces):
        text = piece.decode("utf-8", "replace")
        # A name that is cut in two stands whole in the next piece; each says how it is escaped.
        yield f"[{tail}{text}" if number else text
        tail = text[-200:]
