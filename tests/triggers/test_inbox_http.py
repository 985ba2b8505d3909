"""What partners really send to an inbox, over a real server and real sockets.

The rule: no answer is 500 or more, every refusal is a problem document with a sentence, and nothing is stored
unless the answer is 2xx. Refusals are counted, and the last hundred kept without their bodies.
"""

from __future__ import annotations

import gzip
import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.conf import settings
from django.db.models import F
from django.utils import timezone

from openfn_platform.projects.models import ApiToken, Project, Scope
from openfn_platform.projects.tokens import token_create, token_revoke
from runs.models import Run, State, WorkOrder
from tests.flows.world import World
from tests.triggers.serving import Answer, Server, database_url, free_port, request_of, served
from triggers.models import Inbox, Message, MessagePayload, Refusal, RefusalCount
from triggers.refusals import KEPT, TIDY_ONE_IN

# Naming the apps spares Django to write its permissions again after each of these many tests.
pytestmark = pytest.mark.django_db(transaction=True, available_apps=list(settings.INSTALLED_APPS))

GOOD = b'{"form": {"name": "canary-jane"}}'
DEEP = 100_000


@pytest.fixture
def neighbour(site: World) -> World:
    return World()


def address(site: World) -> str:
    return f"/inbox/{site.inbox.address}"


def stored() -> int:
    return sum(model.objects.count() for model in (Message, MessagePayload, WorkOrder, Run, State))


def refused(answer: Answer | None, *statuses: int) -> dict[str, Any]:
    """The problem document of a refusal of which nothing is left."""
    assert answer is not None
    assert answer.status in statuses, answer
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json
    assert told["status"] == answer.status
    assert len(told["detail"]) > 10
    assert "canary" not in answer.body.decode()
    assert stored() == 0
    return told


def taken(answer: Answer | None) -> dict[str, Any]:
    assert answer is not None
    assert answer.status == 202, answer
    told = answer.json
    assert Message.objects.filter(pk=told["message"]).count() == 1
    assert told["matched"] == len(told["work_orders"]) == Run.objects.count() == 1
    return told


def test_a_message_is_taken_with_all_that_it_starts(server: Server, site: World):
    told = taken(server.post(address(site), GOOD))
    assert bytes(MessagePayload.objects.get().raw) == GOOD
    assert [str(run.pk) for run in Run.objects.all()] == told["work_orders"][0]["runs"]


# --- bodies: by the number of their row in the list of bad inputs ---------------------------------

