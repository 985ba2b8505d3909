"""Texts as words to search for: small letters, without accents, not stemmed; found whole or by their beginning.

What PostgreSQL's configuration `simple` does, but the words are taken out here: an address is more than one word,
and a name that JSON, a form or XML has escaped is found under its letters. Pure.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from html import unescape
from urllib.parse import unquote_plus

SHORTEST = 2
LONGEST = 60  # characters; what is longer is found by its beginning
MOST_BYTES = 400_000  # a tsvector holds a megabyte, with what it needs around the words
MOST_WANTED = 12

_WORD = re.compile(r"[^\W_]{2,}")
_LETTER = re.compile(r"\\u([0-9a-fA-F]{4})")
_CONTROL = re.compile(r"\\[nrtbf]")


def words_of(*texts: str | None) -> str:
    """Every word of the texts once, as the text of a tsvector."""
    found: dict[str, None] = {}
    size = 0
    for word in _words(text for text in texts if text):
        if word not in found:
            size += len(word.encode()) + 1
            if size > MOST_BYTES:
                break
            found[word] = None
    return " ".join(found)


def words_wanted(text: str) -> str:
    """A tsquery for rows that have all the words, each whole or as a beginning; empty when there is no word in it."""
    wanted = list(dict.fromkeys(_words([text])))[:MOST_WANTED]
    # Both, because the database's statistics tell how common a whole word is, and little about beginnings.
    return " & ".join(f"({word} | {word}:*)" for word in wanted)


def _words(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        for word in _WORD.findall(_plain(_readable(text))):
            yield word[:LONGEST]


def _readable(text: str) -> str:
    """What was escaped on its way, as people write it."""
    begin = text.lstrip()[:1]
    if begin in ("{", "[", '"'):
        if "\\" not in text:
            return text
        return _LETTER.sub(lambda found: chr(int(found[1], 16)), _CONTROL.sub(" ", text))
    if begin == "<":
        return unescape(text) if "&" in text else text
    return unquote_plus(text) if "%" in text or "+" in text else text


def _plain(text: str) -> str:
    text = text.lower()
    if text.isascii():
        return text
    return "".join(
        character
        for character in unicodedata.normalize("NFD", text)
        if unicodedata.category(character) != "Mn"
    )
