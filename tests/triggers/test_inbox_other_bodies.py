"""XML, forms and OpenRosa submissions, posted to a real inbox: refused with a sentence, or kept as they came."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.conf import settings
from django.db.models import F

from openfn_platform.projects.models import Project
from runs.models import Run
from runs.starting import message_state
from runs.states import state_read
from tests.flows.world import World
from tests.triggers.serving import Server
from tests.triggers.test_inbox_http import DEEP, address, refused, taken
from triggers.matching import contains
from triggers.models import Message, MessagePayload, Trigger

pytestmark = pytest.mark.django_db(transaction=True, available_apps=list(settings.INSTALLED_APPS))

XML, FORM = "text/xml", "application/x-www-form-urlencoded"
OPENROSA = "multipart/form-data; boundary=----x"
PART = b'------x\r\nContent-Disposition: form-data; name="%s"; filename="a"\r\n\r\n%s\r\n'

OTHER_BODIES: dict[str, tuple[str, bytes, int]] = {
    "22 no form": (FORM, b"canary", 400),
    "22 an empty form": (FORM, b"", 400),
    "22 a form with NUL": (FORM, b"canary=%00", 422),
    "22 a form in Latin 1": (FORM, b"canary=%E9", 400),
    "22 10,001 fields": (FORM, b"&".join([b"canary=1"] * 10_001), 400),
    "23 no XML": (XML, b"<canary>", 400),
    "23 no XML at all": (XML, b"canary", 400),
    "23 empty": (XML, b"\r\n", 400),
    "23 UTF-16": (XML, "<canary/>".encode("utf-16"), 400),
    "23 another encoding": (XML, b"<?xml version='1.0' encoding='latin-1'?><canary/>", 415),
    "24 no XML in it": (OPENROSA, PART % (b"photo", b"canary") + b"------x--\r\n", 415),
    "24 broken XML in it": (OPENROSA, PART % (b"xml_submission_file", b"<canary>") + b"------x--", 400),
    "24 cut short": (OPENROSA, PART % (b"xml_submission_file", b"<canary/>"), 400),
    "24 201 parts": (OPENROSA, PART % (b"canary", b"") * 201 + b"------x--", 400),
    "26 entities": (XML, b"<!DOCTYPE a [<!ENTITY b 'canary'>]><a>&b;</a>", 400),
    "26 an outer entity": (XML, b"<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>", 400),
    "27 too deep": (XML, b"<a>" * DEEP + b"</a>" * DEEP, 400),
    "27 too many elements": (XML, b"<a>" + b"<b/>" * 200_000 + b"</a>", 413),
}


@pytest.mark.parametrize("name", OTHER_BODIES)
def test_a_bad_body_that_is_not_json_is_refused_with_a_sentence(server: Server, site: World, name: str):
    kind, body, status = OTHER_BODIES[name]
    refused(server.post(address(site), body, content_type=kind), status)


OTHER_FINE: dict[str, tuple[str, bytes, Any]] = {
    "a form": (FORM, b"From=%2B15555550100&Body=caf%C3%A9+1&n=1&n=2", {"Body": "café 1", "n": ["1", "2"]}),
    "XML": (XML, b'\xef\xbb\xbf<d xmlns="u"><n a="1">x</n></d>', {"d": {"n": {"@a": "1", "#text": "x"}}}),
    "XML by another name": ("application/atom+xml; charset=utf-8", b"<d>1</d>", {"d": "1"}),
    "OpenRosa": (
        OPENROSA,
        PART % (b"photo", b"\xff\0") + PART % (b"xml_submission_file", b"<d><n>1</n></d>") + b"------x--",
        {"d": {"n": "1"}},
    ),
    "JSON that calls itself XML": (XML, b' {"n": 1e2}', {"n": 100}),
}


@pytest.mark.parametrize("name", OTHER_FINE)
def test_xml_and_forms_are_kept_as_they_came_and_given_to_jobs_as_json(
    server: Server, site: World, name: str
):
    kind, body, part = OTHER_FINE[name]
    Trigger.objects.update(criteria=[{"inclusion": part}])
    Project.objects.update(config_version=F("config_version") + 1)
    taken(server.post(address(site), body, content_type=kind))
    payload = MessagePayload.objects.get()
    assert bytes(payload.raw) == body
    assert contains(payload.body, part)
    run = Run.objects.get()
    assert run.input_id is not None
    given = json.loads(state_read(state_id=run.input_id))
    assert given["data"] == payload.body
    # Started by hand, it is the same.
    assert json.loads(message_state(Message.objects.get())) == given
