"""Which rows a call means: jobs by their ids, runs or messages by the filter of their list."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import QuerySet
from django.http import QueryDict

from jobs.models import Job
from openfn_platform.common.errors import Invalid, NotFound
from openfn_platform.common.parameters import Parameter, parameters_check
from openfn_platform.projects.api.base import ProjectViewSet
from openfn_platform.projects.scoping import scoped


def jobs_of(view: ProjectViewSet[Any], keys: Sequence[uuid.UUID]) -> list[Job]:
    """The project's jobs by these ids; all of them, or not found."""
    rows = scoped(Job.objects.select_related("project", "live_version"), view.actor)
    found = {job.pk: job for job in rows.filter(pk__in=keys)}
    if len(found) < len(set(keys)):
        raise NotFound("There is no job by one of these ids.")
    return [found[key] for key in dict.fromkeys(keys)]


def filtered(rows: QuerySet[Any], parameters: Sequence[Parameter], given: Mapping[str, str]) -> QuerySet[Any]:
    """As the list narrows its rows when these stand in its address."""
    if not given:
        raise Invalid("An empty filter would mean everything; name at least one thing.", field="filter")
    query = QueryDict(mutable=True)
    query.update(dict(given))
    parameters_check(query, [parameter.name for parameter in parameters])
    for parameter in parameters:
        text = given.get(parameter.name, parameter.usual)
        if text is not None:
            rows = rows.filter(**parameter.read(text))
    return rows
