"""Bulk operations: one deed to many runs or messages, begun at once, worked off by workers, seen while it goes on.

Which rows it touches is settled when it begins. Each item is one transaction: the deed, what came of it, and how
far the operation is. So a worker that is killed leaves nothing half done and nothing is done twice; whoever looks
next goes on where it stopped. One worker at a time has an operation, so that its items keep their order.

An operation that makes runs does not run ahead of them: when many of them are under way it waits, holding no worker,
until some have ended (`runs.bulk_following`), and is taken up again.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import DatabaseError, InterfaceError, connection, transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from jobs.models import Job
from openfn_platform.common.errors import Conflict, Invalid, PlatformError
from openfn_platform.common.ids import uuid7
from openfn_platform.common.text import one_line
from openfn_platform.projects.actors import Actor, By, as_actor, author_of, require
from openfn_platform.projects.auditing import audit
from openfn_platform.projects.models import Project, Role
from runs.bulk_deeds import WAYS, Made, item_do, refused_of
from runs.bulk_following import at_once_of, operation_end, operations_ready, runs_follow
from runs.models import BulkItem, BulkOperation, BulkState, Deed, ItemState, Outcome
from runs.models.bulk import OPEN_BULK
from runs.permits import bulk_ring, bulk_ring_on_commit

logger = logging.getLogger(__name__)

MOST_ITEMS = 10_000
MOST_JOBS = 50
SHARE = 50  # items of one operation before others get their turn
TURN_SECONDS = 10.0
SWEEP_SECONDS = 3.0
KEPT = timedelta(days=90)
OUR_MISTAKE = "The platform made a mistake with this one; its log says more."


class NothingChosen(Conflict):
    """There is nothing that this can be done to."""

    code = "nothing_chosen"


class BulkEnded(Conflict):
    """This bulk operation has ended already."""

    code = "bulk_ended"


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """What somebody chose: ids, each of which gets an answer; or a filter, and in it whatever the deed applies to."""

    ids: tuple[uuid.UUID, ...] = ()
    rows: QuerySet[Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Count:
    """To how many a bulk operation would do it, were it begun now."""

    total: int
    left_out: int  # chosen by id, and the deed does not apply to them; or their job is off, or has no code
    too_many: bool  # more than one operation may touch; `total` counts no further


@dataclass(frozen=True, kw_only=True)
class Order:
    """What is to be done."""

    deed: Deed
    chosen: Chosen
    reason: str = ""
    same_code: bool = False
    jobs: tuple[Job, ...] = ()
    one_first: bool = False  # the others follow when the first run has succeeded

    def check(self, project: Project) -> None:
        if self.deed == Deed.DISMISS and not self.reason.strip():
            raise Invalid("Say why they are dismissed; others read it.", field="reason")
        if self.deed == Deed.REPROCESS and not self.jobs:
            raise Invalid("Choose the jobs that the messages start.", field="jobs")
        if len(self.jobs) > MOST_JOBS or any(job.project_id != project.pk for job in self.jobs):
            raise Invalid(f"Choose at most {MOST_JOBS} jobs of this project.", field="jobs")

    def parameters(self) -> dict[str, Any]:
        if self.deed == Deed.DISMISS:
            return {"reason": one_line(self.reason, 300)}
        if self.deed == Deed.REPROCESS:
            return {"jobs": [str(job.pk) for job in self.jobs], "one_first": self.one_first}
        if self.deed == Deed.RETRY:
            return {"same_code": self.same_code, "one_first": self.one_first}
        return {}


# --- beginning, counting, cancelling --------------------------------------------------------------


def bulk_count(*, project: Project, order: Order, by: By) -> Count:
    require(by, project, Role.OPERATOR)
    order.check(project)
    rows = _applicable(project, order)
    found = rows[: MOST_ITEMS + 1].count()
    if found > MOST_ITEMS:
        return Count(total=MOST_ITEMS, left_out=0, too_many=True)
    refused = rows.filter(refused_of(order.deed, same_code=order.same_code)).count()
    chosen = len(set(order.chosen.ids)) if order.chosen.rows is None else found
    return Count(total=found - refused, left_out=chosen - found + refused, too_many=False)


@transaction.atomic
def bulk_begin(*, project: Project, order: Order, by: By) -> BulkOperation:
    """Settle what it touches, and let a worker begin. Nothing is done yet when this returns."""
    require(by, project, Role.OPERATOR)
    order.check(project)
    targets = list(_applicable(project, order).values_list("pk", flat=True)[: MOST_ITEMS + 1])
    if order.chosen.rows is None:
        # Whoever names an id gets an answer about it, also when the answer is why not.
        known = dict.fromkeys(targets)
        targets += [each for each in dict.fromkeys(order.chosen.ids) if each not in known]
    if not targets:
        raise NothingChosen()
    if len(targets) > MOST_ITEMS:
        raise Invalid(f"That would touch more than {MOST_ITEMS:,}; choose fewer.")
    actor = as_actor(by)
    operation = BulkOperation.objects.create(
        id=uuid7(),
        project=project,
        deed=order.deed,
        parameters=order.parameters(),
        requested_by=author_of(by),
        token=actor.token,
        requested_by_name=one_line(actor.name, 254),
        total=len(targets),
        at_once=at_once_of(one_first=order.one_first, runs_each=len(order.jobs)),
    )
    _items_store(operation, targets)
    changes = {"total": operation.total, **operation.parameters}
    audit(f"bulk {order.deed} begun", by, project=project, target=operation, changes=changes)
    bulk_ring_on_commit()
    return operation


@transaction.atomic
def bulk_cancel(*, operation: BulkOperation, by: By) -> None:
    """What is done stays done; the rest is left as it is."""
    require(by, operation.project_id, Role.OPERATOR)
    row = BulkOperation.objects.select_for_update(no_key=True).get(pk=operation.pk)
    if not row.is_open:
        raise BulkEnded()
    operation_end(row, BulkState.CANCELLED, f"Cancelled by {as_actor(by).name}.")
    changes = {"worked": row.worked, "left": row.waiting}
    audit("bulk operation cancelled", by, project=operation.project, target=operation, changes=changes)


def _applicable(project: Project, order: Order) -> QuerySet[Any]:
    """What the deed applies to, in the order in which it will be worked off."""
    way = WAYS[order.deed]
    rows = order.chosen.rows
    if rows is None:
        rows = way.rows(project_id=project.pk).filter(pk__in=order.chosen.ids)
    return rows.filter(way.applies, project_id=project.pk).order_by(*way.order)


def _items_store(operation: BulkOperation, targets: Sequence[uuid.UUID]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO bulk_item (operation_id, position, target) "
            "SELECT %s, place, target FROM unnest(%s::uuid[]) WITH ORDINALITY AS chosen(target, place)",
            [operation.pk, list(targets)],
        )


# --- working off ----------------------------------------------------------------------------------


def bulk_work_off() -> None:
    """A worker's turn; what is left after it gets the next one."""
    if bulk_work(seconds=TURN_SECONDS):
        bulk_ring()


