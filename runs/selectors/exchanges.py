"""The exchanges of one run as a timeline, and one exchange with its bodies laid out."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit

from django.db.models import QuerySet
from django.utils import timezone

from openfn_platform.common.tracing import BODY_BYTES
from runs.models import HttpExchange, Run
from runs.models.log import FAILED_EXCHANGE
from runs.pretty import pretty
from runs.selectors.sent import exchanges
from runs.words import size_of, span

PAGE = 200
MOST_SHOWN_INSTEAD = 200
LONGEST_SHOWN = 300_000  # characters, laid out
SCALE = 1000  # of the bars
ONLY = ("writes", "errors")


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One exchange on the run's own time."""

    exchange: HttpExchange
    offset: str  # since the run started, in words
    start: int  # thousandths of the run's time
    width: int


@dataclass(frozen=True, kw_only=True)
class Timeline:
    bars: tuple[Bar, ...]
    page: int
    pages: int
    count: int  # that the filters let through
    last: int  # seq of the newest of all, to see whether there are more


@dataclass(frozen=True, kw_only=True)
class Body:
    """One side of an exchange as a page shows it."""

    text: str
    size: int
    why: str  # there is none or not all of it


def of_run(run: Run) -> QuerySet[HttpExchange]:
    return exchanges().filter(run_id=run.pk)


def timeline(*, run: Run, connection: str = "", only: str = "", page: int = 1) -> Timeline:
    """One page of the run's exchanges in their order."""
    rows = of_run(run)
    if connection:
        rows = rows.filter(connection=connection)
    if only == "writes":
        rows = rows.filter(write=True)
    elif only == "errors":
        rows = rows.filter(FAILED_EXCHANGE)
    count = rows.count()
    pages = max(1, -(-count // PAGE))
    page = min(max(1, page), pages)
    shown = list(rows.order_by("seq")[(page - 1) * PAGE : page * PAGE])
    return Timeline(bars=tuple(bars(shown, run=run)), page=page, pages=pages, count=count, last=last_seq(run))


def last_seq(run: Run) -> int:
    newest = HttpExchange.objects.filter(run_id=run.pk).order_by("-seq").values_list("seq", flat=True).first()
    return newest or 0


def connections(*, run: Run) -> list[str]:
    """The names to filter by."""
    rows = HttpExchange.objects.filter(run_id=run.pk).order_by().values_list("connection", flat=True)
    return sorted(name for name in rows.distinct()[:100] if name)


def bars(rows: Iterable[HttpExchange], *, run: Run) -> Iterable[Bar]:
    begin = run.started_at or run.created_at
    whole = max(((run.finished_at or timezone.now()) - begin).total_seconds(), 0.001)
    for exchange in rows:
        offset = max((exchange.at - begin).total_seconds(), 0.0)
        start = min(round(offset / whole * SCALE), SCALE - 1)
        width = round((exchange.duration_ms or 0) / 1000 / whole * SCALE)
        yield Bar(
            exchange=exchange,
            offset=f"+{span(timedelta(seconds=offset))}",
            start=start,
            width=max(1, min(width, SCALE - start)),
        )


def shown_instead(*, run: Run) -> QuerySet[HttpExchange]:
    """The writes that a dry run did not send, in their order."""
    return of_run(run).filter(write=True, dry=True).order_by("seq")


def exchange(*, run: Run, seq: int) -> HttpExchange | None:
    return HttpExchange.objects.filter(run_id=run.pk, seq=seq).defer("words").first()


def origin(url: str) -> str:
    """What those may see of an address who may not see data: which system, not which patient."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return ""
    if not parts.scheme or not host:
        return ""
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{f':{port}' if port else ''}"


def bodies(found: HttpExchange) -> dict[str, Body]:
    return {"sent": _body(found, "request"), "received": _body(found, "response")}


def _body(found: HttpExchange, side: str) -> Body:
    text: str | None = getattr(found, f"{side}_body")
    size: int = getattr(found, f"{side}_bytes")
    cut: bool = getattr(found, f"{side}_cut")
    if not text:
        return Body(text="", size=size, why=_why_not(found, size))
    laid_out = pretty(text)
    why = f"Cut: the first {size_of(BODY_BYTES)} of {size_of(size)} are kept." if cut else ""
    if len(laid_out) > LONGEST_SHOWN:
        laid_out, why = (
            laid_out[:LONGEST_SHOWN],
            f"{why} Laid out it is too long for a page; its end is missing.".strip(),
        )
    return Body(text=laid_out, size=size, why=why)


def _why_not(found: HttpExchange, size: int) -> str:
    if size == 0:
        return "There was no body."
    if found.over_budget:
        return "Not kept: the room for bodies of this run, 1 MB, was used up."
    if not found.write:
        return "Not kept: bodies of reads are kept only when the job says so, for one request with keep_body=True."
    return "Not kept: it is no text, or the project keeps no payloads, or none so old."


def runs_of(rows: Sequence[HttpExchange]) -> dict[uuid.UUID, Run]:
    """The runs behind some exchanges, with their jobs. One query."""
    found = Run.objects.filter(pk__in={row.run_id for row in rows}).select_related("job")
    return {run.pk: run for run in found.only("attempt", "state", "mode", "job__name")}
