"""Wiping: what was said goes, that something happened stays.

Takes bodies, states, logs and traces away, for retention and for erasing a person; projects that keep no payloads are
wiped by `runs.wiping`, as soon as nothing needs them any more. Rows, times, outcomes, sizes and counts are kept, so that history and statistics still add up;
of an exchange it stays known which system was spoken to, how and when. Saved inputs and memories are not wiped here:
they are nobody's past, somebody keeps them on purpose.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from typing import Any

from django.db import connection, transaction

Ids = Sequence[uuid.UUID]

AT_ONCE = 1_000  # messages and runs of one call: a transaction that others hardly notice
MARKED = "Erased: "  # before the number of the certificate, where something was erased on purpose
ACTIVE = ("available", "claimed", "started")


@dataclass(frozen=True, kw_only=True)
class Wiped:
    """How many rows lost what they said."""

    messages: int = 0
    runs: int = 0
    states: int = 0
    log_lines: int = 0
    exchanges: int = 0

    def __add__(self, other: Wiped) -> Wiped:
        return Wiped(
            **{each.name: getattr(self, each.name) + getattr(other, each.name) for each in fields(self)}
        )


@transaction.atomic
def payload_wipe(*, messages: Ids = (), runs: Ids = (), sentences: bool = True, marker: str = "") -> Wiped:
    """Take away what these messages and runs hold. Bounded: at most AT_ONCE of both together.

    A run that has not ended is passed over, and so is a state that such a run still needs. A retry or follow-up that
    waits needs its input alone, but a job may ask for the final states of earlier runs of its work order: who calls
    chooses work orders that have ended.

    `sentences`: also the error's text, the note and the problems of a run; without, staff still read why it failed.
    `marker`: what stands in the place of the bodies, for those that were erased on purpose. Without one the rows that
    are nothing but text are deleted.
    """
    if len(messages) + len(runs) > AT_ONCE:
        raise ValueError(f"At most {AT_ONCE} at once, not {len(messages) + len(runs)}.")
    done = Wiped()
    if messages:
        done += Wiped(messages=_messages(messages, marker))
    if runs:
        done += _runs(runs, sentences, marker)
    return done


# --- messages -------------------------------------------------------------------------------------

_MESSAGE = "UPDATE message SET body_wiped_at = now() WHERE id = ANY(%s) AND body_wiped_at IS NULL"
_PAYLOAD_GONE = "DELETE FROM message_payload WHERE message_id = ANY(%s)"
_PAYLOAD_MARKED = """
UPDATE message_payload SET raw = convert_to(%s, 'UTF8'), body = to_jsonb(%s::text), query = '{}', headers = '{}'
WHERE message_id = ANY(%s)
"""


def _messages(ids: Ids, marker: str) -> int:
    words_forget(ids)
    keys = sorted(ids)  # the same order for everybody: two that wipe do not wait for each other in a circle
    count = _execute(_MESSAGE, [keys])
    if marker:
        _execute("UPDATE message SET sender_key = '' WHERE id = ANY(%s) AND sender_key <> ''", [keys])
        _execute(_PAYLOAD_MARKED, [marker, marker, keys])
    else:
        _execute(_PAYLOAD_GONE, [keys])
    return count


# --- runs -----------------------------------------------------------------------------------------

_ENDED = """
SELECT id, project_id, input_id, final_id FROM run
WHERE id = ANY(%s) AND state <> ALL(%s) ORDER BY id FOR NO KEY UPDATE
"""
_SENTENCES = """
, error_message = '', failure = NULL, note = '', problems = '[]', trial_code = NULL, waits_for = '', order_key = ''
"""
_RUN = "UPDATE run SET wiped_at = now(){sentences} WHERE id = ANY(%s)"
# In two halves, as the partial indexes are: the database cannot see that they are one set.
_HELD = """
SELECT input_id FROM run WHERE state = 'available' AND project_id = ANY(%(projects)s) AND input_id = ANY(%(states)s)
UNION SELECT input_id FROM run
WHERE state IN ('claimed', 'started') AND project_id = ANY(%(projects)s) AND input_id = ANY(%(states)s)
"""
_STATE = """
UPDATE state SET body = NULL, wiped_at = now(), name = %s
WHERE id = ANY(%s) AND kind IN ('input', 'final', 'partial') AND body IS NOT NULL
"""
_LINES_GONE = "DELETE FROM log_line WHERE run_id = ANY(%s)"
_LINES_BLANK = "UPDATE log_line SET text = '' WHERE run_id = ANY(%s) AND text <> ''"
# Of the address the system stays: `https://user@host:8080/person/7?name=x` is `https://host:8080`.
_EXCHANGES = r"""
UPDATE http_exchange SET request_body = NULL, response_body = NULL, words = NULL, error = '',
    url = coalesce(substring(url from '^[A-Za-z][A-Za-z0-9+.-]*://'), '')
          || coalesce(substring(url from '^[A-Za-z][A-Za-z0-9+.-]*://(?:[^/?#@]*@)?([^/?#@]*)'), '')
WHERE run_id = ANY(%s)
"""
_ONCE = "UPDATE once_mark SET result = NULL WHERE run_id = ANY(%s) AND result IS NOT NULL"
_ONCE_MARKED = "UPDATE once_mark SET result = NULL, key = %s || ' ' || id::text WHERE run_id = ANY(%s)"


def _runs(ids: Ids, sentences: bool, marker: str) -> Wiped:
    with connection.cursor() as cursor:
        cursor.execute(_ENDED, [sorted(ids), list(ACTIVE)])
        rows = cursor.fetchall()
    keys = [row[0] for row in rows]
    if not keys:
        return Wiped()
    _execute(_RUN.format(sentences=_SENTENCES if sentences else ""), [keys])
    if marker:
        _execute(_ONCE_MARKED, [marker, keys])
    else:
        _execute(_ONCE, [keys])
    words_forget(keys)
    return Wiped(
        runs=len(keys),
        states=_states({row[1] for row in rows}, {key for row in rows for key in row[2:] if key}, marker),
        log_lines=_execute(_LINES_BLANK if marker else _LINES_GONE, [keys]),
        exchanges=_execute(_EXCHANGES, [keys]),
    )


def states_held(*, projects: Collection[uuid.UUID], states: Collection[uuid.UUID]) -> set[uuid.UUID]:
    """Those that a run needs which has not ended: a retry or follow-up that waits, a run that was started again."""
    with connection.cursor() as cursor:
        cursor.execute(_HELD, {"projects": list(projects), "states": list(states)})
        return {row[0] for row in cursor.fetchall()}


def words_forget(refs: Ids) -> None:
    """What messages, runs and mails were found by. It goes with what they said."""
    _execute("DELETE FROM search_text WHERE ref = ANY(%s)", [list(refs)])


def _states(projects: set[uuid.UUID], states: set[uuid.UUID], marker: str) -> int:
    if not states:
        return 0
    return _execute(_STATE, [marker[:120], sorted(states - states_held(projects=projects, states=states))])


def _execute(sql: str, values: Any) -> int:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return int(cursor.rowcount)
