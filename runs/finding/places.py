"""The places in which a person may be named. A further one is a class here and a line in PLACES.

    class Sketches(OwnPlace):
        name, label = "sketch", "Sketches"
        def find(self, asked): yield Hit(ref=…, title=…)      # where, never what
        def texts(self, ref): …                               # to show the words around, to those who may see data
        def erase(self, refs, *, marker, asked): …             # returns how many rows

A plain `Place` erases nothing itself: its rows came of an event, which is erased as a whole by `runs.erasing`.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

from django.db.models import Q, TextField, Value
from django.db.models.functions import Cast, Concat

from openfn_platform.projects.audit_upkeep import erasing
from openfn_platform.projects.models import AuditEntry
from runs.finding.place import MOST_FOUND, Asked, Hit, OwnPlace, Place
from runs.finding.table_places import TableHistory, TableRows, TableUploads
from runs.finding.texts import mail_texts, message_texts, run_texts, state_pieces
from runs.models import (
    EchoMark,
    HttpExchange,
    Incident,
    Memory,
    MemoryValue,
    Notification,
    Run,
    SearchPlace,
    SearchText,
    State,
    StateKind,
)
from runs.models.run import FINAL_STATES
from runs.retention.batches import execute
from runs.wiping import words_forget
from triggers.models import Message

AT_ONCE = 500


def _by_words(asked: Asked, place: SearchPlace) -> list[uuid.UUID]:
    rows = SearchText.objects.filter(project_id=asked.project.pk, place=place, words__have=asked.query)
    return sorted(set(rows.values_list("ref", flat=True)[:MOST_FOUND]))


class Messages(Place):
    name, label = "message", "Messages"

    def find(self, asked: Asked) -> Iterator[Hit]:
        keys = _by_words(asked, SearchPlace.MESSAGE)
        rows = Message.objects.filter(pk__in=keys, project=asked.project, body_wiped_at=None)
        for key, at, inbox in rows.order_by("id").values_list("pk", "created_at", "inbox__name"):
            yield Hit(ref=str(key), title=f"Message to {inbox}", at=at)

    def texts(self, ref: str) -> Iterator[str]:
        for texts in message_texts([uuid.UUID(ref)]).values():
            yield from texts


class Runs(Place):
    """States, logs, sentences and marks of runs that have ended; of the others the input."""

    name, label = "run", "Runs"

    def find(self, asked: Asked) -> Iterator[Hit]:
        keys = [*_by_words(asked, SearchPlace.RUN), *self._not_ended(asked)]
        rows = Run.objects.filter(pk__in=keys, project=asked.project, wiped_at=None).order_by("id")
        for key, at, job, attempt in rows.values_list("pk", "created_at", "job__name", "attempt"):
            again = f", attempt {attempt}" if attempt > 1 else ""
            yield Hit(ref=str(key), title=f"Run of {job}{again}", run=key, at=at)

    def _not_ended(self, asked: Asked) -> Iterator[uuid.UUID]:
        """Their words are not taken out yet. What a message started is found by the message, too."""
        rows = Run.objects.filter(project=asked.project, input__isnull=False).exclude(state__in=FINAL_STATES)
        for key, state in rows.order_by().values_list("pk", "input_id")[:MOST_FOUND]:
            if asked.in_texts(state_pieces(state)):
                yield key

    def texts(self, ref: str) -> Iterator[str]:
        for _, texts in run_texts(list(Run.objects.filter(pk=ref))):
            yield from texts


class Exchanges(Place):
    name, label = "exchange", "Traces"

    def find(self, asked: Asked) -> Iterator[Hit]:
        rows = HttpExchange.objects.filter(project_id=asked.project.pk, words__have=asked.query)
        columns = ("pk", "run_id", "at", "connection", "method")
        for key, run, at, connection, method in rows.order_by("id").values_list(*columns)[:MOST_FOUND]:
            yield Hit(ref=str(key), title=f"{method} by {connection or 'http'}", run=run, at=at)

    def texts(self, ref: str) -> Iterator[str]:
        for row in HttpExchange.objects.filter(pk=ref).values_list("url", "request_body", "response_body"):
            yield from (text for text in row if text)


class Mails(OwnPlace):
    name, label = "mail", "Mails"

    def find(self, asked: Asked) -> Iterator[Hit]:
        keys = _by_words(asked, SearchPlace.MAIL)
        rows = Notification.objects.filter(pk__in=keys, project=asked.project).order_by("id")
        for key, at, kind in rows.values_list("pk", "created_at", "kind"):
            yield Hit(ref=str(key), title=f"Mail ({kind})", at=at)

    def texts(self, ref: str) -> Iterator[str]:
        for texts in mail_texts([uuid.UUID(ref)]).values():
            yield from texts

    def erase(self, refs: Sequence[str], *, marker: str, asked: Asked | None) -> int:
        words_forget([uuid.UUID(ref) for ref in refs])
        return Notification.objects.filter(pk__in=refs).update(text=marker, subject=marker)


class Incidents(OwnPlace):
    name, label = "incident", "Incidents"

    def find(self, asked: Asked) -> Iterator[Hit]:
        rows = Incident.objects.filter(project=asked.project).order_by("id")
        for key, at, title, message in rows.values_list("pk", "opened_at", "title", "message").iterator():
            if asked.in_texts([title, message]):
                yield Hit(ref=str(key), title="Incident", at=at)

    def texts(self, ref: str) -> Iterator[str]:
        for row in Incident.objects.filter(pk=ref).values_list("title", "message"):
            yield from row

    def erase(self, refs: Sequence[str], *, marker: str, asked: Asked | None) -> int:
        return Incident.objects.filter(pk__in=refs).update(title=marker, message=marker)


class Memories(OwnPlace):
    """Present and earlier values. The present one becomes an empty object, or its job would not start any more."""

    name, label = "memory", "Memories"

    def find(self, asked: Asked) -> Iterator[Hit]:
        values = MemoryValue.objects.filter(project=asked.project).order_by("-id")
        columns = ("state_id", "at", "memory__trigger__name", "memory__job__name")
        for state, at, trigger, job in values.values_list(*columns).iterator():
            if asked.in_texts(state_pieces(state)):
                yield Hit(ref=str(state), title=f"Memory of {trigger} for {job}", at=at)

    def texts(self, ref: str) -> Iterator[str]:
        yield from state_pieces(uuid.UUID(ref))

    def erase(self, refs: Sequence[str], *, marker: str, asked: Asked | None) -> int:
        present = list(Memory.objects.filter(state_id__in=refs).values_list("state_id", flat=True))
        kept = execute(_MEMORY_EMPTY, [marker, present])
        return kept + execute(_STATE_GONE, [marker, [uuid.UUID(ref) for ref in refs], present])


_MEMORY_EMPTY = """
UPDATE state SET body = '{}', codec = 'raw', size = 2, digest = sha256('{}'), name = %s WHERE id = ANY(%s)
"""
_STATE_GONE = """
UPDATE state SET body = NULL, wiped_at = now(), name = %s WHERE id = ANY(%s) AND id <> ALL(%s)
"""


class SavedInputs(OwnPlace):
    name, label = "saved", "Saved inputs"

    def find(self, asked: Asked) -> Iterator[Hit]:
        rows = State.objects.filter(project=asked.project, kind=StateKind.SAVED, body__isnull=False)
        for key, at, name in rows.order_by("id").values_list("pk", "created_at", "name").iterator():
            if asked.in_texts([name]) or asked.in_texts(state_pieces(key)):
                yield Hit(ref=str(key), title="Saved input", at=at)

    def texts(self, ref: str) -> Iterator[str]:
        yield from state_pieces(uuid.UUID(ref))

    def erase(self, refs: Sequence[str], *, marker: str, asked: Asked | None) -> int:
        return execute(_STATE_GONE, [marker, [uuid.UUID(ref) for ref in refs], []])


class EchoMarks(OwnPlace):
    """Ids of partners' records. Their contents are kept as hashes, which say nothing."""

    name, label = "echo", "Echo marks"

    def find(self, asked: Asked) -> Iterator[Hit]:
        rows = EchoMark.objects.filter(project=asked.project).filter(_like(asked, "record"))
        for key, at, system, record in rows.values_list("pk", "at", "system", "record").iterator(
            chunk_size=5_000
        ):
            if asked.in_texts([record]):
                yield Hit(ref=str(key), title=f"Echo mark of {system}", at=at)

    def texts(self, ref: str) -> Iterator[str]:
        yield from EchoMark.objects.filter(pk=ref).values_list("record", flat=True)

    def erase(self, refs: Sequence[str], *, marker: str, asked: Asked | None) -> int:
        sql = "UPDATE echo_mark SET record = %s || ' ' || id, digest = sha256('') WHERE id = ANY(%s)"
        return execute(sql, [marker, [int(ref) for ref in refs]])


