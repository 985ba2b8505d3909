"""Which messages a message trigger wants: criteria × body → yes or no, and why not, in words.

Two JSON documents decide: the body must contain `inclusion` and must not contain `exclusion`. "Contains"
is PostgreSQL's jsonb `@>`, special cases included, so a search in the database and the inbox agree:

* objects are subsets, at every depth; arrays match when each element of the pattern is contained in some
  element, in any order, any number of times; an object is never an array;
* scalars are equal with their type: 8 is 8.0 but not "8", and true is not 1;
* only at the very top an array contains a bare scalar: `[1, 2] @> 1`.

Documents may nest without limit: the walks below keep a stack of their own. Numbers are compared as they
were written, so a body read with `parse_float=Decimal` keeps 1e400 and 1e500 apart, which floats cannot.
Pure: neither Django nor Celery.
"""

import json
import re
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import islice

# How much an explanation may say: a person reads it, and it is kept with every message.
MAX_REASONS = 10
MAX_CONDITIONS = 5
MAX_NAMES = 12
MAX_TEXT = 60
MAX_STEPS = 8


@dataclass(frozen=True)
class Criteria:
    """One pair of documents; an exclusion that is empty excludes nothing."""

    inclusion: object
    exclusion: object = None


def matches(body: object, inclusion: object, exclusion: object = None) -> bool:
    """Whether the body contains the inclusion and not the exclusion."""
    return contains(body, inclusion) and not _excluded(body, exclusion)


def matches_any(body: object, pairs: Iterable[Criteria]) -> bool:
    """Whether one of the pairs matches; no pairs match nothing."""
    return any(matches(body, pair.inclusion, pair.exclusion) for pair in pairs)


def contains(body: object, pattern: object) -> bool:
    """`body @> pattern`, as PostgreSQL's jsonb answers it."""
    if isinstance(body, list) and not _is_container(pattern):
        return _key(pattern) in _Array.of(body).scalars
    return _prove(body, pattern)


def explain(body: object, inclusion: object, exclusion: object = None) -> list[str]:
    """Why `matches` says no, in sentences; empty when it says yes."""
    found = dict.fromkeys(islice(_differences(body, inclusion), MAX_REASONS + 1))
    reasons = list(found)[:MAX_REASONS]
    if len(found) > MAX_REASONS:
        reasons.append(f"these are the first {MAX_REASONS} differences; there are more")
    if _excluded(body, exclusion):
        reasons.append(f"excluded because {_conditions(exclusion)}")
    return reasons


# ---- containment -----------------------------------------------------------------------------------------


@dataclass
class _Array:
    """A body's array sorted by kind, so that a pattern looks only where it can find."""

    scalars: set[object] = field(default_factory=set)
    objects: list[dict[str, object]] = field(default_factory=list)
    arrays: list[list[object]] = field(default_factory=list)

    @classmethod
    def of(cls, elements: list[object]) -> "_Array":
        array = cls()
        for element in elements:
            if isinstance(element, dict):
                array.objects.append(element)
            elif isinstance(element, list):
                array.arrays.append(element)
            else:
                array.scalars.add(_key(element))
        return array

    def candidates(self, wanted: object) -> Iterator[object]:
        """The elements that may contain this object or array; scalars already rule most of them out."""
        if not isinstance(wanted, dict):
            yield from self.arrays
            return
        plain = [(name, _key(value)) for name, value in wanted.items() if not _is_container(value)]
        for element in self.objects:
            if all(name in element and _equals(element[name], key) for name, key in plain):
                yield element


_Walk = Generator[tuple[object, object], bool, bool]


def _prove(body: object, pattern: object) -> bool:
    """Run `_walk` on a stack of our own: a body can nest deeper than Python recurses."""
    arrays: dict[int, _Array] = {}
    stack = [_walk(body, pattern, arrays)]
    answer = False
    fresh = True
    while stack:
        try:
            goal = next(stack[-1]) if fresh else stack[-1].send(answer)
        except StopIteration as finished:
            answer = finished.value
            fresh = False
            stack.pop()
        else:
            stack.append(_walk(*goal, arrays))
            fresh = True
    return answer


