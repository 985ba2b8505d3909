"""`manage.py job run FILE` and `manage.py job stubs`: writing jobs at the desk, in an editor of one's own."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from jobs.adaptors import registry
from jobs.language.check import check_in_process
from jobs.language.contract import Connection
from jobs.language.stubs import stub
from openfn_platform.common.errors import PlatformError
from runs.desk import DeskEnd, DeskJob, desk_run
from runs.desk_files import desk_library, desk_tables
from runs.sandbox.exchanges import Exchange
from runs.sandbox.limits import Limits
from runs.sandbox.logs import LogLine

LANGUAGES = {".py": "python", ".js": "javascript"}

RUN = """\
Runs a job as the platform would: the same language, adaptors, limits and confined process, without a database.
Its log comes line by line, its final state at the end; the exit code is 0 when it succeeded, else 1.

  manage.py job run register.py --input form.json --config openmrs=openmrs:openmrs.json --dry-run
  manage.py job run sms.py --input '{"phone": "+22890112233"}' --config sms=sms:twilio.json
  manage.py job run export.py --setting country=Togo --step register-patient=patient.json

With --dry-run nothing is written to a partner: what would be sent is shown. Without it the job is live.
--tables DIR has the project's tables as files: a CSV as the table's page gives it, or a JSON object of keys and values.
--library DIR has its shared modules. What the job writes to tables lasts as long as the run.
A credential file is a JSON object with the fields that the credential has on its page. Secrets are masked in
everything that is printed.
"""
STUBS = """\
Prints type stubs of the names that a job has in scope, for an editor to complete and check:

  manage.py job stubs --config openmrs=openmrs > job_scope.pyi
"""


class Command(BaseCommand):
    help = "Jobs at the desk: `job run FILE` runs one, `job stubs` prints type stubs for an editor."
    requires_system_checks = []  # nothing here needs the database

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="run | stubs")
        run = verbs.add_parser("run", help="run a job file", description=RUN)
        run.formatter_class = RawDescriptionHelpFormatter
        run.add_argument("file", metavar="FILE", help="the job's code; the name's end says its language")
        run.add_argument("--input", metavar="X", help="JSON, a file with JSON, or - : becomes state.data")
        run.add_argument("--state", metavar="X", help="the same, as the whole state")
        run.add_argument("--dry-run", action="store_true", help="show what would be written to partners")
        run.add_argument(
            "--step", action="append", default=[], metavar="JOB=X", help="an earlier job's final state"
        )
        run.add_argument(
            "--tables", metavar="DIR", help="a folder with tables: facilities.csv or facilities.json"
        )
        run.add_argument(
            "--library", metavar="DIR", help="a folder with modules of the library: facilities.py"
        )
        run.add_argument("--seconds", type=float, default=300, metavar="N", help="how long it may take")
        stubs = verbs.add_parser("stubs", help="print type stubs", description=STUBS)
        stubs.formatter_class = RawDescriptionHelpFormatter
        for verb in (run, stubs):
            verb.add_argument(
                "--config",
                action="append",
                default=[],
                metavar="ALIAS=ADAPTOR[:FILE]",
                help=f"a connection with its credential; adaptors: {', '.join(registry.names())}",
            )
            verb.add_argument(
                "--setting",  # --settings is Django's own
                action="append",
                default=[],
                metavar="KEY=VALUE",
                help="one of the job's settings; the value is JSON, or else text",
            )

    def handle(self, *args: Any, verb: str, **options: Any) -> None:
        try:
            self._stubs(options) if verb == "stubs" else self._run(options)
        except PlatformError as error:
            raise CommandError(error.message) from None

    def _stubs(self, options: dict[str, Any]) -> None:
        aliases = {each.alias: each.adaptor for each in map(connection, options["config"])}
        self.stdout.write(stub(aliases=aliases, settings=tuple(settings_of(options))))

    def _run(self, options: dict[str, Any]) -> None:
        job = job_of(options)
        self._checked(job)
        end = desk_run(job=job, on_log=self._told, limits=Limits(wall_seconds=options["seconds"]))
        self._ended(end, dry=job.dry)
        if not end.good:
            sys.exit(1)

    def _checked(self, job: DeskJob) -> None:
        """The same findings as on the job's page. They keep nothing from running: it is a desk."""
        for found in check_in_process(
            language=job.language,
            code=job.code,
            aliases={each.alias: each.adaptor for each in job.connections},
            settings=tuple(job.settings),
            steps=tuple(job.steps),
            tables=tuple(job.tables),
            library=tuple(source.key for source in job.library),
        ):
            self.stderr.write(f"{found.severity} in line {found.line}: {found.message}")

    def _told(self, lines: list[LogLine]) -> None:
        for line in lines:
            text = told(line.exchange) if line.exchange else line.text
            self.stdout.write(f"{line.at.astimezone():%H:%M:%S} {line.level:<7} {text}")
        self.stdout.flush()

    def _ended(self, end: DeskEnd, *, dry: bool) -> None:
        result, death = end.ended.result, end.ended.death
        if end.state is not None:
            self.stdout.write(json.dumps(end.state, indent=2, ensure_ascii=False))
        for key, reason in result.problems if result else ():
            self.stderr.write(f"problem {key}: {reason}")
        if death is not None:
            self.stderr.write(f"Ended: {death.reason}")
        elif result is not None and result.failure is not None:
            place = f" (line {result.failure.line})" if result.failure.line else ""
            self.stderr.write(f"{result.failure.type}{place}: {result.failure.message}")
            if result.failure.hint:
                self.stderr.write(result.failure.hint)
        elif result is not None:
            said = f": {result.note}" if result.note else ""
            how = "dry run, nothing was written to partners" if dry else "live"
            self.stderr.write(f"{result.outcome.value}{said} ({how}; {end.ended.confinement})")


