"""The job's connections: one client per alias, each with its own log, trace and address rules."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import Any

from jobs.adaptors.context import Context
from jobs.adaptors.errors import Unavailable
from jobs.adaptors.oauth import MustConnectAgain
from jobs.language.channel import Channel, ChannelError
from jobs.language.contract import Connection, Request
from jobs.language.session import Session

Connect = Callable[[str, dict[str, Any], Context], Any]

# Without credentials, for public addresses; a connection of that alias takes its place.
OPEN_DOOR = Connection(alias="http", adaptor="http", configuration={})


class NoConnection(Exception):
    """An adaptor or a credential does not load; the reason is the cause."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        super().__init__(connection.alias)


class Connections:
    """Clients by alias, and which of them an error came from."""

    def __init__(self, *, request: Request, session: Session, channel: Channel, connect: Connect) -> None:
        self._session = session
        self._channel = channel
        self._by_alias: dict[str, Connection] = {}
        self._contexts: dict[str, Context] = {}
        self.clients: dict[str, Any] = {}
        for connection in _wanted(request):
            context = self._context(connection, request)
            try:
                client = connect(connection.adaptor, dict(connection.configuration), context)
            except Exception as error:
                # Whatever an adaptor dislikes about its configuration, the platform could not start this run.
                raise NoConnection(connection) from error
            self._by_alias[connection.alias] = connection
            self._contexts[connection.alias] = context
            self.clients[connection.alias] = client

    def _context(self, connection: Connection, request: Request) -> Context:
        alias = connection.alias
        return Context(
            log=partial(self._log, alias),
            trace=partial(self._session.trace, alias),
            dry_run=request.run.mode == "dry",
            trace_reads=request.trace_reads,
            allowed_hosts=request.allowed_hosts,
            allow_private=request.allow_private,
            idempotency_key=request.run.idempotency_key,
            learn=self._learn,
            refresh=partial(self._refresh, alias) if connection.renewable else None,
        )

    def _learn(self, secret: str) -> None:
        """A log-in gave a token: the platform must know it too, or a log that quotes it would keep it."""
        try:
            self._channel.ask("secret.learn", {"secret": secret})
        except ChannelError as error:
            raise Unavailable(f"The log-in could not be kept secret: {error}", sent=False) from None

    def _refresh(self, alias: str, token: str) -> str:
        """The token after the one that was refused. Only the platform can get it: it has what that takes."""
        stale = hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
        self._session.last_connection = alias
        try:
            answer = self._channel.ask("token.refresh", {"connection": alias, "stale": stale})
        except ChannelError as error:
            raise Unavailable(f"The access token could not be renewed: {error}", sent=False) from None
        if answer.get("refused"):
            raise MustConnectAgain(str(answer["refused"]), sent=False)
        if answer.get("unavailable"):
            raise Unavailable(str(answer["unavailable"]), sent=False)
        self._session.log("info", "The access token was refused and has been renewed.", source=alias)
        return str(answer["access_token"])

    def _log(self, alias: str, level: str, text: str) -> None:
        self._session.log(level, text, source=alias)

    def source_of(self, error: BaseException) -> Connection | None:
        """The connection whose client was at work when the error was raised."""
        alias = self._in_frames(error.__traceback__) or self._session.last_connection
        return self._by_alias.get(alias) if alias else None

    def _in_frames(self, traceback: TracebackType | None) -> str | None:
        while traceback is not None:
            owner = traceback.tb_frame.f_locals.get("self")
            for alias, client in self.clients.items():
                context = self._contexts[alias]
                if owner is not None and (owner is client or getattr(owner, "context", None) is context):
                    return alias
            traceback = traceback.tb_next
        return None

    def client_named(self, value: object) -> str | None:
        """The alias of a client, for a sentence about it."""
        return next((alias for alias, client in self.clients.items() if client is value), None)

    def close(self) -> None:
        for client in self.clients.values():
            close = getattr(client, "close", None)
            if callable(close):
                close()


def _wanted(request: Request) -> tuple[Connection, ...]:
    """The job's own; the open door only where the code speaks of it."""
    if OPEN_DOOR.alias in request.code and all(each.alias != OPEN_DOOR.alias for each in request.connections):
        return (*request.connections, OPEN_DOOR)
    return request.connections
