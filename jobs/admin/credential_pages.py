"""The pages on which a credential is made, changed and lent."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.http import urlencode
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from jobs.adaptors import registry
from jobs.adaptors.spec import AdaptorSpec
from jobs.admin.values import NOTHING, ValuesForm
from jobs.credentials import (
    credential_change,
    credential_create,
    credential_lend,
    credential_rename,
    credential_unlend,
    credential_used_by,
    credential_visible,
)
from jobs.models import Credential, ProjectCredential
from openfn_platform.common.errors import PlatformError
from openfn_platform.projects.actors import actor_of
from openfn_platform.projects.adminbase import ScopedAdmin
from openfn_platform.projects.current import projects_of
from openfn_platform.projects.models import Project, Role

ENVIRONMENT_HELP = "Its name: main, test, … The project’s settings say which one its runs use."


class NameForm(forms.Form):
    """What a credential is called; and whose it is, when it is new."""

    name = forms.CharField(
        max_length=120,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "OpenMRS of the clinic"}),
    )

    def __init__(self, *args: Any, projects: QuerySet[Project] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if projects is not None:
            self.fields["project"] = forms.ModelChoiceField(
                queryset=projects,
                initial=projects[0] if len(projects) == 1 else None,
                widget=UnfoldAdminSelectWidget,
                empty_label=None if len(projects) == 1 else "–",
            )


def add_page(model_admin: ScopedAdmin, request: HttpRequest) -> HttpResponse:
    """Which system first, then what its schema asks for."""
    adaptor = request.GET.get("adaptor", "")
    if adaptor not in registry.names():
        context = {
            **model_admin.page_context(request, title="Add a credential"),
            "adaptors": [registry.spec(name) for name in registry.names()],
        }
        return TemplateResponse(request, "workspace/credential_kind.html", context)
    spec = registry.spec(adaptor)
    head = NameForm(request.POST or None, projects=model_admin.projects_for(request, Role.ADMIN))
    values = ValuesForm(request.POST or None, spec=spec)
    if request.method == "POST" and _both(head, values):
        try:
            made = credential_create(
                project=head.cleaned_data["project"],
                name=head.cleaned_data["name"],
                adaptor=adaptor,
                values=values.values(),
                by=actor_of(request),
            )
        except PlatformError as error:
            values.refuse(error.message, error.context.get("field"))
        else:
            messages.success(request, f"“{made.name}” is stored, encrypted. Test the connection now.")
            return HttpResponseRedirect(model_admin.url_of("change", made.pk))
    return _draw(model_admin, request, None, spec, head, values, environment="")


def change_page(model_admin: ScopedAdmin, request: HttpRequest, credential: Credential) -> HttpResponse:
    may_change = model_admin.may(request, Role.ADMIN, credential)
    if request.method == "POST" and not may_change:
        raise PermissionDenied
    if credential.adaptor not in registry.names():
        raise Http404
    spec = registry.spec(credential.adaptor)
    environment = (request.GET.get("environment") or credential.project.environment)[:30]
    # Only those who may change it see even the harmless values, such as addresses.
    shown = _shown(request, credential, environment) if may_change else NOTHING
    head = NameForm(request.POST or None, initial={"name": credential.name})
    values = ValuesForm(request.POST or None, spec=spec, shown=shown)
    if request.method == "POST" and _both(head, values):
        try:
            by = actor_of(request)
            fresh = Credential.objects.get(pk=credential.pk)
            credential_change(
                credential=fresh,
                values=values.values(),
                clear=values.cleared(),
                environment=environment,
                by=by,
            )
            credential_rename(credential=fresh, name=head.cleaned_data["name"], by=by)
        except PlatformError as error:
            values.refuse(error.message, error.context.get("field"))
        else:
            messages.success(request, "Saved, encrypted. Test the connection now.")
            query = urlencode({"environment": environment})
            return HttpResponseRedirect(f"{request.path}?{query}")
    return _draw(model_admin, request, credential, spec, head, values, environment=environment)


def lend_view(model_admin: ScopedAdmin, request: HttpRequest, object_id: str) -> HttpResponse:
    """POST: lend it to a project that one belongs to, or take it back."""
    credential = model_admin.object_or_404(request, object_id)
    if not model_admin.may(request, Role.ADMIN, credential):
        raise PermissionDenied
    back = HttpResponseRedirect(model_admin.url_of("change", credential.pk))
    if request.method != "POST":
        return back
    key = request.POST.get("project", "")
    project = next((each for each in projects_of(request) if str(each.pk) == key), None)
    if project is None:
        raise Http404
    try:
        if "unlend" in request.POST:
            credential_unlend(credential=credential, project=project, by=actor_of(request))
            messages.success(request, f"{project.name} can no longer use it.")
        else:
            credential_lend(credential=credential, project=project, by=actor_of(request))
            messages.success(request, f"{project.name} can use it now; its values stay here.")
    except PlatformError as error:
        messages.error(request, error.message)
    return back


def _both(head: NameForm, values: ValuesForm) -> bool:
    first, second = head.is_valid(), values.is_valid()
    return first and second


def _shown(request: HttpRequest, credential: Credential, environment: str) -> Any:
    try:
        return credential_visible(credential=credential, environment=environment)
    except PlatformError as error:
        messages.error(request, error.message)
        return NOTHING


def _draw(
    model_admin: ScopedAdmin,
    request: HttpRequest,
    credential: Credential | None,
    spec: AdaptorSpec,
    head: NameForm,
    values: ValuesForm,
    *,
    environment: str,
) -> HttpResponse:
    title = credential.name if credential else f"Add a credential for {spec.title}"
    context = {
        **model_admin.page_context(request, credential, title=title),
        "spec": spec,
        "head": head,
        "form": values,
        "shown_environment": environment,  # unfold has an `environment` of its own
        "may_change": credential is None or model_admin.may(request, Role.ADMIN, credential),
        "change_url": "",
    }
    if credential is not None:
        context |= _surroundings(model_admin, request, credential, environment)
    return TemplateResponse(request, "workspace/credential.html", context)


def _surroundings(
    model_admin: ScopedAdmin, request: HttpRequest, credential: Credential, environment: str
) -> dict[str, Any]:
    used = credential_used_by(credential=credential)
    visible = {project.pk for project in projects_of(request)}
    known = sorted({body.environment for body in credential.bodies.all()} | {credential.project.environment})
    lent = ProjectCredential.objects.filter(credential=credential, ended_at=None).select_related("project")
    borrowers = [
        link.project
        for link in lent
        if link.project_id != credential.project_id and link.project_id in visible
    ]
    taken = {project.pk for project in borrowers} | {credential.project_id}
    return {
        "credential": credential,
        "deed_buttons": model_admin.buttons(request, credential),
        "used_by": [job for job in used if job.project_id in visible],
        "used_elsewhere": len([job for job in used if job.project_id not in visible]),
        "environments": known if environment in known else [*known, environment],
        "environment_help": ENVIRONMENT_HELP,
        "borrowers": borrowers,
        "could_borrow": [project for project in projects_of(request) if project.pk not in taken],
    }
