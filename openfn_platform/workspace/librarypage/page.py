"""The page of one module: its code in the editor, saved as a new version; the difference between two; who uses it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
    JsonResponse,
)
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from jobs.language.linting import Finding
from jobs.language.scope import NAMES, SHARED
from jobs.library import (
    ModuleSavedMeanwhile,
    jobs_using,
    module_change,
    module_check,
    module_save,
    modules_using,
    version_restore,
)
from jobs.models import LibraryModule, LibraryVersion
from openfn_platform.common.errors import PlatformError
from openfn_platform.common.text import plural
from openfn_platform.projects.actors import actor_of
from openfn_platform.projects.models import Role
from openfn_platform.workspace.jobpage.differences import code_lines
from openfn_platform.workspace.librarypage.names import shared_names
from openfn_platform.workspace.widgets import CodeEditor

SHOWN = 200
FEW = 20


class ModuleForm(forms.Form):
    """The code, and what the module is called."""

    code = forms.CharField(required=False, strip=False, widget=CodeEditor)
    note = forms.CharField(
        required=False,
        max_length=300,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "What changed (for the list of versions)"}),
    )
    name = forms.CharField(max_length=120, widget=UnfoldAdminTextInputWidget)
    description = forms.CharField(required=False, widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}))
    based_on = forms.IntegerField(widget=forms.HiddenInput, min_value=0, max_value=10**9)


def module_page(model_admin: Any, request: HttpRequest, module: LibraryModule) -> HttpResponse:
    may_edit = model_admin.may(request, Role.EDITOR, module)
    latest = module.latest_version
    initial = {
        "code": latest.code if latest else "",
        "name": module.name,
        "description": module.description,
        "based_on": latest.number if latest else 0,
    }
    form = ModuleForm(request.POST or None, initial=initial)
    if request.method == "POST":
        if not may_edit:
            raise PermissionDenied
        if form.is_valid() and _save(request, module, latest, form):
            return HttpResponseRedirect(request.path)
    return _draw(model_admin, request, module, form, may_edit=may_edit)


def _save(
    request: HttpRequest, module: LibraryModule, latest: LibraryVersion | None, form: ModuleForm
) -> bool:
    given, by = form.cleaned_data, actor_of(request)
    code = given["code"].replace("\r\n", "\n").replace("\r", "\n")
    try:
        module_change(module=module, by=by, name=given["name"], description=given["description"])
        if latest is not None and code == latest.code and given["based_on"] == latest.number:
            messages.success(request, "Saved.")
            return True
        version = module_save(module=module, code=code, by=by, note=given["note"], based_on=given["based_on"])
    except ModuleSavedMeanwhile as error:
        form.add_error(None, error.message)
        # Saving once more is then a decision, not an accident.
        newest = LibraryModule.objects.select_related("latest_version").get(pk=module.pk).latest_version
        form.data = {**form.data.dict(), "based_on": str(newest.number if newest else 0)}  # type: ignore[attr-defined]  # a QueryDict
        return False
    except PlatformError as error:
        field = error.context.get("field")
        form.add_error(field if isinstance(field, str) and field in form.fields else None, error.message)
        return False
    _tell(request, version)
    return True


def _tell(request: HttpRequest, version: LibraryVersion) -> None:
    errors = sum(finding["severity"] == "error" for finding in version.findings)
    if errors:
        messages.warning(
            request,
            f"v{version.number} is saved. It has {plural(errors, 'error')}, so runs go on with the version before.",
        )
    else:
        messages.success(request, f"v{version.number} is saved; every run from now on takes it.")


def _draw(
    model_admin: Any, request: HttpRequest, module: LibraryModule, form: ModuleForm, *, may_edit: bool
) -> HttpResponse:
    latest = module.latest_version
    editor: Any = form.fields["code"].widget
    editor.check_url = model_admin.url_of("check", module.pk) if may_edit else ""
    editor.names_url = model_admin.url_of("names", module.pk)
    editor.findings = [Finding(**finding) for finding in latest.findings] if latest else []
    editor.read_only = not may_edit
    context = {
        **model_admin.page_context(request, module, title=module.name),
        "module": module,
        "form": form,
        "may_edit": may_edit,
        "deed_buttons": model_admin.buttons(request, module),
        "versions": module.versions.select_related("author").defer("code")[:FEW],
        "jobs": jobs_using(module)[:FEW],
        "modules": modules_using(module)[:FEW],
        "media": model_admin.media + form.media,
        "change_url": "",
    }
    return TemplateResponse(request, "workspace/module.html", context)


def module_versions_view(model_admin: Any, request: HttpRequest, object_id: str) -> HttpResponse:
    """All versions, and the difference between two. POST brings one back."""
    module: LibraryModule = model_admin.object_or_404(request, object_id)
    may_edit = model_admin.may(request, Role.EDITOR, module)
    if request.method == "POST":
        return _restore(model_admin, request, module, may_edit=may_edit)
    versions = list(module.versions.select_related("author").defer("code")[:SHOWN])
    newest = versions[0].number if versions else 0
    right = _chosen(module, request.GET.get("right", str(newest)))
    left = _chosen(module, request.GET.get("left", str(max(0, (right.number if right else 0) - 1))))
    context = {
        **model_admin.page_context(request, module, title=f"Versions of {module.name}"),
        "module": module,
        "versions": versions,
        "left": left,
        "right": right,
        "lines": code_lines(left.code if left else "", right.code) if right else [],
        "may_edit": may_edit,
    }
    return TemplateResponse(request, "workspace/module_versions.html", context)


def _chosen(module: LibraryModule, number: str) -> LibraryVersion | None:
    if not (number.isascii() and number.isdigit()) or len(number) > 9:
        raise Http404
    found = module.versions.filter(number=int(number)).select_related("author").first()
    if found is None and int(number) != 0:
        raise Http404
    return found


def _restore(
    model_admin: Any, request: HttpRequest, module: LibraryModule, *, may_edit: bool
) -> HttpResponse:
    if not may_edit:
        raise PermissionDenied
    version = _chosen(module, request.POST.get("restore", ""))
    if version is None:
        raise Http404
    try:
        _tell(request, version_restore(version=version, by=actor_of(request)))
    except PlatformError as error:
        messages.error(request, error.message)
    return HttpResponseRedirect(model_admin.url_of("change", module.pk))


def module_check_view(model_admin: Any, request: HttpRequest, object_id: str) -> HttpResponseBase:
    """POST code: findings."""
    module = model_admin.object_or_404(request, object_id)
    if not model_admin.may(request, Role.EDITOR, module):
        raise PermissionDenied
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    findings = module_check(project=module.project_id, code=request.POST.get("code", ""))
    return JsonResponse({"findings": [asdict(finding) for finding in findings]})


def module_names_view(model_admin: Any, request: HttpRequest, object_id: str) -> HttpResponseBase:
    """GET: every name that the module's code may use."""
    module = model_admin.object_or_404(request, object_id)
    if request.method != "GET":
        return HttpResponseNotAllowed(["GET"])
    names = [
        {"name": each.name, "signature": each.signature, "help": each.help, "example": each.example}
        for each in NAMES
        if each.name in SHARED
    ]
    return JsonResponse({"names": [*names, *shared_names(module.project_id)]})
