"""*Sent*: what went to which partner, and when. Without the right to see data: to which system, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.cache import patch_cache_control
from django.utils.http import urlencode

from jobs.models import Job, JobConnection
from openfn_platform.common.errors import PlatformError
from openfn_platform.common.text import plural
from openfn_platform.projects.actors import actor_of
from openfn_platform.projects.auditing import audit, payload_opened
from openfn_platform.projects.current import current_project, projects_of
from openfn_platform.projects.models import Project
from openfn_platform.projects.scoping import scoped
from runs.admin.filters import MOST_CHOICES
from runs.admin.pages import HistoryAdmin, download
from runs.admin.sent_filters import METHODS, RANGES, STATUSES, Asked, asked_read
from runs.exporting import FORMATS, MOST_ROWS, sent_export
from runs.models import HttpExchange, Run
from runs.selectors import exchanges as trace
from runs.selectors.sent import MOST_COUNTED, MOST_SORTED, Cursor, TooMuch, counted, exchanges, newest

PAGE = 50


@dataclass(frozen=True, kw_only=True)
class Row:
    """One exchange as this person may see it."""

    exchange: HttpExchange
    sees: bool
    address: str
    run: Run | None
    project: str


@admin.register(HttpExchange)
class SentAdmin(HistoryAdmin):
    page_template = "admin/runs/sent/one.html"

    # --- what may be seen -----------------------------------------------------------------------------

    def get_queryset(self, request: HttpRequest) -> QuerySet[HttpExchange]:
        return scoped(exchanges(), actor_of(request), "project_id")

    def project_of(self, thing: Any) -> Project | None:
        return Project.objects.filter(pk=thing.project_id).first()

    def projects(self, request: HttpRequest) -> list[Project]:
        chosen = current_project(request)
        return [chosen] if chosen else projects_of(request)

    def seeing(self, request: HttpRequest) -> list[Project]:
        """The projects in which the person may see data."""
        return [project for project in self.projects(request) if actor_of(request).may_see_data(project)]

    def zone(self, request: HttpRequest) -> ZoneInfo:
        """Of the project, as its schedules think; of the person, where there are several."""
        chosen = current_project(request)
        return ZoneInfo(chosen.time_zone if chosen else timezone.get_current_timezone_name())

    # --- the list -------------------------------------------------------------------------------------

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        if "project" in request.GET:
            return super().changelist_view(request, extra_context)
        if not self.has_view_permission(request) or request.method not in ("GET", "HEAD"):
            raise PermissionDenied
        zone = self.zone(request)
        asked = asked_read(request.GET, zone=zone, now=timezone.now())
        context = {
            **self.page_context(request, title="Sent"),
            "opts": None,  # else the header would call it by the table's name
            "model_admin": None,
            "asked": asked,
            "zone": zone.key,
            "sees": bool(self.seeing(request)),
            **self.choices(request, asked),
            **self.found(request, asked),
        }
        answer = TemplateResponse(request, "admin/runs/sent/page.html", context)
        patch_cache_control(answer, no_store=True)
        return answer

    def found(self, request: HttpRequest, asked: Asked) -> dict[str, Any]:
        """One page of what was asked for, or a sentence why not."""
        projects = self.seeing(request) if asked.words else self.projects(request)
        if asked.words and not projects:
            return {"refusal": "To search in bodies and addresses one must be one who may see data."}
        if asked.errors:
            return {"refusal": "Nothing is shown: please correct what is marked above."}
        rows = asked.narrow(exchanges())
        keys = [project.pk for project in projects]
        after = Cursor.read(request.GET.get("after", "")) if "after" in request.GET else None
        try:
            # A word that is in few of several projects' exchanges is found by the word, a common one by the time.
            most = MOST_SORTED if asked.words and len(keys) > 1 else MOST_COUNTED
            count = counted(rows, projects=keys, most=most)
            page = newest(rows, projects=keys, size=PAGE + 1, after=after, few=count <= most)
        except TooMuch as error:
            return {"refusal": error.message}
        if asked.words and after is None:
            self.searched(request, asked, projects)
        more = urlencode({**asked.given, "after": str(Cursor.of(page[PAGE - 1]))}) if len(page) > PAGE else ""
        return {
            "rows": self.rows(request, page[:PAGE], projects),
            "count": plural(min(count, MOST_COUNTED), "exchange"),
            "uncounted": count > MOST_COUNTED,
            "more": more,
            "first": after is None,
            "left_out": len(projects) < len(self.projects(request)),
        }

    def rows(self, request: HttpRequest, page: list[HttpExchange], projects: list[Project]) -> list[Row]:
        actor, runs = actor_of(request), trace.runs_of(page)
        self.looked_at(request, page, projects)
        names = {project.pk: project.name for project in projects} if len(projects) > 1 else {}
        rows = []
        for each in page:
            sees = actor.may_see_data(each.project_id)
            rows.append(
                Row(
                    exchange=each,
                    sees=sees,
                    address=each.url if sees else trace.origin(each.url),
                    run=runs.get(each.run_id),
                    project=names.get(each.project_id, ""),
                )
            )
        return rows

    def looked_at(self, request: HttpRequest, page: list[HttpExchange], projects: list[Project]) -> None:
        """Whole addresses name patients, so that a list of them is looking at data too."""
        actor, shown = actor_of(request), {each.project_id for each in page}
        for project in projects:
            if project.pk in shown and actor.may_see_data(project):
                payload_opened(actor, project=project, target=project, part="addresses in Sent")

    def choices(self, request: HttpRequest, asked: Asked) -> dict[str, Any]:
        """What the filters offer, and the links that keep the others."""
        projects = self.projects(request)
        aliases = (
            JobConnection.objects.filter(project__in=projects).order_by().values_list("alias", flat=True)
        )
        names = {*aliases.distinct()[:MOST_CHOICES], "http", asked.given.get("connection", "http")}
        jobs = Job.objects.filter(project__in=projects).order_by("name", "pk").values_list("pk", "name")
        ranges = [
            {
                "title": title,
                "on": asked.given.get("when") == name,
                "query": urlencode({**asked.without("when", "from", "until"), "when": name}),
            }
            for name, title in RANGES
        ]
        return {
            "connections": sorted(names),
            "jobs": [(str(key), name) for key, name in jobs[:MOST_CHOICES]],
            "methods": METHODS,
            "statuses": STATUSES,
            "ranges": ranges,
            "export": urlencode(asked.given),
            "most_exported": f"{MOST_ROWS:,}",
            "any": {name: urlencode({**asked.given, name: "all"}) for name in ("kind", "mode")},
        }

    def searched(self, request: HttpRequest, asked: Asked, projects: list[Project]) -> None:
        """Whoever looks for a name in bodies learns where it stands in one."""
        for project in projects:
            changes = {"filter": asked.audited}
            audit("sent searched", actor_of(request), project=project, changes=changes, opened=True)

    # --- one of them ----------------------------------------------------------------------------------

    def page_row(self, request: HttpRequest, object_id: str) -> HttpExchange:
        known = object_id.isascii() and object_id.isdigit() and len(object_id) < 19
        rows = self.get_queryset(request).defer(None).defer("words")
        found = rows.filter(pk=int(object_id)).first() if known else None
        if found is None:
            raise Http404
        return found

    def page_title(self, thing: HttpExchange) -> str:
        return "Exchange"

    def page_more(self, request: HttpRequest, thing: HttpExchange) -> dict[str, Any]:
        context = {
            "exchange": thing,
            "run": trace.runs_of([thing]).get(thing.run_id),
            "zone": self.zone(request).key,
        }
        if not self.may_see_data(request, thing):
            return context | {"address": trace.origin(thing.url)}
        self.opened(request, thing, "exchange")
        return context | {"opened": thing, "bodies": trace.bodies(thing)}

    def extra_views(self) -> dict[str, Any]:
        return {**super().extra_views(), "bodies": self.bodies_view}

    def bodies_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """What opens in place below a row."""
        found = self.page_row(request, object_id)
        self.data_or_403(request, found, "exchange")
        context = {"opened": found, "bodies": trace.bodies(found)}
        answer = TemplateResponse(request, "admin/runs/parts/exchange.html", context)
        with timezone.override(self.zone(request)):  # as in the row above it
            answer.render()
        patch_cache_control(answer, no_store=True)
        with timezone.override(self.zone(request)):
            return answer.render()

    # --- files ----------------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        own = path("export/", self.admin_site.admin_view(self.export_view), name="runs_httpexchange_export")
        return [own, *super().get_urls()]

    def export_view(self, request: HttpRequest) -> HttpResponse:
        projects = self.seeing(request)
        format = request.GET.get("format", "")
        if not projects or request.method != "GET":
            raise PermissionDenied
        if format not in FORMATS:
            raise Http404
        asked = asked_read(request.GET, zone=self.zone(request), now=timezone.now())
        if asked.errors:
            return HttpResponse(next(iter(asked.errors.values())), status=400, content_type="text/plain")
        try:
            chunks = sent_export(
                rows=asked.narrow(exchanges()),
                projects=projects,
                by=actor_of(request),
                filters=asked.audited,
                format=format,
            )
        except PlatformError as error:
            return HttpResponse(error.message, status=error.status, content_type="text/plain")
        name = f"sent-{timezone.now():%Y%m%d-%H%M}.{format}"
        return download(chunks, name=name, kind=FORMATS[format])
