"""A MariaDB with a data folder of its own, on the loopback interface.

with mysql_server() as server:
    pymysql.connect(host="127.0.0.1", port=server.port, user=server.user, password=server.password, …)
"""

from __future__ import annotations

import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.servers.programs import home, program, run, running
from tests.servers.smtp import free_port

SHARE = Path("/usr/share/mysql")
SYSTEM_TABLES = ("mysql_system_tables.sql", "mysql_system_tables_data.sql")
SMALL = (
    "--innodb-buffer-pool-size=8M",
    "--innodb-log-file-size=4M",
    "--innodb-flush-log-at-trx-commit=0",
    "--aria-log-file-size=8M",
    "--skip-name-resolve",
)


@dataclass(frozen=True)
class MySql:
    """Where it listens; the user may do all in its one database."""

    port: int
    user: str
    password: str
    database: str


@contextmanager
def mysql_server() -> Iterator[MySql]:
    """An empty database; skips the test where MariaDB is not installed."""
    mariadbd = program("mariadbd", package="mariadb-server")
    if not all((SHARE / name).exists() for name in SYSTEM_TABLES):
        pytest.skip(f"there are no system tables in {SHARE}: apt-get install mariadb-server")
    server = MySql(free_port(), "clinic", secrets.token_hex(8), "clinic")
    with home() as folder:
        data = folder / "data"
        data.mkdir()
        data.chmod(0o777)  # in a folder that only its user may enter
        common = [mariadbd, "--no-defaults", f"--datadir={data}", f"--tmpdir={folder}", *SMALL]
        run([*common, "--bootstrap"], folder, _system_tables())
        setup = folder / "setup.sql"
        setup.write_text(_setup(server))
        listening = [
            f"--port={server.port}",
            "--bind-address=127.0.0.1",
            f"--socket={folder / 'socket'}",
            f"--pid-file={folder / 'pid'}",
            f"--init-file={setup}",
        ]
        with running([*common, *listening], folder, ready=lambda: _listens(server.port)):
            yield server


def _system_tables() -> str:
    """What `mariadb-install-db` feeds it, without the tools that it needs."""
    scripts = [(SHARE / name).read_text() for name in SYSTEM_TABLES]
    accounts = "SET @auth_root_socket = NULL;\nSET @skip_auth_anonymous = 1;\n"
    return "CREATE DATABASE mysql;\nUSE mysql;\n" + accounts + "".join(scripts)


def _setup(server: MySql) -> str:
    """One statement a line: the file is read at the start, before anybody is let in."""
    return (
        f"CREATE DATABASE {server.database} CHARACTER SET utf8mb4;\n"
        f"CREATE USER {server.user}@'%' IDENTIFIED BY '{server.password}';\n"
        f"GRANT ALL ON {server.database}.* TO {server.user}@'%';\n"
        "DELETE FROM mysql.global_priv WHERE User = 'root';\n"
        "FLUSH PRIVILEGES;\n"
    )


def _listens(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            return bool(connection.recv(1))
    except OSError:
        return False
