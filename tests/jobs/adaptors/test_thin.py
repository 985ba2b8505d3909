"""What single described systems are asked, where that is more than the engine's own."""

from __future__ import annotations

import base64
import json
from contextlib import contextmanager

import pytest

from jobs.adaptors import registry
from jobs.adaptors.context import Context
from tests.common.faulty import FaultyServer, answer
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
