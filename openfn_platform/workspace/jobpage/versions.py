"""All versions of a job, the difference between two, and bringing one back."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse

from jobs.editing import version_restore
from jobs.models import Job, JobVersion
from openfn_platform.common.errors import PlatformError
from openfn_platform.projects.actors import actor_of
from openfn_platform.projects.models import Role
from openfn_platform.workspace.jobpage.authors import authors_told
from openfn_platform.workspace.jobpage.differences import code_lines, other_changes

SHOWN = 200


def versions_view(model_admin: Any, request: HttpRequest, object_id: str) -> HttpResponse:
    job: Job = model_admin.object_or_404(request, object_id)
    may_edit = model_admin.may(request, Role.EDITOR, job)
    if request.method == "POST":
        return _restore(model_admin, request, job, may_edit=may_edit)
    versions = authors_told(job, job.versions.select_related("author")[:SHOWN])
    right = _chosen(job, request.GET.get("right"), versions, place=0)
    left = _chosen(job, request.GET.get("left"), versions, place=1)
    context = {
        **model_admin.page_context(request, job, title=f"Versions of {job.name}"),
        "job": job,
        "versions": versions,
        "left": left,
        "right": right,
        "lines": code_lines(left.code, right.code) if left and right else [],
        "changes": other_changes(left, right) if left and right else [],
        "may_edit": may_edit,
    }
    return TemplateResponse(request, "workspace/versions.html", context)


def _chosen(job: Job, number: str | None, versions: list[JobVersion], *, place: int) -> JobVersion | None:
    """The version of that number; by default the newest and the one before it."""
    if number is None:
        return versions[min(place, len(versions) - 1)] if versions else None
    if not number.isdigit() or len(number) > 9:
        raise Http404
    found = job.versions.filter(number=int(number)).select_related("author").first()
    if found is None and int(number) != 0:
        raise Http404
    return found


def _restore(model_admin: Any, request: HttpRequest, job: Job, *, may_edit: bool) -> HttpResponse:
    if not may_edit:
        raise PermissionDenied
    version = _chosen(job, request.POST.get("restore", ""), [], place=0)
    if version is None:
        raise Http404
    try:
        made = version_restore(version=version, by=actor_of(request))
    except PlatformError as error:
        messages.error(request, error.message)
    else:
        messages.success(
            request, f"v{made.number} is a draft like v{version.number}. Look at it, then make it live."
        )
    return HttpResponseRedirect(model_admin.url_of("change", job.pk))
