"""What every admin page of the platform has in common: it shows and changes only what the person may.

    class RunAdmin(ScopedAdmin):
        roles = {"view": Role.VIEWER}                    # nothing else is possible
        deeds = (Deed(name="retry", role=Role.OPERATOR, …),)

- Rows come through `scoped`: an outsider's address answers 404, as if there were nothing.
- `roles` says from which role on one may view, add, change; what is missing nobody may. Nothing is deleted here.
- A PlatformError raised by a verb in `save_model` becomes an error of the form, at the field that it names.
- `deeds` are buttons on the object's page (see deeds.py); `for_each` serves actions on many rows.
- Django's own log of changes is not written: the verbs write the audit.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin.widgets import RelatedFieldWidgetWrapper
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import PermissionDenied
from django.db import models
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django.utils.text import capfirst
from unfold.views import ChangeList as UnfoldChangeList

from openfn_platform.common.errors import NotAllowed, NotFound, PlatformError
from openfn_platform.common.text import plural
from openfn_platform.projects.actors import actor_of
from openfn_platform.projects.adminfilters import ScopedRelatedFilter, related_rows
from openfn_platform.projects.current import choose_project, current_project, projects_of, rows_shown
from openfn_platform.projects.deeds import Button, Deed
from openfn_platform.projects.models import Project, Role
from openfn_platform.projects.scoping import scoped

if TYPE_CHECKING:  # unfold ships no types; to the checker its classes are Django's
    from django.contrib.admin import ModelAdmin as UnfoldModelAdmin
    from django.contrib.admin.views.main import ChangeList as TypedChangeList

    AnyModelAdmin = UnfoldModelAdmin[Any]
else:
    from unfold.admin import ModelAdmin as AnyModelAdmin

    TypedChangeList = UnfoldChangeList


class ScopedChangeList(TypedChangeList):
    """A list that shows the current project only, if one is chosen."""

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        self.root_queryset = self.model_admin.narrowed(request, self.root_queryset)  # type: ignore[attr-defined]  # ours
        return super().get_queryset(request, exclude_parameters)

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        if self.full_result_count is None:
            # Not counted, because that is slow where there are many; unfold would say "show all" for ever.
            self.full_result_count = self.result_count


class RefusedForm:
    """Mixed into a form that is drawn again because a verb said no."""

    refusal: ClassVar[PlatformError]

    def clean(self) -> Any:
        cleaned = super().clean()  # type: ignore[misc]  # the form that it is mixed into has one
        field = self.refusal.context.get("field")
        known = field if isinstance(field, str) and field in self.fields else None  # type: ignore[attr-defined]
        self.add_error(known, self.refusal.message)  # type: ignore[attr-defined]
        return cleaned


class ScopedAdmin(AnyModelAdmin):
    """An admin page whose rows belong to projects."""

    empty = ""  # what will stand in the list and how it comes there, while there is nothing
    project_path = "project"  # from a row to its project; "pk" for projects themselves
    roles: Mapping[str, Role] = {"view": Role.VIEWER}
    deeds: Sequence[Deed] = ()
    project_column = True  # shown in lists while no project is chosen
    installation_rows = False  # superusers also see rows that belong to no project
    superusers_only = False  # rows of the installation: people, for example

    list_per_page = 50
    list_max_show_all = 200
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_fullwidth = True
    list_filter_sheet = True
    list_filter_submit = False
    warn_unsaved_form = True
    save_on_top = False
    change_form_outer_before_template = "workspace/deeds.html"

    # --- what may be seen -------------------------------------------------------------------------------

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        actor, rows = actor_of(request), super().get_queryset(request)
        if self.superusers_only or self.installation_rows:
            if actor.is_superuser:
                return rows
            if self.superusers_only:
                return rows.none()
        return scoped(rows, actor, self.project_path)

    def narrowed(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """The rows of the current project, for lists."""
        if self.project_path == "pk" or self.superusers_only:
            return queryset
        rows = rows_shown(request, self.project_path, installation=self.installation_rows)
        return queryset if rows is None else queryset.filter(rows)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        return ScopedChangeList

    def _get_obj_does_not_exist_redirect(self, request: HttpRequest, opts: Any, object_id: str) -> Any:
        raise Http404  # and no telling whether it exists for others

    def object_or_404(self, request: HttpRequest, object_id: str) -> Any:
        thing = self.get_object(request, object_id)
        if thing is None:
            raise Http404
        return thing

    def get_list_filter(self, request: HttpRequest) -> list[Any]:
        """Filters over relations offer only what is visible; that of the project stands in the sidebar."""
        found: list[Any] = []
        for each in super().get_list_filter(request):
            plain = each if isinstance(each, str) else None
            if plain == "project":
                continue
            related = plain is not None and "__" not in plain and self._is_relation(plain)
            found.append((plain, ScopedRelatedFilter) if related else each)
        return found

    def _is_relation(self, name: str) -> bool:
        return bool(self.model._meta.get_field(name).is_relation)

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        columns = list(super().get_list_display(request))
        several = current_project(request) is None and len(projects_of(request)) > 1
        if self.project_column and several and self._has_project_field() and "project" not in columns:
            columns.append("project")
        return columns

    def _has_project_field(self) -> bool:
        return self.project_path == "project" and not self.superusers_only

    def get_list_select_related(self, request: HttpRequest) -> Any:
        wanted = super().get_list_select_related(request)
        if isinstance(wanted, bool) or not self._has_project_field():
            return wanted
        return [*wanted, "project"]

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field: Any = super().formfield_for_dbfield(db_field, request, **kwargs)
        if isinstance(getattr(field, "widget", None), RelatedFieldWidgetWrapper):
            field.widget = field.widget.widget  # no pop-ups to add or change the other thing from here
        if field is not None and isinstance(db_field, models.TextField | ArrayField):
            field.widget.attrs["rows"] = 3
        return field

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.remote_field.model is Project and self.project_path == "project":
            kwargs["queryset"] = self.projects_for(request, self.roles.get("add", Role.VIEWER))
            kwargs.setdefault("initial", current_project(request))
        kwargs.setdefault("queryset", related_rows(request, db_field.remote_field.model))
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        kwargs.setdefault("queryset", related_rows(request, db_field.remote_field.model))
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    # --- what may be done -------------------------------------------------------------------------------

    def project_of(self, thing: Any) -> Project | None:
        """The project of a row; None for rows of the installation, which are the superusers' business."""
        for step in () if self.project_path == "pk" else self.project_path.split("__"):
            thing = getattr(thing, step)
        return thing if isinstance(thing, Project) else None

    def may(self, request: HttpRequest, role: Role | None, thing: Any = None) -> bool:
        """Whether the person has that role for the row; without a row: in the current or in any project."""
        if role is None:
            return False
        actor = actor_of(request)
        if actor.is_superuser:
            return True
        if self.superusers_only:
            return False
        if thing is not None:
            project = self.project_of(thing)
            return project is not None and actor.may(project, role)
        chosen = current_project(request)
        return any(actor.may(each, role) for each in ([chosen] if chosen else projects_of(request)))

    def may_see_data(self, request: HttpRequest, thing: Any) -> bool:
        """Bodies, states, logs: the personal data of patients."""
        project = self.project_of(thing)
        actor = actor_of(request)
        return actor.is_superuser or (project is not None and actor.may_see_data(project))

    def projects_for(self, request: HttpRequest, role: Role) -> QuerySet[Project]:
        """Where the person may add something; the current project alone if one is chosen."""
        actor, chosen = actor_of(request), current_project(request)
        found = [each.pk for each in projects_of(request) if actor.may(each, role)]
        if chosen is not None and chosen.pk in found:
            found = [chosen.pk]
        return Project.objects.filter(pk__in=found)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return request.user.is_authenticated

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.may(request, self.roles.get("view"), obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.may(request, self.roles.get("add"))

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.may(request, self.roles.get("change"), obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    # For `@admin.action(permissions=["operate"])` and its like; each row is asked again in `for_each`.
    def has_operate_permission(self, request: HttpRequest) -> bool:
        return self.may(request, Role.OPERATOR)

    def has_edit_permission(self, request: HttpRequest) -> bool:
        return self.may(request, Role.EDITOR)

    def has_administer_permission(self, request: HttpRequest) -> bool:
        return self.may(request, Role.ADMIN)

    def for_each(
        self,
        request: HttpRequest,
        rows: Iterable[Any],
        *,
        role: Role,
        do: Callable[[Any], object],
        done: str,
    ) -> None:
        """Call a verb for each row and tell what came of it: `done` is like "retried"."""
        good = 0
        refused: dict[str, int] = {}
        for row in rows:
            try:
                if not self.may(request, role, row):
                    raise NotAllowed()
                do(row)
                good += 1
            except PlatformError as error:
                refused[error.message] = refused.get(error.message, 0) + 1
        if good:
            messages.success(request, f"{plural(good, str(self.opts.verbose_name))} {done}.")
        for sentence, count in refused.items():
            messages.error(request, f"{count} not {done}: {sentence}")

    # --- pages ------------------------------------------------------------------------------------------

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        if "project" in request.GET:
            query = request.GET.copy()
            choose_project(request, query.pop("project")[-1])
            return HttpResponseRedirect(f"{request.path}?{query.urlencode()}" if query else request.path)
        title = capfirst(self.opts.verbose_name_plural)  # the browser's tab; nobody "selects a job to change"
        return super().changelist_view(request, {"title": title, **(extra_context or {})})

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: Any = None,
    ) -> Any:
        context = {**(extra_context or {})}
        if object_id:
            # First of all: an outsider shall not learn from a 403 that it exists.
            thing = self.object_or_404(request, object_id)
            context.setdefault("deed_buttons", self.buttons(request, thing))
            # What happened to it stands in the audit, which is for those who administer.
            context.setdefault("show_history", self.may(request, Role.ADMIN, thing))
        try:
            return super().changeform_view(request, object_id, form_url, context)
        except PlatformError as error:
            # What the verb wrote was rolled back with the view's transaction; now the form says why, with
            # everything that was typed still in it.
            request.refusal = error  # type: ignore[attr-defined]
            return super().changeform_view(request, object_id, form_url, context)

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        context.setdefault("show_save_and_add_another", False)
        context.setdefault("show_save_and_continue", False)
        return super().render_change_form(request, context, *args, **kwargs)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form: Any = super().get_form(request, obj, change=change, **kwargs)
        refusal = getattr(request, "refusal", None)
        return form if refusal is None else type(form.__name__, (RefusedForm, form), {"refusal": refusal})

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        thing = self.object_or_404(request, object_id)
        query = urlencode({"object_id": str(thing.pk)})
        return HttpResponseRedirect(f"{reverse('admin:projects_auditentry_changelist')}?{query}")

    # The verbs write the audit; a second, thinner record would only disagree with it.
    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        return None

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        return None

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        return None

    def secret_page(
        self, request: HttpRequest, thing: Any, *, title: str, secret: str, explanation: str, **more: Any
    ) -> HttpResponse:
        """Shows a new key, this once."""
        context = {
            **self.page_context(request, thing, title=title),
            "secret": secret,
            "explanation": explanation,
            **more,
        }
        return TemplateResponse(request, "workspace/secret.html", context)

    # --- deeds ------------------------------------------------------------------------------------------

    def url_of(self, name: str, *arguments: object) -> str:
        """The address of one of this model's pages: `url_of("change", job.pk)`."""
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_{name}", args=arguments)

    def get_urls(self) -> list[URLPattern]:
        own = [
            path(
                f"<path:object_id>/{deed.name}/",
                self.admin_site.admin_view(partial(self.deed_view, deed=deed)),
                name=f"{self.opts.app_label}_{self.opts.model_name}_{deed.name.replace('-', '_')}",
            )
            for deed in self.deeds
        ]
        return own + super().get_urls()

    def buttons(self, request: HttpRequest, thing: Any) -> list[Button]:
        """The deeds that this person may do to this object as it stands."""
        thing = self.object_or_404(request, thing) if isinstance(thing, str) else thing
        return [
            Button(
                url=self.url_of(deed.name.replace("-", "_"), thing.pk),
                label=deed.label_for(thing),
                asks=deed.asks,
                icon=deed.icon,
                tone=deed.tone,
                hint=deed.hint,
            )
            for deed in self.deeds
            if self.may(request, deed.role, thing) and deed.applies(thing)
        ]

    def deed_view(self, request: HttpRequest, object_id: str, *, deed: Deed) -> HttpResponseBase:
        """Ask, then do."""
        thing = self.object_or_404(request, object_id)
        if not self.may(request, deed.role, thing):
            raise PermissionDenied
        back = self.back_to(request, thing)
        form = deed.form(request.POST or None) if deed.form else None
        if request.method != "POST":
            return (
                self.question_page(request, thing, deed=deed, form=form)
                if deed.asks
                else HttpResponseRedirect(back)
            )
        if form is not None and not form.is_valid():
            return self.question_page(request, thing, deed=deed, form=form)
        try:
            answer = deed.do(request, thing, form.cleaned_data if form else {})
        except NotFound:
            raise Http404 from None
        except PlatformError as error:
            if form is not None:
                field = error.context.get("field")
                form.add_error(
                    field if isinstance(field, str) and field in form.fields else None, error.message
                )
                return self.question_page(request, thing, deed=deed, form=form)
            messages.error(request, error.message)
            return HttpResponseRedirect(back)
        if isinstance(answer, str):
            if answer:
                messages.success(request, answer)
            return HttpResponseRedirect(back)
        return answer

    def question_page(self, request: HttpRequest, thing: Any, *, deed: Deed, form: Any) -> HttpResponse:
        context = {
            **self.page_context(request, thing, title=deed.label_for(thing)),
            "deed": deed,
            "question": deed.question_for(thing),
            "label": deed.label_for(thing),
            "form": form,
            "back": self.back_to(request, thing),
        }
        return TemplateResponse(request, "workspace/question.html", context)

    def page_context(self, request: HttpRequest, thing: Any = None, *, title: str) -> dict[str, Any]:
        """What a page of our own below an object's needs to look like the admin's."""
        return {
            **self.admin_site.each_context(request),
            "title": title,
            "model_admin": self,
            "opts": self.opts,
            "original": thing,
            "object": thing,
            "media": self.media,
            "change_url": self.url_of("change", thing.pk) if isinstance(thing, models.Model) else "",
            "press": secrets.token_urlsafe(12),  # the word by which a form that is sent twice is known
        }

    def back_to(self, request: HttpRequest, thing: Any) -> str:
        """Where the person came from, if that is a page of ours; else the object's page."""
        wanted = request.POST.get("next") or request.GET.get("next") or ""
        if wanted and url_has_allowed_host_and_scheme(wanted, allowed_hosts={request.get_host()}):
            return wanted
        return self.url_of("change", thing.pk)
