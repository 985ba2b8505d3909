"""Errors, told plainly: names and types, the line, never a value."""

from typing import Any

import pytest

from jobs.adaptors import registry
from jobs.adaptors.context import Context
from jobs.adaptors.errors import AuthError, ConfigurationError, RateLimited, ValidationError
from jobs.adaptors.registry import UnknownAdaptor
from openfn_platform.common.urls import UrlRefused
from tests.jobs.language.desk import connection, run_job

PATIENT = {
    "data": {"name": "Amina Diallo", "number": 771234567, "rows": [], "none": None, "day": "2026-13-45"}
}


@pytest.mark.parametrize(
    ("code", "kind", "message"),
    [
        ("int(value('name'))", "ValueError", "A text that is not a whole number was given to int()"),
        ("float(value('name'))", "ValueError", "A text that is not a number was given to float()"),
        (
            "from decimal import Decimal\nDecimal(value('name'))",
            "InvalidOperation",
            "A text that is not a number was given to Decimal()",
        ),
        (
            "from datetime import date\ndate.fromisoformat(value('day'))",
            "ValueError",
            "Month must be in 1..12",
        ),
        (
            "from datetime import datetime\ndatetime.strptime(value('name'), '%Y')",
            "ValueError",
            "A text does not have the form that strptime() was told",
        ),
        ("[1].remove(value('name'))", "ValueError", "What was looked for is not in the list"),
        ("[1].index(value('number'))", "ValueError", "What was looked for is not in the list"),
        ("state.data['natid']", "KeyError", "`natid` is not there"),
        ("{}[value('name')]", "KeyError", "A computed key is not there"),
        ("value('rows')[0]", "IndexError", "list index out of range"),
        ("value('none').upper()", "AttributeError", "`.upper` was asked of something that is empty (None)"),
        ("value('none')['a']", "TypeError", "'NoneType' object is not subscriptable"),
        ("value('name')['a']", "TypeError", "string indices must be integers, not 'str'"),
        ("value('name') + 1", "TypeError", 'can only concatenate str (not "int") to str'),
        ("1 + value('name')", "TypeError", "unsupported operand type(s) for +: 'int' and 'str'"),
        ("value('name') < 1", "TypeError", "'<' not supported between instances of 'str' and 'int'"),
        ("state.data.name", "AttributeError", 'An object of the state has no `.name`; write ["name"]'),
        ("value('name').uper()", "AttributeError", "`str` has no `uper`; did you mean `upper`?"),
        (
            "getattr(value('name'), value('name'))",
            "AttributeError",
            "Something does not have what is asked of it",
        ),
        ("1 / 0", "ZeroDivisionError", "Division by zero"),
        ("def f(a): pass\nf()", "TypeError", "f() missing 1 required positional argument: 'a'"),
        ("a, b = value('rows')", "ValueError", "Not enough values to unpack (expected 2, got 0)"),
        ("import json\njson.loads(value('name'))", "JSONDecodeError", "A text is not JSON"),
        ("open(value('name'))", "FileNotFoundError", "A file is not there"),
        ("next(iter(value('rows')))", "StopIteration", "There is no next item"),
        ("import uuid\nuuid.UUID(value('name'))", "ValueError", "A text is not a UUID"),
        (
            "import ipaddress\nipaddress.ip_address(value('name'))",
            "ValueError",
            "… does not appear to be an IPv4 or IPv6 address",
        ),
    ],
)
def test_an_ordinary_error_is_a_sentence_without_values(code, kind, message):
    done = run_job(code, PATIENT)
    assert (done.outcome, done.failure.type) == ("failed", kind)
    assert done.message.lower() == message.lower()
    assert done.failure.line == code.count("\n") + 1
    assert done.failure.code_line == code.split("\n")[-1]


