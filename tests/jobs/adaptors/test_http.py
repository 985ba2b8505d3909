"""The `http` adaptor on real sockets."""

import json
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from jobs.adaptors import registry
from jobs.adaptors.context import Context
from jobs.adaptors.errors import (
    AdaptorError,
    AuthError,
    ConfigurationError,
    Conflict,
    Forbidden,
    NotFound,
    RateLimited,
    Timeout,
    Unavailable,
    ValidationError,
)
from tests.common.faulty import FaultyServer, answer, hang_up, silence

SECRETS = {"password": "hunter2-hunter2", "access_token": "tok-abcdefgh", "api_key": "key-abcdefgh"}


@pytest.fixture
def connect():
    opened = []

    def make(configuration=None, **facts):
        client = registry.connect("http", configuration or {}, Context(allow_private=True, **facts))
        opened.append(client)
        return client

    yield make
    for client in opened:
        client.close()


def serve(*acts):
    return FaultyServer(*acts)


@pytest.mark.parametrize(
    ("configuration", "header", "value"),
    [
        ({"username": "a", "password": "hunter2-hunter2"}, "authorization", "Basic YTpodW50ZXIyLWh1bnRlcjI="),
        ({"access_token": "tok-abcdefgh"}, "authorization", "Bearer tok-abcdefgh"),
        ({"access_token": "tok-abcdefgh", "username": "a"}, "authorization", "Bearer tok-abcdefgh"),
        ({"api_key": "key-abcdefgh"}, "x-api-key", "key-abcdefgh"),
        ({"api_key": "key-abcdefgh", "api_key_header": "Api-Token"}, "api-token", "key-abcdefgh"),
        ({"headers": {"X-Tenant": "tenant-one"}}, "x-tenant", "tenant-one"),
    ],
)
def test_each_kind_of_credential_is_shown_to_the_partner_and_to_nobody_else(
    connect, configuration, header, value
):
    told: list[Any] = []
    with serve(answer(400, {"message": f"you sent {value}"})) as server:
        http = connect({"baseUrl": server.url, **configuration}, trace=told.append)
        with pytest.raises(ValidationError) as caught:
            http.post("/x", {"again": value})
    assert server.seen[0].headers[header] == value
    secret = value.split()[-1]
    assert secret not in f"{caught.value!r} {caught.value} {http!r} {told}"


def test_a_key_in_the_address_is_masked_wherever_it_shows(connect):
    told: list[Any] = []
    with serve(answer(200, {})) as server:
        http = connect(
            {"baseUrl": server.url, "api_key": "key-abcdefgh", "api_key_query": "k"}, trace=told.append
        )
        response = http.get("/x", params={"a": 1})
    assert server.seen[0].target == "/x?a=1&k=key-abcdefgh"
    assert "key-abcdefgh" not in f"{told} {response.url}"


def test_a_header_of_the_job_wins_over_the_credential(connect):
    with serve(answer(200, {})) as server:
        connect({"baseUrl": server.url, "access_token": "tok-abcdefgh"}).get(
            "/x", headers={"authorization": "Own"}
        )
    assert server.seen[0].headers["authorization"] == "Own"


def test_secrets_need_a_base_address_that_they_belong_to(connect):
    with pytest.raises(ConfigurationError, match="needs 'Base address'"):
        connect({"access_token": "tok-abcdefgh"})
    with serve() as server, serve() as other, pytest.raises(ConfigurationError, match="is not part of"):
        connect({"baseUrl": server.url, "access_token": "tok-abcdefgh"}).get(f"{other.url}/x")
    assert other.seen == []


def test_without_a_credential_any_whole_address_will_do(connect):
    with serve(answer(200, {"a": 1})) as server:
        assert connect().get(f"{server.url}/x").body == {"a": 1}
    with pytest.raises(ConfigurationError, match="whole address"):
        connect().get("/x")


@pytest.mark.parametrize(
    ("kind", "content", "parse_as", "body"),
    [
        ("application/json", b'{"a": [1]}', "auto", {"a": [1]}),
        ("application/fhir+json; charset=utf-8", b"[]", "auto", []),
        ("text/plain; charset=latin-1", b"\xe9", "auto", "é"),
        ("application/xml", b"<a/>", "auto", "<a/>"),
        ("application/pdf", b"%PDF\xff", "auto", b"%PDF\xff"),
        ("text/plain", b'{"a": 1}', "json", {"a": 1}),
        ("application/json", b'{"a": 1}', "text", '{"a": 1}'),
        ("image/png", b"\x89P", "base64", "iVA="),
        ("application/json", b"[1]", "bytes", b"[1]"),
        ("application/json", b"", "auto", None),
    ],
)
def test_answers_are_parsed_by_their_kind_or_as_told(connect, kind, content, parse_as, body):
    with serve(answer(200, content, kind=kind)) as server:
        assert connect({"baseUrl": server.url}).get("/x", parse_as=parse_as).body == body


