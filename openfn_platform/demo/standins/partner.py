"""What every stand-in is: a partner system with a memory, settings that a test can turn, and one door."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from openfn_platform.demo.standins.store import Store
from openfn_platform.demo.standins.wire import Answer, Request


class BadSetting(ValueError):
    """This partner has no such setting."""


@dataclass(frozen=True)
class Callback:
    """A request that the partner itself will make, in so many seconds.

    Without a 2xx it is made again, `tries` times in all: the first time `again` seconds later, then after twice as
    long, and so on.
    """

    after: float
    url: str
    body: bytes
    headers: Mapping[str, str]
    tries: int = 1
    again: float = 1.0
    method: str = "POST"


class Partner(ABC):
    """Base of the stand-ins. A subclass names its settings, fills its memory and answers requests."""

    kind: ClassVar[str]
    settings: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, store: Store, config: Mapping[str, Any] | None = None) -> None:
        self.store = store
        self.config: dict[str, Any] = dict(self.settings)
        self.configure(config or {})
        self.call_later: Callable[[Callback], None] = lambda callback: None
        if not store.restored:
            self.seed()

    def configure(self, changes: Mapping[str, Any]) -> None:
        """Turn settings; a name that the partner does not have is refused."""
        for name in changes:
            if name not in self.settings:
                raise BadSetting(f"{self.kind} has no setting `{name}`; it has: {', '.join(self.settings)}.")
        self.config.update(changes)

    def reset(self) -> None:
        """As new: first records and settings."""
        self.store.clear()
        self.config = dict(self.settings)
        self.seed()

    def seed(self) -> None:  # noqa: B027  # a new installation may be empty
        """Put in what a new installation has."""

    def state(self) -> dict[str, Any]:
        """What a test may want to look at."""
        return dict(self.store.snapshot())

    def control(self, request: Request, name: str) -> Answer | None:
        """A control call that only this partner knows; None when it does not."""
        return None

    @abstractmethod
    def handle(self, request: Request) -> Answer:
        """Answer a request as the real system does."""
