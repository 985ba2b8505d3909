"""`manage.py credential_key`: print a fresh key for CREDENTIAL_KEYS."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from openfn_platform.common.crypto import new_key


class Command(BaseCommand):
    help = "Print a new key. Put it first in CREDENTIAL_KEYS, then run rotate_credentials."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(new_key())
