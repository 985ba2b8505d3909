"""`tables`: the project's tables, as a job reads and writes them.

A lookup table that is not too big comes whole at its first use, others key by key; what a run has seen it keeps, so a
key is asked for once. What a run writes it sees at once. Outside live runs writes are shown instead of made.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Any

from jobs.language.channel import Channel
from jobs.language.encoding import article, decode, encode
from jobs.language.errors import JobError, MissingName, NotJSON
from jobs.language.names import LONGEST, listed, meant
from jobs.language.session import Session

AT_ONCE = 500  # keys of one question
BYTES_AT_ONCE = 200_000  # of one question's values, as text
MOST_GUESSED = 5_000  # keys among which one looks for what was probably meant
_ABSENT: Any = object()
_METHODS = ("get", "get_many", "set", "set_many", "delete", "each", "keys")


class MissingKey(JobError, KeyError):
    """A key that a table does not have."""

    def __str__(self) -> str:
        return str(self.args[0])  # KeyError would show the text in quotes


class Tables:
    """Every table by its key, as attribute or in brackets."""

    def __init__(self, *, channel: Channel, session: Session, mode: str) -> None:
        self._channel = channel
        self._session = session
        self._mode = mode
        self._known: dict[str, TableOfJob] = {}

    def __getitem__(self, key: str) -> TableOfJob:
        if key not in self._known:
            self._known[key] = self._opened(str(key))
        return self._known[key]

    def __getattr__(self, name: str) -> TableOfJob:
        if name.startswith("_"):
            raise AttributeError(name)
        return self[name.replace("_", "-")]

    def __setattr__(self, name: str, value: object) -> None:
        if not name.startswith("_"):
            raise MissingName(
                f"A table cannot be replaced; write tables.{name}.set(key, value) to change a row."
            )
        object.__setattr__(self, name, value)

    def _opened(self, key: str) -> TableOfJob:
        answer = self._channel.ask("table.open", {"table": key})
        if not answer.get("known"):
            names = [str(name) for name in answer.get("tables", ())]
            raise MissingName(
                f"There is no table `{key}` in this project; there are: {listed(names)}{meant(key, names)}"
            )
        return TableOfJob(
            key=key, opened=answer, channel=self._channel, session=self._session, live=self._mode == "live"
        )


class TableOfJob:
    """One table. What was asked for or written is kept for as long as the run lasts."""

    def __init__(
        self, *, key: str, opened: dict[str, Any], channel: Channel, session: Session, live: bool
    ) -> None:
        self._key = key
        self._lookup = opened.get("kind") == "lookup"
        self._count = int(opened.get("count", 0))
        self._channel = channel
        self._session = session
        self._live = live
        self._seen: dict[str, Any] = {}  # _ABSENT: known not to be there
        self._claimed: set[str] = set()  # set if absent, by this very run
        self._written: set[str] = set()  # while nothing is written for good
        self._whole = False
        if self._lookup:
            self._take_whole(opened)

    def _take_whole(self, page: dict[str, Any]) -> None:
        while True:
            self._seen.update((str(key), value) for key, value in page.get("rows", ()))
            if not page.get("next"):
                self._whole = not page.get("cut")
                return
            page = self._ask("page", after=page["next"], whole=True)

    def _ask(self, question: str, **body: Any) -> dict[str, Any]:
        return self._channel.ask(f"table.{question}", {"table": self._key, **body})

    # --- reading ----------------------------------------------------------------------------------------

    def __getitem__(self, key: object) -> Any:
        value = self._value(_key(key))
        if value is _ABSENT:
            raise MissingKey(self._missing(_key(key)))
        return value

    def get(self, key: object, default: Any = None, *, fresh: bool = False) -> Any:
        """The value, or `default`. `fresh` asks again for what this run has seen already."""
        name = _key(key)
        if fresh and name not in self._written:
            self._seen.pop(name, None)
            self._fetch([name])
        value = self._value(name)
        return default if value is _ABSENT else value

    def __contains__(self, key: object) -> bool:
        return self._value(_key(key)) is not _ABSENT

    def get_many(self, keys: Iterable[object]) -> dict[str, Any]:
        """The values of those keys that are there, asked for together."""
        names = list(dict.fromkeys(_key(key) for key in keys))
        if not self._whole:
            self._fetch([name for name in names if name not in self._seen])
        return {name: self._copied(name) for name in names if self._seen.get(name, _ABSENT) is not _ABSENT}

    def __len__(self) -> int:
        return sum(value is not _ABSENT for value in self._seen.values()) if self._whole else self._count

    def __bool__(self) -> bool:
        return True

    def keys(self, prefix: str = "") -> Iterator[str]:
        """The keys, or those that begin with `prefix`, in order."""
        return (key for key, _value in self.each(prefix))

    def __iter__(self) -> Iterator[str]:
        return self.keys()

    def each(self, prefix: str = "") -> Iterator[tuple[str, Any]]:
        """(key, value), in the order of keys; asked for page by page while one goes through them."""
        if not isinstance(prefix, str):
            raise JobError("The beginning of a key is a text")
        if self._whole:
            found = {key for key, value in self._seen.items() if value is not _ABSENT}
            for key in sorted(each for each in found if each.startswith(prefix)):
                yield key, self._copied(key)
            return
        yield from self._each_stored(prefix)

    def _each_stored(self, prefix: str) -> Iterator[tuple[str, Any]]:
        """What is stored, with what this run wrote without storing it in its place."""
        own = sorted(key for key in self._written if key.startswith(prefix))
        after = ""
        while True:
            page = self._ask("page", after=after, prefix=prefix)
            for key, value in page["rows"]:
                while own and own[0] < key:
                    yield from self._own(own.pop(0))
                if own and own[0] == key:
                    yield from self._own(own.pop(0))
                else:
                    yield key, value
            after = page.get("next") or ""
            if not after:
                for each in own:
                    yield from self._own(each)
                return

    def _own(self, key: str) -> Iterator[tuple[str, Any]]:
        if self._seen.get(key, _ABSENT) is not _ABSENT:
            yield key, self._copied(key)

    def _value(self, key: str) -> Any:
        if key not in self._seen and not self._whole:
            self._fetch([key])
        return self._copied(key) if self._seen.get(key, _ABSENT) is not _ABSENT else _ABSENT

    def _copied(self, key: str) -> Any:
        """A value of its own for whoever asks: changing it changes no table."""
        value = self._seen[key]
        return json.loads(json.dumps(value)) if isinstance(value, dict | list) else value

    def _fetch(self, keys: list[str]) -> None:
        while keys:
            answer = self._ask("get", keys=keys[:AT_ONCE])
            left = {str(key) for key in answer.get("left", ())}
            found = dict(answer["rows"])
            self._seen.update({key: found.get(key, _ABSENT) for key in keys[:AT_ONCE] if key not in left})
            keys = [*(key for key in keys[:AT_ONCE] if key in left), *keys[AT_ONCE:]]

    def _missing(self, key: str) -> str:
        """Keys of a lookup are codes; those of a store may be anybody's number, so they are not told."""
        count = len(self)
        has = f"it has {count:,} key{'' if count == 1 else 's'}" if count else "it is empty"
        if not self._lookup:
            return f"The table {self._key} does not have this key; {has}"
        known = sorted(k for k, value in self._seen.items() if value is not _ABSENT)
        close = meant(key, known[:MOST_GUESSED])
        examples = f", for example {listed(known[:3])}" if known and not close else ""
        shown = key if len(key) <= LONGEST else f"{key[:LONGEST]}…"
        return f"The table {self._key} has no “{shown}”; {has}{examples}{close}"

    # --- writing ----------------------------------------------------------------------------------------

    def set(
        self, key: object, value: Any, *, ttl: float | timedelta | None = None, if_absent: bool = False
    ) -> bool:
        """Make or replace a row, for good or for `ttl` seconds. False: it was there, and should be absent."""
        name, plain = _key(key), self._plain(key, value)
        if if_absent and name in self._claimed:
            return False
        if not self._live:
            return self._show_set({name: plain}, if_absent=if_absent)
        answer = self._ask("set", rows=[[name, plain]], ttl=_seconds(ttl), if_absent=if_absent)
        if not answer["done"][0]:
            self._seen.pop(name, None)
            self._fetch([name])
            return False
        self._session.writes += 1
        if if_absent:
            self._claimed.add(name)
        self._seen[name] = plain
        return True

    def set_many(self, rows: Mapping[Any, Any], *, ttl: float | timedelta | None = None) -> None:
        """Make or replace many rows, some hundred at a time."""
        plain = {_key(key): self._plain(key, value) for key, value in dict(rows).items()}
        if not self._live:
            self._show_set(plain, if_absent=False)
            return
        for part in _parts(plain):
            self._ask("set", rows=part, ttl=_seconds(ttl), if_absent=False)
            self._session.writes += 1
            self._seen.update(dict(part))

    def delete(self, key: object) -> bool:
        """Remove a row. False: it was not there."""
        name = _key(key)
        if not self._live:
            there = self._value(name) is not _ABSENT
            self._show("DELETE", name, None)
            self._keep(name, _ABSENT)
            return there
        removed = bool(self._ask("delete", keys=[name])["removed"])
        self._session.writes += removed
        self._seen[name] = _ABSENT
        self._claimed.discard(name)
        return removed

    def _show_set(self, rows: Mapping[str, Any], *, if_absent: bool) -> bool:
        for name, value in rows.items():
            if if_absent and self._value(name) is not _ABSENT:
                return False
            self._show("SET", name, value)
            self._keep(name, value)
        return True

    def _keep(self, name: str, value: Any) -> None:
        self._seen[name] = value
        self._written.add(name)

    def _show(self, method: str, name: str, value: Any) -> None:
        body = None if method == "DELETE" else json.dumps(value, ensure_ascii=False)
        shown = {"protocol": "table", "method": method, "url": f"tables.{self._key}/{name}", "write": True}
        self._session.show({**shown, "dry": True, "request_body": body})

    def _plain(self, key: object, value: Any) -> Any:
        try:
            return decode(encode(value, root="value"))
        except NotJSON as error:
            raise JobError(f"A row of the table {self._key} cannot be set: {error}") from None

    # --- what does not work -----------------------------------------------------------------------------

    def __setitem__(self, key: object, value: object) -> None:
        raise JobError(f"Write tables.{self._attribute}.set(key, value) to change a row")

    def __delitem__(self, key: object) -> None:
        raise JobError(f"Write tables.{self._attribute}.delete(key) to remove a row")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        raise MissingName(
            f"A table has no `{name}`; it has: {listed(_METHODS)}. A value is read with its key in brackets"
        )

    @property
    def _attribute(self) -> str:
        return self._key.replace("-", "_")


def _key(key: object) -> str:
    """Texts; whole numbers are taken for theirs, as systems send ids in both forms."""
    if isinstance(key, str):
        return key
    if isinstance(key, int) and not isinstance(key, bool):
        return str(key)
    raise JobError(f"The key of a table is a text, not {article(type(key).__name__)}")


def _seconds(ttl: object) -> float | None:
    if isinstance(ttl, timedelta):
        return ttl.total_seconds()
    if ttl is None:
        return None
    if isinstance(ttl, int | float) and not isinstance(ttl, bool):
        return ttl
    raise JobError("The time to live is a number of seconds, or a timedelta")


def _parts(rows: Mapping[str, Any]) -> Iterator[list[list[Any]]]:
    part: list[list[Any]] = []
    size = 0
    for key, value in rows.items():
        length = len(json.dumps(value)) + len(key)
        if part and (len(part) >= AT_ONCE or size + length > BYTES_AT_ONCE):
            yield part
            part, size = [], 0
        part.append([key, value])
        size += length
    if part:
        yield part
