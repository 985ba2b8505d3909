"""Start and steer a stand-in from a test or from the demo.

with Standin.start("openmrs") as openmrs:
    httpx.get(openmrs.url + "/ws/rest/v1/session")
    openmrs.faults({"match": {"method": "POST"}, "times": 1, "action": {"status": 503}})
    assert len(openmrs.log(method="POST")) == 1
"""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from openfn_platform.demo.standins.control import PREFIX

STOP_SECONDS = 5


class StandinFailed(RuntimeError):
    """The stand-in did not start or refused a control call."""


class Standin:
    """A running stand-in; a context manager that leaves no process behind."""

    def __init__(self, kind: str, process: subprocess.Popen[str], url: str) -> None:
        self.kind = kind
        self.url = url
        self.process = process

    @classmethod
    def start(
        cls,
        kind: str,
        *,
        port: int = 0,
        data: Path | str | None = None,
        config: dict[str, Any] | None = None,
        die_with_parent: bool = True,
    ) -> Self:
        """Start one and wait until it listens."""
        command = [sys.executable, "-m", "openfn_platform.demo.standins", kind, "--port", str(port)]
        command += ["--data", str(Path(data).resolve())] if data is not None else []
        command += ["--config", json.dumps(config)] if config else []
        command += ["--die-with-parent"] if die_with_parent else []
        root = Path(__file__).resolve().parents[3]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root)  # noqa: S603
        line = process.stdout.readline() if process.stdout else ""
        if not line:
            code = process.wait()
            _close(process)
            raise StandinFailed(
                f"The {kind} stand-in ended with {code} before it listened; see its messages."
            )
        return cls(kind, process, json.loads(line)["url"])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> int:
        """End it and return its exit code; a second time changes nothing."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
        return self._ended()

    def kill(self) -> int:
        """End it as a power cut would."""
        self.process.kill()
        return self._ended()

    def log(self, *, method: str | None = None, path: str | None = None) -> list[dict[str, Any]]:
        """Requests so far, oldest first; only of a method, only with this text in the path."""
        entries: list[dict[str, Any]] = self.call("GET", "log")
        return [
            entry
            for entry in entries
            if (method is None or entry["method"] == method) and (path is None or path in entry["path"])
        ]

    def clear_log(self) -> None:
        """Forget the requests so far."""
        self.call("DELETE", "log")

    def state(self) -> dict[str, Any]:
        """What the partner remembers."""
        state: dict[str, Any] = self.call("GET", "state")
        return state

    def faults(self, *rules: dict[str, Any]) -> list[dict[str, Any]]:
        """Add rules (see `faults.py`); returns all rules with their counts."""
        described: list[dict[str, Any]] = self.call("POST", "faults", list(rules))
        return described

    def clear_faults(self) -> None:
        """Behave again."""
        self.call("DELETE", "faults")

    def slow(self, seconds: float) -> None:
        """Let every answer wait."""
        self.call("POST", "slow", {"seconds": seconds})

    def configure(self, **settings: Any) -> dict[str, Any]:
        """Turn the partner's settings; returns all of them."""
        config: dict[str, Any] = self.call("POST", "config", settings)
        return config

    def reset(self) -> None:
        """As new."""
        self.call("POST", "reset")

    def call(self, method: str, name: str, value: object = None) -> Any:
        """A control call, also one that only this partner knows."""
        data = None if value is None else json.dumps(value).encode()
        request = urllib.request.Request(self.url + PREFIX + name, data, method=method)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310  (our own loopback server)
                body = answer.read()
        except urllib.error.HTTPError as error:
            with error:
                raise StandinFailed(error.read().decode("utf-8", "replace")) from None
        return json.loads(body) if body else None

    def _ended(self) -> int:
        code = self.process.wait()
        _close(self.process)
        return code


def _close(process: subprocess.Popen[str]) -> None:
    if process.stdout is not None:
        process.stdout.close()
