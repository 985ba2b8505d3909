"""What went to which partner and when: a search through the exchanges of some projects, newest first.

Bounded however many there are: pages by cursor, counts up to a number, an end to every query's time.
"""

from __future__ import annotations

import base64
import binascii
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db import OperationalError, connection, transaction
from django.db.models import BooleanField, ExpressionWrapper, OuterRef, Q, QuerySet
from psycopg.errors import QueryCanceled

from openfn_platform.common.errors import PlatformError
from openfn_platform.projects.models import Project
from runs.models import HttpExchange
from runs.models.log import FAILED_EXCHANGE

MOST_COUNTED = 10_000
MOST_SORTED = 50_000
SECONDS = 5.0  # that one question may take the database
HEAVY = ("request_body", "response_body", "words")
KINDS = ("written", "read")
MODES = ("live", "dry")

# What is asked for most is new and in memory: to walk along an index until a page is full costs less than to sort.
_SET = "SELECT set_config('statement_timeout', %s, true), set_config('random_page_cost', %s, true)"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class TooMuch(PlatformError):
    """There is too much to look through: choose a connection or a shorter time, or write more of the words."""

    code = "too_much_to_search"
    status = 422


@dataclass(frozen=True, kw_only=True)
class Cursor:
    """The last exchange of a page; the next page begins behind it."""

    at: datetime
    id: int

    def __str__(self) -> str:
        microseconds = (self.at - _EPOCH) // timedelta(microseconds=1)
        return base64.urlsafe_b64encode(f"{microseconds}.{self.id}".encode()).decode().rstrip("=")

    @classmethod
    def of(cls, exchange: HttpExchange) -> Cursor:
        return cls(at=exchange.at, id=exchange.pk)

    @classmethod
    def read(cls, text: str) -> Cursor | None:
        """None: no cursor of ours."""
        try:
            plain = base64.b64decode(text + "=" * (-len(text) % 4), altchars="-_", validate=True).decode(
                "ascii"
            )
            at, id_ = (int(part) for part in plain.split(".") if part.isdigit() and len(part) < 20)
            return cls(at=_EPOCH + timedelta(microseconds=at), id=id_)
        except (binascii.Error, ValueError, OverflowError):
            return None


def kind_conditions(kinds: Sequence[str]) -> dict[str, Any]:
    """Writes, reads, or both."""
    return {"write": kinds[0] == "written"} if len(kinds) == 1 else {}


def mode_conditions(modes: Sequence[str]) -> dict[str, Any]:
    """Really sent, shown in a dry run, or both."""
    return {"dry": modes[0] == "dry"} if len(modes) == 1 else {}


def status_conditions(text: str) -> dict[str, Any] | None:
    """`404`, `4xx`, `none` or `failed`; None is nonsense."""
    if text == "failed":
        return {"failed": True}
    if text == "none":
        return {"status": None}
    if len(text) != 3 or not text.isascii() or not text[0].isdigit():
        return None
    if text.isdigit():
        found: dict[str, Any] = {"status": int(text)}
    elif text[1:] == "xx":
        found = {"status__range": (int(text[0]) * 100, int(text[0]) * 100 + 99)}
    else:
        return None
    # It says nothing new, but names the index of the few that failed.
    return found | ({"failed": True} if text[0] >= "4" else {})


def exchanges() -> QuerySet[HttpExchange]:
    """All of them, without what is heavy; who asks narrows them to what may be seen."""
    failed = ExpressionWrapper(FAILED_EXCHANGE, output_field=BooleanField())
    return HttpExchange.objects.defer(*HEAVY).alias(failed=failed)


def newest(
    rows: QuerySet[HttpExchange],
    *,
    projects: Sequence[uuid.UUID],
    size: int,
    after: Cursor | None = None,
    few: bool = False,
) -> list[HttpExchange]:
    """The newest `size` exchanges of these projects; behind `after`, if it is given. `few`: they are quickly sorted."""
    if after is not None:
        rows = rows.filter(Q(at__lte=after.at) & (Q(at__lt=after.at) | Q(pk__lt=after.id)))
    rows = rows.order_by("-at", "-pk")
    with bounded_time():
        if len(projects) <= 1 or few:
            return list(rows.filter(project_id__in=projects)[:size])
        # The newest of each project by its index, and of these the newest: one query over several projects would
        # sort everything that they have.
        each = ArraySubquery(rows.filter(project_id=OuterRef("pk")).values("pk")[:size])
        found = Project.objects.filter(pk__in=projects).order_by().values_list(each, flat=True)
        keys = [key for some in found for key in some]
        return list(exchanges().filter(pk__in=keys).order_by("-at", "-pk")[:size])


def counted(rows: QuerySet[HttpExchange], *, projects: Sequence[uuid.UUID], most: int = MOST_COUNTED) -> int:
    """How many there are, up to one more than `most`."""
    with bounded_time():
        return rows.filter(project_id__in=projects).order_by()[: most + 1].count()


@contextmanager
def bounded_time(seconds: float = SECONDS) -> Iterator[None]:
    """Raises TooMuch where the database would need longer."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('statement_timeout'), current_setting('random_page_cost')")
            usual = cursor.fetchone()
            cursor.execute(_SET, [f"{seconds * 1000:.0f}", "1.1"])
            yield
            cursor.execute(_SET, usual)  # for those who go on in the same transaction
    except OperationalError as error:
        if isinstance(error.__cause__, QueryCanceled):
            raise TooMuch() from None
        raise
