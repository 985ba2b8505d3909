"""What a run asked of other systems: the timeline on its page, live while it goes on."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.cache import patch_cache_control
from django.utils.http import urlencode

from runs.admin.pages import HistoryAdmin, Part, known_or_404, number_of
from runs.models import Run, RunMode
from runs.sandbox.limits import Limits
from runs.selectors import exchanges as trace


def _filters(request: HttpRequest) -> dict[str, str]:
    """What stands in the address; nonsense is nothing."""
    only = request.GET.get("only", "")
    return {
        "connection": request.GET.get("connection", "")[:40].replace("\0", ""),
        "only": only if only in trace.ONLY else "",
    }


def _timeline(request: HttpRequest, run: Run) -> dict[str, Any]:
    chosen = _filters(request)
    found = trace.timeline(run=run, page=number_of(request, "page"), **chosen)
    kept: dict[str, str] = {name: value for name, value in chosen.items() if value}
    return {
        "timeline": found,
        "chosen": chosen,
        "query": urlencode({"show": "http", **kept}),
        "poll": urlencode({**kept, "page": str(found.page), "last": str(found.last)}),
        "most": Limits().trace_records,
    }


def _opened(run: Run, seq: int) -> dict[str, Any]:
    found = trace.exchange(run=run, seq=seq) if seq else None
    return {"opened": found, "bodies": trace.bodies(found)} if found else {}


def _part(request: HttpRequest, run: Run) -> dict[str, Any]:
    context = _timeline(request, run) | _opened(run, number_of(request, "exchange"))
    context["names"] = trace.connections(run=run)
    plain = not any(context["chosen"].values()) and context["timeline"].page == 1
    if run.mode == RunMode.DRY and plain:
        context["instead"] = trace.shown_instead(run=run)[: trace.MOST_SHOWN_INSTEAD]
    return context


TRACE = Part(name="http", label="HTTP", template="admin/runs/run/part_http.html", context=_part)


class TracePage(HistoryAdmin):
    """The part of a run's page, and the fragments that it asks for."""

    def first_part(self, thing: Run) -> str:
        """What a dry run did not send is what it was for."""
        return TRACE.name if thing.mode == RunMode.DRY else super().first_part(thing)

    def dry_context(self, run: Run) -> dict[str, Any]:
        if run.mode != RunMode.DRY:
            return {}
        return {"instead_count": trace.shown_instead(run=run).count()}

    def extra_views(self) -> dict[str, Any]:
        return {**super().extra_views(), "timeline": self.timeline_view, "exchange": self.exchange_view}

    def timeline_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The table once more when there is something new in it, else nothing."""
        run = self.object_or_404(request, object_id)
        if not self.may_see_data(request, run):
            raise Http404
        self.opened(request, run, "http")
        if not run.is_final and trace.last_seq(run) == number_of(request, "last"):
            return HttpResponse(status=204)
        context = {**_timeline(request, run), "run": run}
        return _fresh(TemplateResponse(request, "admin/runs/run/timeline.html", context))

    def exchange_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """One exchange with its bodies."""
        run = self.object_or_404(request, object_id)
        seq = number_of(request, "seq")
        context = _opened(run, seq)
        known_or_404(context or None)
        self.data_or_403(request, run, f"exchange {seq}")
        return _fresh(TemplateResponse(request, "admin/runs/parts/exchange.html", {**context, "run": run}))


def _fresh(answer: HttpResponse) -> HttpResponse:
    patch_cache_control(answer, no_store=True)
    return answer
