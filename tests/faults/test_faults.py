"""The fault test: random kills under load, then the six promises by SQL."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.faults.product import ROOT


@pytest.mark.fault
def test_the_six_promises_hold_while_everything_is_killed_at_random() -> None:
    environment = {k: v for k, v in os.environ.items() if k not in {"DATABASE_URL", "REDIS_URL"}}
    played = subprocess.run(
        [sys.executable, "-m", "tests.faults.play", "--seed", "7"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    print(played.stdout)
    assert played.returncode == 0, played.stdout + played.stderr[-3000:]
