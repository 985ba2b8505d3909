"""Each example message, posted to a real inbox as its system would: kept, matched, started, and taken once."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest
from django.conf import settings

from runs.models import Run
from runs.states import state_read
from tests.flows.world import World
from tests.triggers.serving import Answer, Server
from triggers.examples.catalogue import Example, by_system
from triggers.models import Inbox, Message, MessagePayload, Trigger

pytestmark = pytest.mark.django_db(transaction=True, available_apps=list(settings.INSTALLED_APPS))


def listening(site: World, example: Example) -> tuple[Inbox, list[Trigger]]:
    """A trigger with a job for each suggestion, and an inbox that knows where the id stands."""
    triggers = [
        site.on_message(site.job(), inclusion=each.inclusion, exclusion=each.exclusion)
        for each in example.suggestions
    ]
    Inbox.objects.filter(pk=site.inbox.pk).update(duplicate_path=example.duplicate_path)
    return site.inbox, triggers


def posted(server: Server, inbox: Inbox, example: Example) -> Answer:
    query = f"?{urlencode(example.query)}" if example.query else ""
    return server.post(
        f"/inbox/{inbox.address}{query}",
        example.raw,
        **{"content-type": example.content_type, **example.headers},
    )


def given_to(run: Run) -> Any:
    assert run.input_id is not None
    return json.loads(state_read(state_id=run.input_id))


@pytest.mark.parametrize(
    ("system", "found"), by_system(), ids=lambda each: each if isinstance(each, str) else ""
)
def test_the_messages_of_a_system_start_the_jobs_that_are_suggested(
    server: Server, settings: Any, system: str, found: list[Example]
):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    for example in found:
        inbox, triggers = listening(World(), example)
        answer = posted(server, inbox, example)
        assert answer.status == 202, (example.key, answer.body)
        told = answer.json
        assert told["matched"] == len(triggers), example.key
        payload = MessagePayload.objects.get(message_id=told["message"])
        assert bytes(payload.raw) == example.raw
        assert payload.body == example.parsed
        runs = Run.objects.filter(work_order__message_id=told["message"])
        assert {run.trigger_id for run in runs} == {trigger.pk for trigger in triggers}
        state = given_to(runs[0])
        assert state["data"] == example.parsed
        assert state["request"]["query"] == example.query
        assert not any("signature" in name for name in state["request"]["headers"])

        again = posted(server, inbox, example)
        messages = Message.objects.filter(inbox=inbox).count()
        if example.duplicate_path:
            assert (again.json, messages) == (told, 1), example.key
            assert again.headers["idempotency-replayed"] == "true"
        else:
            assert again.status == 202
            assert again.json["message"] != told["message"]
            assert messages == 2, example.key
