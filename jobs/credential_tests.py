"""Trying credentials: what is stored, and what somebody is about to store. No transaction is open meanwhile."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from django.conf import settings as platform
from django.db import transaction
from django.utils import timezone

from jobs.adaptors.context import Context
from jobs.adaptors.errors import AdaptorError
from jobs.adaptors.oauth import CODE
from jobs.adaptors.spec import AdaptorSpec
from jobs.adaptors.token_endpoint import Token
from jobs.credential_values import spec_of, values_merged, values_new
from jobs.models import Credential, CredentialBody, CredentialToken, ProjectCredential
from jobs.opening import CredentialLoadError, body_of, credential_open
from jobs.signals import credential_proved
from jobs.tokens import (
    Login,
    Ready,
    TokenError,
    credential_ready,
    digest_of,
    login_of,
    token_for,
    token_renew,
    with_token,
)
from jobs.trying import connection_try
from openfn_platform.common.errors import Conflict, NotFound
from openfn_platform.common.text import one_line
from openfn_platform.projects.actors import By, require, require_to_connect
from openfn_platform.projects.auditing import audit
from openfn_platform.projects.models import Project, Role

LONGEST = 500


class TestFailed(Conflict):
    """The connection could not be made with this credential."""

    code = "test_failed"
    __test__ = False  # a name that pytest would take for its own


@dataclass(frozen=True, kw_only=True)
class Tested:
    """What came of trying values before they are stored."""

    __test__: ClassVar[bool] = False  # likewise

    ok: bool
    sentence: str
    # Exactly what was tried: what is stored must not be something else. None: that is not known any more.
    values: Mapping[str, Any] | None = field(default=None, repr=False)


def credential_try_new(*, project: Project, adaptor: str, values: Mapping[str, Any], by: By) -> Tested | None:
    """Try the values of a credential that is not there yet. None: they can only be tried once it is connected."""
    require_to_connect(by, project)
    spec = spec_of(adaptor)
    complete = values_new(spec, values)
    return _try(spec, Credential(project=project, adaptor=adaptor, name="new"), complete, body=None)


def credential_try_change(
    *,
    credential: Credential,
    values: Mapping[str, Any],
    by: By,
    environment: str | None = None,
    clear: Iterable[str] = (),
) -> Tested | None:
    """Try what `credential_change` would store. None: nothing would change, or it has to be connected first."""
    require_to_connect(by, credential.project_id)
    spec = spec_of(credential.adaptor)
    environment = environment or credential.project.environment
    body = credential.bodies.filter(environment=environment).first()
    before = credential_open(credential=credential, environment=environment) if body is not None else {}
    after = values_merged(spec, before, values, frozenset(clear))
    if body is not None and after == before:
        return None
    return _try(spec, credential, after, body=body)


def credential_test(
    *, credential: Credential, by: By, environment: str | None = None, project: Project | None = None
) -> str:
    """Connect with it and say in one sentence how that went; raises `TestFailed` with one otherwise.

    Tested as a job of `project` (by default the one that owns it) would use it: with its environment and hosts.
    The result is kept beside the values; another project's view of them is not, its rules may be narrower.
    """
    project = project or credential.project
    require(by, project, Role.EDITOR)
    link = ProjectCredential.objects.filter(project=project, credential=credential, ended_at=None)
    if not link.exists():
        raise NotFound("This credential is not one of that project.")
    environment = environment or project.environment
    body = body_of(credential=credential, environment=environment)
    sealed = bytes(body.ciphertext)
    failed: TestFailed | None = None
    try:
        sentence = _tried(spec_of(credential.adaptor), credential, environment, project)
    except CredentialLoadError as error:
        failed = TestFailed(error.message, kind="auth")
    except AdaptorError as error:
        failed = TestFailed(_said(error), kind=error.kind)
    with transaction.atomic():
        said = failed.message if failed else sentence
        if project.pk == credential.project_id:
            # Only if these are still the values: a change meanwhile has brought its own result.
            rows = CredentialBody.objects.filter(pk=body.pk, ciphertext=sealed)
            rows.update(**result_columns(ok=failed is None, sentence=said))
        audit("credential tested", by, project=project, target=credential, changes={"worked": failed is None})
        if failed is None:
            credential_proved.send(sender=Credential, credential=credential, environment=environment, by=by)
    if failed is not None:
        raise failed
    return sentence


def result_columns(*, ok: bool, sentence: str) -> dict[str, Any]:
    """How a row keeps the result."""
    return {"tested_at": timezone.now(), "test_ok": ok, "test_sentence": one_line(sentence, LONGEST)}


def _tried(spec: AdaptorSpec, credential: Credential, environment: str, project: Project) -> str:
    ready = credential_ready(credential=credential, environment=environment)
    context = _context(project)
    try:
        return connection_try(spec=spec, configuration=ready.configuration, context=context)
    except AdaptorError as error:
        if error.status != 401 or not ready.renewable:
            raise
        # The token looked good and was refused: revoked, or ended early. A run would renew it too.
        renewed = _renewed(ready, credential, environment)
        return connection_try(spec=spec, configuration=renewed, context=context)


def _renewed(ready: Ready, credential: Credential, environment: str) -> dict[str, Any]:
    stale = digest_of(ready.configuration["access_token"])
    token = token_renew(credential=credential, environment=environment, stale=stale)
    return {**ready.configuration, "access_token": token}


def _try(
    spec: AdaptorSpec, credential: Credential, values: dict[str, Any], *, body: CredentialBody | None
) -> Tested | None:
    login = login_of(credential=credential, values=values)
    if login is not None and login.grant == CODE and not _is_connected(login, body):
        return None
    try:
        configuration = values if login is None else with_token(values, _token(login, body))
        sentence = connection_try(
            spec=spec, configuration=configuration, context=_context(credential.project)
        )
    except AdaptorError as error:
        usual = error.hint == error.default_hint  # “correct the credential”: that is what the person is at
        said = error.message if usual else _said(error)
        return Tested(ok=False, sentence=one_line(said, LONGEST), values=values)
    except TokenError as error:
        return Tested(ok=False, sentence=one_line(error.message, LONGEST), values=values)
    return Tested(ok=True, sentence=one_line(sentence, LONGEST), values=values)


def _is_connected(login: Login, body: CredentialBody | None) -> bool:
    """Whether the token that there is goes with these values."""
    return CredentialToken.objects.filter(body=body, fingerprint=login.fingerprint).exists()


def _token(login: Login, body: CredentialBody | None) -> Token:
    """The one that is connected, or one that the new values get: nobody keeps it before they are stored."""
    if login.grant == CODE and body is not None:
        return token_for(login=login, body=body)
    return login.endpoint.log_in()


def _context(project: Project) -> Context:
    return Context(allowed_hosts=tuple(project.allowed_hosts), allow_private=platform.JOB_ALLOW_LOOPBACK)


def _said(error: AdaptorError) -> str:
    return f"{error.message} {error.hint or ''}".strip()