BODIES: dict[str, tuple[bytes, int]] = {
    "1 not JSON": (b"{'canary': 1}", 400),
    "1 cut off": (b'{"canary": "x', 400),
    "1 something behind": (b'{"canary": 1} 2', 400),
    "2 empty": (b"", 400),
    "2 blanks": (b" \r\n\t", 400),
    "3 null": (b"null", 400),
    "4 text": (b'"canary"', 400),
    "4 number": (b"7", 400),
    "4 true": (b"true", 400),
    "5 lists too deep": (b"[" * DEEP + b"]" * DEEP, 400),
    "5 objects too deep": (b'{"a":' * DEEP + b"1" + b"}" * DEEP, 400),
    "5 only opened": (b"[" * DEEP, 400),
    "6 5,000 deep": (b"[" * 5_000 + b"]" * 5_000, 400),
    "6 just too deep": (b"[" * 101 + b"]" * 101, 400),
    "7 a key twice": (b'{"a": 1, "a": 2}', 400),
    "7 a key twice, inside": (b'[{"b": {"a": 1, "a": 1}}]', 400),
    "8 NaN": (b'{"a": NaN}', 400),
    "8 Infinity": (b'{"a": -Infinity}', 400),
    "9 too large a number": (b'{"a": 1e999}', 400),
    "9 too large a negative one": (b"[-1e400]", 400),
    "10 an endless integer": (b'{"a": ' + b"9" * 5_000 + b"}", 400),
    "12 NUL in a text": (b'{"a": "x\\u0000y"}', 422),
    "12 NUL in a key": (b'{"x\\u0000y": 1}', 422),
    "13 a raw NUL": (b'{"a": "\0"}', 400),
    "13 only a raw NUL": (b"\0", 400),
    "14 half a surrogate pair": (b'{"a": "\\ud800"}', 422),
    "14 the other half, in a key": (b'{"\\udc00": 1}', 422),
    "14 a pair the wrong way round": (b'["\\udc00\\ud800"]', 422),
    "17 not UTF-8": (b'{"a": "\xff"}', 400),
    "17 a surrogate in UTF-8": (b'["\xed\xa0\x80"]', 400),
    "19 UTF-16": ('{"a": 1}'.encode("utf-16"), 400),
    "28 gzip without saying so": (gzip.compress(GOOD), 400),
    "30 3 MB over the limit": (b'["' + b"x" * 13_000_000 + b'"]', 413),
    "74 a key of a megabyte": (b'{"' + b"k" * 1_000_000 + b'": 1}', 400),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_bad_body_is_refused_with_a_sentence(server: Server, site: World, name: str):
    body, status = BODIES[name]
    told = refused(server.post(address(site), body), status)
    row = Refusal.objects.get()
    assert (row.status, row.code, row.reason) == (status, told["code"], told["detail"])
    assert RefusalCount.objects.get().count == 1


FINE: dict[str, bytes] = {
    "4 a list": b"[1, 2]",
    "6 as deep as it may be": b"[" * 100 + b"]" * 100,
    "6 brackets in a text are no depth": json.dumps({"a": "[{" * DEEP}).encode(),
    "10 4,300 digits": b'{"a": ' + b"9" * 4_300 + b"}",
    "11 a long fraction": b'{"a": 0.1234567890123456789012}',
    "14 a whole pair": b'{"a": "\\ud83d\\ude00"}',
    "18 a byte order mark": b"\xef\xbb\xbf" + GOOD,
    "18 blanks around": b"\r\n " + GOOD + b"\n\n",
    "30 3 MB": b'["' + b"x" * 3_000_000 + b'"]',
    "59 markup": b'{"a": "<script>alert(1)</script>"}',
    "68 any script": '{"نام": "\u202e\u200bकखग"}'.encode(),
    "74 ten thousand keys": json.dumps({str(n): n for n in range(10_000)}).encode(),
}


@pytest.mark.parametrize("name", FINE)
def test_an_odd_but_sound_body_is_kept_byte_for_byte(server: Server, site: World, name: str):
    assert server.post(address(site), FINE[name]).status == 202
    assert bytes(MessagePayload.objects.get().raw) == FINE[name]


# --- headers --------------------------------------------------------------------------------------

HEADERS: dict[str, tuple[dict[str, Any], tuple[int, ...]]] = {
    "19 charset UTF-16": ({"content_type": "application/json; charset=utf-16"}, (415,)),
    "20 charset Latin 1": ({"content_type": "application/json; charset=iso-8859-1"}, (415,)),
    "21 a charset that there is not": ({"content_type": "application/json; charset=bogus"}, (415,)),
    "22 JSON that calls itself a form": ({"content_type": "application/x-www-form-urlencoded"}, (400,)),
    "23 XML in Latin 1": ({"content_type": "text/xml; charset=iso-8859-1"}, (415,)),
    "24 multipart that is none": ({"content_type": "multipart/form-data; boundary=x"}, (400,)),
    "24 multipart without a boundary": ({"content_type": "multipart/form-data"}, (400,)),
    "25 no type": ({"content_type": None}, (415,)),
    "25 text": ({"content_type": "text/plain"}, (415,)),
    "25 nonsense": ({"content_type": ";;;=\xe9"}, (415,)),
    "28 gzip that is none": ({"content_encoding": "gzip"}, (400,)),
    "28 another compression": ({"content_encoding": "br"}, (415,)),
    "28 an encoding that there is not": ({"content_encoding": "canary"}, (415,)),
    "33 a body cut short": ({"content_length": "100"}, (400,)),
    "47 an empty id": ({"Idempotency_Key": ""}, (400,)),
    "47 a long id": ({"Idempotency_Key": "x" * 10_000}, (400,)),
    "47 an id with blanks": ({"Idempotency_Key": "a b"}, (400,)),
    "47 an id that is not ASCII": ({"Idempotency_Key": "\xe9"}, (400,)),
    "47 an id twice": ({"Idempotency_Key": "a\r\nIdempotency-Key: b"}, (400,)),
    "72 another host": ({"host": "evil.example"}, (400,)),
    "72 no host": ({"host": None}, (400,)),
    "72 nonsense for a host": ({"host": "a b\xff"}, (400,)),
}


@pytest.mark.parametrize("name", HEADERS)
def test_a_bad_header_is_refused_with_a_sentence(server: Server, site: World, name: str):
    headers, statuses = HEADERS[name]
    cut_short = "content_length" in headers
    refused(server.send(request_of(address(site), GOOD, **headers), finish=cut_short), *statuses)


@pytest.mark.parametrize(
    "request_headers",
    [
        {"content_type": "application/json;charset=UTF-8"},
        {"content_type": "application/vnd.partner+json"},
        {"content_type": 'application/json; charset="utf-8"'},
        {"content_encoding": "identity"},
        {"x_note": "\xe9\xff"},
        {"x_note": "x" * 10_000},
        {"expect": "100-continue"},
    ],
    ids=str,
)
def test_an_odd_but_sound_header_does_no_harm(server: Server, site: World, request_headers: dict[str, str]):
    if "expect" in request_headers:
        # The interim answer comes first; what counts is that the message is stored.
        server.send(request_of(address(site), GOOD, **request_headers))
        assert Message.objects.count() == 1
    else:
        taken(server.post(address(site), GOOD, **request_headers))


# --- HTTP itself: what the server refuses before the platform sees it need not be a problem document

WIRE: dict[str, bytes] = {
    "31 a negative length": request_of("{a}", GOOD, content_length="-5"),
    "31 a length that is none": request_of("{a}", GOOD, content_length="abc"),
    "31 two lengths": request_of("{a}", GOOD, content_length="33\r\ncontent-length: 5"),
    "31 an endless length": request_of("{a}", GOOD, content_length="9" * 40),
    "32 nonsense for a chunk": request_of(
        "{a}", b"zz\r\nx\r\n", content_length=None, transfer_encoding="chunked"
    ),
    "35 150 headers": request_of("{a}", GOOD, **{f"x_{n}": "1" for n in range(150)}),
    "35 a megabyte of header": request_of("{a}", GOOD, x_long="x" * 1_000_000),
    "36 an address of 70 kB": request_of("{a}?" + "x" * 70_000, GOOD),
    "no HTTP at all": b"\x16\x03\x01\x02\x00\x01\xfc\x03\r\n\r\n",
    "a header with a NUL": request_of("{a}", GOOD, x_nul="\0"),
    "an old protocol": b"POST {a}\r\n\r\n",
}


@pytest.mark.parametrize("name", WIRE)
def test_broken_http_is_refused_and_stores_nothing(server: Server, site: World, name: str):
    answer = server.send(WIRE[name].replace(b"{a}", address(site).encode()))
    assert answer is None or 400 <= answer.status < 500
    assert stored() == 0
    taken(server.post(address(site), GOOD))  # and the next one is served


def chunked(site: World, *chunks: bytes) -> bytes:
    head = request_of(address(site), content_length=None, transfer_encoding="chunked")
    return head + b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"


def test_a_body_in_chunks_is_taken_whole(server: Server, site: World):
    taken(server.send(chunked(site, GOOD[:5], GOOD[5:])))
    assert bytes(MessagePayload.objects.get().raw) == GOOD


def test_a_body_in_chunks_is_counted_while_it_is_read(server: Server, site: World):
    refused(server.send(chunked(site, *[b"[" + b" " * 999_999] * 12)), 413)


def test_the_project_says_how_large_a_message_may_be(server: Server, site: World):
    Project.objects.update(max_body_bytes=20, config_version=F("config_version") + 1)
    refused(server.post(address(site), GOOD), 413)


# --- addresses and methods ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/inbox/../../etc/passwd",
        "/inbox/..%2f..%2fetc%2fpasswd",
        "/inbox/%00",
        "/inbox/%ff%fe",
        "/inbox/" + "9" * 23,
        "/inbox/" + "9" * 5_000,
        "/inbox/' OR 1=1 --".replace(" ", "%20"),
        f"/inbox/{uuid.UUID(int=0)}",
        "/inbox/",
        "/inbox",
        "/int/5",
    ],
)
def test_an_address_that_is_none_is_not_found(server: Server, site: World, path: str):
    answer = server.post(path, GOOD)
    assert answer.status == 404
    assert stored() == 0
    if path.startswith("/inbox/"):
        refused(answer, 404)


