"""Delivery over a real SMTP server and into a folder: nothing lost, nothing twice, nobody flooded."""

from __future__ import annotations

import email
import itertools
import threading
import time
from collections import Counter
from datetime import timedelta
from email.policy import default
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connections, transaction
from django.db.models import F
from django.utils import timezone

from openfn_platform.projects.models import Membership
from runs.models import Notification
from runs.notifications import delivery, quota
from runs.notifications.delivery import mail_is_configured, mails_send
from tests.servers.smtp import Postbox, SilentServer

from . import cast

pytestmark = pytest.mark.django_db

WORDS = ["".join(letters) for letters in itertools.product("abcdefghij", repeat=3)]


def different_failures(clinic: SimpleNamespace, count: int) -> None:
    run = cast.failing_run(clinic.project)
    for word in WORDS[:count]:
        cast.fail(run, f"Refused because of {word}")


def time_passes(**span: float) -> None:
    passed = timedelta(**span)
    Notification.objects.update(
        created_at=F("created_at") - passed,
        next_try_at=F("next_try_at") - passed,
        sent_at=F("sent_at") - passed,
    )


def states() -> Counter[str]:
    return Counter(mail.state for mail in cast.mails())


def write_mail(clinic: SimpleNamespace, recipient: str = "", **fields: Any) -> Notification:
    mail = Notification.objects.create(
        project=clinic.project,
        kind="opened",
        cause=f"cause-{Notification.objects.count()}",
        recipient=recipient or clinic.owner.email,
        subject="Subject",
        text="Text with ü and 患者\n",
        **fields,
    )
    mail.refresh_from_db()
    return mail


def test_a_mail_goes_out_once_with_its_own_fixed_message_id(
    clinic: SimpleNamespace, postbox: Postbox
) -> None:
    postbox.open()
    mail = write_mail(clinic)
    assert [mails_send(), mails_send()] == [1, 0]
    [taken] = postbox.taken
    assert taken["Message-ID"].startswith(f"<{mail.pk}@")
    assert taken["Auto-Submitted"] == "auto-generated"
    assert taken.get_content().splitlines() == ["Text with ü and 患者"]
    assert states() == {"sent": 1}


def test_mails_about_one_incident_are_one_thread(clinic: SimpleNamespace, postbox: Postbox) -> None:
    postbox.open()
    run = cast.failing_run(clinic.project)
    cast.fail(run)
    cast.succeed(run)
    assert mails_send() == 4
    assert len({taken["References"] for taken in postbox.taken}) == 1
    assert len({taken["Message-ID"] for taken in postbox.taken}) == 4


def test_without_a_server_or_folder_mails_wait_and_nothing_is_tried(
    clinic: SimpleNamespace, settings: Any
) -> None:
    settings.MAIL_DIR = settings.EMAIL_HOST = ""
    write_mail(clinic)
    assert not mail_is_configured()
    assert mails_send() == 0
    assert [(mail.state, mail.attempts) for mail in cast.mails()] == [("waiting", 0)]


def test_with_a_folder_mails_are_files(clinic: SimpleNamespace, settings: Any, tmp_path: Path) -> None:
    settings.MAIL_DIR = settings.EMAIL_FILE_PATH = str(tmp_path)
    settings.EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    cast.fail(cast.failing_run(clinic.project))
    assert mails_send() == 2
    [file] = tmp_path.iterdir()
    first = email.message_from_bytes(file.read_bytes(), policy=default)
    assert first["Subject"] == "[Clinic registration] Create patient: AdaptorError (1 failure)"


def test_a_server_that_is_down_is_tried_once_for_all_and_later_gets_everything(
    clinic: SimpleNamespace, postbox: Postbox
) -> None:
    for number in range(40):
        write_mail(clinic, f"p{number}@clinic.example")
        cast.member(clinic.project, cast.person(f"p{number}"))
    started = time.monotonic()
    assert [mails_send(), mails_send()] == [0, 0]
    assert time.monotonic() - started < 2
    assert {mail.attempts for mail in cast.mails()} == {1}
    time_passes(minutes=5)
    assert mails_send() == 0
    postbox.open()
    write_mail(clinic)  # a new one is tried at once; that it got through frees the others
    sent = mails_send() + mails_send()
    assert sent == 41
    assert states() == {"sent": 41}
    assert set(Counter(postbox.addresses()).values()) == {1}


def test_each_failure_doubles_the_wait_up_to_an_hour(clinic: SimpleNamespace, postbox: Postbox) -> None:
    write_mail(clinic)
    waits = []
    for _ in range(9):
        mails_send()
        mail = cast.mails()[0]
        waits.append(round((mail.next_try_at - timezone.now()).total_seconds() / 60))
        Notification.objects.update(next_try_at=timezone.now() - timedelta(seconds=1))
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_a_mail_is_given_up_only_after_three_days_and_many_tries(
    clinic: SimpleNamespace, postbox: Postbox
) -> None:
    write_mail(clinic, attempts=1)
    time_passes(days=4)  # switched off meanwhile: age alone is no reason
    mails_send()
    assert states() == {"waiting": 1}
    Notification.objects.update(attempts=80)
    Notification.objects.update(
        created_at=timezone.now() - timedelta(hours=71), next_try_at=timezone.now() - timedelta(hours=1)
    )
    mails_send()
    assert states() == {"waiting": 1}
    time_passes(hours=2)
    mails_send()
    assert states() == {"given-up": 1}
    assert "The mail server cannot be used" in cast.mails()[0].error


