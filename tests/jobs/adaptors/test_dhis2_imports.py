"""`dhis2`: what goes into the tracker."""

import pytest

from jobs.adaptors.dhis2.refusals import ImportRefused
from jobs.adaptors.errors import AdaptorError, Conflict, ValidationError
from tests.common.faulty import answer
from tests.jobs.adaptors.dhis2_partner import (
    Dhis2,
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


def warnings(told):
    return [text for level, text in told if level == "warning"]


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


# The tracker's types by the ordinary verbs.


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        ("enrollments", "enrollment"),
        ("events", "event"),
        ("trackedEntities", "trackedEntity"),
        ("relationships", "relationship"),
    ],
)
def test_the_trackers_types_go_through_the_tracker_with_their_strategy(dhis2, partner, kind, key):
    partner["POST", "tracker"] = TAKEN
    assert dhis2.create(kind, {"a": 1})["stats"]["created"] == 1
    dhis2.update(kind, UID, {"a": 1})
    dhis2.upsert(kind, None, {key: UID})
    dhis2.destroy(kind, UID)
    assert partner.calls() == ["POST /api/tracker"] * 4
    sent = [partner.query(index) for index in range(4)]
    assert [each["importStrategy"] for each in sent] == ["CREATE", "UPDATE", "CREATE_AND_UPDATE", "DELETE"]
    assert {each["async"] for each in sent} == {"false"}
    assert [each.json for each in partner.seen] == [
        {kind: [{"a": 1}]},
        {kind: [{"a": 1, key: UID}]},
        {kind: [{key: UID}]},
        {kind: [{key: UID}]},
    ]


def test_other_types_do_not_go_through_the_tracker(dhis2, partner):
    partner["POST", "dataValueSets"] = answer(200, summary(imported=1))
    partner["POST", "dataElements"] = answer(201, message(201, "Created", "made", "OK"))
    dhis2.create("dataValueSets", {"dataValues": [{"value": 1}]})
    dhis2.create("dataElements", {"name": "x"})
    assert partner.calls() == ["POST /api/dataValueSets", "POST /api/dataElements"]


def test_create_takes_a_list_too_and_passes_parameters_on(dhis2, partner):
    partner["POST", "tracker"] = answer(200, tracker_report(created=2))
    dhis2.create("events", [{"a": 1}, {"a": 2}], skipRuleEngine=True)
    assert partner.last.json == {"events": [{"a": 1}, {"a": 2}]}
    assert partner.query()["skipRuleEngine"] == "true"
    with pytest.raises(ValidationError, match="nothing to send"):
        dhis2.create("events", [])


# Importing.


def test_an_import_says_its_strategy_and_waits_for_the_end(dhis2, partner):
    partner["POST", "tracker"] = TAKEN
    report = dhis2.tracker.import_({"events": [EVENT]}, strategy="UPDATE", reportMode="FULL")
    assert partner.query() == {
        "importStrategy": "UPDATE",
        "async": "false",
        "atomicMode": "ALL",
        "reportMode": "FULL",
    }
    assert (report.status, report.accepted, report.total, report.conflicts) == ("OK", 1, 1, [])
    assert report.raw["stats"]["created"] == 1


def test_a_type_with_its_list_or_a_single_record_will_do(dhis2, partner):
    partner["POST", "tracker"] = TAKEN
    dhis2.tracker.import_(("events", iter([EVENT])))
    dhis2.tracker.import_({"events": EVENT, "enrollments": []})
    assert [each.json for each in partner.seen] == [
        {"events": [EVENT]},
        {"events": [EVENT], "enrollments": []},
    ]


@pytest.mark.parametrize("payload", [{}, {"evnts": []}, ("dataElements", [])])
def test_a_payload_of_unknown_types_is_refused_here(dhis2, partner, payload):
    with pytest.raises(ValidationError, match="trackedEntities, enrollments, events, relationships"):
        dhis2.tracker.import_(payload)
    assert partner.seen == []


@pytest.mark.parametrize("wrong", [{"strategy": "MERGE"}, {"atomic": "SOME"}])
def test_an_unknown_mode_is_refused_here(dhis2, partner, wrong):
    with pytest.raises(ValidationError, match=r"knows"):
        dhis2.tracker.import_({"events": [EVENT]}, **wrong)
    assert partner.seen == []


def test_nothing_to_import_asks_nothing(dhis2, partner):
    assert dhis2.tracker.import_({"events": []}).total == 0
    assert dhis2.send_values([]).total == 0
    assert partner.seen == []


def test_a_refused_import_raises_with_the_first_reason_and_the_report(dhis2, partner):
    partner["POST", "tracker"] = answer(409, tracker_report(NOT_THERE, NOT_THERE, ignored=4))
    with pytest.raises(ImportRefused) as caught:
        dhis2.tracker.import_({"events": [EVENT] * 4})
    assert caught.value.message == (
        "DHIS2: 4 of 4 records refused: aVcGf9iO8Xp: Could not find TrackedEntityType: `Q9GufDoplCL`. (E1005), "
        "and 1 more reason"
    )
    first = caught.value.report.conflicts[0]
    assert (first.object, first.code, first.type) == (UID, "E1005", "EVENT")
    assert (caught.value.status, caught.value.sent, caught.value.retryable) == (409, False, False)
    assert caught.value.body["status"] == "ERROR"


def test_what_is_there_already_is_a_conflict(dhis2, partner):
    partner["POST", "tracker"] = answer(409, tracker_report(tracker_error("E1030", "exists"), ignored=1))
    with pytest.raises(Conflict, match=r"1 of 1 events refused: .*exists \(E1030\)"):
        dhis2.create("events", EVENT)


def test_a_partial_success_is_returned_as_such_and_warned_of(dhis2, partner, told):
    partner["POST", "tracker"] = answer(409, tracker_report(NOT_THERE, created=2, ignored=1))
    report = dhis2.tracker.import_({"events": [EVENT] * 3}, atomic="OBJECT")
    assert partner.query()["atomicMode"] == "OBJECT"
    assert (report.status, report.accepted, report.ignored, report.partial) == ("ERROR", 2, 1, True)
    assert [each.code for each in report.conflicts] == ["E1005"]
    assert len(warnings(told)) == 1
    assert "1 of 3 records refused" in warnings(told)[0]
    assert dhis2.create("events", [EVENT] * 3)["stats"]["created"] == 2


def test_remarks_on_what_was_taken_are_kept_and_warned_of(dhis2, partner, told):
    remark = {"message": "Generated by a rule", "warningCode": "E1308", "uid": UID, "trackerType": "EVENT"}
    partner["POST", "tracker"] = answer(200, tracker_report(created=1, warnings=[remark]))
    report = dhis2.tracker.import_({"events": [EVENT]})
    assert (report.status, report.warnings[0].code, report.conflicts) == ("WARNING", "E1308", [])
    assert "Generated by a rule" in warnings(told)[0]


def test_an_answer_without_a_report_is_no_success(dhis2, partner):
    partner["POST", "tracker"] = answer(200, {})
    with pytest.raises(AdaptorError, match="without a report") as caught:
        dhis2.tracker.import_({"events": [EVENT]})
    assert caught.value.sent


@pytest.mark.parametrize("payload", [[{"event": UID}], ({"event": UID},), {}, {"eventz": []}])
def test_a_payload_without_its_type_is_told_what_it_must_have(dhis2, partner, payload):
    with pytest.raises(ValidationError, match="A tracker payload has lists under trackedEntities"):
        dhis2.tracker.import_(payload)
    assert partner.seen == []
