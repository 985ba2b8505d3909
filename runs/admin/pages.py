"""Pages of history: nothing on them can be edited, and each has parts that are loaded when one asks for them.

A part that shows personal data needs *may see data*, and opening it is written to the audit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from django.core.exceptions import PermissionDenied
from django.db import models
from django.db.models import QuerySet
from django.forms.widgets import Script
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from openfn_platform.projects.actors import actor_of
from openfn_platform.projects.adminbase import ScopedAdmin, ScopedChangeList
from openfn_platform.projects.adminpaging import BoundedPaginator
from openfn_platform.projects.auditing import payload_opened


@dataclass(frozen=True, kw_only=True)
class Part:
    """One tab of a page."""

    name: str
    label: str
    template: str
    context: Callable[[HttpRequest, Any], dict[str, Any]]
    shows_data: bool = True
    applies: Callable[[Any], bool] = lambda _thing: True


class Titled:
    """A row under another name: what the page's header calls it, where its id would say nothing."""

    def __init__(self, row: models.Model, title: str) -> None:
        self._row = row
        self._title = title

    def __str__(self) -> str:
        return self._title

    def __getattr__(self, name: str) -> Any:
        return getattr(self._row, name)


class HistoryList(ScopedChangeList):
    """Its columns are given a row and no reader, so each row says whether its reader may see data."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        actor = actor_of(request)
        for row in self.result_list:
            of = getattr(row, "project_id", None)
            row.reader_sees = actor.is_superuser or (of is not None and actor.may_see_data(of))


def reader_sees(row: models.Model) -> bool:
    """In a column. Nothing is shown whole by a list that forgot to say."""
    return bool(getattr(row, "reader_sees", False))


class HistoryAdmin(ScopedAdmin):
    """A page of our own in place of a form."""

    page_template = ""
    parts: Sequence[Part] = ()
    paginator = BoundedPaginator
    sortable_by = ()
    ordering: ClassVar[Any] = ("-id",)
    list_filter_submit = True

    class Media:
        css = {"all": ["runs/runs.css"]}
        js = [Script("runs/runs.js", defer=True)]

    # --- the page -------------------------------------------------------------------------------------

    def page_row(self, request: HttpRequest, object_id: str) -> Any:
        """The object with all that its page shows."""
        return self.object_or_404(request, object_id)

    def page_title(self, thing: Any) -> str:
        return str(thing)

    def page_context(self, request: HttpRequest, thing: Any = None, *, title: str) -> dict[str, Any]:
        context = super().page_context(request, thing, title=title)
        if thing is not None:
            context |= {"original": Titled(thing, self.page_title(thing)), "object": thing}
        return context

    def page_more(self, request: HttpRequest, thing: Any) -> dict[str, Any]:
        """What the page shows outside its parts."""
        return {}

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: Any = None,
    ) -> Any:
        if object_id is None or request.method not in ("GET", "HEAD"):
            raise PermissionDenied
        thing = self.page_row(request, object_id)
        context = {
            **self.page_context(request, thing, title=self.page_title(thing)),
            **(extra_context or {}),
            **self.page_more(request, thing),
            **self.part_context(request, thing),
            "deed_buttons": self.buttons(request, thing),
            "may_see_data": self.may_see_data(request, thing),
        }
        return TemplateResponse(request, self.page_template, context)

    def part_context(self, request: HttpRequest, thing: Any) -> dict[str, Any]:
        """The tabs, and what the chosen one shows."""
        offered = [part for part in self.parts if part.applies(thing)]
        if not offered:
            return {}
        wanted = request.GET.get("show") or self.first_part(thing)
        part = next((each for each in offered if each.name == wanted), offered[0])
        tabs = [{"name": each.name, "label": each.label, "on": each is part} for each in offered]
        hidden = part.shows_data and not self.may_see_data(request, thing)
        context: dict[str, Any] = {"tabs": tabs, "part": part, "part_hidden": hidden}
        if not hidden:
            context |= part.context(request, thing)
            if part.shows_data:
                self.opened(request, thing, part.label.lower())
        return context

    def first_part(self, thing: Any) -> str:
        """What one looks at first; the first tab, where nothing is said."""
        return ""

    def opened(self, request: HttpRequest, thing: Any, what: str) -> None:
        """Somebody looked at personal data: the audit says who, and at what."""
        payload_opened(
            actor_of(request),
            project=self.project_of(thing),
            target=thing,
            part=what,
            name=lambda: self.page_title(thing),
        )

    def data_or_403(self, request: HttpRequest, thing: Any, what: str) -> None:
        """For downloads and fragments that hold personal data."""
        if not self.may_see_data(request, thing):
            raise PermissionDenied
        self.opened(request, thing, what)

    def view_or_403(self, request: HttpRequest, object_id: str) -> Any:
        """The object of a page of our own, for those who may look."""
        return self.object_or_404(request, object_id)

    # --- addresses ------------------------------------------------------------------------------------

    def extra_views(self) -> dict[str, Callable[..., Any]]:
        """Further pages of one object: `{"log": self.log_view}` is /<id>/log/."""
        return {}

    def get_urls(self) -> list[URLPattern]:
        own = [
            path(
                f"<path:object_id>/{name}/",
                self.admin_site.admin_view(view),
                name=f"{self.opts.app_label}_{self.opts.model_name}_{name.replace('-', '_')}",
            )
            for name, view in self.extra_views().items()
        ]
        return own + super().get_urls()

    # --- lists ----------------------------------------------------------------------------------------

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        return HistoryList

    def list_rows(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Only what a list shows: no wide columns."""
        return queryset

    def narrowed(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return self.list_rows(super().narrowed(request, queryset))


def download(chunks: Iterator[bytes], *, name: str, kind: str) -> HttpResponse:
    """A file to save: never shown by the browser, whatever it holds."""
    answer = StreamingHttpResponse(chunks, content_type=kind)
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    answer["Cache-Control"] = "no-store"
    return answer  # type: ignore[return-value]  # both are answers to Django


def number_of(request: HttpRequest, name: str) -> int:
    """A number from the address; nonsense is 0."""
    text = request.GET.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def known_or_404(found: Any) -> Any:
    if found is None:
        raise Http404
    return found
