"""Ports of this machine that are free, and stay ours until we end."""

from __future__ import annotations

import errno
import socket

from openfn_platform.local.processes import CannotStart

FIRST = 8000
TRIED = 100


class PortClaim:
    """A port nobody listens on, claimed against other `up`s that start at the same time.

    Two that both find 8000 free would both tell their web server to take it. The claim is a socket without a
    file: no other user's leftovers can be in its way, and the kernel drops it with us.
    """

    def __init__(self, wanted: int | None) -> None:
        candidates = [wanted] if wanted else range(FIRST, FIRST + TRIED)
        self._claim = socket.socket(socket.AF_UNIX)
        for port in candidates:
            if is_free(port) and self._claimed(port):
                self.port = port
                return
        self._claim.close()
        if wanted:
            raise CannotStart(f"Port {wanted} is taken; leave --port out to get the next free one.")
        raise CannotStart(f"No port between {FIRST} and {FIRST + TRIED - 1} is free; name one with --port.")

    def _claimed(self, port: int) -> bool:
        try:
            self._claim.bind(f"\0openfn-platform-port-{port}")
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise
        return True

    def close(self) -> None:
        self._claim.close()


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As web servers do: a connection of a moment ago must not keep the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def some_port() -> int:
    """Any free one."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
