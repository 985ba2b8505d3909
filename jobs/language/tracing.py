"""How much of a run's exchanges leaves its process: the same bounds as are kept, so that a long job is not slowed down.

The supervisor keeps to bounds of its own and believes nothing of this.
"""

from __future__ import annotations

from typing import Any

from openfn_platform.common.tracing import BODY_BYTES, MARGIN, TOLD_BYTES, clipped, is_write

EXCHANGES = 2_000  # of one run, kept
BODIES_BYTES = 1_000_000  # of one run's writes together, and as much of its reads
LONGEST_ADDRESS = 2_000
LONGEST_SENTENCE = 300

_PLAIN = (
    "protocol", "write", "method", "status", "started", "duration_ms", "request_bytes", "response_bytes", "attempt",
    "dry", "request_cut", "response_cut",
)  # fmt: skip
_TEXTS = {"url": LONGEST_ADDRESS, "outcome": LONGEST_SENTENCE, "error": LONGEST_SENTENCE}


class Bounds:
    """Counts the exchanges of one run and what their bodies take."""

    def __init__(self) -> None:
        self._count = 0
        self._room = {True: BODIES_BYTES, False: BODIES_BYTES}

    def told(self, exchange: dict[str, Any]) -> dict[str, Any]:
        """The exchange as it leaves the process; beyond the number kept only that there was one."""
        self._count += 1
        if self._count > EXCHANGES:
            return {"unkept": True}
        record = {name: exchange[name] for name in _PLAIN if _is_plain(exchange.get(name))}
        for name, most in _TEXTS.items():
            if exchange.get(name) is not None:
                record[name] = str(exchange[name])[: most + MARGIN]
        return record | self._bodies(exchange)

    def _bodies(self, exchange: dict[str, Any]) -> dict[str, Any]:
        bodies = {
            side: exchange[f"{side}_body"]
            for side in ("request", "response")
            if isinstance(exchange.get(f"{side}_body"), str)
        }
        kind = is_write(exchange)
        if bodies and self._room[kind] <= 0:
            return {"over_budget": True}
        told: dict[str, Any] = {}
        for side, body in bodies.items():
            text, cut = clipped(body, TOLD_BYTES)
            self._room[kind] -= min(len(text), BODY_BYTES)  # what is kept of it
            told[f"{side}_body"] = text
            if cut:
                told[f"{side}_cut"] = True
        return told


def _is_plain(value: object) -> bool:
    return isinstance(value, (bool, int, float)) or (isinstance(value, str) and len(value) <= 100)
