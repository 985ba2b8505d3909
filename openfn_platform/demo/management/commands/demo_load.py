"""`manage.py demo_load`: make the demo project. `up` calls it; a second time changes nothing.

Says what it does on standard error; the last line of standard output is JSON: {"api_token": …, "inboxes": {…}}.
"""

from __future__ import annotations

import json
import os
from argparse import ArgumentParser
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from openfn_platform.demo.clinic import CREDENTIALS
from openfn_platform.demo.keeping import Kept
from openfn_platform.demo.loading import demo_load
from openfn_platform.projects.models import User

KEPT_IN = "demo.json"


class Command(BaseCommand):
    help = "Make the demo project “Clinic registration”, or what is missing of it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--standin",
            action="append",
            default=[],
            metavar="NAME=URL",
            help="where a partner system answers (default: as STANDINS in the environment says)",
        )
        parser.add_argument("--owner", metavar="EMAIL", help="(default: the first administrator)")
        parser.add_argument(
            "--secrets",
            type=Path,
            metavar="FILE",
            help=f"where the API token and the inbox key are kept (default: {KEPT_IN} in DATA_DIR)",
        )

    def handle(self, *args: Any, standin: list[str], owner: str | None, **options: Any) -> None:
        folder = os.environ.get("DATA_DIR")
        file = options["secrets"] or (Path(folder) / KEPT_IN if folder else None)
        loaded = demo_load(
            standins=_standins(standin),
            owner=_owner(owner),
            kept=Kept(file),
            say=lambda sentence: self.stderr.write(f"demo: {sentence}"),
        )
        self.stdout.write(json.dumps(asdict(loaded)))


def _standins(given: list[str]) -> dict[str, str]:
    found: dict[str, str] = json.loads(os.environ.get("STANDINS") or "{}")
    for pair in given:
        name, _, url = pair.partition("=")
        found[name] = url
    for name in sorted({each.standin for each in CREDENTIALS if not each.optional}):
        if not found.get(name):
            raise CommandError(
                f"Say where the stand-in for {name} answers: --standin {name}=http://127.0.0.1:…"
            )
    return found


def _owner(email: str | None) -> User:
    people = User.objects.filter(is_active=True)
    people = people.filter(email__iexact=email) if email else people.filter(is_superuser=True)
    owner = people.order_by("pk").first()
    if owner is None:
        raise CommandError(
            f"There is nobody with the address {email}."
            if email
            else "There is no administrator yet; make one first."
        )
    return owner
