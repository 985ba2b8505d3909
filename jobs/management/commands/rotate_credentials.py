"""`manage.py rotate_credentials`: encrypt all credentials and second factors with the first key of CREDENTIAL_KEYS."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from jobs.rotating import credentials_rotate
from openfn_platform.common.errors import PlatformError
from openfn_platform.common.text import plural
from openfn_platform.projects.second_factors import factors_rotate


class Command(BaseCommand):
    help = "Encrypt all credentials and second factors with the first key of CREDENTIAL_KEYS; afterwards the others can go."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            count = credentials_rotate() + factors_rotate()
        except PlatformError as error:
            raise CommandError(error.message) from None
        self.stdout.write(f"{plural(count, 'stored secret')} encrypted anew.")
