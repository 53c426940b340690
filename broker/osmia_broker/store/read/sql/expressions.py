"""The expressions of lists that each database writes in its own way: a class for each, with both texts.

The functions of `dialect` make them. Those of PostgreSQL whose names begin with `osmia_` are in `postgres/functions.py`.
"""

from typing import Any, TypeVar

from sqlalchemy import BigInteger, Double, Integer, Text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

T = TypeVar("T")

#: How PostgreSQL compares a text that is not a stored column: as the columns are compared, whatever locale the database has.
BY_CODE_POINTS = 'COLLATE "C"'

# The conditions have no type: SQLAlchemy would compare one of type Boolean with 1, and SQLite then uses no index.


class Expression(FunctionElement[T]):
    """An expression over some others, whose SQL it is given."""

    name = ""

    def __init_subclass__(cls) -> None:
        cls.inherit_cache = True
        cls.name = cls.__name__.lower()
        super().__init_subclass__()

    def on_sqlite(self, *parts: str) -> str:
        """Write it for SQLite."""
        raise NotImplementedError

    def on_postgres(self, *parts: str) -> str:
        """Write it for PostgreSQL."""
        raise NotImplementedError


def _parts(element: Expression[Any], compiler: SQLCompiler, options: dict[str, Any]) -> list[str]:
    return [compiler.process(one, **options) for one in element.clauses]


@compiles(Expression, "sqlite")
def _on_sqlite(element: Expression[Any], compiler: SQLCompiler, **options: Any) -> str:
    return element.on_sqlite(*_parts(element, compiler, options))


@compiles(Expression, "postgresql")
def _on_postgres(element: Expression[Any], compiler: SQLCompiler, **options: Any) -> str:
    return element.on_postgres(*_parts(element, compiler, options))


# --- arrays


class Items(Expression[Any]):
    """The items of an array of JSON as rows: the place `key`, from 0, and the `value`."""

    def on_sqlite(self, *parts: str) -> str:
        return f"json_each({parts[0]})"

    def on_postgres(self, *parts: str) -> str:
        return f"osmia_items({parts[0]})"


class Keys(Items):
    """The same for an array of integers."""

    def on_postgres(self, *parts: str) -> str:
        return f"osmia_keys({parts[0]})"


class Among(Expression[bool]):
    """Whether a column is an item of an array."""

    def on_sqlite(self, *parts: str) -> str:
        column, values = parts
        return f"({column} IN (SELECT value FROM json_each({values})))"

    def on_postgres(self, *parts: str) -> str:
        column, values = parts
        items = "osmia_keys" if isinstance(next(iter(self.clauses)).type, Integer) else "osmia_items"
        return f"({column} = ANY (ARRAY(SELECT value FROM {items}({values}))))"


class AmongRows(Expression[bool]):
    """Whether some columns are an item of an array of arrays, which comes last."""

    def on_sqlite(self, *parts: str) -> str:
        *columns, values = parts
        found = ", ".join(f"json_extract(value, '$[{number}]')" for number in range(len(columns)))
        return f"(({', '.join(columns)}) IN (SELECT {found} FROM json_each({values})))"

    def on_postgres(self, *parts: str) -> str:
        *columns, values = parts
        types = ["bigint" if isinstance(one.type, Integer) else "text" for one in self.clauses]
        found = ", ".join(f"(value::json ->> {number})::{types[number]}" for number in range(len(columns)))
        return f"(({', '.join(columns)}) IN (SELECT {found} FROM osmia_items({values})))"


class Holds(Expression[bool]):
    """Whether a stored array of texts has a value."""

    def on_sqlite(self, *parts: str) -> str:
        column, value = parts
        whole = f"CASE WHEN json_valid({column}) = 1 THEN {column} END"
        return f"({value} IN (SELECT value FROM json_each({whole})))"

    def on_postgres(self, *parts: str) -> str:
        column, value = parts
        return f"({value} = ANY (osmia_texts({column})))"


class Gathered(Expression[str]):
    """All values of a column as an array."""

    type = Text()

    def on_sqlite(self, *parts: str) -> str:
        return f"json_group_array({parts[0]})"

    def on_postgres(self, *parts: str) -> str:
        return f"json_agg({parts[0]})::text"


# --- documents


def _member_on_sqlite(whole: str, place: str) -> str:
    path = f"$[{place}]" if place.isdigit() else f"$.{place[1:-1]}"
    return f"json_extract({whole}, '{path}')"


