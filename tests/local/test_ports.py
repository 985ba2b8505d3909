"""Ports: the next free one, or the one asked for, or a sentence."""

from __future__ import annotations

import socket
from contextlib import closing

import pytest

from openfn_platform.local.ports import FIRST, PortClaim, is_free, some_port
from openfn_platform.local.processes import CannotStart


def test_two_that_start_at_the_same_time_get_different_ports():
    """Neither listens yet when the other looks."""
    with closing(PortClaim(None)) as one, closing(PortClaim(None)) as other:
        assert one.port >= FIRST
        assert other.port > one.port
        assert is_free(one.port)
        assert is_free(other.port)


def test_a_port_asked_for_is_taken_or_refused_never_replaced():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        with pytest.raises(CannotStart, match="is taken"):
            PortClaim(listener.getsockname()[1])
    wanted = some_port()
    with closing(PortClaim(wanted)) as claim:
        assert claim.port == wanted
        with pytest.raises(CannotStart, match="is taken"):
            PortClaim(wanted)
    PortClaim(wanted).close()
