"""Keys, passwords and signatures at the door of an inbox, over a real server and real sockets."""

from __future__ import annotations

import base64
import gzip
import hashlib
import hmac
import re
import time
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from openfn_platform.projects.models import Scope
from openfn_platform.projects.tokens import token_create
from runs.models import Run
from tests.flows.canary import everything_stored
from tests.flows.world import World
from tests.triggers.serving import Answer, Server, request_of
from triggers.admitting import WHSEC, inbox_password_add, inbox_secret_add, secret_bytes
from triggers.inboxes import inbox_change, inbox_key_add, inbox_key_revoke
from triggers.models import InboxAuth, InboxSecret, Message, MessagePayload, Refusal
from triggers.models.inbox import InboxAccess
from triggers.passwords import TRIES_AT_ONCE

pytestmark = pytest.mark.django_db(transaction=True, available_apps=list(settings.INSTALLED_APPS))

GOOD = b'{"form": {"name": "Ada"}}'
OTHER = b'{"form": {"name": "Eve"}}'
CHOSEN = "a long way to Kisumu"


@pytest.fixture
def shut(site: World) -> World:
    """A clinic whose inbox wants to be opened."""
    inbox_change(inbox=site.inbox, by=site.owner, access=InboxAccess.KEY)
    return site


def address(site: World) -> str:
    return f"/inbox/{site.inbox.address}"


def basic(user: str, password: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def signed(
    secret: str, body: bytes = GOOD, *, id: str = "msg_1", at: object = None, **more: str
) -> dict[str, str]:
    at = int(time.time()) if at is None else at
    mac = hmac.new(secret_bytes(secret), f"{id}.{at}.".encode() + body, hashlib.sha256)
    signature = "v1," + base64.b64encode(mac.digest()).decode()
    return {"webhook_id": id, "webhook_timestamp": str(at), "webhook_signature": signature} | more


def secret_of(site: World, **more: Any) -> str:
    return inbox_secret_add(inbox=site.inbox, name=f"s{uuid.uuid4()}", by=site.owner, **more)[1]


def code(answer: Answer | None) -> str:
    """The code of a refusal, of which nothing is kept."""
    assert answer is not None
    assert 400 <= answer.status < 500, answer
    assert answer.headers["content-type"] == "application/problem+json"
    assert Message.objects.count() == 0
    return str(answer.json["code"])


# --- any kind opens -------------------------------------------------------------------------------


def test_every_kind_opens_the_same_inbox_so_that_senders_can_change_over(server: Server, shut: World):
    inbox, owner = shut.inbox, shut.owner
    _, key = inbox_key_add(inbox=inbox, name="key", by=owner)
    _, made = inbox_password_add(inbox=inbox, name="made", username="odk", by=owner)
    inbox_password_add(inbox=inbox, name="chosen", username="lab", password=CHOSEN, by=owner)
    first, second = secret_of(shut), secret_of(shut)
    doors = [{"x_api_key": key}, {"authorization": f"Bearer {key}"}, basic("odk", made), basic("lab", CHOSEN)]
    doors += [signed(first, id="1"), signed(second, id="2"), {**signed(first, id="3"), "x_api_key": "wrong"}]
    for door in doors:
        assert server.post(address(shut), GOOD, **door).status == 202
    assert Message.objects.count() == len(doors)
    assert Message.objects.filter(intake__in=InboxAuth.objects.values("id")).count() == len(doors)


def test_what_opens_one_inbox_opens_no_other(server: Server, shut: World):
    neighbour = World()
    inbox_change(inbox=neighbour.inbox, by=neighbour.owner, access=InboxAccess.KEY)
    _, made = inbox_password_add(inbox=neighbour.inbox, name="x", username="odk", by=neighbour.owner)
    secret_of(shut)
    inbox_password_add(inbox=shut.inbox, name="x", username="odk", by=shut.owner)
    assert code(server.post(address(shut), GOOD, **basic("odk", made))) == "not_authenticated"
    assert code(server.post(address(shut), GOOD, **signed(secret_of(neighbour)))) == "wrong_signature"


def test_whose_key_a_wrong_one_is_cannot_be_told_from_what_is_done_about_it(shut: World):
    """The statements, their values left out, because a clock on a busy machine tells less: none, one that nobody has,
    a neighbour's."""
    neighbour = World()
    wrong: tuple[dict[str, str], ...] = (
        {},
        {"x-api-key": "nobody-has-this-one"},
        {"x-api-key": neighbour.key()},
    )

    def done(headers: dict[str, str]) -> list[str]:
        with CaptureQueriesContext(connection) as asked:
            answer = Client().post(address(shut), GOOD, content_type="application/json", headers=headers)
        assert answer.status_code == 401
        told = [re.sub(r"'[^']*'|\d+", "", each["sql"]) for each in asked.captured_queries]
        return [each for each in told if "DELETE FROM refusal" not in each]  # by chance, whatever was brought

    done({})  # from now on the inbox is known
    assert [done(headers) for headers in wrong] == [done({})] * len(wrong)


def test_what_has_expired_or_was_revoked_opens_nothing_and_says_which(server: Server, shut: World):
    key, plain = inbox_key_add(inbox=shut.inbox, name="key", by=shut.owner)
    password, made = inbox_password_add(inbox=shut.inbox, name="p", username="odk", by=shut.owner)
    chosen, _ = inbox_password_add(inbox=shut.inbox, name="c", username="lab", password=CHOSEN, by=shut.owner)
    secret, text = inbox_secret_add(inbox=shut.inbox, name="s", by=shut.owner)
    doors = [{"x_api_key": plain}, basic("odk", made), basic("lab", CHOSEN), signed(text)]
    InboxAuth.objects.update(expires_at=timezone.now() - timedelta(seconds=1), last_used_at=timezone.now())
    for door in doors:
        assert code(server.post(address(shut), GOOD, **door)) == "access_expired"
    InboxAuth.objects.update(expires_at=None)
    for auth in (key, password, chosen, secret):
        inbox_key_revoke(key=auth, by=shut.owner)
    for door in doors:
        assert code(server.post(address(shut), GOOD, **door)) == "access_revoked"


# --- passwords ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        "",
        "!",
        "b2Rr",
        "b2Rr\xe9",
        "b2RrOg==",
        "b2RrOmNhbmFyeQ==",
        "=" * 20,
        base64.b64encode(b"\xff:" * 600).decode(),
    ],
    ids=["none", "no base64", "no colon", "not ASCII", "empty", "wrong", "padding", "long"],
)
def test_an_odd_password_is_refused_and_asked_for_in_the_right_way(server: Server, shut: World, value: str):
    inbox_password_add(inbox=shut.inbox, name="made", username="odk", by=shut.owner)
    answer = server.post(address(shut), GOOD, authorization=f"Basic {value}")
    assert code(answer) == "not_authenticated"
    assert answer.headers["www-authenticate"].startswith("Basic realm=")
    assert "HTTP Basic" in answer.json["detail"]


