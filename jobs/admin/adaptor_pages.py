"""*Adaptors*: the systems that jobs can speak to, read off the adaptors themselves, so that no page drifts from the code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.forms import Media
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from jobs.adaptors import registry
from jobs.adaptors.fields import label_of, needed_where_it_belongs, when_of
from jobs.adaptors.spec import AdaptorSpec, Operation
from openfn_platform.projects.actors import actor_of
from openfn_platform.projects.current import projects_of
from openfn_platform.projects.models import Role

FEW = 6  # operations named of an adaptor that is found by its own name


@dataclass(frozen=True, kw_only=True)
class Found:
    """One adaptor in the list, with the operations that were searched for."""

    spec: AdaptorSpec
    count: int
    shown: tuple[Operation, ...]


@dataclass(frozen=True, kw_only=True)
class Field:
    """One field of a credential, as it is described to people."""

    name: str
    title: str
    help: str
    needed: bool
    secret: bool
    choices: tuple[str, ...] = ()
    default: str = ""
    only_for: str = ""


def adaptor_list(request: HttpRequest) -> HttpResponse:
    words = request.GET.get("q", "").strip()[:100]
    specs = [registry.spec(name) for name in registry.names()]
    found = [each for each in (_found(spec, words) for spec in specs) if each is not None]
    context = {**_context(request, "Adaptors"), "words": words, "found": found}
    return TemplateResponse(request, "workspace/adaptors.html", context)


def adaptor_page(request: HttpRequest, name: str) -> HttpResponse:
    if name not in registry.names():
        raise Http404
    spec = registry.spec(name)
    context = {
        **_context(request, spec.title),
        "spec": spec,
        "fields": fields_of(spec),
        "operations": spec.operations,
        "may_add": _may_add(request),
    }
    return TemplateResponse(request, "workspace/adaptor.html", context)


def fields_of(spec: AdaptorSpec) -> list[Field]:
    return [_field(spec, name, rule) for name, rule in spec.schema.get("properties", {}).items()]


def _found(spec: AdaptorSpec, words: str) -> Found | None:
    operations = spec.operations
    asked = words.lower().split()
    about = f"{spec.name} {spec.title} {spec.summary}".lower()
    if all(word in about for word in asked):
        return Found(spec=spec, count=len(operations), shown=operations[:FEW] if asked else ())
    told = [(each, f"{about} {each.name} {each.summary}".lower()) for each in operations]
    shown = tuple(each for each, text in told if all(word in text for word in asked))
    return Found(spec=spec, count=len(operations), shown=shown) if shown else None


def _field(spec: AdaptorSpec, name: str, rule: dict[str, Any]) -> Field:
    choices = tuple(label_of(spec.schema, name, value) for value in rule.get("enum", ()))
    default = label_of(spec.schema, name, rule["default"]) if "default" in rule else ""
    return Field(
        name=name,
        title=str(rule.get("title", name)),
        help=str(rule.get("description", "")),
        needed=needed_where_it_belongs(spec.schema, name),
        secret=rule.get("writeOnly") is True,
        choices=choices,
        default=default,
        only_for=_only_for(spec, rule),
    )


def _only_for(spec: AdaptorSpec, rule: dict[str, Any]) -> str:
    """“Provider: Twilio, Vonage”"""
    parts = []
    for name, values in when_of(rule).items():
        other = spec.schema["properties"].get(name, {})
        labels = ", ".join(label_of(spec.schema, name, value) for value in values)
        every = set(other.get("enum", ())) == set(values)
        parts.append(str(other.get("title", name)) + ("" if every else f": {labels}"))
    return "; ".join(parts)


def _may_add(request: HttpRequest) -> bool:
    actor = actor_of(request)
    return any(actor.may(project, Role.ADMIN) for project in projects_of(request))


def _context(request: HttpRequest, title: str) -> dict[str, Any]:
    return {**admin.site.each_context(request), "title": title, "opts": None, "media": Media()}
