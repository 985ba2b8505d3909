"""`dhis2`: reports in their other shapes, and jobs in the background."""

import pytest

from jobs.adaptors.dhis2 import imports, waiting
from jobs.adaptors.dhis2.reports import ImportReport, parsed
from jobs.adaptors.errors import AdaptorError, NotFound, Timeout, ValidationError
from tests.common.faulty import answer
from tests.jobs.adaptors.dhis2_partner import (
    Dhis2,
    conflict,
    connected,
    message,
    summary,
    tracker_error,
    tracker_report,
)

UID = "aVcGf9iO8Xp"
OTHER = "Kj6vYde4LHh"
EVENT = {"event": UID, "program": "p", "notes": []}
TAKEN = answer(200, tracker_report(created=1))
NOT_THERE = tracker_error("E1005", "Could not find TrackedEntityType: `Q9GufDoplCL`.")


@pytest.fixture
def partner():
    with Dhis2() as server:
        yield server


@pytest.fixture
def told():
    return []


@pytest.fixture
def dhis2(partner, told):
    with connected(partner, told) as client:
        yield client


def read(body) -> ImportReport:
    report = parsed(body)
    assert report is not None
    return report


# Reports in their other shapes.


def test_several_summaries_with_more_inside_are_added_up():
    inner = {"importSummaries": [summary(ignored=1, conflicts=[conflict("e", "no stage")], status="ERROR")]}
    outer = {
        "status": "ERROR",
        "importSummaries": [
            summary(imported=1, reference="r1", enrollments=inner),
            summary(ignored=1, status="ERROR", reference="r2", description="Org unit unknown"),
        ],
    }
    report = read(message(409, "Conflict", "An error occurred", **outer))
    assert (report.status, report.accepted, report.ignored) == ("ERROR", 1, 2)
    assert [(each.object, each.message) for each in report.conflicts] == [
        ("e", "no stage"),
        ("r2", "Org unit unknown"),
    ]


def test_a_report_over_metadata_is_added_up():
    wrong = {"message": "No `name`", "errorCode": "E4000", "mainKlass": "org.hisp.dhis.DataElement"}
    objects = [{"klass": "x.y.DataElement", "index": 3, "uid": UID, "errorReports": [wrong]}]
    body = {
        "status": "ERROR",
        "stats": {"created": 0, "updated": 4, "deleted": 0, "ignored": 1, "total": 5},
        "typeReports": [{"klass": "x.y.DataElement", "objectReports": objects}],
    }
    for shape in (body, message(409, "Conflict", "see report", **body)):
        report = read(shape)
        assert (report.updated, report.ignored, report.total, report.partial) == (4, 1, 5, True)
        (one,) = report.conflicts
        assert (one.object, one.code, one.type, one.indexes) == (UID, "E4000", "DataElement", (3,))


def test_an_import_summary_of_an_old_server_has_no_envelope():
    report = read(summary(imported=2, ignored=1, conflicts=[{"object": "a", "value": "b"}], status="WARNING"))
    assert (report.status, report.accepted, str(report.conflicts[0])) == ("WARNING", 2, "a: b")


@pytest.mark.parametrize(
    "body", [None, [], "text", {"id": UID}, {"dataValues": []}, {"status": "ACTIVE", "event": UID}]
)
def test_what_is_no_report_is_not_taken_for_one(body):
    assert parsed(body) is None


# Imports in the background.


def job(**facts):
    return answer(200, message(200, "OK", "Tracker job added", "OK", **facts))


def note(text, *, completed=False, level="INFO"):
    return {"level": level, "category": "TRACKER_IMPORT_JOB", "message": text, "completed": completed}


def test_a_tracker_job_is_waited_for_and_its_progress_told(dhis2, partner, told, monkeypatch):
    monkeypatch.setattr(waiting, "BETWEEN_NOTES", 0.0)
    partner["POST", "tracker"] = job(id="cHh2OCTJvRw", location="https://inside/api/tracker/jobs/cHh2OCTJvRw")
    partner["GET", "tracker/jobs/cHh2OCTJvRw"] = [
        answer(404, message(404, "Not Found", "no such job")),
        answer(200, [note("Validating"), note("Started")]),
        answer(200, [note("Persisting"), note("Validating")]),
        answer(200, [note("Done", completed=True), note("Persisting")]),
    ]
    partner["GET", "tracker/jobs/cHh2OCTJvRw/report"] = [
        answer(404, message(404, "Not Found", "no report yet")),
        answer(200, tracker_report(created=3)),
    ]
    started = dhis2.tracker.import_({"events": [EVENT]}, asynchronous=True)
    assert started == {"id": "cHh2OCTJvRw", "type": "TRACKER"}
    assert partner.query()["async"] == "true"
    assert dhis2.wait(started, every=0.02).created == 3
    assert [text.rpartition(": ")[2] for _level, text in told] == ["Validating", "Persisting"]


