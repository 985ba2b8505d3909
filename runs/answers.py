"""What a running job may ask of the platform, over its channel: `once`, earlier steps, tables, the next token …

The child reaches neither database nor Redis. Each question is small, bounded and answered from rows of the
run's own work order and project; an unknown question is an error in the job, not in the worker. What is stored
of a question was put together by job code, so secrets are taken out of it as out of a log.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from openfn_platform.common.errors import Invalid
from openfn_platform.common.text import storable
from runs.models import EchoMark, OnceMark, Run, RunMode, RunState
from runs.sandbox.redaction import Redactor
from runs.states import encode, state_read
from runs.table_answers import TableAnswers
from runs.tokens import Tokens

KEY_LENGTH = 300
MOST_SECRETS = 200
LONGEST_SECRET = 16_000


class Answers:
    """Answers for one run."""

    def __init__(
        self, run: Run, *, redactor: Redactor, tokens: Tokens, memory_bytes: int = 512 * 1024 * 1024
    ) -> None:
        self._run = run
        self._redactor = redactor
        self._learnt = 0
        self._mine: set[str] = set()  # marks that this very execution began
        self._questions: dict[str, Callable[[dict[str, Any]], dict[str, Any] | bytes]] = {
            "once.begin": self._once_begin,
            "once.done": self._once_done,
            "once.undo": self._once_undo,
            "step.state": self._step_state,
            "echo.wrote": self._echo_wrote,
            "echo.came_from_us": self._echo_came_from_us,
            "token.refresh": tokens.refresh,
            "secret.learn": self._secret_learn,
            **TableAnswers(run, redactor=redactor, memory_bytes=memory_bytes).questions,
        }

    def __call__(self, question: str, body: dict[str, Any]) -> dict[str, Any] | bytes:
        answer = self._questions.get(question)
        if answer is None:
            raise Invalid(f"A job cannot ask “{question[:40]}”.")
        return answer(body)

    def _secret_learn(self, body: dict[str, Any]) -> dict[str, Any]:
        """The token of a log-in that the job's own process made."""
        if self._learnt >= MOST_SECRETS:
            raise Invalid("A run can hold only so many secrets.")
        self._learnt += 1
        self._redactor.learn({"token": str(body.get("secret", ""))[:LONGEST_SECRET]})
        return {}

    def _key(self, body: dict[str, Any]) -> str:
        return _short(self._redactor(storable(str(body.get("key")))))

    def _record(self, body: dict[str, Any]) -> dict[str, str]:
        system, record = (self._redactor(storable(str(body.get(name)))) for name in ("system", "id"))
        return {"system": system[:100], "record": record[:300]}

    def _mark(self, key: str) -> Any:
        return OnceMark.objects.filter(
            work_order_id=self._run.work_order_id, job_id=self._run.job_id, key=key
        )

    def _once_begin(self, body: dict[str, Any]) -> dict[str, Any]:
        """Committed before the call goes out: begun without done means that it may have happened."""
        key = self._key(body)
        try:
            with transaction.atomic():
                OnceMark.objects.create(
                    project_id=self._run.project_id,
                    work_order_id=self._run.work_order_id,
                    job_id=self._run.job_id,
                    key=key,
                    run_id=self._run.pk,
                )
        except IntegrityError:
            mark = self._mark(key).first()
            if mark is None:  # undone in between by nobody but ourselves
                return {"status": "unsure"}
            if mark.done_at is not None:
                return {"status": "done", "result": json.loads(bytes(mark.result or b"null"))}
            return {"status": "unsure"}
        self._mine.add(key)
        return {"status": "new"}

    def _once_done(self, body: dict[str, Any]) -> dict[str, Any]:
        key = self._key(body)
        if key in self._mine:
            result = self._redactor.data(encode(body.get("result")))
            self._mark(key).filter(done_at=None).update(done_at=Now(), result=result)
        return {}

    def _once_undo(self, body: dict[str, Any]) -> dict[str, Any]:
        """The call provably did nothing: a later attempt may make it."""
        key = self._key(body)
        if key in self._mine:
            self._mark(key).filter(done_at=None, run_id=self._run.pk).delete()
            self._mine.discard(key)
        return {}

    def _step_state(self, body: dict[str, Any]) -> bytes:
        """The newest final state of that job in this work order, as it is stored: nobody here decodes it."""
        state_id = (
            Run.objects.filter(
                work_order_id=self._run.work_order_id,
                job__key=str(body.get("job", ""))[:60],
                state=RunState.SUCCESS,
                final__isnull=False,
            )
            .exclude(pk=self._run.pk)
            .order_by("-lane", "-attempt")
            .values_list("final_id", flat=True)
            .first()
        )
        return b'{"state":' + (state_read(state_id=state_id) if state_id else b"null") + b"}"

    def _echo_wrote(self, body: dict[str, Any]) -> dict[str, Any]:
        if self._run.mode == RunMode.LIVE:
            record = self._record(body)
            EchoMark.objects.update_or_create(
                project_id=self._run.project_id,
                system=record["system"],
                record=record["record"],
                defaults={"digest": _digest(body)},
            )
        return {}

    def _echo_came_from_us(self, body: dict[str, Any]) -> dict[str, Any]:
        rows = EchoMark.objects.filter(project_id=self._run.project_id, **self._record(body))
        known = rows.values_list("digest", flat=True).first()
        return {"ours": known is not None and bytes(known) == _digest(body)}


def once_resolve(*, mark_id: uuid.UUID, happened: bool, by: Any) -> None:
    """A person looked: *it was* done (remembered without a result), or *send again*."""
    if happened:
        OnceMark.objects.filter(pk=mark_id, done_at=None).update(
            done_at=Now(), result=b"null", resolved_by=by
        )
    else:
        OnceMark.objects.filter(pk=mark_id, done_at=None).delete()


def _short(text: str) -> str:
    if len(text) <= KEY_LENGTH:
        return text
    return text[:200] + "…" + hashlib.sha256(text.encode()).hexdigest()


def _digest(body: dict[str, Any]) -> bytes:
    return hashlib.sha256(str(body.get("hash", "")).encode("utf-8", "replace")).digest()