def bulk_sweep() -> None:
    """The sweep's share: what nobody rang for, or whose worker was killed."""
    if bulk_work(seconds=SWEEP_SECONDS):
        bulk_ring()


def bulk_work(*, seconds: float) -> bool:
    """Work on what is open for so long, the operations taking turns. True: something is left to do now."""
    until = time.monotonic() + seconds
    while True:
        worked = [_share(operation_id=pk, until=until) for pk in operations_ready()]
        if not any(worked):
            return False  # nothing is open, all wait for their runs, or others are at it
        if time.monotonic() >= until:
            return True


def _share(*, operation_id: uuid.UUID, until: float) -> bool:
    """What came of its runs, and some items of one operation. False: there was nothing for us."""
    worked = runs_follow(operation_id=operation_id)
    for _ in range(SHARE):
        if time.monotonic() >= until or not item_work(operation_id=operation_id):
            break
        worked = True
    return worked


def item_work(*, operation_id: uuid.UUID) -> bool:
    """The next item, whole. False: none may be taken up now, or another worker is busy with this operation."""
    with transaction.atomic():
        operation = (
            BulkOperation.objects.select_for_update(skip_locked=True, no_key=True, of=("self",))
            .select_related("requested_by", "token__project")
            .filter(pk=operation_id, state__in=OPEN_BULK)
            .first()
        )
        if operation is None or not operation.may_go_on:
            return False
        actor = Actor(user=operation.requested_by, token=operation.token)
        why_not = _may_not(operation, actor)
        if why_not:
            operation_end(operation, BulkState.CANCELLED, why_not)
            return False
        item = BulkItem.objects.get(operation=operation, position=operation.worked + 1)
        came = _outcome(operation, item, actor)
        BulkItem.objects.filter(pk=item.pk).update(
            state=came.state,
            reason=one_line(came.reason, 300),
            result=came.made[0] if len(came.made) == 1 else None,
            runs=list(came.made) or None,
            outcome=Outcome.UNDER_WAY if came.made else "",
        )
        _count_up(operation, came)
    return True


def _may_not(operation: BulkOperation, actor: Actor) -> str:
    """Why who asked for it may not go on; rights are those of now, not of when it began."""
    token = actor.token
    if operation.token_id is None and operation.requested_by_id is None:
        return "Who asked for it is gone."
    if token is not None and (
        token.revoked_at is not None or (token.expires_at is not None and token.expires_at <= timezone.now())
    ):
        return "The token that asked for it was revoked, or has expired."
    if not actor.may(operation.project_id, Role.OPERATOR):
        return "Who asked for it may not do that in this project any more."
    return ""


@dataclass(frozen=True, kw_only=True)
class _Came:
    """What came of one item."""

    state: ItemState
    reason: str = ""
    made: Made = ()


def _outcome(operation: BulkOperation, item: BulkItem, actor: Actor) -> _Came:
    try:
        with transaction.atomic():
            made = item_do(operation=operation, target=item.target, by=actor)
    except PlatformError as error:
        return _Came(state=ItemState.FAILED, reason=error.message)
    except (DatabaseError, InterfaceError):
        raise  # not this item's doing: whoever comes next tries it again
    except Exception:  # the border of each item: one of them must not stop the others
        logger.exception("action=bulk_item_failed operation=%s target=%s", operation.pk, item.target)
        return _Came(state=ItemState.FAILED, reason=OUR_MISTAKE)
    return _Came(state=ItemState.DONE, made=made)


def _count_up(operation: BulkOperation, came: _Came) -> None:
    column = "done" if came.state == ItemState.DONE else "failed"
    changes: dict[str, Any] = {column: F(column) + 1}
    if came.made:
        changes["runs_under_way"] = F("runs_under_way") + 1
    if operation.started_at is None:
        changes |= {"state": BulkState.RUNNING, "started_at": Now()}
    follows = came.made or operation.runs_under_way
    if operation.waiting == 1 and not follows:  # this was the last one
        changes |= {"state": BulkState.DONE, "finished_at": Now()}
    BulkOperation.objects.filter(pk=operation.pk).update(**changes)


def bulk_forget() -> int:
    """For the sweep: operations that ended long ago, with their items."""
    old = (
        BulkOperation.objects.filter(finished_at__lt=Now() - KEPT).order_by("id").values_list("pk", flat=True)
    )
    return BulkOperation.objects.filter(pk__in=list(old[:20])).delete()[0]
