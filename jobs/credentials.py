"""Credentials: made, changed, put away. Their secrets go in and never come out again.

Beside it: `lending` to other projects, `credential_tests` before and after storing, `undoing`, `oauth`, `expiring`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from jobs.credential_tests import Tested, result_columns
from jobs.credential_values import spec_of, values_merged, values_new
from jobs.models import Credential, CredentialBody, ProjectCredential
from jobs.opening import credential_open, credential_seal
from jobs.signals import credential_changed, credential_proved
from jobs.undoing import values_keep
from jobs.usage import credential_locked, credential_used_by, refuse_while_used
from openfn_platform.common.errors import Conflict, Invalid
from openfn_platform.common.models import free_key
from openfn_platform.common.saving import row_save
from openfn_platform.common.text import clean_name, one_line
from openfn_platform.projects.actors import By, require_to_connect
from openfn_platform.projects.auditing import audit
from openfn_platform.projects.locking import project_lock
from openfn_platform.projects.models import Project


class ReasonMissing(Invalid):
    """Say why it is to be stored although the test failed."""

    code = "reason_missing"


@dataclass(frozen=True, kw_only=True)
class Visible:
    """What may be shown of a credential's values."""

    values: dict[str, Any]
    secrets_set: tuple[str, ...]  # names of the secrets that have a value


@transaction.atomic
def credential_create(
    *,
    project: Project,
    name: str,
    adaptor: str,
    values: Mapping[str, Any],
    by: By,
    environment: str | None = None,
    key: str | None = None,
    expires_at: datetime | None = None,
    tested: Tested | None = None,
    reason: str = "",
) -> Credential:
    """A new credential of the project, with its values for one environment (the project's own by default).

    `tested` is what came of trying these values; where that failed, `reason` says why they are stored all the same.
    """
    require_to_connect(by, project)
    complete = values_new(spec_of(adaptor), values)
    _check_tested(tested, complete, reason)
    project_lock(project)
    name = clean_name(name)
    credential = Credential(
        project=project,
        name=name,
        key=key or free_key(name, Credential.objects.filter(project=project)),
        adaptor=adaptor,
        expires_at=expires_at,
    )
    row_save(credential)
    row_save(ProjectCredential(project=project, credential=credential))
    body = CredentialBody(credential=credential, environment=environment or project.environment)
    _put(body, complete, tested)
    audit(
        "credential made",
        by,
        project=project,
        target=credential,
        changes={
            "adaptor": adaptor,
            "environment": body.environment,
            "fields": sorted(complete),
            **_about_test(tested, reason),
        },
    )
    return credential


@transaction.atomic
def credential_change(
    *,
    credential: Credential,
    values: Mapping[str, Any],
    by: By,
    environment: str | None = None,
    clear: Iterable[str] = (),
    tested: Tested | None = None,
    reason: str = "",
) -> Credential:
    """Change the values that are given. A secret left empty stays as it is; `clear` names what shall be removed.

    `tested` and `reason` as for `credential_create`. What was there before can be put back for a week.
    """
    require_to_connect(by, credential.project_id)
    spec = spec_of(credential.adaptor)
    credential = credential_locked(credential)
    environment = environment or credential.project.environment
    body = credential.bodies.filter(environment=environment).first()
    before = credential_open(credential=credential, environment=environment) if body is not None else {}
    after = values_merged(spec, before, values, frozenset(clear))
    _check_tested(tested, after, reason)
    if body is not None and after == before:
        return credential
    if body is not None:
        values_keep(body=body, values=before, by=by)
    body = body or CredentialBody(credential=credential, environment=environment)
    _put(body, after, tested)
    fields = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
    audit(
        "credential changed",
        by,
        project=credential.project,
        target=credential,
        changes={"environment": environment, "fields": fields, **_about_test(tested, reason)},
    )
    credential_changed.send(sender=Credential, credential=credential, environment=environment, by=by)
    if tested is not None and tested.ok:
        credential_proved.send(sender=Credential, credential=credential, environment=environment, by=by)
    return credential


@transaction.atomic
def credential_rename(*, credential: Credential, name: str, by: By) -> Credential:
    """Another name; the key stays."""
    require_to_connect(by, credential.project_id)
    before, credential.name = credential.name, clean_name(name)
    row_save(credential, only=["name"])
    if before != credential.name:
        changes = {"name": [before, credential.name]}
        audit("credential changed", by, project=credential.project, target=credential, changes=changes)
    return credential


def credential_visible(*, credential: Credential, environment: str | None = None) -> Visible:
    """The values that are no secrets, and which secrets are set: what a form may show."""
    spec = spec_of(credential.adaptor)
    environment = environment or credential.project.environment
    if not credential.bodies.filter(environment=environment).exists():
        return Visible(values={}, secrets_set=())
    found = credential_open(credential=credential, environment=environment)
    # A field that the schema does not know may be anything, so it is not shown either.
    known = set(spec.schema.get("properties", {})) - spec.secrets()
    return Visible(
        values={name: value for name, value in found.items() if name in known},
        secrets_set=tuple(sorted(name for name in found if name not in known)),
    )


@transaction.atomic
def credential_archive(*, credential: Credential, by: By) -> None:
    """Put it away, unless a live job uses it. It opens nothing any more."""
    actor = require_to_connect(by, credential.project_id)
    credential = credential_locked(credential)
    refuse_while_used(actor, credential, credential_used_by(credential=credential))
    credential.archived_at = timezone.now()
    credential.save(update_fields=["archived_at"])
    audit("credential archived", by, project=credential.project, target=credential)


def _check_tested(tested: Tested | None, values: Mapping[str, Any], reason: str) -> None:
    if tested is None:
        return
    if tested.values is not None and dict(tested.values) != dict(values):
        raise Conflict(
            "Somebody changed this credential while yours was tested; look at it, then save again."
        )
    if not tested.ok and not reason.strip():
        raise ReasonMissing(field="reason")


def _put(body: CredentialBody, values: dict[str, Any], tested: Tested | None) -> None:
    credential_seal(body=body, values=values)
    result: dict[str, Any] = {"tested_at": None, "test_ok": None, "test_sentence": ""}
    if tested is not None:
        result = result_columns(ok=tested.ok, sentence=tested.sentence)
    for name, value in result.items():
        setattr(body, name, value)
    row_save(body)


def _about_test(tested: Tested | None, reason: str) -> dict[str, Any]:
    """For the audit: whether it was tried, and why it was stored although that failed."""
    said = {} if tested is None else {"worked": tested.ok}
    return {**said, "saved_anyway": one_line(reason, 500)} if reason.strip() else said
