"""A column of words (tsvector) and its one question: `words__have=words_wanted("jane doe")`; see `common.words`."""

from __future__ import annotations

from typing import Any

from django.contrib.postgres.indexes import GinIndex
from django.db import models


class WordField(models.Field):  # type: ignore[type-arg]  # the stub's parameters cannot be given at run time
    """Filled with the text of `words_of`. Null: not searchable."""

    def db_type(self, connection: Any) -> str:
        return "tsvector"


@WordField.register_lookup
class Have(models.Lookup):
    """All these words, whole or as beginnings."""

    lookup_name = "have"

    def get_prep_lookup(self) -> str:
        return str(self.rhs)

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        left, left_values = self.process_lhs(compiler, connection)
        return f"{left} @@ %s::tsquery", (*left_values, self.rhs)


def word_index(column: str, *, name: str) -> GinIndex:
    """What is written waits in a list of a megabyte: a longer one would be cleared away in somebody's transaction."""
    return GinIndex(fields=[column], name=name, gin_pending_list_limit=1024)
