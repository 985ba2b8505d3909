"""The cast and the post office."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from openfn_platform.projects.models import Role
from tests.servers.smtp import Postbox

from . import cast


@pytest.fixture
def clinic(db: None) -> SimpleNamespace:
    """One project with an owner and a member who want mail and a viewer who does not; somebody outside; root."""
    project = cast.project()
    people = SimpleNamespace(
        project=project,
        owner=cast.person("Olga", time_zone="Africa/Nairobi"),
        member=cast.person("Max"),
        viewer=cast.person("Vera"),
        outsider=cast.person("Otto"),
        root=cast.person("Root", is_superuser=True),
    )
    cast.member(project, people.owner, role=Role.OWNER)
    cast.member(project, people.member, role=Role.OPERATOR)
    cast.member(project, people.viewer, mail=False)
    cast.member(cast.project("Elsewhere"), people.outsider, role=Role.OWNER)
    return people


@pytest.fixture
def postbox(settings: Any) -> Iterator[Postbox]:
    """Not open yet: nothing listens until `open()`."""
    box = Postbox()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST = "127.0.0.1"
    settings.EMAIL_PORT = box.port
    settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""
    settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
    settings.EMAIL_TIMEOUT = 2
    settings.MAIL_DIR = ""
    yield box
    box.close()
