"""The admin through a real browser: what editors, viewers and outsiders see and do, on large and small screens."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect, sync_playwright

from tests.flows.browser import ARGUMENTS, PHONE, Crowd, Visitor, chromium_path
from tests.flows.browser_stage import Stage, stage_set

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        chromium_path() is None,
        reason="There is no Chromium on this machine, so nobody has looked at the pages: install `chromium`.",
    ),
]
THINGS = {
    "jobs/job",
    "jobs/workflow",
    "triggers/trigger",
    "runs/run",
    "triggers/message",
    "runs/incident",
    "runs/notification",
    "jobs/credential",
    "triggers/inbox",
    "projects/project",
}
Come = Callable[..., Visitor]


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with stage_set() as stage:
        yield stage


@pytest.fixture(scope="module")
def crowd(stage: Stage) -> Iterator[Crowd]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=chromium_path(), args=list(ARGUMENTS))
        yield Crowd(chromium, stage)
        chromium.close()


@pytest.fixture
def come(crowd: Crowd) -> Iterator[Come]:
    """Somebody comes; at the end nothing may have gone wrong in their windows."""
    visitors: list[Visitor] = []

    def come(person: str, **options: Any) -> Visitor:
        visitors.append(crowd.come(person, **options))
        return visitors[-1]

    yield come
    for visitor in visitors:
        visitor.leave()
    assert [trouble for visitor in visitors for trouble in visitor.troubles] == []


def press(page: Page, name: str) -> None:
    """A button, or a link that looks like one."""
    page.locator(".ws-button", has_text=name).click()


def head(page: Page) -> Locator:
    """How a run stands."""
    return page.locator("#run-head")


def run_with(visitor: Visitor, job: str, pasted: str) -> Page:
    """The page of the run that this input starts."""
    page = visitor.page
    page.goto(visitor.stage.job_url(job))
    press(page, "Run with…")
    visitor.write("pasted", pasted)
    page.locator("button.ws-button", has_text="Run").click()
    expect(head(page)).to_be_visible()
    return page


@pytest.mark.parametrize(
    ("name", "with_editor"), [("Visit report", True), ("Vaccination report", False)], ids=["editor", "plain"]
)
def test_an_editor_sees_a_mistake_at_its_line_corrects_it_and_makes_the_job_live(
    come, stage, name, with_editor
):
    editor = come("editor", with_editor=with_editor)
    page = editor.page
    page.goto(stage.url("/admin/"))
    page.locator("#nav-sidebar a", has_text="Jobs").click()
    page.get_by_role("link", name=name).click()
    expect(page.locator(".ws-headline")).to_contain_text("Live: v1.")

    editor.write("code", 'state.data = {"reported": True}\nnote("reported"\n')
    press(page, "Save draft")
    expect(page.get_by_text("v2 is saved. It has 1 error")).to_be_visible()
    expect(page.locator(".code-editor-findings li")).to_contain_text(["Line 2"])
    expect(page.locator(".cm-lintRange-error")).to_have_count(1 if editor.has_editor else 0)
    expect(page.locator(".ws-headline")).to_contain_text("Live: v1; the draft v2 is not live.")

    editor.write("code", 'state.data = {"reported": True}\nnote("reported")\n')
    press(page, "Make live")
    expect(page.get_by_text("v3 is live.")).to_be_visible()
    expect(page.locator(".ws-headline")).to_contain_text("Live: v3.")
    expect(page.locator(".code-editor-findings li")).to_have_count(0)


def test_the_log_appears_while_the_run_is_still_going_on(come, stage):
    stage.gate.opened.clear()
    page = run_with(come("editor"), "watched", '{"name": "Asha"}')
    log = page.locator("#run-log")
    expect(log).to_contain_text("the first line")
    expect(head(page)).to_contain_text("Running")
    expect(log).not_to_contain_text("the last line")

    stage.gate.opened.set()
    expect(head(page)).to_contain_text("Succeeded")
    expect(head(page)).to_contain_text("greeted Asha")
    expect(log).to_contain_text("the last line")
    page.get_by_role("link", name="Final state").click()
    expect(page.locator("#payload")).to_contain_text('"greeted": "Asha"')


def test_a_failed_run_says_why_and_succeeds_when_it_is_retried_with_corrected_input(come):
    editor = come("editor")
    page = run_with(editor, "weighs", '{"visit": {"height": 120}}')
    expect(head(page)).to_contain_text("Failed")
    why = "`visit.weight` is not in the message; `visit` has: height"
    expect(head(page)).to_contain_text(why)
    failed = page.url

    press(page, "Retry")
    page.get_by_label("Corrected", exact=True).check()
    editor.write("text", '{"data": {"visit": {"height": 120, "weight": 31}}}')
    press(page, "Retry")
    expect(page.locator(".ws-added")).to_contain_text(['"weight": 31'])
    press(page, "Retry with this input")
    expect(head(page)).to_contain_text("Succeeded")
    expect(head(page)).to_contain_text("weighs 31 kg")
    assert page.url != failed

    page.goto(failed)
    expect(head(page)).to_contain_text("Failed")
    expect(head(page)).to_contain_text(why)
    again = page.get_by_role("note").filter(has_text="It was run again")
    expect(again).to_contain_text("attempt 2 Succeeded")


def test_an_example_is_found_by_typing_and_the_criteria_are_tried_while_they_change(come, stage):
    editor = come("editor")
    page = editor.page
    page.goto(stage.url("/admin/triggers/trigger/add/"))
    page.get_by_role("button", name="Start from an example").click()
    entries = page.locator("[data-filter-item]:visible")
    page.locator("#q").fill("commcare submitted")
    expect(entries).to_have_count(3)
    page.locator("#q").fill("nobody sends this")
    expect(page.get_by_text("None of the examples fits")).to_be_visible()
    page.locator("#q").fill("form stub")
    expect(entries).to_have_count(1)
    page.locator("#q").fill("")

    page.get_by_role("link", name="A form was submitted (JSON)").click()
    page.get_by_role("link", name="This form with consent").click()
    answer = page.locator("#match")
    expect(answer).to_contain_text("It matches")
    editor.write("pairs-0-inclusion", '{"form": {"consent": "no"}}')
    expect(answer).to_contain_text('`form.consent` is "yes", not "no"')
    page.locator("#sample").fill("<form><consent>no</consent></form>")
    expect(answer).to_contain_text("It matches")
    expect(answer).to_contain_text("Criteria and jobs see the XML so")
    page.locator("#sample").fill("<form>")
    expect(answer).to_contain_text("The body is not XML")
    press(page, "Make the trigger")
    expect(page.get_by_text("It is off: switch it on when all is ready.")).to_be_visible()


def test_who_may_not_see_data_sees_the_run_but_neither_input_nor_log(come, stage):
    (run,) = stage.post({"kind": "greeting", "name": "Zawadi Mrisho"})
    assert stage.run_ended(run)["state"] == "success"
    address = stage.run_url(run)
    editor, viewer = come("editor"), come("viewer")
    for part, shown in (("log", True), ("input", True), ("final", True), ("code", False)):
        for visitor in (editor, viewer):
            visitor.page.goto(f"{address}?show={part}")
            expect(head(visitor.page)).to_contain_text("Succeeded")
        assert ("Zawadi" in editor.page.content()) == shown
        assert "Zawadi" not in viewer.page.content()
        hidden = viewer.page.get_by_text("Your membership does not say that you may see data")
        expect(hidden).to_have_count(1 if shown else 0)
    for file in ("log", "log-file", "input-file", "final-file"):
        part_of = address.replace("/change/", f"/{file}/")
        assert editor.status_of(part_of) == 200
        assert viewer.status_of(part_of) in (403, 404)
    expect(viewer.page.locator(".ws-button", has_text="Retry")).to_have_count(0)


def test_to_an_outsider_neither_the_run_nor_the_job_exists(come, stage):
    (run,) = stage.post({"kind": "greeting", "name": "Zawadi Mrisho"})
    stage.run_ended(run)
    outsider, editor = come("outsider"), come("editor")
    for address in (stage.run_url(run), stage.job_url("greet")):
        assert editor.status_of(address) == 200
        assert outsider.status_of(address) == 404


def test_a_credentials_form_shows_what_belongs_to_the_choice_and_a_failed_test_loses_nothing(come, stage):
    page = come("superuser").page
    page.goto(stage.url("/admin/jobs/credential/add/?adaptor=http"))
    client, agreement = page.locator("[name=value_client_id]"), page.locator("[name=value_authorize_url]")
    expect(client).to_be_hidden()
    page.locator("[name=value_grant]").select_option("authorization_code")
    expect(client).to_be_visible()
    expect(agreement).to_be_visible()
    page.locator("[name=value_grant]").select_option("client_credentials")
    expect(agreement).to_be_hidden()
    page.locator("[name=value_grant]").select_option("")
    expect(client).to_be_hidden()

    page.locator("[name=project]").select_option(index=1)
    page.locator("[name=name]").fill("Ourselves")
    page.locator("[name=value_baseUrl]").fill(f"{stage.product.url}/api/v1")
    page.locator("[name=value_access_token]").fill("canary-mistyped")
    page.locator("[name=value_test_path]").fill("/runs")
    press(page, "Test and store")
    expect(page.get_by_role("alert")).to_contain_text("Nothing was stored, because the test failed.")
    assert "canary-mistyped" not in page.content()
    page.locator("[name=value_test_path]").fill("/schema")  # is for everybody
    press(page, "Test and store")
    expect(page.get_by_text("accepts the credential").first).to_be_visible()


def test_a_sheet_is_chosen_looked_at_and_brought_in(come, stage):
    page = come("superuser").page
    page.goto(stage.url("/admin/jobs/table/add/"))
    page.locator("[name=project]").select_option(index=1)
    page.locator("[name=name]").fill("Facilities")
    page.locator("[name=kind]").select_option(index=0)
    page.locator("button[name=_save]").click()
    page.get_by_role("link", name="Bring in CSV").click()
    sheet = {"name": "facilities.csv", "mimeType": "text/csv", "buffer": "key,value\na,ក 😀\n".encode()}
    page.locator("[name=file]").set_input_files([sheet])
    expect(page.locator("form [type=text][disabled]")).to_have_value("facilities.csv")
    press(page, "Look at it")
    expect(page.get_by_role("heading", name="What “facilities.csv” would change")).to_be_visible()
    press(page, "Bring it in")
    expect(page.locator("#main")).to_contain_text("ក 😀")


def test_every_page_fits_a_phone_by_day_and_by_night_without_an_error(come, stage):
    (run,) = stage.post({"kind": "weighing", "visit": {"height": 120}})
    assert stage.run_ended(run)["state"] == "failed"
    page = come("superuser", width=PHONE).page
    page.goto(stage.url("/admin/"))
    page.keyboard.press("Control+e")  # from the machine's mode to one of our own
    lists = [address for address in links(page, "#nav-sidebar") if "/switch/" not in address]
    wide: list[str] = []
    things: dict[str, str] = {}
    adding: dict[str, str] = {}
    for address in lists:
        wide += too_wide(page, address)
        first_row = links(page, "#result_list tbody", "[href*='/change/']")[:1]
        things |= {kind: one for kind in THINGS for one in first_row if f"/{kind}/" in one}
        adding |= {one: one for one in links(page, "#main", "[href*='/add/']")}
    page.goto(stage.url("/admin/triggers/trigger/add/"))
    page.get_by_role("button", name="Start from an example").click()
    examples = page.url
    one = f"{examples}&example=commcare_form_forwarding_xml"
    for address in (
        *things.values(),
        *adding,
        examples,
        one,
        f"{one.replace('/examples/', '/add/')}&kind=message",
    ):
        wide += too_wide(page, address)
    assert wide == []
    assert len(lists) > 12
    assert len(adding) > 5
    assert things.keys() == THINGS


def test_a_name_without_a_space_makes_no_page_wider(come, stage):
    page = come("superuser", width=PHONE).page
    page.goto(stage.url("/admin/jobs/table/add/"))
    page.locator("[name=project]").select_option(index=1)
    page.locator("[name=name]").fill("N" * 119)
    page.locator("[name=description]").fill("d" * 300)
    page.locator("[name=kind]").select_option(index=0)
    page.locator("button[name=_save]").click()
    page.wait_for_url("**/change/")
    of_it = links(page, "#main", f"[href*='{page.url.split('/')[-3]}']")
    assert len(of_it) > 3
    wide = {}
    for address in (page.url, *of_it):
        if not address.endswith("/csv/"):
            page.goto(address)
            wide[address] = page.evaluate("document.documentElement.scrollWidth")
    assert {address: width for address, width in wide.items() if width > PHONE + 1} == {}


def links(page: Page, place: str, which: str = "") -> list[str]:
    found = page.locator(f"{place} a{which}[href^='/admin/']").evaluate_all("all => all.map(a => a.href)")
    return list(dict.fromkeys(found))


def too_wide(page: Page, address: str) -> list[str]:
    """In the mode in which the page came, and in the other one; the next page comes in that."""
    page.goto(address)
    found = []
    before = mode_of(page)
    for _ in range(2):
        width = page.evaluate("document.documentElement.scrollWidth")
        if width > PHONE + 1:
            found.append(f"{address} is {width} pixels wide ({mode_of(page)})")
        if mode_of(page) == before:
            page.keyboard.press("Control+e")
            expect(page.locator("html")).to_have_class(re.compile("light" if before == "dark" else "dark"))
    return found


def mode_of(page: Page) -> str:
    return "dark" if "dark" in (page.locator("html").get_attribute("class") or "").split() else "light"
