"""How lists of hosts are written, and what each entry allows."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openfn_platform.common.addresses import AddressPolicy, AddressRefused
from openfn_platform.common.errors import Invalid
from openfn_platform.common.hosts import MOST_HOSTS, host_entry, hosts_checked


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("DHIS2.Example.org.", "dhis2.example.org"),
        (" emr.local:8443 ", "emr.local:8443"),
        ("*.Example.org", "*.example.org"),
        ("*.example.org:8443", "*.example.org:8443"),
        ("10.0.0.5", "10.0.0.5"),
        ("10.0.0.5:8080", "10.0.0.5:8080"),
        ("10.0.0.7/24", "10.0.0.0/24"),
        ("FD00:0:0::5", "fd00::5"),
        ("[fd00::5]", "fd00::5"),
        ("[fd00::5]:8443", "[fd00::5]:8443"),
        ("fd00::/8", "fd00::/8"),
        ("Gesundheit-Köln.example", "xn--gesundheit-kln-6pb.example"),
        ("localhost", "localhost"),
        ("odk_central", "odk_central"),
    ],
)
def test_an_entry_is_kept_in_one_spelling(written, kept):
    assert hosts_checked([written]) == [kept]
    assert hosts_checked([kept]) == [kept]


@pytest.mark.parametrize(
    "wrong",
    [
        "https://dhis2.example.org", "dhis2.example.org/api", "//x.example", "user@x.example", "*", "*.", "a b.example",
        "x..example", "-x.example", "x.example:0", "x.example:99999", "x.example:", "*x.example", "a.*.example",
        "0.0.0.0/0", "::/0", "10.0.0/x", "127.1", "2130706433", "x" * 300, "a\0b", "x.example?y", "http:x",
    ],
)  # fmt: skip
def test_what_is_no_host_is_refused_with_a_sentence(wrong):
    with pytest.raises(Invalid) as refused:
        host_entry(wrong)
    assert refused.value.context["field"] == "allowed_hosts"
    assert "no host that can be allowed" in str(refused.value)


def test_a_list_has_an_end():
    with pytest.raises(Invalid, match="at most"):
        hosts_checked([f"h{n}.example" for n in range(MOST_HOSTS + 1)])
    assert hosts_checked(["b.example", "", "B.example", "a.example"]) == ["b.example", "a.example"]


def allowed(entries, host, port=443, address="8.8.8.8"):
    policy = AddressPolicy(allowed_hosts=tuple(entries))
    try:
        policy.check_host(host, port)
        policy.check_addresses(host, [ipaddress.ip_address(address)], port)
    except AddressRefused:
        return False
    return True


@pytest.mark.parametrize(
    ("entry", "host", "port", "expected"),
    [
        ("x.example:8443", "x.example", 8443, True),
        ("x.example:8443", "x.example", 443, False),
        ("x.example", "x.example", 8443, True),
        ("*.example.org", "a.example.org", 443, True),
        ("*.example.org", "a.b.example.org", 443, True),
        ("*.example.org", "example.org", 443, False),
        ("*.example.org", "badexample.org", 443, False),
        ("*.example.org", "a.example.org.evil.example", 443, False),
        ("köln.example", "xn--kln-sna.example", 443, True),
        ("xn--kln-sna.example", "KÖLN.example.", 443, True),
        ("fd00::5", "[fd00:0::5]", 443, True),
        ("8.8.8.8", "8.8.8.8", 443, True),
        ("8.8.8.8", "134744072", 443, False),  # the same address in another spelling: list it as a network
        ("*.8.8.8", "8.8.8.8", 443, False),
        ("https://x.example", "x.example", 443, False),  # from before lists were checked
    ],
)
def test_what_an_entry_allows(entry, host, port, expected):
    assert allowed([entry], host, port) is expected


def test_a_refusal_names_the_host_and_where_to_allow_it():
    with pytest.raises(AddressRefused, match=r"^x\.example at port 8443 .*“Allowed hosts” in the settings"):
        AddressPolicy(allowed_hosts=("y.example",)).check_host("x.example", 8443)


def test_a_network_allows_what_leads_into_it_whatever_its_name():
    assert allowed(["10.0.0.0/24"], "emr.local", address="10.0.0.9")
    assert not allowed(["10.0.0.0/24"], "emr.local", address="10.0.1.9")
    assert not allowed(["10.0.0.0/24"], "public.example", address="8.8.8.8")


NAMES = st.from_regex(r"[a-z]{1,8}(\.[a-z]{2,8}){1,3}", fullmatch=True)


@given(st.lists(NAMES, min_size=1, max_size=4), NAMES)
def test_a_host_is_allowed_when_and_only_when_it_is_listed(listed, host):
    assert allowed(listed, host.upper()) is (host in listed)


@given(NAMES, NAMES)
def test_a_wildcard_allows_what_is_below_it_and_nothing_else(below, host):
    assert allowed([f"*.{below}"], f"{host}.{below}")
    assert allowed([f"*.{below}"], host) is host.endswith(f".{below}")


@given(st.text(max_size=60))
def test_whatever_is_written_is_an_entry_or_a_sentence(text):
    try:
        entry = host_entry(text)
    except Invalid:
        return
    assert host_entry(str(entry)) == entry
