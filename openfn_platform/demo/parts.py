"""What a demo is made of, as plain values: credentials, jobs and triggers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobs.models import Job
from triggers.specs import TriggerSpec

_JOBS = Path(__file__).with_name("jobs")


@dataclass(frozen=True, kw_only=True)
class DemoCredential:
    """A credential for one stand-in; `address` is the field that says where that is."""

    key: str  # also the alias in the jobs and the name of the adaptor
    name: str
    standin: str
    address: str
    values: Mapping[str, str]
    optional: bool = False  # without its stand-in the rest of the demo is loaded all the same


@dataclass(frozen=True, kw_only=True)
class DemoJob:
    """One job. Its file in `jobs/` has the name of its key."""

    key: str
    name: str
    workflow: str
    description: str
    connections: tuple[str, ...]
    settings: tuple[Mapping[str, Any], ...] = ()

    @property
    def code(self) -> str:
        return (_JOBS / f"{self.key.replace('-', '_')}.py").read_text("utf-8")


@dataclass(frozen=True, kw_only=True)
class DemoTrigger:
    """One trigger, with what it says once the jobs are there."""

    key: str
    name: str
    job: str
    follows: tuple[str, ...] = ()  # the jobs that its spec names
    spec: Callable[[Mapping[str, Job]], TriggerSpec]


def setting(key: str, label: str, default: str | list[str]) -> dict[str, Any]:
    """One setting of a job: a text or a list of texts."""
    kind = "text" if isinstance(default, str) else "list"
    return {"key": key, "label": label, "type": kind, "default": default}