def test_a_job_of_data_values_has_its_own_places(dhis2, partner):
    partner["POST", "dataValueSets"] = job(
        jobType="DATAVALUE_IMPORT", id="YR1UxOUXmzT", relativeNotifierEndpoint="/api/system/tasks/x"
    )
    partner["GET", "system/tasks/DATAVALUE_IMPORT/YR1UxOUXmzT"] = answer(200, [note("Done", completed=True)])
    partner["GET", "system/taskSummaries/DATAVALUE_IMPORT/YR1UxOUXmzT"] = [
        answer(200),
        answer(200, summary(imported=2)),
    ]
    started = dhis2.send_values([{"value": 1}] * 2, asynchronous=True)
    assert dhis2.wait(started, every=0.02).created == 2


def test_several_jobs_are_waited_for_together(dhis2, partner):
    partner["POST", "tracker"] = [job(id="jobA"), job(id="jobB")]
    for name, created in (("jobA", 1), ("jobB", 2)):
        partner["GET", f"tracker/jobs/{name}"] = answer(200, [note("Done", completed=True)])
        partner["GET", f"tracker/jobs/{name}/report"] = answer(200, tracker_report(created=created))
    jobs = dhis2.tracker.import_({"events": [EVENT] * 2}, asynchronous=True, chunk=1)
    assert [each["id"] for each in jobs] == ["jobA", "jobB"]
    assert dhis2.wait(jobs, every=0.02).accepted == 3


def test_an_error_half_way_says_which_jobs_had_begun(dhis2, partner, told):
    partner["POST", "tracker"] = [job(id="jobA"), answer(400, message(400, "Bad Request", "no"))]
    with pytest.raises(ValidationError) as caught:
        dhis2.tracker.import_({"events": [EVENT] * 2}, asynchronous=True, chunk=1)
    assert caught.value.sent
    assert told == [("warning", "DHIS2 had begun these jobs before the error: jobA.")]


def test_a_server_that_names_no_job_is_not_believed(dhis2, partner):
    partner["POST", "tracker"] = answer(200, message(200, "OK", "Tracker job added", "OK"))
    with pytest.raises(AdaptorError, match="without naming the job"):
        dhis2.tracker.import_({"events": [EVENT]}, asynchronous=True)


def test_a_job_that_was_refused_raises_as_the_import_would_have(dhis2, partner):
    partner["GET", "tracker/jobs/jobA"] = answer(200, [note("Failed", completed=True, level="ERROR")])
    partner["GET", "tracker/jobs/jobA/report"] = answer(200, tracker_report(NOT_THERE, ignored=1))
    with pytest.raises(ValidationError, match="1 of 1 records refused"):
        dhis2.wait("jobA", every=0.02)


def test_a_job_that_died_is_told_in_its_own_words(dhis2, partner, monkeypatch):
    monkeypatch.setattr(waiting, "PATIENCE_AFTER_FAILURE", 0.05)
    partner["GET", "tracker/jobs/jobA"] = answer(200, [note("Out of disk", completed=True, level="ERROR")])
    with pytest.raises(AdaptorError, match="DHIS2: Out of disk"):
        dhis2.wait("jobA", every=0.02)


def test_waiting_is_bounded_and_says_that_the_job_goes_on(dhis2, partner):
    partner["GET", "tracker/jobs/jobA"] = answer(200, [note("Persisting")])
    with pytest.raises(Timeout, match="it goes on there") as caught:
        dhis2.wait("jobA", timeout=0.1, every=0.02)
    assert (caught.value.sent, caught.value.retryable) == (True, False)


def test_a_job_that_nobody_knows_is_not_waited_for_long(dhis2, monkeypatch):
    monkeypatch.setattr(waiting, "PATIENCE", 0.05)
    with pytest.raises(NotFound, match="knows no job jobA"):
        dhis2.wait("jobA", every=0.02)
    with pytest.raises(ValidationError, match="asynchronous import"):
        dhis2.wait({"id": "../me"})


def test_progress_of_a_long_import_goes_to_the_log(dhis2, partner, told, monkeypatch):
    monkeypatch.setattr(imports, "BETWEEN_NOTES", 0.0)
    partner["POST", "dataValueSets"] = answer(200, summary(imported=2))
    dhis2.send_values([{"value": 1}] * 4, chunk=2)
    assert told == [("info", "2 values sent, 2 taken so far."), ("info", "4 values sent, 4 taken so far.")]
