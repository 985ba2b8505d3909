"""The jobs that the design shows, run as they stand."""

from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from jobs.adaptors.context import Context
from jobs.adaptors.errors import Unavailable
from tests.jobs.language.desk import Memory, connection, run_job

REGISTRATION = """\
# CommCare registration -> OpenMRS patient            settings: id_type, location
if value("form.consent", "no") != "yes":
    skip("no consent to share")
nid = value("form.national_id")
patient = openmrs.find_one("patient", identifier=nid)      # None or exactly one; several raise AmbiguousError
if patient is None:
    patient = once("create patient", openmrs.create, "patient", {
        "person": {"gender": value("form.sex")[0].upper(), "birthdate": value("form.dob"),
                   "names": [{"givenName": value("form.first"), "familyName": value("form.last")}]},
        "identifiers": [{"identifier": nid, "identifierType": settings.id_type, "location": settings.location}],
    })
note(f"patient {patient['uuid']}")
state.data = {"patient": patient["uuid"], "phone": value("form.phone", None)}
"""

EXPORT = """\
# weekly export, Friday 23:00                         connections: registry (postgresql), dhis2
start, end = run.period
rows = registry.query("select facility, indicator, count(*) n from visits where at >= %s and at < %s", [start, end])
report = dhis2.send_values([{"dataElement": settings.indicators[r["indicator"]], "orgUnit": r["facility"],
                             "period": dates.iso_week(start), "value": r["n"]} for r in rows])
for conflict in report.conflicts:
    problem(conflict.object, conflict.message)
note(f"{report.accepted} values taken, {report.ignored} refused")
"""

FORM = {
    "consent": "yes",
    "national_id": "100GEJ",
    "sex": "female",
    "dob": "1990-05-02",
    "first": "Amina",
    "last": "Diallo",
    "phone": "+221771234567",
}


class OpenMRS:
    """Patients by identifier; `lost` makes the answer to a create get lost on the way back."""

    def __init__(self) -> None:
        self.patients: dict[str, dict[str, Any]] = {}
        self.lost = False

    def connect(self, name: str, configuration: dict[str, Any], context: Context) -> "OpenMRS":
        assert (name, configuration) == ("openmrs", {"baseUrl": "https://emr.example"})
        return self

    def find_one(self, path: str, *, identifier: str) -> dict[str, Any] | None:
        return self.patients.get(identifier)

    def create(self, path: str, data: dict[str, Any]) -> dict[str, Any]:
        made = {"uuid": f"uuid-{len(self.patients) + 1}", **data}
        self.patients[data["identifiers"][0]["identifier"]] = made
        if self.lost:
            raise Unavailable("the connection broke off")
        return made


def register(server: OpenMRS, form: dict[str, Any], memory: Memory | None = None):
    return run_job(
        REGISTRATION,
        {"data": {"form": form}},
        channel=memory,
        connect=server.connect,
        connections=(connection("openmrs", baseUrl="https://emr.example"),),
        settings={"id_type": "T", "location": "L"},
    )


def test_a_registration_makes_one_patient_and_a_second_one_finds_it():
    server = OpenMRS()
    first, second = register(server, FORM), register(server, FORM)
    assert first.final == second.final == {"data": {"patient": "uuid-1", "phone": "+221771234567"}}
    assert first.result.note == "patient uuid-1"
    assert server.patients["100GEJ"]["person"]["gender"] == "F"
    assert len(server.patients) == 1


def test_without_consent_nothing_is_done():
    server = OpenMRS()
    done = register(server, {**FORM, "consent": "no"})
    assert (done.outcome, done.result.note, server.patients) == ("skipped", "no consent to share", {})


def test_a_form_without_the_national_id_says_which_fields_it_has():
    done = register(OpenMRS(), {name: value for name, value in FORM.items() if name != "national_id"})
    assert done.message == (
        "`form.national_id` is not in the message; `form` has: consent, sex, dob, first, last, phone"
    )
    assert done.failure.line == 4


def test_an_answer_that_got_lost_does_not_make_a_second_patient():
    server, memory = OpenMRS(), Memory()
    server.lost = True
    assert register(server, FORM, memory).failure.kind == "connection"
    server.patients.clear()  # the search of the retry does not find it yet
    assert register(server, FORM, memory).failure.type == "UnsureError"
    assert server.patients == {}


