"""Where somebody is logged in, and how that ends."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone

from openfn_platform.projects.models import AuditEntry, Session
from tests.accounts.doors import PASSWORD, browser, is_in, letters_to, link_to, log_in, logged_in, seen
from tests.factories import Cast
from tests.workspace.desk import at, page

ACCOUNT = "/admin/account/"
END = "/admin/account/sessions/end/"
NEW = "purple mango bicycle"
PHONE = "Mozilla/5.0 (Linux; Android 15) Chrome/140.0 Mobile Safari/537.36"


def test_the_page_shows_device_address_and_when(cast: Cast):
    client = logged_in(cast.editor)
    logged_in(cast.editor, address="198.51.100.4", agent=PHONE)
    shown = seen(client.get(ACCOUNT))
    for expected in ("Firefox on Linux", "This one", "Chrome on Android", "198.51.100.4", "192.0.2.7"):
        assert expected in shown


def test_no_key_of_a_session_stands_on_a_page(cast: Cast):
    client = logged_in(cast.editor)
    logged_in(cast.editor, address="198.51.100.4")
    shown = seen(client.get(ACCOUNT))
    assert not any(each.session_key in shown for each in Session.objects.all())


def test_one_session_is_ended_and_the_others_stay(cast: Cast):
    here, lost, other = (logged_in(cast.editor, address=f"192.0.2.{number}") for number in (1, 2, 3))
    rows = here.get(ACCOUNT).context["sessions"]
    key = next(row["key"] for row in rows if row["session"].address == "192.0.2.2")
    here.post(END, {"session": key})
    assert [is_in(client) for client in (here, lost, other)] == [True, False, True]
    assert AuditEntry.objects.get(action="session ended").changes["address"] == "192.0.2.2"


def test_everywhere_else_is_one_button(cast: Cast):
    here, *others = (logged_in(cast.editor, address=f"192.0.2.{number}") for number in (1, 2, 3))
    here.post(END)
    assert is_in(here)
    assert not any(is_in(client) for client in others)
    assert AuditEntry.objects.get(action="sessions ended").changes["count"] == 2


def test_nobody_ends_sessions_of_others(cast: Cast):
    victim = logged_in(cast.owner)
    key = victim.get(ACCOUNT).context["sessions"][0]["key"]
    logged_in(cast.editor).post(END, {"session": key})
    assert is_in(victim)


def test_the_key_changes_when_somebody_logs_in(cast: Cast):
    client = browser()
    client.get("/admin/login/")
    session = client.session
    session["anything"] = 1
    session.save()
    before = session.session_key or ""
    client.cookies[settings.SESSION_COOKIE_NAME] = before
    log_in(client, cast.editor.email)
    assert client.cookies[settings.SESSION_COOKIE_NAME].value != before


def test_last_seen_is_noted_once_a_minute_and_not_for_every_click(cast: Cast):
    client = logged_in(cast.editor)
    noted = Session.objects.get(user=cast.editor).seen_at
    client.get(ACCOUNT)
    assert Session.objects.get(user=cast.editor).seen_at == noted
    Session.objects.update(seen_at=timezone.now() - timedelta(minutes=5))
    client.get(ACCOUNT)
    row = Session.objects.get(user=cast.editor)
    assert row.seen_at is not None
    assert row.seen_at > timezone.now() - timedelta(seconds=30)


def test_switching_a_person_off_ends_all_sessions_at_once(cast: Cast):
    clients = [logged_in(cast.editor, address=f"192.0.2.{number}") for number in (1, 2)]
    at(cast.superuser).post(page("projects_user_switch_off", cast.editor.pk))
    assert not Session.objects.filter(user=cast.editor).exists()
    assert not any(is_in(client) for client in clients)


def test_who_runs_the_installation_logs_somebody_out_everywhere(cast: Cast):
    client = logged_in(cast.editor)
    at(cast.superuser).post(page("projects_user_log_out", cast.editor.pk))
    assert not is_in(client)


def test_an_owner_does_not(cast: Cast):
    client = logged_in(cast.editor)
    assert at(cast.owner).post(page("projects_user_log_out", cast.editor.pk)).status_code == 404
    assert is_in(client)


# --- passwords -----------------------------------------------------------------------------------------


def change(client: Any, **more: str) -> Any:
    given = {"old": PASSWORD, "new": NEW, "again": NEW} | more
    return client.post("/admin/password_change/", given)


def test_a_new_password_ends_the_other_sessions_and_not_this_one(cast: Cast):
    here, elsewhere = logged_in(cast.editor), logged_in(cast.editor, address="192.0.2.50")
    assert change(here).status_code == 302
    assert is_in(here)
    assert not is_in(elsewhere)
    assert log_in(browser(), cast.editor.email, NEW).status_code == 302
    assert "password was changed" in letters_to(cast.editor.email)[-1].subject
    assert AuditEntry.objects.filter(action="password changed", actor=cast.editor).exists()


def test_a_new_password_is_refused_with_the_reason_at_its_field(cast: Cast):
    client = logged_in(cast.editor)
    for given, field in (
        ({"old": "wrong"}, "old"),
        ({"again": "something else"}, "again"),
        ({"new": "short", "again": "short"}, "new"),
        ({"new": "password1234", "again": "password1234"}, "new"),
        ({"new": "1" * 14, "again": "1" * 14}, "new"),
    ):
        assert field in change(client, **given).context["form"].errors, given


def test_the_old_password_cannot_be_tried_out_there(cast: Cast):
    client = logged_in(cast.editor)
    for _ in range(settings.AXES_FAILURE_LIMIT):
        answer = change(client, old="wrong")
    assert "too many tries" in seen(answer)
    assert "too many tries" in seen(change(client))


def test_a_forgotten_password_is_replaced_by_a_link_that_works_once(cast: Cast):
    elsewhere = logged_in(cast.editor)
    browser().post("/admin/password_reset/", {"email": cast.editor.email.upper()})
    link, client = link_to(cast.editor.email), browser()
    assert client.post(link, {"new": NEW, "again": NEW})["Location"] == "/admin/login/"
    assert log_in(client, cast.editor.email, NEW).status_code == 302
    assert not is_in(elsewhere)
    assert client.get(link).status_code == 404


def test_the_page_says_the_same_to_a_stranger_and_mails_nobody(cast: Cast):
    client = browser()
    known = client.post("/admin/password_reset/", {"email": cast.editor.email})
    unknown = client.post("/admin/password_reset/", {"email": "nobody@example.org"})
    assert known.context["lead"] == unknown.context["lead"]
    assert letters_to("nobody@example.org") == []


def test_nobody_is_flooded_with_such_mails(cast: Cast):
    for _ in range(6):
        browser().post("/admin/password_reset/", {"email": cast.editor.email})
    assert len(letters_to(cast.editor.email)) == 3


def test_a_link_made_up_is_no_longer_good(db: None):
    for path in ("x/y", "MTIz/set-password", "%00/a-b"):
        assert browser().get(f"/admin/reset/{path}/").status_code == 404


def test_a_new_password_does_not_take_the_place_of_the_second_factor(cast: Cast):
    from tests.accounts.doors import with_factor

    with_factor(cast.editor)
    browser().post("/admin/password_reset/", {"email": cast.editor.email})
    client = browser()
    client.post(link_to(cast.editor.email), {"new": NEW, "again": NEW})
    log_in(client, cast.editor.email, NEW)
    assert not is_in(client)
