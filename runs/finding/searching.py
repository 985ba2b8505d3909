"""Searching for a person: asked by somebody, done by housekeeping, forgotten after some days."""

from __future__ import annotations

import json
import logging
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from openfn_platform.common.crypto import Cipher
from openfn_platform.common.errors import NotAllowed, PlatformError
from openfn_platform.common.ids import uuid7
from openfn_platform.projects.actors import Actor, By, author_of, require
from openfn_platform.projects.auditing import audit
from openfn_platform.projects.models import Project, Role
from runs.finding.filling import words_complete
from runs.finding.place import MOST_FOUND, Asked, Place
from runs.finding.places import PLACES
from runs.finding.terms import Term, terms_read
from runs.models import PersonFind, PersonSearch, SearchState

logger = logging.getLogger(__name__)

KEPT = timedelta(days=7)


class Forgotten(PlatformError):
    """What was looked for is forgotten. Ask again."""

    code = "search_forgotten"
    status = 409


@transaction.atomic
def search_start(*, project: Project, who: str, by: By) -> PersonSearch:
    """Look for somebody, one name or number a line. What was typed is sealed, and never audited."""
    require_sight(by, project)
    terms = terms_read(who)
    search = PersonSearch(
        id=uuid7(), project=project, created_by=author_of(by), expires_at=timezone.now() + KEPT
    )
    search.sealed = _cipher().encrypt(json.dumps(who).encode(), owner=_owner(search))
    search.save(force_insert=True)
    audit("person searched", by, project=project, target=search, changes={"lines": len(terms)})
    return search


def require_sight(by: By, project: Project) -> Actor:
    """An administrator of the project who may see its data: a search tells where somebody is a patient."""
    actor = require(by, project, Role.ADMIN)
    if not actor.may_see_data(project):
        raise NotAllowed("To look for a person one must be one who may see data in this project.")
    return actor


def typed(search: PersonSearch) -> str:
    """What was looked for, as it was typed. Raises Forgotten."""
    if search.sealed is None:
        raise Forgotten()
    return str(json.loads(_cipher().decrypt(bytes(search.sealed), owner=_owner(search))))


def terms_of(search: PersonSearch) -> tuple[Term, ...]:
    return terms_read(typed(search))


def asked_of(search: PersonSearch) -> Asked:
    return Asked(project=search.project, terms=terms_of(search))


def _owner(search: PersonSearch) -> str:
    return f"person_search:{search.pk}:{search.project_id}"


def _cipher() -> Cipher:
    return Cipher(tuple(settings.CREDENTIAL_KEYS))


# --- done by housekeeping -------------------------------------------------------------------------


def searches_work(*, filled: bool) -> int:
    """The searches that wait. `filled`: everything older has its words; before that no answer would be whole."""
    waiting = PersonSearch.objects.filter(state__in=[SearchState.WAITING, SearchState.RUNNING])
    if not filled:
        waiting.update(progress="Waits until the words of what was stored lately are taken out.")
        return 0
    done = 0
    for search in waiting.select_related("project").order_by("id"):
        try:
            search_work(search=search)
        except PlatformError as error:
            _end(search, SearchState.FAILED, error=error.message)
        except Exception as error:  # the border of each search: the next one must not wait for ever
            logger.exception("action=search_failed search=%s", search.pk)
            _end(search, SearchState.FAILED, error=f"It broke: {type(error).__name__}. Ask again.")
        done += 1
    return done


def search_work(*, search: PersonSearch) -> None:
    """Look into one place after the other. One that was broken off begins again."""
    asked = asked_of(search)
    PersonSearch.objects.filter(pk=search.pk).update(state=SearchState.RUNNING)
    PersonFind.objects.filter(search=search).delete()
    words_complete(project=search.project)
    full: list[str] = []
    for place in PLACES:
        PersonSearch.objects.filter(pk=search.pk).update(progress=f"Looks into: {place.label}")
        if _look(search, asked, place) >= MOST_FOUND:
            full.append(place.label)
    if full:
        _end(
            search,
            SearchState.FAILED,
            error=f"In {', '.join(full)} there are more than {MOST_FOUND:,}: that is no single person. Say more.",
        )
        return
    _end(search, SearchState.DONE)


def _look(search: PersonSearch, asked: Asked, place: Place) -> int:
    """How many were found there."""
    found: list[PersonFind] = []
    count = 0
    for hit in place.find(asked):
        count += 1
        if count > MOST_FOUND:
            break
        found.append(
            PersonFind(
                project_id=search.project_id,
                search=search,
                place=place.name,
                ref=hit.ref,
                title=hit.title[:200],
                run_id=hit.run,
                at=hit.at,
            )
        )
    PersonFind.objects.bulk_create(found, ignore_conflicts=True, batch_size=1_000)
    return count


def _end(search: PersonSearch, state: SearchState, *, error: str = "") -> None:
    PersonSearch.objects.filter(pk=search.pk).update(
        state=state, progress="", error=error[:300], finished_at=Now()
    )