@pytest.mark.parametrize(
    "code",
    [
        "import zoneinfo\nzoneinfo.ZoneInfo(value('name'))",
        "import enum\nclass C(enum.Enum):\n    A = 1\nC(value('name'))",
        "import importlib\nimportlib.import_module(value('name'))",
        "import shlex\nshlex.split(value('name') + \"'\")",
        "import fractions\nfractions.Fraction(value('name'))",
        "import email.utils\nemail.utils.parsedate_to_datetime(value('name'))",
        "import urllib.request\nurllib.request.urlopen(value('name'))",
        "import codecs\ncodecs.lookup(value('name'))",
        "import struct\nstruct.pack(value('name'), 1)",
        "import http.client\nhttp.client.HTTPConnection(value('name'))._get_content_length = 1\nint(value('name'), 99)",
        "import re\nre.compile(value('name') + '(')",
        "import io, csv as tables\ntables.DictWriter(io.StringIO(), ['a']).writerow({value('name'): 1})",
        "import statistics\nstatistics.mean([value('name')])",
        "import base64\nbase64.b64decode(value('name') + '=', validate=True)",
        "import xml.etree.ElementTree as tree\ntree.fromstring(value('name'))",
        "import unicodedata\nunicodedata.lookup(value('name'))",
        "'%d' % value('name')",
        "'{:d}'.format(value('name'))",
        "value('name').encode('ascii').decode(value('name'))",
        "bytes.fromhex(value('name'))",
        "dict(a=1, **{value('name'): 1})[value('name') + 'x']",
        "setattr(1, value('name'), 2)",
        "(lambda a: a)(**{value('name').split()[1]: 1})",
        "eval(value('name').split()[0])",
        "eval(value('name'))",
        "__import__(value('name').split()[0])",
        "from importlib import import_module\nimport_module('.' + value('name'), 'json')",
        "(lambda a: a)(**{value('name'): 1})",
        "dates.parse(value('name'))",
        "phones.normalise(value('name'))",
        "state.data[value('name')]",
        "{}.pop(value('name'))",
    ],
)
def test_no_error_of_the_standard_library_tells_a_value(code):
    done = run_job(code, PATIENT)
    if done.outcome == "success":
        pytest.skip("raises nothing on this version of Python")
    told = f"{done.failure.message} {done.failure.hint} {done.lines(source='platform')}"
    assert "Amina" not in told
    assert "Diallo" not in told


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("raise ValueError('no ' + 'consent')", "no consent"),
        ("raise Exception()", "The job raised Exception"),
        ("class Mine(Exception): pass\nraise Mine('my words')", "my words"),
        ("raise KeyError('x')", "x"),
        ("assert value('rows'), 'no rows'", "no rows"),
        ("assert value('rows')", "This does not hold: assert value('rows')"),
        ("def f():\n    raise ValueError('inside')\nf()", "inside"),
        ("raise ExceptionGroup('g', [ValueError('first'), ValueError('second')])", "g (2 sub-exceptions)"),
    ],
)
def test_what_the_author_raised_is_told_in_the_authors_words(code, message):
    done = run_job(code, PATIENT)
    assert (done.outcome, done.failure.type) == ("failed", "JobError")
    assert done.message.lower() == message.lower()


@pytest.mark.parametrize(
    ("code", "outcome", "kind", "words"),
    [
        (
            "opnmrs.create()",
            "crashed",
            "ReferenceError",
            "`opnmrs` is not known here; did you mean `openmrs`?",
        ),
        (
            "def f():\n    print(x)\n    x = 1\nf()",
            "crashed",
            "ReferenceError",
            "`x` is used before it has a value",
        ),
        ("import requestz", "crashed", "ImportError", "There is no module `requestz` for jobs"),
        ("from math import nothing", "crashed", "ImportError", "cannot be imported from `math`"),
        ("def f():\n    f()\nf()", "crashed", "RecursionError", "calls itself without end"),
        ("import sys\nsys.exit(3)", "crashed", "ExitError", "ended its process"),
        ("raise KeyboardInterrupt", "crashed", "ExitError", "ended its process"),
        ("eval('1 +')", "crashed", "SyntaxError", "cannot be read"),
        ("raise MemoryError", "killed", "OOMError", "more memory"),
        ("raise BaseException('own')", "failed", "JobError", "own"),
    ],
)
def test_each_kind_of_end_has_its_outcome_and_openfns_name(code, outcome, kind, words):
    done = run_job(code, connections=(connection("openmrs"),))
    assert (done.outcome, done.failure.type) == (outcome, kind)
    assert words in done.message


def test_the_line_is_the_deepest_one_of_the_job():
    done = run_job("def f(rows):\n    return sorted(rows, key=lambda row: row['a'])\n\nf([{}])")
    assert (done.failure.line, done.message) == (2, "`a` is not there")


