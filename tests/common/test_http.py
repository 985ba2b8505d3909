"""The one door outwards, against a real socket that misbehaves."""

import gzip
import os
import socket
import ssl
import subprocess
import sys
import time
import zlib
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest

from openfn_platform.common.addresses import AddressPolicy, AddressRefused
from openfn_platform.common.http import (
    AnswerRefused,
    ConnectFailed,
    ConnectionLost,
    HttpClient,
    RedirectRefused,
    Retries,
    TimedOut,
    Timeouts,
    redact_headers,
    retry_after,
    tls_context,
)
from openfn_platform.common.tracing import BODY_BYTES, TOLD_BYTES
from openfn_platform.common.urls import UrlRefused
from tests.common.faulty import (
    FaultyServer,
    answer,
    drip,
    drip_headers,
    hang_up,
    raw,
    reset,
    silence,
)

LAN = AddressPolicy(allow_private=True)
SECRET = "s3cr€t/käy+val=ue"


def client(server=None, *, waits=None, **options):
    options.setdefault("policy", LAN)
    options.setdefault("base_url", server.url if server else "")
    options.setdefault("timeouts", Timeouts(connect=1, read=0.3, total=5))
    sleep = (lambda seconds: None) if waits is None else waits.append
    return HttpClient(sleep=sleep, **options)


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_read_is_repeated_until_the_partner_is_back(status):
    with (
        FaultyServer(answer(status), answer(status), answer(200, {"a": 1})) as server,
        client(server) as http,
    ):
        found = http.request("GET", "/x")
    assert (found.status, found.attempt, len(server.seen)) == (200, 3, 3)


def test_a_storm_of_429_ends_after_a_few_patient_tries():
    waits: list[Any] = []
    storm = answer(429, {}, {"retry-after": "2"})
    with FaultyServer(storm) as server, client(server, waits=waits) as http:
        assert http.request("GET", "/x").status == 429
    assert (waits, len(server.seen)) == ([2.0, 2.0, 2.0], 4)


def test_a_partner_that_asks_for_too_long_a_wait_is_not_waited_for():
    waits: list[Any] = []
    with (
        FaultyServer(answer(429, {}, {"retry-after": "3600"})) as server,
        client(server, waits=waits) as http,
    ):
        assert http.request("GET", "/x").status == 429
    assert (waits, len(server.seen)) == ([], 1)


def test_waits_that_would_end_after_the_deadline_are_not_begun():
    waits: list[Any] = []
    limits = Timeouts(connect=1, read=1, total=1.5)
    with (
        FaultyServer(answer(503, {}, {"retry-after": "30"})) as server,
        client(server, waits=waits, timeouts=limits) as http,
    ):
        assert http.request("GET", "/x").status == 503
    assert waits == []


def test_waits_grow_and_differ():
    waits = [Retries(first_wait=1).wait(attempt) for attempt in (1, 2, 3) for _ in range(20)]
    assert all(0.5 <= wait <= 1 for wait in waits[:20])
    assert all(2 <= wait <= 4 for wait in waits[40:])
    assert len(set(waits)) > 50


def test_retry_after_is_read_as_seconds_or_as_a_date():
    now = datetime(2026, 1, 1, tzinfo=UTC)
    later = format_datetime(now + timedelta(seconds=90), usegmt=True)
    assert retry_after({"retry-after": "7"}) == 7
    assert retry_after({"retry-after": later}, now=now) == 90
    assert retry_after({"retry-after": format_datetime(now - timedelta(days=1), usegmt=True)}, now=now) == 0
    assert [retry_after({"retry-after": odd}) for odd in ("-1", "soon", "", "²", "1.2.3")] == [None] * 5


@pytest.mark.parametrize("fault", [silence, hang_up, reset])
def test_a_write_that_may_have_arrived_is_never_sent_again(fault):
    with FaultyServer(fault) as server, client(server) as http:
        with pytest.raises((TimedOut, ConnectionLost)) as caught:
            http.request("POST", "/sms", content=b"{}")
        assert caught.value.sent
        assert [each.method for each in server.seen] == ["POST"]