def _walk(body: object, pattern: object, arrays: dict[int, _Array]) -> _Walk:
    """Whether `body` contains `pattern`; yields (part of body, part of pattern), is sent their answer."""
    if isinstance(pattern, dict):
        if not isinstance(body, dict) or len(body) < len(pattern):
            return False
        deeper = []
        for name, wanted in pattern.items():
            if name not in body:
                return False
            if _is_container(wanted):
                deeper.append((body[name], wanted))
            elif not _equals(body[name], _key(wanted)):
                return False
        for goal in deeper:
            if not (yield goal):
                return False
        return True
    if isinstance(pattern, list):
        if not isinstance(body, list):
            return False
        array = arrays.get(id(body))
        if array is None:
            array = arrays[id(body)] = _Array.of(body)
        if any(not _is_container(wanted) and _key(wanted) not in array.scalars for wanted in pattern):
            return False
        for wanted in filter(_is_container, pattern):
            for element in array.candidates(wanted):
                if (yield element, wanted):
                    break
            else:
                return False
        return True
    return _equals(body, _key(pattern))


def _is_container(value: object) -> bool:
    return isinstance(value, (dict, list))


def _equals(value: object, key: object) -> bool:
    return not _is_container(value) and _key(value) == key


def _key(scalar: object) -> object:
    """A hashable stand-in under which Python's `==` means what jsonb's does."""
    if isinstance(scalar, bool):
        return (scalar,)  # else True would equal 1
    if isinstance(scalar, float):
        return Decimal(repr(scalar))  # the number that was written, not its nearest binary fraction
    return scalar


def _excluded(body: object, exclusion: object) -> bool:
    if exclusion is None or exclusion == {} or exclusion == []:
        return False
    return contains(body, exclusion)


# ---- why not ---------------------------------------------------------------------------------------------

# A path is its last step and the path before it, so that deep documents cost nothing until one is shown.
_Path = tuple["_Path", str | int] | None


def _differences(body: object, pattern: object) -> Iterator[str]:
    if isinstance(body, list) and not _is_container(pattern):
        if not contains(body, pattern):
            yield f"the message has no entry {_show(pattern)}; {_entries(body)}"
        return
    todo: list[tuple[_Path, object, object]] = [(None, body, pattern)]
    while todo:
        path, found, wanted = todo.pop()
        deeper: list[tuple[_Path, object, object]] = []
        if isinstance(wanted, dict):
            yield from _object_differences(path, found, wanted, deeper)
        elif isinstance(wanted, list):
            yield from _array_differences(path, found, wanted, deeper)
        elif not _equals(found, _key(wanted)):
            yield f"{_place(path)} is {_contrast(found, wanted)}, not {_contrast(wanted, found)}"
        todo.extend(reversed(deeper))


def _object_differences(
    path: _Path, found: object, wanted: dict[str, object], deeper: list[tuple[_Path, object, object]]
) -> Iterator[str]:
    if not isinstance(found, dict):
        yield f"{_place(path)} is {_show(found)}, not {_show(wanted)}"
        return
    for name, value in wanted.items():
        here = (path, name)
        if name in found:
            deeper.append((here, found[name], value))
        elif found:
            yield f"{_place(here)} is missing; {_place(path)} has: {_names(found)}"
        else:
            yield f"{_place(here)} is missing; {_place(path)} is an empty object"


def _array_differences(
    path: _Path, found: object, wanted: list[object], deeper: list[tuple[_Path, object, object]]
) -> Iterator[str]:
    if not isinstance(found, list):
        yield f"{_place(path)} is {_show(found)}, not a list"
        return
    scalars = _Array.of(found).scalars
    for value in wanted:
        if not _is_container(value):
            if _key(value) not in scalars:
                yield f"{_place(path)} has no entry {_show(value)}; {_entries(found)}"
            continue
        alike = [place for place, element in enumerate(found) if type(element) is type(value)]
        if len(alike) == 1:  # nothing else could have been meant, so say what is wrong inside
            deeper.append(((path, alike[0]), found[alike[0]], value))
        elif not any(_prove(found[place], value) for place in alike):
            yield f"none of the {len(found)} entries of {_place(path)} contains {_brief(value)}"