class Partner:
    """A client whose every function fails as it is told to."""

    def __init__(self, context: Context, error: Exception) -> None:
        self.context = context
        self.error = error

    def create(self, *_: object) -> None:
        raise self.error


def _connect(**errors: Exception) -> Any:
    return lambda name, configuration, context: Partner(context, errors[name])


def test_an_adaptors_error_says_which_connection_and_whether_to_try_again():
    refused = ValidationError("Invalid identifier", status=400, hint="Check the check digit.")
    done = run_job(
        "one.create()",
        connections=(connection("two"), connection("one")),
        connect=_connect(one=refused, two=refused),
    )
    failure = done.failure
    assert (done.outcome, failure.type, failure.message, failure.hint) == (
        "failed",
        "AdaptorError",
        "Invalid identifier",
        "Check the check digit.",
    )
    assert (failure.status, failure.kind, failure.retryable) == (400, "partner", False)
    assert (failure.connection, failure.credential, failure.line) == ("one", "credential-one", 1)


@pytest.mark.parametrize(
    ("error", "kind", "retryable", "retry_after"),
    [
        (RateLimited("slow down", status=429, retry_after=30), "rate", True, 30),
        (AuthError("who are you?", status=401), "auth", False, None),
    ],
)
def test_what_the_engine_decides_by_comes_along(error, kind, retryable, retry_after):
    failure = run_job("one.create()", connections=(connection("one"),), connect=_connect(one=error)).failure
    assert (failure.kind, failure.retryable, failure.retry_after) == (kind, retryable, retry_after)


def test_an_address_that_may_not_be_reached_is_told():
    refused = UrlRefused("That is no web address.")
    failure = run_job("one.create()", connections=(connection("one"),), connect=_connect(one=refused)).failure
    assert (failure.type, failure.message, failure.connection) == (
        "AdaptorError",
        "That is no web address.",
        "one",
    )


def test_a_function_that_a_connection_does_not_have_is_told_with_what_was_meant():
    connections = (connection("one"),)
    done = run_job("one.creat()", connections=connections, connect=_connect(one=ValueError()))
    assert done.message.startswith("`one` has no function `creat`")
    assert done.message.endswith("did you mean `create`?")


def test_a_connection_is_said_to_have_what_its_help_tells_and_nothing_else():
    told = {"instanceUrl": "https://openmrs.example", "username": "x", "password": "y"}
    client = registry.connect("openmrs", told, Context())
    done = run_job("one.post()", connections=(connection("one"),), connect=lambda *_: client)
    assert done.message.endswith("update, upsert; did you mean `http.post`?")
    assert "close" not in done.message


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (
            UnknownAdaptor("There is no adaptor named 'x'."),
            "AdaptorError",
            "Cannot load the adaptor `x`: There is no adaptor named 'x'.",
        ),
        (
            ConfigurationError("It lacks 'baseUrl'."),
            "CredentialLoadError",
            "Cannot load the credential of `one`: It lacks 'baseUrl'.",
        ),
        (KeyError("s3cret"), "CredentialLoadError", "Cannot load the credential of `one`."),
    ],
)
def test_what_keeps_a_job_from_starting_is_an_exception_of_the_platform(error, kind, message):
    def connect(*_: object) -> None:
        raise error

    done = run_job("fail('never run')", connections=(connection("one", "x"),), connect=connect)
    assert (done.outcome, done.failure.type, done.failure.kind, done.message) == (
        "exception",
        kind,
        "platform",
        message,
    )
    assert (done.failure.connection, done.failure.credential) == ("one", "credential-one")


def test_an_answer_with_an_error_status_of_httpx_used_directly_keeps_the_status_but_not_the_address():
    code = (
        "import httpx\n"
        "transport = httpx.MockTransport(lambda request: httpx.Response(503))\n"
        "with httpx.Client(transport=transport) as client:\n"
        "    client.get('https://clinic.example/' + value('name')).raise_for_status()"
    )
    failure = run_job(code, PATIENT).failure
    assert (failure.message, failure.status, failure.retryable) == ("The server answered 503", 503, True)


def test_the_last_line_of_the_log_tells_the_failure():
    done = run_job("state.a = 1\nstate.data['natid']")
    assert done.lines(source="platform") == [
        ("error", "KeyError: `natid` is not there (line 2: state.data['natid'])")
    ]