def test_unknown_and_archived_inboxes_answer_the_same(server: Server, site: World):
    unknown = refused(server.post(f"/inbox/{uuid.uuid4()}", GOOD), 404)
    Inbox.objects.filter(pk=site.inbox.pk).update(archived_at=timezone.now())
    assert refused(server.post(address(site), GOOD), 404) == unknown


def test_an_inbox_that_is_off_says_so(server: Server, site: World):
    Inbox.objects.filter(pk=site.inbox.pk).update(enabled=False)
    refused(server.post(address(site), GOOD), 409)


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "TRACE", "BREW"])
def test_only_post_is_taken(server: Server, site: World, method: str):
    answer = server.send(request_of(address(site), GOOD, method=method))
    refused(answer, 405)
    assert answer is not None
    assert {"GET", "HEAD", "POST"} <= set(answer.headers["allow"].split(", "))


def test_a_nul_in_the_address_is_refused(server: Server, site: World):
    refused(server.post(f"{address(site)}?a=%00", GOOD), 422)


def test_half_a_surrogate_in_the_address_does_no_harm(server: Server, site: World):
    taken(server.post(f"{address(site)}?a=%ED%A0%80&b=1&b=2", GOOD))


# --- keys and tokens ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x_api_key": "canary-wrong"},
        {"x_api_key": "\xe9\xff"},
        {"x_api_key": "x" * 10_000},
        {"authorization": "Bearer"},
        {"authorization": "Bearer ofp_" + "x" * 43},
        {"authorization": "Bearer ofp_\xe9"},
        {"authorization": "Basic Y2FuYXJ5Og=="},
    ],
    ids=["none", "wrong", "not ASCII", "long", "no word", "unknown token", "odd token", "other kind"],
)
def test_without_a_valid_key_nothing_is_taken(server: Server, site: World, headers: dict[str, str]):
    site.key()
    answer = server.post(address(site), GOOD, **headers)
    refused(answer, 401)
    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_key_opens_its_own_inbox_and_no_other(server: Server, site: World, neighbour: World):
    key = site.key()
    neighbour.key()
    refused(server.post(address(neighbour), GOOD, x_api_key=key), 401)
    taken(server.post(address(site), GOOD, x_api_key=key))


