"""Which network addresses this platform may speak to, and the sockets that keep to it.

A name is resolved once, every address it has is judged, and the connection goes to a judged address, so a
name that answers differently the second time gains nothing. The host name stays in Host and SNI.

    public                                       allowed, unless a list of hosts says otherwise
    private, loopback, carrier-grade             only for a listed host, or where private addresses are allowed
    link-local, metadata, multicast, reserved    never
"""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from enum import IntEnum
from ssl import SSLContext
from typing import Any

import httpcore

from openfn_platform.common.errors import PlatformError
from openfn_platform.common.hosts import HostEntry, host_entries

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
PUBLIC_V6 = ipaddress.IPv6Network("2000::/3")
UNIQUE_LOCAL_V6 = ipaddress.IPv6Network("fc00::/7")
THIS_HOST = ipaddress.IPv4Network("0.0.0.0/8")
# Machines' own configuration services; the first two answer from addresses that look harmless.
METADATA: frozenset[Address] = frozenset(
    ipaddress.ip_address(text)
    for text in ("168.63.129.16", "100.100.100.200", "192.0.0.192", "169.254.169.254", "fd00:ec2::254")
)
WRITE_PIECE = 65_536  # a slow reader is asked again about the deadline after this many bytes


class AddressRefused(PlatformError):
    """This platform may not speak to that address."""

    code = "address_refused"
    status = 422


class Standing(IntEnum):
    """How an address is to be treated, from harmless to never."""

    PUBLIC = 0
    PRIVATE = 1
    FORBIDDEN = 2


WHERE = "An administrator can add it to “Allowed hosts” in the settings of the project."


@dataclass(frozen=True, kw_only=True)
class AddressPolicy:
    """What a project allows: listed hosts (see `hosts.py` for how they are written) and private addresses."""

    allowed_hosts: tuple[str, ...] = ()  # empty: any public host
    allow_private: bool = False

    def check_host(self, host: str, port: int | None = None) -> None:
        """Refuse a host that no list entry can cover; what it resolves to is judged when connecting."""
        if self.allowed_hosts and not (self._lists(host, port) or self._has_networks()):
            raise _not_listed(host, port)

    def check_addresses(self, host: str, addresses: Iterable[Address], port: int | None = None) -> None:
        """Refuse a host when any one of its addresses is not allowed."""
        listed = self._lists(host, port)
        for address in addresses:
            in_network = any(entry.holds(address) for entry in self._entries())
            if self.allowed_hosts and not (listed or in_network):
                raise _not_listed(host, port)
            standing = standing_of(address)
            if standing is Standing.FORBIDDEN:
                raise AddressRefused(f"{host} leads to an address that no job may ever speak to.")
            if standing is Standing.PRIVATE and not (listed or in_network or self.allow_private):
                raise AddressRefused(f"{host} leads to a private address. {WHERE}")

    def _entries(self) -> tuple[HostEntry, ...]:
        return host_entries(self.allowed_hosts)

    def _lists(self, host: str, port: int | None) -> bool:
        return any(entry.names(host, port) for entry in self._entries())

    def _has_networks(self) -> bool:
        return any(entry.network is not None for entry in self._entries())


def _not_listed(host: str, port: int | None) -> AddressRefused:
    at = f" at port {port}" if port not in (None, 80, 443) else ""
    return AddressRefused(f"{host}{at} is not among the hosts that this project may speak to. {WHERE}")


def standing_of(address: Address) -> Standing:
    """The worst standing of the address itself and of any IPv4 address that it carries."""
    return max(_own_standing(each) for each in _unwrapped(address))


def _unwrapped(address: Address) -> tuple[Address, ...]:
    if isinstance(address, ipaddress.IPv4Address):
        return (address,)
    if address.ipv4_mapped is not None:
        return (address.ipv4_mapped,)
    if address in NAT64:  # Python calls these global, also when they stand for a metadata address
        return (ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF),)
    if address.sixtofour is not None:
        return (address.sixtofour,)
    if address.teredo is not None:
        return tuple(address.teredo)
    return (address,)


