"""The pages on which a credential is made, changed and lent."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.http import urlencode

from jobs.adaptors import registry
from jobs.adaptors.oauth import CODE
from jobs.adaptors.spec import AdaptorSpec
from jobs.admin.adaptor_groups import grouped
from jobs.admin.credential_oauth import callback_address
from jobs.admin.credential_saving import NameForm, Sheet, sheet_of, sheet_save
from jobs.admin.credential_words import expiry_badge
from jobs.admin.values import NOTHING
from jobs.attempts import Desk
from jobs.credential_tests import Tested, credential_try_change, credential_try_new
from jobs.credentials import credential_change, credential_create, credential_rename, credential_visible
from jobs.expiring import credential_expiry_set, end_of, is_over, last_day
from jobs.lending import credential_lend, credential_unlend
from jobs.models import Credential, ProjectCredential
from jobs.oauth import connection_of
from jobs.undoing import earlier_values
from jobs.usage import credential_drafted_by, credential_used_by
from openfn_platform.common.errors import PlatformError
from openfn_platform.projects.actors import actor_of
from openfn_platform.projects.adminbase import ScopedAdmin
from openfn_platform.projects.current import projects_of
from openfn_platform.projects.models import Project, Role

ENVIRONMENT_HELP = "Its name: main, test, … The project’s settings say which one its runs use."
IN_CARDS = frozenset({"Test connection", "Undo", "Connect", "Disconnect"})  # drawn where they belong


def add_page(model_admin: ScopedAdmin, request: HttpRequest) -> HttpResponse:
    """Which system first, then what its schema asks for."""
    adaptor = request.GET.get("adaptor", "")
    if adaptor not in registry.names():
        return _choose(model_admin, request)
    spec = registry.spec(adaptor)
    head = NameForm(request.POST or None, projects=model_admin.projects_for(request, Role.ADMIN))
    desk = _desk(request, spec)
    sheet = sheet_of(request, desk=desk, head=head, spec=spec)
    if request.method == "POST":
        made: list[Credential] = []

        def store(tested: Tested | None, reason: str) -> None:
            made.append(_create(request, adaptor, sheet, tested, reason))

        said = sheet_save(
            request, desk=desk, sheet=sheet, attempt=partial(_try_new, request, adaptor, sheet), store=store
        )
        if said is not None:
            messages.success(request, f"“{made[0].name}” is stored, encrypted. {said or _next(spec, sheet)}")
            return HttpResponseRedirect(model_admin.url_of("change", made[0].pk))
    return _draw(model_admin, request, None, spec, sheet, environment="")


def _choose(model_admin: ScopedAdmin, request: HttpRequest) -> HttpResponse:
    words = request.GET.get("q", "").strip()[:100]
    groups = grouped(words)
    context = {
        **model_admin.page_context(request, title="Add a credential"),
        "words": words,
        "groups": groups,
        "fitting": any(group.fits for group in groups),
    }
    return TemplateResponse(request, "workspace/credential_kind.html", context)


def _try_new(request: HttpRequest, adaptor: str, sheet: Sheet) -> Tested | None:
    return credential_try_new(
        project=sheet.head.cleaned_data["project"],
        adaptor=adaptor,
        values=sheet.values.values(),
        by=actor_of(request),
    )


def _create(
    request: HttpRequest, adaptor: str, sheet: Sheet, tested: Tested | None, reason: str
) -> Credential:
    project = sheet.head.cleaned_data["project"]
    return credential_create(
        project=project,
        name=sheet.head.cleaned_data["name"],
        adaptor=adaptor,
        values=sheet.values.values(),
        by=actor_of(request),
        expires_at=end_of(sheet.expires_on, project) if sheet.expires_on else None,
        tested=tested,
        reason=reason,
    )


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
    initial = {"name": credential.name, "expires_on": last_day(credential)}
    head = NameForm(request.POST or None, initial=initial)
    desk = _desk(request, spec, credential=credential, environment=environment)
    sheet = sheet_of(request, desk=desk, head=head, spec=spec, shown=shown)
    if request.method == "POST":
        given = (request, credential.pk, environment, sheet)
        said = sheet_save(
            request,
            desk=desk,
            sheet=sheet,
            attempt=partial(_try_change, *given),
            store=partial(_change, *given),
        )
        if said is not None:
            messages.success(request, f"Saved, encrypted. {said or _next(spec, sheet)}".strip())
            query = urlencode({"environment": environment})
            return HttpResponseRedirect(f"{request.path}?{query}")
    return _draw(model_admin, request, credential, spec, sheet, environment=environment)


def _try_change(request: HttpRequest, pk: Any, environment: str, sheet: Sheet) -> Tested | None:
    return credential_try_change(
        credential=Credential.objects.get(pk=pk),
        values=sheet.values.values(),
        clear=sheet.values.cleared(),
        environment=environment,
        by=actor_of(request),
    )


@transaction.atomic
def _change(
    request: HttpRequest, pk: Any, environment: str, sheet: Sheet, tested: Tested | None, reason: str
) -> None:
    by = actor_of(request)
    fresh = Credential.objects.get(pk=pk)
    credential_change(
        credential=fresh,
        values=sheet.values.values(),
        clear=sheet.values.cleared(),
        environment=environment,
        by=by,
        tested=tested,
        reason=reason,
    )
    credential_rename(credential=fresh, name=sheet.head.cleaned_data["name"], by=by)
    if sheet.expires_on != last_day(fresh):
        end = end_of(sheet.expires_on, fresh.project) if sheet.expires_on else None
        credential_expiry_set(credential=fresh, expires_at=end, by=by)


def _next(spec: AdaptorSpec, sheet: Sheet) -> str:
    """What is left to do where nothing was tried."""
    by_person = spec.oauth is not None and spec.oauth.grant_of(sheet.values.values()) == CODE
    return "If it is not connected yet, connect it now." if by_person else ""


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


def _desk(
    request: HttpRequest, spec: AdaptorSpec, *, credential: Credential | None = None, environment: str = ""
) -> Desk:
    return Desk(
        user=request.user,  # type: ignore[arg-type]  # pages are for people who are logged in
        session=request.session.session_key or "",
        adaptor=spec.name,
        credential=credential,
        environment=environment,
    )


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
    sheet: Sheet,
    *,
    environment: str,
) -> HttpResponse:
    title = credential.name if credential else f"Add a credential for {spec.title}"
    context = {
        **model_admin.page_context(request, credential, title=title),
        "spec": spec,
        "sheet": sheet,
        "head": sheet.head,
        "form": sheet.values,
        "shown_environment": environment,  # unfold has an `environment` of its own
        "may_change": credential is None or model_admin.may(request, Role.ADMIN, credential),
        "callback_address": callback_address() if spec.oauth and CODE in spec.oauth.grants else "",
        "change_url": "",
    }
    if credential is not None:
        context |= _surroundings(model_admin, request, credential, environment)
    return TemplateResponse(request, "workspace/credential.html", context)


def _surroundings(
    model_admin: ScopedAdmin, request: HttpRequest, credential: Credential, environment: str
) -> dict[str, Any]:
    bodies = {body.environment: body for body in credential.bodies.all()}
    known = sorted({*bodies, credential.project.environment, environment})
    return {
        "credential": credential,
        "deed_buttons": [
            each for each in model_admin.buttons(request, credential) if each.label not in IN_CARDS
        ],
        "may_test": model_admin.may(request, Role.EDITOR, credential),
        "body": bodies.get(environment),
        "expiry": "" if credential.expires_at is None else expiry_badge(credential),
        "ended_on": last_day(credential) if is_over(credential) else None,
        "connection": connection_of(credential=credential, environment=environment),
        "earlier": earlier_values(credential=credential, environment=environment),
        "environments": known,
        "environment_help": ENVIRONMENT_HELP,
        **_users(request, credential),
        **_borrowers(request, credential),
    }


def _users(request: HttpRequest, credential: Credential) -> dict[str, Any]:
    """Jobs that use it; of those in projects that the person does not belong to only how many."""
    visible = {project.pk for project in projects_of(request)}
    live = credential_used_by(credential=credential)
    drafts = credential_drafted_by(credential=credential)
    return {
        "used_by": [job for job in live if job.project_id in visible],
        "drafted_by": [job for job in drafts if job.project_id in visible],
        "used_elsewhere": len([job for job in live if job.project_id not in visible]),
    }


def _borrowers(request: HttpRequest, credential: Credential) -> dict[str, Any]:
    visible = projects_of(request)
    lent = ProjectCredential.objects.filter(credential=credential, ended_at=None).exclude(
        project=credential.project_id
    )
    borrowing = set(lent.values_list("project_id", flat=True))
    borrowers: list[Project] = [project for project in visible if project.pk in borrowing]
    free = {*borrowing, credential.project_id}
    return {
        "borrowers": borrowers,
        "could_borrow": [project for project in visible if project.pk not in free],
    }
