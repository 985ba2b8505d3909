"""Erasing a person: what was found loses what it says; rows and counts stay; a certificate says what was done.

An event is erased as a whole: a message that was found brings all runs of its work orders along, a run its message and
the other runs of the event, so that no copy of the name goes on living in a follow-up. Runs that have not ended are
waited for. The certificate names nobody: it has a number, and whom the data of those runs had been sent to, so that
staff can ask there, too.
"""

from __future__ import annotations

import secrets
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from openfn_platform.common.errors import Conflict, Invalid
from openfn_platform.common.text import one_line
from openfn_platform.projects.actors import By, as_actor, author_of
from openfn_platform.projects.auditing import audit
from runs.finding.place import Asked, OwnPlace
from runs.finding.places import BY_NAME
from runs.finding.searching import asked_of, require_sight
from runs.models import (
    Erasure,
    ErasureState,
    HttpExchange,
    PersonFind,
    PersonSearch,
    Run,
    SearchState,
    WorkOrder,
)
from runs.retention.batches import column, execute, rows
from runs.selectors.exchanges import origin
from runs.wiping import ACTIVE, MARKED, Wiped, payload_wipe

AT_ONCE = 100  # work orders of one transaction
_LETTERS = "23456789ABCDEFGHJKMNPQRSTVWXYZ"  # none that is taken for another


@transaction.atomic
def erasure_start(
    *,
    search: PersonSearch,
    finds: Iterable[int] | None = None,
    reason: str,
    keep_memories: bool = False,
    by: By,
) -> Erasure:
    """Erase what was found, all of it or these finds. It cannot be taken back. Housekeeping does the work."""
    require_sight(by, search.project)
    search = PersonSearch.objects.select_for_update().select_related("project").get(pk=search.pk)
    if search.state != SearchState.DONE:
        raise Conflict("This search has not ended, or found too much: there is nothing to erase by it.")
    under_way = Erasure.objects.filter(search_id=search.pk, state=ErasureState.WAITING).first()
    if under_way is not None:
        raise Conflict(f"An erasure by this search is under way: {under_way.number}.")
    if search.sealed is None:
        raise Conflict("What this search found was erased, and whom it was about is forgotten.")
    reason = _reason(reason, asked_of(search))
    chosen = PersonFind.objects.filter(search=search)
    if finds is not None:
        chosen = chosen.filter(pk__in=list(finds))
    todo = _todo(list(chosen), keep_memories=keep_memories)
    if not any(todo.values()):
        raise Invalid("Nothing was chosen.")
    erasure = Erasure.objects.create(
        project=search.project,
        number=_number(timezone.now()),
        search_id=search.pk,
        by=author_of(by),
        by_name=one_line(as_actor(by).name, 254),
        reason=reason,
        memories="keep" if keep_memories else "wipe",
        todo=todo,
    )
    counts = {name: len(refs) for name, refs in todo.items()}
    audit("person erased", by, project=search.project, target=erasure, changes={"reason": reason, **counts})
    return erasure


def _reason(text: str, asked: Asked) -> str:
    reason = one_line(text, 300)
    if not reason:
        raise Invalid("Say why: the certificate has to.", field="reason")
    if asked.hinted(reason):
        raise Invalid(
            "The reason names the person, and the certificate is kept. Say it without.", field="reason"
        )
    return reason


def _number(now: datetime) -> str:
    return f"E-{now:%Y%m%d}-{''.join(secrets.choice(_LETTERS) for _ in range(6))}"


# --- what belongs to it ---------------------------------------------------------------------------

Todo = dict[str, list[str]]


def _todo(finds: Sequence[PersonFind], *, keep_memories: bool) -> Todo:
    """The found rows of single places, and the events of the others."""
    todo: Todo = {}
    messages: set[uuid.UUID] = set()
    runs: set[uuid.UUID] = set()
    for find in finds:
        if find.place == "message":
            messages.add(uuid.UUID(find.ref))
        elif not isinstance(BY_NAME[find.place], OwnPlace):
            runs |= {find.run_id} if find.run_id else set()
        elif not (find.place == "memory" and keep_memories):
            todo.setdefault(find.place, []).append(find.ref)
    orders = set(Run.objects.filter(pk__in=runs).values_list("work_order_id", flat=True))
    of_orders = WorkOrder.objects.filter(pk__in=orders).exclude(message=None)
    messages |= set(of_orders.values_list("message_id", flat=True))
    orders |= set(WorkOrder.objects.filter(message_id__in=messages).values_list("pk", flat=True))
    todo["orders"] = sorted(map(str, orders))
    todo["messages"] = sorted(map(str, messages))
    return todo


# --- done by housekeeping -------------------------------------------------------------------------


def erasures_work() -> int:
    """Go on with what was begun. Returns how many are done now."""
    waiting = Erasure.objects.filter(state=ErasureState.WAITING).order_by("updated_at")
    return sum(erasure_work(erasure=erasure) for erasure in waiting)


def erasure_work(*, erasure: Erasure) -> bool:
    """Everything that can be erased now. True: that was all of it."""
    search = _search(erasure)
    asked = asked_of(search) if search is not None and search.sealed is not None else None
    looked: set[str] = set()
    while True:
        with transaction.atomic():
            erasure = Erasure.objects.select_for_update().get(pk=erasure.pk)
            _places_erase(erasure, asked)
            orders = [key for key in erasure.todo.get("orders", []) if key not in looked][:AT_ONCE]
            looked.update(orders)
            _orders_erase(erasure, orders)
            if not orders:
                _messages_erase(erasure, asked)
                _end(erasure, search)
            erasure.save()
        if not orders:
            return erasure.state == ErasureState.DONE


