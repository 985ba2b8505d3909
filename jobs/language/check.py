"""Is this job fit to be made live? Findings for the editor and for *Make live*.

`check` compiles, and hostile code can take a compiler down (a line of 100,000 minus signs ends the process). So the
platform calls `check_in_process`, which does the same in a short-lived process with limits and always answers.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from jobs.language.explaining import compiler_sentence
from jobs.language.linting import Finding, Surroundings, lint
from jobs.language.script import COMPILER_ERRORS, LARGEST, compile_module, compile_script, source_of

__all__ = ["Finding", "check", "check_in_process"]

MOST_FINDINGS = 200
SECONDS = 10.0
MEMORY = 1_000_000_000

# Isolated mode ignores the environment and the current folder, so the way to this package is told.
_BOOT = "import sys; sys.path.insert(0, sys.argv[1]); from jobs.language.check import answer; answer()"
_ROOT = Path(__file__).resolve().parents[2]

# Characters that change the direction of what is shown, so that code reads differently than it runs.
_BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"

_TOO_MUCH = "This code is nested too deeply, or too big, to be read; cut it into smaller statements"


def check(
    *,
    language: str,
    code: str,
    aliases: Mapping[str, str],
    settings: Sequence[str] = (),
    steps: Sequence[str] = (),
    modules: Sequence[str] = (),
    tables: Sequence[str] | None = None,
    library: Sequence[str] = (),
    is_module: bool = False,
) -> list[Finding]:
    """Errors keep a version from being made live, warnings do not. For code of people one trusts."""
    if language != "python":
        return [_error("unknown-language", f"Jobs in {language} cannot be checked here")]
    source = source_of(code)
    obstacle = _unreadable(source)
    if obstacle:
        return [obstacle]
    around = Surroundings(
        aliases=aliases,
        settings=settings,
        steps=steps,
        modules=modules,
        tables=tables,
        library=library,
        is_module=is_module,
    )
    try:
        compile_module(source) if is_module else compile_script(source)
        found = [*_hidden(source), *lint(source, around)]
    except SyntaxError as error:
        found = [*_hidden(source), _syntax(error)]
    except COMPILER_ERRORS as error:
        found = [_error("syntax", compiler_sentence(error))]
    return found[:MOST_FINDINGS]


def check_in_process(
    *,
    language: str,
    code: str,
    aliases: Mapping[str, str],
    settings: Sequence[str] = (),
    steps: Sequence[str] = (),
    modules: Sequence[str] = (),
    tables: Sequence[str] | None = None,
    library: Sequence[str] = (),
    is_module: bool = False,
    seconds: float = SECONDS,
) -> list[Finding]:
    """The same in a process of its own; what kills that process is a finding too."""
    question: dict[str, Any] = {"language": language, "code": code, "aliases": dict(aliases)}
    question |= {"settings": [*settings], "steps": [*steps], "modules": [*modules]}
    question |= {
        "tables": None if tables is None else [*tables],
        "library": [*library],
        "is_module": is_module,
    }
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter, our own text
            [sys.executable, "-I", "-c", _BOOT, str(_ROOT)],
            input=json.dumps(question).encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"PATH": os.defpath},
            timeout=seconds,
            check=False,
        )
        if done.returncode > 0:
            return [_not_checked()]
        return [Finding(**each) for each in json.loads(done.stdout)]
    except subprocess.TimeoutExpired:
        return [_error("too-slow", f"Reading this code takes longer than {seconds:g} seconds")]
    except OSError:
        return [_not_checked()]
    except (ValueError, TypeError):
        # Killed by a signal before it could answer.
        return [_error("too-deep", _TOO_MUCH)]


def answer() -> None:
    """The child's side: one question on standard input, one answer on standard output."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (int(SECONDS), int(SECONDS)))
    question: dict[str, Any] = json.load(sys.stdin)
    found = check(**question)
    sys.stdout.write(json.dumps([asdict(finding) for finding in found]))


def _unreadable(source: str) -> Finding | None:
    if "\0" in source:
        line, column = _place(source, source.index("\0"))
        return _error("nul", "The code holds a NUL character; delete it", line=line, column=column)
    try:
        size = len(source.encode())
    except UnicodeEncodeError as error:
        line, column = _place(source, error.start)
        return _error("surrogate", "The code holds half a character; type it anew", line=line, column=column)
    if size > LARGEST:
        return _error("too-big", f"The code has {size // 1000} kB; the most is {LARGEST // 1000} kB")
    return None


def _hidden(source: str) -> list[Finding]:
    """One warning a line."""
    found = []
    for number, line in enumerate(source.split("\n"), start=1):
        column = next((place for place, character in enumerate(line, start=1) if character in _BIDI), None)
        if column is not None:
            found.append(
                Finding(
                    line=number,
                    column=column,
                    severity="warning",
                    code="bidi",
                    message="This line holds invisible characters that change the direction of writing",
                    hint="The code may run differently than it reads; type the line anew or write \\u escapes.",
                )
            )
    return found


def _not_checked() -> Finding:
    return _error(
        "not-checked", "The code could not be checked: the checking process did not start or broke off"
    )


def _syntax(error: SyntaxError) -> Finding:
    reason = str(error.msg or "this is not Python")
    sentence = reason[0].upper() + reason[1:]
    return _error("syntax", sentence, line=error.lineno or 1, column=error.offset or 1)


def _error(code: str, message: str, *, line: int = 1, column: int = 1) -> Finding:
    return Finding(line=line, column=column, severity="error", code=code, message=message)


def _place(source: str, index: int) -> tuple[int, int]:
    before = source[:index]
    return before.count("\n") + 1, index - (before.rfind("\n") + 1) + 1
