"""The current project: which one the lists and the dashboard show. Remembered in the session, chosen in the sidebar."""

from __future__ import annotations

from django.db.models import Q
from django.http import HttpRequest

from openfn_platform.projects.actors import actor_of
from openfn_platform.projects.models import Project
from openfn_platform.projects.scoping import visible_projects

SESSION_KEY = "current_project"
ALL = "all"


def projects_of(request: HttpRequest) -> list[Project]:
    """The projects that the person may see, loaded once for a request."""
    known = getattr(request, "_visible_projects", None)
    if known is None:
        known = list(visible_projects(actor_of(request)).order_by("name", "pk"))
        request._visible_projects = known  # type: ignore[attr-defined]  # a request is where Django keeps such things
    return list(known)


def current_project(request: HttpRequest) -> Project | None:
    """The chosen project, the only one there is, or None for all."""
    projects = projects_of(request)
    if len(projects) == 1:
        return projects[0]
    chosen = request.session.get(SESSION_KEY)
    return next((project for project in projects if str(project.pk) == chosen), None)


def rows_shown(request: HttpRequest, path: str = "project", *, installation: bool = False) -> Q | None:
    """Which rows a list shows; None: all that the person may see.

    `installation`: rows of no project are among them, for who runs the installation. Where there is one project
    nobody has chosen it, and there is no “all” that would show these.
    """
    project = current_project(request)
    if project is None:
        return None
    rows = Q(**{path: project})
    if installation and actor_of(request).is_superuser and len(projects_of(request)) == 1:
        rows |= Q(**{f"{path}__isnull": True})
    return rows


def choose_project(request: HttpRequest, key: str) -> bool:
    """Remember the project of that key; `all` forgets it. False: there is none that the person may see."""
    if key == ALL:
        request.session.pop(SESSION_KEY, None)
        return True
    found = next((project for project in projects_of(request) if project.key == key), None)
    if found is None:
        return False
    request.session[SESSION_KEY] = str(found.pk)
    return True
