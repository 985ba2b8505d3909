"""What of a sentence may be read by somebody who may not see data. Pure.

Partner systems and jobs say why they failed in sentences that quote patients: “Identifier "MJ79948" does not match”.
What stands in quotes, and what looks like a number or an address of somebody, is taken out; the rest tells enough to
see what went wrong. Where it is unclear how far a quote reaches, more is taken out rather than less.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from http import HTTPStatus

_GAP = "…"
_QUOTED = "“…”"
# What opens a quote, with all that may end it. German and Scandinavian texts close with what opens in English.
_ENDS = {
    "“": "”",
    "„": "“”",
    "‘": "’",
    "’": "’",
    "‚": "‘’",
    "«": "»",
    "»": "«",
    "‹": "›",
    "›": "‹",
    "「": "」",
    "『": "』",
    '"': '"',
    "'": "'",
    "`": "`'",
    "´": "´",
    "＂": "＂",
}
_STRAY = "”」』"  # ends that open nothing: their beginning was cut off, or stands inside of another quote

# An apostrophe opens a quote only where no word stands before it: not in “don’t”, but in the b'…' of Python.
_APOSTROPHES = "'’"
_APOSTROPHE_OPENS = re.compile(r"(?<!\w)(?:[bBuUrRfF]{1,2})?\Z")
_ADDRESS = re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s/?#@]+)[/?#]\S*", re.I)
_QUERY = re.compile(r"[?&][^\s=&?]+=\S*")
_MAIL = re.compile(r"\S*@\S*")
_DIGITS = re.compile(
    r"(?<![\w-])[\w-]*\d(?:[\s./:,()-]?\d){2,}[\w-]*"  # 79948, MJ79948, 07 12 34, 1987-03-04
    r"|\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{9,}[\w-]*"
    r"|\b(?=\w*\d)(?=\w*[^\W\d])\w{8,}",  # ids such as DiszpKrYNg8
    re.I,
)
_STATUS_BEFORE = re.compile(
    r"(?<![\w-])(?:HTTP(?:/[\d.]+)?|status|code|error|answered|answers|returned|responded|with|got)[ :=(]{1,2}\Z",
    re.I,
)
_PHRASES = {str(status.value): status.phrase for status in HTTPStatus}


def without_data(sentence: str, *, known: Iterable[str] = ()) -> str:
    """The sentence without its quoted parts, its long numbers, ids and addresses. `known` names may stay in quotes."""
    names = frozenset(known)
    parts: list[str] = []
    for text, quoted in _pieces(sentence):
        if quoted:
            parts.append(f"“{text}”" if text in names else _QUOTED)
        else:
            parts.append(_plain(text))
    return "".join(parts)


def _pieces(sentence: str) -> list[tuple[str, bool]]:
    """The sentence cut into what stands in quotes and what does not."""
    pieces: list[tuple[str, bool]] = []
    begin = at = 0
    while at < len(sentence):
        sign = sentence[at]
        if sign in _STRAY:
            pieces, begin = [("", True)], at + 1
        elif _opens(sentence, at):
            end = _end_of(sentence, at)
            pieces += [(sentence[begin:at], False), (sentence[at + 1 : end], True)]
            at, begin = end, end + 1
        at += 1
    return [*pieces, (sentence[begin:], False)]


def _opens(sentence: str, at: int) -> bool:
    sign = sentence[at]
    if sign not in _ENDS:
        return False
    return sign not in _APOSTROPHES or _APOSTROPHE_OPENS.search(sentence, max(0, at - 3), at) is not None


def _end_of(sentence: str, at: int) -> int:
    """Where the quote that opens there is closed; the sentence's end, where it was cut off before."""
    opening, ends = sentence[at], _ENDS[sentence[at]]
    deep = 0
    for index in range(at + 1, len(sentence)):
        sign = sentence[index]
        if sign in ends and not _goes_on(sentence, index):
            if deep == 0:
                return index
            deep -= 1
        elif sign == opening and opening not in ends:
            deep += 1
    return len(sentence)


def _goes_on(sentence: str, index: int) -> bool:
    """Whether a word follows at once, or a backslash stands before: then it is a part of what is quoted."""
    following = sentence[index + 1 : index + 2]
    return following.isalnum() or following == "_" or sentence[index - 1] == "\\"


def _plain(text: str) -> str:
    text = _ADDRESS.sub(rf"\1/{_GAP}", text)
    text = _QUERY.sub(f"?{_GAP}", text)
    text = _MAIL.sub(_GAP, text)
    return _DIGITS.sub(_number, text)


def _number(found: re.Match[str]) -> str:
    """The status of an answer tells of nobody."""
    phrase = _PHRASES.get(found[0])
    if phrase is None:
        return _GAP
    told = _STATUS_BEFORE.search(found.string, max(0, found.start() - 20), found.start())
    named = found.string[found.end() :].lower().startswith(f" {phrase.lower()}")
    return found[0] if told or named else _GAP
