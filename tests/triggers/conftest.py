"""The web server that inboxes are asked through, and a clinic with an inbox."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.flows.world import World
from tests.triggers.serving import Server, database_url, served


@pytest.fixture(scope="session")
def server(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with served(database_url(), tmp_path_factory.mktemp("web") / "log") as running:
        yield running


@pytest.fixture
def site(settings: Any) -> World:
    """A clinic whose inbox starts one job for whatever arrives."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # fast, and nobody logs in
    world = World()
    world.on_message(world.job())
    return world
