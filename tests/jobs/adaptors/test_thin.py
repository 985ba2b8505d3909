"""What single described systems are asked, where that is more than the engine's own."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from contextlib import closing, contextmanager
from email import message_from_bytes
from typing import Any

import pytest

from jobs.adaptors import registry
from jobs.adaptors.common import csv
from jobs.adaptors.context import Context
from jobs.adaptors.errors import Unavailable, ValidationError
from tests.common.faulty import FaultyServer, answer, hang_up
from tests.jobs.adaptors.conformance.case import query
from tests.jobs.adaptors.conformance.test_conformance import CASES


@contextmanager
def connected(name, server):
    client = registry.connect(name, CASES[name].configuration(server.url), Context(allow_private=True))
    try:
        yield client
    finally:
        client.close()


@pytest.mark.parametrize("wanted", [{"district": "Kigoma é", "n": {"$gt": 0}}, '{"district": "Kigoma é"}'])
def test_a_filter_may_be_an_object_or_its_json_text(wanted):
    with FaultyServer(answer(200, {"results": []})) as server, connected("kobotoolbox", server) as kobo:
        kobo.get_submissions("aXb3", query=wanted)
        sent = json.loads(query(server.seen[0])["query"])
    assert sent == (wanted if isinstance(wanted, dict) else json.loads(wanted))


def test_none_at_all_may_be_asked_for():
    with (
        FaultyServer(answer(200, {"results": [{"n": 1}]})) as server,
        connected("kobotoolbox", server) as kobo,
    ):
        assert kobo.get_submissions("aXb3", max=0) == []
        assert kobo.get_submissions("aXb3", max=1) == [{"n": 1}]


@pytest.mark.parametrize(
    ("name", "call", "path"),
    [
        ("msgraph", lambda it: it.get_all("sites/root/lists/a b"), "/v1.0/sites/root/lists/a%20b"),
        ("msgraph", lambda it: it.create("sites/root/lists", {"name": "x"}), "/v1.0/sites/root/lists"),
        ("openlmis", lambda it: it.get_all("v2/facilities"), "/api/v2/facilities"),
        ("stripe", lambda it: it.list_all("checkout/sessions"), "/v1/checkout/sessions"),
        ("asana", lambda it: it.get_task("1/2"), "/api/1.0/tasks/1%2F2"),
    ],
)
def test_a_path_may_have_several_parts_and_an_id_only_one(name, call, path):
    case = CASES[name]

    def answered(connection, seen):
        (case.log_in(seen) or answer(200, {"value": [], "data": [], "content": []}))(connection, seen)

    with FaultyServer(answered) as server, connected(name, server) as client:
        call(client)
        assert server.seen[-1].target.partition("?")[0] == path


@pytest.mark.parametrize(
    ("name", "call"),
    [("asana", lambda it: it.get_tasks("7")), ("stripe", lambda it: it.list_all("customers"))],
)
def test_a_list_is_asked_for_by_the_hundred(name, call):
    with FaultyServer(answer(200, {"data": [{"n": 1}]})) as server, connected(name, server) as client:
        assert call(client) == [{"n": 1}]
        assert query(server.seen[0])["limit"] == "100"


def test_what_a_credential_leaves_out_is_as_its_form_says():
    token = {"access_token": "tok-4711-abcdef", "expires_in": 3600}
    with (
        FaultyServer(answer(200, token), answer(200, {})) as server,
        connected("openlmis", server) as openlmis,
    ):
        openlmis.get("/programs")
        shown = server.seen[0].headers["authorization"].removeprefix("Basic ")
    assert base64.b64decode(shown) == b"user-client:other-5ecret"


def test_the_name_of_an_environment_is_no_secret():
    with FaultyServer() as server, connected("mtn_momo", server) as momo:
        assert "sandbox" not in momo.auth.secrets()
        assert "sub-k3y-77" in momo.auth.secrets()


def test_an_archive_holds_the_files_as_they_are_and_can_be_uploaded():
    table = "id;name\n7;Ama é"
    files = {
        "é/a.csv": table,
        "raw.json": {"n": [1, None]},
        "b.bin": bytes(range(256)),
        "empty": "",
    }
    with FaultyServer(answer(201, {"id": "01A"})) as server, connected("msgraph", server) as msgraph:
        archive = msgraph.zip(files)
        assert archive == msgraph.zip(files)
        msgraph.upload_file("b!7", "root", "week.zip", archive)
        sent = server.seen[-1]
    assert (sent.method, sent.target) == ("PUT", "/v1.0/drives/b%217/items/root:/week.zip:/content")
    with zipfile.ZipFile(io.BytesIO(sent.body)) as packed:
        assert packed.testzip() is None
        assert {each.external_attr >> 16 for each in packed.infolist()} == {0o644}
        found = {name: packed.read(name) for name in packed.namelist()}
    assert found.pop("raw.json") == b'{"n": [1, null]}'
    assert found == {"é/a.csv": table.encode(), "b.bin": files["b.bin"], "empty": b""}


@pytest.mark.parametrize("name", ["../a", "/etc/a", "a/../../b", "..\\a", "C:\\a", "", "a\0b"])
def test_a_file_in_an_archive_stays_where_it_is_unpacked(name):
    with FaultyServer() as server, connected("msgraph", server) as msgraph:
        with pytest.raises(ValidationError, match="cannot be the name of a file"):
            msgraph.zip({name: "x"})
        with pytest.raises(ValidationError, match="needs files by name"):
            msgraph.zip({})


ROWS = [{"id": "7", "name": 'Kara "é"'}, {"id": "8", "note": "a\nb", "n": 0}]


@pytest.mark.parametrize("given", [ROWS, iter(ROWS), 'id;name\n7;"Kara ""é"""'], ids=["list", "rows", "text"])
def test_records_are_uploaded_as_one_csv_with_how_they_are_to_be_joined(given):
    with FaultyServer(answer(200, {"count": 2})) as server, connected("surveycto", server) as surveycto:
        assert surveycto.upload_csv_records("clinics é", given, mode="merge", key="id") == {"count": 2}
        seen = server.seen[0]
    assert (seen.method, seen.target) == ("POST", "/api/v2/datasets/clinics%20%C3%A9/records/upload")
    sent = message_from_bytes(b"content-type: " + seen.headers["content-type"].encode() + b"\n\n" + seen.body)
    _whole, file, metadata = sent.walk()
    assert (file.get_content_type(), file.get_filename()) == ("text/csv", "data.csv")
    content: list[Any] = [each.get_payload(decode=True) for each in (file, metadata)]
    assert csv.read(content[0])[0]["name"] == 'Kara "é"'
    assert json.loads(content[1]) == {"uploadMode": "MERGE", "joiningField": "id"}


