"""A secret does not show, in whatever form the usual libraries write it."""

import base64
import html
import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runs.sandbox.redaction import Redactor

SECRET = 'p&ss "wörd"/<9>'


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        quote(SECRET),
        quote(SECRET, safe=""),
        quote(SECRET, safe="").lower(),
        quote_plus(SECRET),
        json.dumps(SECRET),
        json.dumps(SECRET, ensure_ascii=False),
        json.dumps(json.dumps(SECRET)),
        repr(SECRET),
        html.escape(SECRET),
        html.escape(SECRET, quote=False),
        base64.b64encode(SECRET.encode()).decode(),
        base64.urlsafe_b64encode(SECRET.encode()).decode(),
    ],
)
def test_every_usual_form_is_found_in_text_and_in_bytes(form):
    redact = Redactor({"password": SECRET})
    assert redact(f"before {form} after") in (
        "before *** after",
        'before "***" after',
        "before '***' after",
        'before "\\"***\\"" after',
    )
    assert form.strip("\"'").encode() not in redact.data(f"x{form}x".encode())


@given(before=st.text(max_size=8), after=st.text(max_size=8))
def test_a_password_inside_a_basic_header_is_found_at_every_alignment(before, after):
    secret = "Zx9!correct-horse"
    header = base64.b64encode(f"{before}:{secret}{after}".encode()).decode()
    shown = Redactor([secret])(header)
    assert "***" in shown
    known = base64.b64encode(b"orrect-hor").decode()[:12]
    assert known not in shown


@settings(deadline=None)  # a busy machine is no bug
@given(
    st.text(min_size=6).filter(lambda text: len(text.strip()) >= 6 and "*" not in text), st.text(), st.text()
)
def test_no_secret_survives_anywhere(secret, before, after):
    assert secret.strip() not in Redactor([secret])(before + secret + after)


def test_user_and_password_are_masked_as_the_pair_that_a_header_has():
    redact = Redactor({"username": "admin", "password": "district"})
    header = base64.b64encode(b"admin:district").decode()
    assert redact(f"Authorization: Basic {header}") == "Authorization: Basic ***"


def test_short_values_count_only_under_a_name_that_says_secret():
    redact = Redactor({"pin": "4711", "country": "Mali", "code": 4712, "api_key": 471312})
    assert redact("4711 Mali 4712 471312") == "*** Mali 4712 ***"


def test_a_private_key_is_masked_line_by_line():
    key = "-----BEGIN KEY-----\nMIIEpAIBAAKCAQEA7\nqPnRZ8yT5wq2vJx1\n-----END KEY-----\n"
    shown = [Redactor({"key": key})(line) for line in key.splitlines()]
    assert shown == ["-----BEGIN KEY-----", "***", "***", "-----END KEY-----"]


def test_the_longest_secret_wins_and_nested_values_are_found():
    redact = Redactor({"a": [{"b": ("secret-one",)}, "secret-one-and-more"]})
    assert redact("secret-one-and-more secret-one") == "*** ***"


def test_nothing_to_hide_changes_nothing():
    redact = Redactor({"empty": "", "none": None, "short": "ab", "flag": True})
    data = b"\x00 as it was"
    assert redact.data(data) is data
    assert redact("as it was") == "as it was"


def test_a_secret_that_arrives_while_the_run_goes_on_is_masked_from_then_on():
    redact = Redactor({"password": "hunter2-hunter2"})
    token = "eyJhbGciOi.J9-new_token/+="
    assert redact(token) == token
    redact.learn({"access_token": token})
    assert redact(f"{token} hunter2-hunter2 {quote(token, safe='')}") == "*** *** ***"
    assert redact.data(json.dumps({"t": token}).encode()) == b'{"t": "***"}'
