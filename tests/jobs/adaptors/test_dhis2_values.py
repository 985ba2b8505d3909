"""`dhis2`: data values, what is sent again, long imports, reading the tracker."""

import json
import tracemalloc

import pytest

from jobs.adaptors.dhis2.refusals import ImportRefused
from jobs.adaptors.errors import (
    NotFound,
    Unavailable,
    ValidationError,
)
from tests.common.faulty import Seen, answer, hang_up
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


# Sending again.


@pytest.mark.parametrize(
    ("payload", "strategy", "tries"),
    [
        ({"events": [EVENT]}, "CREATE_AND_UPDATE", 2),
        ({"events": [EVENT]}, "UPDATE", 2),
        ({"events": [EVENT]}, "CREATE", 1),
        ({"events": [{"program": "p"}]}, "CREATE_AND_UPDATE", 1),
        ({"events": [EVENT | {"notes": [{"value": "twice?"}]}]}, "CREATE_AND_UPDATE", 1),
        ({"trackedEntities": [{"trackedEntity": UID, "enrollments": [{"enrollment": OTHER}]}]}, "CREATE_AND_UPDATE", 2),
        ({"trackedEntities": [{"trackedEntity": UID, "enrollments": [{}]}]}, "CREATE_AND_UPDATE", 1),
    ],
)  # fmt: skip
def test_only_records_that_name_themselves_are_sent_again(dhis2, partner, payload, strategy, tries):
    partner["POST", "tracker"] = [hang_up, TAKEN]
    if tries == 2:
        assert dhis2.tracker.import_(payload, strategy=strategy).accepted == 1
    else:
        with pytest.raises(Unavailable) as caught:
            dhis2.tracker.import_(payload, strategy=strategy)
        assert caught.value.sent
    assert len(partner.seen) == tries


def test_a_deletion_whose_answer_got_lost_is_done(dhis2, partner):
    gone = answer(409, tracker_report(tracker_error("E1082", "already deleted"), ignored=1))
    partner["POST", "tracker"] = [hang_up, gone]
    dhis2.destroy("events", UID)
    assert len(partner.seen) == 2
    with pytest.raises(ValidationError, match="already deleted"):
        dhis2.destroy("events", UID)


@pytest.mark.parametrize(
    ("strategy", "tries"), [("CREATE_AND_UPDATE", 2), ("UPDATE", 2), ("CREATE", 1), ("DELETE", 1)]
)
def test_values_are_sent_again_unless_that_would_be_told_as_a_refusal(dhis2, partner, strategy, tries):
    partner["POST", "dataValueSets"] = [hang_up, answer(200, summary(updated=1))]
    if tries == 2:
        assert dhis2.send_values([{"value": 1}], import_strategy=strategy).updated == 1
    else:
        with pytest.raises(Unavailable):
            dhis2.send_values([{"value": 1}], import_strategy=strategy)
    assert len(partner.seen) == tries


def test_values_that_had_arrived_before_are_no_refusal(dhis2, partner):
    partner["POST", "dataValueSets"] = [hang_up, answer(200, summary(ignored=1))]
    assert dhis2.send_values([{"value": 1}]).ignored == 1


# Data values.


def test_values_go_out_with_their_header_and_come_back_as_counts(dhis2, partner):
    partner["POST", "dataValueSets"] = answer(
        200, message(200, "OK", "ok", "OK", **summary(imported=1, updated=1))
    )
    values = [dhis2.util.dv("f7n9E0hX8qk", number) for number in (1, 2)]
    report = dhis2.send_values(
        values, data_set="pBOMPrpg1QX", period="202505", org_unit="DiszpKrYNg8", orgUnitIdScheme="CODE"
    )
    assert partner.last.json == {
        "dataSet": "pBOMPrpg1QX",
        "period": "202505",
        "orgUnit": "DiszpKrYNg8",
        "dataValues": values,
    }
    assert partner.query() == {
        "orgUnitIdScheme": "CODE",
        "importStrategy": "CREATE_AND_UPDATE",
        "async": "false",
    }
    assert (report.created, report.updated, report.accepted, report.total) == (1, 1, 2, 2)


def test_a_check_without_keeping_is_asked_of_the_server(dhis2, partner):
    partner["POST", "dataValueSets"] = answer(200, summary(imported=1))
    dhis2.send_values([{"value": 1}], dry_run=True)
    assert partner.query()["dryRun"] == "true"


