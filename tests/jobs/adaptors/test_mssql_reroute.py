"""A SQL Server that sends its clients on to another one leads them past no rule for addresses."""

from __future__ import annotations

import socket

import pytest

from jobs.adaptors import registry
from jobs.adaptors.context import Context
from jobs.adaptors.errors import ConfigurationError
from jobs.adaptors.mssql import _Direct
from openfn_platform.common.addresses import AddressRefused


@pytest.fixture
def direct():
    here, there = socket.socketpair()
    yield _Direct(here)
    there.close()


def test_the_socket_that_is_closed_to_go_elsewhere_refuses_that(direct):
    with pytest.raises(AddressRefused, match="another one"):
        direct.close()
    assert direct.fileno() == -1


def test_the_socket_that_is_closed_after_an_error_leaves_the_error_as_it_is(direct):
    def as_pytds_does():
        try:
            raise TimeoutError
        except TimeoutError:
            direct.close()
            raise

    with pytest.raises(TimeoutError):
        as_pytds_does()


def test_the_socket_of_a_connection_that_stands_is_closed_as_any_other(direct):
    direct.settled = True
    direct.close()
    assert direct.fileno() == -1


def test_where_a_credential_asks_for_encryption_nothing_is_sent_without_it():
    with socket.create_server(("127.0.0.1", 0)) as server:
        told = {"host": "127.0.0.1", "port": server.getsockname()[1], "database": "x", "user": "sa"}
        client = registry.connect("mssql", {**told, "ca": "-----BEGIN"}, Context(allow_private=True))
        with pytest.raises(ConfigurationError, match="cannot be encrypted"):
            client.test()
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()