@pytest.mark.parametrize("fault", [silence, hang_up, reset])
def test_a_write_with_an_idempotency_key_is_sent_again(fault):
    with FaultyServer(fault, answer(201, {"id": 1})) as server, client(server) as http:
        assert http.request("POST", "/sms", content=b"{}", repeatable=True).status == 201
        assert len(server.seen) == 2


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_what_may_happen_twice_is_repeated_after_a_lost_answer(method):
    with FaultyServer(hang_up, answer(200, {})) as server, client(server) as http:
        assert http.request(method, "/x").status == 200
        assert len(server.seen) == 2


@pytest.mark.parametrize(
    ("refusal", "times"),
    [
        (answer(429), 2),
        (answer(503, {}, {"retry-after": "0"}), 2),
        (answer(503), 1),
        (answer(502), 1),
        (answer(504), 1),
        (answer(500), 1),
    ],
)
def test_a_write_is_repeated_only_after_a_plain_refusal(refusal, times):
    with FaultyServer(refusal, answer(201)) as server, client(server) as http:
        http.request("POST", "/x", content=b"{}")
        assert len(server.seen) == times


def test_a_write_is_tried_again_when_no_connection_came_about():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    entries: list[Any] = []
    with (
        client(base_url=f"http://127.0.0.1:{port}", trace=entries.append) as http,
        pytest.raises(ConnectFailed, match="nothing answers at that port") as caught,
    ):
        http.request("POST", "/x", content=b"{}")
    assert not caught.value.sent
    assert [each["attempt"] for each in entries] == [1, 2, 3, 4]


def test_an_unknown_name_is_told_in_a_sentence():
    with (
        client(base_url="https://no-such-host.invalid", retries=Retries(attempts=1)) as http,
        pytest.raises(ConnectFailed, match=r"no-such-host\.invalid: there is no such host name"),
    ):
        http.request("GET", "/")


@pytest.mark.parametrize("fault", [drip, drip_headers])
def test_a_dripping_server_cannot_stretch_the_deadline(fault):
    limits = Timeouts(connect=1, read=1, total=0.5)
    with FaultyServer(fault) as server, client(server, timeouts=limits) as http:
        started = time.monotonic()
        with pytest.raises(TimedOut):
            http.request("GET", "/x")
        assert time.monotonic() - started < 1


def test_a_server_that_reads_slowly_cannot_stretch_the_deadline():
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        limits = Timeouts(connect=1, read=1, total=0.5)
        with client(base_url=f"http://127.0.0.1:{deaf.getsockname()[1]}", timeouts=limits) as http:
            started = time.monotonic()
            with pytest.raises(TimedOut) as caught:
                http.request("POST", "/x", content=b"x" * 20_000_000)
            assert caught.value.sent
            assert time.monotonic() - started < 1


def test_an_answer_that_ends_too_early_is_no_answer():
    cut = raw(b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{")
    with FaultyServer(cut) as server, client(server) as http, pytest.raises(ConnectionLost):
        http.request("GET", "/x")


def endless(connection, seen):
    connection.sendall(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n")
    while True:
        connection.sendall(b"x" * 65536)


@pytest.mark.parametrize(
    "huge",
    [
        answer(200, b"x" * 200_000),
        answer(200, gzip.compress(b"0" * 20_000_000), {"content-encoding": "gzip"}),
        answer(200, zlib.compress(b"0" * 20_000_000), {"content-encoding": "deflate"}),
        endless,
    ],
)
def test_an_answer_over_the_cap_is_refused(huge):
    with FaultyServer(huge) as server, client(server, max_bytes=100_000) as http:
        with pytest.raises(AnswerRefused, match="larger than"):
            http.request("GET", "/x")
        assert len(server.seen) == 1


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("gzip", gzip.compress(b"h\xc3\xa9llo", mtime=0)),
        ("gzip", gzip.compress(b"h\xc3\xa9", mtime=0) + gzip.compress(b"llo", mtime=0)),
        ("deflate", zlib.compress(b"h\xc3\xa9llo")),
        ("deflate", zlib.compress(b"h\xc3\xa9llo")[2:-4]),
        ("identity", b"h\xc3\xa9llo"),
    ],
)
def test_packed_answers_are_unpacked(encoding, packed):
    with FaultyServer(answer(200, packed, {"content-encoding": encoding})) as server, client(server) as http:
        assert http.request("GET", "/x").content == b"h\xc3\xa9llo"


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [("br", b"x"), ("gzip", b"nothing packed"), ("gzip", gzip.compress(b"x" * 999, mtime=0)[:15])],
)
def test_wrongly_packed_answers_are_refused(encoding, packed):
    with (
        FaultyServer(answer(200, packed, {"content-encoding": encoding})) as server,
        client(server) as http,
        pytest.raises(AnswerRefused),
    ):
        http.request("GET", "/x")


