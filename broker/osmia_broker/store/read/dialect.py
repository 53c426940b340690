"""Everything about SQLite on the read side. For another database, only this module changes.

SQLAlchemy's asyncio part and the driver are imported at the first question, not at the start: they cost 0.14 s and 5 MB.
"""

import logging
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import (
    URL,
    BigInteger,
    ColumnElement,
    FromClause,
    Integer,
    Select,
    TableValuedAlias,
    Text,
    bindparam,
    case,
    cast,
    event,
    func,
    literal_column,
    select,
    tuple_,
    union,
)
from sqlalchemy import column as sql_column
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler
from sqlalchemy.exc import DBAPIError

from osmia_broker.state.store_protocol import PARTITION_BITS
from osmia_broker.store import schema
from osmia_broker.store.memory import IN_MEMORY
from osmia_broker.store.read import numbers

if TYPE_CHECKING:
    from sqlalchemy import ExceptionContext
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

CACHE_KIB = 16_384  # of each connection: the index of 100,000 open user tasks has 13 MB
ERRORS = (DBAPIError, sqlite3.Error)  #: the failures of a database and its driver


# --- connections


def open_engine(path: Path, connections: int) -> "AsyncEngine":
    """Make an engine that reads the file *path* over a pool of *connections*. It opens none of them yet."""
    from sqlalchemy.ext.asyncio import create_async_engine

    # At level debug, the driver logs every statement with its values.
    logging.getLogger("aiosqlite").setLevel(logging.WARNING)
    place = {"vfs": "memdb"} if path.is_relative_to(IN_MEMORY) else {"mode": "ro"}
    url = URL.create("sqlite+aiosqlite", database=path.absolute().as_uri(), query={**place, "uri": "true"})
    engine = create_async_engine(
        url,
        pool_size=connections,
        max_overflow=0,
        connect_args={"isolation_level": None},  # `begin` alone opens transactions
    )
    engine.dialect.statement_compiler = _Compiler
    event.listen(engine.sync_engine, "handle_error", _replace)
    event.listen(engine.sync_engine, "connect", _prepare)
    return engine


def _prepare(connection: Any, _record: Any) -> None:
    """Let a text that is not UTF-8, which only a corrupt file holds, come as bytes, or its whole list would fail; add functions."""
    connection.driver_connection.text_factory = _text_or_bytes
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    cursor.close()
    connection.create_function("osmia_variable_key", 2, numbers.variable_key, deterministic=True)
    connection.create_function("osmia_error_hash", 1, numbers.error_hash, deterministic=True)


def _text_or_bytes(stored: bytes) -> str | bytes:
    try:
        return stored.decode()
    except UnicodeDecodeError:
        return stored


def _replace(context: "ExceptionContext") -> None:
    """Replace a connection whose statement has failed; replace all others too, unless the statement was interrupted.

    An interrupted connection still works, but a traceback keeps the cursor of its statement. The garbage collector frees the cursor on
    the event loop's thread, and SQLite makes that wait for the next statement on the same connection: the broker would stand still.
    """
    context.is_disconnect = True
    error = context.original_exception
    is_interruption = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT
    context.invalidate_pool_on_disconnect = not is_interruption


async def begin(connection: "AsyncConnection") -> Any:
    """Begin a transaction that sees one moment, and return the driver's connection for `interrupt`.

    SQLite fixes the moment at the first statement after BEGIN. Every earlier commit is seen.
    """
    driver: Any = (await connection.get_raw_connection()).driver_connection
    await driver.execute("BEGIN")
    return driver


async def interrupt(driver: Any) -> None:
    """Interrupt the statement that runs on the driver's connection, if any."""
    with suppress(ValueError, sqlite3.ProgrammingError):  # the connection is closed, or is being closed in its thread
        await driver.interrupt()


def reason(error: Exception) -> str:
    """Return the message of the database, without the statement and its parameters."""
    return str(error.orig if isinstance(error, DBAPIError) else error)


# --- statements


BY_KEY = "-"  #: stands for the order of the keys, in which the rows lie themselves


def by_index(statement: Select[Any], table: FromClause, name: str) -> Select[Any]:
    """Let *statement* read *table* through the index *name*, instead of the way that SQLite would guess without statistics."""
    hint = "NOT INDEXED" if name == BY_KEY else f"INDEXED BY {name}"
    return statement.with_hint(table, hint, "sqlite") if name else statement


class _Compiler(SQLiteCompiler):
    """Writes the hints of statements, which SQLAlchemy leaves out for SQLite."""

    def get_from_hint_text(self, table: FromClause, text: str | None) -> str | None:
        return text


# --- expressions


def array(values: Iterable[Any]) -> str:
    """Make the value of an array parameter."""
    return msgspec.json.encode(list(values)).decode()


def item(parameter: str, place: int) -> ColumnElement[Any]:
    """Return an item of an array parameter, by its place from 0; NULL if there is none."""
    return func.json_extract(bindparam(parameter), literal_column(f"'$[{place}]'"))


def merged(keys: Sequence[Select[Any]], name: str) -> FromClause:
    """Return a table of the distinct keys that are selected, each by its only column, which is called `key` here.

    SQLite merges them as it reads if each finds its keys in ascending order through an index, and sorts the others first. It forgets to do so
    for a table of a join, unless that has a limit; a negative one means none. A single selection must find each key once.
    """
    if len(keys) == 1:
        return keys[0].subquery(name)
    both = union(*keys).order_by(literal_column("1")).limit(literal_column("-1"))
    return both.subquery(name)


