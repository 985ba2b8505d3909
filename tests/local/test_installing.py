"""Setting up: nothing is installed twice, nothing wrong is taken for right."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from openfn_platform.local import installing

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture
def home(tmp_path):
    """A virtual environment as far as these checks look at it."""
    site = tmp_path / "venv" / "lib" / "python3.99" / "site-packages"
    site.mkdir(parents=True)
    (tmp_path / "venv" / "bin").mkdir()
    (tmp_path / "venv" / "bin" / "python").symlink_to(sys.executable)
    (tmp_path / "venv" / "pyvenv.cfg").touch()
    (site / "django_celery_beat-2.9.0.dist-info").mkdir()
    return tmp_path / "venv"


@pytest.fixture
def pins(tmp_path):
    file = tmp_path / "run.txt"
    file.write_text(
        "django-celery.beat==2.9.0 \\\n    --hash=sha256:00\ncolorama==0.4.6 ; sys_platform == 'win32' \\\n    --hash=sha256:01\n"
    )
    return file


def test_what_is_there_in_the_right_version_is_enough_and_is_remembered(home, pins):
    assert installing.satisfied(home, pins)
    (home / "lib/python3.99/site-packages/django_celery_beat-2.9.0.dist-info").rmdir()
    assert installing.satisfied(home, pins), "the stamp answers without looking"


def test_a_changed_requirement_is_noticed_in_spite_of_the_stamp(home, pins):
    assert installing.satisfied(home, pins)
    pins.write_text(pins.read_text().replace("2.9.0", "2.9.1"))
    assert not installing.satisfied(home, pins)


def test_a_pin_for_this_platform_that_is_missing_is_noticed(home, pins):
    pins.write_text(pins.read_text().replace("win32", "linux"))
    assert not installing.satisfied(home, pins)


def test_an_environment_whose_python_is_gone_is_not_trusted(home, pins):
    installing.satisfied(home, pins)
    (home / "bin" / "python").unlink()
    (home / "bin" / "python").symlink_to("/nowhere/python3")
    assert not installing.python_works(home)
    (home / "lib/python3.99/site-packages/django_celery_beat-2.9.0.dist-info").rmdir()
    assert not installing.satisfied(home, pins)


def test_a_damaged_stamp_counts_for_nothing(home, pins):
    (home / installing.STAMP).write_text("{")
    assert installing.satisfied(home, pins)
    assert json.loads((home / installing.STAMP).read_text()) == {"run.txt": installing.digest(pins)}


def test_two_starts_set_up_one_after_the_other(home):
    order: list[str] = []
    entered = threading.Event()

    def second() -> None:
        entered.set()
        with installing.locked(home):
            order.append("second")

    with installing.locked(home):
        thread = threading.Thread(target=second)
        thread.start()
        entered.wait(5)
        thread.join(0.2)
        order.append("first")
    thread.join(5)
    assert order == ["first", "second"]


def test_the_requirements_of_the_program_are_part_of_those_of_the_tests():
    run, test = (
        set(installing.PIN.findall((CHECKOUT / "requirements" / name).read_text()))
        for name in ("run.txt", "test.txt")
    )
    assert len(run) > 40
    assert run <= test


def test_manage_py_can_be_read_by_an_old_python():
    """Python 3.6's grammar; what it says to an old one was tried by hand."""
    import ast

    tree = ast.parse((CHECKOUT / "manage.py").read_text(), feature_version=(3, 6))
    assert ast.get_docstring(tree)
    assert "from __future__ import annotations" not in (CHECKOUT / "manage.py").read_text()


def test_a_set_up_environment_costs_no_noticeable_time():
    code = "import time, sys; t = time.perf_counter(); from openfn_platform.local import installing; installing.ensure(requirements='run.txt'); print(time.perf_counter() - t)"
    times = [
        float(
            subprocess.run(
                [sys.executable, "-c", code],
                cwd=CHECKOUT,
                capture_output=True,
                text=True,
                check=True,
                env=dict(os.environ),
            ).stdout
        )
        for _ in range(3)
    ]
    assert min(times) < 0.1
