"""The state as a job sees it: `state.data` or `state["data"]` on the top level, plain dicts and lists below.

Methods win over keys: a key called `items` is reached as `state["items"]`, and giving a value to `state.items` is
refused instead of being half possible. `state.configuration` is the configuration of the job's first connection; it is
found by name, but not listed, so that copying a state does not copy it. It is never stored.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from copy import deepcopy
from typing import Any, Self

from jobs.language.errors import MissingName
from jobs.language.names import listed, meant

UNSTORED = "configuration"


class ReadOnlyState(Mapping[str, Any]):
    """A state to look at: the final state of an earlier step, or the one a condition is decided over."""

    __slots__ = ("_configuration", "_content", "_name")
    _content: dict[str, Any]
    _configuration: Mapping[str, Any] | None
    _name: str

    def __init__(
        self, content: dict[str, Any], *, configuration: Mapping[str, Any] | None = None, name: str = "state"
    ) -> None:
        object.__setattr__(self, "_content", content)
        object.__setattr__(self, "_configuration", configuration)
        object.__setattr__(self, "_name", name)

    def __getitem__(self, key: str) -> Any:
        if key in self._content:
            return self._content[key]
        if key == UNSTORED and self._configuration is not None:
            return dict(self._configuration)
        raise MissingName(
            f"`{key}` is not in `{self._name}`; it has: {listed(self._content)}{meant(str(key), self._content)}"
        )

    def __getattr__(self, key: str) -> Any:
        if key.startswith("__") or key in ReadOnlyState.__slots__:
            raise AttributeError(key)  # what copy and pickle look for
        return self[key]

    def __setattr__(self, key: str, value: Any) -> None:
        raise MissingName(f"`{self._name}` can only be read here.")

    def __delattr__(self, key: str) -> None:
        raise MissingName(f"`{self._name}` can only be read here.")

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return type(self)(deepcopy(self._content, memo), configuration=self._configuration, name=self._name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._content)

    def __len__(self) -> int:
        return len(self._content)

    def __contains__(self, key: object) -> bool:
        return key in self._content

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        return repr(self._content)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *map(str, self._content)]


class State(ReadOnlyState, MutableMapping[str, Any]):
    """The state of the running job."""

    __slots__ = ()

    def __setattr__(self, key: str, value: Any) -> None:
        if hasattr(type(self), key):
            raise MissingName(f'`{key}` is a method of `state`; for the key write state["{key}"] = …')
        self._content[key] = value

    def __delattr__(self, key: str) -> None:
        del self[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self._content[key] = value

    def __delitem__(self, key: str) -> None:
        if key not in self._content:
            raise MissingName(f"`{key}` is not in `state`; it has: {listed(self._content)}")
        del self._content[key]

    def copy(self) -> dict[str, Any]:
        """A plain dict of the same top level."""
        return dict(self._content)

    def __or__(self, other: Mapping[str, Any]) -> dict[str, Any]:
        return {**self._content, **other}

    def __ror__(self, other: Mapping[str, Any]) -> dict[str, Any]:
        return {**other, **self._content}


def content_of(state: object) -> dict[str, Any] | None:
    """The plain dict behind a state, without what is never stored; None when it is no state at all."""
    if isinstance(state, ReadOnlyState | Mapping):
        return {key: item for key, item in state.items() if key != UNSTORED}
    return None
