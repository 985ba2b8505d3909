"""`manage.py story`: play the story against a running `up`, say what happened, end with 0 only if all is well."""

from __future__ import annotations

import sys
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from openfn_platform.common.errors import PlatformError
from openfn_platform.demo.doors import Doors, data_home, facts_read
from openfn_platform.demo.story import Row, Story

HEADINGS = ("form", "attempt", "national ID", "registration", "patient in OpenMRS", "SMS")


class Command(BaseCommand):
    help = "Five cases, four patients, one mail, one repair, five patients: against the `up` that runs."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--data", type=Path, default=data_home(), metavar="DIR", help="that `up` was given"
        )
        parser.add_argument(
            "--seconds",
            type=float,
            default=60,
            metavar="N",
            help="how long to wait for each step (default: 60)",
        )

    def handle(self, *args: Any, data: Path, seconds: float, **options: Any) -> None:
        self._began = time.monotonic()
        try:
            with Doors(facts_read(data.expanduser().absolute())) as doors:
                story = Story(doors, say=self._say, seconds=seconds)
                try:
                    story.play()
                except PlatformError as error:
                    story.deviations.append(error.message)
                self._table(story.rows())
        except PlatformError as error:
            raise CommandError(error.message) from None
        for sentence in story.deviations:
            self.stderr.write(f"not as told: {sentence}")
        if story.deviations:
            sys.exit(1)
        self._say(
            "five patients, one text message each, one mail when it failed and one when it was well again"
        )

    def _say(self, sentence: str) -> None:
        self.stdout.write(f"{time.monotonic() - self._began:6.1f} s  {sentence}")
        self.stdout.flush()

    def _table(self, rows: list[Row]) -> None:
        lines = [
            HEADINGS,
            *(
                (
                    str(row.form),
                    str(row.attempt),
                    row.national_id,
                    row.state,
                    row.patient or "–",
                    str(row.texts),
                )
                for row in rows
            ),
        ]
        widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
        self.stdout.write("")
        for line in lines:
            self.stdout.write(
                "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
            )
        for row in rows:
            if row.error:
                self.stdout.write(f"\nform {row.form}, attempt {row.attempt}: {row.error}")
        self.stdout.write("")
