"""Taking a change of a credential back: what its values were stays encrypted for a week, and can be put back.

Putting back is a change like any other: the values that it replaces are kept in their turn, so it can be undone.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Value
from django.db.models.functions import Now

from jobs.models import Credential, CredentialBody, CredentialPrevious
from jobs.opening import credential_seal, unsealed
from jobs.signals import credential_changed
from jobs.usage import credential_locked
from openfn_platform.common.errors import Conflict, NotFound
from openfn_platform.projects.actors import By, author_of, require_to_connect
from openfn_platform.projects.auditing import audit

KEPT = timedelta(days=7)
MOST = 20  # of one body: who changes it every minute does not need every minute back
_RESULT = ("tested_at", "test_ok", "test_sentence")


class NothingToUndo(NotFound):
    """There are no earlier values: they are kept for seven days."""

    code = "nothing_to_undo"


def values_keep(*, body: CredentialBody, values: dict[str, Any], by: By) -> None:
    """Keep what is about to be replaced. In the transaction that replaces it."""
    earlier = CredentialPrevious(body=body, replaced_by=author_of(by))
    for name in _RESULT:
        setattr(earlier, name, getattr(body, name))
    credential_seal(body=earlier, values=values)
    earlier.save()
    surplus = CredentialPrevious.objects.filter(body=body).order_by("-id").values("pk")[MOST:]
    CredentialPrevious.objects.filter(pk__in=list(surplus.values_list("pk", flat=True))).delete()


def earlier_values(*, credential: Credential, environment: str) -> list[CredentialPrevious]:
    """What can be put back, the newest first."""
    rows = CredentialPrevious.objects.filter(
        body__credential=credential, body__environment=environment, replaced_at__gt=Now() - Value(KEPT)
    )
    return list(rows.select_related("replaced_by").defer("ciphertext").order_by("-id"))


@transaction.atomic
def credential_undo(
    *, credential: Credential, by: By, environment: str | None = None, earlier: str | None = None
) -> Credential:
    """Put earlier values back: the newest, or those that `earlier` names by id."""
    require_to_connect(by, credential.project_id)
    credential = credential_locked(credential)
    environment = environment or credential.project.environment
    found = earlier_values(credential=credential, environment=environment)
    chosen = next((row for row in found if earlier is None or str(row.pk) == earlier), None)
    if chosen is None:
        raise NothingToUndo()
    body = CredentialBody.objects.select_for_update(no_key=True).get(pk=chosen.body_id)
    before, after = unsealed(body), unsealed(CredentialPrevious.objects.get(pk=chosen.pk))
    if before == after:
        raise Conflict("These values are in force already.")
    values_keep(body=body, values=before, by=by)
    for name in _RESULT:
        setattr(body, name, getattr(chosen, name))
    credential_seal(body=body, values=after)
    body.save()
    chosen.delete()
    fields = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
    changes = {"environment": environment, "fields": fields, "of": chosen.replaced_at}
    audit("credential change undone", by, project=credential.project, target=credential, changes=changes)
    credential_changed.send(sender=Credential, credential=credential, environment=environment, by=by)
    return credential


def earlier_values_forget() -> int:
    """For the sweep: wipe what is older than a week. Returns how many."""
    old = CredentialPrevious.objects.filter(replaced_at__lte=Now() - Value(KEPT))
    return old.delete()[0]
