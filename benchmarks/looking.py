"""(l) What roles and the audit cost the pages that people look at: a run, a message, the list of runs, a live log."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from benchmarks.figures import Figure, median, percentile
from benchmarks.harness import Stage

RUNS = 400
LINES = 50
WARM = 20
LISTS = 200
POLLS = 300
DEAREST = 1.10  # the goal: at most a tenth more than without


def measure(stage: Stage) -> Iterator[Figure]:
    count = RUNS // 10 if stage.quick else RUNS
    world = _scene(stage, count)
    member, free = _person(world), _free(world)
    runs = [str(row[0]) for row in stage.sql("SELECT id FROM run ORDER BY id")]
    messages = [str(row[0]) for row in stage.sql("SELECT id FROM message ORDER BY id")]
    lists, polls = (LISTS // 10, POLLS // 10) if stage.quick else (LISTS, POLLS)
    first = runs[0]
    questions = {
        "page of a run, its log, each for the first time": [f"/admin/runs/run/{key}/change/" for key in runs],
        "page of a message, its body, each for the first time": [
            f"/admin/triggers/message/{key}/change/" for key in messages
        ],
        "list of runs": ["/admin/runs/run/"] * lists,
        "next lines of a log that one looks on": [f"/admin/runs/run/{first}/log/?after={LINES - 1}"] * polls,
    }
    for what, addresses in questions.items():
        with_all, without = _in_turn(addresses, member, free)
        yield Figure(
            benchmark="l", what=f"{what}: p50", value=median(with_all) * 1000, unit="ms",
            yardstick=median(without) * 1000, yardstick_what="the same for a superuser, nothing audited",
            note=f"p95 {percentile(with_all, 95) * 1000:.1f} ms, yardstick {percentile(without, 95) * 1000:.1f} ms",
        )  # fmt: skip
        yield Figure(
            benchmark="l", what=f"{what}: times as long as without roles and audit",
            value=_times_as_long(with_all, without), unit="", goal=DEAREST, at_most=True,
        )  # fmt: skip
    written = stage.value("SELECT count(DISTINCT object_id) FROM audit_entry WHERE action = 'payload opened'")
    if written != len(runs) + len(messages):
        raise RuntimeError(f"{written} openings in the audit, not {len(runs) + len(messages)}")


def _times_as_long(with_all: list[float], without: list[float]) -> float:
    """The median of pairs that were asked one right after the other: what else goes on then touches both alike."""
    return median([mine / other for mine, other in zip(with_all, without, strict=True)])


Ask = Callable[[str], float]


def _in_turn(addresses: list[str], member: Ask, free: Ask) -> tuple[list[float], list[float]]:
    with_all, without = [], []
    for number, address in enumerate([*addresses[:WARM], *addresses]):
        pair = (free, member) if number % 2 else (member, free)
        if number < WARM:
            free(address)  # the templates are compiled; nobody has opened it
            continue
        took = {ask: ask(address) for ask in pair}
        with_all.append(took[member])
        without.append(took[free])
    return with_all, without


def _person(world: Any) -> Ask:
    """An operator who may see data, as most who look are."""
    from openfn_platform.projects.models import Membership, Role

    person = world.person(Role.OPERATOR)
    Membership.objects.filter(user=person).update(may_see_data=True)
    return _asking(person)


def _free(world: Any) -> Ask:
    """A superuser, for whom no role is looked up, and whose openings nobody writes down."""
    world.owner.is_superuser = True
    world.owner.save()
    ask = _asking(world.owner)

    def silently(address: str) -> float:
        with _nothing_audited():
            return ask(address)

    return silently


@contextmanager
def _nothing_audited() -> Iterator[None]:
    with mock.patch("runs.admin.pages.payload_opened"):
        yield


def _asking(person: Any) -> Ask:
    from django.test import Client

    client = Client(SERVER_NAME="127.0.0.1")
    client.force_login(person)

    def ask(address: str) -> float:
        began = time.perf_counter()
        answer = client.get(address)
        took = time.perf_counter() - began
        if answer.status_code != 200:
            raise RuntimeError(f"no page: {answer.status_code}")
        return took

    return ask


def _scene(stage: Stage, count: int) -> Any:
    from runs.models import LogLine, Run
    from tests.flows.world import World

    world = World()
    world.on_message(world.job())
    for number in range(count):
        world.post({"name": f"Patient {number}", "visits": [{"at": n, "kind": "check"} for n in range(10)]})
    stage.sql(
        "UPDATE run SET state = 'success', started_at = now(), finished_at = now(), final_id = input_id, log_lines = %s",
        LINES,
    )
    stage.sql("UPDATE work_order SET state = 'success'")
    for run in Run.objects.all():
        LogLine.objects.bulk_create(
            LogLine(
                project_id=run.project_id,
                run_id=run.pk,
                seq=seq,
                at=run.created_at,
                level="info",
                text="a line",
            )
            for seq in range(1, LINES + 1)
        )
    stage.sql("VACUUM ANALYZE")
    return world
