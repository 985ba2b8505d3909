"""Letters about a person's own account, in the same outbox: stored in the caller's transaction, sent by the sweep.

They may hold a link that opens something. So they are neither counted in the hour's quota nor gathered into lists,
no page shows their text, and it is wiped when they are out.
"""

from __future__ import annotations

from openfn_platform.common.ids import uuid7
from runs.models import Notification

ACCOUNT = "account"
WIPED = "This mail is about somebody's own account; its text is not kept."


def account_letter(*, to: str, subject: str, text: str) -> None:
    """One letter to one person, who need not have an account yet."""
    key = uuid7()
    Notification.objects.create(
        id=key, kind=ACCOUNT, cause=str(key), recipient=to, subject=subject, text=text
    )
