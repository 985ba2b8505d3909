"""Sessions in the database, in a table that also says whose they are (`SESSION_ENGINE`)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.utils import timezone

BEGAN, ADDRESS, DEVICE, HOW = "began", "address", "device", "how"


class SessionStore(DatabaseStore):
    """Keeps the columns of `Session` in step with what stands in the session itself."""

    seen_at: datetime | None = None

    @classmethod
    def get_model_class(cls) -> Any:
        from openfn_platform.projects.models import Session

        return Session

    def _get_session_from_db(self) -> Any:
        row = super()._get_session_from_db()  # type: ignore[misc]  # not in the stubs
        self.seen_at = getattr(row, "seen_at", None)
        return row

    def create_model_instance(self, data: dict[str, Any]) -> Any:
        row: Any = super().create_model_instance(data)
        row.user_id = data.get(SESSION_KEY)
        if row.user_id is not None:
            row.seen_at = self.seen_at = timezone.now()
            row.began_at = datetime.fromisoformat(data[BEGAN]) if BEGAN in data else row.seen_at
            row.address, row.device, row.how = data.get(ADDRESS), data.get(DEVICE, ""), data.get(HOW, "")
        return row
