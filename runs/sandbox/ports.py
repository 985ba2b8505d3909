"""Which TCP ports a run may connect to: the web's, and those that its own connections name.

Landlock filters ports, not addresses, so the list is kept short and the platform's own servers are taken out of
it whatever a connection says.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from jobs.language.contract import Request

WEB = frozenset({80, 443, 8080, 8443})

# What an adaptor speaks to when its configuration names a host and no port.
USUAL = {
    "postgresql": (5432,),
    "email": (25, 465, 587),
    "mysql": (3306,),
    "mssql": (1433,),
    "mongodb": (27017,),
    "sftp": (22,),
}

_PORT_IN_ADDRESS = re.compile(r"(?:^|//|@)(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):([0-9]{1,5})(?=[/?#,]|$)")


def ports_of_run(
    *, request: Request, also: Iterable[int] = (), forbidden: Iterable[int] = ()
) -> tuple[int, ...]:
    """Every port that this run may connect to, in order."""
    ports = {*WEB, *also}
    for connection in request.connections:
        ports.update(USUAL.get(connection.adaptor, ()))
        ports.update(_named(connection.configuration))
    for host in request.allowed_hosts:
        ports.update(_in_address(host))
    return tuple(sorted(port for port in ports - set(forbidden) if 0 < port < 65536))


def _named(node: Any, key: str = "") -> Iterator[int]:
    """Ports in addresses, and in fields that are called a port."""
    if isinstance(node, dict):
        for name, item in node.items():
            yield from _named(item, str(name))
    elif isinstance(node, list | tuple):
        for item in node:
            yield from _named(item, key)
    elif isinstance(node, str):
        yield from _in_address(node)
        if key.lower().endswith("port") and re.fullmatch(r"[0-9]{1,5}", node):
            yield int(node)
    elif isinstance(node, int) and not isinstance(node, bool) and key.lower().endswith("port"):
        yield node


def _in_address(text: str) -> Iterator[int]:
    yield from (int(port) for port in _PORT_IN_ADDRESS.findall(text))
