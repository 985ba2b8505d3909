"""One zygote for most tests, and short ways to run a piece of code in its children."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from jobs.language.contract import Request, RunFacts
from runs.sandbox.client import ZygoteClient
from runs.sandbox.limits import Limits
from runs.sandbox.logs import LogLine
from runs.sandbox.supervisor import Ended, supervise

EXECUTOR = "tests.runs.sandbox.executor"
FACTS = RunFacts(id="1", attempt=1, work_order="w", project="p", workflow="f", job="j")


def request_for(code: str, **values: Any) -> Request:
    return Request(language="test", code=code, run=FACTS, **values)


@dataclass
class Runner:
    """Runs code in a child; `lines` is the log of the last run."""

    zygote: ZygoteClient
    lines: list[LogLine] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)

    def __call__(
        self, code: str, *, state: bytes = b"{}", limits: Limits | None = None, **values: Any
    ) -> Any:
        self.lines.clear()
        self.batches.clear()
        request = values.pop("request", None) or request_for(code)
        values.setdefault("answer", lambda question, body: {"question": question, **body})
        return supervise(
            zygote=self.zygote,
            request=request,
            state=state,
            limits=limits or Limits(wall_seconds=30),
            on_log=self.keep,
            **values,
        )

    def keep(self, lines: list[LogLine]) -> None:
        self.lines += lines
        self.batches.append(len(lines))

    @property
    def text(self) -> list[str]:
        return [line.text for line in self.lines]


def answer_of(ended: Ended) -> dict[str, Any]:
    """What the job put into `answer`; shows why there is none."""
    assert ended.state is not None, (ended.result, ended.death)
    answer: dict[str, Any] = json.loads(ended.state)
    return answer


@pytest.fixture(scope="session")
def zygote() -> Iterator[ZygoteClient]:
    client = ZygoteClient(executor=EXECUTOR)
    client.start()
    yield client
    client.stop()


@pytest.fixture
def run(zygote: ZygoteClient) -> Runner:
    return Runner(zygote)