def test_a_check_that_finds_nothing_wrong_is_no_refusal(dhis2, partner):
    partner["POST", "tracker"] = answer(200, tracker_report(ignored=2))
    assert dhis2.tracker.import_({"events": [EVENT] * 2}, importMode="VALIDATE").ignored == 2
    with pytest.raises(ValidationError, match="2 of 2 records refused"):
        dhis2.tracker.import_({"events": [EVENT] * 2})


def test_values_by_create_are_sent_again_only_if_that_was_said_to_be_harmless(dhis2, partner):
    partner["POST", "dataValueSets"] = [hang_up, answer(200, summary(imported=1))]
    with pytest.raises(Unavailable):
        dhis2.create("dataValueSets", {"dataValues": [{"value": 1}]})
    partner["POST", "dataValueSets"] = [hang_up, answer(200, summary(imported=1))]
    dhis2.create("dataValueSets", {"dataValues": [{"value": 1}]}, importStrategy="CREATE_AND_UPDATE")
    assert len(partner.seen) == 3


def test_some_refused_values_are_listed_and_do_not_raise(dhis2, partner, told):
    late = conflict("202604", "Period: `202604` is after latest open future period: `202603`", indexes=[1])
    body = message(
        409,
        "Conflict",
        "conflicts",
        "WARNING",
        **summary(imported=2, ignored=1, conflicts=[late], status="WARNING"),
    )
    partner["POST", "dataValueSets"] = answer(409, body)
    report = dhis2.send_values([{"value": 1}] * 3)
    assert (report.status, report.accepted, report.ignored, report.total) == ("WARNING", 2, 1, 3)
    (one,) = report.conflicts
    assert (one.object, one.code, one.property, one.indexes) == ("202604", "E7641", "period", (1,))
    assert "1 of 3 values refused: Period" in warnings(told)[0]
    assert json.dumps(report.to_json())
    assert report.to_json()["conflicts"][0]["indexes"] == [1]
    assert "raw" not in report.to_json()


@pytest.mark.parametrize("status", [200, 409])
def test_values_that_were_all_refused_raise_whatever_the_status(dhis2, partner, status):
    body = summary(ignored=2, conflicts=[conflict("x", "Data element not found")], status="WARNING")
    partner["POST", "dataValueSets"] = answer(status, message(status, "Said", "conflicts", "WARNING", **body))
    with pytest.raises(ValidationError, match=r"2 of 2 values refused: x: Data element not found \(E7641\)$"):
        dhis2.send_values([{"value": 1}] * 2)


def test_a_secret_in_a_reason_is_masked(dhis2, partner):
    body = summary(ignored=1, conflicts=[conflict("x", "bad district")], status="ERROR")
    partner["POST", "dataValueSets"] = answer(409, body)
    with pytest.raises(ValidationError) as caught:
        dhis2.send_values([{"value": 1}])
    assert "district" not in caught.value.message


def test_a_long_list_goes_in_pieces_and_indexes_count_through(dhis2, partner):
    def take(seen):
        rows = seen.json["dataValues"]
        bad = [
            conflict("x", "no number", indexes=[at]) for at, row in enumerate(rows) if row["value"] == "bad"
        ]
        return answer(
            409 if bad else 200, summary(imported=len(rows) - len(bad), ignored=len(bad), conflicts=bad)
        )

    partner["POST", "dataValueSets"] = take
    values = [{"value": "bad" if number in (3, 11, 12, 13) else number} for number in range(14)]
    report = dhis2.send_values((each for each in values), chunk=5, period="202505")
    assert [len(each.json["dataValues"]) for each in partner.seen] == [5, 5, 4]
    assert {each.json["period"] for each in partner.seen} == {"202505"}
    assert (report.accepted, report.ignored, report.total) == (10, 4, 14)
    assert [each.indexes for each in report.conflicts] == [(3,), (11,), (12,), (13,)]
    assert len(report.raw) == 3


def test_a_piece_that_is_refused_does_not_stop_the_others(dhis2, partner):
    bad = answer(409, summary(ignored=1, conflicts=[conflict("x", "no")], status="ERROR"))
    partner["POST", "dataValueSets"] = [bad, answer(200, summary(imported=1))]
    report = dhis2.send_values([{"value": 1}] * 3, chunk=1)
    assert (report.accepted, report.ignored, len(partner.seen)) == (2, 1, 3)


def test_an_outage_half_way_says_what_had_been_taken(dhis2, partner):
    partner["POST", "dataValueSets"] = [answer(200, summary(imported=2)), answer(500, {"message": "broken"})]
    with pytest.raises(Unavailable, match=r"broken\. 2 values had been taken before\.$") as caught:
        dhis2.send_values([{"value": 1}] * 6, chunk=2)
    assert (caught.value.sent, caught.value.body["accepted"], len(partner.seen)) == (True, 2, 2)


