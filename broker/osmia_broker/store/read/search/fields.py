"""The fields of what can be searched: their names in the API, where their values are stored, and what a filter may say about them.

A stored row has 0 or an empty text where it has no value. The API calls such a value absent: it is shown as null, `$exists` tells it
apart, no comparison but `$neq` and `$notIn` holds for it, and sorting puts it last.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, case, func, literal_column, or_, true, type_coerce
from sqlalchemy.types import NullType

from osmia_broker.store.schema import Int64

Column = ColumnElement[Any]
Condition = ColumnElement[bool]


class Kind(StrEnum):
    """The kind of a field's values; it decides on the operators, and on the form in an answer."""

    KEY = "a key"  # 64 bits; a text of digits in answers
    TEXT = "a text"
    INTEGER = "an integer"
    DATE = "a date-time"  # epoch milliseconds; RFC 3339 in answers
    FLAG = "true or false"
    CHOICE = "one of the names"
    TAGS = "a list of tags"
    VARIABLES = "a list of variables"
    MEMBERS = "an object of texts and numbers"
    JSON = "a JSON value"  # only shown


@dataclass(frozen=True, eq=False)
class Join:
    """A table beside the main one, joined only by statements that need it. A row of the main table has at most one in it."""

    table: FromClause
    on: Condition
    needs: tuple["Join", ...] = ()  #: joins that *on* refers to


@dataclass(frozen=True, eq=False)
class Nested:
    """A table with any number of rows for each row of the main one. A filter asks for a row there that passes all that it says.

    A negative operator asks that there be no row with the value.
    """

    table: FromClause
    link: Column  #: its column that refers to *owner*
    owner: Column  #: a column of the main table
    where: Condition = true()
    #: selects something of the rows of one row of the main table, where no index leads from *owner* to *link*
    by_row: Select[Any] | None = None


@dataclass(frozen=True, eq=False)
class Field:
    """A field of an entity."""

    name: str
    kind: Kind
    column: Column
    joins: tuple[Join, ...] = ()
    nested: Nested | None = None  #: answers filters, instead of *joins*
    filtered: Column | None = None  #: what a filter compares instead of *column*
    #: A stored column that has the value of *column* wherever there is one, for its index.
    indexed: Column | None = None
    filters: bool = True
    sorts: bool = False
    shows: bool = True
    optional: bool = True  #: an absent value is null in an answer
    absent_last: bool = True  #: an optional field sorts absent values last; not if there are no others
    by_item: bool = False  #: the items of `$in` are looked up one by one if they are few
    choices: Mapping[str, Condition] | None = (
        None  #: of a CHOICE, the condition of each name; of a FLAG that may be absent, of each value
    )
    long: bool = False  #: of a TEXT: its values may have megabytes, so that a pattern is shorter
    #: Of a CHOICE: a row may have several of the names. A filter lists conditions that must all hold.
    several: bool = False
    together: Callable[[frozenset[str]], Condition | None] = lambda _names: None
    #: of a CHOICE, a simpler condition for several names than all of theirs; None if there is none
    sorted_by: Column | None = None
    #: a key with the same order in one partition, which the last field of an order is sorted by; not another, because equal values have no
    #: equal keys
    #: A key with nearly the same order. Rows that are read in it are hardly sorted any more.
    read_by: Column | None = None
    shown_as: Column | None = None  #: what an answer has instead of *column*
    show: Callable[[Any], Any] | None = None  #: makes the value of an answer, instead of the kind
    schema: Mapping[str, Any] | None = None  #: describes the value of an answer as JSON Schema, instead of the kind
    #: Makes a condition from the name of a parameter, for TAGS and `equals`.
    match: Callable[[str], Condition] | None = None

    @property
    def absent(self) -> Column:
        """The stored value that means that there is none."""
        return literal_column("''" if self.kind in (Kind.TEXT, Kind.CHOICE) else "0")

    @property
    def is_split(self) -> bool:
        """Whether a sorted list has rows with a value first, then rows without one."""
        return self.optional and self.absent_last

    @property
    def sort_column(self) -> Column:
        """The expression that rows are sorted by. A row without the joined one sorts as one without a value."""
        column = case((self.column, 1), else_=0) if self.kind is Kind.FLAG else self.column
        return func.coalesce(column, self.absent) if self.joins else column

    @property
    def shown_column(self) -> Column:
        """The expression of the value in an answer; of a flag, 1 or 0."""
        if self.shown_as is not None:
            return self.shown_as
        return case((self.column, 1), else_=0) if self.kind is Kind.FLAG else self.column


