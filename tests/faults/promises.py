"""The six promises of the platform, each as a query that finds what breaks it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import connection

from tests.faults.scene import SLOTS, Scene

if TYPE_CHECKING:
    from tests.faults.play import Partner, Senders

OPEN = "('available', 'claimed', 'started')"
FAILED = "('failed', 'crashed', 'killed', 'exception', 'lost')"


def query(sql: str, *values: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return list(cursor.fetchall())


def count(sql: str, *values: Any) -> int:
    return int(query(sql, *values)[0][0])


def waiting() -> int:
    try:
        return count(f"SELECT count(*) FROM run WHERE state IN {OPEN}")
    except Exception:
        connection.close()
        return 1


def broken_promises(
    *, scene: Scene, senders: Senders, partner: Partner, lease: int, canary: str
) -> tuple[list[str], int]:
    """(what is broken, how many rows were looked at)."""
    found: list[str] = []
    rows = sum(
        count(f"SELECT count(*) FROM {table}")
        for table in ("message", "run", "work_order", "slot", "notification")
    )
    found += accepted_is_stored(senders)
    found += every_run_ends(lease)
    found += nothing_runs_twice_silently(partner)
    found += follow_ups_once(scene)
    found += slots_once(scene)
    found += nobody_elses_business(scene, canary)
    return found, rows


def accepted_is_stored(senders: Senders) -> list[str]:
    """1. A message answered with 2xx is stored, with everything that it must start."""
    found = []
    stored = {
        str(message): (orders, runs)
        for message, orders, runs in query(
            "SELECT m.id, count(DISTINCT w.id), count(r.id) FROM message m LEFT JOIN work_order w ON w.message_id = m.id "
            "LEFT JOIN run r ON r.work_order_id = w.id AND r.parent_id IS NULL AND r.retry_of_id IS NULL GROUP BY 1"
        )
    }
    for number, answers in senders.accepted.items():
        ids = {answer["message"] for answer in answers}
        if not ids:
            found.append(f"1: message {number} was never accepted")
        elif len(ids) > 1:
            found.append(f"1: message {number} was stored {len(ids)} times")
        elif stored.get(next(iter(ids))) != (1, 1):
            found.append(f"1: message {number} has (work orders, runs) = {stored.get(next(iter(ids)))}")
        elif answers[0] != answers[-1]:
            found.append(f"1: message {number} got two different answers")
    if len(stored) != sum(bool(a) for a in senders.accepted.values()):
        found.append(f"1: {len(stored)} messages stored, {len(senders.accepted)} sent")
    return found


def every_run_ends(lease: int) -> list[str]:
    """2. Every run reaches a terminal state; every work order follows."""
    old = count(
        f"SELECT count(*) FROM run WHERE state IN ('claimed', 'started') AND lease_until < now() - interval '{lease} s'"
    )
    open_orders = count("SELECT count(*) FROM work_order WHERE state IN ('pending', 'running')")
    return [f"2: {old} runs outlived their lease"] * bool(old) + [
        f"2: {open_orders} work orders stay open"
    ] * bool(open_orders)


def nothing_runs_twice_silently(partner: Partner) -> list[str]:
    """3. Each execution is its own run row; attempts count up without gaps."""
    found = [
        f"3: run {run} called the partner {times} times" for run, times in partner.calls.items() if times > 1
    ]
    started = {str(row[0]) for row in query("SELECT id FROM run WHERE started_at IS NOT NULL")}
    found += [
        f"3: run {run} called the partner and says that it never started"
        for run in partner.calls
        if run not in started
    ]
    wrong = count(
        "SELECT count(*) FROM run r JOIN run p ON p.id = r.retry_of_id WHERE r.attempt <> p.attempt + 1 OR p.state IN "
        + OPEN
    )
    twice = count(
        "SELECT count(*) FROM (SELECT retry_of_id FROM run WHERE retry_of_id IS NOT NULL GROUP BY 1 HAVING count(*) > 1) t"
    )
    return (
        found
        + [f"3: {wrong} attempts do not follow the one before"] * bool(wrong)
        + [f"3: {twice} runs have two retries"] * bool(twice)
    )


def follow_ups_once(scene: Scene) -> list[str]:
    """4. Follow-up runs and mails exist exactly once per cause."""
    found = []
    for upstream, downstream, states in (
        (scene.safe, scene.after, "('success')"),
        (scene.safe, scene.alert, FAILED),
    ):
        wrong = query(
            f"SELECT r.id, count(c.id) FROM run r LEFT JOIN run c ON c.parent_id = r.id AND c.retry_of_id IS NULL AND c.job_id = %s "
            f"WHERE r.job_id = %s AND r.state IN {states} AND NOT EXISTS (SELECT 1 FROM run n WHERE n.retry_of_id = r.id) "
            "GROUP BY 1 HAVING count(c.id) <> 1",
            downstream.pk,
            upstream.pk,
        )
        found += [f"4: run {run} has {number} follow-ups to {downstream.key}" for run, number in wrong]
    early = count(
        "SELECT count(*) FROM run c JOIN run p ON p.id = c.parent_id JOIN run n ON n.retry_of_id = p.id"
    )
    mails = count(
        "SELECT count(*) FROM (SELECT 1 FROM notification GROUP BY kind, cause, recipient HAVING count(*) > 1) t"
    )
    unsent = count(
        "SELECT count(*) FROM notification WHERE state = 'waiting' AND created_at < now() - interval '20 s' AND next_try_at < now() - interval '20 s'"
    )
    silent = count(
        "SELECT count(*) FROM incident i WHERE NOT EXISTS (SELECT 1 FROM notification n WHERE n.incident_id = i.id AND n.kind = 'opened')"
    )
    return (
        found
        + [f"4: {early} follow-ups of an attempt that was not the last"] * bool(early)
        + [f"4: {mails} mails stand twice"] * bool(mails)
        + [f"4: {unsent} mails were never sent"] * bool(unsent)
        + [f"4: {silent} incidents told nobody"] * bool(silent)
    )


def slots_once(scene: Scene) -> list[str]:
    """5. A slot makes at most one work order; every missed slot was run or recorded."""
    found = []
    slots = count("SELECT count(*) FROM slot")
    if slots < SLOTS:
        found.append(f"5: {slots} of at least {SLOTS} slots are recorded")
    gaps = count(
        "SELECT count(*) FROM (SELECT at - lag(at) OVER (ORDER BY at) AS step FROM slot) t WHERE step <> interval '1 minute'"
    )
    orders = count(
        "SELECT count(*) FROM slot s WHERE state = 'fired' AND (SELECT count(*) FROM work_order w WHERE w.slot_id = s.id) <> 1"
    )
    return (
        found
        + [f"5: {gaps} gaps between slots"] * bool(gaps)
        + [f"5: {orders} slots without exactly one work order"] * bool(orders)
    )


def nobody_elses_business(scene: Scene, canary: str) -> list[str]:
    """6. Nothing crosses projects; no secret stands in a log, an error, a note or a mail."""
    foreign = count(
        "SELECT count(*) FROM run r JOIN job j ON j.id = r.job_id JOIN work_order w ON w.id = r.work_order_id "
        "WHERE r.project_id <> j.project_id OR r.project_id <> w.project_id OR r.project_id = %s",
        scene.other.project.pk,
    )
    told = sum(
        count(f"SELECT count(*) FROM {table} WHERE strpos({column}, %s) > 0", canary)
        for table, column in (
            ("log_line", "text"),
            ("run", "error_message"),
            ("run", "note"),
            ("notification", "text"),
            ("http_exchange", "url"),
            ("http_exchange", "coalesce(request_body, '')"),
        )
    )
    return [f"6: {foreign} rows cross projects"] * bool(foreign) + [
        f"6: the canary was told {told} times"
    ] * bool(told)
