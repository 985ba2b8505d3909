"""What holds for every adaptor."""

import subprocess
import sys

import pytest
from jsonschema import Draft202012Validator

from jobs.adaptors import errors, registry
from jobs.adaptors.context import Context
from jobs.adaptors.errors import AdaptorError, ConfigurationError
from openfn_platform.common.errors import PlatformError

NAMES = registry.names()


def test_an_unknown_adaptor_is_named_with_those_that_there_are():
    with pytest.raises(registry.UnknownAdaptor, match=r"'opnmrs'; there are: .*openmrs"):
        registry.spec("opnmrs")


@pytest.mark.parametrize("name", NAMES)
def test_each_describes_itself(name):
    spec = registry.spec(name)
    assert spec.name == name
    assert spec.title
    assert spec.summary.endswith(".")
    Draft202012Validator.check_schema(spec.schema)
    assert all(field.get("title") for field in spec.schema["properties"].values())
    assert set(spec.schema["required"]) <= set(spec.schema["properties"])


@pytest.mark.parametrize("name", NAMES)
def test_each_field_that_sounds_secret_is(name):
    spec = registry.spec(name)
    telling = ("password", "token", "secret", "api_key")
    sounding = {
        field for field in spec.schema["properties"]
        if field.lower().endswith(telling)
    }  # fmt: skip
    assert sounding <= spec.secrets()


@pytest.mark.parametrize("name", NAMES)
def test_what_is_pasted_with_line_breaks_has_a_field_that_keeps_them(name):
    for field in registry.spec(name).schema["properties"].values():
        if "PEM" in field["title"] or "rivate key" in field["title"]:
            assert field.get("x-lines", 1) > 1, field["title"]


@pytest.mark.parametrize("name", NAMES)
def test_each_operation_has_help_and_an_example_that_compiles(name):
    found = registry.operations(name)
    assert found
    for operation in found:
        assert operation.summary.endswith((".", ";")), operation.name
        assert operation.signature.startswith("(")
        assert "self" not in operation.signature
        assert operation.name.split(".")[-1] + "(" in operation.example
        compile(operation.example, operation.name, "exec")


def test_operations_are_named_as_written_after_the_alias():
    names = {each.name: each for each in registry.operations("openmrs")}
    assert {"get", "find_one", "create", "update", "upsert", "destroy", "fhir.get", "http.post"} <= set(names)
    assert names["create"].writes
    assert not names["find_one"].writes
    assert names["create"].signature == "(path, data)"


@pytest.mark.parametrize(
    ("name", "configuration", "words"),
    [
        ("openmrs", {}, r"lacks 'Address' \(instanceUrl\)"),
        ("openmrs", {"instanceUrl": "zz-secret", "username": "a", "password": "b"}, "must begin with https://"),
        ("openmrs", {"instanceUrl": "https://a:zz-secret@b.c", "username": "a", "password": "b"}, "no name or password"),
        ("openmrs", {"instanceUrl": "https://b.c", "username": "a", "password": 7}, "something else than text in 'password'"),
        ("openmrs", {"instanceUrl": "https://b.c", "username": "a", "password": "b", "fhirVersion": "zz-secret"}, "known are: R5"),
        ("http", {"headers": {"X": 5}}, "."),
    ],
)  # fmt: skip
def test_a_wrong_credential_is_told_by_field_and_never_by_value(name, configuration, words):
    with pytest.raises(ConfigurationError, match=words) as caught:
        registry.connect(name, configuration, Context())
    assert "zz-secret" not in f"{caught.value!r}{caught.value}"


def test_every_error_belongs_to_the_tree_and_explains_itself():
    kinds = [
        each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, AdaptorError)
    ]
    assert len(kinds) == 11
    for kind in kinds:
        error = kind()
        assert isinstance(error, PlatformError)
        assert str(error).endswith(".")
        assert error.kind in ("connection", "auth", "rate", "partner")
        assert kind.__name__ in (errors.__doc__ or "")


def test_an_error_was_not_sent_only_if_that_is_certain():
    assert not AdaptorError("x", status=404).sent
    assert AdaptorError("x", status=500).sent
    assert AdaptorError("x").sent
    assert not AdaptorError("x", sent=False).sent


def test_loading_all_adaptors_loads_neither_django_nor_celery_and_opens_nothing():
    code = (
        "import os, sys\n"
        "before = set(os.listdir('/proc/self/fd'))\n"
        "from jobs.adaptors import registry\n"
        "import jobs.adaptors.common\n"
        "assert not any(name.startswith('jobs.adaptors.openmrs') for name in sys.modules)\n"
        "registry.preload()\n"
        "print(sorted({'django', 'celery', 'rest_framework'} & set(sys.modules)))\n"
        "print(sorted(set(os.listdir('/proc/self/fd')) - before))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.split("\n")[:2] == ["[]", "[]"]
