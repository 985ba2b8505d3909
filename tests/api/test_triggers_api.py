"""Triggers by the API: made, changed, switched, put away; when they fire next, what they said before."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from jobs.models import Job, Workflow
from openfn_platform.projects.models import AuditEntry
from tests.api.cast import UNKNOWN, Caller, Clinic, problem
from triggers.models import Inbox, Trigger, TriggerRevision

CRON = {"kind": "cron", "cron": "0 23 * * 5", "time_zone": "Africa/Nairobi"}


@pytest.fixture
def job(clinic: Clinic) -> Job:
    return clinic.job(key="register", settings=[{"key": "place", "type": "text", "default": None}])


def made(api: Caller, **body: Any) -> Any:
    answer = api.post("triggers", {"name": "New", "workflow": "main", "jobs": ["register"], **body})
    assert answer.status_code == 201, answer.content
    assert api.get(answer["Location"]).json() == answer.json()
    return answer.json()


def test_a_trigger_for_messages(api: Caller, job: Job):
    pairs = [{"inclusion": {"form": "x"}, "exclusion": {"test": True}}, {"inclusion": {}}]
    told = made(api, kind="message", criteria=pairs, settings={"place": "Kisumu"}, enabled=True)
    assert (told["criteria"], told["jobs"], told["enabled"]) == (pairs, [str(job.pk)], True)
    assert (told["settings"], told["schedule"], told["scope"]) == ({"place": "Kisumu"}, None, None)
    assert (told["key"], told["revision"]) == ("new", 1)
    assert AuditEntry.objects.latest("id").action == "trigger made"


def test_a_trigger_for_messages_takes_every_message_unless_it_says_which(api: Caller, job: Job):
    assert made(api, kind="message")["criteria"] == [{"inclusion": {}}]


def test_a_schedule_that_is_on_knows_its_next_time(api: Caller, job: Job):
    told = made(api, kind="schedule", schedule=CRON)
    assert (told["enabled"], told["next_slot_at"]) == (False, None)
    assert (told["schedule"]["cron"], told["schedule"]["catch_up"]) == ("0 23 * * 5", "latest")
    answer = api.patch(f"triggers/{told['id']}", {"enabled": True})
    slot = datetime.fromisoformat(answer.json()["next_slot_at"])
    assert (slot.weekday(), slot.hour) == (4, 20)  # 23:00 in Nairobi


def test_a_start_without_a_zone_is_what_the_clock_shows_there(api: Caller, job: Job):
    schedule = {"kind": "every", "every": 2, "unit": "weeks", "time_zone": "Africa/Nairobi"}
    for start in ("2026-01-02T23:00:00", "2026-01-02T20:00:00Z", "2026-01-03T01:30:00+05:30"):
        told = made(api, kind="schedule", schedule={**schedule, "starts_at": start})
        moment = datetime.fromisoformat(told["schedule"]["starts_at"])
        assert moment == datetime.fromisoformat("2026-01-02T20:00:00Z")


def test_what_is_read_can_be_sent_back(api: Caller, job: Job):
    told = made(api, kind="schedule", schedule=CRON)
    answer = api.patch(f"triggers/{told['id']}", {"schedule": told["schedule"], "jobs": told["jobs"]})
    assert answer.json() == told  # nothing changed, and no revision was made
    told = made(api, kind="flow", upstream="register", event="failure", jobs=[], condition="state.data")
    same = {name: told[name] for name in ("upstream", "scope", "event", "condition", "settings", "jobs")}
    assert api.patch(f"triggers/{told['id']}", same).json() == told


def test_a_trigger_that_follows_a_job(api: Caller, clinic: Clinic, job: Job):
    after = clinic.job(key="tell")
    told = made(api, kind="flow", upstream="register", event="failure", jobs=["tell"])
    assert (told["upstream"], told["scope"], told["event"]) == (str(job.pk), "job", "failure")
    assert told["jobs"] == [str(after.pk)]
    path = f"triggers/{told['id']}"
    told = api.patch(path, {"condition": "state.data['age'] < 5"}).json()
    assert (told["condition"], told["event"]) == ("state.data['age'] < 5", "failure")
    told = api.patch(path, {"scope": "workflow", "condition": None}).json()
    assert (told["scope"], told["upstream"], told["condition"]) == ("workflow", None, None)
    assert api.patch(path, {"upstream": str(job.pk)}).json()["scope"] == "job"
    assert "itself" in problem(api.patch(path, {"jobs": ["register"]}), 409)


def test_each_change_is_kept(api: Caller, clinic: Clinic, job: Job):
    told = made(api, kind="message")
    path = f"triggers/{told['id']}"
    for number in range(3):
        api.patch(path, {"criteria": [{"inclusion": {"n": number}}], "name": f"n{number}"})
    page = api.get(f"{path}/revisions", page_size=3).json()
    rest = api.get(page["next"]).json()
    rows = page["results"] + rest["results"]
    assert [row["number"] for row in rows] == [4, 3, 2, 1]
    assert rows[0]["snapshot"]["criteria"] == [{"inclusion": {"n": 2}}]
    assert (rows[0]["author"], rest["next"]) == (None, None)
    assert rows[3]["snapshot"]["name"] == "New"


def test_a_change_over_one_that_was_not_read_is_refused_whole(api: Caller, clinic: Clinic, job: Job):
    told = made(api, kind="message")
    path = f"triggers/{told['id']}"
    old = api.get(path)["ETag"]
    api.patch(path, {"name": "Theirs"})
    for body in ({"name": "Mine"}, {"enabled": True}, {"criteria": [{"inclusion": {"mine": 1}}]}):
        problem(api.patch(path, body, match=old), 412)
        problem(api.patch(path, body, match=""), 428)
    problem(api.delete(path, match=old), 412)
    now = api.get(path).json()
    assert (now["name"], now["enabled"], now["criteria"], now["archived_at"]) == (
        "Theirs",
        False,
        [{"inclusion": {}}],
        None,
    )


def test_a_schedule_that_fired_meanwhile_is_in_nobodys_way(api: Caller, job: Job):
    told = made(api, kind="schedule", schedule=CRON, enabled=True)
    path = f"triggers/{told['id']}"
    old = api.get(path)["ETag"]
    Trigger.objects.filter(pk=told["id"]).update(next_slot_at="2030-01-04T20:00:00Z")
    assert api.patch(path, {"name": "Mine"}, match=old).status_code == 200


def test_of_a_change_that_is_refused_nothing_is_kept(api: Caller, job: Job):
    """A schedule that has passed cannot be on, so its new name is not kept either."""
    told = made(api, kind="schedule", schedule={"kind": "once", "starts_at": "2020-01-01T00:00:00Z"})
    path = f"triggers/{told['id']}"
    assert "passed" in problem(api.patch(path, {"name": "Mine", "enabled": True}), 422)
    assert api.get(path).json() == told
    assert TriggerRevision.objects.filter(trigger=told["id"]).count() == 1


def test_putting_away_takes_its_inboxes_along(api: Caller, clinic: Clinic, job: Job):
    told = made(api, kind="message")
    inbox = Inbox.objects.create(project=clinic.project, trigger_id=told["id"], name="Its own")
    assert api.delete(f"triggers/{told['id']}").status_code == 204
    inbox.refresh_from_db()
    assert inbox.archived_at is not None
    assert api.ids("triggers", archived="true") == [told["id"]]
    assert "archived" in problem(api.patch(f"triggers/{told['id']}", {"name": "x"}), 409)


# --- times ----------------------------------------------------------------------------------------


def test_a_schedule_tells_when_it_fires_next(api: Caller, job: Job):
    told = made(api, kind="schedule", schedule=CRON)
    firings = api.get(f"triggers/{told['id']}/firings", count="3").json()
    assert firings["time_zone"] == "Africa/Nairobi"
    times = [datetime.fromisoformat(each) for each in firings["times"]]
    assert [(each.weekday(), each.hour) for each in times] == [(4, 23)] * 3
    assert "Friday" in firings["words"]
    assert api.post("firings", {"schedule": CRON, "count": 3}).json() == firings
    message = made(api, kind="message")
    assert "no schedule" in problem(api.get(f"triggers/{message['id']}/firings"), 409)
    problem(api.get(f"triggers/{told['id']}/firings", count="101"), 400)


@pytest.mark.parametrize(
    ("schedule", "said"),
    [
        ({"kind": "cron", "cron": "61 * * * *"}, "61"),
        ({"kind": "cron", "cron": "0 0 31 2 *"}, "never"),
        ({"kind": "cron", "cron": ""}, ""),
        ({"kind": "cron"}, ""),
        ({"kind": "every", "every": 2, "unit": "weeks"}, "start"),
        ({"kind": "every", "unit": "weeks", "starts_at": "2026-01-01T00:00:00"}, "never"),
        ({"kind": "once"}, "date"),
        ({"kind": "once", "starts_at": "0001-01-01T00:00:00"}, "reach"),
        ({"kind": "once", "starts_at": "0001-01-01T00:00:00Z", "time_zone": "America/Lima"}, "reach"),
        ({"kind": "once", "starts_at": "9999-12-31T23:59:59Z", "time_zone": "Asia/Tokyo"}, "reach"),
        ({"kind": "cron", "cron": "* * * * *", "time_zone": "Mars/Crater"}, "Mars/Crater"),
        ({"kind": "once", "starts_at": "2030-01-01T00:00:00Z", "time_zone": "Mars/Crater"}, "Mars/Crater"),
    ],
)
def test_a_schedule_that_makes_no_sense_is_refused_with_the_reason(api: Caller, job: Job, schedule, said):
    answer = api.post("firings", {"schedule": schedule})
    assert said in problem(answer, 422)
    field = answer.json()["field"]
    assert field.partition(".")[0] == "schedule"
    assert field.partition(".")[2] in {"cron", "every", "unit", "starts_at", "time_zone"}
    body = {"name": "x", "kind": "schedule", "jobs": [str(job.pk)], "schedule": schedule}
    assert said in problem(api.post("triggers", body), 422)
    assert not Trigger.objects.exists()


# --- nonsense -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"kind": "stream"}, "kind"),
        ({"kind": 1}, "kind"),
        ({"kind": "schedule"}, "schedule"),
        ({"kind": "flow", "upstream": "register"}, "event"),
        ({"kind": "message", "schedule": CRON}, "schedule"),
        ({"kind": "schedule", "schedule": CRON, "criteria": []}, "criteria"),
        ({"kind": "message", "event": "failure"}, "event"),
        ({"kind": "message", "enabled": "yes"}, "enabled"),
        ({"kind": "message", "enabled": 1}, "enabled"),
        ({"kind": "message", "jobs": "register"}, "jobs"),
        ({"kind": "message", "jobs": [7]}, "jobs.0"),
        ({"kind": "message", "jobs": ["x"] * 101}, "jobs"),
        ({"kind": "message", "criteria": {}}, "criteria"),
        ({"kind": "message", "criteria": [{"include": 1}]}, "criteria.0.include"),
        ({"kind": "message", "criteria": [{"inclusion": {}}] * 51}, "criteria"),
        ({"kind": "message", "settings": []}, "settings"),
        ({"kind": "schedule", "schedule": {"kind": "cron", "crom": "x"}}, "schedule.crom"),
        ({"kind": "schedule", "schedule": {"kind": "every", "every": "2"}}, "schedule.every"),
        ({"kind": "schedule", "schedule": {"kind": "once", "starts_at": "soon"}}, "schedule.starts_at"),
        ({"kind": "schedule", "schedule": {"kind": "once", "starts_at": 5}}, "schedule.starts_at"),
        ({"kind": "message", "workflow": ["main"]}, "workflow"),
        ({"kind": "message", "project": UNKNOWN}, "project"),
        ({"kind": "message", "revision": 7}, "revision"),
    ],
)
def test_a_body_that_cannot_be_read_is_told_where(api: Caller, job: Job, body, field):
    answer = api.post("triggers", {"name": "x", "workflow": "main", "jobs": ["register"], **body})
    problem(answer, 400)
    assert answer.json()["field"] == field
    assert not Trigger.objects.exists()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"jobs": [], "workflow": "main", "kind": "message", "criteria": []}, 422),
        ({"jobs": ["register"], "kind": "message"}, 404),  # a key without a workflow names nothing
        ({"kind": "message"}, 422),
        ({"jobs": ["register", "nope"], "workflow": "main", "kind": "message"}, 404),
        ({"workflow": "nope", "kind": "message"}, 404),
        ({"workflow": "main", "kind": "flow", "event": "success"}, 422),
        ({"workflow": "main", "kind": "flow", "event": "success", "upstream": "nope"}, 404),
        ({"workflow": "main", "kind": "flow", "event": "success", "scope": "job"}, 422),
        (
            {
                "workflow": "main",
                "kind": "flow",
                "event": "success",
                "upstream": "register",
                "condition": "import os",
            },
            422,
        ),
        ({"workflow": "main", "jobs": ["register"], "kind": "message", "settings": {"nope": 1}}, 422),
        ({"workflow": "main", "jobs": ["register"], "kind": "message", "settings": {"place": 1}}, 422),
    ],
)
def test_a_trigger_that_makes_no_sense_is_refused(api: Caller, job: Job, body, status):
    problem(api.post("triggers", {"name": "x", **body}), status)
    assert not Trigger.objects.exists()


def test_a_job_of_another_workflow_is_refused(api: Caller, clinic: Clinic, job: Job):
    other = Workflow.objects.create(project=clinic.project, key="other", name="Other")
    body = {"name": "x", "kind": "message", "workflow": str(other.pk), "jobs": [str(job.pk)]}
    assert "another workflow" in problem(api.post("triggers", body), 422)


def test_what_belongs_to_a_neighbour_is_as_good_as_nothing(clinic: Clinic, stranger: Clinic, job: Job):
    theirs = stranger.job(key="theirs")
    api = clinic.caller()
    base = {"name": "x", "workflow": "main", "jobs": ["register"]}
    trigger = made(api, kind="message")
    for field, extra in (
        ("jobs", {"kind": "message"}),
        ("workflow", {"kind": "message"}),
        ("upstream", {"kind": "flow", "event": "success"}),
    ):
        foreign = theirs.workflow_id if field == "workflow" else theirs.pk
        told = [
            problem(
                api.post("triggers", {**base, **extra, field: [str(key)] if field == "jobs" else str(key)}),
                404,
            )
            for key in (foreign, UNKNOWN)
        ]
        assert told[0] == told[1]
    problem(api.patch(f"triggers/{trigger['id']}", {"jobs": [str(theirs.pk)]}), 404)
    caller = stranger.caller()
    for key in (trigger["id"], UNKNOWN):
        problem(caller.patch(f"triggers/{key}", {"enabled": True}, match="*"), 404)
        problem(caller.delete(f"triggers/{key}", match="*"), 404)
        problem(caller.get(f"triggers/{key}/firings"), 404)
        problem(caller.get(f"triggers/{key}/revisions"), 404)
    assert Trigger.objects.count() == 1