def test_wrong_passwords_are_tried_a_few_at_a_time_and_the_right_one_goes_on_working(
    server: Server, shut: World
):
    inbox_password_add(inbox=shut.inbox, name="c", username="lab", password=CHOSEN, by=shut.owner)
    assert server.post(address(shut), GOOD, **basic("lab", CHOSEN)).status == 202
    tries = [
        server.post(address(shut), GOOD, **basic("lab", f"guess {n}")).status
        for n in range(TRIES_AT_ONCE + 5)
    ]
    assert tries[:TRIES_AT_ONCE] == [401] * TRIES_AT_ONCE
    assert 429 in tries
    repeated = server.post(address(shut), GOOD, **basic("lab", "guess 0"))
    assert repeated.status == 401  # known to be wrong, so it costs nothing
    assert server.post(address(shut), GOOD, **basic("lab", CHOSEN)).status == 202
    waiting = server.post(address(shut), GOOD, **basic("lab", "one more"))
    assert (waiting.status, int(waiting.headers["retry-after"]) > 0) == (429, True)


def test_passwords_and_secrets_are_not_stored_as_they_are(server: Server, shut: World):
    _, made = inbox_password_add(inbox=shut.inbox, name="made", username="odk", by=shut.owner)
    inbox_password_add(inbox=shut.inbox, name="c", username="lab", password=CHOSEN, by=shut.owner)
    raw = secret_bytes(secret_of(shut))
    kept = [content for _, content in everything_stored()]
    for secret in (made.encode(), CHOSEN.encode(), raw, base64.b64encode(raw), raw.hex().encode()):
        assert not any(secret in content for content in kept)


# --- signatures -----------------------------------------------------------------------------------


