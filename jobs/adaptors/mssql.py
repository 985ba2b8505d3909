"""`mssql`: Microsoft SQL Server. python-tds is loaded when the first connection is made."""

from __future__ import annotations

import socket
import sys
from typing import Any

from jobs.adaptors.errors import (
    AdaptorError,
    AuthError,
    ConfigurationError,
    Conflict,
    Forbidden,
    NotFound,
    Timeout,
    Unavailable,
    ValidationError,
)
from jobs.adaptors.spec import AdaptorSpec, credential, secret, text
from jobs.adaptors.sql.client import SqlClient
from jobs.adaptors.sql.dialect import MSSQL
from openfn_platform.common.addresses import AddressRefused
from openfn_platform.common.sockets import connected

CONNECT_SECONDS = 10.0
READ_SECONDS = 120.0
KINDS: dict[int, type[AdaptorError]] = {
    18456: AuthError,
    4060: NotFound,
    208: NotFound,
    229: Forbidden,
    262: Forbidden,
    2601: Conflict,
    2627: Conflict,
    1205: Conflict,
    1222: Timeout,
}


class _Direct(socket.socket):
    """A server may send its client on to another one. pytds would follow it to wherever that is, past the rules
    for addresses; it closes this socket just before."""

    def __init__(self, plain: socket.socket) -> None:
        wait = plain.gettimeout()
        super().__init__(plain.family, plain.type, plain.proto, fileno=plain.detach())
        self.settimeout(wait)
        self.settled = False
        self._around = sys.exc_info()[1]

    def close(self) -> None:
        super().close()
        if not self.settled and sys.exc_info()[1] is self._around:  # not because of an error
            raise AddressRefused(
                "The server sends its clients on to another one; put that one's address in the credential."
            )


class Client(SqlClient):
    """One SQL Server database."""

    system = "SQL Server"
    dialect = MSSQL
    usual_port = 1433
    schema = credential(
        {
            "host": text(
                "Host",
                "The connection is not encrypted: only for a network of your own.",
                examples=["db.example.org"],
                minLength=1,
            ),
            "port": {"type": "integer", "title": "Port", "default": 1433, "minimum": 1, "maximum": 65535},
            "database": text("Database", minLength=1),
            "user": text("User name", minLength=1),
            "password": secret("Password"),
        },
        required=("host", "database", "user"),
    )

    def driver_connect(self) -> Any:
        import pytds

        given = self._configuration
        if given.get("ca"):  # stored when the form still asked for it
            raise ConfigurationError(
                "Connections to SQL Server cannot be encrypted; a certificate in the credential says that this one must be."
            )
        ready = _Direct(connected(self._exchanges.policy, self.host, self.port, timeout=CONNECT_SECONDS))
        connection = pytds.connect(
            dsn=ready.getpeername()[0],
            sock=ready,
            port=self.port,
            database=given["database"],
            user=given["user"],
            password=given.get("password") or "",
            login_timeout=CONNECT_SECONDS,
            timeout=READ_SECONDS,
            autocommit=False,
            appname="openfn-platform",
        )
        ready.settled = True
        return connection

    def driver_error(self, error: Exception) -> type[AdaptorError] | None:
        import pytds

        if isinstance(error, pytds.TimeoutError | TimeoutError):
            return Timeout
        if isinstance(error, pytds.LoginError):
            return AuthError
        if isinstance(error, ConnectionError | pytds.ClosedConnectionError):
            return Unavailable
        if not isinstance(error, pytds.Error):
            return None
        return KINDS.get(int(getattr(error, "number", 0) or 0), ValidationError)


ADAPTOR = AdaptorSpec(
    name="mssql",
    title="SQL Server",
    summary="Queries and rows in a Microsoft SQL Server database.",
    schema=Client.schema,
    client=Client,
)
