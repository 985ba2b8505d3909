"""People, with what hangs on each of them: shown before somebody is switched off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from jobs.models import Credential, Job
from openfn_platform.common.models import as_uuid
from openfn_platform.projects.admin.user import UserAdmin
from openfn_platform.projects.deeds import Button, Deed
from openfn_platform.projects.models import ApiToken, AuditEntry, Invitation, Membership, Role, User
from runs.models import Incident

SHOWN = 20


@dataclass(frozen=True, kw_only=True)
class Hanging:
    """One kind of thing that hangs on a person, and what becomes of it without them."""

    title: str
    then: str
    lines: list[tuple[str, str]]  # text and address
    more: int


def _some(rows: QuerySet[Any], model: str, *, title: str, then: str, text: Any) -> Hanging:
    found = list(rows[: SHOWN + 1])
    return Hanging(
        title=title,
        then=then,
        lines=[(text(row), reverse(f"admin:{model}_change", args=[row.pk])) for row in found[:SHOWN]],
        more=rows.count() - SHOWN if len(found) > SHOWN else 0,
    )


def hanging_on(person: User) -> list[Hanging]:
    """Everything, by kind; kinds of which there is nothing are left out."""
    memberships = Membership.objects.filter(user=person, project__archived_at=None).select_related("project")
    tokens = ApiToken.objects.filter(created_by=person, revoked_at=None).select_related("project")
    jobs = Job.objects.filter(live_version__author=person, archived_at=None).select_related("project")
    made = AuditEntry.objects.filter(actor=person, action="credential made").values_list(
        "object_id", flat=True
    )
    keys = [key for key in map(as_uuid, made) if key]
    credentials = Credential.objects.filter(pk__in=keys, archived_at=None).select_related("project")
    incidents = Incident.objects.filter(taken_by=person, closed_at=None).select_related("project")
    invitations = Invitation.objects.filter(invited_by=person, accepted_at=None, revoked_at=None)
    found = [
        _some(
            memberships.order_by("project__name", "pk"), "projects_membership",
            title="Memberships", then="They stay, and count for nothing while the person is switched off.",
            text=lambda row: f"{row.project} · {row.role}{_alone(row)}",
        ),
        _some(
            memberships.filter(failure_mail=True).order_by("project__name", "pk"), "projects_membership",
            title="Mails on failure", then="Nobody gets them in place of this person: see that somebody else does.",
            text=lambda row: str(row.project),
        ),
        _some(
            tokens.order_by("name", "pk"), "projects_apitoken",
            title="API tokens made", then="They go on working: they belong to the project. Revoke those that the person may still hold.",
            text=lambda row: f"{row.name} · {row.project}",
        ),
        _some(
            credentials.order_by("name", "pk"), "jobs_credential",
            title="Credentials made", then="They go on working. Where the log-in at the partner system is the person’s own, put another in its place.",
            text=lambda row: f"{row.name} · {row.project}",
        ),
        _some(
            jobs.order_by("name", "pk"), "jobs_job",
            title="Live jobs written", then="They go on running.",
            text=lambda row: f"{row.name} · {row.project}",
        ),
        _some(
            incidents.order_by("-opened_at"), "runs_incident",
            title="Incidents taken", then="Nobody looks after them then: somebody else should take them.",
            text=lambda row: row.title,
        ),
        _some(
            invitations.select_related("project"), "projects_invitation",
            title="Invitations not answered yet", then="Their links open nothing while the person is switched off: somebody else should invite.",
            text=lambda row: f"{row.email} · {row.project}",
        ),
    ]  # fmt: skip
    return [each for each in found if each.lines]


def _alone(membership: Membership) -> str:
    """A project keeps an owner who can log in."""
    if membership.role != Role.OWNER:
        return ""
    others = Membership.objects.filter(
        project=membership.project_id, role=Role.OWNER, user__is_active=True
    ).exclude(pk=membership.pk)
    return "" if others.exists() else ", the only one: make somebody else an owner first"


admin.site.unregister(User)


@admin.register(User)
class PersonAdmin(UserAdmin):
    """As the floor below has it; switching off asks with everything in view."""

    empty = "Everybody who can log in to this installation."

    def get_urls(self) -> list[URLPattern]:
        own = path(
            "<path:object_id>/hanging/",
            self.admin_site.admin_view(self.hanging_view),
            name="projects_user_hanging",
        )
        return [own, *super().get_urls()]

    def hanging_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        person = self.object_or_404(request, object_id)
        context = {
            **self.page_context(request, person, title="What hangs on this person"),
            "hanging": hanging_on(person),
        }
        return TemplateResponse(request, "workspace/accounts/hanging.html", context)

    def question_page(self, request: HttpRequest, thing: Any, *, deed: Deed, form: Any) -> HttpResponse:
        response = super().question_page(request, thing, deed=deed, form=form)
        if deed.name == "switch-off" and isinstance(response, TemplateResponse):
            response.template_name = "workspace/accounts/switch_off.html"
            response.context_data = {**(response.context_data or {}), "hanging": hanging_on(thing)}
        return response

    def buttons(self, request: HttpRequest, thing: Any) -> list[Button]:
        hanging = Button(
            url=reverse("admin:projects_user_hanging", args=[getattr(thing, "pk", thing)]),
            label="What hangs on this person",
            asks=True,
            icon="account_tree",
            tone="plain",
            hint="Memberships, keys, live jobs and more, before somebody is switched off.",
        )
        return [hanging, *super().buttons(request, thing)]
