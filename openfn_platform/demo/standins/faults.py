"""Fault rules: how a test or a demo makes a partner misbehave.

A rule is JSON: `{"match": {"method", "path_regex", "body_contains"}, "times": N|null, "after": N, "action": {…}}`.
The first rule that matches and is not used up acts. Actions, which can be combined:

    delay                   wait so many seconds, then go on
    status, body, headers   with a status: answer this, nothing is processed;
                            without: process, but replace the body, add the headers
    wrong_json              process, then answer half of the JSON (or the text given)
    drip                    process, then send one byte every so many seconds
    drop_before             close without processing
    drop_after_processing   process, then close without an answer
    hang                    neither process nor answer until the caller gives up
    reset                   as drop_before, but with a TCP reset
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from openfn_platform.demo.standins.wire import Answer, Request

ACTIONS = {
    "delay": (int, float),
    "status": (int,),
    "body": (str, dict, list, int, float, bool, type(None)),
    "headers": (dict,),
    "wrong_json": (bool, str),
    "drip": (int, float),
    "drop_before": (bool,),
    "drop_after_processing": (bool,),
    "hang": (bool,),
    "reset": (bool,),
}
MATCHES = ("method", "path_regex", "body_contains")


class BadRule(ValueError):
    """This is not a fault rule."""


@dataclass
class Rule:
    """One rule and how often it was met."""

    method: str | None
    path: re.Pattern[str] | None
    body_contains: str | None
    times: int | None
    after: int
    action: dict[str, Any]
    seen: int = 0
    used: int = 0

    def meets(self, request: Request) -> bool:
        """Whether the request is one that the rule speaks of."""
        return (
            (self.method is None or self.method == request.method)
            and (self.path is None or self.path.search(request.path) is not None)
            and (self.body_contains is None or self.body_contains in request.text)
        )

    def take(self) -> bool:
        """Count a request that it speaks of; whether the rule acts on this one."""
        self.seen += 1
        if self.seen <= self.after or (self.times is not None and self.used >= self.times):
            return False
        self.used += 1
        return True

    def described(self) -> dict[str, Any]:
        """The rule as JSON, with its counts."""
        match = {
            "method": self.method,
            "path_regex": self.path.pattern if self.path else None,
            "body_contains": self.body_contains,
        }
        return {
            "match": {name: value for name, value in match.items() if value is not None},
            "times": self.times,
            "after": self.after,
            "action": self.action,
            "seen": self.seen,
            "used": self.used,
        }


class Faults:
    """The rules in force and the delay of the whole server."""

    def __init__(self) -> None:
        self._rules: list[Rule] = []
        self.slow = 0.0

    def add(self, rules: object) -> None:
        """Add rules after those in force; none is added when one is wrong."""
        if not isinstance(rules, list):
            raise BadRule("Send a list of rules.")
        self._rules += [rule_from(rule) for rule in rules]

    def action_for(self, request: Request) -> dict[str, Any] | None:
        """What is to go wrong with this request."""
        for rule in self._rules:
            if rule.meets(request) and rule.take():
                return rule.action
        return None

    def clear(self) -> None:
        """Behave again."""
        self._rules.clear()

    def described(self) -> list[dict[str, Any]]:
        """All rules as JSON."""
        return [rule.described() for rule in self._rules]


def rule_from(rule: object) -> Rule:
    """A rule from JSON; `BadRule` says what is wrong with it."""
    if not isinstance(rule, dict):
        raise BadRule("A rule is an object.")
    match, action = rule.get("match") or {}, rule.get("action")
    _known("rule", rule, ("match", "times", "after", "action"))
    _known("match", match, MATCHES)
    if not isinstance(action, dict) or not action:
        raise BadRule("A rule needs an action.")
    _known("action", action, tuple(ACTIONS))
    for name, value in action.items():
        if not isinstance(value, ACTIONS[name]):
            raise BadRule(f"`{name}` cannot be {value!r}.")
    try:
        path = re.compile(match["path_regex"]) if match.get("path_regex") else None
    except re.error as error:
        raise BadRule(f"`path_regex` is not a pattern: {error}.") from error
    return Rule(
        method=match["method"].upper() if match.get("method") else None,
        path=path,
        body_contains=match.get("body_contains"),
        times=rule.get("times"),
        after=rule.get("after") or 0,
        action=action,
    )


def canned(action: dict[str, Any]) -> Answer:
    """The answer of a rule with a status of its own."""
    body, kind = _body(action.get("body", ""))
    return Answer(action["status"], body, {"Content-Type": kind, **(action.get("headers") or {})})


def spoilt(action: dict[str, Any], answer: Answer) -> Answer:
    """The real answer as the rule lets it out."""
    body = answer.body
    headers = {**answer.headers, **(action.get("headers") or {})}
    if "body" in action:
        body, _ = _body(action["body"])
    if action.get("wrong_json"):
        text = action["wrong_json"]
        body = text.encode() if isinstance(text, str) else body[: len(body) // 2] or b"{"
    return Answer(answer.status, body, headers)


def _body(value: object) -> tuple[bytes, str]:
    if isinstance(value, str):
        return value.encode(), "text/html" if value.lstrip().startswith("<") else "text/plain"
    return json.dumps(value).encode(), "application/json"


def _known(what: str, value: object, names: tuple[str, ...]) -> None:
    if not isinstance(value, dict):
        raise BadRule(f"The {what} is an object.")
    for name in value:
        if name not in names:
            raise BadRule(f"The {what} has no `{name}`; it has: {', '.join(names)}.")