class Part(Expression[str]):
    """A text in an array or an object of JSON, by its place or its name."""

    type = Text()

    def on_sqlite(self, *parts: str) -> str:
        return _member_on_sqlite(*parts)

    def on_postgres(self, *parts: str) -> str:
        whole, place = parts
        return f"((({whole})::json ->> {place}) {BY_CODE_POINTS})"


class NumberPart(Expression[int]):
    """The same for an integer."""

    type = BigInteger()

    def on_sqlite(self, *parts: str) -> str:
        return _member_on_sqlite(*parts)

    def on_postgres(self, *parts: str) -> str:
        whole, place = parts
        return f"(({whole})::json ->> {place})::bigint"


class FlagPart(Expression[bool]):
    """The same for a truth value."""

    def on_sqlite(self, *parts: str) -> str:
        return f"({_member_on_sqlite(*parts)} = 1)"

    def on_postgres(self, *parts: str) -> str:
        whole, place = parts
        return f"(({whole})::json ->> {place})::boolean"


class MemberText(Expression[str]):
    """The text of a member of a stored object, whose name is a parameter; NULL if it is absent or no text."""

    type = Text()

    def on_sqlite(self, *parts: str) -> str:
        document, name = parts
        return f"(SELECT value FROM json_each({document}) WHERE key = {name} AND type IN ('text'))"

    def on_postgres(self, *parts: str) -> str:
        document, name = parts
        found = f"json_each(({document})::json) WHERE key = {name} AND json_typeof(value) = 'string'"
        return f"(SELECT (value #>> '{{}}') {BY_CODE_POINTS} FROM {found})"


class MemberNumber(Expression[float]):
    """The same for a number."""

    type = Double()

    def on_sqlite(self, *parts: str) -> str:
        document, name = parts
        return f"(SELECT value FROM json_each({document}) WHERE key = {name} AND type IN ('integer', 'real'))"

    def on_postgres(self, *parts: str) -> str:
        document, name = parts
        found = f"json_each(({document})::json) WHERE key = {name} AND json_typeof(value) = 'number'"
        return f"(SELECT osmia_number(value #>> '{{}}') FROM {found})"


class HasMember(Expression[bool]):
    """Whether a stored object has a member whose name is a parameter."""

    def on_sqlite(self, *parts: str) -> str:
        document, name = parts
        return f"EXISTS (SELECT 1 FROM json_each({document}) WHERE key = {name})"

    def on_postgres(self, *parts: str) -> str:
        document, name = parts
        return f"EXISTS (SELECT FROM json_each(({document})::json) WHERE key = {name})"


# --- values


class Fits(Expression[bool]):
    """Whether a column fits a pattern."""

    def on_sqlite(self, *parts: str) -> str:
        column, pattern = parts
        return f"({column} GLOB {pattern})"

    def on_postgres(self, *parts: str) -> str:
        column, pattern = parts
        return f"({column} ~ osmia_glob({pattern}))"


class Size(Expression[float]):
    """The value of a variable as a number, if it is one; given as its index has it."""

    type = Double()

    def on_sqlite(self, *parts: str) -> str:
        return parts[0]

    def on_postgres(self, *parts: str) -> str:
        return f"osmia_number({parts[0]})"


class IsNumber(Expression[bool]):
    """Whether the value of a variable is a number; given as it is stored, and as its index has it."""

    def on_sqlite(self, *parts: str) -> str:
        stored, _ = parts
        return f"({stored} >= '-' AND {stored} < ':')"

    def on_postgres(self, *parts: str) -> str:
        _, indexed = parts
        return f"({indexed} ~ '^[-0-9]')"


class IsBelowTexts(IsNumber):
    """The same, as a bound of an index that has numbers before texts."""

    def on_sqlite(self, *parts: str) -> str:
        _, indexed = parts
        return f"{indexed} < ''"


class Unindexed(Expression[Any]):
    """A column whose conditions SQLite answers without an index."""

    def on_sqlite(self, *parts: str) -> str:
        return f"+{parts[0]}"

    def on_postgres(self, *parts: str) -> str:
        return parts[0]


class NoLimit(Expression[int]):
    """A limit that lets all rows pass."""

    type = Integer()

    def on_sqlite(self, *parts: str) -> str:
        assert not parts, "it is of nothing"
        return "-1"

    def on_postgres(self, *parts: str) -> str:
        assert not parts, "it is of nothing"
        return "ALL"
