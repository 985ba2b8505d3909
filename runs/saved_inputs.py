"""Saved inputs: states that people and programs keep under a name, to start jobs with them again."""

from __future__ import annotations

from django.db import transaction
from django.db.models import QuerySet

from openfn_platform.common.errors import Conflict, Invalid
from openfn_platform.common.text import clean_name
from openfn_platform.projects.actors import By, author_of, require
from openfn_platform.projects.auditing import audit
from openfn_platform.projects.locking import project_lock
from openfn_platform.projects.models import Project, Role
from runs.models import State, StateKind
from runs.starting import Input, raw_of
from runs.states import state_copy, state_store

MOST = 1_000  # of a project: a drawer, not a store
LONGEST_NAME = 120


class NameTaken(Conflict):
    """There is a saved input of that name; choose another, or delete that one first."""

    code = "name_taken"


@transaction.atomic
def input_save(*, project: Project, name: str, given: Input, by: By) -> State:
    """Keep what a run would start with, under a name of its own."""
    require(by, project, Role.OPERATOR)
    name = clean_name(name)
    if not 1 <= len(name) <= LONGEST_NAME:
        raise Invalid(f"Give it a name of at most {LONGEST_NAME} characters.", field="name")
    project_lock(project)
    known = saved_inputs(project)
    if known.filter(name=name).exists():
        raise NameTaken()
    if known.count() >= MOST:
        raise Conflict(f"This project has {MOST:,} saved inputs; delete those that nobody needs.")
    author = author_of(by)
    if given.run is not None:
        kept = state_copy(
            state_id=given.run.input_id,
            project_id=project.pk,
            kind=StateKind.SAVED,
            name=name,
            created_by=author,
        )
    else:
        kept = state_store(
            project_id=project.pk, kind=StateKind.SAVED, raw=raw_of(given), name=name, created_by=author
        )
    audit("input saved", by, project=project, target=kept, changes={"size": kept.size})
    return kept


@transaction.atomic
def input_delete(*, saved: State, by: By) -> None:
    """Forget it. Runs that were started with it have copies of their own."""
    require(by, saved.project_id, Role.OPERATOR)
    audit("saved input deleted", by, project=saved.project, target=saved)
    State.objects.filter(pk=saved.pk, kind=StateKind.SAVED).delete()


def saved_inputs(project: Project) -> QuerySet[State]:
    return State.objects.filter(project=project, kind=StateKind.SAVED)
