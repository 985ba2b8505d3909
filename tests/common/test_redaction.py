"""Secrets are found in every spelling in which they travel."""

import base64
import json
import time
from urllib.parse import quote, quote_plus

from hypothesis import given
from hypothesis import strategies as st

from openfn_platform.common.redaction import MASK, Redactor, redact_query
from openfn_platform.common.urls import add_params, masked_url

SECRETS = st.text(st.characters(exclude_categories=["Cs"]), min_size=6, max_size=30)


@given(SECRETS, st.text("/:,;()*@!' &=+", max_size=6))
def test_a_known_secret_is_masked_in_every_spelling(secret, safe):
    spellings = [
        secret,
        quote(secret, safe=safe.replace(" ", "")),
        quote(secret, safe="").lower() if secret.islower() else quote(secret),
        quote_plus(secret),
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        base64.b64encode(secret.encode()).decode(),
    ]
    redact = Redactor([secret])
    assert {redact(each) for each in spellings} == {MASK}


@given(SECRETS)
def test_a_known_secret_is_masked_in_an_address(secret):
    url = add_params("https://a.example/x", {"q": secret})
    assert masked_url(url, redact=Redactor([secret])) == f"https://a.example/x?q={MASK}"


def test_parameters_with_telling_names_are_masked_whatever_they_hold():
    assert (
        redact_query("api_key=1&q=2&sid=3&access_token=&page")
        == "api_key=***&q=2&sid=3&access_token=***&page"
    )
    assert redact_query("sid=3", also=["sid"]) == "sid=***"


def test_short_values_and_no_secrets_leave_texts_alone():
    assert Redactor(["a", "admin", ""])("an admin") == "an admin"
    assert repr(Redactor(["hunter2-hunter2"])) == "Redactor()"


def test_a_secret_inside_another_leaves_nothing_behind():
    assert Redactor(["secret-one", "secret-one-and-more"])("x secret-one-and-more y") == "x *** y"


def test_large_bodies_are_masked_quickly():
    redact = Redactor(["x" * 500 + "é ", "sécret " * 20, "hunter2-hunter2"])
    started = time.perf_counter()
    redact("xé sécret %C3 " * 10_000)
    assert time.perf_counter() - started < 1


def test_a_secret_that_is_learned_later_is_masked_like_the_others():
    redact = Redactor(["hunter2-hunter2"])
    assert redact("access-9") == "access-9"
    redact.learn(["access-9", "short"])
    assert redact("hunter2-hunter2 and access-9, short") == "*** and ***, short"
    nothing_yet = Redactor()
    nothing_yet.learn(["access-9"])
    assert nothing_yet("access-9") == MASK
