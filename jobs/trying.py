"""Trying a connection while somebody waits for the answer."""

from __future__ import annotations

import logging
import queue
import threading
from typing import Any

from jobs.adaptors.context import Context
from jobs.adaptors.errors import AdaptorError, Timeout
from jobs.adaptors.spec import AdaptorSpec
from openfn_platform.common.errors import PlatformError
from openfn_platform.common.text import storable

logger = logging.getLogger(__name__)

SECONDS = 15.0


def connection_try(
    *, spec: AdaptorSpec, configuration: dict[str, Any], context: Context, seconds: float = SECONDS
) -> str:
    """One sentence, or the adaptor's error. Gives up after `seconds`, whatever the adaptor's own patience.

    In a thread, because no two adaptors can be hurried in the same way; one that is given up ends by itself and
    closes its connection then.
    """
    answer: queue.SimpleQueue[str | Exception] = queue.SimpleQueue()
    threading.Thread(
        target=_work, args=(spec, configuration, context, answer), name="connection-test", daemon=True
    ).start()
    try:
        said = answer.get(timeout=seconds)
    except queue.Empty:
        raise Timeout(f"{spec.title} did not answer within {seconds:g} seconds.", sent=True) from None
    if isinstance(said, AdaptorError):
        raise said
    if isinstance(said, PlatformError):
        raise AdaptorError(said.message) from None
    if isinstance(said, Exception):  # a mistake in the adaptor must not keep a credential from being stored
        logger.error("action=test_broke adaptor=%s", spec.name, exc_info=said)
        raise AdaptorError(f"The test of {spec.title} broke ({type(said).__name__}).") from None
    return storable(said)


def _work(
    spec: AdaptorSpec,
    configuration: dict[str, Any],
    context: Context,
    answer: queue.SimpleQueue[str | Exception],
) -> None:
    try:
        client = spec.connect(configuration, context)
        try:
            said: str | Exception = spec.test(client)
        finally:
            client.close()
    except Exception as error:  # raised again where the answer is waited for
        said = error
    answer.put(said)
