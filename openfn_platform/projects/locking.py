"""One change of a project's set-up at a time.

An advisory lock and not the project's row: a run that ends may pause its job, which counts up
`project.config_version` while it holds the job; holding the project and then asking for the job would deadlock.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable

from django.db import connection

from openfn_platform.projects.models import Project

_SEED = 4712  # the claim has a seed of its own: editing never makes runs wait


Guard = Callable[[], None]
"""What a verb asks once it holds its locks; raises when the caller's picture of the thing is out of date.

Most callers simply hold the locks already. Verbs that do slow work first, without a lock, take a guard.
"""


def unguarded() -> None:
    """Whatever it is by now."""


def project_lock(project: Project | uuid.UUID) -> None:
    """Wait until nobody else changes this project's set-up; held to the end of the transaction."""
    key = project.pk if isinstance(project, Project) else project
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, %s))", [str(key), _SEED])
