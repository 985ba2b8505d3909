"""Finding a person and erasing: through the front door, into every place that keeps something, and out of it again."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from django.utils import timezone

from jobs.models import ChangeKind, Table, TableChange, TableRow, TableUpload
from jobs.row_history import row_changes
from jobs.rows import row_remove, row_set, rows_set
from jobs.tables import table_archive, table_create
from jobs.uploads import upload_park
from openfn_platform.common.errors import Conflict, Invalid, NotAllowed, NotFound
from openfn_platform.projects.auditing import audit
from openfn_platform.projects.models import AuditEntry, Membership, Role
from runs.erasing import erasure_start
from runs.finding.places import BY_NAME
from runs.finding.searching import search_start, typed
from runs.finding.terms import excerpt, terms_read
from runs.housekeeping import housekeeping_round
from runs.models import (
    EchoMark,
    Erasure,
    HttpExchange,
    LogLine,
    Memory,
    Notification,
    PersonFind,
    PersonSearch,
    Run,
    SearchText,
    State,
    StateKind,
)
from runs.starting import Input, job_start, schedule_run_now
from runs.states import state_read, state_store
from tests.flows.canary import everything_stored
from tests.flows.world import Engine, World
from triggers.models import IdempotencyKey, Message, MessagePayload

FIRST, LAST, PHONE = "Ottilie", "Wambrecht", "+256772987654"
NAME = f"{FIRST} {LAST}"
SPELLED = f"state['last'] = bytes({list(NAME.encode())}).decode()"  # code is nobody's data and is not erased
CODE = """
name = value("name")
print("Hello", name)
once(f"greet {name}", lambda: {"greeted": name})
partner.post("/people", {"name": name, "phone": value("phone")})
sync.wrote("openmrs", name, {"name": name})
note(f"{name} registered")
problem(name, f"{name} has no address")
state.greeting = f"Dear {name}"
"""


class Partner(ThreadingHTTPServer):
    """Answers everything with what it was told."""

    daemon_threads = True

    def __init__(self) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                self.send_response(201)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                """Quiet."""

        super().__init__(("127.0.0.1", 0), Handler)


@pytest.fixture
def partner() -> Iterator[str]:
    with Partner() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Housekeeping waits some seconds for transactions that began earlier; here there are none."""
    monkeypatch.setattr("runs.finding.filling.BEHIND", timedelta(0))


def keep_house() -> None:
    while housekeeping_round(pause=lambda _seconds: False):
        pass


def search(world: World, who: str = NAME) -> PersonSearch:
    made = search_start(project=world.project, who=who, by=world.owner)
    keep_house()
    made.refresh_from_db()
    return made


def erase(world: World, asked: PersonSearch, **more: Any) -> Erasure:
    made = erasure_start(search=asked, reason="asked by letter of 3 March", by=world.owner, **more)
    keep_house()
    made.refresh_from_db()
    return made


def places(asked: PersonSearch) -> dict[str, int]:
    found: dict[str, int] = {}
    for find in PersonFind.objects.filter(search=asked):
        found[find.place] = found.get(find.place, 0) + 1
    return found


def traces(*words: str) -> list[str]:
    """Where any of the words still stands, in small or large letters, compressed or not."""
    needles = [word.lower().encode() for word in words]
    return sorted(
        {place for place, content in everything_stored() if any(n in content.lower() for n in needles)}
    )


def message_of(world: World, **more: Any) -> None:
    world.post({"name": NAME, "phone": PHONE, **more}, key=f"{LAST}-1")


# --- the whole way --------------------------------------------------------------------------------


def everywhere(world: World, engine: Engine, partner: str) -> None:
    """The person's name in every place there is."""
    world.project.mail_shows_text = True
    world.project.save()
    link = world.credential("http", baseUrl=partner)
    first = world.job(CODE, connections={"partner": ("http", link)})
    after = world.job("fail('No bed for ' + state.greeting)")
    world.on_message(first)
    world.on_end(first, "success", after)
    message_of(world)
    world.post({"name": "Somebody Else", "phone": "1"})
    engine.drain()
    scheduled = world.job(SPELLED)
    trigger = world.on_schedule(scheduled, schedule_kind="cron", cron="0 0 * * *")
    schedule_run_now(trigger=trigger, by=world.owner)
    engine.drain()
    raw = json.dumps({"data": {"name": NAME}}).encode()
    state_store(project_id=world.project.pk, kind=StateKind.SAVED, raw=raw, name=f"like {NAME}")
    audit("job changed", world.owner, project=world.project, changes={"note": ["", f"asked by {NAME}"]})
    in_tables(world)


