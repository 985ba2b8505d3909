"""From an exception to a `Failure`: what happened, in which line of the job, and whether trying again may help."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import replace
from types import TracebackType

from jobs.adaptors.errors import AdaptorError
from jobs.adaptors.oauth import MustConnectAgain
from jobs.adaptors.spec import operation_names
from jobs.language import plain
from jobs.language.channel import ChannelError
from jobs.language.connections import Connections, NoConnection
from jobs.language.contract import Connection, Failure, Outcome
from jobs.language.errors import CodeError, Told, UnsureSignal
from jobs.language.library import PACKAGE, Shelf, module_of
from jobs.language.names import listed, meant
from jobs.language.script import FILENAME, Script
from openfn_platform.common.errors import PlatformError

LONGEST_MESSAGE = 1_000
Verdict = tuple[Outcome, Failure]

_DEEP = "The code is nested too deeply to be read."


def not_compiled(error: BaseException) -> Verdict:
    """What the compiler said."""
    if isinstance(error, SyntaxError):
        text = error.text.strip()[:200] if error.text else None
        return Outcome.CRASHED, Failure(
            type="SyntaxError", kind="code", message=syntax_sentence(error), line=error.lineno, code_line=text
        )
    return Outcome.CRASHED, Failure(type="SyntaxError", kind="code", message=compiler_sentence(error))


def syntax_sentence(error: SyntaxError) -> str:
    reason = str(error.msg or "the code is not Python").strip()
    where = f" (line {error.lineno})" if error.lineno else ""
    return f"The code cannot be read: {reason}{where}."


def compiler_sentence(error: BaseException) -> str:
    """For what the compiler gives up with instead of a SyntaxError."""
    if isinstance(error, MemoryError | RecursionError):
        return _DEEP
    if isinstance(error, UnicodeError):
        return "The code holds characters that are no text."
    return "The code cannot be read: it may hold a number with too many digits."


def not_connected(error: NoConnection) -> Verdict:
    """The platform could not start the job: its adaptor or its credential does not load."""
    cause = error.__cause__
    connection = error.connection
    unknown = type(cause).__name__ == "UnknownAdaptor"
    reason = cause.message if isinstance(cause, PlatformError) else ""
    what = f"the adaptor `{connection.adaptor}`" if unknown else f"the credential of `{connection.alias}`"
    sentence = f"Cannot load {what}" + (f": {reason}" if reason else ".")
    return Outcome.EXCEPTION, Failure(
        type="AdaptorError" if unknown else "CredentialLoadError",
        kind="platform",
        message=sentence[:LONGEST_MESSAGE],
        hint=None if unknown else "Open the credential, correct it and test the connection.",
        connection=connection.alias,
        credential=connection.credential,
    )


class Explainer:
    """Explains the exceptions of one run."""

    def __init__(self, *, script: Script, connections: Connections, shelf: Shelf | None = None) -> None:
        self._script = script
        self._connections = connections
        self._shelf = shelf
        bodies = (
            [script.tree.body, *(tree.body for tree in shelf.trees.values())] if shelf else [script.tree.body]
        )
        # Everything that the author wrote: what stands there is no value.
        self._tree = ast.Module(body=[node for body in bodies for node in body], type_ignores=[])

    def explain(self, error: BaseException) -> Verdict:
        if isinstance(error, BaseExceptionGroup) and error.exceptions[0].__traceback__ is not None:
            error = error.exceptions[0]
        frames = list(_frames(error.__traceback__))
        line = next((frame.tb_lineno for frame in reversed(frames) if _is_job(frame)), None)
        outcome, failure = self._verdict(error, frames, line)
        if isinstance(error, CodeError) and error.line:
            line = error.line
        return outcome, replace(
            failure,
            message=f"{failure.message}{self._place(frames)}"[:LONGEST_MESSAGE],
            line=line,
            code_line=self._script.line(line) if line else None,
        )

    def _place(self, frames: list[TracebackType]) -> str:
        """Where in the library, if the last line of the author's stands there."""
        last = next((frame for frame in reversed(frames) if _is_authors(frame)), None)
        name = module_of(last.tb_frame.f_code.co_filename) if last is not None else None
        if last is None or name is None:
            return ""
        code = self._shelf.line(name, last.tb_lineno) if self._shelf else None
        return f" (in the library, {name} line {last.tb_lineno}{f': {code}' if code else ''})"

    def _verdict(self, error: BaseException, frames: list[TracebackType], line: int | None) -> Verdict:
        if isinstance(error, MustConnectAgain):
            return Outcome.EXCEPTION, _not_connected_any_more(error, self._connections.source_of(error))
        if isinstance(error, AdaptorError):
            return Outcome.FAILED, adaptor_failure(error, self._connections.source_of(error))
        if isinstance(error, Told):
            return _told(error)
        if isinstance(error, PlatformError):
            return Outcome.FAILED, self._refused_by_client(error)
        if isinstance(error, ChannelError):
            return Outcome.FAILED, Failure(
                type="ExecutionError",
                kind="platform",
                message=f"The platform did not answer the job: {plain.text_of(error) or 'no reason given'}",
                retryable=True,
            )
        if isinstance(error, SystemExit | KeyboardInterrupt):
            return Outcome.CRASHED, Failure(
                type="ExitError",
                kind="code",
                message="The job ended its process",
                hint="Write return to end a job well, fail(reason) to end it badly.",
            )
        if isinstance(error, MemoryError):
            return Outcome.KILLED, Failure(
                type="OOMError",
                kind="limit",
                message="The job needed more memory than it may have",
                hint="Work in smaller pieces, for example with chunks(), or raise the job's memory limit.",
            )
        if isinstance(error, NameError | ImportError | RecursionError | SyntaxError):
            return Outcome.CRASHED, self._crash(error)
        if frames and _is_authors(frames[-1]) and plain.raised_by_statement(frames[-1]):
            return Outcome.FAILED, self._raised_by_author(error, frames[-1])
        return Outcome.FAILED, self._ordinary(error, frames, line)

    def _refused_by_client(self, error: PlatformError) -> Failure:
        """An address that may not be reached, a request that cannot be built: sentences by the tree's own rules."""
        connection = self._connections.source_of(error)
        return Failure(
            type="AdaptorError",
            message=error.message,
            kind="connection" if getattr(error, "retryable", False) else "partner",
            retryable=bool(getattr(error, "retryable", False)),
            connection=connection.alias if connection else None,
            credential=connection.credential if connection else None,
        )

    def _crash(self, error: NameError | ImportError | RecursionError | SyntaxError) -> Failure:
        known = _words(self._tree)
        if isinstance(error, UnboundLocalError):
            found = re.search(r"variable '(\w+)'", plain.text_of(error))
            name = found[1] if found and found[1] in known else "a name"
            return Failure(
                type="ReferenceError", kind="code", message=f"`{name}` is used before it has a value"
            )
        if isinstance(error, NameError):
            if error.name not in known:
                return Failure(
                    type="ReferenceError", kind="code", message="A name that the code computes is not known"
                )
            close = meant(error.name, [*self._connections.clients, *(known - {error.name})])
            return Failure(
                type="ReferenceError", kind="code", message=f"`{error.name}` is not known here{close}"
            )
        if isinstance(error, ImportError):
            return self._not_imported(error)
        if isinstance(error, RecursionError):
            return Failure(type="RecursionError", kind="code", message="A function calls itself without end")
        return Failure(type="SyntaxError", kind="code", message=syntax_sentence(error))

    def _not_imported(self, error: ImportError) -> Failure:
        module = self._missing_module(error)
        if module is not None and self._shelf is not None:
            return Failure(type="ImportError", kind="code", message=self._shelf.missing(module))
        name = error.name if error.name in _modules(self._tree) else "…"
        if isinstance(error, ModuleNotFoundError):
            message = f"There is no module `{name}` for jobs"
            hint = "A job may import the standard library, httpx, and what this installation allows."
            return Failure(type="ImportError", kind="code", message=message, hint=hint)
        message = f"What the code asks for cannot be imported from `{name}`"
        return Failure(type="ImportError", kind="code", message=message)

    def _missing_module(self, error: ImportError) -> str | None:
        """The module of the library that is asked for and not there."""
        package, _, name = (error.name or "").partition(".")
        if package != PACKAGE:
            return None
        if not name:
            found = re.search(r"cannot import name '(\w+)'", plain.text_of(error))
            name = found[1] if found else ""
        return name if name.isidentifier() and name in _words(self._tree) | _imported(self._tree) else None

    def _raised_by_author(self, error: BaseException, frame: TracebackType) -> Failure:
        """`raise` and `assert` in the job's own code or the library's: the words are the author's."""
        text = str(error.args[0]) if isinstance(error, KeyError) and error.args else plain.text_of(error)
        if not text and isinstance(error, AssertionError):
            text = f"This does not hold: {self._author_line(frame) or 'an assertion'}"
        return Failure(type="JobError", message=text or f"The job raised {type(error).__name__}")

    def _author_line(self, frame: TracebackType) -> str | None:
        name = module_of(frame.tb_frame.f_code.co_filename)
        if name is None or self._shelf is None:
            return self._script.line(frame.tb_lineno)
        return self._shelf.line(name, frame.tb_lineno)

    def _ordinary(self, error: BaseException, frames: list[TracebackType], line: int | None) -> Failure:
        name = type(error).__name__
        status = _http_status(error)
        if status is not None:
            retryable = status in {408, 425, 429} or status >= 500
            return Failure(
                type="AdaptorError",
                message=f"The server answered {status}",
                status=status,
                kind=_http_kind(status),
                retryable=retryable,
            )
        if _is_connection(error):
            message = "The other system could not be reached" + (
                "" if name == "TimeoutError" else f" ({name})"
            )
            return Failure(type="ConnectionError", message=message, kind="connection", retryable=True)
        code_line = self._script.line(line) if line else None
        message = _sentence(self._message(error, frames, code_line or ""))
        return Failure(type=name, message=message, hint=_hint(error))

    def _message(self, error: BaseException, frames: list[TracebackType], code_line: str) -> str:
        if isinstance(error, TypeError) and "run.period" in code_line and "NoneType" in plain.text_of(error):
            return "this run has no period: only a run that a schedule started has one"
        if isinstance(error, KeyError):
            return self._missing_key(error, frames)
        if isinstance(error, AttributeError) and error.name:
            return self._missing_attribute(error)
        last = frames[-1] if frames else None
        if last is not None and not _is_authors(last) and plain.raised_by_statement(last):
            return plain.told_by_library(error, last.tb_frame.f_code)
        text = plain.told_by_interpreter(error)
        text = text.replace("__job__.<locals>.", "")
        # The name of an argument may come from data: f(**row).
        known = _words(self._tree)
        return re.sub(
            r"(?<=argument )'([^']*)'", lambda found: found[0] if found[1] in known else "'…'", text
        )

    def _missing_key(self, error: KeyError, frames: list[TracebackType]) -> str:
        """The key itself is told only when the author wrote it: a computed key is a value."""
        key = error.args[0] if error.args else None
        if isinstance(key, str) and key in _texts(self._tree):
            return f"`{key}` is not there"
        return (
            "a computed key is not there" if not frames or _is_authors(frames[-1]) else "a key is not there"
        )

    def _missing_attribute(self, error: AttributeError) -> str:
        name = error.name or ""
        if name not in _attributes(self._tree):
            return plain.by_type(error)
        if error.obj is None:
            return f"`.{name}` was asked of something that is empty (None)"
        alias = self._connections.client_named(error.obj)
        known = [known for known in dir(error.obj) if not known.startswith("_")]
        if alias:
            known = operation_names(type(error.obj)) or known
            return f"`{alias}` has no function `{name}`; it has: {listed(known)}{meant(name, known)}"
        if isinstance(error.obj, dict):
            return f'an object of the state has no `.{name}`; write ["{name}"]'
        # `error.obj` may be a module or class: those have names of their own.
        kind = getattr(error.obj, "__name__", None) if isinstance(error.obj, type(re) | type) else None
        return f"`{kind or type(error.obj).__name__}` has no `{name}`{meant(name, known)}"


