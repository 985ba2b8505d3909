"""Trying criteria on a message while they are written: would it start the jobs, and if not, why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from openfn_platform.projects.models import Role
from openfn_platform.workspace.triggerpage.forms import PairRows
from openfn_platform.workspace.triggerpage.workflows import workflow_seen
from triggers.bodies import Kind, Refused
from triggers.matching import explain
from triggers.parsing import pasted

MOST = 200_000  # characters of a message: matching it is quick, showing it is not
PREFIX = "pairs"


@dataclass(frozen=True, kw_only=True)
class PairTried:
    number: int
    reasons: Sequence[str]  # why not; empty: it matches


@dataclass(frozen=True, kw_only=True)
class Tried:
    """What came of a try."""

    problem: str = ""  # why there is nothing to say yet
    read_as: str = ""  # XML, a form …; empty for JSON, which is read as it stands
    body: Any = None
    pairs: Sequence[PairTried] = ()

    @property
    def matched(self) -> bool:
        return any(not pair.reasons for pair in self.pairs)


def sample_tried(sample: str, criteria: Sequence[Mapping[str, Any]] | None) -> Tried | None:
    """Each pair against the message; None without a message. No criteria: they cannot be read yet."""
    if not sample.strip():
        return None
    if len(sample) > MOST:
        return Tried(problem=f"The message is too large to be tried here: at most {MOST:,} characters.")
    try:
        read = pasted(sample)
    except Refused as refusal:
        return Tried(problem=refusal.message)
    if criteria is None:
        return Tried(problem="The criteria are not JSON yet.")
    return Tried(
        read_as="" if read.kind is Kind.JSON else str(read.kind),
        body=read.body,
        pairs=[
            PairTried(number=number, reasons=explain(read.body, pair["inclusion"], pair.get("exclusion")))
            for number, pair in enumerate(criteria, start=1)
        ],
    )


def match_view(model_admin: Any, request: HttpRequest) -> HttpResponse:
    """The answer alone, for the page that asks while somebody types."""
    found = workflow_seen(request, request.POST.get("workflow", ""))
    if found is None:
        raise Http404
    if not model_admin.may(request, Role.VIEWER, found):
        raise PermissionDenied
    pairs: Any = PairRows(request.POST, prefix=PREFIX)
    criteria = pairs.kept() if pairs.is_valid() else None
    tried = sample_tried(request.POST.get("sample", ""), criteria)
    return TemplateResponse(request, "workspace/match.html", {"tried": tried})