def in_tables(world: World) -> Table:
    """In a key, in values, in what they were before, in a row that is gone, and in a file not yet brought in."""
    table = table_create(project=world.project, name="Patients", by=world.owner)
    for value in ({"name": NAME}, {"name": NAME, "village": "Kitgum"}):
        row_set(table=table, key="7", value=value, by=world.owner)
    row_set(table=table, key=f"{LAST}-{FIRST}", value=8, by=world.owner)
    row_set(table=table, key=PHONE, value={"number": 7}, by=world.owner)
    row_set(table=table, key="gone", value=f"{FIRST} and {LAST}", by=world.owner)
    row_remove(table=table, key="gone", by=world.owner)
    row_set(table=table, key="9", value="Somebody Else", by=world.owner)
    lines = [f"key,name\n{number},Somebody {number}\n" for number in range(60_000)]
    upload_park(
        table=table,
        name=f"{LAST}.csv",
        chunks=[*(line.encode() for line in lines), f"7,{NAME}".encode()],
        by=world.owner,
    )
    return table


IN_TABLES = {"table-row", "table-history", "table-file"}
PLACES = IN_TABLES | {"message", "run", "exchange", "memory", "saved", "mail", "incident", "echo", "audit"}


def test_after_an_erasure_the_whole_database_does_not_know_the_person(
    world: World, engine: Engine, partner: str
) -> None:
    everywhere(world, engine, partner)
    counts = [model.objects.count() for model in (Message, MessagePayload, Run, State, LogLine, HttpExchange)]
    asked = search(world, f"{NAME}\n{PHONE}")
    assert asked.state == "done", asked.error
    assert set(places(asked)) == PLACES == set(BY_NAME)
    assert "message_payload.raw" in traces(LAST, PHONE[-9:])
    done = erase(world, asked)
    assert done.state == "done"
    assert traces(FIRST, LAST, PHONE[-9:]) == []
    assert [
        model.objects.count() for model in (Message, MessagePayload, Run, State, LogLine, HttpExchange)
    ] == counts
    assert places(search(world, "Somebody Else"))["message"] == 1


def test_the_certificate_says_what_went_where_and_names_nobody(
    world: World, engine: Engine, partner: str
) -> None:
    everywhere(world, engine, partner)
    done = erase(world, search(world))
    [sent] = done.recipients
    assert (sent["system"], sent["method"], sent["status"], sent["connection"]) == (
        partner,
        "POST",
        201,
        "partner",
    )
    assert done.counts["message"] == 1
    assert done.counts["run"] >= 3
    assert {"log line", "trace", "state", "memory", "saved", "mail", "incident", "echo"} <= set(done.counts)
    assert (done.by_name, done.reason) == (str(world.owner), "asked by letter of 3 March")
    assert done.number in bytes(MessagePayload.objects.order_by("message_id")[0].raw).decode()
    entry = AuditEntry.objects.get(action="person erased")
    assert entry.object_name == done.number


def test_a_memory_goes_on_empty_or_is_kept_as_one_chooses(world: World, engine: Engine) -> None:
    scheduled = world.job(SPELLED)
    trigger = world.on_schedule(scheduled, schedule_kind="cron", cron="0 0 * * *")
    schedule_run_now(trigger=trigger, by=world.owner)
    engine.drain()
    erase(world, search(world), keep_memories=True)
    kept = State.objects.get(pk=Memory.objects.get().state_id)
    assert NAME.encode() in bytes(kept.body or b"")
    erase(world, search(world))
    kept.refresh_from_db()
    assert bytes(kept.body or b"") == b"{}"
    schedule_run_now(trigger=trigger, by=world.owner)
    engine.drain()
    assert world.runs(scheduled)[-1].state == "success"


def test_runs_that_have_not_ended_are_waited_for(world: World, engine: Engine) -> None:
    job = world.job("print(value('name'))", state="paused")
    world.on_message(job)
    message_of(world)
    asked = search(world)
    assert places(asked) == {"message": 1, "run": 1}
    made = erase(world, asked)
    assert (made.state, len(made.todo["orders"]), len(made.todo["messages"])) == ("waiting", 1, 1)
    assert "message_payload.raw" in traces(LAST)
    with pytest.raises(Conflict):
        erasure_start(search=asked, reason="again", by=world.owner)
    job.state = "on"
    job.save()
    engine.drain()
    keep_house()
    made.refresh_from_db()
    assert made.state == "done"
    assert traces(LAST) == []


