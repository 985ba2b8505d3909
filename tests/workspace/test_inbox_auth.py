"""What opens an inbox, in the admin: added, shown once, rotated, revoked; and the page of refusals."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape

import pytest
from django.utils import timezone

from openfn_platform.projects.models import AuditEntry
from tests import factories
from tests.factories import Cast
from tests.workspace.desk import at, page, text_of
from triggers.admitting import inbox_password_add, inbox_secret_add, secret_bytes
from triggers.advice import advice_on
from triggers.inboxes import inbox_change, inbox_create, inbox_key_revoke, project_inbox
from triggers.models import Inbox, InboxAuth, InboxSecret, Refusal, RefusalCount
from triggers.models.inbox import AuthKind, InboxAccess

pytestmark = pytest.mark.django_db
SECRET = re.compile(r"whsec_[A-Za-z0-9+/]{43}=")
CHOSEN = "a long way to Kisumu"
SIGNED = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
def cast() -> Cast:
    return factories.cast("Clinic")


@pytest.fixture
def inbox(cast: Cast) -> Inbox:
    return project_inbox(project=cast.project)


def test_a_password_is_made_and_shown_once_with_a_command_that_uses_it(cast: Cast, inbox: Inbox) -> None:
    given = {"name": "Tablets", "username": "odk"}
    shown = unescape(text_of(at(cast.admin).post(page("triggers_inbox_add_password", inbox.pk), given)))
    found = re.search(r"-u (odk:[\w-]{43})", shown)
    assert found is not None
    auth = InboxAuth.objects.get()
    assert (auth.kind, auth.username, auth.name) == ("basic", "odk", "Tablets")
    later = text_of(at(cast.admin).get(page("triggers_inbox_change", inbox.pk)))
    assert "odk" in later
    assert found[1].partition(":")[2] not in later


def test_a_chosen_password_is_stored_hashed_and_not_shown(cast: Cast, inbox: Inbox) -> None:
    given = {"name": "Lab", "username": "lab", "password": CHOSEN}
    answer = at(cast.admin).post(page("triggers_inbox_add_password", inbox.pk), given, follow=True)
    assert "“lab” may post" in text_of(answer)
    assert CHOSEN not in text_of(answer)
    assert InboxAuth.objects.get().password_hash.startswith("$argon2id$")


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"username": "a:b"}, "username"),
        ({"username": "  "}, "username"),
        ({"username": "lab", "password": "short"}, "password"),
        ({"username": "lab", "password": "aaaaaaaaaaaa"}, "password"),
        ({"username": "a-long-user-name", "password": "A-long-user-name"}, "password"),
        ({"username": "lab", "expires_at_0": "2020-01-01", "expires_at_1": "00:00"}, "expires_at"),
    ],
    ids=str,
)
def test_a_bad_password_is_refused_at_its_field(
    cast: Cast, inbox: Inbox, given: dict[str, str], field: str
) -> None:
    answer = at(cast.admin).post(page("triggers_inbox_add_password", inbox.pk), {"name": "x", **given})
    assert field in answer.context["form"].errors
    assert not InboxAuth.objects.exists()


def test_a_signing_secret_is_made_and_shown_once_with_two_programs_that_sign(
    cast: Cast, inbox: Inbox
) -> None:
    shown = unescape(
        text_of(at(cast.admin).post(page("triggers_inbox_add_secret", inbox.pk), {"name": "DHIS2"}))
    )
    [text] = set(SECRET.findall(shown))
    assert "hmac.digest" in shown
    assert "openssl dgst" in shown
    assert "encrypted" in shown
    assert not SECRET.search(text_of(at(cast.admin).get(page("triggers_inbox_change", inbox.pk))))
    assert len(secret_bytes(text)) == 32


@pytest.mark.parametrize(
    "secret",
    ["whsec_", "whsec_c2hvcnQ=", "not base64!", "whsec_é" * 20, "whsec_" + "A" * 700],
    ids=["nothing", "short", "no base64", "not ASCII", "long"],
)
def test_a_bad_signing_secret_is_refused_at_its_field(cast: Cast, inbox: Inbox, secret: str) -> None:
    answer = at(cast.admin).post(page("triggers_inbox_add_secret", inbox.pk), {"name": "x", "secret": secret})
    assert "secret" in answer.context["form"].errors
    assert not InboxAuth.objects.exists()


def test_a_partners_secret_is_taken_and_not_twice(cast: Cast, inbox: Inbox) -> None:
    url = page("triggers_inbox_add_secret", inbox.pk)
    assert at(cast.admin).post(url, {"name": "Svix", "secret": SIGNED}).status_code == 302
    again = at(cast.admin).post(url, {"name": "Svix again", "secret": SIGNED.removeprefix("whsec_")})
    assert "as “Svix”" in text_of(again)
    assert InboxSecret.objects.count() == 1


@pytest.mark.parametrize(
    "name", ["triggers_inbox_add_key", "triggers_inbox_add_password", "triggers_inbox_add_secret"]
)
def test_only_admins_let_somebody_in(cast: Cast, inbox: Inbox, name: str) -> None:
    url, given = page(name, inbox.pk), {"name": "x", "username": "spy"}
    for person, status in ((cast.editor, 403), (cast.viewer, 403), (cast.outsider, 404)):
        assert at(person).get(url).status_code == status
        assert at(person).post(url, given).status_code == status
    assert not InboxAuth.objects.exists()


def test_nothing_secret_is_written_into_the_audit(cast: Cast, inbox: Inbox) -> None:
    _, password = inbox_password_add(inbox=inbox, name="a", username="odk", by=cast.admin)
    inbox_password_add(inbox=inbox, name="b", username="lab", password=CHOSEN, by=cast.admin)
    _, secret = inbox_secret_add(inbox=inbox, name="c", by=cast.admin)
    audit = str(list(AuditEntry.objects.values_list()))
    assert "odk" in audit
    assert not any(text in audit for text in (password, CHOSEN, secret, secret[6:]))


def test_the_page_says_of_each_what_state_it_is_in(cast: Cast, inbox: Inbox) -> None:
    for kind in ("used", "expired", "revoked", "lost"):
        auth, _ = inbox_secret_add(inbox=inbox, name=f"the {kind} one", by=cast.admin)
        if kind == "used":
            InboxAuth.objects.filter(pk=auth.pk).update(last_used_at=timezone.now())
        elif kind == "expired":
            InboxAuth.objects.filter(pk=auth.pk).update(expires_at=timezone.now() - timedelta(days=1))
        elif kind == "revoked":
            inbox_key_revoke(key=auth, by=cast.admin)
        else:
            InboxSecret.objects.filter(auth=auth).update(ciphertext=b"v1\x03goneXXXXXXXXXXXXXXXXXXXXX")
    answer = at(cast.viewer).get(page("triggers_inbox_change", inbox.pk))
    states = {row["auth"].name: row["state"] for row in answer.context["auth_rows"]}
    assert states == {
        "the used one": "valid",
        "the expired one": "expired",
        "the revoked one": "revoked",
        "the lost one": "unreadable",
    }
    assert "Cannot be read" in text_of(answer)
    assert "Revoke</a>" not in text_of(answer)  # a viewer only looks on


def test_revoking_says_when_it_was_last_used(cast: Cast, inbox: Inbox) -> None:
    auth, _ = inbox_password_add(inbox=inbox, name="Tablets", username="odk", by=cast.admin)
    url = page("triggers_inbox_key_revoke", inbox.pk, auth.pk)
    assert "It was never used" in text_of(at(cast.admin).get(url))
    InboxAuth.objects.update(last_used_at=timezone.now() - timedelta(hours=3))
    assert "last used 3\xa0hours ago" in unescape(text_of(at(cast.admin).get(url)))
    at(cast.admin).post(url)
    assert InboxAuth.objects.get().revoked_at is not None


def test_an_open_inbox_is_warned_of_wherever_it_is_shown(cast: Cast, inbox: Inbox) -> None:
    trigger = factories.message_trigger(factories.job(cast.project))
    own = inbox_create(
        project=cast.project, name="Own", by=cast.admin, trigger=trigger, access=InboxAccess.NONE
    )
    assert "Anybody who knows this address" in text_of(
        at(cast.viewer).get(page("triggers_inbox_change", own.pk))
    )
    assert "Open to anybody" in text_of(at(cast.viewer).get(page("triggers_trigger_change", trigger.pk)))
    assert "Anybody who knows the address" in text_of(at(cast.viewer).get(page("triggers_inbox_changelist")))


def test_the_list_says_what_opens_each(cast: Cast, inbox: Inbox) -> None:
    assert "Nobody yet" in text_of(at(cast.viewer).get(page("triggers_inbox_changelist")))
    inbox_password_add(inbox=inbox, name="a", username="odk", by=cast.admin)
    inbox_secret_add(inbox=inbox, name="c", by=cast.admin)
    text = text_of(at(cast.viewer).get(page("triggers_inbox_changelist")))
    assert f"{AuthKind.BASIC.label}, {AuthKind.HMAC.label}" in text


# --- refusals -------------------------------------------------------------------------------------


def refuse(inbox: Inbox, code: str, count: int = 1, *, hours_ago: int = 0) -> None:
    hour = timezone.now().replace(minute=0, second=0, microsecond=0) - timedelta(hours=hours_ago)
    common = {"project": inbox.project, "inbox": inbox, "status": 401, "code": code}
    RefusalCount.objects.create(**common, hour=hour, count=count)
    Refusal.objects.create(**common, reason=f"Because of {code}.", sender="192.0.2.7")


def test_the_page_of_refusals_says_how_many_why_and_what_to_do(cast: Cast, inbox: Inbox) -> None:
    refuse(inbox, "not_json", 3)
    refuse(inbox, "not_json", 4, hours_ago=5)
    refuse(inbox, "access_revoked", 2, hours_ago=50)
    answer = at(cast.viewer).get(page("triggers_inbox_refusals_of", inbox.pk))
    assert [(row["code"], row["times"]) for row in answer.context["reasons"]] == [
        ("not_json", 7),
        ("access_revoked", 2),
    ]
    assert [row["times"] for row in answer.context["hours"]] == [3, 4]
    text = unescape(text_of(answer))
    assert advice_on("access_revoked") in text
    assert "Because of not_json." in text
    assert "192.0.2.7" in text


def test_without_refusals_the_page_says_what_that_means(cast: Cast, inbox: Inbox) -> None:
    text = text_of(at(cast.viewer).get(page("triggers_inbox_refusals_of", inbox.pk)))
    assert "Nothing was refused" in text
    assert "Nothing was refused" in text_of(at(cast.viewer).get(page("triggers_inbox_refusals")))


def test_refusals_of_others_are_not_there(cast: Cast, inbox: Inbox) -> None:
    foreign = project_inbox(project=factories.project())
    refuse(foreign, "canary_code")
    refuse(inbox, "not_json")
    for person in (cast.viewer, cast.admin):
        text = text_of(at(person).get(page("triggers_inbox_refusals")))
        assert "not_json" in text
        assert "canary_code" not in text
    assert at(cast.admin).get(page("triggers_inbox_refusals_of", foreign.pk)).status_code == 404
    assert "not_json" not in text_of(at(cast.outsider).get(page("triggers_inbox_refusals")))


def test_the_page_of_refusals_needs_as_many_questions_for_many_inboxes(
    cast: Cast, inbox: Inbox, django_assert_max_num_queries: object
) -> None:
    job = factories.job(cast.project)
    for number in range(5):
        own = inbox_create(
            project=cast.project, name=f"Own {number}", by=cast.admin, trigger=factories.message_trigger(job)
        )
        refuse(own, "not_json", number + 1)
    client = at(cast.viewer)
    client.get(page("triggers_inbox_refusals"))
    with django_assert_max_num_queries(12):  # type: ignore[operator]  # a fixture
        client.get(page("triggers_inbox_refusals"))


def test_a_change_of_access_leaves_what_opens_it(cast: Cast, inbox: Inbox) -> None:
    inbox_secret_add(inbox=inbox, name="c", by=cast.admin)
    inbox_change(inbox=inbox, by=cast.admin, access=InboxAccess.NONE)
    text = text_of(at(cast.viewer).get(page("triggers_inbox_change", inbox.pk)))
    assert "counts only when access is closed" in text
