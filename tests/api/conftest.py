"""The clinic, and one that it must not hear of."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.cast import Caller, Clinic

STATIC_FILES = "whitenoise.middleware.WhiteNoiseMiddleware"


@pytest.fixture(autouse=True)
def _light_settings(settings: Any) -> None:
    """Without the server of static files, which complains about a folder that only an installation has.

    Passwords are no matter here, so they need not cost a tenth of a second each.
    """
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if name != STATIC_FILES]


@pytest.fixture
def clinic(db: None) -> Clinic:
    return Clinic()


@pytest.fixture
def stranger(db: None) -> Clinic:
    return Clinic("Another clinic")


@pytest.fixture
def api(clinic: Clinic) -> Caller:
    """A program that may do everything in the clinic."""
    return clinic.caller()
