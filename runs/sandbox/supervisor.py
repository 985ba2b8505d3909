"""Look after one run: hand it over, read its log, answer its questions, end it in time, judge what came of it.

Runs in the thread that calls it and starts none. It sleeps in `poll` until something happens, at most `TICK_SECONDS`,
because it also has to ask whether the run should stop; renewing the run's lease is well placed in that question.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from jobs.language.contract import Request, Result
from runs.sandbox import wire
from runs.sandbox.child import EXIT_BROKEN, EXIT_UNCONFINED
from runs.sandbox.client import Child, ZygoteClient, ZygoteUnavailable, wait_readable
from runs.sandbox.confinement import Confinement
from runs.sandbox.limits import Limits
from runs.sandbox.logs import Log, LogLine
from runs.sandbox.ports import ports_of_run
from runs.sandbox.questions import Answer, Questions
from runs.sandbox.temp import folder_use
from runs.sandbox.untrusted import Redact, ResultReader, clean_text

TICK_SECONDS = 0.2
TEMP_CHECK_SECONDS = 1.0
FORK_SECONDS = 30.0  # a zygote that has not forked by then is stuck
DYING_SECONDS = 5.0
READ_BYTES = 1 << 18

DeathKind = Literal[
    "timeout",
    "memory",
    "signal",
    "exit",
    "state_too_large",
    "temp_too_large",
    "stopped",
    "zygote",
    "log_flood",
    "forged",
]


@dataclass(frozen=True, kw_only=True)
class Death:
    """Why a run's process ended without a result that counts."""

    kind: DeathKind
    reason: str  # one sentence
    signal: int | None = None
    exit_code: int | None = None


@dataclass(frozen=True, kw_only=True)
class Ended:
    """What came of one run's process."""

    result: Result | None
    state: bytes | None
    memory: bytes | None
    death: Death | None
    cpu_seconds: float
    max_rss_kb: int
    wall_seconds: float
    log_lines_dropped: int
    exchanges_dropped: int
    confinement: Confinement


def _as_it_is(text: str) -> str:
    return text


def _never() -> None:
    return None


def supervise(
    *,
    zygote: ZygoteClient,
    request: Request,
    state: bytes,
    limits: Limits,
    on_log: Callable[[list[LogLine]], None],
    answer: Answer,
    should_stop: Callable[[], str | None] = _never,
    redact: Redact = _as_it_is,
    connect_ports: Iterable[int] = (),
) -> Ended:
    """Execute one request in a child of its own; returns when nothing of it is left.

    `should_stop` is asked about five times a second; a sentence from it ends the run. What `on_log` or
    `should_stop` raise ends the run too and is raised here.
    """
    began = time.monotonic()
    ports = ports_of_run(request=request, also=connect_ports, forbidden=zygote.forbidden_ports)
    try:
        child = zygote.spawn(header=request.to_json(), state=state, limits=limits, ports=ports)
    except ZygoteUnavailable as error:
        return _not_started(death=Death(kind="zygote", reason=error.message), zygote=zygote, began=began)
    watch = _Watch(
        zygote=zygote,
        child=child,
        limits=limits,
        log=Log(limits=limits, redact=redact, hand_on=on_log),
        answer=answer,
        should_stop=should_stop,
        redact=redact,
        frame_limit=request.state_limit + wire.FRAME_SLACK,
        began=began,
    )
    try:
        return watch.until_ended()
    finally:
        watch.close()


def _not_started(*, death: Death, zygote: ZygoteClient, began: float) -> Ended:
    return Ended(
        result=None,
        state=None,
        memory=None,
        death=death,
        cpu_seconds=0.0,
        max_rss_kb=0,
        wall_seconds=time.monotonic() - began,
        log_lines_dropped=0,
        exchanges_dropped=0,
        confinement=zygote.confinement,
    )


