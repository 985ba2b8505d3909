"""What a job may know: `run`, `settings`, `steps`, and `sync`, the memory of what was written where."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from jobs.language.channel import Channel
from jobs.language.contract import RunFacts
from jobs.language.encoding import encode
from jobs.language.errors import JobError, MissingName
from jobs.language.names import listed, meant
from jobs.language.state import ReadOnlyState


class Run:
    """Facts about this run; nothing can be changed."""

    __slots__ = (
        "attempt",
        "dry",
        "id",
        "idempotency_key",
        "job",
        "mode",
        "period",
        "project",
        "scheduled_for",
        "time_zone",
        "trigger",
        "work_order",
        "workflow",
    )

    def __init__(self, facts: RunFacts) -> None:
        def keep(name: str, value: object) -> None:
            object.__setattr__(self, name, value)

        for name in (
            "id",
            "attempt",
            "work_order",
            "project",
            "workflow",
            "job",
            "trigger",
            "mode",
            "time_zone",
        ):
            keep(name, getattr(facts, name))
        keep("idempotency_key", facts.idempotency_key)
        keep("dry", facts.mode == "dry")
        keep("scheduled_for", _moment(facts.scheduled_for, facts.time_zone))
        begin, end = facts.period or (None, None)
        keep(
            "period",
            (_moment(begin, facts.time_zone), _moment(end, facts.time_zone)) if facts.period else None,
        )

    def __setattr__(self, name: str, value: object) -> None:
        raise MissingName("`run` can only be read.")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise MissingName(
            f"`run` has no `{name}`; it has: {listed(self.__slots__)}{meant(name, self.__slots__)}"
        )


def _moment(text: str | None, zone: str) -> datetime | None:
    if text is None:
        return None
    moment = datetime.fromisoformat(text)
    try:
        return moment.astimezone(ZoneInfo(zone))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return moment  # the text has its own offset


class Settings(Mapping[str, Any]):
    """The job's declared settings, by attribute or key."""

    __slots__ = ("_values",)
    _values: Mapping[str, Any]

    def __init__(self, values: Mapping[str, Any]) -> None:
        object.__setattr__(self, "_values", values)

    def __getitem__(self, key: str) -> Any:
        try:
            return self._values[key]
        except KeyError:
            raise MissingName(
                f"This job has no setting `{key}`; it has: {listed(self._values)}{meant(str(key), self._values)}"
            ) from None

    def __getattr__(self, key: str) -> Any:
        if key.startswith("__"):
            raise AttributeError(key)
        return self[key]

    def __setattr__(self, key: str, value: object) -> None:
        raise MissingName("Settings are changed on the job's page, not by its code.")

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


class Steps(Mapping[str, ReadOnlyState]):
    """Final states of earlier jobs of this work order, asked for when used and then kept."""

    def __init__(self, *, names: Sequence[str], channel: Channel) -> None:
        self._names = tuple(names)
        self._channel = channel
        self._known: dict[str, ReadOnlyState] = {}

    def __getitem__(self, job: str) -> ReadOnlyState:
        if job not in self._names:
            raise MissingName(
                f'`steps["{job}"]` is no earlier job of this work order; there are: {listed(self._names)}'
                f"{meant(str(job), self._names)}"
            )
        if job not in self._known:
            state = self._channel.ask("step.state", {"job": job}).get("state")
            if not isinstance(state, dict):
                raise JobError(
                    f'`steps["{job}"]` has no final state: it did not run, or its state was removed.'
                )
            self._known[job] = ReadOnlyState(state, name=f'steps["{job}"]')
        return self._known[job]

    def __contains__(self, job: object) -> bool:
        return job in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


class Sync:
    """The echo guard of a two-way sync: a record that comes back as we wrote it is not news."""

    def __init__(self, *, channel: Channel, dry: bool) -> None:
        self._channel = channel
        self._dry = dry

    def wrote(self, system: str, id: object, content: Any) -> None:
        """Remember what was written; a dry run wrote nothing."""
        if not self._dry:
            self._channel.ask("echo.wrote", _mark(system, id, content))

    def came_from_us(self, system: str, id: object, content: Any) -> bool:
        """Whether exactly this content was written by us."""
        return bool(self._channel.ask("echo.came_from_us", _mark(system, id, content)).get("ours"))


def _mark(system: str, id: object, content: Any) -> dict[str, Any]:
    """Only a fingerprint leaves the process; the order of keys makes no difference."""
    plain = json.loads(encode(content, root="content"))
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"))
    return {"system": str(system), "id": str(id), "hash": hashlib.sha256(text.encode()).hexdigest()}