def token(world: World, *scopes: str) -> tuple[ApiToken, str]:
    return token_create(project=world.project, name=f"t{uuid.uuid4()}", scopes=scopes, by=world.owner)


def test_a_token_with_intake_posts_and_sees_its_own_messages_only(server: Server, site: World):
    key = site.key()
    mine, plain = token(site, Scope.INTAKE)
    told = taken(server.post(address(site), GOOD, authorization=f"Bearer {plain}"))
    assert Message.objects.get().intake == mine.pk
    status = f"{address(site)}/messages/{told['message']}"
    seen = server.send(request_of(status, method="GET", authorization=f"Bearer {plain}"))
    assert seen is not None
    assert seen.status == 200
    assert seen.json["work_orders"][0]["runs"][0]["state"] == "available"
    assert b"canary" not in seen.body
    others: list[dict[str, Any]] = [{"x_api_key": key}]
    others.append({"authorization": f"Bearer {token(site, Scope.INTAKE)[1]}"})
    for other in others:
        answer = server.send(request_of(status, method="GET", **other))
        assert answer is not None
        assert answer.status == 404


def test_a_token_without_intake_is_told_what_it_lacks(server: Server, site: World):
    site.key()
    for scope in (Scope.READ, Scope.READ_DATA, Scope.OPERATE, Scope.DEPLOY):
        told = refused(server.post(address(site), GOOD, authorization=f"Bearer {token(site, scope)[1]}"), 403)
        assert "intake" in told["detail"]


