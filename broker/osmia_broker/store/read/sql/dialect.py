"""The expressions of lists that are written differently on each database, in SQLAlchemy's words.

`expressions` says how each is written, `on_sqlite` and `on_postgres` how a database is reached. Nothing else on the read side knows a
database. Values are the same on both: an array is a text of JSON, a pattern is one of SQLite's GLOB.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    Select,
    TableValuedAlias,
    Text,
    bindparam,
    cast,
    func,
    literal_column,
    select,
    union,
)
from sqlalchemy import column as sql_column

from osmia_broker.state.store_protocol import PARTITION_BITS
from osmia_broker.store.read.sql.expressions import (
    Among,
    AmongRows,
    Fits,
    FlagPart,
    Gathered,
    HasMember,
    Holds,
    IsBelowTexts,
    IsNumber,
    Items,
    Keys,
    MemberNumber,
    MemberText,
    NoLimit,
    NumberPart,
    Part,
    Size,
    Unindexed,
)
from osmia_broker.store.schema import Comparable, String

# --- statements


BY_KEY = "-"  #: stands for the order of the keys, in which the rows lie themselves


def by_index(statement: Select[Any], table: FromClause, name: str) -> Select[Any]:
    """Let *statement* read *table* through the index *name*, instead of the way that SQLite would guess without statistics."""
    hint = "NOT INDEXED" if name == BY_KEY else f"INDEXED BY {name}"
    return statement.with_hint(table, hint, "sqlite") if name else statement


# --- expressions


def array(values: Iterable[Any]) -> str:
    """Make the value of an array parameter."""
    return msgspec.json.encode(list(values)).decode()


def item(parameter: str, place: int) -> ColumnElement[Any]:
    """Return an item of an array parameter, by its place from 0; NULL if there is none."""
    return Part(bindparam(parameter, type_=Text()), literal_column(str(place)))


def member(document: ColumnElement[Any], name: str) -> ColumnElement[Any]:
    """Return a text in a document, by its name. An object or an array comes as its JSON."""
    return Part(document, literal_column(f"'{name}'"))


def member_value(document: ColumnElement[Any], name: str, *, is_number: bool) -> ColumnElement[Any]:
    """Return the member of a document that the parameter *name* names, as a number or as a text; NULL if it is neither."""
    return (MemberNumber if is_number else MemberText)(document, bindparam(name, type_=Text()))


def has_member(document: ColumnElement[Any], name: str) -> ColumnElement[bool]:
    """Whether a document has the member that the parameter *name* names."""
    return HasMember(document, bindparam(name, type_=Text()))


def is_set(document: ColumnElement[Any], name: str) -> ColumnElement[bool]:
    """Whether a member of a document is true."""
    return FlagPart(document, literal_column(f"'{name}'"))


def merged(keys: Sequence[Select[Any]], name: str) -> FromClause:
    """Return a table of the distinct keys that are selected, each by its only column, which is called `key` here.

    SQLite merges them as it reads if each finds its keys in ascending order through an index, and sorts the others first. It forgets to do so
    for a table of a join, unless that has a limit; a negative one means none. A single selection must find each key once.
    """
    return keys[0].subquery(name) if len(keys) == 1 else merged_by_key(keys, name, is_descending=False)


def merged_by_key(keys: Sequence[Select[Any]], name: str, *, is_descending: bool) -> FromClause:
    """Return the same in the order of the keys, as SQLite then reads them."""
    both = union(*keys) if len(keys) > 1 else keys[0]
    place: ColumnElement[Any] = literal_column("1")
    return both.order_by(place.desc() if is_descending else place).limit(NoLimit()).subquery(name)


def in_order(statement: Select[Any], table: FromClause) -> Select[Any]:
    """Let *statement* read the rows of *table* as they are found, and what is joined to them then, row by row.

    SQLite would write all of them to a table of its own first, however few the statement asks for. PostgreSQL decides by itself.
    """
    return statement.with_hint(table, "CROSS", "sqlite")


def found_first(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return *column* for a comparison by which another table is looked up, never the table of *column*."""
    return column + literal_column("0")