def test_what_cannot_be_parsed_as_told_is_an_error(connect):
    with (
        serve(answer(200, b"<html>", kind="text/html")) as server,
        pytest.raises(AdaptorError, match="not valid JSON"),
    ):
        connect({"baseUrl": server.url}).get("/x", parse_as="json")


@pytest.mark.parametrize(
    ("data", "content_type", "mime", "sent"),
    [
        ({"d": date(2026, 1, 2), "n": Decimal("1.5")}, None, "application/json", b'{"d": "2026-01-02", "n": 1.5}'),
        ("text", None, "text/plain; charset=utf-8", b"text"),
        ("<a/>", "xml", "application/xml; charset=utf-8", b"<a/>"),
        ("word", "json", "application/json", b'"word"'),
        (b"\x00", "application/pdf", "application/pdf", b"\x00"),
        ({"a": "ü &", "b": [1, True], "c": None}, "form", "application/x-www-form-urlencoded", b"a=%C3%BC+%26&b=1&b=true"),
        ([1], "application/vnd.x+json", "application/vnd.x+json", b"[1]"),
    ],
)  # fmt: skip
def test_bodies_are_sent_as_told(connect, data, content_type, mime, sent):
    with serve(answer(200, {})) as server:
        connect({"baseUrl": server.url}).post("/x", data, content_type=content_type)
    assert (server.seen[0].headers["content-type"], server.seen[0].body) == (mime, sent)


def test_files_are_sent_as_multipart(connect):
    with serve(answer(200, {})) as server:
        connect({"baseUrl": server.url}).post(
            "/x",
            {"a": {"b": 1}, "none": None, "file": ("f.csv", b"1,2", "text/csv")},
            content_type="multipart",
        )
    body = server.seen[0].body
    assert b'name="a"\r\n\r\n{"b": 1}' in body
    assert b'filename="f.csv"' in body
    assert b"none" not in body


@pytest.mark.parametrize(("data", "words"), [({"a": float("nan")}, "NaN"), ({"a": object()}, "type object")])
def test_what_json_cannot_carry_is_said_before_sending(connect, data, words):
    with serve() as server, pytest.raises(ValidationError, match=words) as caught:
        connect({"baseUrl": server.url}).post("/x", data)
    assert (caught.value.sent, server.seen) == (False, [])


def test_reads_carry_no_body(connect):
    with serve(answer(200, {})) as server:
        http = connect({"baseUrl": server.url})
        http.get("/x")
        http.delete("/x")
    assert [(each.body, each.headers.get("content-type")) for each in server.seen] == [(b"", None)] * 2


@pytest.mark.parametrize(
    ("status", "kind", "retryable", "sent", "cause"),
    [
        (400, ValidationError, False, False, "partner"),
        (401, AuthError, False, False, "auth"),
        (403, Forbidden, False, False, "partner"),
        (404, NotFound, False, False, "partner"),
        (408, Timeout, True, False, "connection"),
        (409, Conflict, False, False, "partner"),
        (412, Conflict, False, False, "partner"),
        (418, ValidationError, False, False, "partner"),
        (422, ValidationError, False, False, "partner"),
        (425, Unavailable, True, False, "connection"),
        (500, Unavailable, True, True, "partner"),
        (501, Unavailable, False, True, "partner"),
        (503, Unavailable, False, True, "connection"),
        (504, Unavailable, False, True, "connection"),
    ],
)
def test_each_status_has_its_error(connect, status, kind, retryable, sent, cause):
    with (
        serve(answer(status, {"message": "no way"})) as server,
        pytest.raises(AdaptorError, match=r"^The web service: no way$") as caught,
    ):
        connect({"baseUrl": server.url}).post("/x", {})
    error = caught.value
    assert type(error) is kind
    assert (error.status, error.retryable, error.sent, error.kind) == (status, retryable, sent, cause)
    assert error.body == {"message": "no way"}


def test_a_rate_limit_says_how_long_to_wait(connect):
    with serve(answer(429, {}, {"retry-after": "600"})) as server, pytest.raises(RateLimited) as caught:
        connect({"baseUrl": server.url}).get("/x")
    assert (caught.value.retry_after, caught.value.retryable, caught.value.kind) == (600, True, "rate")


@pytest.mark.parametrize(("method", "headers"), [("POST", {"retry-after": "600"}), ("GET", {})])
def test_a_503_that_names_a_time_or_answers_a_read_may_be_tried_again(connect, method, headers):
    with serve(answer(503, {}, headers)) as server, pytest.raises(Unavailable) as caught:
        connect({"baseUrl": server.url}).request(method, "/x")
    assert caught.value.retryable


def test_a_redirected_write_is_an_error(connect):
    with (
        serve(answer(301, b"", {"location": "/y"})) as server,
        pytest.raises(AdaptorError, match="redirects") as caught,
    ):
        connect({"baseUrl": server.url}).post("/x", {})
    assert caught.value.sent


