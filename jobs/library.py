"""The project's library as people edit it: modules, each save a new version, the newest without errors in use."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from functools import partial

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from jobs.language.check import check_in_process
from jobs.language.contract import LibrarySource
from jobs.language.linting import Finding
from jobs.models import Job, LibraryModule, LibraryVersion
from jobs.tables import table_keys
from openfn_platform.common.errors import Conflict
from openfn_platform.common.saving import row_save
from openfn_platform.common.text import clean_name, one_line
from openfn_platform.projects.actors import By, author_of, require
from openfn_platform.projects.auditing import audit, differences
from openfn_platform.projects.locking import project_lock
from openfn_platform.projects.models import Project, Role

MOST_MODULES = 200  # of one project
MOST_CHARACTERS = 2_000_000  # of one run's modules together


class ModuleArchived(Conflict):
    """This module was archived."""

    code = "module_archived"


class ModuleSavedMeanwhile(Conflict):
    """Somebody saved this module while you were writing; look at what they changed, then save again."""

    code = "module_saved_meanwhile"


class LibraryTooBig(Conflict):
    """The modules of the library that this job uses have more than two million characters together."""

    code = "library_too_big"


class ModuleInUse(Conflict):
    """Live jobs use this module; change them first."""

    code = "module_in_use"


@transaction.atomic
def module_create(
    *, project: Project, key: str, by: By, name: str = "", description: str = ""
) -> LibraryModule:
    """A new module, without code."""
    require(by, project, Role.EDITOR)
    project_lock(project)
    rows = LibraryModule.objects.filter(project=project)
    if rows.filter(archived_at=None).count() >= MOST_MODULES:
        raise Conflict(f"A library can have {MOST_MODULES} modules; archive one first.")
    module = LibraryModule(
        project=project, key=key, name=clean_name(name) or key, description=description.strip()
    )
    row_save(module)
    audit("library module made", by, project=project, target=module)
    return module


@transaction.atomic
def module_change(
    *, module: LibraryModule, by: By, name: str | None = None, description: str | None = None
) -> LibraryModule:
    """Another name or description. The key stays: code depends on it."""
    require(by, module.project_id, Role.EDITOR)
    module = _locked(module)
    before = {"name": module.name, "description": module.description}
    if name is not None:
        module.name = clean_name(name)
    if description is not None:
        module.description = description.strip()
    changes = differences(before, {"name": module.name, "description": module.description})
    if changes:
        row_save(module, only=changes)
        audit("library module changed", by, project=module.project, target=module, changes=changes)
    return module


def module_check(*, project: Project | uuid.UUID, code: str) -> list[Finding]:
    """What can be said about a module's code without running it; for the editor, too."""
    return check_in_process(
        language="python",
        code=code,
        aliases={},
        tables=table_keys(project),
        library=module_keys(project),
        is_module=True,
    )


def module_save(
    *, module: LibraryModule, code: str, by: By, note: str = "", based_on: int | None = None
) -> LibraryVersion:
    """A new version. Without errors every run that starts from now on takes it.

    Raises ModuleSavedMeanwhile when `based_on` is given and is not the newest version's number.
    """
    require(by, module.project_id, Role.EDITOR)
    code = code.replace("\r\n", "\n").replace("\r", "\n")
    # Before the transaction: a slow check shall hold no lock.
    findings = module_check(project=module.project_id, code=code)
    good = all(finding.severity != "error" for finding in findings)
    with transaction.atomic():
        module = _locked(module)
        newest = module.versions.order_by("-number").values_list("number", flat=True).first()
        if based_on is not None and based_on != (newest or 0):
            raise ModuleSavedMeanwhile()
        version = LibraryVersion(
            project_id=module.project_id,
            module=module,
            number=(newest or 0) + 1,
            code=code,
            author=author_of(by),
            note=one_line(note, 300),
            findings=[asdict(finding) for finding in findings],
        )
        row_save(version)
        module.latest_version = version
        if good:
            module.live_version = version
        module.save(update_fields=["latest_version", "live_version"])
        changes = {"version": version.number, "live": good}
        audit("library module saved", by, project=module.project, target=module, changes=changes)
    return version


