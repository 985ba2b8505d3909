"""The house rules, as tests: models match migrations, floors import downward, pure modules stay pure."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import call_command

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("openfn_platform", "jobs", "triggers", "runs")
APPS = ("openfn_platform", "openfn_platform/common", "openfn_platform/projects", "openfn_platform/workspace")
EMPTY = (*APPS, "openfn_platform/local", "openfn_platform/demo", "jobs", "triggers", "runs")
# What is imported where neither Django nor Celery may be: in a job's child, at a desk, by other programs.
PURE = (
    "jobs.adaptors.registry",
    "jobs.language.check",
    "jobs.language.runtime",
    "openfn_platform.common.errors",
    "openfn_platform.common.http",
    "runs.sandbox.child",
    "runs.sandbox.supervisor",
    "runs.sandbox.zygote",
    "triggers.cron",
    "triggers.examples.catalogue",
    "triggers.matching",
    "triggers.parsing",
    "triggers.schedules",
)
SHIPPED = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


@pytest.mark.django_db
def test_models_and_migrations_agree():
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


@pytest.mark.parametrize("package", EMPTY)
def test_packages_that_pure_modules_share_are_empty(package):
    assert (ROOT / package / "__init__.py").read_text() == ""


def test_floors_import_downward_only():
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("module", PURE)
def test_pure_modules_load_neither_django_nor_celery(module):
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); import {module}; "
        "print(*sorted({name.partition('.')[0] for name in sys.modules} & {'django', 'celery', 'rest_framework'}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == ""


def test_that_check_would_see_django():
    """The control: a module that does load it."""
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import openfn_platform.common.tenancy; print('django' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "True"


def test_every_module_says_what_it_is_for():
    silent = [
        str(path.relative_to(ROOT))
        for path in SHIPPED
        if path.stat().st_size and "migrations" not in path.parts and not _has_docstring(path)
    ]
    assert silent == []


def test_migrations_are_named_for_what_they_do():
    files = [path.stem for path in SHIPPED if path.parent.name == "migrations" and path.stem != "__init__"]
    assert files
    assert [name for name in files if "auto_" in name or name.endswith("_initial")] == []


def _has_docstring(path: Path) -> bool:
    import ast

    return ast.get_docstring(ast.parse(path.read_text())) is not None