def test_errors_can_be_expected(connect):
    with serve(answer(404, {"a": 1})) as server:
        http = connect({"baseUrl": server.url})
        assert http.get("/x", errors=False).status == 404
        assert http.get("/x", errors={404: False}).body == {"a": 1}
        with pytest.raises(NotFound, match=r"^no such clinic$"):
            http.get("/x", errors={404: "no such clinic"})
        with pytest.raises(NotFound, match=r"^got 404$"):
            http.get("/x", errors={404: lambda response: f"got {response.status}"})
        with pytest.raises(NotFound, match="The web service answered 404"):
            http.get("/x", errors={500: False})
    with serve(answer(200, {})) as server, pytest.raises(AdaptorError, match="too good"):
        connect({"baseUrl": server.url}).get("/x", errors={200: "too good"})


@pytest.mark.parametrize("fault", [hang_up, silence])
def test_a_write_is_repeated_only_with_an_idempotency_key(connect, fault):
    with serve(fault, answer(201, {})) as server:
        with pytest.raises(AdaptorError) as caught:
            connect({"baseUrl": server.url}).post("/x", {}, timeout=0.3)
        assert (caught.value.sent, caught.value.retryable, len(server.seen)) == (True, False, 1)
    with serve(hang_up, answer(201, {})) as server:
        assert connect({"baseUrl": server.url}).post("/x", {}, idempotency_key="k-1").status == 201
        assert [each.headers["idempotency-key"] for each in server.seen] == ["k-1", "k-1"]


def test_a_timeout_of_the_call_is_kept(connect):
    with serve(silence) as server, pytest.raises(Timeout, match="did not answer"):
        connect({"baseUrl": server.url}).get("/x", timeout=0.2)


def test_addresses_that_are_not_allowed_are_refused(connect):
    with serve() as server:
        strict = registry.connect("http", {}, Context())
        with pytest.raises(ConfigurationError, match="private address") as caught:
            strict.get(server.url)
        strict.close()
        assert (caught.value.sent, caught.value.kind) == (False, "partner")
        listed = registry.connect("http", {}, Context(allowed_hosts=("127.0.0.1",)))
        assert listed.get(server.url).status == 200
        with pytest.raises(ConfigurationError, match="not among the hosts"):
            listed.get("https://example.org/")
        listed.close()


def test_a_dry_run_echoes_writes_and_sends_what_only_reads(connect):
    told: list[Any] = []
    logged: list[Any] = []
    with serve(answer(200, {"found": 1})) as server:
        http = connect(
            {"baseUrl": server.url, "access_token": "tok-abcdefgh"},
            dry_run=True, trace=told.append, log=lambda *line: logged.append(line),
        )  # fmt: skip
        assert http.post("/x", {"a": 1}).body == {"a": 1}
        assert http.delete("/x").body == {}
        assert http.request("POST", "/search", {"q": 1}, read_only=True).body == {"found": 1}
        assert http.get("/x").body == {"found": 1}
    assert [each.target for each in server.seen] == ["/search", "/x"]
    assert [(each["method"], each["dry"]) for each in told if "dry" in each] == [
        ("POST", True),
        ("DELETE", True),
    ]
    assert json.loads(told[0]["request_body"]) == {"a": 1}
    assert [level for level, _ in logged] == ["info", "info"]


def test_xml_becomes_plain_values(connect):
    xml = '<f:form xmlns:f="u" id="7"><name>Afi</name><child>A</child><child at="1">B</child><none/></f:form>'
    assert connect().parse_xml(xml) == {
        "form": {"@id": "7", "name": "Afi", "child": ["A", {"@at": "1", "#text": "B"}], "none": None}
    }


@pytest.mark.parametrize("bad", ["<a>", "", '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'])
def test_unsafe_or_broken_xml_is_refused(connect, bad):
    with pytest.raises(ValidationError, match="not XML that can be read safely"):
        connect().parse_xml(bad)


def test_the_connection_can_be_tested(connect):
    with serve(answer(200, {})) as server:
        http = connect({"baseUrl": server.url, "test_path": "/status"})
        assert http.test() == "The web service accepts the credential."
        assert server.seen[0].target == "/status"
    assert "path for the test" in connect().test()


def test_a_private_authority_can_be_trusted(connect, tmp_path):
    from tests.common.test_http import self_signed

    context = self_signed(tmp_path)
    with FaultyServer(answer(200, {}), tls=context) as server:
        base = {"baseUrl": f"https://localhost:{server.port}"}
        http = connect(base | {"ca": (tmp_path / "own.pem").read_text()})
        assert http.get("/x").status == 200
    for nonsense in ("nonsense", "ក្រសួង", " ", "-----BEGIN CERTIFICATE-----"):
        with pytest.raises(ConfigurationError, match="PEM"):
            connect(base | {"ca": nonsense})
