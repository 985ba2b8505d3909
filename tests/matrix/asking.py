"""Knocking at one door as one person, and seeing what it does. Nothing stays of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlencode

from django.contrib.messages import get_messages
from django.db import connection, reset_queries, transaction
from django.test.utils import CaptureQueriesContext

from openfn_platform.common.ids import uuid7
from tests.matrix.actors import Actor, Fate
from tests.matrix.addresses import Address
from tests.matrix.scene import Scene, readable

# What differs from one drawing of a page to the next.
_PASSING = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}|987654321|csrf\w+|value=\"\w{64}\"|nonce=\"[^\"]+\""
    r"|name=\"press\" value=\"[^\"]+\"|\d+ ?(?:m?s|min) ago|(?<=>)now(?=</time>)"
)
# Told on purpose: of a credential that was lent, how many use it elsewhere.
_DELIBERATE = re.compile(
    r'<p class="ws-soft">no live job uses it\.</p>'
    r'|<ul class="ws-lines"><li class="ws-soft">\d+ in projects that you do not belong to</li></ul>'
)
_PART = re.compile(r"<(?:\w+:)?(\w+)>")
# A regular expression in an address: `^(?P<app_label>jobs|runs)/$`.
_GROUP = re.compile(r"\^?\(\?P<(\w+)>[^)]*\)")
_WRITES = re.compile(r'\s*(?:INSERT INTO|UPDATE|DELETE FROM)\s+"?(\w+)"?', re.I)
# What asking itself may write: the session, when a token was last used, and who knocked.
_OWN = {"session", "api_token", "audit_entry"}

# What a page needs to be told before it says anything: where, in the address or in the form that is posted.
_TOLD: dict[str, dict[str, str]] = {
    "admin/triggers/message/": {"q": "a key that its sender gave it"},
    "admin/jobs/table/<path:object_id>/row/": {"key": "12"},
    "admin/projects/project/switch/": {"project": "projects.project.key"},
    "admin/runs/run/<path:object_id>/exchange/": {"seq": "1"},
    "admin/runs/httpexchange/export/": {"format": "csv"},
    "admin/triggers/trigger/preview/": {"workflow": "jobs.workflow.pk"},
    "admin/triggers/trigger/match/": {"workflow": "jobs.workflow.pk"},
}

# Pages that look for it in the address, also where a form is posted to them.
_IN_ADDRESS = {
    "admin/jobs/table/<path:object_id>/row/",
    "admin/runs/run/<path:object_id>/exchange/",
    "admin/triggers/trigger/preview/",
}


@dataclass(frozen=True)
class Heard:
    """One answer."""

    status: int
    fate: Fate | str
    text: str
    wrote: frozenset[str]

    @property
    def lasting(self) -> str:
        """The text without what is another one each time."""
        return _PASSING.sub("", _DELIBERATE.sub("", self.text))


Whose = Literal["theirs", "own", "nobody's"]
"""Things of the project with the canaries, things of the outsider's own, or ids that nothing has."""


def path_of(address: Address, scene: Scene, whose: Whose = "theirs") -> str:
    things = scene.own if whose == "own" else scene.things
    thing = things.get(address.model)
    if thing is None and address.model in scene.own:
        whose = "nobody's"  # not there yet, and some tables are numbered
    values = {
        "object_id": str(thing.pk) if thing is not None else "1",
        "key_id": str(_id_of(things, "triggers.inboxauth")),
        "project_id": str(scene.clinic.project.pk),
        "name": "http",
        "content_type_id": "1",
        "app_label": "jobs",
        "provider_id": "oidc",
        "secret": "no-such-secret",
        "key": "no-such-key",
        "token": "no-such-token",
        "url": "no-such-page",
        "address": str(scene.clinic.inbox.address),
        "message": str(_id_of(things, "triggers.message")),
    }
    if whose == "nobody's":
        example = scene.own.get(address.model)
        numbered = example is not None and isinstance(example.pk, int)
        values["object_id"] = "987654321" if numbered else str(uuid7())
    pattern = _GROUP.sub(r"<\1>", address.pattern)
    return "/" + _PART.sub(lambda part: values[part[1]], pattern.rstrip("$"))


def _id_of(things: dict[str, Any], model: str) -> object:
    thing = things.get(model)
    return thing.pk if thing is not None else uuid7()


def told_usually(address: Address, things: dict[str, Any]) -> dict[str, str]:
    told = {}
    for name, value in _TOLD.get(address.pattern, {}).items():
        model, _, attribute = value.rpartition(".")
        told[name] = str(getattr(things.get(model), attribute, "")) if model else value
    return told


Told = Mapping[str, str | Sequence[str]]


def knock(
    scene: Scene,
    actor: Actor,
    address: Address,
    method: str,
    whose: Whose = "theirs",
    told: Told | None = None,
) -> Heard:
    """`told` goes into the address, or into the form that is posted, in place of what the page is told otherwise."""
    if told is None:
        told = told_usually(address, scene.own if whose == "own" else scene.things)
    path = path_of(address, scene, whose)
    if method == "POST" and address.pattern in _IN_ADDRESS:
        path = f"{path}?{urlencode(told, doseq=True)}"
    return ask(scene, actor, path, method, told)


def ask(scene: Scene, actor: Actor, path: str, method: str, told: Told) -> Heard:
    client = scene.client(actor)
    reset_queries()  # what was asked before; the list of them has an end
    with transaction.atomic():
        with CaptureQueriesContext(connection) as queries:
            answer = client.generic(
                method,
                path,
                urlencode(told, doseq=True) if method == "POST" else "",
                content_type="application/x-www-form-urlencoded",
                query_params=None if method == "POST" else told,
            )
            told_later = "\n".join(str(each) for each in get_messages(answer.wsgi_request))
        transaction.set_rollback(True)
    written = {found[1] for each in queries.captured_queries if (found := _WRITES.match(each["sql"]))}
    text = f"{readable(answer.getvalue())}\n{told_later.lower()}"
    if answer.status_code == 401:  # which carries what was posted, so that nothing typed is lost
        for value in told.values():
            text = text.replace(value.lower(), "") if isinstance(value, str) and len(value) > 8 else text
    return Heard(
        status=answer.status_code,
        fate=fate_of(answer),
        text=text,
        wrote=frozenset(written - _OWN),
    )


def fate_of(answer: Any) -> Fate | str:
    status = answer.status_code
    if status == 302 and answer["Location"].startswith("/admin/login/"):
        return "login"
    if status == 401:  # somebody types a form whose session has ended: a question who one is, above the form
        return "login"
    known = {403: "refused", 404: "missing", 405: "no such method"}
    return known.get(status) or ("in" if status < 500 else f"broken ({status})")


def fits(heard: str, wanted: Fate) -> bool:
    return heard == wanted or (wanted == "refused" and heard == "missing")