def test_a_server_that_says_nothing_costs_one_short_wait(
    clinic: SimpleNamespace, postbox: Postbox, settings: Any
) -> None:
    silent = SilentServer()
    try:
        settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = silent.port, 0.3
        for number in range(20):
            write_mail(clinic, recipient=f"p{number}@clinic.example")
            cast.member(clinic.project, cast.person(f"p{number}"))
        started = time.monotonic()
        mails_send()
        assert time.monotonic() - started < 1.5
        assert len(silent.connections) == 1
    finally:
        silent.close()


def test_a_refused_address_stops_nobody_else_and_is_given_up_after_a_day(
    clinic: SimpleNamespace, postbox: Postbox
) -> None:
    postbox.open()
    postbox.refused[clinic.owner.email] = "550 No such user\there"
    for _ in range(5):
        write_mail(clinic)
    write_mail(clinic, clinic.member.email)
    assert mails_send() == 1
    assert postbox.addresses() == [clinic.member.email]
    assert postbox.recipients_asked == 2  # not once per mail
    owners = Notification.objects.filter(recipient=clinic.owner.email)
    assert {mail.attempts for mail in owners} == {1}
    assert "550 No such user here" in owners[0].error
    owners.update(attempts=12)
    time_passes(hours=25)
    mails_send()
    assert states() == {"sent": 1, "given-up": 5}


def test_an_address_that_is_full_for_now_is_tried_again(clinic: SimpleNamespace, postbox: Postbox) -> None:
    postbox.open()
    postbox.refused[clinic.owner.email] = "452 Mailbox full"
    write_mail(clinic)
    mails_send()
    postbox.refused.clear()
    time_passes(minutes=2)
    assert mails_send() == 1


def test_a_refused_text_does_not_hold_up_the_next_mail(clinic: SimpleNamespace, postbox: Postbox) -> None:
    postbox.open()
    postbox.reply_to_data = "554 Message looks odd"
    write_mail(clinic)
    write_mail(clinic)
    mails_send()
    assert [mail.attempts for mail in cast.mails()] == [1, 1]
    postbox.reply_to_data = ""
    time_passes(minutes=2)
    assert mails_send() == 2


def test_a_server_that_dies_after_the_text_gets_it_again_under_the_same_id(
    clinic: SimpleNamespace, postbox: Postbox
) -> None:
    postbox.open()
    postbox.dies_after_data = 1
    first, second = write_mail(clinic), write_mail(clinic)
    assert mails_send() == 0
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.attempts, second.attempts) == (1, 0)  # only the one that it died over has to wait
    assert mails_send() == 1
    time_passes(minutes=2)
    assert mails_send() == 1
    ids = Counter(str(taken["Message-ID"]) for taken in postbox.taken)
    assert sorted(ids.values()) == [1, 2]
    assert states() == {"sent": 2}