def _conditions(exclusion: object) -> str:
    """What an exclusion asks for, as words to put after "because"."""
    said: list[str] = []
    todo: list[tuple[_Path, object]] = [(None, exclusion)]
    while todo and len(said) <= MAX_CONDITIONS:
        path, wanted = todo.pop()
        if isinstance(wanted, dict) and wanted:
            todo.extend(((path, name), value) for name, value in reversed(wanted.items()))
        elif isinstance(wanted, list):
            said.append(f"{_place(path)} contains {_brief(wanted)}")
        elif isinstance(wanted, dict):
            said.append(f"{_place(path)} is an object")
        elif path is None:
            said.append(f"the message is or contains {_show(wanted)}")
        else:
            said.append(f"{_place(path)} is {_show(wanted)}")
    more = " and more" if len(said) > MAX_CONDITIONS else ""
    return " and ".join(said[:MAX_CONDITIONS]) + more


def _place(path: _Path) -> str:
    """`form.items[2]`; of a long path only the end."""
    steps: list[str] = []
    while path is not None and len(steps) < MAX_STEPS:
        path, step = path
        if isinstance(step, int):
            steps.append(f"[{step}]")
        elif re.fullmatch(r"[A-Za-z_@$][\w@$:-]{0,59}", step):
            steps.append(f".{step}")
        else:
            steps.append(f"[{_text(step)}]")
    if not steps:
        return "the message"
    whole = "".join(reversed(steps))
    return f"`…{whole}`" if path is not None else f"`{whole.removeprefix('.')}`"


def _contrast(value: object, other: object) -> str:
    """The value; with its type named when that is the only visible difference, as in 8 and "8"."""
    if isinstance(value, str) and not isinstance(other, (str, dict, list)):
        return f"the text {_show(value)}"
    if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool) and isinstance(other, str):
        return f"the number {_show(value)}"
    return _show(value)


def _show(value: object) -> str:
    if isinstance(value, dict):
        return f"an object with: {_names(value)}" if value else "an empty object"
    if isinstance(value, list):
        return f"a list of {len(value)} {'entry' if len(value) == 1 else 'entries'}"
    return _scalar(value)


def _brief(value: object, levels: int = 2) -> str:
    """JSON cut short: a few names, two levels."""
    if isinstance(value, dict):
        if value and not levels:
            return "{…}"
        shown = [
            f"{_text(name)}: {_brief(value[name], levels - 1)}" for name in islice(value, MAX_CONDITIONS)
        ]
        return "{" + ", ".join(shown) + (", …}" if len(value) > MAX_CONDITIONS else "}")
    if isinstance(value, list):
        if value and not levels:
            return "[…]"
        shown = [_brief(element, levels - 1) for element in value[:MAX_CONDITIONS]]
        return "[" + ", ".join(shown) + (", …]" if len(value) > MAX_CONDITIONS else "]")
    return _scalar(value)


def _scalar(value: object) -> str:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    # Python refuses to print an integer of thousands of digits.
    if isinstance(value, int) and value.bit_length() > 200:
        return f"{Decimal(value):.3E}"
    return _cut(str(value))


def _text(text: str) -> str:
    """Quoted, cut, and free of what cannot be stored or printed."""
    quoted = json.dumps(_cut(text), ensure_ascii=False).replace("`", "'")
    return quoted.encode("utf-8", "backslashreplace").decode()


def _cut(text: str) -> str:
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"


def _names(found: dict[str, object]) -> str:
    shown = ", ".join(_text(name)[1:-1] for name in islice(found, MAX_NAMES))
    return shown + (f" and {len(found) - MAX_NAMES} more" if len(found) > MAX_NAMES else "")


def _entries(found: list[object]) -> str:
    scalars = [element for element in found if not _is_container(element)]
    if not scalars:
        return f"it is {_show(found)}" if found else "it is an empty list"
    shown = ", ".join(_scalar(element) for element in scalars[:MAX_NAMES])
    return f"it has: {shown}" + (f" and {len(found) - MAX_NAMES} more" if len(found) > MAX_NAMES else "")
