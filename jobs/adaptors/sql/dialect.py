"""How a database spells names, placeholders and the change of a row that is there already."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from jobs.adaptors.errors import ValidationError

OPERATORS = frozenset(
    {
        "=",
        "<>",
        "!=",
        "<",
        "<=",
        ">",
        ">=",
        "like",
        "not like",
        "ilike",
        "in",
        "not in",
        "is",
        "is not",
        "between",
    }
)


@dataclass(frozen=True)
class Dialect:
    """One kind of database."""

    name: str
    opens: str
    closes: str
    longest: int

    def identifier(self, name: str) -> str:
        """A table or column; `schema.table` becomes two names."""
        if not name:
            raise ValidationError("A table or column needs a name.", sent=False)
        return ".".join(self._quoted(part) for part in name.split("."))

    def _quoted(self, part: str) -> str:
        if not part or "\0" in part or len(part) > self.longest:
            raise ValidationError(f"{part!r} is not usable as a name of a table or column.", sent=False)
        return self.opens + part.replace(self.closes, self.closes * 2) + self.closes

    def insert(self, table: str, names: Sequence[str]) -> str:
        """One row, with a placeholder for each value."""
        listed = ", ".join(map(self.identifier, names))
        marks = ", ".join(["%s"] * len(names))
        return f"INSERT INTO {self.identifier(table)} ({listed}) VALUES ({marks})"  # noqa: S608  (all quoted)

    def upsert(self, table: str, names: Sequence[str], keys: Sequence[str]) -> str:
        """Insert, or change the row with these keys."""
        rest = [name for name in names if name not in keys]
        if self.name == "mysql":
            same = rest or list(keys)[:1]
            changed = ", ".join(f"{self.identifier(n)} = VALUES({self.identifier(n)})" for n in same)
            return f"{self.insert(table, names)} ON DUPLICATE KEY UPDATE {changed}"
        if self.name == "mssql":
            return self._merge(table, names, keys, rest)
        listed = ", ".join(map(self.identifier, keys))
        changed = ", ".join(f"{self.identifier(n)} = EXCLUDED.{self.identifier(n)}" for n in rest)
        return f"{self.insert(table, names)} ON CONFLICT ({listed}) DO " + (
            f"UPDATE SET {changed}" if rest else "NOTHING"
        )

    def _merge(self, table: str, names: Sequence[str], keys: Sequence[str], rest: Sequence[str]) -> str:
        quoted = [self.identifier(name) for name in names]
        given = ", ".join(f"%s AS {name}" for name in quoted)
        match = " AND ".join(f"t.{self.identifier(key)} = s.{self.identifier(key)}" for key in keys)
        changed = ", ".join(f"t.{self.identifier(n)} = s.{self.identifier(n)}" for n in rest)
        update = f" WHEN MATCHED THEN UPDATE SET {changed}" if rest else ""
        # HOLDLOCK, or two at once both find nothing and both insert. Every name is quoted.
        return (
            f"MERGE INTO {self.identifier(table)} WITH (HOLDLOCK) AS t USING (SELECT {given}) AS s ON ({match})"  # noqa: S608
            f"{update} WHEN NOT MATCHED THEN INSERT ({', '.join(quoted)}) "
            f"VALUES ({', '.join(f's.{name}' for name in quoted)});"
        )


POSTGRESQL = Dialect("postgresql", '"', '"', 63)
MYSQL = Dialect("mysql", "`", "`", 64)
MSSQL = Dialect("mssql", "[", "]", 128)


def checked_operator(text: str) -> str:
    """A comparison, or ValidationError: it stands in the statement as it is."""
    known = " ".join(str(text).lower().split())
    if known not in OPERATORS:
        raise ValidationError(
            f"{text!r} is no comparison; known are: {', '.join(sorted(OPERATORS))}.", sent=False
        )
    return known


def like_text(text: str) -> str:
    """A text to be found as it is by LIKE, whatever signs it has."""
    return re.sub(r"([\\%_])", r"\\\1", text)


_TYPE = re.compile(
    r"[A-Za-z][A-Za-z0-9 ]*(\(\s*(\d+|max)\s*(,\s*\d+\s*)?\))?(\[\])?( not null| primary key| unique)*", re.I
)


def checked_type(text: str) -> str:
    """A column's type, as `varchar(20) not null`; it stands in the statement as it is."""
    if not _TYPE.fullmatch(text.strip()):
        raise ValidationError(f"{text!r} is no type of a column.", sent=False)
    return text.strip()
