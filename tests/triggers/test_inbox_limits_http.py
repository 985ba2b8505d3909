"""What an inbox takes and how much of it, over a real server: schema, size, limits of messages a minute."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.conf import settings

from openfn_platform.projects.founding import project_change
from openfn_platform.projects.models import Project
from runs.models import Run
from tests.flows.world import World
from tests.triggers.serving import Answer, Server, database_url, served
from tests.waiting import wait_for
from triggers.inboxes import inbox_change
from triggers.models import Inbox, Message, RateBucket, Refusal, RefusalCount

pytestmark = pytest.mark.django_db(transaction=True, available_apps=list(settings.INSTALLED_APPS))

GOOD = b'{"form": {"age": 7}}'


def change(site: World, **values: Any) -> None:
    inbox_change(inbox=Inbox.objects.get(pk=site.inbox.pk), by=site.owner, **values)


def post(server: Server, site: World, body: bytes = GOOD, **headers: str) -> Answer:
    return server.post(f"/inbox/{site.inbox.address}", body, **headers)


def refused(answer: Answer, status: int, code: str) -> dict[str, Any]:
    assert (answer.status, answer.json["code"]) == (status, code), answer
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.json


# --- schema -----------------------------------------------------------------------------------------

SCHEMA = {"properties": {"form": {"required": ["age"], "properties": {"age": {"type": "integer"}}}}}


def test_what_does_not_fit_is_refused_with_its_places_counted_and_not_kept(server: Server, site: World):
    change(site, schema=SCHEMA)
    told = refused(post(server, site, b'{"form": {"age": "canary"}}'), 422, "schema_mismatch")
    assert told["errors"] == [{"path": "form.age", "detail": "Must be a whole number."}]
    assert "canary" not in json.dumps(told)
    row = Refusal.objects.get()
    assert (row.status, row.reason) == (422, told["detail"])
    assert RefusalCount.objects.get().count == 1
    assert Message.objects.count() == Run.objects.count() == 0
    assert post(server, site).status == 202


def test_xml_is_compared_as_triggers_see_it(server: Server, site: World):
    change(site, schema={"properties": {"form": {"required": ["age"]}}})
    answer = post(server, site, b"<form><name>x</name></form>", content_type="text/xml")
    assert refused(answer, 422, "schema_mismatch")["errors"][0]["path"] == "form"
    assert post(server, site, b"<form><age>7</age></form>", content_type="text/xml").status == 202


def test_a_schema_holds_and_goes_from_the_next_message_on(server: Server, site: World):
    assert post(server, site, b"{}").status == 202
    change(site, schema={"required": ["form"]})
    refused(post(server, site, b"{}"), 422, "schema_mismatch")
    change(site, schema=None)
    assert post(server, site, b"{}").status == 202


# --- size -------------------------------------------------------------------------------------------


def test_an_inbox_may_take_more_or_less_than_its_project(server: Server, site: World):
    change(site, max_body_bytes=10)
    refused(post(server, site), 413, "too_large")
    Project.objects.filter(pk=site.project.pk).update(max_body_bytes=10)
    change(site, max_body_bytes=100)
    assert post(server, site).status == 202
    change(site, max_body_bytes=None)
    refused(post(server, site), 413, "too_large")


# --- limits -----------------------------------------------------------------------------------------


def test_a_key_that_sends_too_much_is_told_when_to_come_again_and_others_are_not(server: Server, site: World):
    key, other = site.key(), site.key()
    change(site, key_per_minute=6, key_burst=2)
    answers = [post(server, site, x_api_key=key) for _ in range(4)]
    assert [answer.status for answer in answers] == [202, 202, 429, 429]
    refused(answers[2], 429, "rate_limited")
    assert 0 < int(answers[2].headers["retry-after"]) <= 10
    assert post(server, site, x_api_key=other).status == 202
    assert Message.objects.count() == 3
    wait_for(lambda: RefusalCount.objects.filter(count=2, status=429).exists(), lambda: str(answers))


def test_the_limit_of_a_project_holds_for_all_its_inboxes_together(server: Server, site: World):
    project_change(project=site.project, by=site.owner, messages_per_minute=6, messages_burst=2)
    trigger = site.on_message(site.job())
    second = Inbox.objects.create(project=site.project, trigger=trigger, name="Own", access="none")
    assert post(server, site).status == 202
    assert server.post(f"/inbox/{second.address}", GOOD).status == 202
    refused(post(server, site), 429, "rate_limited")
    refused(server.post(f"/inbox/{second.address}", GOOD), 429, "rate_limited")


def test_a_wrong_key_uses_nothing_of_a_limit(server: Server, site: World):
    key = site.key()
    change(site, key_per_minute=6, key_burst=1)
    for _ in range(3):
        refused(post(server, site, x_api_key="wrong"), 401, "not_authenticated")
    assert post(server, site, x_api_key=key).status == 202


def test_a_second_web_process_hears_of_what_the_first_let_through(
    server: Server, site: World, tmp_path_factory: pytest.TempPathFactory
):
    """Without any Redis: they meet in the database."""
    change(site, key_per_minute=1, key_burst=10)
    assert [post(server, site).status for _ in range(8)] == [202] * 8
    owner = site.inbox.pk
    wait_for(lambda: RateBucket.objects.filter(pk=owner, tokens__lt=3).exists(), lambda: "not told")
    with served(database_url(), tmp_path_factory.mktemp("web") / "log") as second:
        assert post(second, site).status == 202  # it believes the bucket full until it has asked
        wait_for(lambda: RateBucket.objects.filter(pk=owner, tokens__lt=2).exists(), lambda: "not told")
        statuses = [post(second, site).status for _ in range(5)]
    assert statuses.count(202) <= 2
    assert statuses[-1] == 429
