"""The SQL that is SQLite's own: the text of statements, many rows in one insert, many keys in one parameter.

The statements in `statements.py` belong to no database; this module renders them for SQLite, and `postgres/dialect.py` for PostgreSQL.

Rows are written many to a statement: sqlite3 gives up the interpreter lock at every step of a statement, and a statement of many
rows is one step. Measured beside a busy event loop (`python -m bench commit`, 128 rows): 1.5-1.8 µs CPU a row, where `executemany`
costs 1.9-2.3 and unpacking one JSON parameter 3.3; batches of 8 and less differ by little.
"""

import sqlite3
from collections.abc import Collection, Iterator, Sequence
from functools import cached_property, lru_cache
from itertools import chain
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Table, TableValuedAlias, bindparam, column
from sqlalchemy.dialects import sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ClauseElement
from sqlalchemy.sql.functions import FunctionElement

from osmia_broker.state.store_protocol import RowValues

# The numbers of rows in a large statement: beyond 64 a row gets no cheaper. Up to 16 rows are one statement of just their number.
GROUPS = (64, 32, 16)

_DIALECT = sqlite.dialect(paramstyle="qmark")
_NAMED = sqlite.dialect(paramstyle="named")
_quoted = _DIALECT.identifier_preparer.quote


class _Unpacked(FunctionElement[Any]):
    """The elements of an array that is given as one parameter, as rows."""

    name = "unpacked"
    inherit_cache = True


@compiles(_Unpacked, "sqlite")
def _unpack_json(element: _Unpacked, compiler: SQLCompiler, **options: Any) -> str:
    return f"json_each{compiler.process(element.clause_expr, **options)}"


class AmongKeys(FunctionElement[bool]):
    """Whether a column has one of many keys that are given as one parameter.

    It has no type: SQLAlchemy would compare one of type Boolean with 1, and SQLite then uses no index.
    """

    name = "among_keys"
    inherit_cache = True


@compiles(AmongKeys, "sqlite")
def _among_json(element: AmongKeys, compiler: SQLCompiler, **options: Any) -> str:
    what, keys = (compiler.process(one, **options) for one in element.clauses)
    return f"{what} IN (SELECT value FROM json_each({keys}))"


def among_keys(what: ColumnElement[Any], parameter: str) -> ColumnElement[bool]:
    """Compare *what* with many keys that are given as one parameter; the statement stays the same for any number of keys."""
    return AmongKeys(what, bindparam(parameter))


def unpacked(parameter: str) -> TableValuedAlias:
    """Return the keys that are given as one parameter as a table with the column `value`."""
    return _Unpacked(bindparam(parameter)).table_valued(column("value"))


def packed(keys: Collection[int] | Collection[str]) -> str:
    """Return the value for the parameter of `among_keys`."""
    return msgspec.json.encode(keys).decode()


class Prepared:
    """A statement that is run any number of times. It becomes text with named parameters when that is first asked for.

    SQLAlchemy needs about 0.5 ms for a statement; a start runs few of the hundred that there are.
    """

    def __init__(self, statement: ClauseElement) -> None:
        self._statement = statement

    @cached_property
    def _rendered(self) -> tuple[str, dict[str, Any]]:
        made = _compile(self._statement, _NAMED)
        return str(made), {name: value for name, value in made.params.items() if value is not None}

    @property
    def text(self) -> str:
        """The text."""
        return self._rendered[0]

    @property
    def constants(self) -> dict[str, Any]:
        """The values of parameters that the statement brings along."""
        return self._rendered[1]

    def run(self, db: sqlite3.Connection, **parameters: Any) -> sqlite3.Cursor:
        """Run it once."""
        text, constants = self._rendered
        return db.execute(text, constants | parameters)

    def rows(self, db: sqlite3.Connection, **parameters: Any) -> list[RowValues]:
        """Run it and return all rows. A text that is not UTF-8, which only a corrupt file holds, comes as bytes."""
        try:
            return self.run(db, **parameters).fetchall()
        except sqlite3.OperationalError as error:
            if "decode" not in str(error):
                raise
        usual, db.text_factory = db.text_factory, text_or_bytes
        try:
            return self.run(db, **parameters).fetchall()
        finally:
            db.text_factory = usual


def text_or_bytes(stored: bytes) -> str | bytes:
    """Return a stored text; the bytes themselves if they are not UTF-8."""
    try:
        return stored.decode()
    except UnicodeDecodeError:
        return stored


def sql(statement: ClauseElement) -> str:
    """Return *statement* as text, with question marks for its parameters."""
    return str(statement.compile(dialect=_DIALECT, compile_kwargs={"render_postcompile": True}))


def compiled(statement: ClauseElement) -> tuple[str, list[Any]]:
    """Return *statement* as text with question marks, and the values of its parameters in order."""
    made = _compile(statement, _DIALECT)
    return str(made), [made.params[name] for name in made.positiontup or ()]


def _compile(statement: ClauseElement, dialect: sqlite.base.SQLiteDialect) -> SQLCompiler:
    made = statement.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
    assert isinstance(made, SQLCompiler), "a definition of a table has no parameters"
    return made


@lru_cache(maxsize=512)
def upsert(table: Table, rows: int) -> str:
    """Return the statement that inserts so many rows, or updates those with a primary key that is there already.

    Only the columns that may change are set again: SQLite rewrites each index that has a column among them. The text is written by hand
    because SQLAlchemy needs 80 ms to compile a statement of 64 rows, and a first commit would wait for that.
    """
    columns = ", ".join(_quoted(column.name) for column in table.columns)
    one_row = f"({', '.join('?' * len(table.columns))})"
    key = ", ".join(_quoted(column.name) for column in table.primary_key)
    changing = [_quoted(column.name) for column in table.columns if column.info["changes"]]
    then = f"UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in changing)}" if changing else "NOTHING"
    return (
        f"INSERT INTO {_quoted(table.name)} ({columns}) VALUES {', '.join([one_row] * rows)}"
        f" ON CONFLICT ({key}) DO {then}"
    )


@lru_cache(maxsize=512)
def update(table: Table, rows: int, columns: tuple[str, ...]) -> str:
    """Return the statement that sets these *columns* of so many rows; the parameters of a row are its key and the values.

    Measured for the assignee of a user task, 64 rows at a time: 5 µs a row, where `upsert` with all changing columns costs 15.
    """
    (key,) = table.primary_key
    name = _quoted(table.name)
    changes = ", ".join(f"{_quoted(column)} = changed.column{place}" for place, column in enumerate(columns, start=2))
    one_row = f"({', '.join('?' * (len(columns) + 1))})"
    return (
        f"UPDATE {name} SET {changes} FROM (VALUES {', '.join([one_row] * rows)}) AS changed"
        f" WHERE {name}.{_quoted(key.name)} = changed.column1"
    )


@lru_cache(maxsize=32)
def delete(table: Table) -> str:
    """Return the statement that deletes the row of one primary key."""
    return sql(table.delete().where(*(key == bindparam(None, type_=key.type) for key in table.primary_key)))


def in_groups(rows: Sequence[RowValues]) -> Iterator[Sequence[RowValues]]:
    """Cut *rows* into few groups, each of a size that there is a statement for."""
    first, left = 0, len(rows)
    while left:
        size = left if left <= GROUPS[-1] else next(size for size in GROUPS if size <= left)
        yield rows[first : first + size]
        first += size
        left -= size


def flattened(rows: Sequence[RowValues]) -> list[Any]:
    """Return the parameters of a statement of many rows."""
    return list(chain.from_iterable(rows))
