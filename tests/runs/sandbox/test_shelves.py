"""A job's shelves hold what it was promised, and nothing of the platform's secrets or framework."""

import sys

from runs.sandbox import shelves
from tests.runs.sandbox.conftest import answer_of

FOUND = shelves.shelves_of_this_installation()


def test_promised_packages_come_with_all_that_they_require():
    assert {"httpx", "httpcore", "certifi", "anyio", "jsonpath_ng", "phonenumbers"} <= set(FOUND.names)


def test_the_framework_and_the_servers_are_not_on_them():
    assert not {"django", "celery", "redis", "rest_framework", "granian"} & set(FOUND.names)
    assert not [path for path in FOUND.readable if "django" in path or path.endswith("/site-packages")]


def test_of_the_checkout_only_pure_packages_are_readable():
    own = [
        path.removeprefix(shelves.CHECKOUT + "/")
        for path in FOUND.readable
        if path.startswith(shelves.CHECKOUT + "/")
    ]
    own = [path for path in own if not path.startswith(".venv/")]
    assert set(own) == set(shelves.OWN)


def test_the_short_list_of_folders_holds_everything_on_the_long_one():
    roots = FOUND.roots(temp="/tmp/openfn-runs-x")
    for path in FOUND.readable:
        assert any(path == root or path.startswith(root + "/") for root in roots), path
    assert len(roots) < 40


def test_temp_files_inside_a_readable_folder_do_not_become_readable_to_other_runs():
    temp = shelves.CHECKOUT + "/runs/sandbox/tmp"
    assert FOUND.roots(temp=temp) == FOUND.readable


def test_an_unpromised_module_is_simply_not_there(run):
    ended = run("import django")
    assert (ended.result.failure.type, ended.result.failure.message) == (
        "ModuleNotFoundError",
        "No module named 'django'",
    )


def test_the_whole_standard_library_can_be_found(run):
    code = """
import importlib.util, sys
answer["missing"] = [name for name in sys.stdlib_module_names if not name.startswith("_") and importlib.util.find_spec(name) is None]
"""
    here = {
        name for name in sys.stdlib_module_names if __import__("importlib.util").util.find_spec(name) is None
    }
    assert set(answer_of(run(code))["missing"]) <= here | {"nt", "msilib", "winreg", "winsound", "msvcrt"}
