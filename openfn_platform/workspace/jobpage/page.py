"""The job's page: everything of the newest version in one form, saved as a draft or made live.

Two people may edit at once: the form carries the number of the version that it was based on. When somebody else
saved in between, nothing is saved but everything typed stays, with a link to what the other one changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html

from jobs.adaptors import registry
from jobs.connecting import choices_of
from jobs.editing import draft_save, job_change, version_make_live
from jobs.language.linting import Finding
from jobs.models import Job, JobVersion
from openfn_platform.common.errors import Conflict, PlatformError
from openfn_platform.common.text import plural
from openfn_platform.projects.actors import actor_of
from openfn_platform.projects.models import Role
from openfn_platform.workspace.jobpage.authors import authors_told
from openfn_platform.workspace.jobpage.forms import (
    LIMITS,
    ConnectionRows,
    JobForm,
    SettingRows,
    connections_initial,
    initial_of,
    settings_initial,
    usable_credentials,
)
from openfn_platform.workspace.words import job_badge, outcome_badge
from runs.models import Run, RunState
from runs.words import PARTS_HIDDEN, said
from triggers.models import Trigger

RECENT_RUNS = 5
RECENT_VERSIONS = 8


class SavedMeanwhile(Conflict):
    """Another version was saved while this one was being checked."""

    code = "saved_meanwhile"


@dataclass
class Forms:
    """The three that make up the page."""

    job: JobForm
    connections: Any
    settings: Any

    def valid(self) -> bool:
        # All of them are asked, so that every error is seen at once.
        told = [each.is_valid() for each in (self.job, self.connections, self.settings)]
        return all(told)


def job_page(model_admin: Any, request: HttpRequest, job: Job) -> HttpResponse:
    may_edit = model_admin.may(request, Role.EDITOR, job)
    latest = job.latest_version
    if request.method != "POST":
        return _draw(model_admin, request, job, _forms(job, latest), may_edit=may_edit)
    if not may_edit:
        raise PermissionDenied
    forms = _forms(job, latest, request.POST)
    if not forms.valid():
        return _draw(model_admin, request, job, forms, may_edit=may_edit)
    if latest is not None and _saved_already(forms, job, latest):
        return _saved(request, job, latest)
    if not _overtaken(forms, job, latest):
        try:
            version = _save(request, job, latest, forms)
        except SavedMeanwhile:  # at this very moment: now the page knows
            return job_page(model_admin, request, model_admin.object_or_404(request, str(job.pk)))
        except PlatformError as error:
            _refuse(forms, error)
        else:
            return _saved(request, job, version)
    return _draw(model_admin, request, job, forms, may_edit=may_edit)


def _forms(job: Job, version: JobVersion | None, data: Any = None) -> Forms:
    credentials = {"credentials": usable_credentials(job.project)}
    form = JobForm(data, initial=initial_of(job, version))
    return Forms(
        job=form,
        connections=ConnectionRows(
            data, prefix="connections", initial=connections_initial(version), form_kwargs=credentials
        ),
        settings=SettingRows(data, prefix="settings", initial=settings_initial(version)),
    )


def _saved_already(forms: Forms, job: Job, latest: JobVersion) -> bool:
    """The same form once more, by a second click or by going back: everything in it is as it stands."""
    if forms.job.cleaned_data["based_on"] >= latest.number:
        return False
    about = all(getattr(job, name) == value for name, value in forms.job.about().items())
    return about and _same(latest, forms, *_chosen(forms))


def _overtaken(forms: Forms, job: Job, latest: JobVersion | None) -> bool:
    newest = latest.number if latest else 0
    if latest is None or forms.job.cleaned_data["based_on"] == newest:
        return False
    base = forms.job.cleaned_data["based_on"]
    compare = reverse("admin:jobs_job_versions", args=[job.pk])
    forms.job.add_error(
        None,
        format_html(
            "{} saved v{} while you were writing. Nothing of yours is lost or saved yet: look at "
            '<a class="ws-link" target="_blank" href="{}?left={}&amp;right={}">what they changed</a>, '
            "then save again to put your text on top of it.",
            latest.author or "Somebody",
            newest,
            compare,
            base,
            newest,
        ),
    )
    # Saving once more is then a decision, not an accident.
    forms.job.data = {**forms.job.data, "based_on": str(newest)}
    return True


def _save(request: HttpRequest, job: Job, latest: JobVersion | None, forms: Forms) -> JobVersion:
    by = actor_of(request)
    job_change(job=Job.objects.get(pk=job.pk), by=by, **forms.job.about())
    connections, settings = _chosen(forms)
    if latest is not None and _same(latest, forms, connections, settings):
        return latest
    return draft_save(
        job=job,
        by=by,
        code=forms.job.cleaned_data["code"],
        connections=connections,
        settings=settings,
        note=forms.job.cleaned_data["note"],
        guard=partial(_newest_still, job, latest),
        **forms.job.limits(),
    )


def _newest_still(job: Job, latest: JobVersion | None) -> None:
    """Asked while nobody else can save: two presses at once make one version."""
    newest = JobVersion.objects.filter(job=job).order_by("-number").values_list("pk", flat=True).first()
    if newest != (latest.pk if latest else None):
        raise SavedMeanwhile()


def _chosen(forms: Forms) -> tuple[list[Any], list[dict[str, Any]]]:
    """The connections and settings of the form."""
    connections = [form.choice() for form in forms.connections.kept()]
    return connections, [form.declaration() for form in forms.settings.kept()]


def _same(version: JobVersion, forms: Forms, connections: list[Any], settings: list[dict[str, Any]]) -> bool:
    """Whether saving would make a version like the one before."""
    code = forms.job.cleaned_data["code"].replace("\r\n", "\n").replace("\r", "\n")
    had = {item["key"]: item.get("default") for item in version.settings}
    return (
        code == version.code
        and all(forms.job.cleaned_data[name] == getattr(version, name) for name in LIMITS)
        and connections == choices_of(version)
        and not forms.settings.has_changed()
        and had == {item["key"]: item["default"] for item in settings}
    )


def _saved(request: HttpRequest, job: Job, version: JobVersion) -> HttpResponse:
    here = HttpResponseRedirect(request.path)
    errors = sum(1 for finding in version.findings if finding["severity"] == "error")
    if "_make_live" not in request.POST:
        found = (
            f" It has {plural(errors, 'error')} that must be corrected before it can be made live."
            if errors
            else ""
        )
        live = " It is the live version." if version.pk == job.live_version_id else ""
        (messages.warning if errors else messages.success)(
            request, f"v{version.number} is saved.{found}{live}"
        )
        return here
    if version.pk == job.live_version_id:
        messages.info(request, f"v{version.number} is live already; nothing has changed.")
        return here
    try:
        version_make_live(version=version, by=actor_of(request))
    except PlatformError as error:
        messages.error(request, f"v{version.number} is saved as a draft, but not live: {error.message}")
        return here
    off = " The job is off: switch it on to let it run." if job.state == "off" else ""
    messages.success(request, f"v{version.number} is live.{off}")
    return here


def _refuse(forms: Forms, error: PlatformError) -> None:
    field = error.context.get("field")
    forms.job.add_error(
        field if isinstance(field, str) and field in forms.job.fields else None, error.message
    )


def _draw(model_admin: Any, request: HttpRequest, job: Job, forms: Forms, *, may_edit: bool) -> HttpResponse:
    latest = job.latest_version
    findings = [Finding(**finding) for finding in latest.findings] if latest else []
    editor: Any = forms.job.fields["code"].widget
    editor.check_url = reverse("admin:jobs_job_check", args=[job.pk]) if may_edit else ""
    editor.names_url = reverse("admin:jobs_job_names", args=[job.pk])
    editor.findings = findings
    editor.read_only = not may_edit
    runs = recent_runs(job, sees=model_admin.may_see_data(request, job))
    context = {
        **model_admin.page_context(request, job, title=job.name),
        "job": job,
        "forms": forms,
        "form": forms.job,
        "may_edit": may_edit,
        "findings": findings,
        "headline": headline(job),
        "adaptors": [registry.spec(name) for name in _adaptors(latest)],
        "job_state": job_badge(job),
        "deed_buttons": model_admin.buttons(request, job),
        "versions": authors_told(job, job.versions.select_related("author")[:RECENT_VERSIONS]),
        "triggers": Trigger.objects.filter(trigger_jobs__job=job, archived_at=None).order_by("name", "pk"),
        "followers": Trigger.objects.filter(upstream=job, archived_at=None).order_by("name", "pk"),
        "runs": runs,
        "hidden": PARTS_HIDDEN if any(_whole(run) != read for run, _badge, read in runs) else "",
        "media": model_admin.media + forms.job.media,
        "change_url": "",
    }
    return TemplateResponse(request, "workspace/job.html", context)


def _adaptors(version: JobVersion | None) -> list[str]:
    """The systems that the newest version speaks to, each once."""
    rows = version.connections.order_by("position").values_list("adaptor", flat=True) if version else []
    return [name for name in dict.fromkeys(rows) if name in registry.names()]


def headline(job: Job) -> str:
    """“live: v7 (2 running); the draft v8 is not live”."""
    live, latest = job.live_version, job.latest_version
    if latest is None:
        return "No code yet. Write it below, save it, try it out, make it live."
    if live is None:
        return f"Not live yet; the draft is v{latest.number}."
    active = Q(job=job, state__in=[RunState.CLAIMED, RunState.STARTED])
    running = Run.objects.filter(active).aggregate(
        live=Count("pk", filter=Q(job_version=live)), other=Count("pk", filter=~Q(job_version=live))
    )
    said = f"Live: v{live.number}"
    if running["live"]:
        said += f" ({running['live']} running)"
    if running["other"]:
        said += f", {running['other']} running on other versions"
    if latest.number > live.number:
        said += f"; the draft v{latest.number} is not live"
    return f"{said}."


def recent_runs(job: Job, *, sees: bool) -> list[tuple[Run, str, str]]:
    """With its badge and what it said, as the reader may read it."""
    rows = Run.objects.filter(job=job).only(
        "id", "state", "note", "error_message", "created_at", "mode", "job", "project"
    )
    return [
        (run, outcome_badge(run.state, run.mode), said(_whole(run), sees=sees))
        for run in rows.order_by("-id")[:RECENT_RUNS]
    ]


def _whole(run: Run) -> str:
    return run.error_message or run.note