def _own_standing(address: Address) -> Standing:
    if address in METADATA or address.is_link_local or address.is_multicast or address.is_unspecified:
        return Standing.FORBIDDEN
    if isinstance(address, ipaddress.IPv6Address):
        if address.is_loopback or address in UNIQUE_LOCAL_V6:
            return Standing.PRIVATE
        if address not in PUBLIC_V6:
            return Standing.FORBIDDEN
    elif address in THIS_HOST or address.is_reserved:
        return Standing.FORBIDDEN
    return Standing.PUBLIC if address.is_global else Standing.PRIVATE


_deadline: ContextVar[float | None] = ContextVar("deadline", default=None)


class before_deadline:  # used like a function: `with before_deadline(at):`
    """Until when everything on this thread's sockets must be done, on the monotonic clock."""

    def __init__(self, at: float) -> None:
        self._at = at

    def __enter__(self) -> None:
        self._token = _deadline.set(self._at)

    def __exit__(self, *_: object) -> None:
        _deadline.reset(self._token)


def _remaining(timeout: float | None, error: type[Exception]) -> float | None:
    at = _deadline.get()
    if at is None:
        return timeout
    left = at - time.monotonic()
    if left <= 0:
        raise error("the time allowed for the whole call is over")
    return left if timeout is None else min(timeout, left)


class DeadlineStream(httpcore.NetworkStream):
    """A socket whose every wait also ends at the deadline, so that a dripping server cannot stretch a call."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _remaining(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for start in range(0, len(buffer), WRITE_PIECE):
            piece = buffer[start : start + WRITE_PIECE]
            self._stream.write(piece, _remaining(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = _remaining(timeout, httpcore.ConnectTimeout)
        return DeadlineStream(self._stream.start_tls(ssl_context, server_hostname, left))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class GuardedBackend(httpcore.NetworkBackend):
    """Opens sockets to judged addresses only."""

    def __init__(self, policy: AddressPolicy) -> None:
        self._policy = policy
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        addresses = resolve(host, port, timeout=_remaining(timeout, httpcore.ConnectTimeout))
        self._policy.check_addresses(host, addresses, port)
        failure: Exception = httpcore.ConnectError("the name has no address")
        for address in addresses:
            try:
                left = _remaining(timeout, httpcore.ConnectTimeout)
                stream = self._sockets.connect_tcp(str(address), port, left, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return DeadlineStream(stream)
        raise failure

    def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        raise AddressRefused("Connectors speak to network hosts only.")

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


def resolve(host: str, port: int, *, timeout: float | None) -> tuple[Address, ...]:
    """Every address of a name, in the system's order."""
    try:
        return (ipaddress.ip_address(host.strip("[]")),)
    except ValueError:
        pass
    try:  # 127.1, 2130706433 and 0x7f.1 are addresses too, as every resolver reads them
        return (ipaddress.IPv4Address(socket.inet_aton(host)),)
    except (OSError, UnicodeError):
        pass
    found = _look_up(host, port, timeout)
    return tuple(dict.fromkeys(ipaddress.ip_address(each[4][0]) for each in found))


def _look_up(host: str, port: int, timeout: float | None) -> list[Any]:
    # getaddrinfo knows no timeout, so it waits on a thread of its own.
    answer: list[Any] = []

    def ask() -> None:
        try:
            answer.append(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except Exception as error:  # raised again on the thread that waits
            answer.append(error)

    try:
        asking = threading.Thread(target=ask, name="resolve", daemon=True)
        asking.start()
    except RuntimeError:  # a confined process may not be allowed another thread
        ask()
    else:
        asking.join(timeout)
    if not answer:
        raise httpcore.ConnectTimeout("the name was not resolved in time")
    if isinstance(answer[0], (OSError, UnicodeError)):
        raise httpcore.ConnectError("the name is not known")
    if isinstance(answer[0], Exception):
        raise answer[0]
    found: list[Any] = answer[0]
    return found
