"""What the description says of every address without being told: fields, ETags, and the problems that all share."""

from __future__ import annotations

from typing import Any

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter

from openfn_platform.common.parameters import FIELDS
from openfn_platform.projects.api.base import ProjectViewSet, TokenView
from openfn_platform.projects.api.described import not_found, problem_of

_FIELDS = OpenApiParameter(
    FIELDS, str, description="Only these fields, separated by commas. What is left out costs nothing."
)
_IF_NONE_MATCH = OpenApiParameter(
    "If-None-Match",
    str,
    OpenApiParameter.HEADER,
    description="The ETag of an earlier answer: 304 without a body if nothing changed since.",
)
_IF_MATCH = OpenApiParameter(
    "If-Match",
    str,
    OpenApiParameter.HEADER,
    required=True,
    description="The ETag that was read: 412 if somebody changed it since. `*`: change whatever it is now.",
)


class DescribedSchema(AutoSchema):
    """Of an address of the API."""

    def get_override_parameters(self) -> list[Any]:
        found: list[Any] = super().get_override_parameters()
        view = self.view
        if not isinstance(view, ProjectViewSet):
            return found
        action = view.action or ""
        shared = [_FIELDS] if action in view.selects else []
        shared += [_IF_NONE_MATCH] if action == "retrieve" else []
        shared += [_IF_MATCH] if action in view.guarded else []
        return [*shared, *found]

    def _get_response_bodies(self, direction: Any = "response") -> dict[str, Any]:
        answers: dict[str, Any] = super()._get_response_bodies(direction)
        for (status, kind), described in self._problems().items():
            if str(status) not in answers:
                one = self._get_response_for_code(described, str(status), (kind,), direction)  # type: ignore[no-untyped-call]  # has no types
                answers[str(status)] = one
        if getattr(self.view, "action", "") == "retrieve":
            answers["304"] = {"description": "It is as it was: see If-None-Match."}
        return dict(sorted(answers.items()))

    def _problems(self) -> dict[Any, Any]:
        view = self.view
        if not isinstance(view, TokenView):
            return {}
        found = {
            **problem_of(400, "Something in the address or the body cannot be used; `detail` says what."),
            **problem_of(401, "There is no token, or it is unknown, revoked or expired."),
            **problem_of(403, "The token lacks a scope; `detail` names it."),
        }
        if "{" in self.path:
            found |= not_found
        if self.method in ("POST", "PUT", "PATCH"):
            found |= problem_of(413, "The body is larger than this platform takes.")
            found |= problem_of(415, "The body is not of a type that this address takes.")
        if isinstance(view, ProjectViewSet) and view.action in view.guarded:
            found |= problem_of(412, "Somebody changed it since it was read; nothing was changed now.")
            found |= problem_of(428, "If-Match is missing.")
        return found
