"""Knocking at one door as one person, and seeing what it does. Nothing stays of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from openfn_platform.common.ids import uuid7
from tests.matrix.actors import Actor, Fate
from tests.matrix.addresses import Address
from tests.matrix.scene import Scene, readable

_PART = re.compile(r"<(?:\w+:)?(\w+)>")
_WRITES = re.compile(r'\s*(?:INSERT INTO|UPDATE|DELETE FROM)\s+"?(\w+)"?', re.I)
# What asking itself may write: the session, when a token was last used, and who knocked.
_OWN = {"django_session", "api_token", "audit_entry"}

# What a page needs to be told before it says anything: where, in the address or in the form that is posted.
_TOLD: dict[str, dict[str, str]] = {
    "admin/projects/project/switch/": {"project": "projects.project.key"},
    "admin/runs/run/<path:object_id>/exchange/": {"seq": "1"},
    "admin/runs/httpexchange/export/": {"format": "csv"},
    "admin/triggers/trigger/preview/": {"workflow": "jobs.workflow.pk"},
    "admin/triggers/trigger/match/": {"workflow": "jobs.workflow.pk"},
}


@dataclass(frozen=True)
class Heard:
    """One answer."""

    status: int
    fate: Fate | str
    text: str
    wrote: frozenset[str]


def path_of(address: Address, scene: Scene, *, unknown: bool = False) -> str:
    """The address with the things of the scene in it, or with an id that nothing has."""
    thing = scene.things.get(address.model)
    values = {
        "object_id": str(thing.pk) if thing is not None else "1",
        "key_id": str(scene.things["triggers.inboxauth"].pk),
        "name": "http",
        "content_type_id": "1",
        "app_label": "jobs",
        "url": "no-such-page",
        "address": str(scene.clinic.inbox.address),
        "message": str(scene.things["triggers.message"].pk),
    }
    if unknown:
        values["object_id"] = str(uuid7()) if thing is None or hasattr(thing.pk, "hex") else "987654321"
    pattern = address.pattern.replace("^(?P<app_label>triggers|jobs|projects|runs)/$", "<app_label>/")
    pattern = pattern.replace("(?P<url>.*)$", "<url>/")
    return "/" + _PART.sub(lambda part: values[part[1]], pattern)


def _told(address: Address, scene: Scene) -> dict[str, str]:
    told = {}
    for name, value in _TOLD.get(address.pattern, {}).items():
        model, _, attribute = value.rpartition(".")
        told[name] = str(getattr(scene.things[model], attribute)) if model else value
    return told


def knock(scene: Scene, actor: Actor, address: Address, method: str, *, unknown: bool = False) -> Heard:
    client = scene.client(actor)
    with transaction.atomic():
        with CaptureQueriesContext(connection) as queries:
            told = _told(address, scene)
            answer = client.generic(
                method,
                path_of(address, scene, unknown=unknown),
                urlencode(told) if method == "POST" else "",
                content_type="application/x-www-form-urlencoded",
                query_params=None if method == "POST" else told,
            )
            content = answer.getvalue()
        transaction.set_rollback(True)
    written = {found[1] for each in queries.captured_queries if (found := _WRITES.match(each["sql"]))}
    return Heard(
        status=answer.status_code,
        fate=fate_of(answer),
        text=readable(content),
        wrote=frozenset(written - _OWN),
    )


def fate_of(answer: Any) -> Fate | str:
    status = answer.status_code
    if status == 302 and answer["Location"].startswith("/admin/login/"):
        return "login"
    known = {403: "refused", 404: "missing", 405: "no such method"}
    return known.get(status) or ("in" if status < 500 else f"broken ({status})")


def fits(heard: str, wanted: Fate) -> bool:
    return heard == wanted or (wanted == "refused" and heard == "missing")