def key(name: str, column: Column, **more: Any) -> Field:
    """Declare a key."""
    return Field(name, Kind.KEY, _of_64_bits(column), **more)


def own_key(name: str, column: Column, **more: Any) -> Field:
    """Declare the key of an item itself, which each has."""
    return key(name, column, **{"optional": False, "sorts": True, **more})


def text(name: str, column: Column, **more: Any) -> Field:
    """Declare a text that is empty, rather than null, in answers without it."""
    return Field(name, Kind.TEXT, column, **{"optional": False, **more})


def maybe(name: str, column: Column, **more: Any) -> Field:
    """Declare a text that may be absent."""
    return Field(name, Kind.TEXT, column, **more)


def integer(name: str, column: Column, **more: Any) -> Field:
    """Declare an integer; 0 is a value like any other."""
    return Field(name, Kind.INTEGER, _of_64_bits(column), **{"optional": False, **more})


def date(name: str, column: Column, **more: Any) -> Field:
    """Declare a moment."""
    return Field(name, Kind.DATE, _of_64_bits(column), **more)


def made(column: Column, key: Column) -> Field:
    """Declare the moment at which a row was made, for the order of a list over several partitions. Callers neither see it nor name it."""
    return date("made", column, sorted_by=key, optional=False, filters=False, shows=False)


def _of_64_bits(column: Column) -> Column:
    """Return *column* with a type, if it is a literal or made of some: PostgreSQL would take what is compared with it for 32 bits, or for a text."""
    return type_coerce(column, Int64) if isinstance(column.type, NullType) else column


def flag(name: str, condition: Column, **more: Any) -> Field:
    """Declare a truth value."""
    return Field(name, Kind.FLAG, condition, **{"optional": False, **more})


def no_flag(name: str, **more: Any) -> Field:
    """Declare a truth value that is always absent: it is neither true nor false."""
    never = literal_column("0") == literal_column("1")
    schema = {"type": ["boolean", "null"]}
    return Field(
        name,
        Kind.FLAG,
        never,
        choices={str(one): never for one in (True, False)},
        show=lambda _stored: None,
        schema=schema,
        **{"optional": False, **more},
    )


def choice(name: str, column: Column, names: type[StrEnum] | tuple[str, ...], **more: Any) -> Field:
    """Declare a field whose values are the *names* of an enum, stored as they are."""
    choices = {str(one): column == literal_column(f"'{one}'") for one in names}
    return Field(name, Kind.CHOICE, column, **{"optional": False, "choices": choices, **more})


def named(name: str, column: Column, choices: Mapping[str, Condition], **more: Any) -> Field:
    """Declare a field whose values have names of their own in the API, each with its condition. *column* is the name, for sorting."""
    return Field(name, Kind.CHOICE, column, **{"optional": False, "choices": choices, **more})


def json(name: str, column: Column, show: Callable[[Any], Any], schema: Mapping[str, Any], **more: Any) -> Field:
    """Declare a value that is only shown; *show* makes it from what is stored, *schema* describes it as JSON Schema."""
    return Field(name, Kind.JSON, column, **{"filters": False, "show": show, "schema": schema, **more})


#: The JSON Schema of what several entities show.
TEXTS: Mapping[str, Any] = {"type": "array", "items": {"type": "string"}}
TEXTS_BY_NAME: Mapping[str, Any] = {"type": "object", "additionalProperties": {"type": "string"}}
MAYBE_MOMENT: Mapping[str, Any] = {"type": ["string", "null"], "format": "date-time"}


def object_of(**members: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the JSON Schema of an object with these members."""
    return {"type": "object", "properties": members}


def list_of(items: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the JSON Schema of a list."""
    return {"type": "array", "items": items}


def members(name: str, column: Column, show: Callable[[Any], Any]) -> Field:
    """Declare an object whose members are texts and numbers; *show* makes it from the stored JSON."""
    return Field(name, Kind.MEMBERS, column, optional=False, show=show)


TENANT_ID = "<default>"  #: there is one tenant
_tenant: Column = literal_column(f"'{TENANT_ID}'")
TENANT = text("tenantId", _tenant)
SORTED_TENANT = text("tenantId", _tenant, sorts=True)


def any_of(conditions: list[Condition]) -> Condition:
    """Return the condition that one of *conditions* holds."""
    return conditions[0] if len(conditions) == 1 else or_(*conditions)
