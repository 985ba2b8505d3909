"""The public doors of a running `up`, as partner systems and programs use them: inbox, API, the partners' own state."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from openfn_platform.common.errors import PlatformError
from openfn_platform.demo.clinic import PROJECT_KEY
from openfn_platform.demo.mailbox import Mailbox


class Shut(PlatformError):
    """A door of the platform did not open."""

    code = "door_shut"


def data_home() -> Path:
    """Where `up` keeps its data when nobody says otherwise."""
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "openfn-platform"


def facts_read(folder: Path) -> dict[str, Any]:
    """What `up` says about itself. Raises Shut when none runs on that folder, or it runs without the demo."""
    try:
        facts: dict[str, Any] = json.loads((folder / "up.json").read_text("utf-8"))
    except (OSError, ValueError):
        raise Shut(
            f"Nothing runs on {folder}: start `python3 manage.py up` first, or say --data DIR."
        ) from None
    missing = [name for name in ("openmrs", "twilio") if not facts["standins"].get(name)]
    if missing or not facts["api_token"] or not facts["inboxes"].get(PROJECT_KEY):
        raise Shut("The demo is not loaded: start `python3 manage.py up` without --no-demo.")
    if not facts["mail_dir"]:
        raise Shut(
            "Mails go to a real server here; the story reads them from a folder. Start `up` without SMTP_HOST."
        )
    return facts


class Doors:
    """Opened with what `up.json` says."""

    def __init__(self, facts: Mapping[str, Any]) -> None:
        self._api = f"{facts['url']}/api/v1"
        self._inbox = facts["inboxes"][PROJECT_KEY]
        self._token = {"Authorization": f"Bearer {facts['api_token']}"}
        self._standins = facts["standins"]
        self.mailbox = Mailbox(Path(facts["mail_dir"]), facts["admin"]["email"])
        # No proxy: what runs here is on this machine.
        self._client = httpx.Client(timeout=20, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def post(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """What the inbox answers."""
        answer: dict[str, Any] = self._ask("POST", self._inbox, json=message)
        return answer

    def all(self, path: str, **query: str) -> list[dict[str, Any]]:
        """Every page of a list of the API."""
        url: str | None = f"{self._api}/{path}"
        found: list[dict[str, Any]] = []
        while url:
            page = self._ask("GET", url, params=query or None, headers=self._token)
            found += page["results"]
            url, query = page["next"], {}
        return found

    def one(self, path: str) -> dict[str, Any]:
        """One thing of the API."""
        found: dict[str, Any] = self._ask("GET", f"{self._api}/{path}", headers=self._token)
        return found

    def tell(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """A deed by the API."""
        answer: dict[str, Any] = self._ask("POST", f"{self._api}/{path}", json=body, headers=self._token)
        return answer

    def patients(self) -> dict[str, list[str]]:
        """The patients of OpenMRS that are not voided: uuid -> identifiers."""
        state = self._ask("GET", f"{self._standins['openmrs']}/__standin__/state")
        return {
            patient["uuid"]: [each["identifier"] for each in patient["identifiers"] if not each["voided"]]
            for patient in state["patient"]
            if not patient["voided"]
        }

    def texts(self) -> list[dict[str, Any]]:
        """The text messages that went out, oldest first."""
        state = self._ask("GET", f"{self._standins['twilio']}/__standin__/state")
        messages: list[dict[str, Any]] = state["messages"]
        return messages

    def _ask(self, method: str, url: str, **options: Any) -> Any:
        try:
            answer = self._client.request(method, url, **options)
        except httpx.HTTPError as error:
            raise Shut(f"{method} {url} got no answer: {error}") from None
        if answer.is_error:
            raise Shut(f"{method} {url} answered {answer.status_code}: {_said(answer)}")
        return answer.json()


def _said(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return answer.text[:200]
