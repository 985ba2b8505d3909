"""`postgresql`: queries, rows and bulk copies. psycopg is loaded when the first connection is made."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from typing import Any

from jobs.adaptors.auth import authority_of
from jobs.adaptors.errors import (
    AdaptorError,
    AuthError,
    Conflict,
    Forbidden,
    NotFound,
    Timeout,
    Unavailable,
    ValidationError,
)
from jobs.adaptors.spec import AdaptorSpec, certificate, credential, operation, secret, text
from jobs.adaptors.sql.client import SqlClient
from jobs.adaptors.sql.dialect import POSTGRESQL
from openfn_platform.common.sockets import judged_addresses

CONNECT_SECONDS = 10
# Classes of SQLSTATE, longest match first.
KINDS: dict[str, type[AdaptorError]] = {
    "28": AuthError,
    "3D000": NotFound,
    "42501": Forbidden,
    "42P01": NotFound,
    "40": Conflict,
    "23505": Conflict,
    "23P01": Conflict,
    "57014": Timeout,
    "57": Unavailable,
    "53": Unavailable,
    "08": Unavailable,
}


class Client(SqlClient):
    """One PostgreSQL database."""

    system = "PostgreSQL"
    dialect = POSTGRESQL
    usual_port = 5432
    schema = credential(
        {
            "host": text("Host", examples=["db.example.org"], minLength=1),
            "port": {"type": "integer", "title": "Port", "default": 5432, "minimum": 1, "maximum": 65535},
            "database": text("Database", minLength=1),
            "user": text("User name", minLength=1),
            "password": secret("Password"),
            "ssl": text(
                "Encryption",
                enum=["prefer", "require", "verify-full", "disable"],
                default="prefer",
            ),
            "ca": certificate("For `verify-full` with an authority of its own."),
        },
        required=("host", "database", "user"),
    )

    def driver_connect(self) -> Any:
        import psycopg

        given = self._configuration
        authority_of(given)  # libpq's own sentence names a file that nobody has
        # The name stays for the certificate; the connection goes to an address that was judged.
        addresses = judged_addresses(self._exchanges.policy, self.host, self.port, timeout=CONNECT_SECONDS)
        with _authority_file(given.get("ca")) as more:
            return psycopg.connect(
                host=",".join([self.host] * len(addresses)),
                hostaddr=",".join(addresses),
                port=self.port,
                dbname=given["database"],
                user=given["user"],
                password=given.get("password") or None,
                sslmode=given.get("ssl") or "prefer",
                connect_timeout=CONNECT_SECONDS,
                application_name="openfn-platform",
                client_encoding="utf8",
                **more,
            )

    def driver_error(self, error: Exception) -> type[AdaptorError] | None:
        import psycopg

        if not isinstance(error, psycopg.Error):
            return None
        state = error.sqlstate or ""
        for length in (5, 2):
            if state[:length] in KINDS:
                return KINDS[state[:length]]
        if state or not isinstance(error, psycopg.OperationalError):
            return ValidationError
        said = str(error)  # a connection that was refused carries no code
        if "authentication failed" in said or "no pg_hba.conf entry" in said:
            return AuthError
        return NotFound if "does not exist" in said else Unavailable

    def driver_words(self, error: Exception) -> str:
        said = super().driver_words(error).rpartition("FATAL:")[2].strip()
        if "Connection refused" in said:
            return f"No connection to {self.host}: nothing answers at that port."
        return said

    def adapted(self, value: Any) -> Any:
        if isinstance(value, dict) or (
            isinstance(value, list) and any(isinstance(e, (dict, list)) for e in value)
        ):
            from psycopg.types.json import Jsonb

            return Jsonb(value, dumps=lambda each: json.dumps(each, default=str, ensure_ascii=False))
        return value

    @operation(example='db.copy("visits", rows)', writes=True)
    def copy(self, table: str, rows: Iterable[Mapping[str, Any]], *, columns: list[str] | None = None) -> int:
        """Insert very many rows by COPY, all or none; answers how many. Columns are those of the first row."""
        them = iter(rows)
        first = next(them, None)
        if first is None:
            return 0
        names = columns or list(first)
        listed = ", ".join(map(self.dialect.identifier, names))
        statement = f"COPY {self.dialect.identifier(table)} ({listed}) FROM STDIN"
        where = f"{self._where}/{table}"
        if self._exchanges.held("COPY", where, body=self._shown(statement, [first])):
            return 1 + sum(1 for _ in them)
        count = 0
        with self._session("COPY", body=self._shown(statement, [first]), where=where) as (cursor, told):
            with cursor.copy(statement) as stream:
                for row in chain([first], them):
                    stream.write_row([self.adapted(row.get(name)) for name in names])
                    count += 1
            told.outcome = f"{count} rows"
        return count

    def _cursor(self, connection: Any, *, stream: bool) -> Any:
        return connection.cursor(name=f"each_{uuid.uuid4().hex[:12]}") if stream else connection.cursor()


@contextmanager
def _authority_file(pem: str | None) -> Iterator[dict[str, Any]]:
    """libpq reads certificates from files only, and only while it connects; no file outlives that."""
    import tempfile

    if not pem:
        yield {}
        return
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(pem)
        file.flush()
        yield {"sslrootcert": file.name}


ADAPTOR = AdaptorSpec(
    name="postgresql",
    title="PostgreSQL",
    summary="Queries, rows and bulk copies in a PostgreSQL database.",
    schema=Client.schema,
    client=Client,
)
