"""The index, the schema, and the answers at addresses that there are not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client, override_settings
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.validation import validate_schema

from tests.api.cast import Caller, Clinic, problem
from tests.api.test_lists import LISTS
from tests.api.test_runs import FIELDS

OTHERS = (
    "sent",
    "adaptors",
    "message-examples",
    "schema",
    "bulk",
    "saved-inputs",
    "project",
    "members",
    "tokens",
    "audit",
)


def schema() -> dict[str, Any]:
    answer = Client().get("/api/v1/schema")
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("application/json")
    described: dict[str, Any] = json.loads(answer.content)
    return described


def test_the_index_names_every_list(api: Caller, clinic: Clinic):
    index = api.get("").json()
    assert set(index) == {*LISTS, *OTHERS}
    for name in (*LISTS, *(name for name in OTHERS if name != "schema")):
        assert api.get(index[name]).status_code == 200


def test_the_schema_is_valid_and_made_without_a_warning():
    GENERATOR_STATS.reset()
    described = schema()
    validate_schema(described)
    assert not GENERATOR_STATS, (GENERATOR_STATS._warn_cache, GENERATOR_STATS._error_cache)


def test_the_schema_says_how_to_authenticate():
    described = schema()
    assert described["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    for path, operations in described["paths"].items():
        for operation in operations.values():
            assert ({"token": []} in operation.get("security", [])) is path.startswith("/api/"), path


def test_the_schema_says_that_a_trigger_is_made_off():
    made = schema()["components"]["schemas"]["TriggerMake"]["properties"]["enabled"]
    assert "it is off" in made["description"]


def test_the_schema_describes_runs_as_they_are():
    described = schema()
    assert list(described["components"]["schemas"]["Run"]["properties"]) == FIELDS
    names = {parameter["name"] for parameter in described["paths"]["/api/v1/runs"]["get"]["parameters"]}
    assert {"cursor", "page_size", "state", "job", "inserted_after"} <= names
    retry = described["paths"]["/api/v1/runs/{id}/retry"]["post"]
    assert set(retry["responses"]) == {"201", "400", "401", "403", "404", "409", "413", "415"}
    assert retry["requestBody"]["content"]["application/json"]["examples"]


def test_every_operation_has_a_sentence_and_its_parameters_do():
    for path, operations in schema()["paths"].items():
        for operation in operations.values():
            assert operation["summary"], path
            for parameter in operation.get("parameters", []):
                assert parameter["in"] == "path" or parameter["description"], (path, parameter)


@pytest.mark.parametrize(
    "path", ["nothing", "runs/", "runs/1/2/3", "../admin", "runs%00", "%ff", "a" * 5_000]
)
def test_an_address_that_is_not_there_says_so(api: Caller, clinic: Clinic, path: str):
    sentence = problem(api.get(f"/api/v1/{path}"), 404)
    if path.endswith("/"):
        assert "slash" in sentence


def test_a_wrong_method_is_told_the_right_ones(api: Caller, clinic: Clinic):
    answer = api.client.delete("/api/v1/runs", headers=api.headers)
    problem(answer, 405)
    assert "GET" in answer["Allow"]
    problem(api.client.options("/api/v1/runs", headers=api.headers), 405)


def test_whatever_a_client_accepts_it_gets_json(api: Caller, clinic: Clinic):
    for accept in ("text/html", "application/xml", "nonsense", "*/*;q=0"):
        assert api.get("runs", headers={"accept": accept}).json()["results"] == []


def test_a_body_that_is_not_json_by_its_type_is_refused(api: Caller, clinic: Clinic):
    run = clinic.run()
    for kind in (
        "text/plain",
        "application/xml",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "",
    ):
        answer = api.client.post(
            f"/api/v1/runs/{run.pk}/retry", b"a=1", content_type=kind, headers=api.headers
        )
        problem(answer, 415)


def test_a_body_in_chunks_is_asked_for_its_length(api: Caller, clinic: Clinic):
    run = clinic.run()
    answer = api.client.post(
        f"/api/v1/runs/{run.pk}/retry", headers={**api.headers, "transfer-encoding": "chunked"}
    )
    assert "Content-Length" in problem(answer, 411)


def test_a_mistake_of_ours_is_no_page_of_html(monkeypatch, api: Caller, clinic: Clinic):
    def broken(*args: object, **kwargs: object) -> None:
        raise RuntimeError("this is not to be shown")

    monkeypatch.setattr("runs.api.runs.RunViewSet.get_queryset", broken)
    answer = api.get("runs")
    assert "not to be shown" not in answer.content.decode()
    problem(answer, 500)


@override_settings(ALLOWED_HOSTS=["platform.example"])
def test_another_host_name_is_a_bad_request(api: Caller, clinic: Clinic):
    problem(api.get("runs"), 400)


@pytest.mark.parametrize(
    ("method", "status", "word"),
    [("GET", 401, "Authorization: Bearer"), ("PUT", 405, "Allow"), ("POST", 415, "application/json")],
)
def test_what_the_framework_refuses_says_what_to_do_too(api: Caller, method: str, status: int, word: str):
    headers = {} if status == 401 else api.headers
    answer = api.client.generic(method, "/api/v1/workflows", b"<a/>", "application/xml", headers=headers)
    assert word in problem(answer, status)
