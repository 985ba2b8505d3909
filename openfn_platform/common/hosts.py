"""Lists of hosts, as a project writes down whom its jobs may speak to. Pure.

    dhis2.example.org          that host, at every port
    dhis2.example.org:8443     that host at that port only
    *.example.org              every host below it, not example.org itself
    10.0.0.5, fd00::5          that address, when a connection names it as an address
    10.0.0.0/24                whatever leads to an address of that network
    [fd00::5]:8443             an address of version 6 with a port

Names are compared as the network sees them: small letters, no final dot, other alphabets in their ASCII form.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import idna

from openfn_platform.common.errors import Invalid

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

MOST_HOSTS = 200
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_PORT = re.compile(r"(?P<host>\[[^\]]*\]|[^:]*):(?P<port>[0-9]{1,5})")


@dataclass(frozen=True, kw_only=True)
class HostEntry:
    """One line of a list."""

    name: str = ""  # of a host or an address, as the network sees it; of a wildcard what follows `*`
    wildcard: bool = False
    network: Network | None = None
    port: int | None = None

    def names(self, host: str, port: int | None = None) -> bool:
        """Whether the entry names that host (at that port, where one is known)."""
        if self.network is not None or not self._at(port):
            return False
        plain = plain_host(host)
        if self.wildcard:
            return plain.endswith(self.name) and _address(plain) is None
        return plain == self.name

    def holds(self, address: Address) -> bool:
        return self.network is not None and address in self.network

    def _at(self, port: int | None) -> bool:
        return self.port is None or port is None or port == self.port

    def __str__(self) -> str:
        if self.network is not None:
            return str(self.network)
        text = f"*{self.name}" if self.wildcard else self.name
        if self.port is None:
            return text
        return f"[{text}]:{self.port}" if ":" in text else f"{text}:{self.port}"


def host_entry(text: str) -> HostEntry:
    """The entry that a person wrote; raises Invalid with a sentence."""
    given = text.strip()
    if "://" in given or "@" in given or given.startswith("//"):
        raise _wrong(given, "Write the host alone, without http:// and without a name or a path.")
    if "/" in given:
        return HostEntry(network=_network(given))
    bare, port = _split(given)
    if bare in ("*", "*."):
        raise _wrong(given, "That would be every host; leave the list empty for that.")
    if bare.startswith("*."):
        return HostEntry(name=f".{_name(given, bare[2:])}", wildcard=True, port=port)
    address = _address(bare.strip("[]"))
    return HostEntry(name=str(address) if address else _name(given, bare), port=port)


def hosts_checked(entries: Iterable[str]) -> list[str]:
    """The list as it is kept: each entry readable, in one spelling, once. Raises Invalid for the first that is not."""
    found = list(dict.fromkeys(str(host_entry(each)) for each in entries if each.strip()))
    if len(found) > MOST_HOSTS:
        raise Invalid(f"A list has at most {MOST_HOSTS} hosts; use *.example.org or a network.")
    return found


@lru_cache(maxsize=256)
def host_entries(texts: tuple[str, ...]) -> tuple[HostEntry, ...]:
    """The entries of a stored list. What is none (from before lists were checked) allows nothing."""
    found = []
    for text in texts:
        try:
            found.append(host_entry(text))
        except Invalid:
            continue
    return tuple(found)


def plain_host(host: str) -> str:
    """A host as the network sees it; what cannot be one is given back in small letters and matches nothing else."""
    bare = host.strip().strip("[]").rstrip(".").lower()
    address = _address(bare)
    if address is not None:
        return str(address)
    if bare.isascii():
        return bare
    try:
        return idna.encode(bare, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        return bare


def _split(text: str) -> tuple[str, int | None]:
    """Host and port. A bare address of version 6 has no port."""
    found = _PORT.fullmatch(text)
    if found is None or _address(text) is not None:
        return text, None
    port = int(found["port"])
    if not 0 < port < 65536:
        raise _wrong(text, "A port is a number from 1 to 65535.")
    return found["host"], port


def _name(given: str, bare: str) -> str:
    plain = plain_host(bare)
    labels = plain.split(".")
    if len(plain) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise _wrong(given, "Write a host such as dhis2.example.org, *.example.org, 10.0.0.5 or 10.0.0.0/24.")
    if labels[-1].isdigit():
        raise _wrong(given, "Write an address with all four of its numbers, such as 10.0.0.5.")
    return plain


def _network(given: str) -> Network:
    try:
        network = ipaddress.ip_network(given, strict=False)
    except ValueError:
        why = "Write the host alone without a path, or a network such as 10.0.0.0/24."
        raise _wrong(given, why) from None
    if network.prefixlen == 0:
        raise _wrong(given, "That would be every address; leave the list empty for that.")
    return network


def _address(text: str) -> Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _wrong(given: str, why: str) -> Invalid:
    shown = given if len(given) <= 60 else f"{given[:59]}…"
    return Invalid(f"“{shown}” is no host that can be allowed. {why}", field="allowed_hosts")