def test_a_redirect_within_the_origin_is_followed():
    moved = answer(302, b"", {"location": "/there?b=1"})
    with FaultyServer(moved, answer(200, {"a": 1})) as server, client(server) as http:
        assert http.request("GET", "/here", headers={"authorization": "Basic x"}).status == 200
        assert server.seen[1].target == "/there?b=1"
        assert server.seen[1].headers["authorization"] == "Basic x"


def test_endless_redirects_end():
    with FaultyServer(answer(302, b"", {"location": "/again"})) as server, client(server) as http:
        with pytest.raises(RedirectRefused, match="circles"):
            http.request("GET", "/x")
        assert len(server.seen) == 4


def test_a_redirect_of_a_write_is_handed_back():
    with FaultyServer(answer(307, b"", {"location": "/other"})) as server, client(server) as http:
        assert http.request("POST", "/x", content=b"{}").status == 307
        assert len(server.seen) == 1


@pytest.mark.parametrize("headers", [{"Authorization": "Basic x"}, {"X-Own-Key": "abc"}])
def test_credentials_never_follow_a_redirect_to_another_origin(headers):
    with FaultyServer() as thief, FaultyServer(answer(302, b"", {"location": thief.url})) as server:
        with client(server) as http, pytest.raises(RedirectRefused, match="not taken along"):
            http.request("GET", "/x", headers=headers)
        with client(server) as http, pytest.raises(RedirectRefused):
            http.request("GET", "/x", params={"api_key": "abc"})
    assert thief.seen == []


def test_without_credentials_another_origin_may_be_followed_if_its_address_is_allowed():
    with FaultyServer(answer(200, {})) as other:
        with (
            FaultyServer(answer(302, b"", {"location": f"{other.url}/file"})) as server,
            client(server) as http,
        ):
            assert http.request("GET", "/x").status == 200
        inward = answer(302, b"", {"location": "http://169.254.169.254/latest/meta-data"})
        with FaultyServer(inward) as server, client(server) as http, pytest.raises(AddressRefused):
            http.request("GET", "/x")


def test_a_cookie_of_one_answer_goes_back_to_the_same_server():
    with FaultyServer(answer(200, {}, {"set-cookie": "JSESSIONID=1; Path=/"})) as server:
        with client(server) as http:
            http.request("GET", "/a")
            http.request("GET", "/b")
        assert server.seen[1].headers["cookie"] == "JSESSIONID=1"