def test_a_sender_that_dies_after_sending_leads_to_the_same_id_once_more(
    clinic: SimpleNamespace, postbox: Postbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    postbox.open()
    write_mail(clinic)
    write_mail(clinic)

    def killed(_mail: Notification) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(delivery, "_mark_sent", killed)  # the process ends between the two transactions
        with pytest.raises(KeyboardInterrupt):
            mails_send()
    assert mails_send() == 0  # not before its lease is over
    time_passes(minutes=6)
    assert mails_send() == 2
    ids = Counter(str(taken["Message-ID"]) for taken in postbox.taken)
    assert sorted(ids.values()) == [1, 2]
    assert states() == {"sent": 2}


def test_an_address_with_a_line_break_harms_only_its_own_mail(
    clinic: SimpleNamespace, postbox: Postbox
) -> None:
    postbox.open()
    odd = cast.person("Odd")
    type(odd).objects.filter(pk=odd.pk).update(email="odd@clinic.example\nbcc: x@evil.example")
    cast.member(clinic.project, odd)
    cast.fail(cast.failing_run(clinic.project))
    assert mails_send() == 2
    assert states() == {"sent": 2, "waiting": 1}
    assert not any(taken["Bcc"] for taken in postbox.taken)


def test_a_sender_address_that_is_none_loses_no_mail(
    clinic: SimpleNamespace, postbox: Postbox, settings: Any
) -> None:
    postbox.open()
    settings.DEFAULT_FROM_EMAIL = "not an address\n"
    write_mail(clinic, attempts=50)
    time_passes(days=2)
    assert mails_send() == 0
    assert states() == {"waiting": 1}


def test_a_thousand_failures_are_ten_mails_and_one_list(clinic: SimpleNamespace, postbox: Postbox) -> None:
    postbox.open()
    run = cast.failing_run(clinic.project)
    for number in range(1000):
        cast.fail(run, f"Refused because of {WORDS[number % 250]}")
    assert len(cast.mails()) == 500
    assert [mails_send(), mails_send()] == [20, 0]
    time_passes(minutes=30)
    cast.fail(run, "One more of another kind")
    assert mails_send() == 0
    time_passes(minutes=31)
    assert [mails_send(), mails_send()] == [2, 0]
    assert Counter(postbox.addresses()) == {clinic.owner.email: 11, clinic.member.email: 11}
    assert states() == {"sent": 22, "gathered": 482}
    listed = postbox.taken[-1]
    assert listed["Subject"] == "[Clinic registration] 241 more mails in one list"
    assert listed.get_content().count("/admin/runs/incident/") == 201
    assert "41 more incidents are not listed here" in listed.get_content()
    assert "canary" not in listed.get_content() + str(listed["Subject"])


def test_the_eleventh_mail_alone_is_no_list(clinic: SimpleNamespace, postbox: Postbox) -> None:
    postbox.open()
    for _ in range(11):
        write_mail(clinic)
    assert mails_send() == 10
    time_passes(minutes=61)
    assert mails_send() == 1
    assert states() == {"sent": 11}


def test_a_list_that_does_not_get_through_is_sent_later(clinic: SimpleNamespace, postbox: Postbox) -> None:
    postbox.open()
    for _ in range(15):
        write_mail(clinic)
    mails_send()
    postbox.close()
    time_passes(minutes=61)
    assert mails_send() == 0
    assert states() == {"sent": 10, "gathered": 5, "waiting": 1}
    postbox.open()
    time_passes(minutes=2)
    assert mails_send() == 1
    assert postbox.taken[-1]["Subject"] == "[Clinic registration] 5 more mails in one list"


def test_whoever_left_the_project_meanwhile_is_not_told_any_more(
    clinic: SimpleNamespace, postbox: Postbox
) -> None:
    cast.fail(cast.failing_run(clinic.project))
    mails_send()
    postbox.open()
    Membership.objects.filter(user=clinic.member).delete()
    time_passes(minutes=2)
    assert mails_send() == 1
    assert postbox.addresses() == [clinic.owner.email]
    assert states() == {"sent": 1, "given-up": 1}


def test_a_call_ends_when_its_time_is_over_and_gives_back_what_it_had_taken(
    clinic: SimpleNamespace, postbox: Postbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    postbox.open()
    before = [write_mail(clinic) for _ in range(3)]
    monkeypatch.setattr(delivery, "SECONDS_PER_CALL", -1)
    assert mails_send() == 0
    taken = quota.mails_take(recipient=clinic.owner.email)
    assert delivery._send_to(None, taken, time.monotonic() - 1) == (0, False)  # type: ignore[arg-type]
    for mail in before:
        was = (mail.next_try_at, mail.sent_at, mail.attempts)
        mail.refresh_from_db()
        assert (mail.next_try_at, mail.sent_at, mail.attempts) == was


def test_mails_in_the_hands_of_another_sender_count(clinic: SimpleNamespace) -> None:
    for _ in range(8):
        write_mail(clinic)
    assert len(quota.mails_take(recipient=clinic.owner.email)) == 8
    for _ in range(8):
        write_mail(clinic)
    assert len(quota.mails_take(recipient=clinic.owner.email)) == 2


@pytest.mark.django_db(transaction=True)
def test_two_senders_never_take_one_persons_mails_at_the_same_moment(clinic: SimpleNamespace) -> None:
    for _ in range(14):
        write_mail(clinic)
    others: list[int] = []

    def another() -> None:
        write_mail(clinic)  # not among the rows that the first sender has locked
        others.append(len(quota.mails_take(recipient=clinic.owner.email)))
        connections.close_all()

    with transaction.atomic():
        assert len(quota.mails_take(recipient=clinic.owner.email)) == 10
        thread = threading.Thread(target=another)
        thread.start()
        thread.join()
    another()
    assert others == [0, 0]


@pytest.mark.django_db(transaction=True)
def test_many_senders_at_once_send_every_mail_once_and_no_more_than_ten(
    clinic: SimpleNamespace, postbox: Postbox
) -> None:
    postbox.open()
    people = [clinic.owner.email, clinic.member.email, clinic.viewer.email]
    for recipient in people:
        for _ in range(14):
            write_mail(clinic, recipient)
    start = threading.Barrier(4)
    counts: list[int] = []

    def sender() -> None:
        start.wait()
        for _ in range(5):
            counts.append(mails_send())
        connections.close_all()

    threads = [threading.Thread(target=sender) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(counts) == 30
    assert Counter(postbox.addresses()) == dict.fromkeys(people, 10)
    assert len({taken["Message-ID"] for taken in postbox.taken}) == 30
    assert states() == {"sent": 30, "waiting": 12}
