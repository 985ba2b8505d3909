"""What is found before a job is made live."""

from typing import Any

import pytest

from jobs.language import check as check_module
from jobs.language.check import check, check_in_process

AROUND: dict[str, Any] = {
    "language": "python",
    "aliases": {"openmrs": "openmrs", "lab": "http"},
    "settings": ["location"],
    "steps": ["register"],
}


def found(code, **changes):
    findings = check(code=code, **{**AROUND, **changes})
    return [(finding.line, finding.severity, finding.code) for finding in findings]


def message(code, **changes):
    [finding] = check(code=code, **{**AROUND, **changes})
    return finding.message


def test_a_sound_job_has_no_findings():
    code = (
        "import datetime\n"
        "if value('form.consent', 'no') != 'yes':\n"
        "    skip('no consent')\n"
        "patient = openmrs.find_one('patient', identifier=value('form.id'))\n"
        "patient = patient or once('create', openmrs.create, 'patient', {'location': settings.location})\n"
        "log.info(run.id, steps['register'].data, dates.iso_week(datetime.date.today()))\n"
        "rows = [row for row in csv.read(lab.get('/x').body)]\n"
        "sync.wrote('openmrs', patient['uuid'], rows)\n"
        "return {'patient': patient, 'names': [name for name in rows]}"
    )
    assert check(code=code, **AROUND) == []


def test_a_sound_main_has_no_findings():
    code = '"""Doc."""\n\ndef main(state, openmrs, value, *, extra=None):\n    return {**state, "x": value("a"), "e": extra}'
    assert check(code=code, **AROUND) == []


def test_an_undefined_name_is_an_error_also_behind_return():
    assert found("return {'a': natid}") == [(1, "error", "undefined-name")]
    assert message("x = opnmrs") == "`opnmrs` is not known here; did you mean `openmrs`?"


def test_a_name_in_scope_that_the_job_gives_another_meaning_is_left_alone():
    assert found("import csv\nopenmrs = {}\nopenmrs.anything\ncsv.reader([])\nrun = 1\nrun.x") == []


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        (
            "openmrs.creat('patient', {})",
            "unknown-operation",
            "openmrs has no function `creat`; did you mean `create`?",
        ),
        ("once('k', openmrs.creat, 'patient')", "unknown-operation", "did you mean `create`?"),
        ("openmrs.creat.x.y", "unknown-operation", "openmrs has no function `creat.x.y`"),
        ("http.gte('https://a.example')", "unknown-operation", "did you mean `get`?"),
        (
            "settings.locaton",
            "unknown-setting",
            "This job has no setting `locaton`; did you mean `location`?",
        ),
        ("settings['locaton']", "unknown-setting", "did you mean `location`?"),
        ("run.atempt", "unknown-member", "`run` has no `atempt`; did you mean `attempt`?"),
        ("log.warn('x')", "unknown-member", "did you mean `warning`?"),
        ("dates.iso_weak(1)", "unknown-member", "did you mean `iso_week`?"),
        ("once('k', openmrs.create('patient', {}))", "called-before-once", "called before once()"),
        ("from requests import get\nget", "unknown-module", "A job cannot import `requests`"),
        ("import django.db\ndjango", "unknown-module", "A job cannot import `django`"),
        ("def main(state, oppenmrs):\n    pass", "unknown-parameter", "did you mean `openmrs`?"),
    ],
)
def test_a_mistake_with_the_platforms_own_objects_is_an_error(code, kind, words):
    [finding] = [each for each in check(code=code, **AROUND) if each.severity == "error"]
    assert finding.code == kind
    assert words in finding.message


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("steps['regster']", "unknown-step"),
        ("import os", "pyflakes"),
        ("for state in ['Lagos']:\n    pass", "state-hidden"),
        ("def main(state):\n    state = {}\n    return state", "state-local"),
        ("x = 'a\u202e'", "bidi"),
        ("# \u2066 comment", "bidi"),
        ("x = 'a' is 'b'", "pyflakes"),
    ],
)
def test_what_may_be_meant_is_only_a_warning(code, kind):
    assert [(severity, code_) for _, severity, code_ in found(code)] == [("warning", kind)]


def test_an_installation_may_allow_more_modules():
    assert found("import pandas\npandas", modules=["pandas"]) == []


def test_an_adaptor_that_is_not_here_is_an_error():
    assert (
        message("x = 1", aliases={"one": "nowhere"})
        == "There is no adaptor `nowhere`, which `one` should use"
    )


def test_a_connection_cannot_take_a_name_of_the_language():
    assert found("x = 1", aliases={"state": "openmrs"}) == [(1, "error", "reserved-alias")]
    assert found("x = 1", aliases={"http": "http"}) == []


def test_a_syntax_error_has_its_place():
    [finding] = check(code="x = 1\ny = (", **AROUND)
    assert (finding.line, finding.column, finding.severity, finding.message) == (
        2,
        5,
        "error",
        "'(' was never closed",
    )


@pytest.mark.parametrize(
    ("code", "kind", "line", "column"),
    [("a = 1\nb = '\0'", "nul", 2, 6), ("x = '\ud800'", "surrogate", 1, 6), ("#" * 300_000, "too-big", 1, 1)],
)
def test_text_that_is_no_code_is_refused_with_its_place(code, kind, line, column):
    [finding] = check(code=code, **AROUND)
    assert (finding.code, finding.line, finding.column) == (kind, line, column)


def test_a_mark_of_byte_order_and_windows_line_ends_are_taken():
    assert found("\ufeffx = 1\r\nif x:\r\n    pass\r\n") == []


def test_another_language_is_told():
    assert message("fn(state => state)", language="javascript") == "Jobs in javascript cannot be checked here"


HOSTILE = {
    "minus signs": "-" * 100_000 + "1",
    "a long sum": "+".join("1" for _ in range(20_000)),
    "brackets": "(" * 300,
    "attributes": "a" + ".b" * 60_000,
    "lambdas": "lambda: " * 20_000 + "1",
    "nested calls": "f(" * 90 + ")" * 90,
    "a big power": "x = " + "9**" * 50 + "9",
    "long text": "x = 'a' * 10**12",
    "half a character": "'\ud800'",
    "deep blocks": "".join(f"{' ' * n}if 1:\n" for n in range(101)) + " " * 101 + "pass",
}


@pytest.mark.parametrize("code", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_code_gets_an_answer_from_a_process_of_its_own(code):
    findings = check_in_process(code=code, **AROUND)
    assert all(finding.message for finding in findings)


def test_the_process_finds_what_the_function_finds():
    code = "openmrs.creat()\nsettings.locaton\n# \u202e\n'é'"
    assert check_in_process(code=code, **AROUND) == check(code=code, **AROUND)


def test_a_process_that_dies_is_a_finding(monkeypatch):
    monkeypatch.setattr(check_module, "_BOOT", "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    [finding] = check_in_process(code="x = 1", **AROUND)
    assert (finding.severity, finding.code) == ("error", "too-deep")


def test_a_process_that_breaks_off_is_a_finding(monkeypatch):
    monkeypatch.setattr(check_module, "_BOOT", "raise SystemExit(1)")
    [finding] = check_in_process(code="x = 1", **AROUND)
    assert finding.code == "not-checked"


def test_a_process_that_takes_too_long_is_a_finding(monkeypatch):
    monkeypatch.setattr(check_module, "_BOOT", "import time; time.sleep(60)")
    [finding] = check_in_process(code="x = 1", seconds=0.3, **AROUND)
    assert finding.code == "too-slow"
