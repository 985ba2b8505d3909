"""Workflows: the list, and a page with the diagram."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from jobs.models import Job, JobState, Workflow
from jobs.workflows import workflow_archive, workflow_create, workflow_rename
from openfn_platform.common.text import one_line
from openfn_platform.projects.actors import actor_of
from openfn_platform.projects.adminbase import ScopedAdmin
from openfn_platform.projects.deeds import Deed
from openfn_platform.projects.models import Role
from openfn_platform.workspace.diagram import Edge, Node, Picture, draw
from openfn_platform.workspace.triggerpage.page import in_words
from runs.models import Run, RunMode
from runs.models.run import FAILED_STATES
from triggers.models import FlowScope, Trigger, TriggerKind

ICON_OF = {TriggerKind.MESSAGE: "✉", TriggerKind.SCHEDULE: "◷", TriggerKind.FLOW: "↪"}
TITLE, SECOND = 24, 30  # characters that fit
ARROWS = (
    ("plain", "var(--ws-soft)"),
    ("success", "var(--ws-good)"),
    ("failure", "var(--ws-bad)"),
    ("completion", "var(--ws-soft)"),
)


def _archive(request: HttpRequest, workflow: Workflow, _values: dict[str, Any]) -> HttpResponse:
    workflow_archive(workflow=workflow, by=actor_of(request))
    messages.success(request, f"“{workflow.name}” was put away with its jobs and triggers.")
    return HttpResponseRedirect(reverse("admin:jobs_workflow_changelist"))


@admin.register(Workflow)
class WorkflowAdmin(ScopedAdmin):
    empty = "A workflow holds the jobs that belong together and the triggers that start them."
    roles = {"view": Role.VIEWER, "add": Role.EDITOR, "change": Role.EDITOR}
    list_display = ("name", "key", "jobs_on", "triggers_on", "description")
    list_select_related = ("project",)
    search_fields = ("name", "key", "description")
    ordering = ("name",)
    change_form_outer_before_template = "workspace/workflow.html"
    deeds = (
        Deed(
            name="archive",
            label="Archive",
            role=Role.EDITOR,
            do=_archive,
            ask="Its jobs and triggers are put away with it and start nothing any more. What happened is kept.",
            tone="danger",
            icon="archive",
        ),
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        rows: QuerySet[Workflow] = super().get_queryset(request)
        return rows.filter(archived_at=None)

    def narrowed(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        rows: QuerySet[Any] = super().narrowed(request, queryset)
        jobs, triggers = Q(jobs__archived_at=None), Q(triggers__archived_at=None)
        return rows.annotate(
            jobs_there=Count("jobs", filter=jobs, distinct=True),
            jobs_running=Count("jobs", filter=jobs & Q(jobs__state=JobState.ON), distinct=True),
            triggers_there=Count("triggers", filter=triggers, distinct=True),
            triggers_running=Count("triggers", filter=triggers & Q(triggers__enabled=True), distinct=True),
        )

    @admin.display(description="jobs on")
    def jobs_on(self, workflow: Any) -> str:
        return f"{workflow.jobs_running} of {workflow.jobs_there}"

    @admin.display(description="triggers on")
    def triggers_on(self, workflow: Any) -> str:
        return f"{workflow.triggers_running} of {workflow.triggers_there}"

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ("name", "description") if obj else ("project", "name", "description")

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        given, by = form.cleaned_data, actor_of(request)
        if change:
            fresh = Workflow.objects.get(pk=obj.pk)
            workflow_rename(workflow=fresh, name=given["name"], description=given["description"], by=by)
        else:
            made = workflow_create(
                project=given["project"], name=given["name"], description=given["description"], by=by
            )
            obj.__dict__.update(made.__dict__)

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: Any = None) -> HttpResponse:
        return HttpResponseRedirect(self.url_of("change", obj.pk))

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        workflow = kwargs.get("obj")
        if workflow is not None:
            context["picture"] = picture_of(workflow)
            context["arrow_colours"] = ARROWS
            context["may_edit"] = self.may(request, Role.EDITOR, workflow)
        return super().render_change_form(request, context, *args, **kwargs)


def picture_of(workflow: Workflow) -> Picture:
    """Four queries, however big it is."""
    newest = Run.objects.filter(job=OuterRef("pk"), mode=RunMode.LIVE).order_by("-id").values("state")[:1]
    jobs = list(
        Job.objects.filter(workflow=workflow, archived_at=None)
        .annotate(last_state=Subquery(newest))
        .select_related("live_version")
        .order_by("name", "pk")
    )
    # Flows into this workflow may come from elsewhere; those out of it belong to the other's picture.
    triggers = list(
        Trigger.objects.filter(workflow=workflow, archived_at=None)
        .select_related("upstream", "project")
        .prefetch_related("trigger_jobs")
        .order_by("name", "pk")
    )
    here = {job.pk for job in jobs}
    nodes = [_job_node(job) for job in jobs]
    edges: list[Edge] = []
    for trigger in triggers:
        inner = (
            trigger.kind == TriggerKind.FLOW
            and trigger.upstream_scope == FlowScope.JOB
            and trigger.upstream_id in here
        )
        if not inner:
            nodes.append(_trigger_node(trigger))
        for link in trigger.trigger_jobs.all():
            start = str(trigger.upstream_id) if inner else str(trigger.pk)
            kind = trigger.event if trigger.kind == TriggerKind.FLOW else "plain"
            label = one_line(trigger.name, 18) + ("" if trigger.enabled else " (off)") if inner else ""
            edges.append(Edge(start=start, end=str(link.job_id), kind=kind, label=label))
    return draw(nodes, edges)


def _job_node(job: Any) -> Node:
    version = f"v{job.live_version.number} live" if job.live_version else "not live yet"
    state = {JobState.ON: "on", JobState.PAUSED: "paused", JobState.OFF: "off"}[JobState(job.state)]
    return Node(
        id=str(job.pk),
        title=one_line(job.name, TITLE),
        second=f"{state} · {version}",
        url=reverse("admin:jobs_job_change", args=[job.pk]),
        kind="job",
        off=job.state == JobState.OFF,
        bad=job.last_state in FAILED_STATES,
    )


def _trigger_node(trigger: Trigger) -> Node:
    return Node(
        id=str(trigger.pk),
        title=one_line(f"{ICON_OF[TriggerKind(trigger.kind)]} {trigger.name}", TITLE),
        second=one_line(in_words(trigger) if trigger.enabled else f"off · {in_words(trigger)}", SECOND),
        url=reverse("admin:triggers_trigger_change", args=[trigger.pk]),
        kind="trigger",
        off=not trigger.enabled,
    )
