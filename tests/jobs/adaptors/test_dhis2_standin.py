"""`dhis2` against the stand-in, which checks what a real server checks."""

from __future__ import annotations

from typing import Any

import pytest

from jobs.adaptors import registry
from jobs.adaptors.context import Context
from jobs.adaptors.errors import AuthError, Conflict, NotFound, ValidationError
from openfn_platform.demo.standins.dhis2 import seeds
from openfn_platform.demo.standins.dhis2.partner import DHIS2
from openfn_platform.demo.standins.process import Standin


@pytest.fixture(scope="module")
def running():
    with Standin.start("dhis2") as standin:
        yield standin


@pytest.fixture
def standin(running):
    running.reset()
    running.clear_faults()
    running.clear_log()
    return running


@pytest.fixture
def connect(standin):
    opened = []

    def make(**more: Any) -> Any:
        usual = {"hostUrl": standin.url, "pat": DHIS2.settings["pat"]}
        client = registry.connect("dhis2", {**usual, **more}, Context(allow_private=True))
        opened.append(client)
        return client

    yield make
    for client in opened:
        client.close()


def value(number: int, **more: Any) -> dict[str, Any]:
    return {
        "dataElement": seeds.MEASLES, "orgUnit": seeds.GULL_POINT, "period": f"2026W{number}", "value": str(number),
        **more,
    }  # fmt: skip


def event(uid: str, **more: Any) -> dict[str, Any]:
    return {
        "event": uid, "program": seeds.CASE_NOTIFICATION, "programStage": seeds.CASE_REPORT,
        "orgUnit": seeds.GULL_POINT, "occurredAt": "2026-03-06", "status": "COMPLETED",
        "dataValues": [{"dataElement": seeds.CASE_DISEASE, "value": "CHOLERA"}], **more,
    }  # fmt: skip


def test_values_are_taken_and_the_refused_ones_named(connect):
    report = connect().send_values([value(9), value(10, orgUnit="OuNowhere01")])
    assert (report.accepted, report.ignored) == (1, 1)
    assert "OuNowhere01" in " ".join(each.message + each.object for each in report.conflicts)


def test_when_no_value_is_taken_that_is_an_error(connect):
    with pytest.raises((ValidationError, Conflict)):
        connect().send_values([value(9, orgUnit="OuNowhere01")])


def test_the_older_shape_of_a_summary_is_read_as_well(connect, standin):
    standin.configure(legacy_summaries=True)
    report = connect().send_values([value(9), value(10, orgUnit="OuNowhere01")])
    assert (report.accepted, report.ignored) == (1, 1)


def test_an_asynchronous_import_is_awaited(connect):
    client = connect()
    report = client.wait(client.send_values([value(9), value(10)], asynchronous=True))
    assert report.accepted == 2


def test_values_sent_twice_because_an_answer_was_lost_are_there_once(connect, standin):
    standin.faults(
        {"match": {"path_regex": "dataValueSets"}, "times": 1, "action": {"drop_after_processing": True}}
    )
    client = connect()
    client.send_values([value(9), value(10)])
    found = client.get_values(
        dataSet=seeds.WEEKLY_SURVEILLANCE,
        orgUnit=seeds.GULL_POINT,
        startDate="2026-01-01",
        endDate="2026-12-31",
    )
    values = found["dataValues"] if isinstance(found, dict) else found
    assert sorted(each["period"] for each in values) == ["2026W10", "2026W9"]


def test_events_are_made_changed_and_deleted(connect):
    client = connect()
    uid = client.uid("case-7")
    assert client.tracker.import_({"events": [event(uid)]}).created == 1
    assert client.tracker.import_({"events": [event(uid, status="ACTIVE")]}).updated == 1
    assert client.tracker.get("events", uid)["status"] == "ACTIVE"
    assert client.tracker.import_({"events": [{"event": uid}]}, strategy="DELETE").deleted == 1
    with pytest.raises(NotFound):
        client.tracker.get("events", uid)


def test_what_is_wrong_with_an_event_is_said_in_its_words_and_nothing_is_stored(connect):
    client = connect()
    good, bad = client.uid("good"), client.uid("bad")
    with pytest.raises((ValidationError, Conflict), match="OuNowhere01"):
        client.tracker.import_({"events": [event(good), event(bad, orgUnit="OuNowhere01")]})
    with pytest.raises(NotFound):
        client.tracker.get("events", good)


def test_the_good_ones_of_a_part_are_taken_where_that_is_wanted(connect):
    client = connect()
    good, bad = client.uid("good"), client.uid("bad")
    report = client.tracker.import_(
        {"events": [event(good), event(bad, orgUnit="OuNowhere01")]}, atomic="OBJECT"
    )
    assert (report.created, report.ignored) == (1, 1)
    assert client.tracker.get("events", good)["event"] == good


@pytest.mark.parametrize("instances", [False, True], ids=["events", "instances"])
def test_every_event_of_a_program_is_read_once(connect, standin, instances):
    standin.configure(instances_key=instances)
    standin.call("POST", "events", {"count": 530, "days": 14})
    found = [
        each["event"]
        for each in connect().tracker.each(
            "events", program=seeds.CASE_NOTIFICATION, ouMode="ALL", pageSize=100
        )
    ]
    assert len(found) == len(set(found)) == 530


def test_metadata_is_searched_made_and_changed(connect):
    client = connect()
    unit = client.find_one("organisationUnits", code="LM-N")
    assert unit is not None
    assert client.find_one("organisationUnits", code="LM-NOWHERE") is None
    group = {"id": client.uid("group"), "name": "Our group", "shortName": "Our group"}
    client.create("organisationUnitGroups", group)
    with pytest.raises((Conflict, ValidationError)):
        client.create("organisationUnitGroups", group)
    client.patch("organisationUnitGroups", group["id"], {"name": "Renamed"})
    found = client.find_one("organisationUnitGroups", id=group["id"], fields="id,name")
    assert found == {"id": group["id"], "name": "Renamed"}
    client.destroy("organisationUnitGroups", group["id"])
    assert client.find_one("organisationUnitGroups", id=group["id"]) is None


def test_a_wrong_credential_is_told_and_a_right_one_too(connect):
    with pytest.raises(AuthError):
        connect(pat="d2pat_wrong-wrong-wrong").test()
    assert "DHIS2" in connect().test()
    password = {"pat": "", "username": DHIS2.settings["username"], "password": DHIS2.settings["password"]}
    assert "DHIS2" in connect(**password).test()
