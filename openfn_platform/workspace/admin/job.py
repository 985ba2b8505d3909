"""Jobs: the list, making one, and the deeds of its page (the page itself is in jobpage/)."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse

from jobs.editing import job_archive, job_create, job_switch
from jobs.models import Job, JobState
from openfn_platform.common.errors import Invalid
from openfn_platform.projects.actors import actor_of
from openfn_platform.projects.adminbase import ScopedAdmin
from openfn_platform.projects.badges import EMPTY
from openfn_platform.projects.deeds import Deed
from openfn_platform.projects.models import Role
from openfn_platform.workspace.jobpage.endpoints import check_view, names_view
from openfn_platform.workspace.jobpage.page import job_page
from openfn_platform.workspace.jobpage.running import run_view
from openfn_platform.workspace.jobpage.versions import versions_view
from openfn_platform.workspace.words import job_badge, outcome_badge
from runs.models import Run, RunMode

FORM_FIELDS = ("project", "name", "workflow", "description")


def _switch(state: JobState, said: str) -> Any:
    def do(request: HttpRequest, job: Job, _values: dict[str, Any]) -> str:
        job_switch(job=job, state=state, by=actor_of(request))
        return f"{job.name} {said}"

    return do


def _archive(request: HttpRequest, job: Job, _values: dict[str, Any]) -> HttpResponse:
    job_archive(job=job, by=actor_of(request))
    messages.success(request, f"“{job.name}” was put away. Its runs and versions are kept.")
    return HttpResponseRedirect(reverse("admin:jobs_job_changelist"))


def _run_with(request: HttpRequest, job: Job, _values: dict[str, Any]) -> HttpResponse:
    return HttpResponseRedirect(reverse("admin:jobs_job_run", args=[job.pk]))


@admin.register(Job)
class JobAdmin(ScopedAdmin):
    empty = "A job is a little Python that moves data from one system to another. Triggers start it."
    roles = {"view": Role.VIEWER, "add": Role.EDITOR, "change": Role.EDITOR}
    list_display = ("name", "workflow", "state_badge", "live", "last_run")
    list_select_related = ("workflow", "project", "live_version", "latest_version")
    list_filter = ("state", "workflow")
    search_fields = ("name", "key", "description")
    search_help_text = "Name or key"
    ordering = ("name",)
    deeds = (
        Deed(
            name="run-with",
            label="Run with…",
            role=Role.OPERATOR,
            do=_run_with,
            applies=lambda job: job.latest_version_id is not None,
            icon="play_arrow",
            hint="Choose an input, then run the live version or try out the draft.",
        ),
        Deed(
            name="switch-on",
            label="Switch on",
            role=Role.EDITOR,
            do=_switch(JobState.ON, "is on."),
            applies=lambda job: job.state == JobState.OFF and job.live_version_id is not None,
            icon="power_settings_new",
            tone="primary",
        ),
        Deed(
            name="go-on",
            label="Let go on",
            role=Role.OPERATOR,
            do=_switch(JobState.ON, "goes on."),
            applies=lambda job: job.state == JobState.PAUSED,
            icon="resume",
            tone="primary",
            hint="Runs that waited start now.",
        ),
        Deed(
            name="pause",
            label="Pause",
            role=Role.OPERATOR,
            do=_switch(JobState.PAUSED, "is paused: its runs wait."),
            applies=lambda job: job.state == JobState.ON,
            icon="pause",
            hint="Runs are made and wait.",
        ),
        Deed(
            name="switch-off",
            label="Switch off",
            role=Role.EDITOR,
            do=_switch(JobState.OFF, "is off."),
            applies=lambda job: job.state != JobState.OFF,
            ask="No more runs are made from messages, schedules or other jobs. Messages are kept; what they "
            "would have started is not run later by itself. To make runs wait instead, pause the job.",
            icon="power_off",
        ),
        Deed(
            name="archive",
            label="Archive",
            role=Role.EDITOR,
            do=_archive,
            ask="The job starts no more and leaves the lists. Its runs and versions are kept.",
            tone="danger",
            icon="archive",
        ),
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        return (
            super().get_queryset(request).filter(archived_at=None).select_related(*self.list_select_related)
        )

    def narrowed(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        newest = Run.objects.filter(job=OuterRef("pk"), mode=RunMode.LIVE).order_by("-id")
        rows: QuerySet[Any] = super().narrowed(request, queryset)
        return rows.annotate(
            last_state=Subquery(newest.values("state")[:1]),
            last_at=Subquery(newest.values("created_at")[:1]),
        )

    @admin.display(description="state", ordering="state")
    def state_badge(self, job: Job) -> str:
        return job_badge(job)

    @admin.display(description="version")
    def live(self, job: Job) -> str:
        live, latest = job.live_version, job.latest_version
        if latest is None:
            return EMPTY
        if live is None:
            return f"draft v{latest.number}"
        return f"v{live.number}" + (f", draft v{latest.number}" if latest.number > live.number else "")

    @admin.display(description="last run")
    def last_run(self, job: Any) -> str:
        return outcome_badge(job.last_state)

    def get_urls(self) -> list[URLPattern]:
        pages = (
            ("check", check_view),
            ("names", names_view),
            ("run", run_view),
            ("versions", versions_view),
        )
        own = [
            path(
                f"<path:object_id>/{name}/",
                self.admin_site.admin_view(partial(view, self)),
                name=f"jobs_job_{name}",
            )
            for name, view in pages
        ]
        return own + super().get_urls()

    # --- making one -------------------------------------------------------------------------------------

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return FORM_FIELDS

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change, **kwargs)
        if obj is None and "workflow" in form.base_fields:
            field = form.base_fields["workflow"]
            field.required = False
            field.help_text = "Jobs and triggers that belong together. Empty: a new one with this job’s name."
        return form

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        given = form.cleaned_data
        workflow, project = given.get("workflow"), given["project"]
        if workflow is not None and workflow.project_id != project.pk:
            raise Invalid("That workflow belongs to another project.", field="workflow")
        made = job_create(
            project=project,
            workflow=workflow,
            name=given["name"],
            description=given["description"],
            by=actor_of(request),
        )
        obj.__dict__.update(made.__dict__)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        return None

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: Any = None) -> HttpResponse:
        messages.success(request, f"“{obj.name}” is there. Write its code, then save it.")
        return HttpResponseRedirect(self.url_of("change", obj.pk))

    # --- its page ---------------------------------------------------------------------------------------

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        return job_page(self, request, self.object_or_404(request, object_id))
