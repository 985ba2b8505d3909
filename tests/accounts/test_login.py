"""Logging in: who gets in, who is kept waiting, and what is written down about it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext

from openfn_platform.projects.models import AuditEntry
from openfn_platform.projects.throttling import client_address
from tests.accounts.doors import DASHBOARD, PASSWORD, browser, is_in, log_in, logged_in, seen
from tests.factories import Cast
from tests.workspace.desk import at, page


def wrong(client: Any, email: str, times: int) -> Any:
    answer = None
    for _ in range(times):
        answer = log_in(client, email, "not the password")
    return answer


def test_the_right_password_opens_the_page_that_was_asked_for(cast: Cast):
    client = browser()
    asked = client.get("/admin/jobs/job/")
    answer = client.post(asked["Location"], {"username": cast.editor.email.upper(), "password": PASSWORD})
    assert answer["Location"] == "/admin/jobs/job/"
    assert is_in(client)


def test_nobody_is_sent_elsewhere_after_the_log_in(cast: Cast):
    client = browser()
    answer = client.post(
        "/admin/login/?next=https://evil.example/", {"username": cast.editor.email, "password": PASSWORD}
    )
    assert answer["Location"] == DASHBOARD


def test_too_many_tries_lock_the_pair_of_person_and_address_and_say_how_long(cast: Cast):
    client = browser()
    answer = wrong(client, cast.editor.email, settings.AXES_FAILURE_LIMIT)
    assert answer.status_code == 429
    assert "Please wait 15 minutes" in seen(answer)
    assert 0 < int(answer["Retry-After"]) <= 900
    assert log_in(client, cast.editor.email).status_code == 429
    assert not is_in(client)


def test_others_are_not_locked_out_with_them(cast: Cast):
    wrong(browser("192.0.2.7"), cast.editor.email, settings.AXES_FAILURE_LIMIT)
    assert log_in(browser("192.0.2.8"), cast.editor.email).status_code == 302
    assert log_in(browser("192.0.2.7"), cast.viewer.email).status_code == 302


def test_changing_the_browser_does_not_help(cast: Cast):
    for number in range(settings.AXES_FAILURE_LIMIT):
        log_in(browser(agent=f"Try/{number}"), cast.editor.email, "wrong")
    assert log_in(browser(agent="Another/1"), cast.editor.email).status_code == 429


def test_an_unknown_address_is_answered_just_like_a_known_one(cast: Cast):
    known, unknown = browser("192.0.2.1"), browser("192.0.2.2")
    for _ in range(settings.AXES_FAILURE_LIMIT + 1):
        one = log_in(known, cast.editor.email, "wrong")
        other = log_in(unknown, "editor.nobody@example.org", "wrong")
        assert one.status_code == other.status_code
        assert one.context["form"].errors == other.context["form"].errors


def test_a_switched_off_person_is_answered_like_an_unknown_one(cast: Cast):
    cast.editor.is_active = False
    cast.editor.save()
    answer = log_in(browser(), cast.editor.email)
    assert "Please enter a correct e-mail address and password" in seen(answer)


def test_the_lock_ends_by_itself(cast: Cast):
    client = browser()
    wrong(client, cast.editor.email, settings.AXES_FAILURE_LIMIT)
    AccessAttempt.objects.update(
        attempt_time=AccessAttempt.objects.get().attempt_time - timedelta(minutes=16)
    )
    assert log_in(client, cast.editor.email).status_code == 302


def test_trying_during_the_lock_does_not_prolong_it(cast: Cast):
    client = browser()
    wrong(client, cast.editor.email, settings.AXES_FAILURE_LIMIT)
    before = AccessAttempt.objects.get().attempt_time
    wrong(client, cast.editor.email, 2)
    assert AccessAttempt.objects.get().attempt_time == before


def test_a_success_forgets_the_failures(cast: Cast):
    client = browser()
    for _ in range(2):
        wrong(client, cast.editor.email, settings.AXES_FAILURE_LIMIT - 1)
        assert log_in(client, cast.editor.email).status_code == 302
        client.logout()


def test_who_runs_the_installation_sees_the_lock_and_lifts_it(cast: Cast):
    client, desk = browser(), at(cast.superuser)
    wrong(client, cast.editor.email, settings.AXES_FAILURE_LIMIT)
    shown = seen(desk.get(page("axes_accessattempt_changelist")))
    assert cast.editor.email in shown
    assert "Locked" in shown
    desk.post(page("axes_accessattempt_lift", AccessAttempt.objects.get().pk))
    assert log_in(client, cast.editor.email).status_code == 302
    assert AuditEntry.objects.filter(action="lock lifted", actor=cast.superuser).exists()


def test_nobody_else_sees_the_locks(cast: Cast):
    wrong(browser(), cast.editor.email, 1)
    client = at(cast.owner)
    assert client.get(page("axes_accessattempt_changelist")).status_code == 403
    assert client.post(page("axes_accessattempt_lift", AccessAttempt.objects.get().pk)).status_code == 404


def test_what_was_typed_is_not_kept(cast: Cast):
    wrong(browser(), cast.editor.email, 2)
    row = AccessAttempt.objects.get()
    assert "not the password" not in row.post_data + row.get_data


def test_log_ins_failures_locks_and_log_outs_are_in_the_audit(cast: Cast):
    client = browser("192.0.2.9")
    wrong(client, cast.viewer.email, settings.AXES_FAILURE_LIMIT)
    inside = logged_in(cast.editor)
    inside.post("/admin/logout/")
    failed = AuditEntry.objects.filter(action="log-in failed")
    assert failed.count() == settings.AXES_FAILURE_LIMIT
    assert (failed[0].object_id, failed[0].address) == (str(cast.viewer.pk), "192.0.2.9")
    assert AuditEntry.objects.filter(action="log-in locked").count() == 1
    entry = AuditEntry.objects.get(action="logged in")
    assert (entry.actor, entry.changes["device"]) == (cast.editor, "Firefox on Linux")
    assert AuditEntry.objects.get(action="logged out").actor == cast.editor


@pytest.mark.parametrize(
    ("trusted", "asks", "forwarded", "client"),
    [
        ([], "192.0.2.1", "203.0.113.5", "192.0.2.1"),
        (["192.0.2.0/24"], "192.0.2.1", "203.0.113.5", "203.0.113.5"),
        (["192.0.2.0/24"], "192.0.2.1", "1.1.1.1, 203.0.113.5", "203.0.113.5"),
        (["192.0.2.0/24", "198.51.100.0/24"], "192.0.2.1", "203.0.113.5, 198.51.100.2", "203.0.113.5"),
        (["192.0.2.0/24"], "192.0.2.1", "nonsense", "192.0.2.1"),
        (["192.0.2.0/24"], "192.0.2.1", "", "192.0.2.1"),
        (["192.0.2.0/24"], "", "203.0.113.5", None),
        (["::ffff:0:0/96", "192.0.2.0/24"], "::ffff:192.0.2.1", "2001:db8::1", "2001:db8::1"),
    ],
    ids=[
        "nobody is trusted",
        "a proxy",
        "a forged beginning",
        "two proxies",
        "nonsense",
        "silent",
        "no address",
        "mapped",
    ],
)
def test_only_a_trusted_proxy_says_for_whom_it_asks(rf, settings, trusted, asks, forwarded, client):
    import ipaddress

    settings.TRUSTED_PROXIES = [ipaddress.ip_network(each) for each in trusted]
    request = rf.get("/", REMOTE_ADDR=asks, HTTP_X_FORWARDED_FOR=forwarded)
    assert client_address(request) == client


def test_a_page_costs_no_query_more_for_all_this(cast: Cast):
    client = logged_in(cast.editor)
    client.get("/admin/jobs/job/")
    with CaptureQueriesContext(connection) as queries:
        client.get("/admin/jobs/job/")
    asked = [each["sql"] for each in queries if 'FROM "session"' in each["sql"] or "mfa_auth" in each["sql"]]
    assert len(asked) == 1, asked


def test_the_password_and_the_name_may_be_anything(cast: Cast):
    for name in (
        "",
        "\0",
        "a" * 5000,
        "\ud800".encode("utf-8", "surrogatepass").decode("utf-8", "replace"),
        "' or 1=1",
    ):
        assert log_in(browser(), name, "\0x").status_code == 200


def test_what_nobody_is_called_is_not_written_down():
    wrong(browser(), "canary-typed-into-the-wrong-field", 1)
    entry = AuditEntry.objects.get(action="log-in failed")
    assert entry.changes == {"person": "nobody has that e-mail address"}
    assert "canary" not in str(vars(entry))
