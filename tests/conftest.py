"""What every test gets: no way out of this machine, and a word on how to run those that need a database."""

from __future__ import annotations

import gc
import ipaddress
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import hypothesis
import pytest

OF_A_SERVER = ("dbname", "user", "password", "host", "port")
# Reserved names: asking for them shows what happens when there is no such host.
NOWHERE = (".invalid", ".localhost")


def stays_here(host: object) -> bool:
    """True for loopback addresses and for names that lead nowhere else."""
    if isinstance(host, bytes):
        host = host.decode("ascii", "replace")
    if host is None or host in {"", "localhost"}:
        return True
    if not isinstance(host, str) or host.endswith(NOWHERE):
        return isinstance(host, str)
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def refuse_the_outside(event: str, arguments: tuple[object, ...]) -> None:
    """An audit hook sees every connection of this process, whichever library makes it."""
    if event == "socket.getaddrinfo":
        host = arguments[0]
    elif event in {"socket.connect", "socket.sendto"} and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    else:
        return
    if not stays_here(host):
        # No ordinary exception: code that survives a broken network must not hide this.
        raise pytest.fail.Exception(f"A test tried to reach {host!r}; tests stay on this machine.")


sys.addaudithook(refuse_the_outside)


# The suite tries the same examples each time, and however busy the machine is, so that a failure is of the change that it
# judges. To look for new ones: python3 manage.py test --fast --hypothesis-profile=default [paths]
hypothesis.settings.register_profile(
    "repeatable",
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)

SLOW = ("faults", "flows", "local", "badinput", "matrix")
BEFORE_THE_END = 0.85  # of all files; the quick ones that remain let both processes end together


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Spread the files that take long among the others, so that no process is left with them when the other is done."""
    here = Path(__file__).parent
    folders = {here / name for name in SLOW}
    files = list(dict.fromkeys(item.path for item in items))
    slow = [file for file in files if not folders.isdisjoint(file.parents)]
    quick = [file for file in files if folders.isdisjoint(file.parents)]
    place = {file: BEFORE_THE_END * number / len(slow) for number, file in enumerate(slow)}
    place |= {file: number / len(quick) for number, file in enumerate(quick)}
    items.sort(key=lambda item: place[item.path])


def pytest_collection_finish() -> None:
    """Ten thousand tests and all that they import stay till the end: the garbage collector need not look at them."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """Asked by pytest-django before it makes the test database; each process has one of its own."""
    if not os.environ.get("DATABASE_URL"):
        pytest.exit(
            "These tests need servers: python3 manage.py test --fast [paths and options of pytest]", 4
        )


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """As pytest-django's, but emptied faster between two tests, and at last dropped whatever session is left open."""
    from tests import emptying

    with pytest.MonkeyPatch.context() as patch:
        emptying.use_for(patch)
        yield
    with django_db_blocker.unblock():
        end_other_sessions(seconds=5)


def end_other_sessions(*, seconds: float) -> None:
    """Give the sessions of ended threads time to go, then end what is left, and say what it was."""
    import psycopg
    from django.db import connection

    gc.collect()
    connection.close()
    pooled = cast("Any", connection)
    pooled.close_pool()
    own = {name: value for name, value in pooled.get_connection_params().items() if name in OF_A_SERVER}
    others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    with psycopg.connect(**own, autocommit=True) as direct:  # the pool would open more than one
        deadline = time.monotonic() + seconds
        while direct.execute(f"SELECT 1 {others}").fetchall() and time.monotonic() < deadline:
            time.sleep(0.05)
        ended = direct.execute(f"SELECT state, left(query, 200), pg_terminate_backend(pid, 5000) {others}")
        for state, query, _ in ended.fetchall():
            sys.stderr.write(f"A session was left open ({state}): {query}\n")
