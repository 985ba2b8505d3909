"""What the editor asks while somebody types: is this right, and which names are there?"""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseNotAllowed, JsonResponse
from django.http.response import HttpResponseBase

from jobs.adaptors import registry
from jobs.editing import draft_check
from jobs.language.scope import NAMES
from jobs.models import Job
from openfn_platform.projects.models import Role
from openfn_platform.workspace.librarypage.names import shared_names

_PAIR = re.compile(r"\A([a-z][a-z0-9_]{0,39}):([a-z0-9_-]{1,60})\Z")


def check_view(model_admin: Any, request: HttpRequest, object_id: str) -> HttpResponseBase:
    """POST code (and, as `aliases=openmrs:openmrs`, connections that are not saved yet): findings."""
    job = model_admin.object_or_404(request, object_id)
    if not model_admin.may(request, Role.EDITOR, job):
        raise PermissionDenied
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    version = job.latest_version
    findings = draft_check(
        job=job,
        code=request.POST.get("code", ""),
        aliases=_aliases(request, job),
        settings=version.settings if version else [],
        language=version.language if version else "python",
    )
    return JsonResponse({"findings": [asdict(finding) for finding in findings]})


def names_view(model_admin: Any, request: HttpRequest, object_id: str) -> HttpResponseBase:
    """GET: every name that the job's code may use, with what an alias can do."""
    job = model_admin.object_or_404(request, object_id)
    if request.method != "GET":
        return HttpResponseNotAllowed(["GET"])
    names = [
        {"name": each.name, "signature": each.signature, "help": each.help, "example": each.example}
        for each in NAMES
    ]
    shared = shared_names(job.project_id)
    return JsonResponse({"names": [*_connections(request, job), *names, *_settings(job), *shared]})


def _connections(request: HttpRequest, job: Job) -> list[dict[str, Any]]:
    found = []
    for alias, adaptor in _aliases(request, job).items():
        if adaptor not in registry.names():
            continue
        spec = registry.spec(adaptor)
        members = [
            {
                "name": each.name,
                "signature": each.signature,
                "help": f"{each.summary} {each.description}".strip(),
                "example": each.example,
                "writes": each.writes,
            }
            for each in spec.operations
        ]
        found.append(
            {"name": alias, "signature": "", "help": spec.summary, "example": "", "members": members}
        )
    return found


def _settings(job: Job) -> list[dict[str, Any]]:
    version = job.latest_version
    return [
        {
            "name": f"settings.{item['key']}",
            "signature": "",
            "help": item.get("label", ""),
            "example": "",
        }
        for item in (version.settings if version else [])
    ]


def _aliases(request: HttpRequest, job: Job) -> dict[str, str]:
    """The connections that the page shows, or else those of the newest version."""
    asked = request.POST.getlist("aliases") or request.GET.getlist("aliases")
    pairs = [match.groups() for text in asked[:20] if (match := _PAIR.match(text))]
    if asked:
        return {alias: adaptor for alias, adaptor in pairs if adaptor in registry.names()}
    version = job.latest_version
    return {row.alias: row.adaptor for row in version.connections.all()} if version else {}