def adaptor_failure(error: AdaptorError, connection: Connection | None) -> Failure:
    return Failure(
        type="AdaptorError",
        message=plain.text_of(error) or "The other system refused",
        hint=error.hint,
        status=error.status,
        kind=error.kind,
        retryable=error.retryable,
        retry_after=error.retry_after,
        connection=connection.alias if connection else None,
        credential=connection.credential if connection else None,
    )


def _not_connected_any_more(error: MustConnectAgain, connection: Connection | None) -> Failure:
    """As it would be told if the run had not begun yet: no code and no data of the job can mend it."""
    failure = adaptor_failure(error, connection)
    return replace(failure, type="CredentialLoadError", status=None, retryable=False)


def _told(error: BaseException) -> Verdict:
    message = plain.text_of(error)
    hint = getattr(error, "hint", None)
    if isinstance(error, UnsureSignal):
        return Outcome.FAILED, Failure(type="UnsureError", message=message, hint=hint)
    if isinstance(error, CodeError):
        return Outcome.CRASHED, Failure(type="ReferenceError", kind="code", message=message, hint=hint)
    return Outcome.FAILED, Failure(type="JobError", message=message, hint=hint)


def _hint(error: BaseException) -> str | None:
    if isinstance(error, TypeError | AttributeError) and "NoneType" in plain.text_of(error):
        return "Something is empty (None) here; value(path) says which part of a message is missing."
    return None


