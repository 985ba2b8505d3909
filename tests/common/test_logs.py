"""A line of a log is one line, whatever somebody sent to be logged."""

from __future__ import annotations

import logging
import sys
from typing import Any

from django.conf import settings
from hypothesis import given
from hypothesis import strategies as st

from openfn_platform.common.logs import PlainFormatter

FORGED = "no such page\r\n2026-01-01 00:00:00 INFO root all is well\x1b[2J\x9b31m\u2028"


def written(message: str, *, exception: BaseException | None = None) -> str:
    raised = (type(exception), exception, exception.__traceback__) if exception else None
    record = logging.LogRecord("web", logging.WARNING, __file__, 1, "%s", (message,), raised)
    return PlainFormatter("%(levelname)s %(name)s %(message)s").format(record)


@given(st.text())
def test_a_record_is_one_line_that_steers_no_terminal(message: str):
    line = written(message)
    assert line.splitlines() == [line]
    assert not any((ord(each) < 32 and each != "\t") or 127 <= ord(each) < 160 for each in line)


def test_what_was_sent_can_still_be_read():
    assert written(FORGED).startswith("WARNING web no such page\\r\\n2026-01-01")
    assert written("Größe 12 °C\tសុខ") == "WARNING web Größe 12 °C\tសុខ"


def test_a_traceback_keeps_its_lines_and_nothing_that_steers():
    try:
        raise ValueError("\x1b]0;owned\x07")
    except ValueError:
        text = written("failed", exception=sys.exc_info()[1])
    assert text.splitlines()[1:2] == ["Traceback (most recent call last):"]
    assert text.splitlines()[-1] == "ValueError: \\x1b]0;owned\\x07"


def test_every_process_writes_its_log_in_this_way():
    logging_settings: dict[str, Any] = settings.LOGGING
    assert logging_settings["formatters"]["plain"]["class"] == f"{PlainFormatter.__module__}.PlainFormatter"
    assert {each["formatter"] for each in logging_settings["handlers"].values()} == {"plain"}
    assert settings.CELERY_WORKER_HIJACK_ROOT_LOGGER is False, "Celery would put its own in the place of it"
