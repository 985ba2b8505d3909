"""`cursor`: how far the last run of a schedule came, kept in the state that the next one begins with.

    since = cursor("yesterday")                     what an earlier run kept, else the beginning of yesterday
    for each in dhis2.each("events", updatedAfter=since): …
    cursor.keep("start")                            the next run goes on from where this one began to look

Words are moments in the run's time zone: `start` (of this run, the same however often it is asked for), `now`,
`today`, `yesterday`, `3 hours ago`. Everything else is kept as it is, such as the number of a page.
"""

from __future__ import annotations

import re
from collections.abc import Callable, MutableMapping
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from jobs.language.errors import JobError

_AGO = re.compile(r"(\d{1,6}) (minute|hour|day|week)s? ago")


class Cursor:
    """Of one run. `state` gives it as it is at that moment, `warn` says something in the log."""

    def __init__(
        self,
        state: Callable[[], MutableMapping[str, Any]],
        *,
        zone: str,
        remembered: bool,
        warn: Callable[[str], None],
    ) -> None:
        self._state = state
        self._start = datetime.now(_zone(zone)).replace(microsecond=0)
        self._remembered = remembered
        self._warn = warn
        self.kept: dict[str, Any] = {}

    def __call__(self, default: Any = None, *, key: str = "cursor", format: str | None = None) -> Any:
        """What was kept under `key`, else the default. `format` is that of a moment, as in `%Y-%m-%d`."""
        found = self.kept[key] if key in self.kept else self._state().get(key)
        return self._resolved(default, format) if found is None else found

    def keep(self, value: Any, *, key: str = "cursor", format: str | None = None) -> Any:
        """From where the next run goes on; answers what is kept."""
        if key in ("data", "references", "response", "configuration"):
            raise JobError("The key of a cursor is a name of its own in the state, such as “cursor”")
        if not self._remembered and not self.kept:
            self._warn(
                "No later run will know this cursor: only schedules that keep a memory hand it to their next run"
            )
        self.kept[key] = self._state()[key] = self._resolved(value, format)
        return self.kept[key]

    def _resolved(self, value: Any, format: str | None) -> Any:
        moment = self._moment(value) if isinstance(value, str) else value
        if isinstance(moment, date):  # a datetime is one, too
            return moment.strftime(format) if format else moment.isoformat()
        return moment

    def _moment(self, word: str) -> datetime | str:
        midnight = self._start.replace(hour=0, minute=0, second=0)
        if word == "start":
            return self._start
        if word == "now":
            return datetime.now(self._start.tzinfo).replace(microsecond=0)
        if word == "today":
            return midnight
        if word == "yesterday":
            return midnight - timedelta(days=1)
        ago = _AGO.fullmatch(word.strip())
        return self._start - timedelta(**{f"{ago[2]}s": int(ago[1])}) if ago else word


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")
