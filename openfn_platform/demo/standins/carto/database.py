"""The database that a CARTO stand-in works on: made, locked up and removed with the rights of an administrator.

    url = carto_database(admin_url, "carto_demo")
    Standin.start("carto", config={"database": url})

A caller of the stand-in may execute any SQL, so its role must reach nothing but this one database. PostgreSQL lets
everybody connect to every database unless CONNECT is taken from PUBLIC there. So the platform's own database needs
`REVOKE CONNECT ON DATABASE … FROM PUBLIC` as well. `carto_database` does that wherever the administrator may: in
the database that `admin_url` names and in all others that belong to the same role. One that is made later is open
until `carto_database` is called again.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import sys
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import psycopg
from psycopg.sql import SQL, Identifier, Literal

# Shorter than PostgreSQL's 63 bytes, for the suffix below.
NAME = re.compile(r"[a-z_][a-z0-9_]{0,49}", re.ASCII)
PUBLIC_SUFFIX = "_public"
# CARTO's own name for everybody without a key: `GRANT SELECT ON visits TO publicuser` publishes a table.
EVERYBODY = "publicuser"
LOCK = 0x0CA2_70DB


def carto_database(admin_url: str, name: str) -> str:
    """Make the database `name`, its owner and its reader, or give them a new password; returns the owner's URL."""
    if not NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name for a database: small letters, digits and _ only.")
    password = secrets.token_urlsafe(24)
    with psycopg.connect(admin_url, autocommit=True) as admin:
        # Roles are shared by the whole server, where several stand-ins may start at once.
        admin.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        _make_roles(admin, name, password)
        _make_database(admin, name)
        _lock_up(admin, name)
    return url_with(admin_url, name, password, name)


def carto_database_remove(admin_url: str, name: str) -> None:
    """Drop the database and its roles, whoever is still connected."""
    with psycopg.connect(admin_url, autocommit=True) as admin:
        admin.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        admin.execute(SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(name)))
        for role in (name, name + PUBLIC_SUFFIX):
            admin.execute(SQL("DROP ROLE IF EXISTS {}").format(Identifier(role)))


def reader_url(url: str) -> str:
    """The URL of the public reader of the same database."""
    parts = urlsplit(url)
    return url_with(url, f"{parts.username}{PUBLIC_SUFFIX}", parts.password or "", parts.path.lstrip("/"))


def url_with(url: str, user: str, password: str, database: str) -> str:
    """The same server, another user and database."""
    parts = urlsplit(url)
    server = parts.netloc.rpartition("@")[2]
    own = ("user", "password", "dbname")
    query = urlencode([(name, value) for name, value in parse_qsl(parts.query) if name not in own], safe="/")
    login = f"{quote(user, safe='')}:{quote(password, safe='')}@{server}"
    return urlunsplit(("postgresql", login, f"/{database}", query, ""))


def _make_roles(admin: psycopg.Connection, name: str, password: str) -> None:
    found = {role for (role,) in admin.execute("SELECT rolname FROM pg_roles")}
    if EVERYBODY not in found:
        admin.execute(SQL("CREATE ROLE {} NOLOGIN").format(Identifier(EVERYBODY)))
    for role in (name, name + PUBLIC_SUFFIX):
        verb = SQL("ALTER" if role in found else "CREATE")
        rights = SQL("LOGIN NOCREATEDB NOCREATEROLE PASSWORD {}").format(Literal(password))
        admin.execute(SQL("{} ROLE {} {}").format(verb, Identifier(role), rights))
    admin.execute(
        SQL("GRANT {} TO {}").format(Identifier(EVERYBODY), Identifier(name + PUBLIC_SUFFIX)),
    )


def _make_database(admin: psycopg.Connection, name: str) -> None:
    owner = Identifier(name)
    if admin.info.parameter_status("is_superuser") != "on":
        # Only a member of a role may make it the owner of something.
        admin.execute(SQL("GRANT {} TO CURRENT_USER").format(owner))
    known = admin.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
    statement = "ALTER DATABASE {} OWNER TO {}" if known else "CREATE DATABASE {} OWNER {} TEMPLATE template0"
    admin.execute(SQL(statement).format(owner, owner))


def _lock_up(admin: psycopg.Connection, name: str) -> None:
    """Nobody into the new database, and its roles into no other one of ours."""
    own, reader = Identifier(name), Identifier(name + PUBLIC_SUFFIX)
    admin.execute(SQL("REVOKE TEMPORARY ON DATABASE {} FROM PUBLIC").format(own))
    admin.execute(SQL("GRANT CONNECT ON DATABASE {} TO {}").format(own, reader))
    open_ones = admin.execute(
        "SELECT datname FROM pg_database WHERE datallowconn"
        " AND (datname IN (%s, current_database()) OR pg_get_userbyid(datdba) = current_user)"
        " AND (datacl IS NULL OR EXISTS"
        " (SELECT FROM aclexplode(datacl) WHERE grantee = 0 AND privilege_type = 'CONNECT'))",
        [name],
    ).fetchall()
    for (database,) in open_ones:
        admin.execute(SQL("REVOKE CONNECT ON DATABASE {} FROM PUBLIC").format(Identifier(database)))


def main() -> None:
    """`python -m … NAME` with DATABASE_URL in the environment: make it and print the owner's URL as JSON."""
    try:
        made = {"database": carto_database(os.environ["DATABASE_URL"], sys.argv[1])}
    except psycopg.Error as error:
        sys.exit(f"no database for the demo's CARTO: {error}")
    print(json.dumps(made))


if __name__ == "__main__":
    main()
