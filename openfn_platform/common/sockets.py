"""Plain sockets to judged addresses, for the protocols that are not HTTP. Pure."""

from __future__ import annotations

import socket
import time

import httpcore

from openfn_platform.common.addresses import AddressPolicy, resolve
from openfn_platform.common.failures import ConnectFailed, TimedOut


def judged_addresses(policy: AddressPolicy, host: str, port: int, *, timeout: float) -> tuple[str, ...]:
    """Every address of a host, all of them allowed. Raises AddressRefused, ConnectFailed or TimedOut."""
    policy.check_host(host, port)
    try:
        addresses = resolve(host, port, timeout=timeout)
    except httpcore.ConnectTimeout:
        raise TimedOut(f"{host} did not accept a connection in time.", sent=False) from None
    except httpcore.ConnectError:
        raise ConnectFailed(f"No connection to {host}: there is no such host name.") from None
    policy.check_addresses(host, addresses, port)
    return tuple(str(each) for each in addresses)


def connected(policy: AddressPolicy, host: str, port: int, *, timeout: float = 10.0) -> socket.socket:
    """A connected TCP socket, with `timeout` (seconds) for the connection and for each wait after it."""
    end = time.monotonic() + timeout
    failure: OSError | None = None
    for address in judged_addresses(policy, host, port, timeout=timeout):
        left = end - time.monotonic()
        if left <= 0:
            break
        try:
            found = socket.create_connection((address, port), timeout=left)
        except OSError as error:
            failure = error
        else:
            found.settimeout(timeout)
            return found
    if failure is None or isinstance(failure, TimeoutError):
        raise TimedOut(f"{host} did not accept a connection in time.", sent=False)
    refused = isinstance(failure, ConnectionRefusedError)
    why = "nothing answers at that port" if refused else "there is no way to that network"
    raise ConnectFailed(f"No connection to {host}: {why}.")
