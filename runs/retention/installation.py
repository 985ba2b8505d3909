"""What belongs to no single project: idempotency keys, the audit, searches for persons whose time is over."""

from __future__ import annotations

from django.conf import settings

from openfn_platform.projects.actors import PLATFORM
from openfn_platform.projects.audit_upkeep import pruning
from openfn_platform.projects.auditing import audit
from runs.retention.batches import Batch, Slice, execute, rows

# Keys of all projects stand in the order in which they were made, so that one look along it finds the old ones.
_KEYS = """
SELECT k.id, k.created_at < %(before)s, p.history_days <= %(days)s
            OR k.created_at < now() - make_interval(days => least(p.history_days, 36500))
FROM idempotency_key k JOIN project p ON p.id = k.project_id
WHERE k.id >= %(low)s ORDER BY k.id LIMIT %(size)s
"""


def keys(given: Slice) -> Batch:
    """Outlive their messages: two years by default, or as long as the project keeps history, if that is longer."""
    low = int(given.cursor or 0)
    found = rows(
        _KEYS, {"before": given.before, "days": settings.IDEMPOTENCY_DAYS, "low": low, "size": given.size}
    )
    old = [row for row in found if row[1]]
    if not old:
        return Batch(cursor=given.cursor)
    going = [row[0] for row in old if row[2]]
    execute("DELETE FROM idempotency_key WHERE id = ANY(%s)", [going])
    held = next((row[0] for row in old if not row[2]), None)
    return Batch(
        cursor=str(old[-1][0] + 1),
        done=len(going),
        held=str(held) if held else "",
        more=len(old) == given.size,
    )


_AUDIT = "SELECT id, at < %s FROM audit_entry ORDER BY id LIMIT %s"


def audit_entries(given: Slice) -> Batch:
    """The audit is only ever added to; pruning it by the installation's policy is the one way through."""
    found = rows(_AUDIT, [given.before, given.size])
    going = [row[0] for row in found if row[1]]
    if going:
        with pruning():
            execute("DELETE FROM audit_entry WHERE id = ANY(%s)", [going])
        audit("audit pruned", PLATFORM, changes={"entries": len(going), "before": given.before})
    return Batch(cursor="", done=len(going), more=bool(going) and len(going) == given.size)


def searches(given: Slice) -> Batch:
    """Searches for persons, with what was looked for and where it was found."""
    done = execute(
        "DELETE FROM person_find WHERE id IN (SELECT f.id FROM person_find f JOIN person_search s ON s.id = f.search_id"
        " WHERE s.expires_at < now() LIMIT %s)",
        [given.size],
    )
    done += execute(
        "DELETE FROM person_search s WHERE s.expires_at < now()"
        " AND NOT EXISTS (SELECT FROM person_find f WHERE f.search_id = s.id)",
        [],
    )
    return Batch(cursor="", done=done, more=done >= given.size)
