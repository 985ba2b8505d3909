"""`s3` against moto's server on a real socket, and its signature against botocore's."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from jobs.adaptors import registry
from jobs.adaptors.context import Context
from jobs.adaptors.errors import AuthError, NotFound, ValidationError
from jobs.adaptors.s3.signing import Signer
from tests.common.faulty import FaultyServer, answer, hang_up
from tests.jobs.adaptors.conformance.case import query

KEYS = {
    "accessKeyId": "AKIDEXAMPLE",
    "secretAccessKey": "s3cr3t-Zq9wv71x",
    "region": "us-east-1",
    "bucket": "clinic",
}


@pytest.fixture(scope="module")
def address():
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(address):
    import httpx

    httpx.post(f"{address}/moto-api/reset")
    httpx.put(
        f"{address}/clinic",
        headers={"authorization": "AWS4-HMAC-SHA256 Credential=AKID/20260101/us-east-1/s3/x"},
    )
    client = registry.connect("s3", {**KEYS, "endpoint": address}, Context(allow_private=True))
    yield client
    client.close()


@pytest.mark.parametrize("key", ["", " ", None, "..", "a/../b", "./a"])
def test_without_a_key_nothing_is_asked_for_and_no_bucket_deleted(key):
    told: list[dict[str, Any]] = []
    with FaultyServer(answer(204)) as server:
        given = {**KEYS, "endpoint": server.url}
        with registry.connect("s3", given, Context(allow_private=True, trace=told.append)) as s3:
            for call in (s3.delete, s3.get, s3.get_bytes, s3.head, lambda key: s3.put(key, "x")):
                with pytest.raises(ValidationError, match=r"needs a key|cannot be asked for"):
                    call(key)
            for pair in (("a", key), (key, "a")):
                with pytest.raises(ValidationError):
                    s3.copy(*pair)
        assert server.seen == []


def test_keys_that_differ_by_a_slash_are_different_objects(s3):
    keys = ["/a.txt", "a.txt", "b//c.txt", "b/c.txt", "d/"]
    for key in keys:
        s3.put(key, key)
    assert [s3.get_bytes(key).decode() for key in keys] == keys
    s3.delete("b//c.txt")
    assert [each["key"] for each in s3.list()] == ["/a.txt", "a.txt", "b/c.txt", "d/"]


def test_json_is_written_as_everywhere(s3):
    s3.put("a.json", {"at": datetime(2026, 3, 6, 23, 30, tzinfo=UTC), "n": Decimal("1.50")})
    assert s3.get("a.json") == {"at": "2026-03-06T23:30:00+00:00", "n": 1.5}
    with pytest.raises(ValidationError, match="holds NaN"):
        s3.put("a.json", {"n": float("nan")})


def test_what_was_put_comes_back_as_what_it_was(s3):
    assert s3.put("a/räport 1+2.json", {"n": 1, "name": "Aïssatou"})["size"] > 10
    assert s3.get("a/räport 1+2.json") == {"n": 1, "name": "Aïssatou"}
    s3.put("b.txt", "Grüße")
    assert s3.get("b.txt") == "Grüße"
    s3.put("c.bin", b"\0\1\2")
    assert s3.get_bytes("c.bin") == b"\0\1\2"
    assert s3.get("c.bin") == b"\0\1\2"


def test_objects_are_listed_over_pages(s3):
    for number in range(7):
        s3.put(f"many/{number}", str(number))
    s3.put("other", "x")
    assert [each["key"] for each in s3.list("many/")] == [f"many/{number}" for number in range(7)]
    assert len(s3.list("many/", max=3)) == 3


def test_pages_are_followed_to_their_end():
    def page(*keys, token=""):
        entries = "".join(f"<Contents><Key>{key}</Key><Size>1</Size></Contents>" for key in keys)
        more = f"<NextContinuationToken>{token}</NextContinuationToken>" if token else ""
        namespace = "http://s3.amazonaws.com/doc/2006-03-01/"
        body = f'<ListBucketResult xmlns="{namespace}">{more}{entries}</ListBucketResult>'
        return answer(200, body.encode(), kind="application/xml")

    with FaultyServer(page("a", "b", token="t/1="), page("c", token="t2"), page("d")) as server:
        client = registry.connect("s3", {**KEYS, "endpoint": server.url}, Context(allow_private=True))
        assert [each["key"] for each in client.each()] == ["a", "b", "c", "d"]
        assert query(server.seen[1])["continuation-token"] == "t/1="
        client.close()


def test_what_is_not_there_is_told(s3):
    with pytest.raises(NotFound, match=r"S3: .*key does not exist.*\(NoSuchKey\)"):
        s3.get("nothing")
    assert s3.head("nothing") is None
    with pytest.raises(NotFound, match="bucket"):
        s3.get("x", bucket="elsewhere")


def test_an_object_can_be_copied_and_deleted_and_deleted_again(s3):
    s3.put("inbox/a b.csv", "x,y\n1,2\n")
    s3.copy("inbox/a b.csv", "done/a.csv")
    s3.delete("inbox/a b.csv")
    s3.delete("inbox/a b.csv")
    assert [each["key"] for each in s3.list()] == ["done/a.csv"]
    assert s3.head("done/a.csv")["size"] == 8


def test_a_put_whose_answer_was_lost_is_put_again_and_leaves_one_object():
    with FaultyServer(hang_up, answer(200, b"", {"etag": '"e"'})) as server:
        client = registry.connect("s3", {**KEYS, "endpoint": server.url}, Context(allow_private=True))
        assert client.put("a", "x")["etag"] == "e"
        assert [each.method for each in server.seen] == ["PUT", "PUT"]
        client.close()


def test_a_wrong_key_is_about_the_credential_and_another_403_about_permission():
    body = (
        b"<?xml version='1.0'?><Error><Code>SignatureDoesNotMatch</Code><Message>Not yours</Message></Error>"
    )
    with FaultyServer(answer(403, body, kind="application/xml")) as server:
        client = registry.connect("s3", {**KEYS, "endpoint": server.url}, Context(allow_private=True))
        with pytest.raises(AuthError, match="Not yours"):
            client.test()
        client.close()


def test_a_dry_run_puts_nothing(address, s3):
    told: list[dict[str, Any]] = []
    dry = registry.connect(
        "s3", {**KEYS, "endpoint": address}, Context(allow_private=True, dry_run=True, trace=told.append)
    )
    dry.put("shown", "the content")
    dry.delete("shown")
    assert [(each["method"], each["dry"]) for each in told] == [("PUT", True), ("DELETE", True)]
    assert told[0]["request_body"] == "the content"
    assert s3.list() == []
    dry.close()


def test_the_secret_key_never_travels(s3):
    with FaultyServer(answer(200, b"")) as server:
        told: list[dict[str, Any]] = []
        client = registry.connect(
            "s3", {**KEYS, "endpoint": server.url}, Context(allow_private=True, trace=told.append)
        )
        client.put("a", "s3cr3t-Zq9wv71x")
        assert "s3cr3t-Zq9wv71x" not in f"{server.seen[0].headers}{told}{client!r}"
        client.close()


def test_an_object_needs_a_bucket():
    client = registry.connect("s3", {**KEYS, "bucket": ""}, Context())
    with pytest.raises(ValidationError, match="Name a bucket"):
        client.put("a", "x")


WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12)


@given(
    key=WORDS,
    params=st.dictionaries(WORDS, WORDS, max_size=3),
    content=st.binary(max_size=40),
    method=st.sampled_from(["GET", "PUT", "DELETE"]),
    token=st.sampled_from(["", "session-token/+="]),
)
@example(key="k", params={"part": "1", "part-number-marker": "2"}, content=b"", method="GET", token="")
@settings(max_examples=80, deadline=None)
def test_requests_are_signed_as_amazons_own_library_signs_them(key, params, content, method, token):
    from urllib.parse import quote, urlencode

    from botocore.auth import S3SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    url = f"https://s3.eu-west-1.amazonaws.com/clinic/{quote(key, safe='/-_.~')}"
    url += f"?{urlencode(params, quote_via=quote)}" if params else ""
    ours = Signer("AKID", "SECRET", "eu-west-1", token).headers(method, url, content=content)
    request = AWSRequest(
        method, url, data=content, headers={"x-amz-content-sha256": ours["x-amz-content-sha256"]}
    )
    request.context["timestamp"] = ours["x-amz-date"]
    request.headers["X-Amz-Date"] = ours["x-amz-date"]
    if token:
        request.headers["X-Amz-Security-Token"] = token
    signer = S3SigV4Auth(Credentials("AKID", "SECRET", token or None), "s3", "eu-west-1")
    signature = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
    assert ours["authorization"].endswith(f"Signature={signature}")
