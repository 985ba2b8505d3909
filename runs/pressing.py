"""Buttons that are pressed twice: what one form starts is started once.

For deeds that nothing in the database would tell from a second wish: to start a job, to begin a bulk operation. Each
drawn form carries a word of its own. The same form sent again, by a double click or a reload, gets the first result.
Whoever changes something in the form before sending it again wants something else, and gets it. So does, as a rule,
whoever goes back: pages forbid browsers to keep them, so the form is drawn anew, with another word. Only from a browser
that kept it all the same is it the form that was sent already.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable

from django.db.models import Model
from django.http import HttpRequest

from openfn_platform.projects.actors import actor_of
from runs.repeating import once

FIELD = "press"  # in every form that is drawn with `ScopedAdmin.page_context`
AGAIN = "This was started already by your first press; here it is. To start it once more, open its form anew."


def pressed(
    request: HttpRequest, *, project_id: uuid.UUID, do: Callable[[], Model]
) -> tuple[uuid.UUID, bool]:
    """The id of what `do` made, and whether that was at an earlier press of the same form."""
    key = f"press-{_digest(request)}" if request.POST.get(FIELD) else None
    return once(project_id=project_id, key=key, call=b"", do=do)


def _digest(request: HttpRequest) -> str:
    """Who sent what to where: nobody's word counts for anybody else."""
    person = actor_of(request).user
    sent = sorted((name, values) for name, values in request.POST.lists() if name != "csrfmiddlewaretoken")
    told = json.dumps([str(person.pk) if person else "", request.get_full_path(), sent])
    return hashlib.sha256(told.encode()).hexdigest()
