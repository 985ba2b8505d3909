"""The control API under `/__standin__/`: how tests and the demo look into a stand-in and turn its knobs."""

from __future__ import annotations

from typing import Any

from openfn_platform.demo.standins.faults import BadRule, Faults
from openfn_platform.demo.standins.partner import BadSetting, Partner
from openfn_platform.demo.standins.requestlog import RequestLog
from openfn_platform.demo.standins.routing import Routes
from openfn_platform.demo.standins.wire import Answer, Request

PREFIX = "/__standin__/"


class Control:
    """Log, state, faults, speed and settings of one stand-in. Not logged, never faulty, never slow."""

    def __init__(self, partner: Partner, log: RequestLog, faults: Faults) -> None:
        self.partner, self.log, self.faults = partner, log, faults
        self.routes = Routes()
        self.routes.add(f"{PREFIX}log", GET=self.log_read, DELETE=self.log_clear)
        self.routes.add(f"{PREFIX}state", GET=self.state)
        self.routes.add(f"{PREFIX}reset", POST=self.reset)
        self.routes.add(
            f"{PREFIX}faults", GET=self.faults_read, POST=self.faults_add, DELETE=self.faults_clear
        )
        self.routes.add(f"{PREFIX}slow", GET=self.slow_read, POST=self.slow_set)
        self.routes.add(f"{PREFIX}config", GET=self.config_read, POST=self.config_set)

    def handle(self, request: Request) -> Answer:
        """Answer a control call; what is wrong with it is said in a sentence."""
        handler, _, exists = self.routes.find(request)
        try:
            if handler is not None:
                return handler(request)
            own = None if exists else self.partner.control(request, request.path.removeprefix(PREFIX))
        except (BadRule, BadSetting, ValueError) as error:
            return Answer.json(400, {"error": str(error)})
        return own or Answer.json(405 if exists else 404, {"error": "There is no such control."})

    def log_read(self, request: Request) -> Answer:
        """All requests, oldest first."""
        return Answer.json(200, self.log.entries())

    def log_clear(self, request: Request) -> Answer:
        """Forget the requests so far."""
        self.log.clear()
        return Answer(204)

    def state(self, request: Request) -> Answer:
        """What the partner remembers."""
        return Answer.json(200, self.partner.state())

    def reset(self, request: Request) -> Answer:
        """As new: records, settings, log, faults, speed."""
        self.partner.reset()
        self.log.clear()
        self.faults.clear()
        self.faults.slow = 0.0
        return Answer(204)

    def faults_read(self, request: Request) -> Answer:
        """The rules with their counts."""
        return Answer.json(200, self.faults.described())

    def faults_add(self, request: Request) -> Answer:
        """Add rules."""
        self.faults.add(request.json())
        return self.faults_read(request)

    def faults_clear(self, request: Request) -> Answer:
        """Behave again."""
        self.faults.clear()
        return Answer(204)

    def slow_read(self, request: Request) -> Answer:
        """Seconds that every answer waits."""
        return Answer.json(200, {"seconds": self.faults.slow})

    def slow_set(self, request: Request) -> Answer:
        """Let every answer wait."""
        seconds = _object(request).get("seconds")
        if not isinstance(seconds, int | float) or isinstance(seconds, bool) or seconds < 0:
            raise ValueError('Send {"seconds": a number from 0}.')
        self.faults.slow = float(seconds)
        return self.slow_read(request)

    def config_read(self, request: Request) -> Answer:
        """The partner's settings."""
        return Answer.json(200, self.partner.config)

    def config_set(self, request: Request) -> Answer:
        """Turn some of the partner's settings."""
        self.partner.configure(_object(request))
        return self.config_read(request)


def _object(request: Request) -> dict[str, Any]:
    value = request.json()
    if not isinstance(value, dict):
        raise ValueError("Send a JSON object.")
    return value
