"""The cases that come through the door of an inbox, by the number of their row in the list of bad inputs.

Bodies and headers that the inbox's own tests try one by one are tried here again beside live data, by the same tables.
"""

from __future__ import annotations

import base64
import gzip
import json
import time
import uuid
from collections.abc import Callable
from functools import partial
from typing import Any

from django.utils import timezone

from openfn_platform.projects.models import Project
from tests.badinput.scene import Scene
from tests.flows.world import World
from tests.triggers.serving import THREADS, request_of
from tests.triggers.test_inbox_auth import signed
from tests.triggers.test_inbox_http import BODIES, FINE, GOOD, HEADERS, WIRE
from tests.triggers.test_inbox_other_bodies import OTHER_BODIES
from triggers.admitting import inbox_secret_add
from triggers.inboxes import inbox_change
from triggers.models import Inbox, MessagePayload
from triggers.models.inbox import InboxAccess

Ask = Callable[[Scene], None]


def body(raw: bytes, status: int, **headers: Any) -> Ask:
    def ask(scene: Scene) -> None:
        with scene.nothing_stored():
            scene.refused(scene.inbox(raw, **headers), status)

    return ask


def fine(raw: bytes) -> Ask:
    def ask(scene: Scene) -> None:
        message = scene.taken(scene.inbox(raw))
        assert bytes(MessagePayload.objects.get(message=message).raw) == raw

    return ask


def header(headers: dict[str, Any], statuses: tuple[int, ...]) -> Ask:
    def ask(scene: Scene) -> None:
        request = request_of(scene.address, GOOD, **headers)
        with scene.nothing_stored():
            scene.refused(scene.server.send(request, finish="content_length" in headers), *statuses)

    return ask


def wire(request: bytes) -> Ask:
    """What the server refuses before the platform sees it need not be a problem document."""

    def ask(scene: Scene) -> None:
        with scene.nothing_stored():
            answer = scene.server.send(request.replace(b"{a}", scene.address.encode()))
            assert answer is None or 400 <= answer.status < 500
        scene.taken(scene.inbox(GOOD))  # and the next one is served

    return ask


def bomb(scene: Scene) -> None:
    """150 MB in 150 kB."""
    packed = gzip.compress(b'["' + b" " * 150_000_000 + b'"]', 9)
    began = time.monotonic()
    with scene.nothing_stored():
        scene.refused(scene.inbox(packed, content_encoding="gzip"), 413)
    assert time.monotonic() - began < 3


