"""Credentials: encrypted log-ins to partner systems. Made from the adaptor's schema, tested, connected, lent, put away."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse

from jobs.adaptors import registry
from jobs.admin.credential_oauth import callback_view, connect, environment_of, leave
from jobs.admin.credential_pages import add_page, change_page, lend_view
from jobs.admin.credential_words import expiry_badge, state_badge
from jobs.credential_tests import TestFailed, credential_test
from jobs.credentials import credential_archive
from jobs.models import Credential, ProjectCredential
from jobs.undoing import NothingToUndo, credential_undo
from openfn_platform.common.errors import Conflict
from openfn_platform.projects.actors import actor_of
from openfn_platform.projects.adminbase import ScopedAdmin
from openfn_platform.projects.badges import badge
from openfn_platform.projects.current import current_project
from openfn_platform.projects.deeds import Deed
from openfn_platform.projects.models import Role
from openfn_platform.projects.scoping import scoped


def _archive(request: HttpRequest, credential: Credential, _values: dict[str, Any]) -> HttpResponse:
    credential_archive(credential=credential, by=actor_of(request))
    messages.success(request, f"“{credential.name}” was put away; it opens nothing any more.")
    return HttpResponseRedirect(reverse("admin:jobs_credential_changelist"))


def _test(request: HttpRequest, credential: Credential, _values: dict[str, Any]) -> str:
    environment = environment_of(request, credential)
    return credential_test(credential=credential, by=actor_of(request), environment=environment)


def _undo(request: HttpRequest, credential: Credential, _values: dict[str, Any]) -> str:
    """Put them back, then say whether they work: what went wrong once may have gone wrong for good."""
    by, environment = actor_of(request), environment_of(request, credential)
    earlier = request.GET.get(
        "earlier", ""
    )  # never just the newest: a second press would take back the first
    try:
        credential_undo(credential=credential, by=by, environment=environment, earlier=earlier)
    except NothingToUndo:
        raise Conflict(
            "These earlier values are not there any more: they were put back already, or are older than seven days."
        ) from None
    fresh = Credential.objects.get(pk=credential.pk)
    try:
        said = credential_test(credential=fresh, by=by, environment=environment)
    except TestFailed as error:
        said = f"Their test failed: {error.message}"
    return f"The earlier values are back. {said}"


@admin.register(Credential)
class CredentialAdmin(ScopedAdmin):
    empty = "A credential holds the address and the password of a system that jobs talk to."
    roles = {"view": Role.VIEWER, "add": Role.ADMIN, "change": Role.ADMIN}
    list_display = ("name", "system", "state", "expires", "environments", "lent", "key")
    list_select_related = ("project",)
    list_filter = (("adaptor", admin.AllValuesFieldListFilter),)
    search_fields = ("name", "key", "adaptor")
    ordering = ("name",)
    deeds = (
        Deed(
            name="test",
            label="Test connection",
            role=Role.EDITOR,
            do=_test,
            icon="network_check",
            hint="Connects with it now and says how that went.",
        ),
        Deed(
            name="undo",
            label="Undo",
            role=Role.ADMIN,
            do=_undo,
            ask="The earlier values take the place of the present ones, for every run from now on. The present ones "
            "are kept for seven days, so this can be undone too.",
            icon="undo",
        ),
        Deed(
            name="connect",
            label="Connect",
            role=Role.ADMIN,
            do=connect,
            icon="link",
            tone="primary",
            hint="Leads to the partner system, where you agree.",
        ),
        Deed(
            name="disconnect",
            label="Disconnect",
            role=Role.ADMIN,
            do=leave,
            ask="Its tokens are forgotten: runs that use it cannot start until it is connected again.",
            tone="danger",
            icon="link_off",
        ),
        Deed(
            name="archive",
            label="Archive",
            role=Role.ADMIN,
            do=_archive,
            ask="It opens nothing any more and leaves the lists. Jobs that use it must get another one first.",
            tone="danger",
            icon="archive",
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Credential]:
        """Those of visible projects and those lent to them."""
        rows = Credential.objects.filter(archived_at=None).select_related("project")
        links = scoped(ProjectCredential.objects.filter(ended_at=None), actor_of(request))
        return rows.filter(pk__in=links.values("credential"))

    def narrowed(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        project = current_project(request)
        rows = queryset.prefetch_related("bodies__token", "lent_to")
        if project is None:
            return rows
        lent = ProjectCredential.objects.filter(project=project, ended_at=None).values("credential")
        return rows.filter(Q(project=project) | Q(pk__in=lent))

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """The queryset has decided: one that is lent to a project of theirs may be looked at, wherever it lives."""
        return super().has_view_permission(request)

    @admin.display(description="system", ordering="adaptor")
    def system(self, credential: Credential) -> str:
        known = credential.adaptor in registry.names()
        return badge(registry.spec(credential.adaptor).title if known else credential.adaptor)

    @admin.display(description="state")
    def state(self, credential: Credential) -> str:
        home = credential.project.environment
        return state_badge(next((body for body in credential.bodies.all() if body.environment == home), None))

    @admin.display(description="good until", ordering="expires_at")
    def expires(self, credential: Credential) -> str:
        return expiry_badge(credential)

    @admin.display(description="environments")
    def environments(self, credential: Credential) -> str:
        return ", ".join(sorted(body.environment for body in credential.bodies.all()))

    @admin.display(description="lent to")
    def lent(self, credential: Credential) -> str:
        others = [
            link
            for link in credential.lent_to.all()
            if link.project_id != credential.project_id and link.ended_at is None
        ]
        return f"{len(others)} more" if others else "–"

    def get_urls(self) -> list[URLPattern]:
        lend = self.admin_site.admin_view(partial(lend_view, self))
        back = self.admin_site.admin_view(partial(callback_view, self))
        return [
            path("oauth/callback/", back, name="jobs_credential_oauth_callback"),
            path("<path:object_id>/lend/", lend, name="jobs_credential_lend"),
            *super().get_urls(),
        ]

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        return add_page(self, request)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        return change_page(self, request, self.object_or_404(request, object_id))
