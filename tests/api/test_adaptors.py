"""What adaptors offer, read by programs."""

from __future__ import annotations

import json

from jobs.adaptors import registry
from openfn_platform.projects.models import Scope
from tests.api.cast import Caller, Clinic, problem


def test_the_list_has_every_adaptor_once(api: Caller):
    rows = api.results("adaptors")
    assert [row["name"] for row in rows] == sorted(registry.names())
    assert all(row["title"] and row["summary"] for row in rows)


def test_one_adaptor_tells_its_functions_and_what_its_credential_needs(api: Caller):
    told = api.get("adaptors/openmrs").json()
    functions = {each["name"]: each for each in told["operations"]}
    assert functions["create"]["signature"] == "(path, data)"
    assert functions["create"]["writes"] is True
    assert functions["find_one"]["writes"] is False
    assert functions["create"]["example"]
    assert told["credential"]["properties"]["password"]["writeOnly"] is True


def test_it_says_which_adaptors_log_in_by_oauth(api: Caller):
    told = {row["name"]: row["oauth"] for row in api.results("adaptors")}
    assert told["http"] == ["authorization_code", "client_credentials"]
    assert told["openmrs"] == []


def test_an_adaptor_that_there_is_not_is_named_with_those_that_there_are(api: Caller):
    assert "openmrs" in problem(api.get("adaptors/opnmrs"), 404)


def test_a_token_that_may_not_read_does_not_read_this(clinic: Clinic):
    intake = clinic.caller(Scope.INTAKE)
    problem(intake.get("adaptors"), 403)
    problem(intake.get("adaptors/http"), 403)
    problem(Caller(None).get("adaptors"), 401)


def test_a_parameter_that_it_does_not_know_is_refused(api: Caller):
    assert "q" in problem(api.get("adaptors", q="sms"), 400)


def test_what_is_told_can_be_read_as_json_schema(api: Caller):
    for name in registry.names():
        assert json.dumps(api.get(f"adaptors/{name}").json()["credential"])
