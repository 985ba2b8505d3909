"""One server and one scene for a module."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import override_settings

from tests.badinput.scene import Scene, scene_build, scene_remove
from tests.triggers.serving import database_url, served

HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # fast, and nobody logs in by password


@pytest.fixture(scope="module")
def scene(
    django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Scene]:
    folder: Path = tmp_path_factory.mktemp("web")
    light = override_settings(PASSWORD_HASHERS=HASHERS, STATIC_ROOT=folder, WHITENOISE_USE_FINDERS=False)
    with light, django_db_blocker.unblock(), served(database_url(), folder / "log") as server:
        try:
            yield scene_build(server)
        finally:
            scene_remove()
