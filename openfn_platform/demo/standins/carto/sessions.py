"""Connections to the stand-in's database: one for the owner (master key), one for the public reader."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psycopg
from psycopg.pq import ExecStatus

from openfn_platform.demo.standins.carto.database import reader_url
from openfn_platform.demo.standins.carto.errors import Refused

LIBRARY = ("geometry.sql", "postgis.sql", "cartodb.sql")
# Leaves no trace of a request to the next one, whoever sends it.
CLEAN = (
    "ROLLBACK; RESET SESSION AUTHORIZATION; RESET ALL; CLOSE ALL; UNLISTEN *; DEALLOCATE ALL; DISCARD TEMP;"
    " SELECT pg_advisory_unlock_all()"
)
# A column type with a restriction, as PostGIS has them, but not inside of a text.
RESTRICTED = re.compile(
    r"'(?:[^']|'')*'|\bgeometry\s*\(\s*[a-z]+\s*(?:,\s*(?P<srid>\d+)\s*)?\)", re.IGNORECASE
)


class Sessions:
    """Opened when first used, and again after the database was away."""

    def __init__(self, url: str) -> None:
        self._urls = {True: url, False: reader_url(url)}
        self._open: dict[bool, psycopg.Connection[Any]] = {}
        self._installed = False
        self.notices: list[tuple[str, str]] = []

    def session(self, *, master: bool, settings: Mapping[str, str]) -> psycopg.Connection[Any]:
        """A clean session with these settings."""
        for used in self._open.values():
            # Both: what one left locked must not keep the other waiting.
            _clean(used)
        try:
            connection = self._connection(master=master)
            for name, value in settings.items():
                connection.execute("SELECT set_config(%s, %s, false)", [name, value])
        except psycopg.OperationalError as error:
            self.close()
            raise Refused("cannot connect to the database", status=500) from error
        self.notices.clear()
        return connection

    def reset(self) -> None:
        """Drop all that callers made, and begin with a fresh library."""
        connection = self.session(master=True, settings={})
        schemas = connection.execute(
            "SELECT quote_ident(nspname) FROM pg_namespace"
            " WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'"
        ).fetchall()
        connection.execute(f"DROP SCHEMA {', '.join(name for (name,) in schemas)} CASCADE")
        self._install(connection)

    def close(self) -> None:
        """End both."""
        for connection in self._open.values():
            connection.close()
        self._open.clear()

    def _connection(self, *, master: bool) -> psycopg.Connection[Any]:
        known = self._open.get(master)
        if known is not None and not known.closed:
            return known
        if not (master or self._installed):
            self._connection(master=True)
        options = "-c search_path=public,cartodb -c timezone=UTC"
        connection = psycopg.connect(
            self._urls[master], autocommit=True, prepare_threshold=None, options=options, connect_timeout=5
        )
        connection.add_notice_handler(lambda told: self._note(told.severity, told.message_primary))
        if master and not self._installed:
            if connection.execute("SELECT to_regnamespace('cartodb')").fetchone() == (None,):
                self._install(connection)
            self._installed = True
        self._open[master] = connection
        return connection

    def _install(self, connection: psycopg.Connection[Any]) -> None:
        """The schema `public` may have been dropped; `cartodb` is made here."""
        with connection.transaction():
            connection.execute(
                "CREATE SCHEMA IF NOT EXISTS public; CREATE SCHEMA cartodb;"
                " GRANT USAGE ON SCHEMA public, cartodb TO PUBLIC;"
                " SET LOCAL search_path = cartodb, public; SET LOCAL client_min_messages = warning"
            )
            for name in LIBRARY:
                connection.execute(Path(__file__).with_name(name).read_bytes())

    def _note(self, severity: str | None, message: str | None) -> None:
        self.notices.append((severity or "NOTICE", message or ""))


def _clean(connection: psycopg.Connection[Any]) -> None:
    """As new; closed when the database was restarted meanwhile."""
    try:
        if connection.pgconn.exec_(CLEAN.encode()).status != ExecStatus.FATAL_ERROR:
            return
    except psycopg.OperationalError:
        pass  # it tells in either way
    connection.close()


def without_restrictions(sql: str) -> str:
    """`geometry(Point, 4326)` as a type that PostgreSQL knows here."""

    def plain(found: re.Match[str]) -> str:
        if found[0].startswith("'"):
            return found[0]
        return f"geometry_{found['srid']}" if found["srid"] in ("4326", "3857") else "geometry"

    return RESTRICTED.sub(plain, sql) if re.search(r"geometry\s*\(", sql, re.IGNORECASE) else sql