@pytest.mark.parametrize(("mode", "key", "times"), [("append", "", 1), ("clear", "", 1), ("merge", "id", 2)])
def test_only_an_upload_that_may_come_twice_is_repeated(mode, key, times):
    with FaultyServer(hang_up, answer(200, {})) as server, connected("surveycto", server) as surveycto:
        if times == 1:
            with pytest.raises(Unavailable) as caught:
                surveycto.upload_csv_records("clinics", ROWS, mode=mode, key=key)
            assert (caught.value.sent, caught.value.retryable) == (True, False)
        else:
            surveycto.upload_csv_records("clinics", ROWS, mode=mode, key=key)
        assert len(server.seen) == times


@pytest.mark.parametrize(
    ("dataset", "rows", "how"),
    [
        ("", ROWS, {}),
        ("clinics", [], {"mode": "clear"}),
        ("clinics", "", {"mode": "clear"}),
        ("clinics", ROWS, {"mode": "replace"}),
        ("clinics", ROWS, {"mode": "merge"}),
        ("clinics", ROWS, {"key": "id"}),
        ("clinics", [*ROWS, {"id": " "}], {"mode": "merge", "key": "id"}),
    ],
)
def test_an_upload_of_nothing_or_by_nothing_is_refused(dataset, rows, how):
    with FaultyServer() as server, connected("surveycto", server) as surveycto:
        with pytest.raises(ValidationError, match="upload_csv_records") as caught:
            surveycto.upload_csv_records(dataset, rows, **how)
        assert (caught.value.sent, server.seen) == (False, [])


@pytest.mark.parametrize(
    ("make", "path"),
    [("create_customer", "/f4b/customers"), ("create_payment_method", "/f4b/payment-methods")],
)
def test_what_flutterwave_makes_is_given_back_and_made_once_unless_it_has_a_key(make, path):
    made = answer(200, {"status": "success", "data": {"id": "7"}})
    token = answer(200, {"access_token": "tok-4711-abcdef", "expires_in": 600})
    with FaultyServer(token, made, hang_up, hang_up, made) as server:
        credential = {
            "clientId": "c",
            "clientSecret": "s-4711-k",
            "loginUrl": server.url,
            "baseUrl": server.url + "/f4b",
        }
        with closing(registry.connect("flutterwave", credential, Context(allow_private=True))) as flutterwave:
            create = getattr(flutterwave, make)
            assert create({"email": "ama@clinic.example"}) == {"id": "7"}
            with pytest.raises(Unavailable) as caught:
                create({"email": "ama@clinic.example"})
            assert (caught.value.sent, caught.value.retryable, len(server.seen)) == (True, False, 3)
            assert create({"email": "ama@clinic.example"}, key="ama-2026-0007") == {"id": "7"}
        assert server.seen[0].target == "/realms/flutterwave/protocol/openid-connect/token"
        writes = server.seen[1:]
    assert {(each.method, each.target) for each in writes} == {("POST", path)}
    assert {each.headers["authorization"] for each in writes} == {"Bearer tok-4711-abcdef"}
    assert [each.headers.get("x-idempotency-key") for each in writes] == [None, None, *["ama-2026-0007"] * 2]
    assert writes[0].json == {"email": "ama@clinic.example"}


def test_each_version_of_flutterwave_is_tested_where_it_is():
    token = answer(200, {"access_token": "tok-4711-abcdef", "expires_in": 600})
    with FaultyServer(token, answer(200, {"status": "success", "data": []})) as server:
        credential = {
            "clientId": "c",
            "clientSecret": "s-4711-k",
            "loginUrl": server.url,
            "baseUrl": server.url,
        }
        for given, path in (
            (credential, "/customers?page=1&size=10"),
            ({"secretKey": "k-4711-abc", "baseUrl": server.url}, "/v3/balances"),
        ):
            with closing(registry.connect("flutterwave", given, Context(allow_private=True))) as flutterwave:
                assert flutterwave.test() == "Flutterwave accepts the credential."
            assert server.seen[-1].target == path
