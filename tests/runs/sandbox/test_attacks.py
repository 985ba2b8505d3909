"""What the level "process" promises: every attack gets through with the doors open and fails with them closed.

The control runs the same code as the same user, so that no attack can fail merely because it is badly written.
Everything is tried as root (if we are), whose jobs get a user of their own, and as an ordinary user, whose jobs
keep that user: there Landlock and seccomp have to do alone what a change of user does for root.
"""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from runs.sandbox import shelves
from tests.runs.sandbox.attacks import ATTACKS

CHECKOUT = Path(shelves.CHECKOUT)
ORDINARY_UID = 65432
NEEDED = [*shelves.OWN, "tests/__init__.py", "tests/runs/__init__.py", "tests/runs/sandbox"]
# Machines differ in whether they let anybody do these things at all.
OPTIONAL = {"make a user namespace", "read its memory through proc", "read its memory by a system call"}
LEAVES_NO_TRACE = "leave a process behind"

users = pytest.mark.parametrize("user", ["root", "ordinary"])


@pytest.fixture(scope="module")
def shared() -> Iterator[Path]:
    """A copy of what the attacks need, where every user can read it."""
    folder = Path(tempfile.mkdtemp(prefix="openfn-shared-"))
    try:
        for name in NEEDED:
            source, target = CHECKOUT / name, folder / "checkout" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            copy = shutil.copytree if source.is_dir() else shutil.copy
            copy(source, target)
        site = folder / "site"
        found = importlib.util.find_spec("django")
        assert found is not None
        assert found.origin is not None
        shutil.copytree(
            Path(found.origin).parent,
            site / "django",
            ignore=shutil.ignore_patterns("contrib", "locale", "__pycache__"),
        )
        subprocess.run(["chmod", "-R", "a+rX", folder], check=True)
        yield folder
    finally:
        shutil.rmtree(folder)


def identity(user: str) -> dict[str, Any]:
    """How to start a process as that user; skips where that is not possible."""
    if user == "root":
        if os.geteuid() != 0:
            pytest.skip("the tests do not run as root")
        return {}
    if os.geteuid() != 0:
        return {}  # we are ordinary already
    return {"user": ORDINARY_UID, "group": ORDINARY_UID, "extra_groups": []}


def interpreter(user: str, shared: Path) -> tuple[str, dict[str, str]]:
    """A Python that the user may execute: ours, the system's, or a copy of ours."""
    for candidate in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"):
        test = [candidate, "-c", "import sys; sys.exit(sys.version_info < (3, 11))"]
        try:
            if subprocess.run(test, capture_output=True, cwd="/", **identity(user)).returncode == 0:
                return candidate, {}
        except OSError:
            continue
    base, copy = Path(sys.base_prefix), shared / "python"
    version = f"python3.{sys.version_info.minor}"
    if not copy.exists():
        skip = shutil.ignore_patterns(
            "test", "site-packages", "__pycache__", "config-*", "idlelib", "tkinter"
        )
        shutil.copytree(base / "lib" / version, copy / "lib" / version, ignore=skip)
        for library in (base / "lib").glob("libpython*"):
            shutil.copy(library, copy / "lib")
        (copy / "bin").mkdir()
        shutil.copy(base / "bin" / version, copy / "bin")
        subprocess.run(["chmod", "-R", "a+rX", shared], check=True)
    return str(copy / "bin" / version), {"LD_LIBRARY_PATH": str(copy / "lib")}


@cache
def driven(user: str, mode: str, shared: Path) -> dict[str, Any]:
    """Run all attacks once, in a worker of their own."""
    python, environment = interpreter(user, shared)
    done = subprocess.run(
        [python, "-B", "-m", "tests.runs.sandbox.drive", mode, str(shared / "site")],
        cwd=shared / "checkout",
        env={**environment, "PLATFORM_SECRET": "correct horse battery staple", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=120,
        **identity(user),
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@users
def test_the_level_in_force_is_found_by_trying(user, shared):
    found = driven(user, "confined", shared)["confinement"]
    assert found["level"] == "process", found
    assert found["seccomp"]
    assert found["uid_dropped"] == (user == "root")


@users
@pytest.mark.parametrize("attack", ATTACKS)
def test_a_confined_job_cannot(user, attack, shared):
    control = driven(user, "control", shared)[attack]
    if not control["open"] and attack in OPTIONAL:
        pytest.skip(f"not possible on this machine for anybody: {control['why']}")
    assert control["open"], f"the attack itself does not work: {control['why']}"
    confined = driven(user, "confined", shared)[attack]
    assert not confined["open"]
    assert not confined["left"]


@users
def test_the_control_really_leaves_a_process_behind(user, shared):
    assert driven(user, "control", shared)[LEAVES_NO_TRACE]["left"]
