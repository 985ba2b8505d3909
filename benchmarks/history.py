"""A past for the benchmarks of retention and of finding a person: messages and what came of them, by the hundred thousand.

Written by the database itself, without checks of foreign keys: the ids are made to fit. Each stands for one minute of
the past, or for whatever `step` says.
"""

from __future__ import annotations

from typing import Any

import psycopg

from benchmarks.harness import Stage

# An id of version 7 that was made at the moment `at`.
_ID = """
(lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || substr(md5(random()::text), 1, 3)
 || '8' || substr(md5(random()::text || n), 1, 15))::uuid
"""
_EVENTS = f"""
CREATE UNLOGGED TABLE past AS
SELECT n, at, {_ID} AS message, {_ID} AS work_order, {_ID} AS run, {_ID} AS input, {_ID} AS final
FROM (SELECT n, %(since)s::timestamptz + n * %(step)s::interval AS at FROM generate_series(1, %(count)s::int) AS n) AS times
"""
_NAME = "'name' || (n %% 20000)"
_BODY = f'\'{{"form": {{"kind": "registration", "n": "\' || n || \'", "name": "\' || {_NAME} || \'", "note": "\' || repeat(md5(n::text) || \' \', 8) || \'"}}}}\''
_WORDS = f"array_to_tsvector(ARRAY['form', 'kind', 'registration', 'name', 'note', 'n' || n, {_NAME}, md5(n::text), 'inbox', 'content', 'type'])"

_MESSAGES = f"""
INSERT INTO message (id, created_at, project_id, inbox_id, content_type, size, digest, sender_key, matched, matching)
SELECT message, at, %(project)s, %(inbox)s, 'application/json', 300, sha256(n::text::bytea), '', true, '[]' FROM past;
INSERT INTO message_payload (message_id, received_at, method, path, query, headers, raw, body)
SELECT message, at, 'POST', '/inbox/x', '{{}}', '{{}}', convert_to({_BODY}, 'UTF8'), ({_BODY})::jsonb FROM past;
INSERT INTO search_text (project_id, place, ref, part, words) SELECT %(project)s, 'message', message, 0, {_WORDS} FROM past
"""
_RUNS = f"""
INSERT INTO work_order (id, created_at, project_id, workflow_id, cause, message_id, state, last_activity_at)
SELECT work_order, at, %(project)s, %(workflow)s, 'message', message, 'success', at FROM past WHERE n %% %(each)s = 0;
INSERT INTO run (id, created_at, project_id, workflow_id, work_order_id, job_id, matched_triggers, retry_kind, depth, mode,
    attempt, priority, order_key, run_at, state, worker, claims, probe, waits_for, confinement, claimed_at, started_at,
    finished_at, error_type, error_message, note, problems, problem_count, handled, dismissed_reason, input_id, final_id,
    log_lines, log_dropped)
SELECT run, at, %(project)s, %(workflow)s, work_order, %(job)s, '{{}}', '', 0, 'live', 1, 1, '', at, 'success', '', 1,
    false, '', '', at, at, at, '', '', '', '[]', 0, false, '', input, final, 2, 0 FROM past WHERE n %% %(each)s = 0;
INSERT INTO state (id, created_at, project_id, kind, codec, body, size, digest, name)
SELECT input, at, %(project)s, 'input', 'raw', convert_to({_BODY}, 'UTF8'), 300, sha256(n::text::bytea), ''
FROM past WHERE n %% %(each)s = 0;
INSERT INTO state (id, created_at, project_id, kind, codec, body, size, digest, name)
SELECT final, at, %(project)s, 'final', 'raw', convert_to({_BODY}, 'UTF8'), 300, sha256(n::text::bytea), ''
FROM past WHERE n %% %(each)s = 0;
INSERT INTO log_line (project_id, run_id, seq, at, level, text)
SELECT %(project)s, run, seq, at, 'info', 'wrote ' || {_NAME} FROM past, generate_series(1, 2) AS seq WHERE n %% %(each)s = 0;
INSERT INTO http_exchange (project_id, run_id, job_id, work_order_id, seq, at, connection, protocol, write, method, url,
    status, duration_ms, request_bytes, response_bytes, attempt, dry, error, request_body, words)
SELECT %(project)s, run, %(job)s, work_order, 1, at, 'partner', 'http', true, 'POST', 'https://partner.example/people/' || n,
    201, 90, 300, 20, 1, false, '', {_BODY}, {_WORDS} FROM past WHERE n %% %(each)s = 0;
INSERT INTO search_text (project_id, place, ref, part, words)
SELECT %(project)s, 'run', run, 0, {_WORDS} FROM past WHERE n %% %(each)s = 0
"""
ROWS_OF_MESSAGE = 3
ROWS_OF_RUN = 8
_INDEXES = ("search_text_words", "http_exchange_words")


def history_fill(
    stage: Stage, world: Any, job: Any, *, count: int, days_ago: float, step: str, runs_each: int = 1
) -> int:
    """So many messages, every `runs_each`-th with a run. Returns how many rows that are."""
    values: dict[str, Any] = {
        "project": world.project.pk,
        "inbox": world.inbox.pk,
        "workflow": world.workflow.pk,
        "job": job.pk,
        "each": runs_each,
        "count": count,
        "step": step,
        "since": stage.value("SELECT now() - %s * interval '1 day'", days_ago),
    }
    with psycopg.connect(
        stage.servers.database_url, autocommit=True, cursor_factory=psycopg.ClientCursor
    ) as link:
        for setting in ("session_replication_role = replica", "statement_timeout = 0"):
            link.execute(f"SET {setting}".encode())
        made = {name: link.execute(_DEFINITION, [name]).fetchone() for name in _INDEXES}
        for name in _INDEXES:  # as a restored dump does: these indexes at the end
            link.execute(f"DROP INDEX {name}".encode())
        for sql in (_EVENTS, *_MESSAGES.split(";"), *_RUNS.split(";")):
            link.execute(sql.encode(), values)
        link.execute("DROP TABLE past")
        for definition in made.values():
            link.execute(str((definition or [""])[0]).encode())
        link.execute("VACUUM ANALYZE")
    return count * ROWS_OF_MESSAGE + (count // runs_each) * ROWS_OF_RUN


_DEFINITION = "SELECT indexdef FROM pg_indexes WHERE indexname = %s"
