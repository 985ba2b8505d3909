"""One password tried on many names from one network: slowed, without locking out those who always come from there."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.conf import settings
from django.core import signing
from django.db.models import F
from django.test import Client

from openfn_platform.projects.models import AuditEntry
from tests.accounts.doors import PASSWORD, browser, is_in, log_in, logged_in, seen, with_factor
from tests.factories import Cast
from tests.workspace.desk import at, page, told

FEW = 6
CLINIC = "192.0.2.7"


@pytest.fixture
def few(settings: Any) -> None:
    settings.LOGIN_TRIES_PER_NETWORK = FEW


def sprayed(address: str = CLINIC, *, names: int = FEW) -> None:
    """The same password for one name after the other, each from a fresh browser."""
    for number in range(names):
        assert log_in(browser(address), f"nurse{number}@example.org", "Spring-2026!").status_code == 200


def back_again(client: Client) -> Client:
    """The person has logged out; the browser stays what it was."""
    client.post("/admin/logout/")
    assert not is_in(client)
    return client


def test_after_thirty_names_new_browsers_wait_even_with_the_right_password(cast: Cast):
    assert settings.LOGIN_TRIES_PER_NETWORK == 30
    sprayed(names=30)
    client = browser(CLINIC)
    answer = log_in(client, cast.editor.email)
    assert answer.status_code == 429
    assert 880 < int(answer["Retry-After"]) <= 900
    assert "too many wrong log-ins from your network. Please wait 15 minutes" in seen(answer)
    assert not is_in(client)
    entry = AuditEntry.objects.get(action="log-in locked")
    assert (entry.address, "this network" in entry.changes["what"]) == (CLINIC, True)


def test_a_right_and_a_wrong_password_are_answered_alike(few, cast: Cast):
    sprayed()
    right, wrong = (log_in(browser(CLINIC), cast.editor.email, each) for each in (PASSWORD, "wrong"))
    nobody = log_in(browser(CLINIC), "nobody@example.org", "wrong")
    assert right.status_code == wrong.status_code == nobody.status_code == 429
    assert right.context["form"].errors == wrong.context["form"].errors == nobody.context["form"].errors


def test_the_rest_of_the_world_goes_on(few, cast: Cast):
    sprayed()
    assert log_in(browser("192.0.2.8"), cast.editor.email).status_code == 302


def test_who_has_logged_in_with_this_browser_before_is_let_in(few, cast: Cast):
    inside, regular = logged_in(cast.viewer), back_again(logged_in(cast.editor))
    sprayed()
    assert is_in(inside), "who is in stays in"
    assert log_in(regular, cast.editor.email).status_code == 302
    assert is_in(regular)


def test_a_known_browser_tries_only_for_its_own_people(few, cast: Cast):
    shared = back_again(logged_in(cast.editor))
    assert log_in(shared, cast.viewer.email).status_code == 302
    back_again(shared)
    sprayed()
    assert log_in(shared, cast.admin.email).status_code == 429
    for person in (cast.viewer, cast.editor):
        assert log_in(shared, person.email).status_code == 302
        back_again(shared)


def test_a_known_browser_has_no_more_tries_than_the_pair(few, cast: Cast):
    regular = back_again(logged_in(cast.editor))
    sprayed()
    for _ in range(settings.AXES_FAILURE_LIMIT):
        answer = log_in(regular, cast.editor.email, "wrong")
    assert answer.status_code == 429
    assert log_in(regular, cast.editor.email).status_code == 429


def test_the_browser_is_known_also_after_a_second_factor(few, cast: Cast):
    _, codes = with_factor(cast.editor)
    client = browser(CLINIC)
    answer = log_in(client, cast.editor.email)
    assert settings.KNOWN_BROWSER_COOKIE not in client.cookies, "the password alone makes nobody known"
    client.post(answer["Location"], {"code": codes[0]})
    back_again(client)
    sprayed()
    assert log_in(client, cast.editor.email).status_code == 302


@pytest.mark.parametrize("forged", ["", "nonsense", "WyJ4Il0:1uabcd:xyz"])
def test_a_cookie_that_we_did_not_sign_says_nothing(few, cast: Cast, forged: str):
    sprayed()
    client = browser(CLINIC)
    client.cookies[settings.KNOWN_BROWSER_COOKIE] = forged
    assert log_in(client, cast.editor.email).status_code == 429


def test_a_signature_of_something_else_says_nothing_either(few, cast: Cast):
    sprayed()
    client = browser(CLINIC)
    client.cookies[settings.KNOWN_BROWSER_COOKIE] = signing.dumps(
        [str(cast.editor.pk)], salt="something else"
    )
    assert log_in(client, cast.editor.email).status_code == 429


def test_the_cookie_is_no_business_of_scripts_and_opens_nothing(cast: Cast):
    cookie = logged_in(cast.editor).cookies[settings.KNOWN_BROWSER_COOKIE]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    assert cast.editor.email not in cookie.value
    client = browser()
    client.cookies[settings.KNOWN_BROWSER_COOKIE] = cookie.value
    assert not is_in(client)


def test_it_opens_by_itself_when_the_oldest_tries_are_over(few, cast: Cast):
    sprayed()
    oldest = AccessAttempt.objects.earliest("attempt_time")
    AccessAttempt.objects.filter(pk=oldest.pk).update(attempt_time=F("attempt_time") - timedelta(minutes=10))
    answer = log_in(browser(CLINIC), cast.editor.email)
    assert 280 < int(answer["Retry-After"]) <= 300, "when the oldest is gone there is one less"
    AccessAttempt.objects.filter(pk=oldest.pk).update(attempt_time=F("attempt_time") - timedelta(minutes=6))
    assert log_in(browser(CLINIC), cast.editor.email).status_code == 302


def test_tries_that_were_refused_do_not_prolong_it(few, cast: Cast):
    sprayed()
    for _ in range(3):
        assert log_in(browser(CLINIC), "another@example.org", "wrong").status_code == 429
    assert AccessAttempt.objects.count() == FEW


def test_the_addresses_of_one_customer_count_together(few, cast: Cast):
    for number in range(FEW):
        log_in(browser(f"2001:db8:1:2::{number + 1:x}"), f"nurse{number}@example.org", "wrong")
    assert log_in(browser("2001:db8:1:2:ffff::9"), cast.editor.email).status_code == 429
    assert log_in(browser("2001:db8:1:3::1"), cast.editor.email).status_code == 302


def test_wrong_codes_do_not_count(few, cast: Cast):
    for number in range(FEW):
        AccessAttempt.objects.create(
            username=f"second factor of person{number}@example.org",
            ip_address=CLINIC,
            user_agent="x",
            failures_since_start=1,
        )
    assert log_in(browser(CLINIC), cast.editor.email).status_code == 302


def test_who_runs_the_installation_lifts_it_for_all(few, cast: Cast):
    sprayed()
    row = AccessAttempt.objects.earliest("attempt_time")
    said = told(at(cast.superuser).post(page("axes_accessattempt_lift", row.pk), follow=True))
    assert "may try again" in said
    assert log_in(browser(CLINIC), cast.editor.email).status_code == 302


def test_it_needs_no_redis(few, cast: Cast, settings: Any):
    nowhere = {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://127.0.0.1:9/0"}
    settings.CACHES = {"default": nowhere}
    settings.REDIS_URL = nowhere["LOCATION"]
    sprayed()
    assert log_in(browser(CLINIC), cast.editor.email).status_code == 429
