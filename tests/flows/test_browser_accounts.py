"""Accounts through a real browser: the content policy, logging in again in the middle of work, a second factor."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.accounts.doors import code_of
from tests.flows.browser import ARGUMENTS, PATIENCE, Crowd, Visitor, chromium_path
from tests.flows.browser_stage import PASSWORD, Stage, stage_set

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        chromium_path() is None,
        reason="There is no Chromium on this machine, so nobody has looked at the pages: install `chromium`.",
    ),
]
VIOLATIONS = """
window.violations = [];
addEventListener("securitypolicyviolation", (e) => violations.push(`${e.violatedDirective}: ${e.blockedURI} ${e.sample}`));
"""
Enter = Callable[..., Page]


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with stage_set() as stage:
        yield stage


@pytest.fixture(scope="module")
def chromium(stage: Stage) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=list(ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture
def enter(chromium: Browser, stage: Stage) -> Iterator[Enter]:
    """Somebody logs in, in a browser of their own."""
    contexts: list[BrowserContext] = []

    def enter(person: str, **options: Any) -> Page:
        context = chromium.new_context(reduced_motion="reduce", **options)
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        page = context.new_page()
        page.goto(stage.url("/admin/login/"))
        fill_login(page, stage.people[person])
        return page

    yield enter
    for context in contexts:
        context.close()


def fill_login(page: Page, email: str) -> None:
    page.locator("input[name=username]").fill(email)
    page.locator("input[name=password]").fill(PASSWORD)
    page.locator("#login-form button[type=submit]").click()
    expect(page).to_have_title(re.compile("Dashboard|Second factor"))


def session_ends(page: Page) -> None:
    """As after eight hours: the browser no longer has the key."""
    page.context.clear_cookies(name="sessionid")


def dialog(page: Page) -> Any:
    return page.get_by_role("dialog", name="Log in again")


def answer(page: Page) -> None:
    box = dialog(page)
    box.get_by_label("Password").fill(PASSWORD)
    box.get_by_role("button", name="Log in and send").click()


def code_written(page: Page, text: str) -> None:
    """In the editor if it was built, in the plain field otherwise."""
    area = page.locator("textarea[name=code]")
    editor = page.locator(".code-editor", has=area).locator(".cm-content")
    (editor if editor.count() else area).fill(text)
    expect(area).to_have_value(text)


# --- the content policy ----------------------------------------------------------------------------------


def test_no_main_page_breaks_the_content_policy_or_writes_an_error(chromium: Browser, stage: Stage):
    (run,) = stage.post({"kind": "weighing", "visit": {"height": 120}})
    stage.run_ended(run)
    visitor = Crowd(chromium, stage).come("superuser")
    page = visitor.page
    page.add_init_script(VIOLATIONS)
    page.goto(stage.url("/admin/"))
    found: list[str] = []
    lists = links(page, "#nav-sidebar")
    things: dict[str, str] = {}
    for address in lists:
        found += violations(page, address)
        for one in links(page, "#result_list tbody", "[href*='/change/']")[:1]:
            things[one.split("/admin/")[1].rpartition("/change/")[0].rpartition("/")[0]] = one
    more = [
        "account/",
        "password_change/",
        "account/second-factor/",
        "projects/invitation/add/",
        "jobs/job/add/",
    ]
    more += ["projects/project/add/", "projects/apitoken/add/", "projects/user/add/", "triggers/trigger/add/"]
    more += ["jobs/credential/add/?adaptor=http", "nothing/here/"]
    shown = [f"{stage.run_url(run)}?show={part}" for part in ("log", "input", "final", "http", "code")]
    for address in (*things.values(), *shown, *(stage.url(f"/admin/{path}") for path in more[:-1])):
        found += violations(page, address)
    assert found == []
    assert visitor.troubles == []
    assert len(lists) > 15
    assert len(things) > 10


def test_neither_do_the_pages_for_visitors(chromium: Browser, stage: Stage):
    context = chromium.new_context()
    visitor = Visitor(context, stage, width=1280, with_editor=True)
    visitor.page.add_init_script(VIOLATIONS)
    found = [
        each
        for path in ("/admin/login/", "/admin/password_reset/")
        for each in violations(visitor.page, stage.url(path))
    ]
    assert found + visitor.troubles == []
    context.close()


def test_the_browser_would_say_so(chromium: Browser, stage: Stage):
    """The control: a script in the page, and one from elsewhere, do not run."""
    context = chromium.new_context()
    page = context.new_page()
    page.add_init_script(VIOLATIONS)
    page.goto(stage.url("/admin/login/"))
    page.evaluate(
        "const made = document.createElement('script'); made.textContent = 'window.ran = 1'; document.head.append(made)"
    )
    assert page.evaluate("window.ran") is None
    assert any("script-src" in each for each in page.evaluate("violations"))
    context.close()


def links(page: Page, place: str, which: str = "") -> list[str]:
    found = page.locator(f"{place} a{which}[href^='/admin/']").evaluate_all("all => all.map(a => a.href)")
    return [each for each in dict.fromkeys(found) if "/switch/" not in each and "/logout/" not in each]


def violations(page: Page, address: str) -> list[str]:
    page.goto(address)
    page.wait_for_load_state("networkidle" if "trigger/add" in address else "load")
    return [f"{address}: {each}" for each in page.evaluate("violations")]


# --- logging in again in the middle of work --------------------------------------------------------------


def test_code_that_was_typed_is_saved_after_logging_in_again(enter: Enter, stage: Stage):
    page = enter("editor")
    page.goto(stage.job_url("edited"))
    code_written(page, 'state.data = {"typed": "for an hour"}\n')
    session_ends(page)
    page.locator(".ws-button", has_text="Save draft").click()
    expect(dialog(page)).to_be_visible()
    answer(page)
    expect(page.get_by_text("v2 is saved.")).to_be_visible()
    expect(page.locator("textarea[name=code]")).to_have_value(re.compile("for an hour"))


def test_a_wrong_password_is_said_in_the_dialog_and_not_now_leaves_everything_as_it_was(
    enter: Enter, stage: Stage
):
    page = enter("editor")
    page.goto(stage.job_url("watched"))
    code_written(page, "pass  # kept\n")
    session_ends(page)
    page.locator(".ws-button", has_text="Save draft").click()
    dialog(page).get_by_label("Password").fill("wrong")
    dialog(page).get_by_role("button", name="Log in and send").click()
    expect(dialog(page)).to_contain_text("Please enter a correct")
    dialog(page).get_by_role("button", name="Not now").click()
    expect(dialog(page)).to_have_count(0)
    expect(page.locator("textarea[name=code]")).to_have_value("pass  # kept\n")
    if page.locator(".cm-content").count():  # the editor's own questions do not open it again
        with page.expect_response(re.compile("/check/")) as told:
            code_written(page, "pass  # kept on\n")
        assert told.value.status == 401
    page.wait_for_timeout(200)
    expect(dialog(page)).to_have_count(0)
    page.locator(".ws-button", has_text="Save draft").click()
    answer(page)
    expect(page.get_by_text("v2 is saved.")).to_be_visible()


def test_an_ordinary_form_is_sent_after_the_dialog(enter: Enter, stage: Stage):
    page = enter("superuser")
    page.goto(stage.url("/admin/projects/project/"))
    page.get_by_role("link", name="Another programme").click()
    page.locator("textarea[name=description]").fill("Typed before the session ended")
    session_ends(page)
    page.locator("button[name=_save], input[name=_save]").first.click()
    answer(page)
    expect(page.get_by_text("changed successfully")).to_be_visible()
    page.get_by_role("link", name="Another programme").first.click()
    expect(page.locator("textarea[name=description]")).to_have_value("Typed before the session ended")


def test_somebody_else_does_not_send_what_this_one_typed(enter: Enter, stage: Stage):
    page = enter("editor")
    page.goto(stage.job_url("weighs"))
    code_written(page, "pass  # of the editor\n")
    session_ends(page)
    page.locator(".ws-button", has_text="Save draft").click()
    dialog(page).get_by_label("E-mail address").fill(stage.people["superuser"])
    answer(page)
    expect(dialog(page)).to_contain_text("this page was opened by")


def test_a_part_that_htmx_asks_for_goes_on_after_the_dialog(enter: Enter, stage: Stage):
    page = enter("editor")
    page.goto(stage.url("/admin/triggers/trigger/add/"))
    page.get_by_role("button", name="Start from an example").click()
    page.goto(f"{page.url.replace('/examples/', '/add/')}&example=commcare_form_forwarding_xml&kind=message")
    expect(page.locator("#sample")).to_be_visible()
    session_ends(page)
    page.locator("#sample").fill("<form><consent>no</consent></form>")
    expect(dialog(page)).to_be_visible()
    answer(page)
    expect(page.locator("#match")).to_contain_text("Criteria and jobs see the XML so")


def test_where_the_dialogs_script_is_missing_a_page_carries_what_was_typed(enter: Enter, stage: Stage):
    page = enter("editor")
    page.route(
        "**/signing.js", lambda route: route.fulfill(status=200, content_type="text/javascript", body="")
    )
    page.goto(stage.job_url("alert"))
    text = 'note("<typed> & kept")\n\n# "end"\n'
    code_written(page, text)
    session_ends(page)
    page.locator(".ws-button", has_text="Save draft").click()
    expect(page.get_by_text("What you typed is not lost")).to_be_visible()
    page.locator("input[type=text]").first.fill(stage.people["editor"])
    page.locator("input[type=password]").fill(PASSWORD)
    page.get_by_role("button", name="Log in and send").click()
    expect(page.get_by_text("v2 is saved.")).to_be_visible()
    expect(page.locator("textarea[name=code]")).to_have_value(text)


# --- a second factor ---------------------------------------------------------------------------------------


def test_a_second_factor_from_the_qr_code_to_the_dialog(enter: Enter, stage: Stage):
    page = enter("outsider")
    page.goto(stage.url("/admin/account/"))
    page.get_by_role("link", name="Set up").click()
    expect(page.locator(".ws-qr svg")).to_be_visible()
    secret = page.locator(".ws-mono").inner_text().replace(" ", "")
    page.locator("input[name=code]").fill(code_of(secret, -1))
    page.get_by_role("button", name="Switch on").click()
    codes = page.locator("#codes").inner_text().split()
    assert len(codes) == 10
    with page.expect_download() as saved:
        page.get_by_role("button", name="Download").click()
    assert saved.value.suggested_filename == "recovery-codes.txt"
    assert saved.value.path().read_text().split() == codes

    page.get_by_role("link", name="I have kept them").click()
    expect(page.get_by_text("10 recovery codes left")).to_be_visible()
    page.goto(stage.url("/admin/projects/project/"))
    page.get_by_role("link", name="Another programme").click()
    page.locator("textarea[name=description]").fill("Typed by the outsider")
    session_ends(page)
    page.locator("button[name=_save], input[name=_save]").first.click()
    answer(page)
    box = dialog(page)
    box.get_by_label("Code of your app").fill(code_of(secret))
    box.get_by_role("button", name="Log in and send").click()
    expect(page.get_by_text("changed successfully")).to_be_visible()

    again = enter("outsider")
    expect(again).to_have_title(re.compile("Second factor"))
    again.locator("input[name=code]").fill(codes[0])
    again.get_by_role("button", name="Log in").click()
    expect(again).to_have_title(re.compile("Dashboard"))


def test_being_logged_out_everywhere_else_shows_at_the_next_click(enter: Enter, stage: Stage):
    here, there = enter("viewer"), enter("viewer")
    here.goto(stage.url("/admin/account/"))
    expect(here.get_by_text("This one")).to_have_count(1)
    here.get_by_role("button", name="Log out everywhere else").click()
    expect(here.get_by_text("The other session ended.")).to_be_visible()
    there.goto(stage.url("/admin/account/"))
    expect(there).to_have_title(re.compile("Log in"))