def test_a_refused_piece_of_all_or_nothing_ends_the_import(dhis2, partner):
    partner["POST", "tracker"] = [TAKEN, answer(409, tracker_report(NOT_THERE, ignored=1)), TAKEN]
    with pytest.raises(ImportRefused, match=r"1 record had been taken before") as caught:
        dhis2.tracker.import_({"events": [EVENT] * 3}, chunk=1)
    assert (caught.value.report.accepted, caught.value.report.ignored) == (1, 1)
    assert (caught.value.sent, len(partner.seen)) == (True, 2)


def test_pieces_keep_the_order_in_which_one_needs_the_other(dhis2, partner):
    partner["POST", "tracker"] = TAKEN
    payload = {"events": [EVENT, EVENT], "trackedEntities": [{"trackedEntity": UID}]}
    dhis2.tracker.import_(payload, chunk=1, atomic="OBJECT")
    dhis2.tracker.import_(payload, chunk=1, strategy="DELETE")
    kinds = [next(iter(each.json)) for each in partner.seen]
    assert kinds == ["trackedEntities", "events", "events", "events", "events", "trackedEntities"]


def test_ten_thousand_events_are_never_held_as_a_whole(dhis2, partner):
    def take(seen):
        report = tracker_report(created=500)
        report["bundleReport"]["typeReportMap"]["EVENT"]["objectReports"] = [{"uid": UID} for _ in range(500)]
        return answer(200, report)

    partner["POST", "tracker"] = take
    partner.server.seen = Forgetful()
    events = ({"event": f"e{number}", "note": "x" * 300} for number in range(10_000))
    tracemalloc.start()
    try:
        report = dhis2.tracker.import_(("events", events), chunk=500)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert report.accepted == 10_000
    assert peak < 3_500_000  # as a list they are more than six million bytes


class Forgetful(list[Seen]):
    """A server's memory that does not count as ours."""

    def append(self, seen):
        self[:] = [seen]


# Reading the tracker and data values.


def test_export_reads_by_page_and_passes_everything_on(dhis2, partner):
    records = [{"event": number} for number in range(1_200)]
    partner.pages("tracker/events", records, style="instances")
    assert (
        dhis2.tracker.export("events", program="p", filter=["a:eq:1", "b:gt:2"], order="updatedAt:asc")
        == records
    )
    assert partner.query()["filter"] == ["a:eq:1", "b:gt:2"]
    assert (partner.query()["pageSize"], partner.query()["order"], len(partner.seen)) == (
        "500",
        "updatedAt:asc",
        3,
    )
    assert len(dhis2.tracker.export("events", max=700)) == 700
    assert dhis2.tracker.export("events", page=2, page_size=100) == records[100:200]
    assert dhis2.tracker.export("events", totalPages=True, max=3) == records[:3]
    assert partner.query()["totalPages"] == "true"


def test_export_without_paging_asks_for_all_at_once(dhis2, partner):
    partner.pages("tracker/events", [{"event": number} for number in range(700)])
    assert len(dhis2.tracker.export("tracker/events", paging=False)) == 700
    assert partner.query() == {"paging": "false"}


def test_each_and_get_read_the_tracker_too(dhis2, partner):
    partner.pages("tracker/enrollments", [{"enrollment": number} for number in range(5)], style="plain")
    assert [each["enrollment"] for each in dhis2.tracker.each("enrollments", page_size=2)] == [0, 1, 2, 3, 4]
    partner["GET", f"tracker/trackedEntities/{UID}"] = answer(200, {"trackedEntity": UID})
    assert dhis2.tracker.get("trackedEntities", UID, fields="*") == {"trackedEntity": UID}
    with pytest.raises(NotFound):
        dhis2.tracker.get("events", UID)


def test_get_values_answers_the_values_alone(dhis2, partner):
    partner["GET", "dataValueSets"] = [
        answer(200, {"dataSet": "d", "dataValues": [{"value": "1"}]}),
        answer(200, {}),
    ]
    assert dhis2.get_values(data_set="d", period=["202504", "202505"], org_unit="o", children=True) == [
        {"value": "1"}
    ]
    assert partner.query() == {
        "dataSet": "d",
        "period": ["202504", "202505"],
        "orgUnit": "o",
        "children": "true",
    }
    assert dhis2.get_values(data_set="d") == []