def test_the_base_address_is_kept_and_foreign_ones_are_refused():
    http = client(base_url="https://dhis2.example.org/hmis/")
    assert http.address("api//26///me") == "https://dhis2.example.org/hmis/api/26/me"
    assert http.address("/me?a=1", {"a": 2, "b": [3, None, "ü&"], "c": None, "d": True}) == (
        "https://dhis2.example.org/hmis/me?a=1&b=3&b=%C3%BC%26&d=true"
    )
    assert http.address("https://DHIS2.example.org:443/other") == "https://dhis2.example.org/other"
    foreign = [
        "https://evil.example/x",
        "http://dhis2.example.org/x",
        "https://dhis2.example.org:8443/",
        "file:///etc",
    ]
    for path in [*foreign, "../admin", "a/%2e%2e/b", "a\\..\\b", "https://u:p@dhis2.example.org/x"]:
        with pytest.raises(UrlRefused):
            http.address(path)
    with pytest.raises(UrlRefused, match="whole address"):
        client(base_url="").address("/patients")
    http.close()


def test_each_exchange_is_told_to_the_trace_without_secrets():
    entries: list[Any] = []
    body = f'{{"password": "{SECRET}", "name": "Aïssatou"}}'.encode()
    with (
        FaultyServer(answer(503), answer(200, {"echo": SECRET})) as server,
        client(server, trace=entries.append, secrets=[SECRET]) as http,
    ):
        http.request(
            "PUT", f"/u/{'x' * 8}", params={"api_key": "abc", "q": SECRET, "sid": "1"}, content=body,
            secret_params=["sid"], keep_body=True,
        )  # fmt: skip
    first, second = entries
    assert set(first) == {
        "kind", "protocol", "write", "method", "url", "status", "started", "duration_ms", "request_bytes",
        "response_bytes", "attempt", "error", "request_body", "request_cut", "response_body", "response_cut",
    }  # fmt: skip
    assert (first["status"], second["status"], second["attempt"]) == (503, 200, 2)
    assert second["url"].endswith("/u/xxxxxxxx?api_key=***&q=***&sid=***")
    assert second["request_body"] == '{"password": "***", "name": "Aïssatou"}'
    assert second["response_body"] == '{"echo": "***"}'
    assert second["request_bytes"] == len(body)
    assert datetime.fromisoformat(second["started"]).tzinfo is not None


def test_the_trace_is_told_both_bodies_of_a_write_and_those_of_a_read_on_request():
    entries: list[Any] = []
    with FaultyServer(answer(200, b"y" * 10)) as server, client(server, trace=entries.append) as http:
        http.request("POST", "/x", content=b"z" * 100_000)
        http.request("GET", "/x")
        http.request("POST", "/search", content=b"{}", write=False)
        http.request("POST", "/search", content=b"{}", write=False, keep_body=True)
    assert [(each["write"], each["response_body"]) for each in entries] == [
        (True, "y" * 10), (False, None), (False, None), (False, "y" * 10)
    ]  # fmt: skip
    assert [(len(each["request_body"] or ""), each["request_cut"]) for each in entries] == [
        (TOLD_BYTES, True), (0, False), (0, False), (2, False)
    ]  # fmt: skip


def test_bytes_that_are_no_text_are_counted_and_not_told():
    entries: list[Any] = []
    with FaultyServer(answer(200)) as server, client(server, trace=entries.append) as http:
        http.request("PUT", "/x", content=b"\x89PNG\0\0")
    assert (entries[0]["request_body"], entries[0]["request_bytes"]) == (None, 6)


def test_a_body_full_of_masks_does_not_end_with_half_a_secret():
    """Masking makes it so short that its end, where it was cut, comes into what is kept."""
    entries: list[Any] = []
    body = (SECRET * 20_000).encode()[: 3 * BODY_BYTES]
    with FaultyServer(answer(200)) as server, client(server, trace=entries.append, secrets=[SECRET]) as http:
        for shift in range(len(SECRET)):
            http.request("PUT", "/x", content=b"x" * shift + body)
    assert {each["request_body"].lstrip("x").replace("***", "") for each in entries} <= {"", "*", "**"}


