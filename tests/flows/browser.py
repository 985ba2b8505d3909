"""People at a browser: each has windows of their own, logged in, that keep what went wrong in them.

visitor = Crowd(chromium, stage).come("editor"); visitor.page; visitor.write("code", "…"); visitor.leave()
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Request, Response, Route, expect

from openfn_platform.workspace.editor_bundle import bundle_is_built
from tests.flows.browser_stage import PASSWORD, Stage

# Quiet towards the outside: a browser asks its maker for updates otherwise.
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PATIENCE = 20_000.0  # milliseconds, on a machine that is busy with other things
DESKTOP, PHONE = 1280, 360

expect.set_options(timeout=PATIENCE)


def chromium_path() -> str | None:
    """The system's; none is ever downloaded."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or "/usr/bin/chromium"
    return found if Path(found).exists() else None


class Crowd:
    """Everybody who comes; each logs in once and keeps their browser's memory from visit to visit."""

    def __init__(self, chromium: Browser, stage: Stage) -> None:
        self.chromium, self.stage = chromium, stage
        self._known: dict[str, BrowserContext] = {}

    def come(self, person: str, *, width: int = DESKTOP, with_editor: bool = True) -> Visitor:
        context = self._known.get(person)
        visitor = Visitor(context or self._browser(), self.stage, width=width, with_editor=with_editor)
        if context is None:
            visitor.log_in(self.stage.people[person])
            self._known[person] = visitor.page.context
        return visitor

    def _browser(self) -> BrowserContext:
        context = self.chromium.new_context(reduced_motion="reduce")
        context.set_default_timeout(PATIENCE)
        return context


class Visitor:
    """One window. `with_editor=False`: as where the code editor's script could not be built."""

    def __init__(self, context: BrowserContext, stage: Stage, *, width: int, with_editor: bool) -> None:
        self.stage = stage
        self.has_editor = with_editor and bundle_is_built()
        self.troubles: list[str] = []
        self.page = page = context.new_page()
        page.set_viewport_size({"width": width, "height": 800})
        page.on("pageerror", lambda error: self._trouble(str(error)))
        page.on("console", self._said)
        page.on("request", self._asked)
        page.on("response", self._answered)
        if not with_editor:
            page.route("**/built/editor/editor.js", _nothing)

    def log_in(self, email: str) -> None:
        self.page.goto(self.stage.url("/admin/"))
        self.page.locator("input[name=username]").fill(email)
        self.page.locator("input[name=password]").fill(PASSWORD)
        self.page.locator("button[type=submit]").click()
        expect(self.page).to_have_title("Dashboard | OpenFn platform")

    def write(self, field: str, text: str) -> None:
        """Replace what stands in a field for code, as somebody does who pastes."""
        area = self.page.locator(f"textarea[name={field}]")
        if self.has_editor:
            self.page.locator(".code-editor", has=area).locator(".cm-content").fill(text)
        else:
            area.fill(text)
        expect(area).to_have_value(text)

    def status_of(self, url: str) -> int:
        """What the server answers this person, without showing it."""
        return self.page.context.request.get(url).status

    def leave(self) -> None:
        self.page.close()

    # --- what went wrong ------------------------------------------------------------------------------

    def _trouble(self, what: str) -> None:
        self.troubles.append(f"{self.page.url}: {what}")

    def _said(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self._trouble(f"console: {message.text}")

    def _asked(self, request: Request) -> None:
        if not request.url.startswith((self.stage.product.url, "data:", "blob:")):
            self._trouble(f"asked somebody else: {request.url}")

    def _answered(self, response: Response) -> None:
        if response.status >= 400:
            self._trouble(f"{response.status} from {response.request.method} {response.url}")


def _nothing(route: Route) -> Any:
    return route.fulfill(status=200, content_type="text/javascript", body="")