class _Watch:
    """The state of looking after one child."""

    def __init__(
        self,
        *,
        zygote: ZygoteClient,
        child: Child,
        limits: Limits,
        log: Log,
        answer: Answer,
        should_stop: Callable[[], str | None],
        redact: Redact,
        frame_limit: int,
        began: float,
    ) -> None:
        self._zygote, self._child, self._limits, self._log = zygote, child, limits, log
        self._should_stop, self._redact = should_stop, redact
        self._began = began
        self._questions = Questions(channel=child.channel, answer=answer, limit=frame_limit)
        self._pidfd: int | None = None
        self._forked: float | None = None  # waiting for the zygote is not the job's time
        self._death: Death | None = None
        self._report: wire.JSONObject | None = None
        self._gone_since: float | None = None  # no process is left since then
        self._temp_checked = began
        self._poll = select.poll()
        self._handlers: dict[int, Callable[[], None]] = {}
        self._listen(child.status.fileno(), self._on_status)
        self._listen(child.raw, self._on_raw)
        self._listen(child.records, self._on_records)
        self._listen(child.channel.fileno(), self._on_channel)

    def until_ended(self) -> Ended:
        while self._gone_since is None or self._pipes_open():
            self._wait()
            self._log.hand_on_when_due()
            if self._gone_since is None:
                self._check()
        self._log.finish()
        return self._judge()

    def _pipes_open(self) -> bool:
        """Is there still something to read? An unconfined job may have left a process that never closes them."""
        since = self._gone_since
        patience = since is None or time.monotonic() - since < DYING_SECONDS
        return patience and bool({self._child.raw, self._child.records} & self._handlers.keys())

    def close(self) -> None:
        """Leave nothing behind, also when a callback raised."""
        self._kill()
        if self._pidfd is not None:
            if self._gone_since is None:
                wait_readable(self._pidfd, seconds=DYING_SECONDS)
            os.close(self._pidfd)
            self._pidfd = None
        self._child.close()
        self._zygote.release(self._child.generation)

    # Waiting.

    def _listen(self, fd: int, handler: Callable[[], None]) -> None:
        self._handlers[fd] = handler
        self._poll.register(fd, select.POLLIN)

    def _forget(self, fd: int) -> None:
        if self._handlers.pop(fd, None) is not None:
            self._poll.unregister(fd)

    def _wait(self) -> None:
        wait = TICK_SECONDS
        if (batch := self._log.wait_seconds()) is not None:
            wait = min(wait, batch)
        if self._forked is not None and self._death is None:
            left = self._forked + self._limits.wall_seconds - time.monotonic()
            wait = max(0.0, min(wait, left))
        if self._questions.waiting:
            wait = 0.0
        for fd, _ in self._poll.poll(wait * 1000 + 1):
            if (handler := self._handlers.get(fd)) is not None:
                handler()
        if self._questions.waiting and self._gone_since is None:
            self._questions.answer_next()
            self._listen_to_channel()

    def _check(self) -> None:
        """Everything that can end a run from outside."""
        now, limits = time.monotonic(), self._limits
        if self._forked is None and now - self._began > FORK_SECONDS:
            self._zygote_died("The process that starts runs does not answer.")
        elif self._death is not None:
            return
        elif self._forked is not None and now - self._forked > limits.wall_seconds:
            self._end("timeout", f"The run took longer than {limits.wall_seconds:g} seconds and was ended.")
        elif self._log.received > limits.log_flood_bytes:
            megabytes = limits.log_flood_bytes / 1e6
            self._end("log_flood", f"The run wrote more than {megabytes:g} MB into its log and was ended.")
        elif (reason := self._should_stop()) is not None:
            self._end("stopped", reason)
        elif now - self._temp_checked > TEMP_CHECK_SECONDS:
            self._temp_checked = now
            self._check_temp()

    def _check_temp(self) -> None:
        size, files = folder_use(self._child.temp, most_files=self._limits.temp_files)
        if size > self._limits.temp_bytes:
            megabytes = self._limits.temp_bytes / 1e6
            self._end(
                "temp_too_large", f"The run's temporary files are larger than {megabytes:g} MB together."
            )
        elif files > self._limits.temp_files:
            self._end(
                "temp_too_large", f"The run made more than {self._limits.temp_files:,} temporary files."
            )

    def _end(self, kind: DeathKind, reason: str) -> None:
        if self._death is None:
            self._death = Death(kind=kind, reason=reason)
        self._kill()

    def _kill(self) -> None:
        if self._pidfd is not None and self._gone_since is None:
            try:
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
            except ProcessLookupError:  # it was faster
                pass
            except PermissionError:  # unconfined and changed its user; the zygote's end is its end
                self._zygote.report_dead(self._child.generation)

    # What arrives.

    def _on_status(self) -> None:
        try:
            data, fds, _, _ = socket.recv_fds(self._child.status, wire.PACKET_BYTES, 1)
        except BlockingIOError:
            return
        except ConnectionResetError:
            data, fds = b"", []
        if not data:
            self._zygote_died("The process that starts runs has ended, and this run with it.")
            return
        message = wire.decode_object(data)
        if "pid" in message:
            self._pidfd, self._forked = fds[0], time.monotonic()
            if self._death is not None:
                self._kill()
        elif "error" in message:
            self._death = self._death or Death(kind="zygote", reason=str(message["error"]))
            self._nothing_left()
        else:
            self._report = message
            self._nothing_left()

    def _nothing_left(self) -> None:
        self._gone_since = time.monotonic()
        self._forget(self._child.status.fileno())
        self._forget(self._child.channel.fileno())
        # A job can have sent the ends of its pipes over the channel: unread, they would keep the pipes open.
        self._child.channel.close()

    def _zygote_died(self, reason: str) -> None:
        """The kernel kills its children; wait until that is true before anybody starts this run again."""
        self._zygote.report_dead(self._child.generation)
        self._end("zygote", reason)
        if self._pidfd is not None:
            wait_readable(self._pidfd, seconds=DYING_SECONDS)
        self._nothing_left()

    def _on_raw(self) -> None:
        self._drain(self._child.raw, self._log.feed_raw)

    def _on_records(self) -> None:
        self._drain(self._child.records, self._log.feed_records)

    def _drain(self, fd: int, feed: Callable[[bytes], None]) -> None:
        try:
            data = os.read(fd, READ_BYTES)
        except BlockingIOError:
            return
        if data:
            feed(data)
        else:
            self._forget(fd)

    def _on_channel(self) -> None:
        self._questions.move()
        self._listen_to_channel()

    def _listen_to_channel(self) -> None:
        """Wait for what the channel waits for: its reader or its writer."""
        fd = self._child.channel.fileno()
        if self._questions.closed:
            self._forget(fd)
        elif fd in self._handlers:
            self._poll.modify(fd, select.POLLOUT if self._questions.sending else select.POLLIN)

    # The end.

    def _judge(self) -> Ended:
        report = self._report or {}
        result, raw = None, None
        if self._death is None:
            self._death = _death_by_exit(int(report["exit"]))
        if self._death is None:
            result, raw = self._read_result()
        return Ended(
            result=result,
            state=raw.state if raw and result else None,
            memory=raw.memory if raw and result else None,
            death=self._death,
            cpu_seconds=float(report.get("cpu", 0.0)),
            max_rss_kb=int(report.get("rss", 0)),
            wall_seconds=time.monotonic() - self._began,
            log_lines_dropped=self._log.dropped,
            exchanges_dropped=self._log.dropped_records,
            confinement=self._child.generation.confinement,
        )

    def _read_result(self) -> tuple[Result | None, wire.RawResult | None]:
        try:
            raw = wire.result_read(self._child.result, state_bytes=self._limits.state_bytes)
            if raw is None:
                self._death = Death(
                    kind="exit", reason="The run's process ended without a result.", exit_code=0
                )
            elif "died" in raw.header:
                self._death = self._own_words(raw.header)
            else:
                return ResultReader(redact=self._redact).read(raw.header), raw
        except wire.TooLarge as error:
            self._death = self._too_large(error.size)
        except wire.Malformed as error:
            self._death = Death(kind="forged", reason=f"The run's result cannot be used: {error}.")
        return None, None

    def _own_words(self, header: wire.JSONObject) -> Death:
        """What the child said about its own end; as untrusted as the rest of the result."""
        match header:
            case {"died": "memory"}:
                megabytes = self._limits.memory_bytes / 1e6
                return Death(kind="memory", reason=f"The run needed more than {megabytes:g} MB of memory.")
            case {"died": "state_too_large", "size": int(size)}:
                return self._too_large(size)
            case {"died": "exit", "why": str(why)}:
                return Death(kind="exit", reason=self._redact(clean_text(why[:2000])))
        raise wire.Malformed("it does not say how the process ended")

    def _too_large(self, size: int) -> Death:
        limit = self._limits.state_bytes
        return Death(
            kind="state_too_large",
            reason=f"The final state has {size:,} bytes; this job may keep {limit:,}.",
        )


def _death_by_exit(code: int) -> Death | None:
    """What the exit status alone says; None when the result decides."""
    if code in (0, EXIT_UNCONFINED, EXIT_BROKEN):
        return None
    if code > 0:
        return Death(
            kind="exit", reason=f"The run's process ended itself with exit code {code}.", exit_code=code
        )
    number = -code
    if number == signal.SIGXCPU:
        return Death(kind="timeout", reason="The run used up its processor time.", signal=number)
    name = signal.Signals(number).name if number in set(signal.Signals) else str(number)
    if number == signal.SIGKILL:
        reason = "The run's process was killed from outside; most often the machine had run out of memory."
    else:
        reason = f"The run's process crashed ({name}); most often a compiled library is at fault."
    return Death(kind="signal", reason=reason, signal=number)