def test_only_what_was_chosen_is_erased(world: World, engine: Engine) -> None:
    message_of(world)
    world.post({"name": NAME, "other": True})
    asked = search(world)
    one = PersonFind.objects.filter(search=asked).order_by("id")[0]
    made = erase(world, asked, finds=[one.pk])
    assert made.counts["message"] == 1
    assert Message.objects.filter(body_wiped_at=None).count() == 1
    assert IdempotencyKey.objects.filter(key__contains=LAST).count() == 0


def test_what_a_sender_calls_a_message_is_kept_where_it_names_nobody(world: World) -> None:
    world.post({"name": NAME}, key="form-77")
    erase(world, search(world))
    assert IdempotencyKey.objects.get().key == "form-77"
    assert world.post({"name": NAME}, key="form-77").replayed
    assert traces(LAST) == []


def test_a_row_goes_with_its_history_and_its_table_counts_right(world: World) -> None:
    table = in_tables(world)
    done = erase(world, search(world, f"{NAME}\n{PHONE}"))
    assert traces(FIRST, LAST, PHONE[-9:]) == []
    assert (done.counts["table-row"], done.counts["table-file"]) == (3, 1)
    assert [row.key for row in TableRow.objects.all()] == ["9"]
    table.refresh_from_db()
    [left] = TableRow.objects.all()
    assert (table.row_count, table.byte_count) == (1, left.size)
    last = row_changes(table=table, key="7")[0]
    assert (last.kind, last.by_name, last.before) == (
        ChangeKind.REMOVED,
        f"Erased: {done.number}",
        f"Erased: {done.number}",
    )


def test_a_row_that_was_corrected_meanwhile_stays(world: World) -> None:
    table = table_create(project=world.project, name="Patients", by=world.owner)
    row_set(table=table, key="7", value=NAME, by=world.owner)
    asked = search(world)
    row_set(table=table, key="7", value="nobody any more", by=world.owner)
    erase(world, asked)
    assert TableRow.objects.get().value == "nobody any more"
    assert TableChange.objects.filter(before=NAME).exists()  # that came after the search: one looks again
    erase(world, search(world))
    assert traces(LAST) == []
    assert TableRow.objects.get().value == "nobody any more"


def test_a_table_that_was_put_away_is_looked_into_and_emptied(world: World) -> None:
    table_archive(table=in_tables(world), by=world.owner)
    erase(world, search(world, f"{NAME}\n{PHONE}"))
    assert traces(LAST) == []
    assert not TableUpload.objects.exists()


def test_a_saved_input_and_a_row_are_kept_where_they_were_unticked(world: World) -> None:
    in_tables(world)
    raw = json.dumps({"data": {"name": NAME}}).encode()
    kept = state_store(project_id=world.project.pk, kind=StateKind.SAVED, raw=raw, name="one to try with")
    asked = search(world)
    row = TableRow.objects.get(key="7")
    wanted = PersonFind.objects.filter(search=asked).exclude(place="saved").exclude(ref=str(row.pk))
    erase(world, asked, finds=list(wanted.values_list("pk", flat=True)))
    kept.refresh_from_db()
    assert NAME.encode() in state_read(state_id=kept.pk)
    row.refresh_from_db()
    assert row.value["name"] == NAME
    erase(world, search(world))
    assert traces(LAST) == []


# --- finding --------------------------------------------------------------------------------------


def test_what_was_looked_for_is_sealed_and_never_audited(world: World) -> None:
    asked = search(world)
    assert traces(LAST) == []
    assert typed(asked) == NAME
    assert AuditEntry.objects.get(action="person searched").changes == {"lines": 1}


def test_other_projects_are_not_looked_into(world: World, engine: Engine, partner: str) -> None:
    everywhere(World("Other"), engine, partner)
    assert places(search(world)) == {}


def test_a_message_that_committed_late_is_found_all_the_same(world: World) -> None:
    message_of(world)
    keep_house()
    SearchText.objects.all().delete()
    assert places(search(world)) == {"message": 1}


