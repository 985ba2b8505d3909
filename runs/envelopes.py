"""Permits as Celery messages, made from one that Celery and kombu built themselves.

A permit has no arguments, so all of them are the same message but for their ids and their expiry. Building each
one through Celery costs as much as storing the partner's message; filling in a copy costs a hundredth of that.
"""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

EXPIRES = timedelta(seconds=300)


class Envelopes:
    """Makes permits for the queue of `runs.execute_next`."""

    def __init__(self) -> None:
        from openfn_platform.celery import app
        from runs.tasks import execute_next

        self.queue: str = app.conf.task_default_queue
        task = app.amqp.as_task_v2(
            str(uuid.uuid4()),
            execute_next.name,
            args=(),
            kwargs={},
            expires=EXPIRES.total_seconds(),
            ignore_result=True,
        )
        with app.producer_pool.acquire(block=True, timeout=5) as producer:
            payload, content_type, encoding = producer._prepare(
                task.body, serializer="json", headers=task.headers
            )
            channel: Any = producer.channel
            message = channel.prepare_message(
                payload,
                content_type=content_type,
                content_encoding=encoding,
                headers=task.headers,
                properties={**task.properties, "delivery_mode": 2},
            )
            channel._inplace_augment_message(message, "", self.queue)
        self._message: dict[str, Any] = json.loads(json.dumps(message, default=str))

    def permits(self, count: int) -> list[str]:
        """So many messages, as they lie in the queue."""
        expires = (datetime.now(UTC) + EXPIRES).isoformat()
        return [self._permit(expires) for _ in range(count)]

    def _permit(self, expires: str) -> str:
        name = str(uuid.uuid4())
        headers = {**self._message["headers"], "id": name, "root_id": name, "expires": expires}
        properties = {
            **self._message["properties"],
            "correlation_id": name,
            "delivery_tag": str(uuid.uuid4()),
        }
        return json.dumps({**self._message, "headers": headers, "properties": properties})
