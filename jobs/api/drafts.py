"""The newest version of a job, read and put; and code that is only looked at."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from jobs.api.version_serializers import (
    LIMITS,
    RETRY,
    CheckedSerializer,
    CheckSerializer,
    DraftSerializer,
    VersionDetailSerializer,
)
from jobs.connecting import ConnectionChoice, choices_of
from jobs.declaring import declared
from jobs.editing import draft_check, draft_save
from jobs.models import Job, JobVersion, ProjectCredential
from openfn_platform.common.errors import NotFound
from openfn_platform.projects.api.base import ProjectViewSet
from openfn_platform.projects.api.described import not_found, not_now, unusable
from openfn_platform.projects.models import Project, Role

CODE = """\
patient = openmrs.create("patient", {"person": value("form.person")})
note(f"patient {patient['uuid']}")
"""


class DraftViewSet(ProjectViewSet[Job]):
    """A job's row; what is shown of it is its newest version."""

    queryset = Job.objects.all()
    serializer_class = VersionDetailSerializer  # type: ignore[assignment]  # of what hangs on its rows
    needs = {"update": Role.EDITOR, "check": Role.EDITOR}
    volatile = frozenset({"live", "made_live_at"})

    @extend_schema(
        operation_id="jobs_draft_retrieve",
        summary="Its draft: the newest version",
        description="Before anything was put: an empty one, with number null.",
        tags=["jobs"],
        responses={200: VersionDetailSerializer, **not_found},
    )
    def retrieve(self, request: Request, id: str) -> Response:
        job = self.get_object()
        return Response(self.get_serializer(newest_of(job), context={"job": job}).data)

    @extend_schema(
        operation_id="jobs_draft_update",
        summary="Put its draft",
        description="Makes a new version, unless nothing in it is new. It may have errors: `findings` says which, "
        "with their lines. What is left out of the body stays as it is in the newest version. Runs take it once "
        "it is made live.",
        tags=["jobs"],
        request=DraftSerializer,
        responses={200: VersionDetailSerializer, **not_found, **not_now, **unusable},
        examples=[
            OpenApiExample(
                "Code and its connection",
                request_only=True,
                value={
                    "code": CODE,
                    "connections": [
                        {
                            "alias": "openmrs",
                            "adaptor": "openmrs",
                            "credential": "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b",
                        }
                    ],
                    "settings": [{"key": "location", "label": "Clinic", "default": "Kisumu"}],
                    "limits": {"wall_seconds": 60},
                    "retry": {"max_attempts": 3},
                    "note": "Creates the patient",
                },
            )
        ],
    )
    def update(self, request: Request, id: str) -> Response:
        self.guard_require()
        values = self.given(DraftSerializer)
        job = self.get_object()
        wanted = draft_values(values, project=self.project)
        if is_news(wanted, newest_of(job)):
            draft_save(job=job, by=self.actor, guard=self.guard_of(job), **wanted)
        else:
            self.guard_of(job)()
        return self.shown(job)

    @extend_schema(
        operation_id="jobs_check",
        summary="Check code without saving it",
        description="Compiles and lints it as for a draft, in a process of its own. Nothing is stored.",
        tags=["jobs"],
        request=CheckSerializer,
        responses={200: CheckedSerializer, **not_found, **unusable},
        examples=[OpenApiExample("Code", value={"code": CODE}, request_only=True)],
    )
    def check(self, request: Request, id: str) -> Response:
        values = self.given(CheckSerializer)
        job = self.get_object()
        before = newest_of(job)
        found = draft_check(
            job=job,
            code=values["code"],
            aliases=_aliases(values, before),
            settings=declared(values["settings"]) if "settings" in values else before.settings,
            language=values.get("language", before.language),
        )
        fit = all(finding.severity != "error" for finding in found)
        return Response({"fit": fit, "findings": [asdict(finding) for finding in found]})

    def _whole(self, row: Job) -> Any:
        return VersionDetailSerializer(newest_of(row), context={"job": row}).data


def newest_of(job: Job) -> JobVersion:
    """With its connections; one that is not stored where there is none yet."""
    rows = JobVersion.objects.filter(job=job).select_related("author")
    return rows.prefetch_related("connections__credential").first() or nothing_yet()


def nothing_yet() -> JobVersion:
    """What a job without versions begins with."""
    version = JobVersion()
    version.created_at = None  # type: ignore[assignment]  # the database would set it
    return version


def draft_values(values: Mapping[str, Any], *, project: Project) -> dict[str, Any]:
    """A body as `draft_save` takes it."""
    wanted = {name: values[name] for name in ("code", "settings", "note", "language") if name in values}
    if "connections" in values:
        wanted["connections"] = _choices(values["connections"], project=project)
    return {**wanted, **values.get("limits", {}), **values.get("retry", {})}


def is_news(wanted: Mapping[str, Any], before: JobVersion) -> bool:
    """Whether saving would make another version than the one before."""
    if before._state.adding:
        return True
    now = {name: getattr(before, name) for name in ("code", "settings", "language", *LIMITS, *RETRY)}
    if "connections" in wanted:
        now["connections"] = choices_of(before)
    then = {
        name: value for name, value in wanted.items() if name != "note"
    }  # about a change that there is not
    then["code"] = then["code"].replace("\r\n", "\n").replace("\r", "\n")
    if "settings" in then:
        then["settings"] = declared(then["settings"])
    return any(now[name] != value for name, value in then.items())


def _choices(given: list[dict[str, Any]], *, project: Project) -> list[ConnectionChoice]:
    links = ProjectCredential.objects.filter(
        project=project, credential__in=[each["credential"] for each in given if each.get("credential")]
    )
    known = {link.credential_id: link for link in links.select_related("credential")}
    return [
        ConnectionChoice(alias=each["alias"], adaptor=each["adaptor"], credential=_link(each, known))
        for each in given
    ]


def _link(given: Mapping[str, Any], known: Mapping[uuid.UUID, ProjectCredential]) -> ProjectCredential | None:
    wanted = given.get("credential")
    if wanted is None:
        return None
    if wanted not in known:
        raise NotFound("There is no credential by that id.", field="connections")
    return known[wanted]


def _aliases(values: Mapping[str, Any], before: JobVersion) -> dict[str, str]:
    if "connections" in values:
        return {each["alias"]: each["adaptor"] for each in values["connections"]}
    return {} if before._state.adding else {row.alias: row.adaptor for row in before.connections.all()}
