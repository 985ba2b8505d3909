"""Pages of tables and of the library: who sees what, and what people do there."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from jobs.library import module_create, module_save
from jobs.models import LibraryModule, Table, TableUpload
from jobs.rows import row_get, row_set, rows_page, rows_set
from jobs.tables import table_create
from openfn_platform.projects.actors import PLATFORM
from openfn_platform.projects.models import AuditEntry, Membership
from tests import factories
from tests.factories import Cast
from tests.workspace.desk import at, page, text_of, told

pytestmark = pytest.mark.django_db
CANARY = "canary-jane-doe"
SCRIPT = "<script>alert(1)</script>"


@pytest.fixture
def cast() -> Cast:
    made = factories.cast("Clinic")
    Membership.objects.filter(user=made.editor).update(may_see_data=True)
    return made


@pytest.fixture
def table(cast: Cast) -> Table:
    made = table_create(project=cast.project, name="Facilities", by=cast.editor)
    rows_set(table=made, rows={"12": CANARY, "13": {"name": SCRIPT}}, by=PLATFORM)
    return made


def here(table: Table, name: str = "change", **query: str) -> str:
    return page(f"jobs_table_{name}", table.pk, **query)


def values(table: Table) -> dict[str, Any]:
    return {row.key: row.value for row in rows_page(table=table, size=100)}


def csv(text: str, name: str = "facilities.csv") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, text.encode(), content_type="text/csv")


def pages(table: Table) -> list[str]:
    return [
        here(table),
        here(table, "row", key="12"),
        here(table, "changes"),
        here(table, "csv"),
        here(table, "bring_in"),
    ]


def test_rows_are_for_those_who_may_see_data(cast: Cast, table: Table):
    for person in (cast.editor, cast.owner, cast.superuser):
        answers = [at(person).get(address) for address in pages(table)]
        assert [answer.status_code for answer in answers] == [200] * 5
        assert [CANARY.encode() in answer.getvalue() for answer in answers] == [
            True,
            True,
            False,
            True,
            False,
        ]
    for person in (cast.viewer, cast.operator):
        answers = [at(person).get(address) for address in pages(table)]
        assert [answer.status_code for answer in answers] == [200, 403, 403, 403, 403]
        assert all(CANARY.encode() not in answer.getvalue() for answer in answers)
        assert "does not let you see data" in text_of(answers[0])


def test_an_outsider_finds_no_page_of_a_table_or_a_module(cast: Cast, table: Table):
    module = module_create(project=cast.project, key="facilities", by=cast.editor)
    addresses = [*pages(table), here(table, "settings"), here(table, "archive")]
    addresses += [
        page(f"jobs_librarymodule_{name}", module.pk) for name in ("change", "versions", "names", "check")
    ]
    unknown = text_of(at(cast.outsider).get(page("jobs_table_change", factories.project().pk)))
    for address in addresses:
        for ask in (at(cast.outsider).get, at(cast.outsider).post):
            answer = ask(address)
            assert answer.status_code == 404, address
            assert text_of(answer) == unknown
    for name in ("jobs_table_changelist", "jobs_librarymodule_changelist"):
        assert "acilities" not in text_of(at(cast.outsider).get(page(name)))


def test_who_may_not_edit_sees_no_form_and_cannot_send_one(cast: Cast, table: Table):
    Membership.objects.filter(user=cast.operator).update(may_see_data=True)
    client = at(cast.operator)
    assert "Add a row" not in text_of(client.get(here(table)))
    assert "Save" not in text_of(client.get(here(table, "row", key="12")))
    for address in (
        here(table),
        here(table, "row", key="12"),
        here(table, "bring_in"),
        here(table, "settings"),
    ):
        assert client.post(address, {"key": "a", "value": "x", "form": "text"}).status_code == 403
    assert set(values(table)) == {"12", "13"}


def test_looking_at_rows_is_audited(cast: Cast, table: Table):
    at(cast.editor).get(here(table))
    at(cast.editor).get(here(table, "row", key="12"))
    at(cast.editor).get(here(table, "csv")).getvalue()
    told = AuditEntry.objects.filter(object_id=str(table.pk), actor=cast.editor).order_by("id")
    assert list(told.values_list("action", flat=True))[-3:] == [
        "data opened",
        "data opened",
        "table exported",
    ]


def test_what_stands_in_rows_is_text_on_the_page(cast: Cast, table: Table):
    row_set(table=table, key=SCRIPT, value=SCRIPT, by=PLATFORM)
    for address in (here(table), here(table, "row", key=SCRIPT), here(table, "changes")):
        assert SCRIPT not in text_of(at(cast.editor).get(address))


def test_rows_are_searched_by_the_beginning_of_their_key_and_paged(cast: Cast, table: Table):
    rows_set(table=table, rows={f"TG-{n:03}": n for n in range(60)}, by=PLATFORM)
    client = at(cast.editor)
    first = client.get(here(table, prefix="TG"))
    assert [row.key for row, _, _ in first.context["rows"]] == [f"TG-{n:03}" for n in range(50)]
    second = client.get(f"{here(table)}?{first.context['following']}")
    assert [row.key for row, _, _ in second.context["rows"]] == [f"TG-{n:03}" for n in range(50, 60)]
    assert "No key begins so" in text_of(client.get(here(table, prefix="nothing")))


@pytest.mark.parametrize(
    ("typed", "form", "value"),
    [
        ("12", "text", "12"),
        ("12", "json", 12),
        ('{"a": [1]}', "json", {"a": [1]}),
        ("", "text", ""),
        (" x\r\n", "text", " x\n"),
    ],
)
def test_a_row_is_added(cast: Cast, table: Table, typed: str, form: str, value: Any):
    answer = at(cast.editor).post(here(table), {"key": "new", "value": typed, "form": form})
    assert answer.status_code == 302
    assert row_get(table=table, key="new").value == value


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"key": "12", "value": "x", "form": "text"}, "This key is there already"),
        ({"key": "", "value": "x", "form": "text"}, "This field is required"),
        ({"key": " a", "value": "x", "form": "text"}, "The key begins or ends with a blank"),
        ({"key": "a", "value": "{", "form": "json"}, "This is not JSON"),
        ({"key": "a", "value": "x" * 64_000, "form": "text"}, "this table takes 64,000"),
        ({"key": "a", "value": "x", "form": "xml"}, "Select a valid choice"),
        ({"key": "a", "value": "x", "form": "text", "hours": "-1"}, "greater than or equal to"),
        ({"key": "a", "value": "x", "form": "text", "hours": "nan"}, "Enter a number"),
    ],
)
def test_what_is_wrong_with_a_new_row_is_said_at_its_field(cast, table, given, sentence):
    answer = at(cast.editor).post(here(table), given)
    assert answer.status_code == 200
    assert sentence in text_of(answer)
    assert set(values(table)) == {"12", "13"}


def test_a_row_is_changed_removed_and_brought_back(cast: Cast, table: Table):
    client, address = at(cast.editor), here(table, "row", key="12")
    version = str(row_get(table=table, key="12").version)
    changed = client.post(address, {"value": "new", "form": "text", "hours": "2", "version": version})
    assert changed.status_code == 302
    row = row_get(table=table, key="12")
    assert (row.value, row.expires_at is not None) == ("new", True)
    late = client.post(address, {"value": "late", "form": "text", "version": version})
    assert "Somebody changed this row" in text_of(late)
    late = client.post(address, {"remove": "1", "version": version}, follow=True)
    assert "Somebody changed this row" in told(late)
    gone = client.post(address, {"remove": "1", "version": str(row.version)})
    assert gone["Location"] == here(table)
    assert "12" not in values(table)
    history = client.get(address)
    assert "This key is not there now" in text_of(history)
    changes = [(each["change"].kind, each["before"], each["after"]) for each in history.context["changes"]]
    assert changes == [("removed", "new", ""), ("changed", CANARY, "new"), ("made", "", CANARY)]
    client.post(address, {"restore": str(history.context["changes"][1]["change"].pk)})
    assert values(table)["12"] == CANARY
    for wrong in ("0", "x", "9" * 30, str(history.context["changes"][2]["change"].pk)):
        assert client.post(address, {"restore": wrong}).status_code in (200, 302)
    assert client.get(here(table, "row", key="never")).status_code == 404


def test_a_csv_is_looked_at_and_then_brought_in(cast: Cast, table: Table):
    client = at(cast.editor)
    shown = client.post(
        here(table, "bring_in"), {"file": csv("key,value\n12,new\n14,a\n,x\n"), "mode": "replace"}
    )
    text = text_of(shown)
    assert ("Line 4" in text, "The key is empty." in text, CANARY in text) == (True, True, True)
    brought = shown.context["brought"]
    assert (brought.made, brought.changed, brought.removed) == (1, 1, 1)
    assert values(table)["12"] == CANARY
    confirm = {"upload": str(shown.context["upload"].pk), "mode": "replace"}
    refused = client.post(here(table, "bring_in"), confirm)
    assert "Line 4 cannot be" in told(refused)
    done = client.post(here(table, "bring_in"), {**confirm, "leave_out_bad": "on"}, follow=True)
    assert "1 row made, 1 changed, 1 removed, 0 as before. 1 line left out." in told(done)
    assert values(table) == {"12": "new", "14": "a"}
    assert TableUpload.objects.count() == 0


def test_a_parked_file_is_of_use_to_nobody_else_and_not_for_long(cast: Cast, table: Table):
    shown = at(cast.editor).post(here(table, "bring_in"), {"file": csv("key,value\n1,a\n"), "mode": "merge"})
    confirm = {"upload": str(shown.context["upload"].pk), "mode": "merge"}
    assert "Choose it again" in told(at(cast.owner).post(here(table, "bring_in"), confirm))
    TableUpload.objects.update(keep_until=timezone.now())
    assert "Choose it again" in told(at(cast.editor).post(here(table, "bring_in"), confirm))
    assert at(cast.editor).post(here(table, "bring_in"), {"upload": "x", "mode": "merge"}).status_code == 404
    assert "1" not in values(table)


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        (b"", "empty"),
        (b"key\n", "needs a column"),
        (b"\xff\xfe\0", "not in UTF-8"),
        (b'key,value\n1,"', "cannot be read"),
    ],
)
def test_a_file_that_is_no_csv_is_told(cast: Cast, table: Table, raw: bytes, sentence: str):
    file = SimpleUploadedFile("x.csv", raw)
    answer = at(cast.editor).post(here(table, "bring_in"), {"file": file, "mode": "merge"})
    assert answer.status_code == 200
    assert sentence in text_of(answer)


def test_a_table_is_made_set_up_and_put_away(cast: Cast):
    client = at(cast.editor)
    made = client.post(
        page("jobs_table_add"),
        {"project": str(cast.project.pk), "name": "Seen", "kind": "store", "description": ""},
    )
    table = Table.objects.get(key="seen")
    assert made["Location"] == here(table)
    given = {"name": "Seen ids", "kind": "store", "description": "x", "most_rows": "10", "value_bytes": "100"}
    assert client.post(here(table, "settings"), given).status_code == 302
    table.refresh_from_db()
    assert (table.key, table.name, table.most_rows) == ("seen", "Seen ids", 10)
    assert "Ensure this value" in text_of(client.post(here(table, "settings"), {**given, "most_rows": "0"}))
    assert "tables.seen" in text_of(client.get(page("jobs_table_changelist")))
    client.post(here(table, "archive"))
    assert client.get(here(table)).status_code == 404


def test_the_list_costs_the_same_however_many_there_are(cast: Cast, django_assert_max_num_queries):
    for number in range(30):
        table_create(project=cast.project, name=f"Table {number}", by=PLATFORM)
    client = at(cast.editor)
    with django_assert_max_num_queries(12):
        client.get(page("jobs_table_changelist"))


# --- the library --------------------------------------------------------------------------------------


@pytest.fixture
def module(cast: Cast) -> LibraryModule:
    made = module_create(project=cast.project, key="facilities", by=cast.editor)
    module_save(
        module=made, code='def name_of(code):\n    """The name."""\n    return code\n', by=cast.editor
    )
    return LibraryModule.objects.get(pk=made.pk)


def of(module: LibraryModule, name: str = "change", **query: str) -> str:
    return page(f"jobs_librarymodule_{name}", module.pk, **query)


def test_a_module_is_made_and_saved(cast: Cast):
    client = at(cast.editor)
    client.post(
        page("jobs_librarymodule_add"),
        {"project": str(cast.project.pk), "key": "codes", "name": "Codes", "description": ""},
    )
    module = LibraryModule.objects.get(key="codes")
    given = {
        "code": "def f(): return 1",
        "name": "Codes",
        "description": "",
        "note": "first",
        "based_on": "0",
    }
    said = told(client.post(of(module), given, follow=True))
    assert "v1 is saved; every run from now on takes it." in said
    said = told(client.post(of(module), {**given, "code": "def f(:", "based_on": "1"}, follow=True))
    assert "v2 is saved. It has 1 error, so runs go on with the version before." in said
    module.refresh_from_db()
    assert (module.live_version.number, module.latest_version.number) == (1, 2)
    late = client.post(of(module), {**given, "code": "x = 1", "based_on": "1"})
    assert "Somebody saved this module while you were writing" in text_of(late)
    assert 'name="based_on" value="2"' in text_of(late)


def test_a_module_shows_who_uses_it_and_its_versions(cast: Cast, module: LibraryModule):
    factories.job(cast.project, "Register", code="from library import facilities")
    factories.job(cast.project, "Other", code="pass")
    module_save(module=module, code="def other(): pass", by=cast.editor)
    client = at(cast.viewer)
    text = text_of(client.get(of(module)))
    assert ("Register" in text, "Other" in text, "Save</button>" in text) == (True, False, False)
    difference = text_of(client.get(of(module, "versions")))
    assert ("def name_of" in difference, "def other" in difference) == (True, True)
    for wrong in ("99", "x", "9" * 20):
        assert client.get(of(module, "versions", left=wrong)).status_code == 404
    assert client.post(of(module, "versions"), {"restore": "1"}).status_code == 403
    assert client.post(of(module), {"code": "x"}).status_code == 403
    restored = at(cast.editor).post(of(module, "versions"), {"restore": "1"}, follow=True)
    assert "v3 is saved" in told(restored)


def test_a_module_that_is_used_is_not_put_away(cast: Cast, module: LibraryModule):
    job = factories.job(cast.project, "Register", code="import library\nlibrary.facilities")
    client = at(cast.editor)
    assert "Live jobs use this module" in told(client.post(of(module, "archive"), follow=True))
    job.archived_at = timezone.now()
    job.save()
    client.post(of(module, "archive"))
    assert client.get(of(module)).status_code == 404


def test_the_editor_knows_tables_and_the_library(cast: Cast, table: Table, module: LibraryModule):
    job = factories.job(cast.project, "Register")
    client = at(cast.editor)
    for address in (page("jobs_job_names", job.pk), of(module, "names")):
        names = {each["name"]: each for each in client.get(address).json()["names"]}
        assert names["library.facilities.name_of"]["signature"] == "(code)"
        assert names["library.facilities.name_of"]["help"] == "The name."
        assert "tables.facilities" in names
    assert "state" not in names
    found = client.post(of(module, "check"), {"code": "def f():\n    return state"}).json()["findings"]
    assert [each["message"] for each in found] == ["`state` is not known here; did you mean `dates`?"]
    found = client.post(page("jobs_job_check", job.pk), {"code": "tables.nope; library.nope"}).json()[
        "findings"
    ]
    assert [each["code"] for each in found] == ["unknown-table", "unknown-library"]
