"""The names a job has in scope, said once: for the editor, the linter, the type stubs and the documentation."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ScopeName:
    """One name with what a person wants to know about it."""

    name: str
    signature: str  # as it is shown behind the name; empty for what is not called
    help: str  # one line
    example: str


# The helpers of `jobs.adaptors.common`.
HELPERS = ("dates", "csv", "phones", "chunks", "groups", "jsonpath")

# What the modules of the library know, too: nothing that belongs to one job. A connection of a job does not change it.
SHARED = (*HELPERS, "tables", "library", "skip", "fail", "note", "problem", "log", "print")

RUN_FACTS = {
    "id": "str",
    "attempt": "int",
    "work_order": "str",
    "project": "str",
    "workflow": "str",
    "job": "str",
    "trigger": "str | None",
    "scheduled_for": "datetime | None",
    "period": "tuple[datetime, datetime] | None",
    "idempotency_key": "str",
    "dry": "bool",
    "mode": "str",
    "time_zone": "str",
}

NAMES: tuple[ScopeName, ...] = (
    ScopeName(
        name="state",
        signature="",
        help="The object that went into the run and, as it is at the end, comes out of it.",
        example='state.data = {"patient": uuid}',
    ),
    ScopeName(
        name="value",
        signature="(path, default=…, of=…)",
        help="What stands at a path in state.data, or in another object; without a default it fails when nothing does.",
        example='value("form.names[0].family")',
    ),
    ScopeName(
        name="settings",
        signature="",
        help="The job's settings, edited as a form on its page.",
        example="settings.location",
    ),
    ScopeName(
        name="steps",
        signature="",
        help="Final states of earlier jobs of this work order, read only.",
        example='steps["register-patient"].data["uuid"]',
    ),
    ScopeName(
        name="tables",
        signature="",
        help="The project's tables: values by key. Also .get, .get_many, .set(key, value, ttl=…), .delete, .each.",
        example='tables.facilities[value("form.facility")]',
    ),
    ScopeName(
        name="library",
        signature="",
        help="The project's shared modules; `from library import …` does the same.",
        example="library.facilities.name_of(code)",
    ),
    ScopeName(
        name="once",
        signature="(key, fn, *args, **kwargs)",
        help="Calls fn and remembers the result: a retry of this run gets it without calling again.",
        example='once("create patient", openmrs.create, "patient", {…})',
    ),
    ScopeName(
        name="cursor",
        signature='(default=None, key="cursor", format=None)',
        help="How far an earlier run of the schedule came; cursor.keep(value) says how far this one does.",
        example='since = cursor("yesterday"); cursor.keep("start")',
    ),
    ScopeName(
        name="skip",
        signature="(reason)",
        help="Ends the run as skipped: there was nothing to do.",
        example='skip("no consent to share")',
    ),
    ScopeName(
        name="fail",
        signature="(reason, hint=None)",
        help="Ends the run as failed, with this sentence.",
        example='fail("two patients have this number")',
    ),
    ScopeName(
        name="note",
        signature="(text)",
        help="The outcome sentence of the run, shown in lists and mails; the last one stands.",
        example='note(f"{n} values taken")',
    ),
    ScopeName(
        name="problem",
        signature="(key, reason)",
        help="Records that one record was refused; the run goes on and counts its problems.",
        example='problem(row["id"], "no birth date")',
    ),
    ScopeName(
        name="log",
        signature="(*values)",
        help="A line for the run's log; also log.debug, log.warning, log.error.",
        example='log.warning("no phone number")',
    ),
    ScopeName(
        name="print",
        signature="(*values)",
        help="As in Python; each line goes to the run's log.",
        example='print("rows:", len(rows))',
    ),
    ScopeName(
        name="run",
        signature="",
        help="Facts about this run: " + ", ".join(RUN_FACTS) + ".",
        example="start, end = run.period",
    ),
    ScopeName(
        name="sync",
        signature="",
        help="The echo guard of a two-way sync: sync.wrote and sync.came_from_us(system, id, content).",
        example='if sync.came_from_us("dhis2", id, record): skip("our own change")',
    ),
    ScopeName(
        name="http",
        signature="",
        help="Requests to public addresses, without credentials.",
        example='http.get("https://example.org/facilities.json")',
    ),
    ScopeName(
        name="dates",
        signature="",
        help="Reading, writing and counting dates and reporting periods.",
        example="dates.iso_week(start)",
    ),
    ScopeName(
        name="csv",
        signature="",
        help="Reading and writing tables as CSV, whole (read, write) or row by row (each, lines).",
        example="rows = csv.read(text)",
    ),
    ScopeName(
        name="phones",
        signature="",
        help="Phone numbers in the international form.",
        example='phones.normalise(value("phone"), "KE")',
    ),
    ScopeName(
        name="chunks",
        signature="(iterable, size)",
        help="A long list in pieces.",
        example="for part in chunks(rows, 100):",
    ),
    ScopeName(
        name="groups",
        signature="(iterable, key)",
        help="The rows of a list by a field, or by what a function says.",
        example='for clinic, visits in groups(rows, "clinic").items():',
    ),
    ScopeName(
        name="jsonpath",
        signature="(expression, data)",
        help="Everything that a JSONPath finds.",
        example='jsonpath("$.form..phone", state.data)',
    ),
)
