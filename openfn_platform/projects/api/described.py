"""How the schema describes what all addresses share: problem documents and raw JSON."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiResponse
from rest_framework import serializers


class ProblemSerializer(serializers.Serializer[Any]):
    """An error by RFC 9457."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    code = serializers.CharField(help_text="A word for programs, for example not_found.")
    detail = serializers.CharField(help_text="A sentence for people: what is wrong and what to do.")


def problem_of(status: int, sentence: str) -> dict[tuple[int, str], OpenApiResponse]:
    """An entry for `responses=`."""
    return {
        (status, "application/problem+json"): OpenApiResponse(
            response=ProblemSerializer, description=sentence
        )
    }


not_found: dict[Any, Any] = dict(problem_of(404, "There is none by that id in the token's project."))
bad_body: dict[Any, Any] = dict(problem_of(400, "The body cannot be used; `detail` says why."))
not_now: dict[Any, Any] = dict(problem_of(409, "That is not possible in the present state."))
unusable: dict[Any, Any] = dict(problem_of(422, "A value cannot be used; `detail` says why, `field` where."))
put_away: dict[Any, Any] = {
    204: OpenApiResponse(description="It is put away; what happened with it is kept.")
}