def test_a_name_deep_in_a_large_state_is_found(world: World, engine: Engine) -> None:
    raw = json.dumps({"data": {"rows": [f"row {n}" for n in range(60_000)] + [NAME]}}).encode()
    job = world.job("state.data = 1")
    state = state_store(project_id=world.project.pk, kind=StateKind.INPUT, raw=raw)
    run = job_start(job=job, given=Input(data={}), by=world.owner)
    Run.objects.filter(pk=run.pk).update(input=state)
    assert places(search(world)) == {"run": 1}  # it has not ended
    engine.drain()
    assert places(search(world)) == {"run": 1}


SPELLINGS = (
    "José Ñandú",
    "JOSE ÑANDU",
    "Jose\u0301 Nandu",
    "josé_ñandú",
    "x\nJosé\tÑandú",
    "José,Ñandú;ŋ",
    "JosÉ ÑANDÚ",
)


def test_the_database_rules_out_nobody_who_is_written_otherwise(world: World) -> None:
    table = table_create(project=world.project, name="Patients", by=world.owner)
    rows: dict[str, Any] = {str(number): {"name": text} for number, text in enumerate(SPELLINGS)}
    rows["within"] = json.dumps({"name": "José Ñandú"})  # \u00e9, as a text within the text
    rows["half"] = "José alone"
    rows["nobody"] = "Josefine Nandus"
    rows_set(table=table, rows=rows, by=world.owner)
    search(world, "jose nandu")
    refs = PersonFind.objects.filter(place="table-row").values_list("ref", flat=True)
    found = set(TableRow.objects.filter(pk__in=map(int, refs)).values_list("key", flat=True))
    assert found == set(rows) - {"half", "nobody"}


def test_a_row_is_found_the_moment_it_is_there_and_not_when_it_is_gone(world: World) -> None:
    table = table_create(project=world.project, name="Patients", by=world.owner)
    row_set(table=table, key=FIRST, value=LAST, by=world.owner)  # the name in two halves
    assert places(search(world)) == {"table-row": 1}
    row_remove(table=table, key=FIRST, by=world.owner)
    assert places(search(world)) == {"table-history": 1}


def test_too_common_a_word_finds_nobody(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runs.finding.searching.MOST_FOUND", 2)
    for _ in range(3):
        message_of(world)
        world.post({"name": NAME})
    asked = search(world)
    assert asked.state == "failed"
    assert "no single person" in asked.error


def test_a_search_is_forgotten_after_a_week(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    message_of(world)
    asked = search(world)
    PersonSearch.objects.update(expires_at=timezone.now())
    monkeypatch.setattr("runs.housekeeping._looked_at", -1e9)
    keep_house()
    assert not PersonSearch.objects.filter(pk=asked.pk).exists()
    assert not PersonFind.objects.exists()


def test_wiping_takes_the_words_along(world: World) -> None:
    message_of(world)
    asked = search(world)
    assert SearchText.objects.count() == 1
    erase(world, asked)
    assert SearchText.objects.count() == 0
    assert places(search(world)) == {}


# --- who may --------------------------------------------------------------------------------------


def test_only_an_administrator_who_may_see_data_can_look(world: World) -> None:
    blind = world.person(Role.ADMIN)
    Membership.objects.filter(user=blind).update(may_see_data=False)
    for person, error in (
        (world.person(Role.EDITOR), NotAllowed),
        (blind, NotAllowed),
        (world.person(), NotFound),
    ):
        with pytest.raises(error):
            search_start(project=world.project, who=NAME, by=person)


def test_a_reason_that_names_the_person_is_refused(world: World) -> None:
    message_of(world)
    asked = search(world)
    for reason in ("", f"{NAME} asked for it", f"for Mrs {LAST.upper()}"):
        with pytest.raises(Invalid):
            erasure_start(search=asked, reason=reason, by=world.owner)


def test_an_outsider_can_erase_nothing(world: World) -> None:
    message_of(world)
    asked = search(world)
    with pytest.raises(NotFound):
        erasure_start(search=asked, reason="so", by=world.person())


def test_every_place_shows_what_it_found(world: World, engine: Engine, partner: str) -> None:
    everywhere(world, engine, partner)
    asked = search(world)
    terms = terms_read(NAME)
    for find in PersonFind.objects.filter(search=asked):
        assert any(excerpt(text, terms) for text in BY_NAME[find.place].texts(find.ref)), find.place
        assert LAST not in find.title


def test_echo_marks_and_mails_are_rows_that_stay(world: World, engine: Engine, partner: str) -> None:
    everywhere(world, engine, partner)
    before = (EchoMark.objects.count(), Notification.objects.count())
    erase(world, search(world))
    assert (EchoMark.objects.count(), Notification.objects.count()) == before