def job_of(options: dict[str, Any]) -> DeskJob:
    file = Path(options["file"])
    language = LANGUAGES.get(file.suffix)
    if language is None:
        raise CommandError(f"The name of a job file ends with {' or '.join(LANGUAGES)}.")
    if options["input"] is not None and options["state"] is not None:
        raise CommandError("Give either --input or --state.")
    state = {"data": {} if options["input"] is None else json_of(options["input"])}
    if options["state"] is not None:
        state = {"data": {}} | object_of(options["state"], what="--state")
    return DeskJob(
        code=text_of(file),
        language=language,
        name=file.stem,
        state=state,
        connections=tuple(map(connection, options["config"])),
        settings=settings_of(options),
        steps={name: object_of(value, what=f"--step {name}") for name, value in map(named, options["step"])},
        tables=desk_tables(options["tables"]) if options["tables"] else {},
        library=desk_library(options["library"]) if options["library"] else (),
        dry=options["dry_run"],
        time_zone=settings.TIME_ZONE,
    )


def settings_of(options: dict[str, Any]) -> dict[str, Any]:
    return {name: plain(value) for name, value in map(named, options["setting"])}


def plain(value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError:
        return value


def connection(given: str) -> Connection:
    """From `alias=adaptor:FILE`; without a file it has no credential."""
    alias, rest = named(given)
    adaptor, _, file = rest.partition(":")
    registry.spec(adaptor)
    configuration = object_of(file, what=f"the credential of {alias}") if file else {}
    return Connection(alias=alias, adaptor=adaptor, configuration=configuration)


def named(given: str) -> tuple[str, str]:
    name, equals, value = given.partition("=")
    if not equals or not name or not value:
        raise CommandError(f"“{given}” has no name: write NAME=VALUE.")
    return name, value


def object_of(given: str, *, what: str) -> dict[str, Any]:
    value = json_of(given)
    if not isinstance(value, dict):
        raise CommandError(f"{what} must be a JSON object, in braces.")
    return value


def json_of(given: str) -> Any:
    """A JSON text, a file that holds one, or `-` for standard input."""
    try:
        return json.loads(given)
    except ValueError:
        if given.lstrip()[:1] in ("{", "["):
            raise CommandError(f"This is not JSON: {given[:80]}") from None
    text = sys.stdin.read() if given == "-" else text_of(Path(given))
    try:
        return json.loads(text)
    except ValueError as error:
        raise CommandError(f"What “{given}” holds is not JSON: {error}") from None


def text_of(file: Path) -> str:
    try:
        return file.read_text("utf-8-sig")
    except OSError as error:
        raise CommandError(f"“{file}” cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise CommandError(f"“{file}” is not a text in UTF-8.") from None


def told(exchange: Exchange) -> str:
    """One line for one request to a partner."""
    said = str(exchange.status or "") or exchange.outcome
    silence = "no answer" if exchange.protocol == "http" else "done"
    answer = ": ".join(part for part in (said, exchange.error) if part) or silence
    if exchange.dry:
        answer = "not sent (dry run)"
    protocol = "" if exchange.protocol == "http" else f"{exchange.protocol.upper()} "
    repeated = f" (attempt {exchange.attempt})" if exchange.attempt > 1 else ""
    body = f" {exchange.request_body}" if exchange.request_body else ""
    more = " … (cut)" if exchange.request_cut else ""
    return f"{protocol}{exchange.method} {exchange.url} → {answer}{repeated}{body}{more}"
