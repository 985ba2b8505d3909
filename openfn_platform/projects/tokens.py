"""API tokens: made once, shown once, found by their hash."""

from __future__ import annotations

import hashlib
import secrets
import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from openfn_platform.common.errors import Conflict, Invalid
from openfn_platform.common.saving import row_save
from openfn_platform.common.text import clean_name
from openfn_platform.projects.actors import Actor, By, author_of, require
from openfn_platform.projects.auditing import audit, audit_once
from openfn_platform.projects.models import ApiToken, Project, Role, Scope

PREFIX = "ofp_"
SHOWN = 12
LENGTH = len(PREFIX) + 43  # 256 bits in URL-safe base64
# Enough to see which keys are in use, without a write for every request.
NOTED_EVERY = timedelta(minutes=1)
ENDED = Q(revoked_at__isnull=False) | Q(expires_at__lte=Now())


def secret_make(prefix: str) -> str:
    """A new key of 256 random bits."""
    return prefix + secrets.token_urlsafe(32)


def secret_digest(plaintext: str) -> bytes:
    """What is stored of it. A fast hash is enough: nobody can try out 256 random bits."""
    return hashlib.sha256(plaintext.encode("utf-8", "surrogatepass")).digest()


@transaction.atomic
def token_create(
    *,
    project: Project,
    name: str,
    scopes: Iterable[str],
    by: By,
    expires_at: datetime | None = None,
) -> tuple[ApiToken, str]:
    """A new token and its text, which is not kept."""
    require(by, project, Role.ADMIN)
    if expires_at is not None and expires_at <= timezone.now():
        raise Invalid("The token would be expired from the start; choose a later time.", field="expires_at")
    plaintext = secret_make(PREFIX)
    token = ApiToken(
        project=project,
        name=clean_name(name),
        prefix=plaintext[:SHOWN],
        digest=secret_digest(plaintext),
        scopes=sorted({str(scope) for scope in scopes}),
        expires_at=expires_at,
        created_by=author_of(by),
    )
    row_save(token)
    audit(
        "token made",
        by,
        project=project,
        target=token,
        changes={"scopes": token.scopes, "expires_at": expires_at},
    )
    return token, plaintext


def token_find(plaintext: str, *, address: str | None = None) -> ApiToken | None:
    """The valid token of that text, with its project; None for unknown, revoked and expired ones.

    With `address`, the audit hears when it is used from there for the first time.
    """
    if not plaintext.startswith(PREFIX) or len(plaintext) != LENGTH or not plaintext.isascii():
        return None
    now = timezone.now()
    token = (
        ApiToken.objects.select_related("project")
        .filter(digest=secret_digest(plaintext), revoked_at=None, project__archived_at=None)
        .filter(Q(expires_at=None) | Q(expires_at__gt=now))
        .first()
    )
    if token is not None and (token.last_used_at is None or token.last_used_at < now - NOTED_EVERY):
        ApiToken.objects.filter(pk=token.pk).update(last_used_at=Now())
        if address is not None:
            actor = Actor(token=token, address=address)
            mark = f"token:{token.pk}:{address}"
            audit_once(mark, "token used from a new address", actor, project=token.project, target=token)
    return token


def token_ended(plaintext: str, *, project_id: uuid.UUID, scope: Scope) -> ApiToken | None:
    """The token of that text which let somebody in once, if it was revoked or has expired."""
    if len(plaintext) != LENGTH or not plaintext.isascii():
        return None
    return (
        ApiToken.objects.filter(digest=secret_digest(plaintext), project_id=project_id)
        .filter(scopes__contains=[scope])
        .filter(ENDED)
        .first()
    )


@transaction.atomic
def token_revoke(*, token: ApiToken, by: By) -> None:
    """From now on nobody gets in with it."""
    require(by, token.project_id, Role.ADMIN)
    if token.revoked_at is not None:
        raise Conflict("This token was revoked before.")
    token.revoked_at = timezone.now()
    token.save(update_fields=["revoked_at"])
    audit("token revoked", by, project=token.project, target=token)
