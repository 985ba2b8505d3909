"""Upserts of described systems: the one that matches is changed, none is made twice, nothing is guessed."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from jobs.adaptors import registry
from jobs.adaptors.context import Context
from jobs.adaptors.errors import AmbiguousError, Unavailable, ValidationError
from openfn_platform.common.http import Retries
from tests.common.faulty import Act, FaultyServer, Seen, answer, hang_up
from tests.jobs.adaptors.conformance.case import query
from tests.jobs.adaptors.conformance.test_conformance import CASES

NOTHING = [None, "", "  "]


class Partner:
    """Records by number behind one address, which it lists, makes and changes."""

    def __init__(self, name) -> None:
        self.name = name
        self.records: list[dict[str, Any]] = []
        self.faults: list[Act] = []
        self.asked: list[Seen] = []
        self.server = FaultyServer(self._act)

    def __enter__(self):
        self.server.__enter__()
        return self

    def __exit__(self, *_):
        self.client.close()
        self.server.__exit__()

    def connect(self, *, dry_run=False):
        context = Context(allow_private=True, dry_run=dry_run, retries=Retries(attempts=3, first_wait=0.01))
        self.client = registry.connect(self.name, CASES[self.name].configuration(self.server.url), context)
        return self.client

    @property
    def writes(self):
        return [(each.method, urlsplit(each.target).path) for each in self.asked if each.method != "GET"]

    def _act(self, connection, seen):
        logged_in = CASES[self.name].log_in(seen)
        if logged_in is not None:
            return logged_in(connection, seen)
        self.asked.append(seen)
        if seen.method == "GET":
            return answer(200, self.listed(seen))(connection, seen)
        act = answer(200, self.written(seen))
        return (self.faults.pop(0) if self.faults else act)(connection, seen)

    def written(self, seen):
        data = self.unwrapped(seen.json)
        if seen.method == "POST":
            self.records.append(self.made(data, str(len(self.records) + 1)))
            return self.wrapped(self.records[-1])
        number = unquote(urlsplit(seen.target).path.rpartition("/")[2])
        record = next(each for each in self.records if number in (each.get("id"), each.get("gid")))
        record.update({name: value for name, value in data.items() if name != "custom_fields"})
        return self.wrapped(record)

    def unwrapped(self, body):
        return body["data"]

    def wrapped(self, record):
        return {"data": record}

    def made(self, data, number):
        return {"id": number, **data}

    def listed(self, seen):
        """Each system answers a search in a way of its own, and each of the partners below says how."""
        raise NotImplementedError


class Asana(Partner):
    """Tasks of project 1206, one a page, with only the fields that are asked for."""

    def made(self, data, number):
        return {"gid": number, **data}

    def listed(self, seen):
        assert urlsplit(seen.target).path == "/api/1.0/projects/1206/tasks"
        at, wanted = int(query(seen).get("offset", 0)), query(seen)["opt_fields"].split(",")
        known = {"gid", "name", "notes", "external", "custom_fields"} & {
            each.partition(".")[0] for each in wanted
        }
        shown = [{name: each[name] for name in ("gid", *known) if name in each} for each in self.records]
        more = {"offset": str(at + 1)} if at + 1 < len(shown) else None
        return {"data": shown[at : at + 1], "next_page": more}


@pytest.fixture
def asana():
    with Asana("asana") as partner:
        partner.connect()
        yield partner


def test_a_task_is_made_once_and_then_changed_wherever_it_stands_in_the_list(asana):
    asana.records = [{"gid": "71", "name": "Other"}]
    made = asana.client.upsert_task("1206", {"name": "Referral é 7", "notes": "a"})
    assert (made["gid"], made["projects"]) == ("2", ["1206"])
    asana.records.append({"gid": "73", "name": "Another"})
    asana.client.upsert_task("1206", {"name": "Referral é 7", "notes": "b", "projects": ["1206"]})
    assert [each.get("notes") for each in asana.records] == [None, "b", None]
    assert asana.writes == [("POST", "/api/1.0/tasks"), ("PUT", "/api/1.0/tasks/2")]
    assert "projects" not in asana.asked[-1].json["data"]


def test_a_task_stays_in_the_other_projects_that_it_is_made_for(asana):
    made = asana.client.upsert_task(1206, {"name": "x", "projects": ["9", "1206"]})
    assert made["projects"] == ["9", "1206"]


def test_a_task_is_known_by_its_external_id_or_a_field_of_the_project(asana):
    mine = {"gid": "5", "name": "a", "external": {"gid": "R-7"}}
    own = [{"gid": "12", "text_value": "R-8", "number_value": None}, {"gid": "13", "number_value": 8}]
    asana.records = [mine, {"gid": "6", "name": "a", "custom_fields": own}]
    asana.client.upsert_task("1206", {"external": {"gid": "R-7"}, "notes": "1"}, key="external.gid")
    asana.records = asana.records[1:]
    asana.client.upsert_task("1206", {"custom_fields": {"12": "R-8"}, "notes": "2"}, key="custom_fields.12")
    asana.client.upsert_task("1206", {"custom_fields": {"13": 8.0}, "notes": "3"}, key="custom_fields.13")
    assert asana.writes == [("PUT", f"/api/1.0/tasks/{gid}") for gid in (5, 6, 6)]


def test_a_first_task_with_an_external_id_is_made(asana):
    asana.records = [{"gid": "5", "name": "by hand"}]
    asana.client.upsert_task("1206", {"external": {"gid": "R-7"}}, key="external.gid")
    assert asana.writes == [("POST", "/api/1.0/tasks")]


@pytest.mark.parametrize("nothing", NOTHING)
def test_a_task_is_not_looked_for_by_nothing(asana, nothing):
    for project, task in ((nothing, {"name": "x"}), ("1206", {"name": nothing}), ("1206", {})):
        with pytest.raises(ValidationError, match="nothing to look for") as caught:
            asana.client.upsert_task(project, task)
        assert caught.value.sent is False
    assert asana.asked == []


@pytest.mark.parametrize("key", ["nmae", "custom_fields.99"])
def test_a_field_that_tasks_do_not_have_makes_no_task_after_the_other(asana, key):
    asana.records = [{"gid": "1", "name": "x", "custom_fields": []}]
    with pytest.raises(ValidationError, match=r"does not show nmae|no custom field 99"):
        asana.client.upsert_task("1206", {"nmae": "x", "custom_fields": {"99": "x"}}, key=key)
    assert asana.writes == []


def test_of_several_tasks_none_is_taken(asana):
    asana.records = [{"gid": "1", "name": "x"}, {"gid": "2", "name": "x"}]
    with pytest.raises(AmbiguousError, match="several tasks with the same name; cannot tell which"):
        asana.client.upsert_task("1206", {"name": "x"})
    assert asana.writes == []


def test_a_task_that_may_have_been_made_is_not_sent_again(asana):
    asana.faults = [hang_up]
    with pytest.raises(Unavailable) as caught:
        asana.client.upsert_task("1206", {"name": "x"})
    assert (caught.value.sent, caught.value.retryable, len(asana.writes)) == (True, False, 1)
    asana.client.upsert_task("1206", {"name": "x", "notes": "again"})
    assert [each["name"] for each in asana.records] == ["x"]


def test_a_dry_run_looks_for_the_task_and_writes_nothing():
    with Asana("asana") as partner:
        partner.records = [{"gid": "1", "name": "x"}]
        client = partner.connect(dry_run=True)
        assert client.upsert_task("1206", {"name": "x", "notes": "b"}) == {"name": "x", "notes": "b"}
        assert client.upsert_task("1206", {"name": "y"})["projects"] == ["1206"]
        assert partner.writes == []


class Primero(Partner):
    """Cases, filtered by the fields that it knows."""

    KNOWN = ("case_id", "national_id", "id")

    def listed(self, seen):
        path = urlsplit(seen.target).path.removeprefix("/api/v2/cases")
        if path:
            return {"data": next(each for each in self.records if path == f"/{each['id']}")}
        asked = {name: value for name, value in query(seen).items() if name in self.KNOWN}
        return {"data": [each for each in self.records if asked.items() <= each.items()]}


@pytest.fixture
def primero():
    with Primero("primero") as partner:
        partner.connect()
        yield partner


def test_a_case_is_made_once_and_then_changed(primero):
    primero.records = [{"id": "a", "case_id": "C-1", "age": 1}]
    for age in (7, 8):
        primero.client.upsert_case({"case_id": "C-é7", "age": age, "record_id": None})
    assert primero.writes == [("POST", "/api/v2/cases"), ("PATCH", "/api/v2/cases/2")]
    assert [each["age"] for each in primero.records] == [1, 8]
    assert query(primero.asked[0])["remote"] == "true"
    assert all("record_id" not in each.json["data"] for each in primero.asked if each.method != "GET")


def test_a_case_may_be_told_by_several_fields_or_by_its_own_id(primero):
    both = ("case_id", "national_id")
    primero.records = [
        {"id": "a", "case_id": "C", "national_id": "1"},
        {"id": "b", "case_id": "C", "national_id": "2"},
    ]
    primero.client.upsert_case({"case_id": "C", "national_id": "2", "age": 3}, key=both)
    primero.client.upsert_case({"record_id": "a", "age": 4}, key="record_id")
    assert primero.writes == [("PATCH", "/api/v2/cases/b"), ("PATCH", "/api/v2/cases/a")]
    assert [each["age"] for each in primero.records] == [4, 3]


def test_a_case_of_an_unknown_id_is_made_with_it():
    with FaultyServer(answer(404, {"errors": []}), answer(200, {"data": {"id": "u-1"}})) as server:
        configuration = CASES["primero"].configuration(server.url)
        with registry.connect("primero", configuration, Context(allow_private=True)) as client:
            assert client.upsert_case({"record_id": "u-1", "age": 4}, key="record_id") == {"id": "u-1"}
        assert server.seen[1].json == {"data": {"id": "u-1", "age": 4}}


@pytest.mark.parametrize("nothing", NOTHING)
def test_a_case_is_not_looked_for_by_nothing(primero, nothing):
    primero.records = [{"id": "a", "case_id": "C-1"}]
    for case, key in (
        ({"case_id": nothing}, "case_id"),
        ({"case_id": "C-1", "b": nothing}, ("case_id", "b")),
    ):
        with pytest.raises(ValidationError, match="nothing to look for"):
            primero.client.upsert_case(case, key=key)
    nameless: list[Any] = ["", (), [""]]
    for name in nameless:
        with pytest.raises(ValidationError, match="needs the name of a field"):
            primero.client.upsert_case({"case_id": "C-1"}, key=name)
    assert primero.asked == []


def test_a_filter_that_primero_does_not_know_changes_nobodys_case(primero):
    primero.records = [{"id": "a", "case_id": "C-1"}, {"id": "b", "case_id": "C-2"}]
    with pytest.raises(ValidationError, match="does not show caseid in its cases"):
        primero.client.upsert_case({"caseid": "C-9"}, key="caseid")
    primero.KNOWN = ()  # and one that it ignores finds the right one all the same
    primero.client.upsert_case({"case_id": "C-2", "age": 2})
    assert primero.writes == [("PATCH", "/api/v2/cases/b")]


def test_a_change_of_a_case_that_may_have_arrived_is_not_sent_again(primero):
    primero.records = [{"id": "a", "case_id": "C-1"}]
    primero.faults = [hang_up]
    with pytest.raises(Unavailable) as caught:
        primero.client.upsert_case({"case_id": "C-1", "siblings": [{"name": "x"}]})
    assert (caught.value.sent, caught.value.retryable, len(primero.writes)) == (True, False, 1)


def test_a_dry_run_looks_for_the_case_and_writes_nothing():
    with Primero("primero") as partner:
        partner.records = [{"id": "a", "case_id": "C-1"}]
        client = partner.connect(dry_run=True)
        assert client.upsert_case({"case_id": "C-1", "age": 2}) == {"case_id": "C-1", "age": 2}
        assert client.update_referrals("a", [{"id": "9", "status": "done"}]) == [{"status": "done"}]
        assert client.create_referrals(["a"], {"transitioned_to": "amina"})["ids"] == ["a"]
        assert partner.writes == []


def test_referrals_of_a_case_are_changed_one_by_one_or_none(primero):
    primero.records = [{"id": "9", "status": "open"}, {"id": "10", "status": "open"}]
    with pytest.raises(ValidationError, match="nothing to look for in id"):
        primero.client.update_referrals("7", [{"id": "9", "status": "done"}, {"status": "done"}])
    with pytest.raises(ValidationError, match="nothing to look for in case"):
        primero.client.update_referrals("", [{"id": "9"}])
    assert primero.writes == []
    primero.client.update_referral("7", "9", {"status": "accepted"})
    primero.client.update_referrals("7", ({"id": number, "status": "done"} for number in ("9", 10)))
    assert [each["status"] for each in primero.records] == ["done", "done"]
    assert primero.writes == [("PATCH", f"/api/v2/cases/7/referrals/{number}") for number in (9, 9, 10)]


def test_several_cases_are_referred_at_once(primero):
    primero.client.create_referrals(iter(["7", "8"]), {"transitioned_to": "amina"})
    assert primero.asked[-1].json == {"data": {"transitioned_to": "amina", "ids": ["7", "8"]}}
    nobody: list[Any] = [[], "7", iter([])]
    for none in nobody:
        with pytest.raises(ValidationError, match="needs a list of cases"):
            primero.client.create_referrals(none, {"transitioned_to": "amina"})


class GoData(Partner):
    """Records of one kind, filtered by their own fields."""

    def unwrapped(self, body):
        return body

    def wrapped(self, record):
        return record

    def listed(self, seen):
        where = json.loads(query(seen)["filter"])["where"]
        return [each for each in self.records if where.items() <= each.items()]


@pytest.fixture
def godata():
    with GoData("godata") as partner:
        partner.connect()
        yield partner


GODATA = {
    "case": ("/outbreaks/o%201/cases", "visualId", ("o 1",)),
    "contact": ("/outbreaks/o%201/contacts", "visualId", ("o 1",)),
    "outbreak": ("/outbreaks", "id", ()),
    "location": ("/locations", "name", ()),
    "reference_data": ("/reference-data", "id", ()),
}


@pytest.mark.parametrize("noun", GODATA)
def test_each_kind_of_go_data_is_made_once_then_changed_and_found(godata, noun):
    path, key, within = GODATA[noun]
    upsert, get = getattr(godata.client, f"upsert_{noun}"), getattr(godata.client, f"get_{noun}")
    godata.records = [{"id": "other", key: "K-1"}]
    upsert(*within, {key: "K-é7", "note": "a"})
    upsert(*within, {key: "K-é7", "note": "b"})
    number = "K-%C3%A97" if key == "id" else "2"
    assert [each.get("note") for each in godata.records] == [None, "b"]
    assert godata.writes == [("POST", f"/api{path}"), ("PUT", f"/api{path}/{number}")]
    assert godata.asked[-1].json == ({"name": "K-é7", "note": "b"} if key == "name" else {"note": "b"})
    assert [each["note"] for each in get(*within, {"where": {key: "K-é7"}})] == ["b"]


@pytest.mark.parametrize("noun", GODATA)
@pytest.mark.parametrize("nothing", NOTHING)
def test_nothing_of_go_data_is_looked_for_by_nothing(godata, noun, nothing):
    _path, key, within = GODATA[noun]
    with pytest.raises(ValidationError, match="nothing to look for"):
        getattr(godata.client, f"upsert_{noun}")(*within, {key: nothing, "note": "a"})
    if within:
        with pytest.raises(ValidationError, match="nothing to look for in outbreak"):
            getattr(godata.client, f"upsert_{noun}")(nothing, {key: "K"})
    assert godata.asked == []


def test_of_several_cases_of_go_data_none_is_taken(godata):
    godata.records = [{"id": "1", "age": 7}, {"id": "2", "age": 7}]
    with pytest.raises(AmbiguousError, match="several case records with the same age"):
        godata.client.upsert_case("7", {"age": 7}, key="age")
    assert godata.writes == []


def test_a_case_of_go_data_that_may_have_been_made_is_not_sent_again(godata):
    godata.faults = [hang_up]
    with pytest.raises(Unavailable) as caught:
        godata.client.upsert_case("7", {"visualId": "C-7"})
    assert (caught.value.sent, caught.value.retryable, len(godata.writes)) == (True, False, 1)


def test_a_dry_run_looks_in_go_data_and_writes_nothing():
    with GoData("godata") as partner:
        partner.records = [{"id": "1", "visualId": "C-1"}]
        client = partner.connect(dry_run=True)
        assert client.upsert_case("7", {"visualId": "C-1", "age": 2}) == {"age": 2}
        assert client.upsert_case("7", {"visualId": "C-2"}) == {"visualId": "C-2"}
        assert (partner.writes, len(partner.asked)) == ([], 2)