def _sentence(text: str) -> str:
    text = text.strip()
    if text[:1].isalpha() and text[:1].islower():
        text = text[0].upper() + text[1:]
    return text


def _frames(traceback: TracebackType | None) -> Iterator[TracebackType]:
    while traceback is not None:
        yield traceback
        traceback = traceback.tb_next


def _is_job(traceback: TracebackType) -> bool:
    return traceback.tb_frame.f_code.co_filename == FILENAME


def _is_authors(traceback: TracebackType) -> bool:
    """A line of the job or of the project's library."""
    return _is_job(traceback) or module_of(traceback.tb_frame.f_code.co_filename) is not None


def _imported(tree: ast.AST) -> set[str]:
    """Every name that is imported, and every part of a module's name."""
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    return {part for node in nodes for alias in node.names for part in alias.name.split(".")}


def _texts(tree: ast.AST) -> set[str]:
    """Every text that the author wrote, words of paths included."""
    texts = {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    return texts | {node.arg for node in ast.walk(tree) if isinstance(node, ast.keyword) and node.arg}


def _attributes(tree: ast.AST) -> set[str]:
    return {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)} | _texts(tree)


def _words(tree: ast.AST) -> set[str]:
    """Every name that the author wrote."""
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    names |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    return names | _attributes(tree)


def _modules(tree: ast.AST) -> set[str]:
    """Every module that the code imports, with the packages around it."""
    paths = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    paths += [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module]
    return {".".join(path.split(".")[: count + 1]) for path in paths for count in range(path.count(".") + 1)}


def _http_status(error: BaseException) -> int | None:
    """Of httpx.HTTPStatusError, told by shape so that this works with any version of it."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    return status if isinstance(status, int) else None


def _http_kind(status: int) -> str:
    if status in {401, 403}:
        return "auth"
    return "rate" if status == 429 else "partner"


def _is_connection(error: BaseException) -> bool:
    if isinstance(error, ConnectionError | TimeoutError):
        return True
    return any(
        kind.__module__.startswith("httpx") and kind.__name__ == "TransportError"
        for kind in type(error).__mro__
    )
