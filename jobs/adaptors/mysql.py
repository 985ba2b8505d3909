"""`mysql`: MySQL and MariaDB. PyMySQL is loaded when the first connection is made."""

from __future__ import annotations

import ssl
from typing import Any

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
from jobs.adaptors.spec import AdaptorSpec, credential, secret, text
from jobs.adaptors.sql.client import SqlClient
from jobs.adaptors.sql.dialect import MYSQL
from openfn_platform.common.sockets import connected
from openfn_platform.common.trust import tls_context

CONNECT_SECONDS = 10.0
READ_SECONDS = 120.0
KINDS: dict[int, type[AdaptorError]] = {
    1044: Forbidden,
    1045: AuthError,
    1049: NotFound,
    1062: Conflict,
    1142: Forbidden,
    1146: NotFound,
    1205: Conflict,
    1213: Conflict,
    1317: Timeout,
    3024: Timeout,
    1040: Unavailable,
    2003: Unavailable,
    2006: Unavailable,
    2013: Unavailable,
}


class Client(SqlClient):
    """One MySQL or MariaDB database."""

    system = "MySQL"
    dialect = MYSQL
    usual_port = 3306
    schema = credential(
        {
            "host": text("Host", examples=["db.example.org"], minLength=1),
            "port": {"type": "integer", "title": "Port", "default": 3306, "minimum": 1, "maximum": 65535},
            "database": text("Database", minLength=1),
            "user": text("User name", minLength=1),
            "password": secret("Password"),
            "ssl": text("Encryption", enum=["off", "on", "verify"], default="off"),
        },
        required=("host", "database", "user"),
    )

    def driver_connect(self) -> Any:
        import pymysql

        given = self._configuration
        connection = pymysql.connect(
            host=self.host,
            port=self.port,
            user=given["user"],
            password=given.get("password") or "",
            database=given["database"],
            charset="utf8mb4",
            autocommit=False,
            defer_connect=True,
            read_timeout=READ_SECONDS,
            write_timeout=READ_SECONDS,
            ssl=_tls(given.get("ssl") or "off"),
        )
        connection.connect(connected(self._exchanges.policy, self.host, self.port, timeout=CONNECT_SECONDS))
        return connection

    def driver_error(self, error: Exception) -> type[AdaptorError] | None:
        import pymysql

        if isinstance(error, (TimeoutError, ConnectionError)):
            return Timeout if isinstance(error, TimeoutError) else Unavailable
        if not isinstance(error, pymysql.MySQLError):
            return None
        number = error.args[0] if error.args and isinstance(error.args[0], int) else 0
        return KINDS.get(number, ValidationError)

    def driver_words(self, error: Exception) -> str:
        return str(error.args[1]) if len(error.args) > 1 else super().driver_words(error)

    def _cursor(self, connection: Any, *, stream: bool) -> Any:
        from pymysql.cursors import SSCursor

        # Rows still to come would be thrown away by the next statement of a transaction.
        return connection.cursor(SSCursor) if stream and not self._inside else connection.cursor()


def _tls(wish: str) -> ssl.SSLContext | None:
    if wish == "off":
        return None
    if wish == "verify":
        return tls_context()
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # encrypted, whoever answers
    return context


ADAPTOR = AdaptorSpec(
    name="mysql",
    title="MySQL",
    summary="Queries and rows in a MySQL or MariaDB database.",
    schema=Client.schema,
    client=Client,
)