def version_restore(*, version: LibraryVersion, by: By) -> LibraryVersion:
    """An old version once more, as the newest."""
    module = LibraryModule.objects.get(pk=version.module_id)
    return module_save(module=module, code=version.code, by=by, note=f"as version {version.number} was")


@transaction.atomic
def module_archive(*, module: LibraryModule, by: By) -> None:
    """Put it away. Its versions are kept, for runs that are retried as they were."""
    require(by, module.project_id, Role.EDITOR)
    module = _locked(module)
    users = [job.name for job in jobs_using(module)]
    if users:
        raise ModuleInUse(f"Live jobs use this module; change them first: {', '.join(users[:5])}.")
    module.archived_at = timezone.now()
    module.save(update_fields=["archived_at"])
    audit("library module archived", by, project=module.project, target=module)


def module_keys(project: Project | uuid.UUID) -> list[str]:
    """The modules that code of the project can import."""
    rows = LibraryModule.objects.filter(project=project, archived_at=None, live_version__isnull=False)
    return list(rows.order_by("key").values_list("key", flat=True))


def jobs_using(module: LibraryModule) -> QuerySet[Job]:
    """Jobs whose live version speaks of the library and of this module."""
    speaks = Q(live_version__code__contains="library") & Q(live_version__code__regex=rf"\y{module.key}\y")
    return Job.objects.filter(speaks, project_id=module.project_id, archived_at=None).order_by("name", "pk")


def modules_using(module: LibraryModule) -> QuerySet[LibraryModule]:
    """Other modules that speak of this one."""
    speaks = Q(live_version__code__contains="library") & Q(live_version__code__regex=rf"\y{module.key}\y")
    rows = LibraryModule.objects.filter(speaks, project_id=module.project_id, archived_at=None)
    return rows.exclude(pk=module.pk)


# --- for runs -----------------------------------------------------------------------------------------

Fetch = Callable[[set[str]], Iterable[tuple[str, int, str]]]


def library_of(
    *, project_id: uuid.UUID, code: str, pinned: Mapping[str, int] | None = None
) -> tuple[LibrarySource, ...]:
    """The modules that code speaks of, and those that these speak of. Asks nothing where it speaks of none."""
    if "library" not in code:
        return ()
    return _spoken_of(code, partial(_pinned, project_id, pinned) if pinned else partial(_live, project_id))


def _live(project_id: uuid.UUID, keys: set[str]) -> Iterable[tuple[str, int, str]]:
    rows = LibraryModule.objects.filter(
        project_id=project_id, key__in=keys, archived_at=None, live_version__isnull=False
    )
    return rows.values_list("key", "live_version__number", "live_version__code")


def _pinned(
    project_id: uuid.UUID, numbers: Mapping[str, int], keys: set[str]
) -> Iterable[tuple[str, int, str]]:
    wanted = Q(pk__in=[])
    for key in keys & set(numbers):
        wanted |= Q(module__key=key, number=numbers[key])
    rows = LibraryVersion.objects.filter(wanted, project_id=project_id)
    return rows.values_list("module__key", "number", "code")


def _spoken_of(code: str, fetch: Fetch) -> tuple[LibrarySource, ...]:
    taken: dict[str, LibrarySource] = {}
    asked: set[str] = set()
    texts = [code]
    while texts:
        words = {word for text in texts for word in re.findall(r"[a-z][a-z0-9_]*", text)} - asked
        asked |= words
        texts = []
        for key, number, text in fetch(words):
            taken[key] = LibrarySource(key=key, number=number, code=text)
            if "library" in text:
                texts.append(text)
        if sum(len(source.code) for source in taken.values()) > MOST_CHARACTERS:
            raise LibraryTooBig()
    return tuple(taken[key] for key in sorted(taken))


def _locked(module: LibraryModule) -> LibraryModule:
    project_lock(module.project_id)
    fresh = (
        LibraryModule.objects.select_for_update(no_key=True, of=("self",))
        .select_related("project")
        .get(pk=module.pk)
    )
    if fresh.archived_at is not None:
        raise ModuleArchived()
    return fresh
