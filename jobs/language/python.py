"""Jobs in Python: what is in scope, how a body is called, what its end means."""

from __future__ import annotations

import importlib
import linecache
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, NoReturn

from jobs.language.channel import Channel
from jobs.language.connections import Connect, Connections, NoConnection
from jobs.language.contract import Failure, Outcome, Request
from jobs.language.cursor import Cursor
from jobs.language.encoding import article
from jobs.language.errors import JobError, SkipSignal
from jobs.language.explaining import Explainer, not_compiled, not_connected
from jobs.language.facts import Run, Settings, Steps, Sync
from jobs.language.library import Shelf, importable
from jobs.language.logs import Log, Printer
from jobs.language.once import Once
from jobs.language.paths import reader
from jobs.language.scope import HELPERS, SHARED
from jobs.language.script import COMPILER_ERRORS, FILENAME, Script, compile_script
from jobs.language.session import Session
from jobs.language.state import State, content_of
from jobs.language.tables import Tables


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How the code ended, and the state as it was then."""

    outcome: Outcome
    failure: Failure | None = None
    content: dict[str, Any] | None = None


def run(
    *, request: Request, content: dict[str, Any], session: Session, channel: Channel, connect: Connect
) -> Ending:
    """One execution of one job, to its end, whatever that is."""
    try:
        script = compile_script(request.code)
    except COMPILER_ERRORS as error:
        outcome, failure = not_compiled(error)
        return Ending(outcome=outcome, failure=failure, content=content)
    try:
        connections = Connections(request=request, session=session, channel=channel, connect=connect)
    except NoConnection as error:
        outcome, failure = not_connected(error)
        return Ending(outcome=outcome, failure=failure, content=content)
    try:
        return _Execution(request, script, content, session, channel, connections).run()
    finally:
        connections.close()


class _Execution:
    """The names in scope and the code between them."""

    def __init__(
        self,
        request: Request,
        script: Script,
        content: dict[str, Any],
        session: Session,
        channel: Channel,
        connections: Connections,
    ) -> None:
        self._script = script
        self._session = session
        self._connections = connections
        first = request.connections[0].configuration if request.connections else None
        self._state = State(content, configuration=first)
        self._printer = Printer(session)
        self._cursor = Cursor(
            self._place,
            zone=request.run.time_zone,
            remembered=request.keep_memory != "no",
            warn=lambda text: session.log("warning", text, source="platform"),
        )
        self._scope = self._names(request, channel)
        shared = {name: value for name, value in {**self._scope, **helpers()}.items() if name in SHARED}
        self._shelf = Shelf(request.library, shared)
        self._scope["library"] = shared["library"] = self._shelf.package
        self._namespace: dict[str, Any] = {"__name__": "job", **self._scope}

    def run(self) -> Ending:
        # So that a traceback which the job itself prints shows its lines.
        lines = [f"{line}\n" for line in self._script.source.split("\n")]
        linecache.cache[FILENAME] = (len(self._script.source), None, lines, FILENAME)
        try:
            with importable(self._shelf):
                final = self._final(self._script.call(self._namespace, self._scope))
            final = {**self._cursor.kept, **final}  # also when the state was replaced since
            if self._session.unsure is not None:
                raise self._session.unsure
        except SkipSignal as signal:
            return self._skipped(signal)
        except BaseException as error:  # sys.exit() and MemoryError are ends of a job like any other
            explainer = Explainer(script=self._script, connections=self._connections, shelf=self._shelf)
            outcome, failure = explainer.explain(error)
            return Ending(outcome=outcome, failure=failure, content=self._current())
        finally:
            self._printer.finish()
        return Ending(outcome=Outcome.SUCCESS, content=final)

    def _names(self, request: Request, channel: Channel) -> dict[str, Any]:
        """Names of the language win over aliases, aliases over helpers."""
        dry = request.run.mode == "dry"
        return {
            **helpers(),
            **self._connections.clients,
            "state": self._state,
            "value": reader(self._current),
            "settings": Settings(request.settings),
            "steps": Steps(names=request.steps, channel=channel),
            "tables": Tables(channel=channel, session=self._session, mode=request.run.mode),
            "cursor": self._cursor,
            "once": Once(channel=channel, session=self._session, dry=dry),
            "sync": Sync(channel=channel, dry=dry),
            "run": Run(request.run),
            "skip": skip,
            "fail": fail,
            "note": self._session.say,
            "problem": self._session.refuse,
            "log": Log(self._session),
            "print": self._printer,
        }

    def _current(self) -> dict[str, Any]:
        """The state at this moment: `state = {…}` in the body replaces it, a loop variable of that name does not."""
        if self._script.replaces_state:
            replaced = content_of(self._namespace.get("state"))
            if replaced is not None:
                return replaced
        return self._state.copy()

    def _place(self) -> MutableMapping[str, Any]:
        """Where something is put that is to be in the state."""
        replaced = self._namespace.get("state") if self._script.replaces_state else None
        return replaced if isinstance(replaced, MutableMapping) else self._state

    def _final(self, returned: object) -> dict[str, Any]:
        if returned is None:
            return self._current()
        content = content_of(returned)
        if content is None:
            raise JobError(
                f"The job returned {article(type(returned).__name__)}; it can return an object, which replaces the "
                "state, or nothing"
            )
        return content

    def _skipped(self, signal: SkipSignal) -> Ending:
        self._session.say(signal)
        if not self._session.did_something:
            return Ending(outcome=Outcome.SKIPPED, content=self._current())
        self._session.log(
            "warning",
            "skip() came after something had been done, so the run counts as a success",
            source="platform",
        )
        return Ending(outcome=Outcome.SUCCESS, content=self._current())


def skip(reason: object) -> NoReturn:
    """End the run without an error, because there is nothing to do."""
    raise SkipSignal(" ".join(str(reason).split()))


def fail(reason: object, hint: str | None = None) -> NoReturn:
    """End the run as failed, with this sentence."""
    raise JobError(str(reason), hint=hint)


def helpers() -> Mapping[str, Any]:
    """`dates`, `csv` and so on."""
    common = importlib.import_module("jobs.adaptors.common")
    return {name: getattr(common, name) for name in HELPERS}


def decide(expression: str, content: dict[str, Any]) -> bool:
    """A flow trigger's condition: an expression with `state` and `value` in scope."""
    state = State(content)
    code = compile(expression.strip(), "<condition>", "eval", dont_inherit=True)
    names: dict[str, Any] = {"__name__": "condition", "state": state, "value": reader(lambda: state)}
    return bool(eval(code, names))  # noqa: S307 - the author's own code, in the child