def test_the_example_of_the_standard_is_understood():
    """Made with the reference implementation of Standard Webhooks."""
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # from its documentation
    made = signed(secret, b'{"test": 2432232314}', id="msg_p5jXN8AQM9LWM0D4loKWxJek", at=1614265330)
    assert made["webhook_signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("off", [-299, 299])
def test_clocks_may_differ_by_five_minutes(server: Server, shut: World, off: int):
    door = signed(secret_of(shut), at=int(time.time()) + off)
    assert server.post(address(shut), GOOD, **door).status == 202


@pytest.mark.parametrize(
    ("changed", "wanted"),
    [
        ({"at": -360}, "wrong_time"),
        ({"at": +360}, "wrong_time"),
        ({"webhook_timestamp": "now"}, "wrong_time"),
        ({"webhook_timestamp": "\xb2"}, "wrong_time"),
        ({"webhook_timestamp": "1e9"}, "wrong_time"),
        ({"webhook_timestamp": "9" * 5_000}, "wrong_time"),
        ({"webhook_timestamp": None}, "wrong_time"),
        ({"webhook_id": None}, "wrong_signature"),
        ({"webhook_id": ""}, "wrong_signature"),
        ({"webhook_id": "a.b"}, "wrong_signature"),
        ({"webhook_id": "\xe9"}, "wrong_signature"),
        ({"webhook_id": "msg_2"}, "wrong_signature"),
        ({"webhook_signature": ""}, "wrong_signature"),
        ({"webhook_signature": "v1,"}, "wrong_signature"),
        ({"webhook_signature": "v1,\xe9\xff"}, "wrong_signature"),
        ({"webhook_signature": "v1"}, "wrong_signature"),
        ({"webhook_signature": "v1a,AAAA"}, "wrong_signature"),
        ({"webhook_signature": "v1,AAAA " * 500}, "wrong_signature"),
        ({"webhook_signature": "v1," + "=" * 44}, "wrong_signature"),
        ({"webhook_signature": None}, "not_authenticated"),
        ({"id": "a.b"}, "wrong_signature"),
    ],
    ids=str,
)
def test_a_wrong_signature_is_refused_with_a_sentence(
    server: Server, shut: World, changed: dict[str, Any], wanted: str
):
    made = {key: value for key, value in changed.items() if key == "id"}
    if "at" in changed:
        made["at"] = int(time.time()) + changed["at"]
    door = signed(secret_of(shut), **made) | {k: v for k, v in changed.items() if k.startswith("webhook")}
    answer = server.send(request_of(address(shut), GOOD, **door))
    assert code(answer) == wanted
    assert answer is not None
    assert answer.status == 401
    assert len(answer.json["detail"]) > 30


def test_a_signature_is_for_this_body_to_the_byte(server: Server, shut: World):
    secret = secret_of(shut)
    for body in (OTHER, GOOD + b"\n", GOOD.replace(b": ", b":")):
        assert code(server.post(address(shut), body, **signed(secret))) == "wrong_signature"


def test_one_good_signature_among_several_is_enough(server: Server, shut: World):
    secret = secret_of(shut)
    old, made = signed(WHSEC + base64.b64encode(b"o" * 24).decode()), signed(secret)
    made["webhook_signature"] = f"v1a,xyz {old['webhook_signature']} {made['webhook_signature']}"
    assert server.post(address(shut), GOOD, **made).status == 202


def test_a_replayed_request_gets_the_first_ids_and_a_stale_one_nothing(server: Server, shut: World):
    secret = secret_of(shut)
    door = signed(secret)
    first = server.post(address(shut), GOOD, **door)
    again = server.post(address(shut), GOOD, **door)
    resent = server.post(address(shut), GOOD, **signed(secret, at=int(time.time()) - 200))
    assert again.json == resent.json == first.json
    assert again.headers["idempotency-replayed"] == "true"
    assert Message.objects.count() == Run.objects.count() == 1
    assert server.post(address(shut), GOOD, **signed(secret, at=int(time.time()) - 400)).status == 401


def test_one_secret_that_cannot_be_read_does_not_shut_the_others_out(server: Server, shut: World):
    good, lost = secret_of(shut), secret_of(shut)
    InboxSecret.objects.filter(pk=InboxSecret.objects.order_by("-id").values("pk")[:1]).update(
        ciphertext=b"v1\x01?x"
    )
    assert code(server.post(address(shut), GOOD, **signed(lost))) == "wrong_signature"
    assert server.post(address(shut), GOOD, **signed(good)).status == 202


# --- the ids of messages --------------------------------------------------------------------------


def test_webhook_id_and_idempotency_key_are_one_thing(server: Server, site: World):
    first = server.post(address(site), GOOD, webhook_id="form-7")
    again = server.post(address(site), GOOD, Idempotency_Key="form-7")
    both = server.post(address(site), GOOD, webhook_id="form-7", Idempotency_Key="form-7")
    assert first.json == again.json == both.json
    other = server.post(address(site), OTHER, webhook_id="form-7")
    assert (other.status, other.json["code"]) == (422, "idempotency_mismatch")
    assert Message.objects.count() == 1


@pytest.mark.parametrize(
    ("headers", "wanted"),
    [
        ({"webhook_id": "a", "Idempotency_Key": "b"}, "two_ids"),
        ({"webhook_id": "a.b"}, "bad_idempotency_key"),
        ({"webhook_id": ""}, "bad_idempotency_key"),
        ({"webhook_id": "x" * 256}, "bad_idempotency_key"),
        ({"webhook_id": "a", "Idempotency_Key": ""}, "bad_idempotency_key"),
        ({"webhook_id": "a\r\nwebhook-id: b"}, "bad_idempotency_key"),
    ],
    ids=str,
)
def test_an_id_that_is_none_is_refused(server: Server, site: World, headers: dict[str, str], wanted: str):
    answer = server.post(address(site), GOOD, **headers)
    assert (answer.status, code(answer)) == (400, wanted)


# --- compressed bodies ----------------------------------------------------------------------------


def packed(site: World, server: Server, body: bytes, encoding: str = "gzip", **headers: str) -> Answer:
    return server.post(address(site), body, content_encoding=encoding, **headers)


def test_a_gzipped_message_is_kept_as_it_was_before_it_was_packed(server: Server, site: World):
    first = packed(site, server, gzip.compress(GOOD, 9, mtime=1), Idempotency_Key="7")
    assert first.status == 202
    payload = MessagePayload.objects.get()
    assert (bytes(payload.raw), payload.body) == (GOOD, {"form": {"name": "Ada"}})
    assert Message.objects.get().size == len(GOOD)
    anew = packed(site, server, gzip.compress(GOOD, 1, mtime=2), "GZIP", Idempotency_Key="7")
    plain = server.post(address(site), GOOD, Idempotency_Key="7")
    assert anew.json == plain.json == first.json
    assert packed(site, server, gzip.compress(OTHER), Idempotency_Key="7").status == 422


def test_a_signature_is_made_over_the_bytes_that_are_sent(server: Server, shut: World):
    secret, body = secret_of(shut), gzip.compress(GOOD)
    assert code(packed(shut, server, body, **signed(secret, GOOD))) == "wrong_signature"
    assert packed(shut, server, body, **signed(secret, body)).status == 202


@pytest.mark.parametrize(
    ("body", "wanted", "status"),
    [
        (gzip.compress(bytes(50_000_000)), "too_large", 413),
        (gzip.compress(b" " * 15_000_000), "too_large", 413),
        (gzip.compress(GOOD)[:-4], "not_gzip", 400),
        (gzip.compress(gzip.compress(GOOD)), "not_json", 400),
        (gzip.compress(b""), "empty_body", 400),
    ],
    ids=["bomb", "too large", "cut off", "packed twice", "empty"],
)
def test_a_compressed_body_is_held_to_the_same_rules(
    server: Server, site: World, body: bytes, wanted: str, status: int
):
    answer = packed(site, server, body)
    assert (code(answer), answer.status) == (wanted, status)


# --- what is told, and what is kept ---------------------------------------------------------------


def test_a_get_tells_how_to_post_and_nothing_else(server: Server, shut: World):
    inbox_password_add(inbox=shut.inbox, name="canary", username="canary", by=shut.owner)
    answer = server.send(request_of(address(shut), method="GET"))
    assert answer is not None
    assert (answer.status, answer.json["authentication"]) == (200, ["key", "basic"])
    assert answer.json["max_bytes"] == shut.project.max_body_bytes
    told = answer.body.decode()
    assert not any(
        word in told for word in ("canary", shut.project.name, str(shut.project.pk), shut.inbox.name)
    )
    head = server.send(request_of(address(shut), method="HEAD"))
    assert head is not None
    assert (head.status, head.body, head.headers["x-openrosa-version"]) == (204, b"", "1.0")
    assert Refusal.objects.count() == Message.objects.count() == 0


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_get_of_an_unknown_address_is_not_found_like_a_post(server: Server, shut: World, method: str):
    unknown = f"/inbox/{uuid.uuid4()}"
    answer, posted = server.send(request_of(unknown, method=method)), server.post(unknown, GOOD)
    assert answer is not None
    assert answer.status == posted.status == 404
    assert method == "HEAD" or answer.json == posted.json


def test_use_is_noted_for_every_kind(server: Server, shut: World):
    key, plain = inbox_key_add(inbox=shut.inbox, name="key", by=shut.owner)
    password, made = inbox_password_add(inbox=shut.inbox, name="p", username="odk", by=shut.owner)
    secret, text = inbox_secret_add(inbox=shut.inbox, name="s", by=shut.owner)
    unused, _ = inbox_key_add(inbox=shut.inbox, name="unused", by=shut.owner)
    for door in ({"x_api_key": plain}, basic("odk", made), signed(text)):
        assert server.post(address(shut), b"not JSON", **door).status in (400, 401)
    used = dict(InboxAuth.objects.values_list("pk", "last_used_at"))
    assert used[key.pk] is not None
    assert used[password.pk] is not None
    assert used[secret.pk] is None  # signed for another body
    assert used[unused.pk] is None
    assert server.post(address(shut), GOOD, **signed(text)).status == 202
    assert InboxAuth.objects.get(pk=secret.pk).last_used_at is not None


CANARY = "c4n4ry-of-the-mine-0815"


def test_no_secret_of_a_request_is_stored_anywhere(server: Server, shut: World):
    """Whatever a partner, a proxy or a browser puts them into; taken or refused."""
    inbox, owner = shut.inbox, shut.owner
    _, key = inbox_key_add(inbox=inbox, name="key", by=owner)
    _, token = token_create(project=shut.project, name="t", scopes=[Scope.INTAKE], by=owner)
    inbox_password_add(inbox=inbox, name="chosen", username="lab", password=CHOSEN, by=owner)
    secret = secret_of(shut)
    telling = dict.fromkeys(TELLING, CANARY) | {
        "referer": f"https://jane:{CANARY}@partner.example/form?a=1&token={CANARY}",
        "x_original_url": f"/inbox/x?api_key={CANARY}&form=7",
        "x_forwarded_uri": f"/inbox/x?form=7&sig={CANARY}",
        "x_note": f"Bearer {CANARY}",
        "x_legacy": f"Basic {CANARY}",
    }
    names = (
        "token",
        "api_key",
        "apikey",
        "access_token",
        "password",
        "secret",
        "sig",
        "key",
        "X-Amz-Signature",
    )
    query = "&".join(f"{name}={CANARY}" for name in names)
    doors = [{"x_api_key": key}, {"authorization": f"Bearer {token}"}, basic("lab", CHOSEN), signed(secret)]
    doors += [{"x_api_key": f"wrong{CANARY}"}, basic("lab", f"wrong{CANARY}"), basic(CANARY, CANARY)]
    statuses = []
    for door in doors:
        brought = door.get("x_api_key") or door.get("authorization", "").partition(" ")[2] or "nothing"
        path = f"{address(shut)}?form=7&{query}&copy={brought}"
        extra = {"x_copy": brought, "x_note_2": "kept"}
        statuses.append(server.post(path, GOOD, **telling, **extra, **door).status)
    assert statuses == [202] * 4 + [401] * 3
    payload = MessagePayload.objects.order_by("message_id").first()
    assert payload is not None
    assert payload.headers["x-note-2"] == "kept"
    assert (payload.query["form"], payload.query["token"], payload.query["copy"]) == ("7", "***", "***")
    assert payload.headers["x-original-url"] == "/inbox/x?api_key=***&form=7"
    blobs = [door["authorization"].partition(" ")[2] for door in doors if "authorization" in door]
    signatures = [door["webhook_signature"][3:] for door in doors if "webhook_signature" in door]
    needles = [CANARY, key, token, CHOSEN, secret, secret.removeprefix(WHSEC), *blobs, *signatures]
    found = {
        (place, n[:9]) for place, content in everything_stored() for n in needles if n.encode() in content
    }
    assert found == set()


TELLING = (
    "proxy_authorization", "cookie", "set_cookie", "x_hub_signature", "x_hub_signature_256", "x_twilio_signature",
    "x_shopify_hmac_sha256", "stripe_signature", "paypal_transmission_sig", "x_gitlab_token", "x_slack_signature",
    "x_forwarded_access_token", "cf_access_jwt_assertion", "x_goog_iap_jwt_assertion", "x_ms_client_principal",
    "x_ms_token_aad_access_token", "x_forwarded_client_cert", "ocp_apim_subscription_key", "x_functions_key",
    "x_amz_security_token", "apikey", "x_access_key", "x_wsse", "x_csrf_token", "x_telegram_bot_api_secret_token",
    "x_user_pass", "x_dhis2_pat", "x_session_id", "x_vault_token", "x_auth_request_access_token", "x_jwt_assertion",
    "x_shared_secret", "x_webhook_password", "x_client_secret", "x_key", "x_otp", "x_pin", "x_credential",
)  # fmt: skip
