"""Ordinary Python errors as sentences: names and types are kept, values are not.

A run's error goes into lists, incidents and mails, where nobody expects a patient's name. So a message is kept only
where it is known to hold none: messages of the interpreter that speak of names and types (`SAFE`), and of library
code those words that stand in the library itself. Everything else is told by the type of the error.
"""

from __future__ import annotations

import dis
import re
from types import CodeType, TracebackType

_RAISE = dis.opmap["RAISE_VARARGS"]

# What the interpreter says with nothing but names, types and counts in it.
SAFE = tuple(
    re.compile(pattern)
    for pattern in (
        r"'[\w.]+' object (is not|does not support|cannot be|has no len|doesn't|does not).*",
        r"'[\w.]+' object of type '[\w.]+' has no len\(\)",
        r"object of type '[\w.]+' has no len\(\)",
        r"unsupported operand type\(s\) for .{1,20}: '[\w.]+' and '[\w.]+'",
        r"bad operand type for .{1,20}: '[\w.]+'",
        r"'.{1,2}' not supported between instances of '[\w.]+' and '[\w.]+'",
        r'can only concatenate \w+ \(not "[\w.]+"\) to \w+',
        r"can't multiply sequence by non-int of type '[\w.]+'",
        r"unhashable type: '[\w.]+'",
        r"\w+ indices must be integers( or slices)?,? ?(not '?[\w.]+'?)?",
        r"argument of type '[\w.]+' is not iterable",
        r"cannot unpack non-iterable [\w.]+ object",
        r"cannot convert '[\w.]+' object to .*",
        r"sequence item \d+: expected \w+ instance, [\w.]+ found",
        r"[\w.<>]+\(\) (missing|takes|got|argument|expected|requires) [^\"]*",
        r"[\w.]+ expected (at (most|least) )?\d+ arguments?, got \d+",
        r"must be \w+, not [\w.]+",
        r"Object of type [\w.]+ is not JSON serializable",
        r"expected (str|string|bytes|string or bytes)[\w ,-]* (object|instance),? ?(got|not)? ?'?[\w.]*'?",
        r"not enough values to unpack \(expected (at least )?\d+, got \d+\)",
        r"too many values to unpack \(expected \d+\)",
        r"\w+ index out of range",
        r"\w+ assignment index out of range",
        r"pop from (an )?empty \w+",
        r"(substring|subsection) not found",
        r"dictionary changed (size|keys) during iteration",
        r"(max|min)\(\) (arg is an empty sequence|iterable argument is empty)",
        r"dictionary update sequence element #\d+ has length \d+; \d+ is required",
        r"(division by zero|float division by zero|integer division or modulo by zero|float modulo|math domain error)",
        r"math range error|can't compare offset-naive and offset-aware datetimes",
        r"can't subtract offset-naive and offset-aware datetimes",
        r"(year|month|day|hour|minute|second) (must be in|is out of range).*\.\.[0-9]+|day is out of range for month",
        r"zip\(\) argument \d+ is (shorter|longer) than argument[s]? [\d-]+",
        r"I/O operation on closed file\.?",
        r"generator already executing|generator didn't (yield|stop)",
        r"cannot access local variable '\w+' where it is not associated with a value",
        r"cannot access free variable '\w+' where it is not associated with a value in enclosing scope",
    )
)

