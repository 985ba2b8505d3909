"""Which addresses may be spoken to."""

import ipaddress
import socket
import threading

import httpcore
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openfn_platform.common import addresses
from openfn_platform.common.addresses import (
    AddressPolicy,
    AddressRefused,
    GuardedBackend,
    Standing,
    resolve,
    standing_of,
)
from tests.common.faulty import FaultyServer

PUBLIC = ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"]
PRIVATE = [
    "10.0.0.1", "172.16.0.1", "192.168.1.1", "127.0.0.1", "127.9.9.9", "100.64.0.1", "::1", "fd12::1",
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a00:1", "2002:a00:1::",
    "2002:7f00:1::", "2001:0:808:808:0:0:f5ff:fffe",
]  # fmt: skip
FORBIDDEN = [
    "169.254.169.254", "169.254.0.1", "fe80::1", "fe80::1%lo", "0.0.0.0", "0.1.2.3", "::", "224.0.0.1", "ff02::1",
    "255.255.255.255", "240.0.0.1", "168.63.129.16", "100.100.100.200", "192.0.0.192", "fd00:ec2::254",
    "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1", "64:ff9b:1::1", "fec0::1", "::8.8.8.8",
    "2001:0:a9fe:a9fe:0:0:f7f7:f7f7",
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "standing"),
    [
        *((each, Standing.PUBLIC) for each in PUBLIC),
        *((each, Standing.PRIVATE) for each in PRIVATE),
        *((each, Standing.FORBIDDEN) for each in FORBIDDEN),
    ],
)
def test_each_kind_of_address_has_its_standing(text, standing):
    assert standing_of(ipaddress.ip_address(text)) is standing


@given(st.ip_addresses(v=4))
def test_wrapping_an_ipv4_address_never_makes_it_more_welcome(inner):
    number = int(inner)
    wrapped = [
        ipaddress.IPv6Address((0xFFFF << 32) | number),
        ipaddress.IPv6Address((0x64FF9B << 96) | number),
        ipaddress.IPv6Address((0x2002 << 112) | (number << 80)),
    ]
    assert all(standing_of(each) >= standing_of(inner) for each in wrapped)


@given(st.ip_addresses())
def test_what_python_calls_not_global_is_never_public(address):
    if not address.is_global:
        carried = getattr(address, "ipv4_mapped", None) or getattr(address, "sixtofour", None)
        assert standing_of(address) is not Standing.PUBLIC or carried is not None


def refused(policy, host, *found):
    try:
        policy.check_host(host)
        policy.check_addresses(host, [ipaddress.ip_address(each) for each in found])
    except AddressRefused:
        return True
    return False


def test_private_addresses_need_permission_or_a_listed_host():
    assert refused(AddressPolicy(), "emr.local", "10.0.0.5")
    assert not refused(AddressPolicy(allow_private=True), "emr.local", "10.0.0.5")
    assert not refused(AddressPolicy(allowed_hosts=("emr.local",)), "EMR.local.", "10.0.0.5")
    assert not refused(AddressPolicy(allowed_hosts=("*.local",)), "emr.local", "10.0.0.5")
    assert not refused(AddressPolicy(allowed_hosts=("10.0.0.0/24",)), "emr.local", "10.0.0.5")
    assert refused(AddressPolicy(allowed_hosts=("10.0.0.0/24",)), "emr.local", "10.0.1.5")


@pytest.mark.parametrize("policy", [AddressPolicy(allow_private=True), AddressPolicy(allowed_hosts=("x",))])
def test_no_permission_opens_metadata_services(policy):
    assert refused(policy, "x", "169.254.169.254")


def test_one_bad_address_among_good_ones_refuses_the_host():
    assert refused(AddressPolicy(), "rebind.example", "8.8.8.8", "127.0.0.1")
    assert not refused(AddressPolicy(), "rebind.example", "8.8.8.8")


def test_a_list_of_hosts_is_the_whole_list():
    policy = AddressPolicy(allowed_hosts=("dhis2.example.org", "*.who.int"))
    assert not refused(policy, "dhis2.example.org", "8.8.8.8")
    assert not refused(policy, "api.who.int", "8.8.8.8")
    assert refused(policy, "who.int", "8.8.8.8")
    assert refused(policy, "evil-who.int", "8.8.8.8")
    assert refused(policy, "dhis2.example.org.evil.example", "8.8.8.8")


def test_a_network_that_is_none_allows_nothing():
    assert refused(AddressPolicy(allowed_hosts=("10.0.0/x",)), "emr.local", "10.0.0.5")


@pytest.mark.parametrize("odd", ["127.1", "2130706433", "0x7f.1", "localhost"])
def test_odd_spellings_are_judged_by_what_they_lead_to(odd):
    with pytest.raises(AddressRefused):
        GuardedBackend(AddressPolicy()).connect_tcp(odd, 80, 1.0)


def test_the_checked_address_is_the_one_connected_to(monkeypatch):
    answers = iter([["127.0.0.1"], ["169.254.169.254"]])
    asked = []

    def look_up(host, port, timeout):
        asked.append(host)
        return [(0, 0, 0, "", (address, port)) for address in next(answers)]

    monkeypatch.setattr(addresses, "_look_up", look_up)
    with FaultyServer() as server:
        stream = GuardedBackend(AddressPolicy(allow_private=True)).connect_tcp(
            "rebind.example", server.port, 1.0
        )
        assert stream.get_extra_info("server_addr") == ("127.0.0.1", server.port)
        stream.close()
    assert asked == ["rebind.example"]


def test_the_next_address_is_tried_when_one_is_dead(monkeypatch):
    found = [(0, 0, 0, "", (address, 0)) for address in ("127.0.0.9", "127.0.0.1")]
    monkeypatch.setattr(addresses, "_look_up", lambda *_: found)
    with FaultyServer() as server:
        stream = GuardedBackend(AddressPolicy(allow_private=True)).connect_tcp(
            "two.example", server.port, 1.0
        )
        assert stream.get_extra_info("server_addr")[0] == "127.0.0.1"
        stream.close()


def test_a_name_server_that_never_answers_does_not_hold_us(monkeypatch):
    release = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: release.wait(5) and [])
    with pytest.raises(httpcore.ConnectTimeout):
        resolve("slow.example", 80, timeout=0.1)
    release.set()
