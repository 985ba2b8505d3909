"""What a new message trigger begins with: an example and one of its suggestions, a message that arrived, or nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest

from jobs.models import Workflow
from openfn_platform.common.models import as_uuid
from openfn_platform.projects.actors import actor_of
from openfn_platform.projects.auditing import payload_opened
from openfn_platform.projects.models import Project
from openfn_platform.workspace.triggerpage.trying import MOST
from triggers.examples.catalogue import Example, example_named
from triggers.models import Inbox, Message, MessagePayload

EVERY_MESSAGE: Sequence[dict[str, Any]] = ({"inclusion": {}},)


@dataclass(frozen=True, kw_only=True)
class Start:
    name: str = ""
    criteria: Sequence[dict[str, Any]] = EVERY_MESSAGE
    sample: str = ""  # the message to try the criteria on
    problem: str = ""
    example: Example | None = None


@dataclass(frozen=True, kw_only=True)
class Duplicates:
    """Where an example carries the sender's own id, and whether the project's inbox looks there."""

    path: str
    inbox: Inbox | None
    set: bool


def start_of(model_admin: Any, request: HttpRequest, workflow: Workflow) -> Start:
    """By the address: `example=…&suggestion=0`, or `message=…`."""
    if "example" in request.GET:
        return _from_example(example_or_404(request), request.GET.get("suggestion", ""))
    if "message" in request.GET:
        return _from_message(model_admin, request, workflow)
    return Start()


def example_or_404(request: HttpRequest) -> Example:
    example = example_named(request.GET["example"])
    if example is None:
        raise Http404
    return example


def duplicates_of(example: Example, project: Project) -> Duplicates:
    inbox = Inbox.objects.filter(project=project, trigger=None, archived_at=None).first()
    path = example.duplicate_path
    return Duplicates(path=path, inbox=inbox, set=inbox is not None and inbox.duplicate_path == path != "")


def _from_example(example: Example, number: str) -> Start:
    chosen = next((s for at, s in enumerate(example.suggestions) if str(at) == number), None)
    name = f"{example.system}: {chosen.title if chosen else example.title}"
    return Start(
        name=name[:120],
        criteria=[chosen.pair] if chosen else EVERY_MESSAGE,
        sample=example.text,
        example=example,
    )


def _from_message(model_admin: Any, request: HttpRequest, workflow: Workflow) -> Start:
    key = as_uuid(request.GET["message"])
    message = Message.objects.filter(pk=key, project=workflow.project).first() if key else None
    if message is None:
        raise Http404
    if not model_admin.may_see_data(request, message):
        raise PermissionDenied
    payload = None
    if message.body_wiped_at is None:
        payload = MessagePayload.objects.filter(message_id=message.pk).only("body").first()
    if payload is None:
        return Start(problem="The body of that message was erased.")
    payload_opened(
        actor_of(request), project=workflow.project, target=message, part="body, to make a trigger"
    )
    sample = json.dumps(payload.body, indent=2, ensure_ascii=False)
    if len(sample) > MOST:
        return Start(problem="That message is too large to be tried here.")
    return Start(sample=sample)
