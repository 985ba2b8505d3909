"""*Find a person*: where somebody is named, and erasing what was found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.cache import patch_cache_control
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from openfn_platform.common.errors import Conflict, PlatformError
from openfn_platform.common.models import as_uuid
from openfn_platform.projects.actors import actor_of
from openfn_platform.projects.current import current_project, projects_of
from openfn_platform.projects.models import Project, Role
from runs.admin.pages import HistoryAdmin
from runs.erasing import erasure_start
from runs.finding.places import BY_NAME, PLACES
from runs.finding.searching import search_start, terms_of, typed
from runs.finding.terms import Term, excerpt
from runs.models import Erasure, PersonFind, PersonSearch, SearchState

SHOWN = 25  # of each place
WORD = "ERASE"
# Where the whole of a find can be read.
_PAGES = {
    "message": "admin:triggers_message_change",
    "run": "admin:runs_run_change",
    "exchange": "admin:runs_httpexchange_change",
    "mail": "admin:runs_notification_change",
    "incident": "admin:runs_incident_change",
}


class WhoForm(forms.Form):
    project = forms.ModelChoiceField(queryset=Project.objects.none(), widget=UnfoldAdminSelectWidget)
    who = forms.CharField(
        label="Who",
        max_length=2_000,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 4, "autocomplete": "off"}),
        help_text="One name, number or address a line: what has all the words of any one line is found. Words are "
        "found whole; write Wambre* for beginnings. Telephone numbers are found in every form.",
    )

    def __init__(self, *args: Any, projects: list[Project], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        fields: Any = self.fields
        fields["project"].queryset = Project.objects.filter(pk__in=[project.pk for project in projects])
        if len(projects) == 1:
            fields["project"].initial = projects[0].pk


class EraseForm(forms.Form):
    reason = forms.CharField(
        label="Reason",
        max_length=300,
        widget=UnfoldAdminTextInputWidget,
        help_text="It stands on the certificate. Do not name the person: “asked by letter of 3 March”.",
    )
    keep_memories = forms.BooleanField(
        label="Leave memories as they are",
        required=False,
        widget=UnfoldBooleanSwitchWidget,
        help_text="Otherwise a memory that names the person becomes empty, and its job starts as the first time.",
    )
    word = forms.CharField(
        label=f"Type {WORD}",
        max_length=20,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
        help_text="It cannot be taken back.",
    )

    def clean_word(self) -> str:
        if self.cleaned_data["word"].strip() != WORD:
            raise forms.ValidationError(f"Type {WORD} in capital letters to go on.")
        return WORD


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One find as the page shows it."""

    find: PersonFind
    url: str
    excerpt: str


@dataclass(frozen=True, kw_only=True)
class Group:
    label: str
    name: str
    count: int
    finds: tuple[Shown, ...]