class AuditEntries(OwnPlace):
    """What deeds changed, and how things were called. Who did them and when cannot be changed."""

    name, label = "audit", "Audit"

    def find(self, asked: Asked) -> Iterator[Hit]:
        rows = AuditEntry.objects.filter(project=asked.project)
        rows = rows.alias(
            said=Concat(Cast("changes", TextField()), Value(" "), "object_name", output_field=TextField())
        )
        rows = rows.filter(_like(asked, "said")).order_by("id")
        for key, at, action, *said in rows.values_list(
            "pk", "at", "action", "object_name", "changes"
        ).iterator():
            if asked.in_texts(map(_text, said)):
                yield Hit(ref=str(key), title=f"Entry of the audit: {action}", at=at)

    def texts(self, ref: str) -> Iterator[str]:
        for row in AuditEntry.objects.filter(pk=ref).values_list("object_name", "changes"):
            yield from map(_text, row)

    def erase(self, refs: Sequence[str], *, marker: str, asked: Asked | None) -> int:
        with erasing():
            return AuditEntry.objects.filter(pk__in=refs).update(
                object_name=marker, changes={"erased": marker}
            )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _like(asked: Asked, column: str) -> Q:
    """Rows that the database cannot rule out: there may be millions, and hardly any is looked at closer."""
    wanted = Q(**{f"{column}__regex": "[^ -~]"})  # other letters than those of the words that were looked for
    for term in asked.terms:
        for word in (*term.whole, *term.beginnings):
            wanted |= Q(**{f"{column}__icontains": word})
        if term.phone:
            wanted |= Q(**{f"{column}__regex": r"\D*".join(term.phone)})
    return wanted


PLACES: tuple[Place, ...] = (
    Messages(),
    Runs(),
    Exchanges(),
    Memories(),
    SavedInputs(),
    Mails(),
    Incidents(),
    EchoMarks(),
    TableRows(),
    TableHistory(),
    TableUploads(),
    AuditEntries(),
)
BY_NAME = {place.name: place for place in PLACES}
