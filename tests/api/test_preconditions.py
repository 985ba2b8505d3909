"""ETags and chosen fields: what every single thing of the API promises to those who read and write it."""

from __future__ import annotations

import gzip
import json

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from openfn_platform.common.preconditions import (
    BadPrecondition,
    ChangedMeanwhile,
    is_known,
    precondition_check,
    tag_of,
    tag_of_part,
)
from tests.api.cast import Caller, Clinic, problem
from triggers.models import Trigger

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(shown=st.dictionaries(st.text(), json_values))
def test_the_same_answer_has_the_same_tag_in_whatever_order(shown):
    assert tag_of(shown) == tag_of(dict(reversed(shown.items())))
    assert is_known(tag_of(shown), tag_of(shown))
    precondition_check(tag_of(shown), tag_of(shown))


@given(before=json_values, after=json_values)
def test_a_change_is_seen_and_one_that_nobody_made_is_in_nobodys_way(before, after):
    old, new = tag_of({"name": before}), tag_of({"name": after})
    changed = json.dumps(before, sort_keys=True) != json.dumps(after, sort_keys=True)
    assert (old != new) is changed
    if changed:
        with pytest.raises(ChangedMeanwhile):
            precondition_check(old, new)
    old, new = (tag_of({"next": each}, volatile={"next"}) for each in (before, after))
    assert is_known(old, new) is not changed
    precondition_check(old, new)


@pytest.mark.parametrize("wrong", ["", "x", "abc-def", "W/", "'a-b'"])
def test_what_is_no_tag_is_said_to_be_none(wrong):
    with pytest.raises(BadPrecondition):
        precondition_check(wrong, tag_of({}))


def test_one_of_several_tags_is_enough_and_compression_does_not_matter():
    tag = tag_of({"name": "x"})
    precondition_check(f'"other-one", W/{tag}', tag)
    precondition_check("*", tag)
    with pytest.raises(ChangedMeanwhile, match="without `fields`"):
        precondition_check(tag_of_part({"name": "x"}), tag)


# --- over HTTP ------------------------------------------------------------------------------------


def test_what_a_program_has_already_is_not_sent_again(api: Caller, clinic: Clinic):
    job = clinic.job()
    answer = api.get(f"jobs/{job.pk}")
    assert answer["Cache-Control"] == "private, no-cache"
    again = api.get(f"jobs/{job.pk}", headers={"if-none-match": answer["ETag"]})
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", answer["ETag"])
    type(job).objects.update(name="Another")
    assert api.get(f"jobs/{job.pk}", headers={"if-none-match": answer["ETag"]}).status_code == 200


def test_a_firing_changes_what_is_shown_but_not_what_may_be_changed(api: Caller, clinic: Clinic):
    trigger = clinic.on_schedule(clinic.job(), schedule_kind="cron", cron="0 23 * * 5")
    before = api.get(f"triggers/{trigger.pk}")["ETag"]
    Trigger.objects.update(next_slot_at="2030-01-04T23:00:00Z")
    after = api.get(f"triggers/{trigger.pk}")["ETag"]
    assert before != after
    precondition_check(before, after)


def test_the_tag_of_a_compressed_answer_is_as_good(api: Caller, clinic: Clinic):
    path = f"runs/{clinic.run().pk}"
    answer = api.get(path, headers={"accept-encoding": "gzip"})
    assert json.loads(gzip.decompress(answer.content)) == api.get(path).json()
    assert answer["ETag"].startswith("W/")
    precondition_check(answer["ETag"], api.get(path)["ETag"])
    assert api.get(path, headers={"if-none-match": answer["ETag"]}).status_code == 304


def test_only_the_fields_that_are_asked_for_are_shown(api: Caller, clinic: Clinic):
    run = clinic.run()
    assert api.get(f"runs/{run.pk}", fields="state,id").json() == {"id": str(run.pk), "state": "failed"}
    assert api.results("runs", fields="state") == [{"state": "failed"}]
    page = api.get("runs?fields=id&page_size=1").json()
    assert [set(row) for row in page["results"]] == [{"id"}]
    assert api.get(f"messages/{clinic.message().pk}", fields="id, work_orders").json().keys() == {
        "id",
        "work_orders",
    }


@pytest.mark.parametrize("name", ["runs", "messages", "jobs", "triggers", "workflows", "incidents", "sent"])
def test_a_field_that_there_is_not_is_refused_with_those_that_there_are(
    api: Caller, clinic: Clinic, name: str
):
    clinic.run()
    for wrong in ("passwd", "", "id,,state", "id;state", "project__name", "ID"):
        assert "must be one or more of: " in problem(api.get(name, fields=wrong), 400)


def test_a_part_of_a_thing_can_be_kept_but_not_be_changed_by(api: Caller, clinic: Clinic):
    job = clinic.job()
    part = api.get(f"jobs/{job.pk}", fields="id")
    assert api.get(f"jobs/{job.pk}", fields="id", headers={"if-none-match": part["ETag"]}).status_code == 304
    with pytest.raises(ChangedMeanwhile):
        precondition_check(part["ETag"], api.get(f"jobs/{job.pk}")["ETag"])


def test_what_is_left_out_is_not_looked_up(api: Caller, clinic: Clinic):
    clinic.on_message(clinic.job())

    def cost(**parameters: str) -> int:
        with CaptureQueriesContext(connection) as seen:
            api.results("triggers", **parameters)
        return len(seen)

    api.results("triggers")
    assert cost(fields="id,name") == cost() - 1