def chunked(*chunks: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"


def in_chunks(scene: Scene) -> None:
    kept = scene.inbox(chunked(GOOD[:5], GOOD[5:]), content_length=None, transfer_encoding="chunked")
    assert bytes(MessagePayload.objects.get(message=scene.taken(kept)).raw) == GOOD
    large = chunked(*[b"[" + b" " * 999_999] * 12)
    with scene.nothing_stored():
        scene.refused(scene.inbox(large, content_length=None, transfer_encoding="chunked"), 413)


def paths(*each: str) -> Ask:
    def ask(scene: Scene) -> None:
        with scene.nothing_stored():
            for path in each:
                scene.refused(scene.inbox(GOOD, path=path), 404)

    return ask


def same_for_unknown_and_archived(scene: Scene) -> None:
    archived = World().inbox
    Inbox.objects.filter(pk=archived.pk).update(archived_at=timezone.now())
    with scene.nothing_stored():
        answers = [scene.inbox(GOOD, path=f"/inbox/{key}") for key in (uuid.uuid4(), archived.address)]
        assert scene.refused(answers[0], 404) == scene.refused(answers[1], 404)


def switched_off(scene: Scene) -> None:
    """An inbox without a lock says that it is off; one with a lock says nothing to those who have no key."""
    world = World()
    path = f"/inbox/{world.inbox.address}"
    inbox_change(inbox=world.inbox, by=world.owner, enabled=False)
    with scene.nothing_stored():
        scene.refused(scene.inbox(GOOD, path=path), 409)
    key = world.key()
    inbox_change(inbox=world.inbox, by=world.owner, access=InboxAccess.KEY)
    with scene.nothing_stored():
        scene.refused(scene.inbox(GOOD, path=path), 401)
        scene.refused(scene.inbox(GOOD, path=path, x_api_key=key), 409)


def archived_project(scene: Scene) -> None:
    project = Project.objects.create(key="gone", name="Gone", archived_at=timezone.now())
    inbox = Inbox.objects.create(project=project, name="Inbox", access=InboxAccess.NONE)
    with scene.nothing_stored():
        scene.refused(scene.inbox(GOOD, path=f"/inbox/{inbox.address}"), 404)


def shut() -> tuple[str, str]:
    """The address of a fresh inbox that wants to be opened, and its secret for signatures."""
    world = World()
    inbox_change(inbox=world.inbox, by=world.owner, access=InboxAccess.KEY)
    secret = inbox_secret_add(inbox=world.inbox, name="secret", by=world.owner)[1]
    return f"/inbox/{world.inbox.address}", secret


def keys(scene: Scene, *headers: dict[str, Any]) -> None:
    path, _ = shut()
    with scene.nothing_stored():
        for each in headers:
            scene.refused(scene.inbox(GOOD, path=path, **each), 401)


def key_of_a_neighbour(scene: Scene) -> None:
    keys(scene, {"x_api_key": scene.stranger.key()}, {}, {"x_api_key": "canary-wrong"})


def signatures(scene: Scene, *changes: dict[str, Any]) -> None:
    """Each a wrong one; a right one beside them is taken."""
    path, secret = shut()
    with scene.nothing_stored():
        for change in changes:
            made = {key: value for key, value in change.items() if key in ("id", "at")}
            if "at" in made:
                made["at"] += int(time.time())
            door = signed(secret, GOOD, **made) | {k: v for k, v in change.items() if k not in made}
            scene.refused(scene.inbox(GOOD, path=path, **door), 401)
    scene.taken(scene.inbox(GOOD, path=path, **signed(secret, GOOD)))


def replayed(scene: Scene) -> None:
    path, secret = shut()
    door = signed(secret, GOOD)
    first = scene.taken(scene.inbox(GOOD, path=path, **door))
    with scene.nothing_stored():
        again = scene.inbox(GOOD, path=path, **door)
        assert scene.taken(again) == first
        other = scene.inbox(b"{}", path=path, **signed(secret, b"{}"))
        scene.refused(other, 422)  # the same id for something else


def rotated(scene: Scene) -> None:
    path, secret = shut()
    old, made = signed("whsec_" + base64.b64encode(b"o" * 24).decode(), GOOD), signed(secret, GOOD)
    made["webhook_signature"] = f"{old['webhook_signature']} {made['webhook_signature']}"
    scene.taken(scene.inbox(GOOD, path=path, **made))


def written_again(scene: Scene) -> None:
    """The signature is over the bytes, not over what they mean."""
    path, secret = shut()
    again = json.dumps(json.loads(GOOD), separators=(",", ":")).encode()
    with scene.nothing_stored():
        scene.refused(scene.inbox(again, path=path, **signed(secret, GOOD)), 401)


def half_requests(scene: Scene, *, body_begun: bool) -> None:
    """Others are served meanwhile. Heads that do not end cost no thread; a body that stops in its middle holds one,

    so that in production a proxy that buffers stands in front.
    """
    whole = request_of(scene.address, GOOD, content_length="100")
    half = whole[:-20] if body_begun else whole[:40]
    links = [scene.server.link() for _ in range(THREADS - 1 if body_begun else THREADS * 3)]
    try:
        for link in links:
            link.sendall(half)
        began = time.monotonic()
        scene.taken(scene.inbox(GOOD))
        assert time.monotonic() - began < 5
    finally:
        for link in links:
            link.close()


def other_methods(scene: Scene) -> None:
    with scene.nothing_stored():
        for method in ("PUT", "PATCH", "DELETE", "TRACE", "BREW"):
            answer = scene.inbox(GOOD, method=method)
            scene.refused(answer, 405)
            assert answer is not None
            assert "POST" in answer.headers["allow"]
        head = scene.inbox(b"", method="HEAD")
        assert head is not None
        assert (head.status, head.body) == (204, b"")


def many_keys(scene: Scene) -> None:
    """Ten thousand keys are a large form; what has a hundred thousand is kept, too, and does not take long."""
    began = time.monotonic()
    scene.taken(scene.inbox(json.dumps({f"{n:x}": n for n in range(100_000)}).encode()))
    assert time.monotonic() - began < 5


CASES: dict[str, Ask] = {
    **{name: body(*case) for name, case in BODIES.items()},
    **{
        name: fine(raw)
        for name, raw in FINE.items()
        if name.split(" ")[0] in ("4", "6", "10", "11", "14", "18")
    },
    **{name: body(raw, status, content_type=kind) for name, (kind, raw, status) in OTHER_BODIES.items()},
    **{name: header(*case) for name, case in HEADERS.items()},
    **{name: wire(request) for name, request in WIRE.items() if name[0].isdigit()},
    "29 a bomb": bomb,
    "32 in chunks": in_chunks,
    "33 many bodies cut short": partial(half_requests, body_begun=True),
    "34 many half requests": partial(half_requests, body_begun=False),
    "37 a way out of the folder": paths(
        "/inbox/../../etc/passwd", "/inbox/..%2f..%2fetc%2fpasswd", "/inbox/%00", "/inbox/%ff%fe"
    ),
    "38 no id": paths("/inbox/x", f"/inbox/{uuid.UUID(int=0)}", "/inbox/' OR 1=1 --".replace(" ", "%20")),
    "38 unknown or archived": same_for_unknown_and_archived,
    "39 many digits": paths("/inbox/" + "9" * 23, "/inbox/" + "9" * 5_000),
    "40 an inbox that is off": switched_off,
    "40 an archived project": archived_project,
    "41 a key of a neighbour, none, a wrong one": key_of_a_neighbour,
    "42 a key that is not ASCII": lambda scene: keys(
        scene, {"x_api_key": "\xe9\xff"}, {"authorization": "Bearer \xe9"}, {"authorization": "Basic \xe9"}
    ),
    "42 a signature that is not ASCII": lambda scene: signatures(
        scene,
        {"webhook_signature": "v1,\xe9\xff"},
        {"webhook_id": "\xe9"},
        {"webhook_signature": "v1," + "=" * 44},
        {"webhook_signature": ""},
    ),
    "43 sent again": replayed,
    "44 another time": lambda scene: signatures(
        scene,
        {"at": -360},
        {"at": 360},
        {"webhook_timestamp": "now"},
        {"webhook_timestamp": "9" * 5_000},
        {"webhook_timestamp": None},
    ),
    "45 two signatures": rotated,
    "46 the same body written otherwise": written_again,
    "73 other methods": other_methods,
    "74 a hundred thousand keys": many_keys,
}