@admin.register(PersonSearch)
class PersonSearchAdmin(HistoryAdmin):
    """No role alone is enough here: `seeing` says who may."""

    # --- who may --------------------------------------------------------------------------------------

    def seeing(self, request: HttpRequest) -> list[Project]:
        """Where the person is an administrator who may see data."""
        actor = actor_of(request)
        return [
            project
            for project in projects_of(request)
            if actor.may(project, Role.ADMIN) and actor.may_see_data(project)
        ]

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        if obj is not None:
            return obj.project in self.seeing(request)
        return bool(self.seeing(request))

    def get_queryset(self, request: HttpRequest) -> QuerySet[PersonSearch]:
        rows: QuerySet[PersonSearch] = super().get_queryset(request)
        return rows.filter(project__in=self.seeing(request))

    # --- asking ---------------------------------------------------------------------------------------

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        if "project" in request.GET:
            return super().changelist_view(request, extra_context)
        if not self.has_view_permission(request):
            raise PermissionDenied
        projects = self.seeing(request)
        chosen = current_project(request)
        offered = [chosen] if chosen in projects and chosen is not None else projects
        form = WhoForm(request.POST if request.method == "POST" else None, projects=offered)
        if request.method == "POST" and form.is_valid():
            try:
                search = search_start(
                    project=form.cleaned_data["project"],
                    who=form.cleaned_data["who"],
                    by=actor_of(request),
                )
            except PlatformError as error:
                form.add_error("who", error.message)
            else:
                return HttpResponseRedirect(self.url_of("change", search.pk))
        rows = self.get_queryset(request).filter(project__in=offered).select_related("project", "created_by")
        context = {
            **self.page_context(request, title="Find a person"),
            "opts": None,
            "model_admin": None,
            "form": form,
            "searches": rows.annotate(count=Count("finds")).defer("sealed")[:20],
            "places": [place.label for place in PLACES],
        }
        return TemplateResponse(request, "admin/runs/person/list.html", context)

    # --- what was found -------------------------------------------------------------------------------

    def page_row(self, request: HttpRequest, object_id: str) -> PersonSearch:
        key = as_uuid(object_id)
        rows = self.get_queryset(request).select_related("project", "created_by")
        found = rows.filter(pk=key).first() if key else None
        if found is None:
            raise Http404
        return found

    def extra_views(self) -> dict[str, Any]:
        return {**super().extra_views(), "erase": self.erase_view}

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: Any = None,
    ) -> Any:
        if object_id is None or request.method not in ("GET", "HEAD"):
            raise PermissionDenied
        return self.found_page(request, self.page_row(request, object_id), form=EraseForm())

    def found_page(self, request: HttpRequest, search: PersonSearch, *, form: EraseForm) -> HttpResponse:
        forgotten = search.sealed is None
        context = {
            **self.page_context(request, search, title="Find a person"),
            "search": search,
            "who": "" if forgotten else typed(search),
            "forgotten": forgotten,
            "going_on": search.state in (SearchState.WAITING, SearchState.RUNNING),
            "groups": [] if forgotten else self.groups(search, terms_of(search)),
            "erasures": Erasure.objects.filter(project=search.project, search_id=search.pk),
            "form": form,
            "may_erase": search.state == SearchState.DONE and not forgotten,
            "deed_buttons": [],
        }
        if search.state == SearchState.DONE and not forgotten:
            self.opened(request, search, "finds")
        answer = TemplateResponse(request, "admin/runs/person/page.html", context)
        patch_cache_control(answer, no_store=True)
        return answer

    def groups(self, search: PersonSearch, terms: tuple[Term, ...]) -> list[Group]:
        if search.state != SearchState.DONE:
            return []
        counts = dict(
            PersonFind.objects.filter(search=search).order_by().values_list("place").annotate(n=Count("pk"))
        )
        found = []
        for place in PLACES:
            rows = PersonFind.objects.filter(search=search, place=place.name).order_by("-at", "-id")[:SHOWN]
            shown = tuple(
                Shown(find=row, url=self.page_of(row), excerpt=self.excerpt_of(row, terms)) for row in rows
            )
            if shown:
                found.append(Group(label=place.label, name=place.name, count=counts[place.name], finds=shown))
        return found

    def page_of(self, find: PersonFind) -> str:
        name = _PAGES.get(find.place)
        return reverse(name, args=[find.ref]) if name else ""

    def excerpt_of(self, find: PersonFind, terms: tuple[Term, ...]) -> str:
        texts = BY_NAME[find.place].texts(find.ref)
        return next((found for text in texts if (found := excerpt(text, terms))), "")

    # --- erasing --------------------------------------------------------------------------------------

    def erase_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        search = self.page_row(request, object_id)
        if request.method != "POST":
            return HttpResponseRedirect(self.url_of("change", search.pk))
        form = EraseForm(request.POST)
        if not form.is_valid():
            return self.found_page(request, search, form=form)
        try:
            erasure = erasure_start(
                search=search,
                finds=self.chosen(request, search),
                reason=form.cleaned_data["reason"],
                keep_memories=form.cleaned_data["keep_memories"],
                by=actor_of(request),
            )
        except (
            Conflict
        ) as error:  # nothing that could be corrected in the form, which may not be offered any more
            messages.error(request, error.message)
            return HttpResponseRedirect(self.url_of("change", search.pk))
        except PlatformError as error:
            field = error.context.get("field")
            form.add_error(field if isinstance(field, str) and field in form.fields else None, error.message)
            return self.found_page(request, search, form=form)
        messages.success(request, "The erasure has begun. This is its certificate.")
        return HttpResponseRedirect(reverse("admin:runs_erasure_change", args=[erasure.pk]))

    def chosen(self, request: HttpRequest, search: PersonSearch) -> list[int]:
        """Everything but what was unticked: what a page does not show is erased with the rest."""
        offered = {int(key) for key in request.POST.getlist("offered") if key.isdecimal()}
        ticked = {int(key) for key in request.POST.getlist("find") if key.isdecimal()}
        keys = set(PersonFind.objects.filter(search=search).values_list("pk", flat=True))
        return sorted(keys - (offered - ticked))