def test_the_weekly_export_sends_its_period_and_counts_refusals():
    asked: dict[str, Any] = {}

    def query(sql: str, values: list[Any]) -> list[dict[str, Any]]:
        asked["values"] = [value.isoformat() for value in values]
        return [
            {"facility": "F1", "indicator": "anc", "n": 3},
            {"facility": "F2", "indicator": "anc", "n": 4},
        ]

    def send_values(values: list[dict[str, Any]]) -> SimpleNamespace:
        asked["sent"] = values
        conflicts = [SimpleNamespace(object="F2", message="organisation unit is closed")]
        return SimpleNamespace(conflicts=conflicts, accepted=1, ignored=1)

    clients = {"postgresql": SimpleNamespace(query=query), "dhis2": SimpleNamespace(send_values=send_values)}
    done = run_job(
        EXPORT,
        connect=lambda name, configuration, context: clients[name],
        connections=(connection("registry", "postgresql"), connection("dhis2")),
        settings={"indicators": {"anc": "DE1"}},
        facts={
            "period": ("2026-03-06T23:00:00+03:00", "2026-03-13T23:00:00+03:00"),
            "time_zone": "Africa/Nairobi",
        },
    )
    assert done.outcome == "success", done.failure
    assert asked["values"] == ["2026-03-06T23:00:00+03:00", "2026-03-13T23:00:00+03:00"]
    assert [(each["orgUnit"], each["period"], each["value"]) for each in asked["sent"]] == [
        ("F1", "2026W10", 3),
        ("F2", "2026W10", 4),
    ]
    assert done.result.note == "1 values taken, 1 refused"
    assert done.result.problems == (("F2", "organisation unit is closed"),)


def _real(handler: Any) -> Any:
    """The installed adaptors, answered by a function instead of a network."""
    from dataclasses import replace

    from jobs.adaptors import registry

    transport = httpx.MockTransport(handler)
    return lambda name, configuration, context: registry.connect(
        name, configuration, replace(context, transport=transport)
    )


def test_the_real_http_adaptor_works_from_a_job_and_its_exchange_is_seen():
    connect = _real(lambda request: httpx.Response(200, json={"facilities": 3}))
    done = run_job("state.x = http.get('https://data.example/f').body['facilities']", connect=connect)
    assert done.outcome == "success", done.failure
    assert done.final["x"] == 3
    [trace] = [event for event in done.events if event["kind"] == "http"]
    assert (trace["connection"], trace["method"], trace["status"]) == (
        "http",
        "GET",
        200,
    )


def test_an_answer_of_the_real_adaptor_can_be_remembered_by_once():
    calls = []

    def handler(request: httpx.Request) -> httpx.Response:
        calls.append(request.method)
        return httpx.Response(201, json={"id": 7})

    code = "state.x = once('post', lab.post, '/results', {'a': 1})['body']\nskip('rest')"
    memory = Memory()
    options = {
        "connections": (connection("lab", "http", baseUrl="https://lab.example"),),
        "connect": _real(handler),
    }
    first, second = (run_job(code, channel=memory, **options) for _ in range(2))
    assert (first.outcome, first.final["x"], second.final["x"]) == ("success", {"id": 7}, {"id": 7})
    assert calls == ["POST"]


@pytest.mark.parametrize(
    ("status", "kind", "second"), [(400, "partner", "AdaptorError"), (500, "partner", "UnsureError")]
)
def test_a_refused_write_of_the_real_adaptor_may_be_sent_again_an_unclear_one_not(status, kind, second):
    memory = Memory()
    options = {
        "channel": memory,
        "connections": (connection("lab", "http", baseUrl="https://lab.example"),),
        "connect": _real(lambda request: httpx.Response(status, json={"message": "No such test"})),
    }
    code = "once('post', lab.post, '/results', {'a': 1})"
    failure = run_job(code, **options).failure
    assert (failure.type, failure.kind, failure.status) == ("AdaptorError", kind, status)
    assert (failure.connection, failure.credential) == ("lab", "credential-lab")
    assert "No such test" in failure.message
    assert run_job(code, **options).failure.type == second


def test_a_dry_run_with_the_real_adaptor_sends_no_write():
    def handler(request: httpx.Request) -> httpx.Response:
        raise AssertionError("nothing may be sent")

    code = "assert 'body' in once('post', lab.post, '/results', {'a': 1})\nskip('done')"
    done = run_job(
        code,
        connections=(connection("lab", "http", baseUrl="https://lab.example"),),
        connect=_real(handler),
        facts={"mode": "dry"},
    )
    assert (done.outcome, done.result.note) == ("skipped", "done")
    assert [event["method"] for event in done.events if event["kind"] == "http"] == ["POST"]


def test_a_credential_that_is_incomplete_keeps_the_job_from_starting():
    done = run_job(
        "", connections=(connection("openmrs"),), connect=_real(lambda request: httpx.Response(200))
    )
    assert (done.outcome, done.failure.type) == ("exception", "CredentialLoadError")
    assert "instanceUrl" in done.message