def test_a_token_of_a_neighbour_or_a_revoked_one_opens_nothing(server: Server, site: World, neighbour: World):
    site.key()
    revoked, plain = token(site, Scope.INTAKE)
    token_revoke(token=revoked, by=site.owner)
    for wrong in (plain, token(neighbour, Scope.INTAKE)[1]):
        refused(server.post(address(site), GOOD, authorization=f"Bearer {wrong}"), 401)


# --- duplicates -----------------------------------------------------------------------------------


def test_the_same_id_again_gets_the_first_answer(server: Server, site: World):
    first = taken(server.post(address(site), GOOD, Idempotency_Key="form-7"))
    again = server.post(address(site), GOOD, Idempotency_Key="form-7")
    assert (again.status, again.json) == (202, first)
    assert again.headers["idempotency-replayed"] == "true"
    assert Message.objects.count() == Run.objects.count() == 1


def test_the_same_id_with_another_body_is_a_mistake(server: Server, site: World):
    server.post(address(site), GOOD, Idempotency_Key="form-7")
    answer = server.post(address(site), b'{"other": 1}', Idempotency_Key="form-7")
    assert (answer.status, answer.json["code"]) == (422, "idempotency_mismatch")
    assert Message.objects.count() == 1


# --- what is kept of refusals ---------------------------------------------------------------------


def test_of_refusals_all_are_counted_and_the_last_hundred_kept_without_their_bodies(
    server: Server, site: World
):
    count = KEPT + 8 * TIDY_ONE_IN
    for _ in range(count):
        server.post(address(site), b"canary {")
    assert sum(row.count for row in RefusalCount.objects.all()) == count
    # Tidying is left to chance, one time in twenty: the newest hundred are there, and not many more.
    kept = list(Refusal.objects.order_by("-id").values_list("reason", "sender", "size", "key_prefix"))
    assert KEPT <= len(kept) < count
    assert "canary" not in repr(kept)
    assert kept[0][1:3] == ("127.0.0.1", 8)
    assert RefusalCount.objects.first().code == "not_json"  # type: ignore[union-attr]  # counted above


# --- without its database -------------------------------------------------------------------------


def test_without_a_database_the_sender_is_told_to_try_again(
    server: Server, site: World, tmp_path_factory: pytest.TempPathFactory
):
    dead = database_url(HOST="127.0.0.1", PORT=str(free_port()))
    message = request_of(address(site), GOOD, x_api_key="any")
    question = request_of("/api/v1/runs", method="GET", authorization="Bearer ofp_" + "x" * 43)
    with (
        served(dead, tmp_path_factory.mktemp("web") / "log") as lonely,
        ThreadPoolExecutor() as both,  # each waits some seconds for the database
    ):
        for answer in both.map(lonely.send, (message, question)):
            refused(answer, 503)
            assert answer is not None
            assert int(answer.headers["retry-after"]) > 0
