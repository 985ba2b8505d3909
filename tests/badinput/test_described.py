"""The whole description of the API against the API: what it says may be sent, and what it says may not.

Of each operation some requests are made up by its description, fitting ones and others. No answer may be 500 or more,
each must be one that the description names, with the type and the shape that it says, and every refusal must be a
problem document with a sentence. What a request changed is undone after it, so each test finds one of everything.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, transaction
from django.test import override_settings
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.config import GenerationConfig, ProjectConfig, ProjectsConfig, SchemathesisConfig
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from runs.models import State
from tests.api.cast import ALL, CANARY, UNKNOWN, Clinic
from tests.api.test_scopes import things_of
from tests.badinput.conftest import HASHERS
from tests.badinput.scene import is_sentence

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
# An answer that ends when the run does; what it says is tried in tests/api/test_following.py.
ENDLESS = "/api/v1/runs/{id}/log/stream"
EXAMPLES = {GenerationMode.POSITIVE: 4, GenerationMode.NEGATIVE: 5}
pytestmark = pytest.mark.django_db


def _described() -> Any:
    """Read once, when the tests are collected: it needs no database."""
    document = json.loads(json.dumps(SchemaGenerator().get_schema(request=None, public=True), default=str))
    generation = GenerationConfig(deterministic=True, with_security_parameters=False)
    default = ProjectConfig(generation=generation)
    config = SchemathesisConfig(projects=ProjectsConfig(default=default), seed=1)
    return schemathesis.openapi.from_dict(document, config=config)


DESCRIBED = _described()
OPERATIONS = {each.ok().label: each.ok() for each in DESCRIBED.get_all_operations()}


def asked() -> Iterator[tuple[str, GenerationMode]]:
    """Where any text will do for all that can be said, nothing said is wrong."""
    for label, operation in OPERATIONS.items():
        if ENDLESS not in label:
            yield label, GenerationMode.POSITIVE
            if operation.body or operation.query or any(each.is_required for each in operation.headers):
                yield label, GenerationMode.NEGATIVE


@pytest.fixture(scope="module")
def stage(
    django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[dict[str, Any], str]]:
    """One of everything in a transaction around each test's own, and the token of a program that may do all."""
    folder: Path = tmp_path_factory.mktemp("static")
    light = override_settings(PASSWORD_HASHERS=HASHERS, STATIC_ROOT=folder, WHITENOISE_USE_FINDERS=False)
    with light, django_db_blocker.unblock(), transaction.atomic():
        clinic = Clinic()
        DESCRIBED.app = WSGIHandler()
        for signal in (
            request_started,
            request_finished,
        ):  # a request does not end the connection that it shares
            signal.disconnect(close_old_connections)
        things = {**things_of(clinic), "address": clinic.inbox.address}
        State.objects.filter(pk=things["saved"]).update(body=b'{"data": 7}')
        yield things, clinic.token(*ALL)[1]
        for signal in (request_started, request_finished):
            signal.connect(close_old_connections)
        transaction.set_rollback(True)


@pytest.mark.parametrize(("label", "mode"), list(asked()))
def test_the_api_is_as_it_is_described(stage: tuple[dict[str, Any], str], label: str, mode: GenerationMode):
    operation = OPERATIONS[label]
    things, token = stage

    @seed(1)
    @settings(
        max_examples=EXAMPLES[mode],
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        if mode == GenerationMode.POSITIVE:
            lead(case, things)
        if isinstance(case.body, dict):  # what is tried out against a partner finds nobody
            case.body = json.loads(json.dumps(case.body).replace(".example", ".invalid"))
        with transaction.atomic():
            answer = case.call(
                app=DESCRIBED.app, headers={"Authorization": f"Bearer {token}", "Accept-Encoding": "identity"}
            )
            case.validate_response(answer, checks=CHECKS)
            if answer.status_code >= 400:
                explained(answer)
            transaction.set_rollback(True)

    ask()


def lead(case: Any, things: dict[str, Any]) -> None:
    """To something that is there."""
    noun = case.operation.path.removeprefix("/api/v1/").split("/")[0].rstrip("s").split("-")[0]
    noun = {"firing": "trigger", "librarie": "library"}.get(noun, noun)
    own = {
        "id": things.get(noun, UNKNOWN),
        "project": things["borrower"],
        "auth": things["auth"],
        "row": CANARY,
        "number": 1,
        "seq": 1,
        "name": "http",
        "address": things["address"],
        "message": things["message"],
        "key": "generic_json",
    }
    for name in case.path_parameters or {}:
        case.path_parameters[name] = str(own.get(name, UNKNOWN))
    if case.headers and "If-Match" in case.headers:
        case.headers["If-Match"] = "*"


def explained(answer: Any) -> None:
    assert answer.headers["content-type"] == ["application/problem+json"], answer.headers
    told = json.loads(answer.content)
    assert told["status"] == answer.status_code
    said = re.sub(r"“[^”]*”|^[^ ]*: ", "", told["detail"])  # without the names that were sent
    assert is_sentence(said), told
