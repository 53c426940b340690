"""The SQL of a SQLite store, compiled once from the schema.

Rows are written many to a statement: sqlite3 gives up the interpreter lock at every step of a statement, and a statement of many
rows is one step. Measured beside a busy event loop (`python -m bench commit`, 128 rows): 1.5-1.8 µs CPU a row, where `executemany`
costs 1.9-2.3 and unpacking one JSON parameter 3.3; batches of 8 and less differ by little.
"""

from collections.abc import Iterator, Sequence
from dataclasses import fields
from functools import lru_cache
from itertools import chain
from typing import Any

from sqlalchemy import ColumnElement, Select, Table, bindparam, column, func, select
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ClauseElement

from osmia_broker.state.exchange import RowValues
from osmia_broker.state.rows import Row
from osmia_broker.store import schema

# Rows of a large statement: beyond 64 a row gets no cheaper. Up to 16 are one statement of just their number.
GROUPS = (64, 32, 16)

_DIALECT = sqlite.dialect(paramstyle="qmark")


def sql(statement: ClauseElement) -> str:
    """*statement* as SQLite's text, with question marks for its parameters."""
    return str(statement.compile(dialect=_DIALECT, compile_kwargs={"render_postcompile": True}))


def compiled(statement: ClauseElement) -> tuple[str, list[Any]]:
    """*statement* as SQLite's text, and the values of its parameters in order."""
    made = statement.compile(dialect=_DIALECT, compile_kwargs={"render_postcompile": True})
    assert isinstance(made, SQLCompiler), "a statement, and no definition of a table"
    return str(made), [made.params[name] for name in made.positiontup or ()]


@lru_cache(maxsize=256)
def upsert(table: Table, rows: int) -> str:
    """Insert so many rows, or bring those up to date whose primary key is there.

    Only the columns that change in a row's life are set again: SQLite rewrites each index that has a column among them.
    """
    statement = insert(table)
    keys = list(table.primary_key)
    changing = {column.name: statement.excluded[column.name] for column in table.columns if column.info.get("changes")}
    one_row = sql(
        statement.on_conflict_do_update(index_elements=keys, set_=changing)
        if changing
        else statement.on_conflict_do_nothing(index_elements=keys)
    )
    head, values, tail = one_row.partition(" VALUES (")
    group, bracket, conflict = tail.partition(")")
    return head + values + f"{group}{bracket}" + f", ({group})" * (rows - 1) + conflict


@lru_cache(maxsize=32)
def delete(table: Table) -> str:
    """Delete the row of one primary key."""
    return sql(table.delete().where(*(key == bindparam(None, type_=key.type) for key in table.primary_key)))


def in_groups(rows: Sequence[RowValues]) -> Iterator[Sequence[RowValues]]:
    """*rows* cut into few groups, each of as many rows as there is a statement for."""
    first, left = 0, len(rows)
    while left:
        size = left if left <= GROUPS[-1] else next(size for size in GROUPS if size <= left)
        yield rows[first : first + size]
        first += size
        left -= size


def flat(rows: Sequence[RowValues]) -> list[Any]:
    """The parameters of a statement of many rows."""
    return list(chain.from_iterable(rows))


def among(what: ColumnElement[Any], parameter: str) -> ColumnElement[bool]:
    """*what* is in a JSON array that is given as one parameter, so that the statement stays the same for any number of keys."""
    keys = func.json_each(bindparam(parameter)).table_valued(column("value"))
    return what.in_(select(keys.c.value))


def rows_of(row_type: type[Row]) -> Select[Any]:
    """All columns of a row class, in the order of its fields."""
    table = schema.TABLES[row_type]
    return select(*(table.columns[field.name] for field in fields(row_type)))
