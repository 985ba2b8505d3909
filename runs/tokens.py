"""The OAuth tokens of one run's connections: renewed when a partner refuses one while the run goes on.

A job whose partner refuses every token must not wear out the provider's patience, so each connection gets a new one
at most every few seconds. The new token is made known to the redactor before the child can write it anywhere.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from jobs.language.contract import Connection
from jobs.models import Credential, ProjectCredential
from jobs.opening import CredentialLoadError
from jobs.tokens import TokenUnavailable, token_renew
from openfn_platform.common.errors import Invalid
from runs.models import Run
from runs.sandbox.redaction import Redactor

RENEWED_AT_MOST_EVERY = 10.0  # seconds


class Tokens:
    """Answers `token.refresh`."""

    def __init__(self, run: Run, connections: Iterable[Connection], redactor: Redactor) -> None:
        self._environment = run.project.environment
        self._links = {each.alias: each.credential for each in connections if each.renewable}
        self._redactor = redactor
        self._given: dict[str, float] = {}  # alias -> when it got a new one

    def refresh(self, body: dict[str, Any]) -> dict[str, Any]:
        alias = str(body.get("connection"))
        link = self._links.get(alias)
        if link is None:
            raise Invalid(f"The connection “{alias[:40]}” has no token that could be renewed.")
        if time.monotonic() - self._given.get(alias, -RENEWED_AT_MOST_EVERY) < RENEWED_AT_MOST_EVERY:
            return {"unavailable": "The access token was renewed a moment ago and is refused all the same."}
        return self._renewed(alias, link, str(body.get("stale")))

    def _renewed(self, alias: str, link: str, stale: str) -> dict[str, Any]:
        try:
            credential = _credential(link)
            token = token_renew(credential=credential, environment=self._environment, stale=stale)
        except TokenUnavailable as error:
            return {"unavailable": error.message}
        except CredentialLoadError as error:
            return {"refused": error.message}
        self._given[alias] = time.monotonic()
        self._redactor.learn({"access_token": token})
        return {"access_token": token}


def _credential(link: str) -> Credential:
    """As it is now: it may have been taken back or changed since the run began."""
    row = (
        ProjectCredential.objects.select_related("credential__project")
        .prefetch_related("credential__bodies")
        .filter(pk=link, ended_at=None)
        .first()
    )
    if row is None:
        raise CredentialLoadError("The credential is no longer lent to this project.")
    return row.credential
