"""The benchmarks: `python -m benchmarks [a b c …] [--quick] [--concurrency 24 48] [--json FILE]`.

Starts servers and product processes of its own on loopback, prints one row per figure, and leaves nothing behind.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

from benchmarks.figures import Figure, table
from benchmarks.harness import DEFAULT_CONCURRENCY, Stage, TooSlow, stage
from benchmarks.usage import Neighbours

MODULES = {
    "a": "inbox",
    "b": "runs",
    "c": "chain",
    "d": "latency",
    "e": "waiting",
    "f": "bigstate",
    "g": "claims",
    "h": "sent",
    "i": "reach",
    "j": "overhead",
    "k": "would_match",
    "l": "looking",
    "m": "pruning",
    "n": "person",
    "o": "bulk",
}


def main(arguments: list[str]) -> int:
    given = _options(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that everything is put away
    os.environ["PLATFORM_ENV"] = "development"
    load = ", ".join(f"{value:.2f}" for value in os.getloadavg())
    print(
        f"{os.cpu_count()} cores, load average {load}, Python {platform.python_version()}, {platform.release()}"
    )
    figures: list[Figure] = []
    failed: list[str] = []
    others: dict[str, float] = {}
    with stage(quick=given.quick, concurrency=tuple(given.concurrency)) as here:
        for letter in given.which or sorted(MODULES):
            print(f"({letter}) {MODULES[letter]} …", file=sys.stderr, flush=True)
            began = time.monotonic()
            with Neighbours() as neighbours:
                try:
                    figures.extend(_measure(letter)(here))
                except TooSlow as error:
                    failed.append(letter)
                    print(f"({letter}) FAILED: {error}", file=sys.stderr)
                finally:
                    here.reset()
            others[letter] = neighbours.share
            print(f"({letter}) took {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    print(table(figures))
    shares = ", ".join(f"({letter}) {share:.0%}" for letter, share in others.items())
    print(f"other programs took of the whole machine meanwhile: {shares}")
    missed = [figure for figure in figures if figure.reached is False]
    print(f"{sum(bool(figure.reached) for figure in figures)} goals reached, {len(missed)} not reached")
    if given.json:
        rows = [asdict(figure) | {"ratio": figure.ratio, "reached": figure.reached} for figure in figures]
        Path(given.json).write_text(json.dumps(rows, indent=1, ensure_ascii=False), "utf-8")
    return 1 if failed else 0


def _options(arguments: list[str]) -> argparse.Namespace:
    options = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    options.add_argument(
        "which", nargs="*", choices=[*sorted(MODULES), []], metavar="a…", help="default: all"
    )
    options.add_argument("--quick", action="store_true", help="a tenth of the work; goals mean little then")
    options.add_argument("--json", metavar="FILE", help="also write the figures there")
    options.add_argument(
        "--concurrency", type=int, nargs="+", default=[DEFAULT_CONCURRENCY], metavar="N",
        help=f"threads of the worker in (b) and (e), each in turn; default {DEFAULT_CONCURRENCY}",
    )  # fmt: skip
    return options.parse_args(arguments)


def _measure(letter: str) -> Callable[[Stage], Iterator[Figure]]:
    measure: Callable[[Stage], Iterator[Figure]] = import_module(f"benchmarks.{MODULES[letter]}").measure
    return measure


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
