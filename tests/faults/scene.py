"""What stands on the stage of the fault test: jobs that call a partner, flows, a schedule that is far behind."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from jobs.models import Job
from tests.flows.world import World

SLOTS = 30


@dataclass
class Scene:
    world: World
    other: World
    safe: Job
    slow: Job
    after: Job
    alert: Job
    scheduled: Job

    @property
    def address(self) -> uuid.UUID:
        return uuid.UUID(str(self.world.inbox.address))

    def switch_on(self) -> None:
        Job.objects.filter(project=self.world.project, state="paused").update(
            state="on", paused_reason="", crashes_in_a_row=0
        )


def scene_set(*, partner_port: int, safe: str, slow: str, canary: str) -> Scene:
    world, other = World("Under fire"), World("Somebody else")
    partner = {
        "partner": (
            "http",
            world.credential(
                "http", baseUrl=f"http://127.0.0.1:{partner_port}", username="u", password=canary
            ),
        )
    }
    jobs = {
        "safe": world.job(safe, key="safe", connections=partner, safe_to_run_again=True),
        "slow": world.job(slow, key="slow", connections=partner),
        "after": world.job("pass", key="after"),
        "alert": world.job("pass", key="alert"),
        "scheduled": world.job("state.count = state.get('count', 0) + 1", key="scheduled", max_concurrency=1),
    }
    world.on_message(jobs["safe"], inclusion={"kind": "safe"})
    world.on_message(
        jobs["safe"], inclusion={"kind": "safe"}, exclusion={"n": -1}
    )  # a second one that matches too
    world.on_message(jobs["slow"], inclusion={"kind": "slow"})
    world.on_end(jobs["safe"], "success", jobs["after"])
    world.on_end(jobs["safe"], "failure", jobs["alert"])
    start = timezone.now() - timedelta(minutes=SLOTS)
    world.on_schedule(
        jobs["scheduled"],
        schedule_kind="every",
        every_count=1,
        every_unit="minutes",
        starts_at=start,
        next_slot_at=start,
        catch_up="all",
    )
    other.on_message(other.job())
    return Scene(world=world, other=other, **jobs)
