"""The sidebar, in the order in which people work, and the switch between projects."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import urlencode

from openfn_platform.projects.actors import actor_of
from openfn_platform.projects.current import ALL, current_project, projects_of, rows_shown
from openfn_platform.projects.scoping import scoped
from runs.models import Incident

# (title, icon, app_label.model or a page for everybody, what it is for)
Page = tuple[str, str, str, str]
FOR_EVERYBODY = {"index": "admin:index", "adaptors": "adaptors"}  # the name of the page's address
GROUPS: tuple[tuple[str, tuple[Page, ...]], ...] = (
    (
        "Watch",
        (
            ("Dashboard", "monitoring", "index", "What needs a person, what runs, what comes next."),
            (
                "Incidents",
                "emergency_home",
                "runs.incident",
                "Equal failures taken together, from the first to the all-clear.",
            ),
            ("Runs", "play_circle", "runs.run", "Each execution of a job, with log, input and outcome."),
            (
                "Bulk operations",
                "checklist",
                "runs.bulkoperation",
                "One deed to many runs or messages: how far it is.",
            ),
            ("Messages", "inbox", "triggers.message", "Each request that arrived, kept byte for byte."),
            ("Sent", "outbox", "runs.httpexchange", "What went to which partner system, and when."),
            (
                "Holds",
                "front_hand",
                "runs.connectionhold",
                "Connections that are spared for a while because the partner is down or refuses the log-in.",
            ),
        ),
    ),
    (
        "Build",
        (
            (
                "Workflows",
                "account_tree",
                "jobs.workflow",
                "Jobs and triggers that belong together, as a diagram.",
            ),
            ("Jobs", "code_blocks", "jobs.job", "Code with its connections, settings and limits."),
            (
                "Triggers",
                "bolt",
                "triggers.trigger",
                "What starts jobs: a message, a schedule, another job’s end.",
            ),
            ("Tables", "table", "jobs.table", "Values by key that jobs look up, or keep for later runs."),
            (
                "Library",
                "menu_book",
                "jobs.librarymodule",
                "Python modules that the jobs of a project share.",
            ),
            ("Memories", "memory", "runs.memory", "What scheduled jobs keep for their next time."),
        ),
    ),
    (
        "Connect",
        (
            (
                "Credentials",
                "key",
                "jobs.credential",
                "Encrypted log-ins to partner systems; secrets are never shown again.",
            ),
            (
                "Adaptors",
                "extension",
                "adaptors",
                "The systems that jobs can speak to: what they offer, with examples.",
            ),
            ("Inboxes", "move_to_inbox", "triggers.inbox", "The addresses that partner systems post to."),
        ),
    ),
    (
        "Manage",
        (
            ("Project settings", "tune", "projects.project", "Time zone, limits, retention, allowed hosts."),
            (
                "Members",
                "group",
                "projects.membership",
                "Who belongs to a project, and what they may do there.",
            ),
            ("API tokens", "api", "projects.apitoken", "Keys for programs that use the API."),
            ("Mails", "mail", "runs.notification", "Every mail of the platform, sent or waiting."),
            ("Retention", "auto_delete", "runs.housekeeping", "How long what is kept, and what goes next."),
            (
                "Find a person",
                "person_search",
                "runs.personsearch",
                "Where somebody is named, and erasing it.",
            ),
            ("Erasures", "verified_user", "runs.erasure", "Certificates of what was erased, and why."),
            ("Audit", "history", "projects.auditentry", "Who did what, and when."),
        ),
    ),
    (
        "Installation",
        (
            (
                "Clock and workers",
                "schedule",
                "triggers.clockring",
                "Whether the clock rings, workers live and mail goes out.",
            ),
            ("People", "person", "projects.user", "Everybody who can log in."),
            (
                "Locked log-ins",
                "lock_clock",
                "axes.accessattempt",
                "Who tried to log in too often, and from where.",
            ),
        ),
    ),
)


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """The groups with the pages that this person may open."""
    allowed = _allowed(request)
    groups: list[dict[str, Any]] = []
    for title, pages in GROUPS:
        items = [_item(request, page) for page in pages if page[2] in FOR_EVERYBODY or page[2] in allowed]
        if items:
            groups.append({"title": title, "separator": bool(groups), "items": items})
    return groups


def _allowed(request: HttpRequest) -> set[str]:
    return {
        model._meta.label_lower
        for model, model_admin in admin.site._registry.items()
        if model_admin.has_view_permission(request)
    }


def _item(request: HttpRequest, page: Page) -> dict[str, Any]:
    title, icon, target, explanation = page
    name = FOR_EVERYBODY.get(target) or f"admin:{target.replace('.', '_')}_changelist"
    item: dict[str, Any] = {
        "title": format_html('<span title="{}">{}</span>', explanation, title),
        "icon": icon,
        "link": reverse(name),
    }
    if target == "runs.incident" and (count := open_incidents(request).count()):
        item |= {"badge": str(count), "badge_variant": "danger"}
    return item


def open_incidents(request: HttpRequest) -> QuerySet[Incident]:
    """As their list shows them: of the current project, or of all that the person sees."""
    actor, opened = actor_of(request), Incident.objects.filter(closed_at=None)
    shown = rows_shown(request, installation=True)
    if shown is not None:
        return opened.filter(shown)
    # Archived ones are not seen any more; without a project there is none that is.
    return opened.filter(project__archived_at=None) if actor.is_superuser else scoped(opened, actor)


def subheader(request: HttpRequest) -> str:
    """Which project the lists show, under the name of the site."""
    if not request.user.is_authenticated:
        return ""
    project = current_project(request)
    if project is not None:
        return project.name
    return "All projects" if projects_of(request) else "No project yet"


def project_switch(request: HttpRequest) -> list[dict[str, Any]]:
    """The menu behind the site's name: one entry a project."""
    if not request.user.is_authenticated:
        return []
    projects, chosen = projects_of(request), current_project(request)
    entries = [_entry(request, project.name, project.key, chosen == project) for project in projects]
    if len(projects) > 1:
        entries.insert(0, _entry(request, "All projects", ALL, chosen is None))
    return entries


def _entry(request: HttpRequest, title: str, key: str, chosen: bool) -> dict[str, Any]:
    query = urlencode({"project": key, "next": _stay(request)})
    return {
        "icon": "check" if chosen else "folder",
        "title": title,
        "link": f"{reverse('admin:projects_project_switch')}?{query}",
    }


def _stay(request: HttpRequest) -> str:
    """Lists stay what they are; the page of one thing may not belong to the other project."""
    match = request.resolver_match
    name = (match.url_name or "") if match else ""
    return request.path if name.endswith("_changelist") else reverse("admin:index")


def environment(request: HttpRequest) -> list[str] | None:
    """The badge in the header: where one is, so that nobody tries something out in the wrong place."""
    project = current_project(request) if request.user.is_authenticated else None
    if project is not None and project.environment != "main":
        return [project.environment, "warning"]
    return ["development", "info"] if settings.DEVELOPMENT else None