def test_no_secret_is_in_an_error_or_a_repr():
    entries: list[Any] = []
    with client(base_url="http://127.0.0.1:9", secrets=[SECRET], trace=entries.append) as http:
        with pytest.raises(ConnectFailed) as caught:
            http.request("GET", f"/{SECRET}", params={"token": SECRET}, headers={"X-Key": "abcdefgh"})
        with pytest.raises(UrlRefused) as refused:
            http.request("GET", "/x", headers={"X-Key": f"{SECRET}\n"})
        shown = f"{caught.value!r} {caught.value} {refused.value!r} {http!r} {entries}"
    assert SECRET not in shown
    assert httpx.URL(f"http://x/{SECRET}").path not in shown
    assert "abcdefgh" not in shown


@pytest.mark.parametrize("value", ["a\nb: c", "a\r\n\r\nGET /", "é"])
def test_a_header_cannot_smuggle_another_one(value):
    with FaultyServer() as server, client(server) as http, pytest.raises(UrlRefused, match="cannot be sent"):
        http.request("GET", "/x", headers={"X-Name": value})
    assert server.seen == []


def test_telling_headers_are_masked():
    shown = redact_headers(
        {"Authorization": "Basic x", "X-Api-Key": "k", "X-Twilio-Signature": "s", "Accept": "*/*"}
    )
    assert shown == {"Authorization": "***", "X-Api-Key": "***", "X-Twilio-Signature": "***", "Accept": "*/*"}


def test_an_untrusted_certificate_is_named(tmp_path):
    context = self_signed(tmp_path)
    with (
        FaultyServer(answer(200, {}), tls=context) as server,
        client(server, retries=Retries(attempts=1)) as http,
        pytest.raises(ConnectFailed, match="certificate is not trusted"),
    ):
        http.request("GET", "/x")


def test_the_host_name_stays_in_host_and_sni_while_the_address_is_pinned(tmp_path):
    names = []
    context = self_signed(tmp_path)
    context.sni_callback = lambda connection, name, _context: names.append(name)
    trusting = ssl.create_default_context(cafile=tmp_path / "own.pem")
    with (
        FaultyServer(answer(200, {}), tls=context) as server,
        client(base_url=f"https://localhost:{server.port}", tls=trusting) as http,
    ):
        assert http.request("GET", "/x").status == 200
    assert names == ["localhost"]
    assert server.seen[0].headers["host"] == f"localhost:{server.port}"


def test_the_shared_trust_settings_are_built_once_and_check_names():
    assert tls_context() is tls_context()
    assert tls_context().verify_mode == ssl.CERT_REQUIRED
    assert tls_context().check_hostname


def test_an_injected_transport_still_keeps_to_the_listed_hosts():
    seen: list[str] = []

    def respond(request: httpx.Request) -> httpx.Response:
        seen.append(request.url.host)
        return httpx.Response(200)

    transport = httpx.MockTransport(respond)
    with client(transport=transport, policy=AddressPolicy(allowed_hosts=("a.example",))) as http:
        assert http.request("GET", "https://a.example/x").status == 200
        with pytest.raises(AddressRefused, match=r"b\.example is not among the hosts"):
            http.request("GET", "https://b.example/x")
    assert seen == ["a.example"]


def test_a_client_works_in_a_forked_child():
    tls_context()
    with FaultyServer(answer(200, {"a": 1})) as server:
        code = (
            "import os, sys\n"
            "from openfn_platform.common.addresses import AddressPolicy\n"
            "from openfn_platform.common.http import HttpClient, tls_context\n"
            "tls_context()\n"
            "http = HttpClient(base_url=sys.argv[1], policy=AddressPolicy(allow_private=True))\n"
            "child = os.fork()\n"
            "if child == 0:\n"
            "    os._exit(0 if http.request('GET', '/x').status == 200 else 1)\n"
            "ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])\n"
            "assert not {'django', 'celery'} & set(sys.modules)\n"
            "sys.exit(ended)\n"
        )
        subprocess.run([sys.executable, "-c", code, server.url], check=True, timeout=30, env={**os.environ})
    assert len(server.seen) == 1


def self_signed(folder):
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "own.pem").write_bytes(certificate.public_bytes(pem))
    (folder / "own.key").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "own.pem", folder / "own.key")
    return context
