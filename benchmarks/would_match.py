"""(k) How long the API takes to say what a message would start, over 500 triggers: asked one by one, from end to end."""

from __future__ import annotations

import http.client
import json
import statistics
import time
from collections.abc import Iterator
from typing import Any

from benchmarks.figures import Figure
from benchmarks.harness import Stage

TRIGGERS = 500
FORMS = 250  # different kinds of form: two triggers want each of them
MESSAGE = {
    "form": {
        "@xmlns": "http://openrosa.org/formdesigner/form-7",
        "kind": "registration",
        "meta": {"instanceID": "x"},
    },
    "patient": {"name": "Jane Doe", "age": 31, "tags": ["new", "referred"], "facility": {"code": "F-12"}},
    "answers": [{"question": n, "value": f"answer {n}"} for n in range(20)],
}


def measure(stage: Stage) -> Iterator[Figure]:
    from openfn_platform.projects.models import Scope
    from openfn_platform.projects.tokens import token_create
    from tests.flows.world import World
    from triggers.explaining import reasons_against
    from triggers.listening import listening_at
    from triggers.matching import matches_any

    world = World()
    job = world.job()
    for number in range(TRIGGERS):
        kind = f"http://openrosa.org/formdesigner/form-{number % FORMS}"
        wanted = {"form": {"@xmlns": kind, "kind": "registration"}, "patient": {"tags": ["new"]}}
        world.on_message(job, inclusion=wanted, exclusion={"patient": {"facility": {"code": f"T-{number}"}}})
    _, token = token_create(project=world.project, name="benchmark", scopes=[Scope.READ_DATA], by=world.owner)
    listening = listening_at(address=world.inbox.address)
    assert listening is not None
    times = []
    for _ in range(20):
        began = time.perf_counter()
        for listener in listening.listeners:
            if not matches_any(MESSAGE, listener.criteria):
                reasons_against(MESSAGE, listener.criteria)
        times.append((time.perf_counter() - began) * 1000)
    bare = statistics.median(times)
    stage.start_web()
    first, took, answer = _ask(stage, token, times=100 if stage.quick else 1_000)
    starting = sum(trigger["matched"] for trigger in answer["triggers"])
    note = f"{len(answer['triggers'])} triggers told of, {starting} match; the first one, with nothing cached: {first:.0f} ms"
    what = f"would match, {TRIGGERS} triggers"
    yield Figure(
        benchmark="k", what=f"{what}: p50", value=took[len(took) // 2], unit="ms", yardstick=bare,
        yardstick_what="matching and explaining alone, in this process", goal=50, at_most=True, note=note,
    )  # fmt: skip
    yield Figure(
        benchmark="k",
        what=f"{what}: p99",
        value=took[len(took) * 99 // 100],
        unit="ms",
        goal=50,
        at_most=True,
    )
    left = int(stage.value("SELECT (SELECT count(*) FROM message) + (SELECT count(*) FROM refusal_count)"))
    yield Figure(
        benchmark="k", what=f"{what}: rows left behind", value=left, unit="rows", goal=0, at_most=True
    )


def _ask(stage: Stage, token: str, *, times: int) -> tuple[float, list[float], dict[str, Any]]:
    """(milliseconds of the first, of all others in order, what was told)."""
    body = json.dumps({"body": MESSAGE})
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    link = http.client.HTTPConnection("127.0.0.1", stage.port, timeout=30)
    took, content = [], b""
    for _ in range(times + 1):
        began = time.perf_counter()
        link.request("POST", "/api/v1/would-match", body, headers)
        answer = link.getresponse()
        content = answer.read()
        took.append((time.perf_counter() - began) * 1000)
        if answer.status != 200:
            raise RuntimeError(f"{answer.status}: {content[:300]!r}\n{stage.log_end()}")
    link.close()
    told: dict[str, Any] = json.loads(content)
    return took[0], sorted(took[1:]), told