def found_first(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return *column* for a comparison by which another table is looked up, never the table of *column*."""
    return column + literal_column("0")


def each(parameter: str) -> FromClause:
    """Return a table of the items of an array parameter; its only column is `value`."""
    return func.json_each(bindparam(parameter)).table_valued("value", name=parameter, joins_implicitly=True)


def among(column: ColumnElement[Any], parameter: str) -> ColumnElement[bool]:
    """Whether *column* is an item of an array parameter. The statement stays the same for any number of items."""
    return column.in_(select(each(parameter).c.value))


def among_rows(columns: Sequence[ColumnElement[Any]], parameter: str) -> ColumnElement[bool]:
    """Whether the values of *columns* are an item of an array parameter whose items are arrays."""
    item = each(parameter).c.value
    parts = (func.json_extract(item, literal_column(f"'$[{number}]'")) for number in range(len(columns)))
    return tuple_(*columns).in_(select(*parts))


def begins_as(column: ColumnElement[Any], parameter: str) -> ColumnElement[bool]:
    """Whether *column* begins as the value of a parameter does. An index has these first characters."""
    return beginning(column) == beginning(bindparam(parameter))


def begins_among(column: ColumnElement[Any], parameter: str) -> ColumnElement[bool]:
    """Whether *column* begins as an item of an array parameter does, for the index."""
    items = func.json_each(bindparam(parameter)).table_valued("value", name=f"begin_{parameter}", joins_implicitly=True)
    return beginning(column).in_(select(beginning(items.c.value)))


def beginning(text: ColumnElement[Any]) -> ColumnElement[str]:
    """Return the first characters of a text, as `schema.VALUE_BEGINNING` has them."""
    return func.substr(text, literal_column("1"), literal_column(str(schema.BEGINNING_CHARACTERS)))


def holds(column: ColumnElement[Any], parameter: str) -> ColumnElement[bool]:
    """Whether a stored array of texts has the value of a parameter among its items. A corrupt array has none."""
    whole = case((func.json_valid(column) == 1, column))
    items = func.json_each(whole).table_valued("value", name=f"items_{parameter}", joins_implicitly=True)
    return bindparam(parameter).in_(select(items.c.value))


def array_items(column: ColumnElement[Any], name: str) -> TableValuedAlias:
    """Return a table of the items of a stored array; its columns are the place `key`, from 0, and the JSON `value`."""
    return func.json_each(column).table_valued(sql_column("key", BigInteger()), sql_column("value"), name=name)


def items(parameter: str, name: str) -> TableValuedAlias:
    """Return a table of the items of an array parameter; its columns are the place `key`, from 0, and the `value`."""
    found = func.json_each(bindparam(parameter))
    return found.table_valued(sql_column("key", BigInteger()), sql_column("value", BigInteger()), name=name)


NAMES = "element_names"  #: the parameter of `names_table`: an array of [definition key, element id, name]


def names_table() -> FromClause:
    """Return a table of element names, from the parameter NAMES."""
    item = func.json_each(bindparam(NAMES)).table_valued("value", name="name_items").c.value
    parts = ("definition_key", "element_id", "name")
    columns = (func.json_extract(item, literal_column(f"'$[{place}]'")).label(part) for place, part in enumerate(parts))
    return select(*columns).subquery("element_names")


def as_text(column: ColumnElement[Any]) -> ColumnElement[str]:
    """Return *column* as text."""
    return cast(column, Text())


def partition_of(key: ColumnElement[Any]) -> ColumnElement[int]:
    """Return the partition that has made *key*."""
    return key.op(">>")(literal_column(str(PARTITION_BITS)))


def error_hash(message: ColumnElement[Any]) -> ColumnElement[int]:
    """Return the 32-bit number by which the contract names equal error messages."""
    return func.osmia_error_hash(message, type_=Integer())


def variable_key(scope_key: ColumnElement[Any], name: ColumnElement[Any]) -> ColumnElement[int]:
    """Return the key that the contract gives a variable; see `numbers.variable_key`."""
    return func.osmia_variable_key(scope_key, name, type_=BigInteger())


def lateral(keys: Select[Any], name: str) -> FromClause:
    """Return a table of the *keys* that are selected for each row of the tables before it; its only column is `value`.

    SQLite knows no LATERAL join, but its table-valued functions may refer to the tables before them.
    """
    found = keys.subquery(f"{name}_found")
    as_array = select(func.json_group_array(found.c[0])).scalar_subquery()
    return func.json_each(as_array).table_valued("value", name=name, joins_implicitly=True)


ANY, ONE = (
    "\0*",
    "\0?",
)  #: the pieces of a pattern that stand for any characters, and for one; no piece of text begins like them


def like(column: ColumnElement[Any], parameter: str) -> ColumnElement[bool]:
    """Whether *column* fits a pattern. Case counts."""
    return column.op("GLOB", is_comparison=True)(bindparam(parameter))


def pattern(*pieces: str) -> str:
    """Make the value of a parameter of `like`: texts that stand for themselves, ANY and ONE."""
    return "".join(_glob(piece) for piece in pieces)


def _glob(piece: str) -> str:
    if piece in (ANY, ONE):
        return piece[-1]
    return "".join(f"[{one}]" if one in "*?[" else one for one in piece)


def pattern_in_any_case(words: str) -> str:
    """Make the value of a parameter of `like` that passes texts with these words in this order, in any case."""
    pieces = ["".join(_in_any_case(one) for one in word) for word in words.split()]
    return "*" + "*".join(pieces) + "*" if pieces else "*"


def _in_any_case(character: str) -> str:
    forms = {character, *(form for form in (character.lower(), character.upper()) if len(form) == 1)}
    return _glob(character) if len(forms) == 1 else f"[{''.join(sorted(forms))}]"


def is_number(column: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether the JSON text in *column* is a number."""
    return column.op("GLOB", is_comparison=True)(literal_column("'[-0-9]*'"))