# What the interpreter says with a value in it, and what we say instead.
REWRITTEN = tuple(
    (re.compile(pattern, re.DOTALL), sentence)
    for pattern, sentence in (
        (
            r"invalid literal for int\(\) with base \d+: .*",
            "a text that is not a whole number was given to int()",
        ),
        (r"could not convert string to float: .*", "a text that is not a number was given to float()"),
        (r"\[<class 'decimal\.\w+'>\]", "a text that is not a number was given to Decimal()"),
        (r"time data .* does not match format .*", "a text does not have the form that strptime() was told"),
        (r"unconverted data remains.*", "a text is longer than the form that strptime() was told"),
        (r"Invalid isoformat string.*", "a text is not an ISO date"),
        (r"year -?\d+ is out of range", "the year is out of range"),
        (
            r"list\.(remove|index)\(x\): x not in list|.* is not in (list|deque|range|tuple).*|tuple\.index\(x\): .*",
            "what was looked for is not in the list",
        ),
        (r".*: line \d+ column \d+ \(char \d+\)", "a text is not JSON"),
        (r"badly formed hexadecimal UUID string", "a text is not a UUID"),
        (
            r"Exceeds the limit \(\d+ digits\) for integer string conversion.*",
            "a whole number has too many digits",
        ),
        (r"'[\w-]+' codec can't (de|en)code .*", "a text holds characters that its encoding does not have"),
        (r"chr\(\) arg not in range.*", "a number is not that of a character"),
    )
)

_BY_TYPE = {
    "ValueError": "a value does not have the form that is needed here",
    "TypeError": "a value has another type than is needed here",
    "KeyError": "a key is not there",
    "IndexError": "a list is shorter than the code expects",
    "AttributeError": "something does not have what is asked of it",
    "ZeroDivisionError": "something was divided by zero",
    "OverflowError": "a number is too big",
    "FileNotFoundError": "a file is not there",
    "PermissionError": "a job may not do this with files or the network",
    "StopIteration": "there is no next item",
}


def raised_by_statement(traceback: TracebackType) -> bool:
    """Whether the last frame raised by `raise` or `assert`, and not by something that it called or computed."""
    code = traceback.tb_frame.f_code.co_code
    return 0 <= traceback.tb_lasti < len(code) and code[traceback.tb_lasti] == _RAISE


def told_by_interpreter(error: BaseException) -> str:
    """The interpreter's own message where it is harmless, else a sentence for the type."""
    text = text_of(error)
    for pattern, sentence in REWRITTEN:
        if pattern.fullmatch(text):
            return sentence
    if any(pattern.fullmatch(text) for pattern in SAFE):
        return text.rstrip(".")
    return by_type(error)


def told_by_library(error: BaseException, code: CodeType) -> str:
    """Of a library's message the words that stand in its own code; `…` for whatever was filled in."""
    text = " ".join(text_of(error).split())
    for pattern, sentence in REWRITTEN:
        if pattern.fullmatch(text):
            return sentence
    masked = _masked(text, _literals(code))
    return masked if len(re.findall(r"\w", masked)) >= 8 else by_type(error)


def by_type(error: BaseException) -> str:
    for kind in type(error).__mro__:
        if kind.__name__ in _BY_TYPE:
            return _BY_TYPE[kind.__name__]
    return f"{type(error).__name__} was raised"


def text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # an exception class of anybody's may fail to describe itself
        return ""


def _literals(code: CodeType) -> list[str]:
    """The pieces of text in a function, longest first; templates are cut where values go in."""
    texts: list[str] = []
    for const in code.co_consts:
        for text in const if isinstance(const, tuple) else (const,):
            if isinstance(text, str):
                texts += re.split(r"%[-+#0 ]*\d*(?:\.\d+)?[sdrfxgia]|%\(\w+\)[sdr]|\{[^{}]*\}", text)
    pieces = {" ".join(piece.split()) for piece in texts}
    return sorted((piece for piece in pieces if len(piece) >= 3), key=len, reverse=True)


def _masked(text: str, literals: list[str]) -> str:
    kept = bytearray(len(text))
    for literal in literals:
        start = text.find(literal)
        while start >= 0:
            kept[start : start + len(literal)] = b"\x01" * len(literal)
            start = text.find(literal, start + len(literal))
    masked = "".join(
        character if keep or character == " " else "…" for character, keep in zip(text, kept, strict=True)
    )
    return re.sub(r"…[… ]*…|…", "…", masked).strip()[:300]
