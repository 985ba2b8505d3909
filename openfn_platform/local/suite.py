"""`manage.py test [--fast] [pytest arguments]`: linters, then pytest, against servers made for this one run.

Everything runs, also after a failure, so that one run tells all there is to mend. With DATABASE_URL set those
servers are used instead. The whole suite runs in two processes, file by file; what is named runs in one.
pytest comes last: its closing line is the last thing printed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

from openfn_platform.local.installing import CHECKOUT
from openfn_platform.local.processes import launched
from openfn_platform.local.servers import temporary_servers

CHECKED = ("manage.py", "openfn_platform", "jobs", "triggers", "runs", "tests", "benchmarks")
IMPORT_LINTER = "from importlinter.cli import lint_imports_command; lint_imports_command()"
LINTERS = {
    "ruff check": ("-m", "ruff", "check", "."),
    "ruff format": ("-m", "ruff", "format", "--check", "."),
    "mypy": ("-m", "mypy", "--no-error-summary"),
    "import-linter": ("-c", IMPORT_LINTER),
}
STOP_SECONDS = 30.0
# Whole files, because many of them start a server for themselves once; in the order that `tests/conftest.py` makes.
SIDE_BY_SIDE = ("-n", "2", "--dist", "loadfile", "--no-loadscope-reorder")


def main(arguments: list[str]) -> int:
    runner = Runner()
    with ExitStack() as cleanup:
        environment = {"PLATFORM_ENV": "development", **os.environ}
        if not os.environ.get("DATABASE_URL"):
            servers = cleanup.enter_context(temporary_servers())
            given_redis = os.environ.get("REDIS_URL")
            environment |= servers.environment | ({"REDIS_URL": given_redis} if given_redis else {})
        runner.listen(cleanup)
        failed: list[str] = []
        if "--fast" not in arguments:
            failed = [name for name, step in LINTERS.items() if runner.step(name, step, environment) != 0]
        tests = [argument for argument in arguments if argument != "--fast"]
        if failed:
            say(f"failed so far: {', '.join(failed)}; the tests follow")
        whole = all(argument.startswith("-q") for argument in tests) and (os.cpu_count() or 1) > 1
        lanes = SIDE_BY_SIDE if whole else ()
        code = runner.step("pytest", ("-m", "pytest", *lanes, *tests), environment)
    return 130 if runner.interrupted else code or (1 if failed else 0)


class Runner:
    """Runs one step after the other in the foreground, and ends the present one when we are asked to stop."""

    def __init__(self) -> None:
        self.interrupted = False
        self._step: subprocess.Popen[bytes] | None = None

    def listen(self, cleanup: ExitStack) -> None:
        """Handlers of our own, also where a background shell has SIGINT ignored."""
        for number in (signal.SIGINT, signal.SIGTERM):
            cleanup.callback(signal.signal, number, signal.signal(number, self._asked_to_stop))

    def step(self, name: str, arguments: tuple[str, ...], environment: dict[str, str]) -> int:
        if self.interrupted:
            return 130
        if name == "mypy":
            arguments += tuple(place for place in CHECKED if has_python(CHECKOUT / place))
        say(f"── {name} " + "─" * (70 - len(name)))
        began = time.monotonic()
        command = launched([sys.executable, *arguments], death_signal=signal.SIGTERM)
        with subprocess.Popen(command, cwd=CHECKOUT, env=environment) as self._step:  # noqa: S603  # no shell
            code = self._wait(self._step)
        if name != "pytest":
            say(f"{name}: {'passed' if code == 0 else 'FAILED'} in {time.monotonic() - began:.1f} s")
        return code

    def _wait(self, step: subprocess.Popen[bytes]) -> int:
        """Until it ends; from the moment we are asked to stop, no longer than it may take."""
        deadline = None
        while True:
            try:
                return step.wait(timeout=0.2)
            except subprocess.TimeoutExpired:
                if self.interrupted:
                    deadline = deadline or time.monotonic() + STOP_SECONDS
                    if time.monotonic() > deadline:
                        step.kill()

    def _asked_to_stop(self, number: int, frame: FrameType | None) -> None:
        self.interrupted = True
        # A terminal has sent Ctrl-C to the step as well; a second one would cut its cleaning up short.
        if self._step and not (number == signal.SIGINT and sys.stdin and sys.stdin.isatty()):
            self._step.send_signal(signal.SIGINT)


def has_python(place: Path) -> bool:
    """mypy refuses a folder without any."""
    return place.is_file() or any(place.rglob("*.py"))


def say(line: str) -> None:
    print(line, flush=True)