def unindexed(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return *column* for a condition that another one has left few rows for, which SQLite does not know."""
    return Unindexed(column)


def each(parameter: str) -> FromClause:
    """Return a table of the items of an array parameter, which are texts; its only column is `value`."""
    value = sql_column("value", Text())
    return Items(bindparam(parameter)).table_valued(value, name=parameter, joins_implicitly=True)


def among(column: ColumnElement[Any], parameter: str) -> ColumnElement[bool]:
    """Whether *column* is an item of an array parameter. The statement stays the same for any number of items."""
    return Among(column, bindparam(parameter))


def among_rows(columns: Sequence[ColumnElement[Any]], parameter: str) -> ColumnElement[bool]:
    """Whether the values of *columns* are an item of an array parameter whose items are arrays."""
    return AmongRows(*columns, bindparam(parameter))


def begins_as(column: ColumnElement[Any], parameter: str) -> ColumnElement[bool]:
    """Whether *column* begins as the value of a parameter does. An index has these first characters."""
    return Comparable(column) == Comparable(bindparam(parameter, type_=Text()))


def begins_among(column: ColumnElement[Any], parameter: str) -> ColumnElement[bool]:
    """Whether *column* begins as an item of an array parameter does, for the index."""
    value = sql_column("value", Text())
    items = Items(bindparam(parameter)).table_valued(value, name=f"begin_{parameter}", joins_implicitly=True)
    return Comparable(column).in_(select(Comparable(items.c.value)))


def holds(column: ColumnElement[Any], parameter: str) -> ColumnElement[bool]:
    """Whether a stored array of texts has the value of a parameter among its items. A corrupt array has none."""
    return Holds(column, bindparam(parameter, type_=Text()))


def array_items(column: ColumnElement[Any], name: str) -> TableValuedAlias:
    """Return a table of the items of a stored array; its columns are the place `key`, from 0, and the JSON `value`."""
    return Items(column).table_valued(sql_column("key", BigInteger()), sql_column("value", Text()), name=name)


def items(parameter: str, name: str) -> TableValuedAlias:
    """Return a table of the items of an array parameter, which are keys; its columns are the place `key`, from 0, and the `value`."""
    found = Keys(bindparam(parameter))
    return found.table_valued(sql_column("key", BigInteger()), sql_column("value", BigInteger()), name=name)


def rows(parameter: str, columns: Mapping[str, bool]) -> FromClause:
    """Return a table of the items of an array parameter, which are arrays: the named columns, and whether each is an integer or else a text."""
    item = Items(bindparam(parameter)).table_valued(sql_column("value", Text()), name=f"{parameter}_items").c.value
    values = (
        (NumberPart if is_number else Part)(item, literal_column(str(place))).label(name)
        for place, (name, is_number) in enumerate(columns.items())
    )
    return select(*values).subquery(parameter)


NAMES = "element_names"  #: the parameter of `names_table`: an array of [definition key, element id, name]


def names_table() -> FromClause:
    """Return a table of element names, from the parameter NAMES."""
    return rows(NAMES, {"definition_key": True, "element_id": False, "name": False})


def as_text(column: ColumnElement[Any]) -> ColumnElement[str]:
    """Return *column* as text."""
    return cast(column, String)


def partition_of(key: ColumnElement[Any]) -> ColumnElement[int]:
    """Return the partition that has made *key*."""
    return key.op(">>")(literal_column(str(PARTITION_BITS)))


def error_hash(message: ColumnElement[Any]) -> ColumnElement[int]:
    """Return the 32-bit number by which the contract names equal error messages."""
    return func.osmia_error_hash(message, type_=BigInteger())


def variable_key(scope_key: ColumnElement[Any], name: ColumnElement[Any]) -> ColumnElement[int]:
    """Return the key that the contract gives a variable; see `numbers.variable_key`."""
    return func.osmia_variable_key(scope_key, name, type_=BigInteger())


def lateral(keys: Select[Any], name: str) -> FromClause:
    """Return a table of the *keys* that are selected for each row of the tables before it; its only column is `value`.

    SQLite knows no LATERAL join, but a function that gives a table may refer to the tables before it, on both databases.
    """
    found = keys.subquery(f"{name}_found")
    as_array = select(Gathered(found.c[0])).scalar_subquery()
    return Keys(as_array).table_valued(sql_column("value", BigInteger()), name=name, joins_implicitly=True)


#: The pieces of a pattern that stand for any characters, and for one. No piece of text begins like them.
ANY, ONE = ("\0*", "\0?")


def like(column: ColumnElement[Any], parameter: str) -> ColumnElement[bool]:
    """Whether *column* fits a pattern. Case counts."""
    return Fits(column, bindparam(parameter, type_=Text()))


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


def is_number(column: ColumnElement[Any], *, rises: bool) -> ColumnElement[bool]:
    """Whether the JSON text in *column* is a number.

    *rises* says that it is also compared with a lower bound, so that an index needs an upper one.
    """
    return (IsBelowTexts if rises else IsNumber)(column, Comparable(column))


def size(column: ColumnElement[Any]) -> ColumnElement[float]:
    """Return the number in *column*, the JSON text of a variable."""
    return Size(Comparable(column))