def _search(erasure: Erasure) -> PersonSearch | None:
    if erasure.search_id is None:
        return None
    return PersonSearch.objects.filter(pk=erasure.search_id).select_related("project").first()


def _places_erase(erasure: Erasure, asked: Asked | None) -> None:
    for name, place in BY_NAME.items():
        if name not in erasure.todo or not isinstance(place, OwnPlace):
            continue
        refs = erasure.todo.pop(name)
        _add(erasure, {name: place.erase(refs, marker=marker(erasure), asked=asked)})
        _list(erasure, name, [(ref, None) for ref in refs])


def marker(erasure: Erasure) -> str:
    """What stands where something was: it names the certificate, not the person."""
    return f"{MARKED}{erasure.number}"


_ENDED = """
SELECT o.id FROM work_order o WHERE o.id = ANY(%s)
AND NOT EXISTS (SELECT FROM run r WHERE r.work_order_id = o.id AND r.state = ANY(%s))
FOR NO KEY UPDATE OF o
"""


def _orders_erase(erasure: Erasure, orders: Sequence[str]) -> None:
    """Runs of those work orders that have ended; the others stay on the list."""
    ended = column(_ENDED, [[uuid.UUID(key) for key in orders], list(ACTIVE)]) if orders else []
    runs = list(Run.objects.filter(work_order_id__in=ended).order_by("id").values_list("pk", "created_at"))
    for begin in range(0, len(runs), 500):
        some = runs[begin : begin + 500]
        _recipients_note(erasure, [key for key, _ in some])
        _count(erasure, payload_wipe(runs=[key for key, _ in some], marker=marker(erasure)))
        _list(erasure, "run", some)
    # Runs may have a row that is older than their work order's end; there may be work orders without any.
    gone = {str(key) for key in ended}
    known = {str(key) for key in WorkOrder.objects.filter(pk__in=list(orders)).values_list("pk", flat=True)}
    erasure.todo["orders"] = [
        key
        for key in erasure.todo.get("orders", [])
        if key not in gone and (key in known or key not in orders)
    ]


def _messages_erase(erasure: Erasure, asked: Asked | None) -> None:
    """Messages of which no run goes on."""
    wanted = [uuid.UUID(key) for key in erasure.todo.get("messages", [])]
    left = {uuid.UUID(key) for key in erasure.todo.get("orders", [])}
    busy = set(WorkOrder.objects.filter(pk__in=left).values_list("message_id", flat=True))
    going = [key for key in wanted if key not in busy]
    for begin in range(0, len(going), 500):
        some = going[begin : begin + 500]
        keys_forget(some, asked, erasure)
        found = rows("SELECT id, created_at FROM message WHERE id = ANY(%s) ORDER BY id", [some])
        _count(erasure, payload_wipe(messages=some, marker=marker(erasure)))
        _list(erasure, "message", found)
    erasure.todo["messages"] = [str(key) for key in wanted if key in busy]


_KEYS = """
SELECT k.id, k.key FROM message m JOIN idempotency_key k
ON k.inbox_id = m.inbox_id AND k.source IN ('header', 'body') AND k.key = m.sender_key
WHERE m.id = ANY(%s) AND m.sender_key <> ''
"""


def keys_forget(messages: Sequence[uuid.UUID], asked: Asked | None, erasure: Erasure) -> None:
    """A sender's own id for a message is kept, so that a duplicate is known; unless it names the person."""
    naming = [key for key, text in rows(_KEYS, [list(messages)]) if asked is not None and asked.hinted(text)]
    execute("UPDATE idempotency_key SET key = %s || ' ' || id WHERE id = ANY(%s)", [marker(erasure), naming])


def _recipients_note(erasure: Erasure, runs: Sequence[uuid.UUID]) -> None:
    """To whom something went, before the addresses are wiped."""
    sent = HttpExchange.objects.filter(run_id__in=runs, dry=False, write=True).order_by("at")
    erasure.recipients += [
        {
            "at": at.isoformat(timespec="seconds"),
            "run": str(run),
            "connection": connection,
            "method": method,
            "system": origin(url) or protocol,
            "status": status if status is not None else outcome,
        }
        for at, run, connection, method, url, protocol, status, outcome in sent.values_list(
            "at", "run_id", "connection", "method", "url", "protocol", "status", "outcome"
        )
    ]


def _count(erasure: Erasure, done: Wiped) -> None:
    names = {"messages": "message", "runs": "run", "states": "state", "log_lines": "log line"}
    _add(erasure, {label: getattr(done, name) for name, label in names.items()} | {"trace": done.exchanges})


def _add(erasure: Erasure, counts: Mapping[str, int]) -> None:
    total = Counter(erasure.counts) + Counter(counts)
    erasure.counts = dict(sorted(total.items()))


def _list(erasure: Erasure, place: str, found: Iterable[tuple[Any, datetime | None]]) -> None:
    erasure.rows += [[place, str(ref), at.isoformat(timespec="seconds") if at else ""] for ref, at in found]


def _end(erasure: Erasure, search: PersonSearch | None) -> None:
    erasure.updated_at = timezone.now()
    if erasure.todo.get("orders") or erasure.todo.get("messages"):
        return
    erasure.state, erasure.todo, erasure.finished_at = ErasureState.DONE, {}, timezone.now()
    # Now nobody needs to know any more who it was.
    PersonFind.objects.filter(search=search).delete()
    if search is not None:
        PersonSearch.objects.filter(pk=search.pk).update(sealed=None, progress="", finished_at=Now())
