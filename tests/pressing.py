"""Buttons that are pressed twice: the form of a page, sent as often as one likes, also from two threads at once."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from django.db import connection, transaction
from django.test import Client

from tests.waiting import wait_for

T = TypeVar("T")
U = TypeVar("U")
_WORD = re.compile(r'name="press" value="([^"]+)"')


def word_in(page: Any) -> dict[str, str]:
    """What a drawn form sends along, so that it is known when it comes again."""
    found = _WORD.search(bytes(page.content).decode())
    assert found, "the form has no word of its own"
    return {"press": found.group(1)}


def twin(client: Client) -> Client:
    """The same browser once more, for another thread."""
    other = Client()
    for name, morsel in client.cookies.items():
        other.cookies[name] = morsel.value
    return other


def at_once(*deeds: Callable[[], T]) -> list[T]:
    """Do them in as many threads, which begin together."""
    together = threading.Barrier(len(deeds))

    def do(deed: Callable[[], T]) -> T:
        together.wait(10)
        return _closing(deed)

    with ThreadPoolExecutor(len(deeds)) as pool:
        return list(pool.map(do, deeds))


def meanwhile(first: Callable[[], T], second: Callable[[], U]) -> tuple[T, U]:
    """`second` begins when `first` is done but not committed, and has to wait for it."""
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            one = first()
            other = pool.submit(_closing, second)
            wait_for(somebody_waits, lambda: "nobody waits for a lock")
        return one, other.result(20)


def _closing(deed: Callable[[], U]) -> U:
    try:
        return deed()
    finally:
        connection.close()


def somebody_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return bool(cursor.fetchone()[0])
