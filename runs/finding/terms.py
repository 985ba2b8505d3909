"""What somebody is looked for by: names and numbers, one a line. Pure.

A row is found when it has all the words of any one line. Words are found whole; `Wambre*` finds beginnings. A telephone
number is found in whichever form it was written, by its last nine digits.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from openfn_platform.common.errors import Invalid
from openfn_platform.common.words import words_of

MOST_LINES = 12
MOST_WORDS = 8
SHORTEST = 4  # letters and digits of a line: less is in everything
PHONE_DIGITS = 9
PHONE_MARK = "tel"  # no word that people write begins so and goes on in nine digits
WINDOW = 130_000  # characters whose words surely fit into one row
OVERLAP = 200

_PHONE = re.compile(r"\+?\(?\d(?:[ .()/-]{0,2}\d){8,14}(?!\d)")
_DATE = re.compile(r"(?:19|20)\d\d-\d\d-\d\d")
_WORD = re.compile(r"\w+\*?")


@dataclass(frozen=True, kw_only=True)
class Term:
    """One line."""

    whole: frozenset[str]
    beginnings: tuple[str, ...] = ()
    phone: str = ""

    def matches(self, words: Iterable[str]) -> bool:
        there = words if isinstance(words, (set, frozenset)) else set(words)
        if self.phone and f"{PHONE_MARK}{self.phone}" in there:
            return True
        return self.whole <= there and all(
            any(word.startswith(begin) for word in there) for begin in self.beginnings
        )

    def query(self) -> str:
        """As a tsquery."""
        words = [*sorted(self.whole), *(f"{begin}:*" for begin in self.beginnings)]
        every = f"({' & '.join(words)})"
        if not self.phone:
            return every
        # Exchanges keep plain words only: the usual ways of writing a number without spaces.
        forms = (f"{PHONE_MARK}{self.phone}", self.phone, f"0{self.phone}")
        return f"({' | '.join((every, *forms))})"


def terms_read(text: str) -> tuple[Term, ...]:
    """The lines that somebody typed, or Invalid with a sentence."""
    lines = list(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))
    if not lines:
        raise Invalid("Write at least one name or number.", field="who")
    if len(lines) > MOST_LINES:
        raise Invalid(f"At most {MOST_LINES} lines at once.", field="who")
    return tuple(_term(line) for line in lines)


def _term(line: str) -> Term:
    whole: set[str] = set()
    beginnings: list[str] = []
    for piece in _WORD.findall(line):
        words = words_of(piece).split()
        if piece.endswith("*") and words:
            beginnings.append(words.pop())
        whole.update(words)
    if sum(map(len, (*whole, *beginnings))) < SHORTEST:
        raise Invalid(f"“{line}” is too short: it would be found nearly everywhere.", field="who")
    if len(whole) + len(beginnings) > MOST_WORDS:
        raise Invalid(f"At most {MOST_WORDS} words in a line; “{line[:40]}…” has more.", field="who")
    return Term(whole=frozenset(whole), beginnings=tuple(beginnings), phone=_phone(line))


def _phone(line: str) -> str:
    found = _PHONE.fullmatch(line)
    return _digits(found[0])[-PHONE_DIGITS:] if found else ""


def query_of(terms: Sequence[Term]) -> str:
    return " | ".join(term.query() for term in terms)


def matched(terms: Sequence[Term], words: Iterable[str]) -> bool:
    there = set(words)
    return any(term.matches(there) for term in terms)


# --- what is found by -----------------------------------------------------------------------------


def rows_of(texts: Iterable[str]) -> Iterator[str]:
    """The words of some texts, in as many rows as they need; one at least."""
    parts: list[str] = []
    size = 0
    yielded = False
    for text in texts:
        for window in _windows(text):
            if parts and size + len(window) > WINDOW:
                yield _row(parts)
                yielded, parts, size = True, [], 0
            parts.append(window)
            size += len(window)
    if parts or not yielded:
        yield _row(parts)


def _row(parts: Sequence[str]) -> str:
    phones = {f"{PHONE_MARK}{number}" for part in parts for number in _phones(part)}
    return " ".join([words_of(*parts), *sorted(phones)]).strip()


def _windows(text: str) -> Iterator[str]:
    if len(text) <= WINDOW:
        yield text
        return
    # How a text is escaped shows in its first letter, which a window in its midst does not have.
    first = text.lstrip()[:1]
    mark = first if first in ("[", "{", "<", '"') else ""
    for begin in range(0, len(text), WINDOW - OVERLAP - 1):
        yield (mark if begin else "") + text[begin : begin + WINDOW - 1]


def _phones(text: str) -> Iterator[str]:
    for found in _PHONE.findall(text):
        if not _DATE.match(found):
            yield _digits(found)[-PHONE_DIGITS:]


def _digits(text: str) -> str:
    return "".join(character for character in text if "0" <= character <= "9")


# --- where it stands in a text --------------------------------------------------------------------


def excerpt(text: str, terms: Sequence[Term], *, around: int = 60) -> str:
    """Some letters around the first word that was looked for; empty where the text has none."""
    wanted = {word for term in terms for word in term.whole}
    beginnings = tuple(begin for term in terms for begin in term.beginnings)
    numbers = {term.phone for term in terms if term.phone}
    for found in re.finditer(r"\w+", text):
        word = words_of(found[0])
        if word in wanted or (beginnings and word.startswith(beginnings)):
            return _cut(text, found.start(), found.end(), around)
    for found in _PHONE.finditer(text) if numbers else ():
        if _digits(found[0])[-PHONE_DIGITS:] in numbers:
            return _cut(text, found.start(), found.end(), around)
    return ""


def _cut(text: str, begin: int, end: int, around: int) -> str:
    low, high = max(0, begin - around), min(len(text), end + around)
    return f"{'…' if low else ''}{' '.join(text[low:high].split())}{'…' if high < len(text) else ''}"
