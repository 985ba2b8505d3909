"""People with passwords, and browsers that are not logged in yet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.hashers import make_password

from tests import factories
from tests.accounts.doors import PASSWORD
from tests.factories import Cast


@pytest.fixture(autouse=True)
def no_collected_files(settings: Any, tmp_path: Path) -> None:
    """Nothing was collected in a checkout, and WhiteNoise warns of that."""
    settings.STATIC_ROOT = tmp_path
    settings.WHITENOISE_USE_FINDERS = False


@pytest.fixture(autouse=True)
def quick_passwords(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def cast(db: None) -> Cast:
    """Everybody has the same password."""
    made = factories.cast("Clinic")
    hashed = make_password(PASSWORD)
    for person in (
        made.owner,
        made.admin,
        made.editor,
        made.operator,
        made.viewer,
        made.outsider,
        made.superuser,
    ):
        person.password = hashed
        person.save(update_fields=["password"])
    return made
