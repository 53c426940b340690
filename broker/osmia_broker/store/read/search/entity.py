"""The things that can be searched: an entity is a table with the tables beside it, and the fields that the API gives it."""

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from sqlalchemy import FromClause, Select, Table, and_, not_

from osmia_broker.store.read.search import values
from osmia_broker.store.read.search.fields import Column, Condition, Field, Join, Kind
from osmia_broker.store.read.search.filters import Group, Leaf
from osmia_broker.store.read.search.terms import Order
from osmia_broker.store.read.search.variable_values import compared
from osmia_broker.store.read.sources import Sources
from osmia_broker.store.read.sql import dialect

CHUNK = 500  # items read by one statement

Item = dict[str, Any]  #: an item of an answer, by the names of the API
Parameters = dict[str, Any]

log = logging.getLogger(__name__)


async def _nothing_to_prepare(_sources: Sources, _names: frozenset[str]) -> Parameters:
    return {}


async def _nothing_to_add(_sources: Sources, _items: list[Item]) -> None:
    return


@dataclass(frozen=True, eq=False)
class Range:
    """The index *index* of *table* by the stored *column*, of the rows that pass *where*."""

    table: Table
    column: str
    index: str
    where: Callable[[FromClause], Condition]
    compared: Callable[[Column, Leaf], Condition] = compared  #: how the column passes a condition
    owned: Callable[[FromClause], Select[Any]] | None = None
    #: of a table that is not the entity's: selects the keys that belong to its rows, each once

    @property
    def is_of_values(self) -> bool:
        """Whether the index has the values that a condition is about."""
        return self.compared is compared

    def of(self, name: str) -> tuple[FromClause, Column]:
        """Return the table and the column under a name of their own."""
        table = self.table.alias(name)
        return table, table.c[self.column]

    def through_index(self, statement: Select[Any], table: FromClause) -> Select[Any]:
        """Let *statement* read the rows of the index, through the index."""
        return dialect.by_index(statement.where(self.where(table)), table, self.index)


@dataclass(frozen=True, eq=False)
class Head:
    """A part of the rows that pass a filter, by a condition on the table of the entity that an index answers.

    A list in the order of its keys begins with the first rows of its heads. So their index is read for a page only, or as a whole if few rows
    are in it.
    """

    where: Condition
    index: str = ""
    has_order: bool = False  #: the index has the rows that pass in the order of their keys
    #: tables that *where* refers to: there are such rows for each row of these
    of_each: tuple[FromClause, ...] = ()


@dataclass(frozen=True, eq=False)
class Runs:
    """The runs of the index *index* of *table*: rows that are equal in *columns* lie in it in the order of their keys, and are equal in *fields*."""

    table: FromClause
    index: str
    where: Callable[[FromClause], Condition]  #: which rows are in the index
    columns: Mapping[str, bool]  #: whether each is an integer, or else a text
    fields: frozenset[str]
    of: Callable[[Group], Select[Any]]  #: selects the *columns* of all runs that may have rows that pass a filter


@dataclass(frozen=True, eq=False)
class Entity:
    """A kind of thing that can be searched. *key* names a row, and decides the order of rows that are otherwise equal."""

    name: str
    table: FromClause
    key: tuple[Column, ...]
    declared: tuple[Field, ...]
    where: Condition | None = None
    chunk: int = CHUNK  #: items read by one statement; less for large ones
    prepare: Callable[[Sources, frozenset[str]], Awaitable[Parameters]] = _nothing_to_prepare
    #: returns the values of parameters of its own; it is given the names of the fields that the search uses
    add: Callable[[Sources, list[Item]], Awaitable[None]] = _nothing_to_add
    #: adds to the items of a page what the database does not have
    taken: frozenset[str] = frozenset()  #: fields whose values *add* takes out of the items again
    added: Mapping[str, Any] = field(default_factory=dict)  #: what *add* puts into them, each described as JSON Schema
    key_types: tuple[type, ...] = (int,)
    index: str = ""  #: an index with every column that filters need
    #: Indexes that give the rows in the order of a field, by its name.
    walks: Mapping[str, str] = field(default_factory=dict)
    drivers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    #: operators by field that leave few rows, which the database finds by an index of its own choice
    lookups: Mapping[str, Callable[[Leaf], Sequence[Select[Any]]]] = field(default_factory=dict)
    #: selections by field that find all keys for a condition, once and through an index; none if they cannot
    of_variables: Mapping[str, Callable[[FromClause], Select[Any]]] = field(default_factory=dict)
    #: selections by field of the keys that belong to variables, each once; they are given the table of variables
    ranges: Mapping[str, Range] = field(default_factory=dict)
    #: indexes by field that have its values in their order, and each row with a value once
    of_keys: Mapping[str, Callable[[Leaf, Column], Condition | None]] = field(default_factory=dict)
    #: conditions by field that need only the key of a row; None if there is none
    heads: "Callable[[Group], Sequence[Head]]" = lambda _shape: ()
    #: parts that have all rows of a filter together; none if the filter leads to no index
    runs: Runs | None = None  #: have the rows in the order of values that many share
    #: Returns an entity that has all rows of a filter, and a better way to them in an order.
    narrowed: "Callable[[Group, Order], Entity | None]" = lambda _shape, _order: None
    divided: "tuple[Entity, ...]" = ()  #: smaller entities that have each of its rows once; some have orders by indexes of their own
    is_of_cluster: bool = False  #: all of its rows belong to the whole cluster, and so are the same in each partition
    groups: "Groups | None" = None  #: of one that counts rows, of which each partition has some
    copied: Condition | None = None  #: the rows that are the same in each partition, if only some are
    #: The same for items whose keys are the parameter `keys`, where the table is made of others.
    by_keys: "Entity | None" = None

    @cached_property
    def fields(self) -> dict[str, Field]:
        """The fields by name."""
        return {one.name: one for one in self.declared}

    @cached_property
    def shown(self) -> tuple[Field, ...]:
        """The fields of an item, in their order."""
        return tuple(one for one in self.declared if one.shows)

    @cached_property
    def without_copies(self) -> "Entity":
        """The same without the rows that the first partition has as well."""
        if self.copied is None:
            return self
        own = not_(self.copied)
        return replace(self, where=own if self.where is None else and_(self.where, own))

    @cached_property
    def over_partitions(self) -> "Entity":
        """The same for orders of several fields over several partitions. A key begins with its partition, so none has the order of a moment there."""
        by_key = {one.name for one in self.declared if one.sorted_by is not None}
        if not by_key:
            return self
        return replace(
            self,
            declared=tuple(replace(one, sorted_by=None, read_by=one.sorted_by) for one in self.declared),
            walks={name: index for name, index in self.walks.items() if name not in by_key},
        )

    def item(self, stored: Iterable[Any]) -> Item | None:
        """Make an item from stored values; None, with a warning in the log, from those of a corrupt row."""
        item: Item = {}
        for (name, write), value in zip(self._writers, stored, strict=True):
            try:
                item[name] = write(value)
            except (ValueError, TypeError, KeyError) as fault:
                log.warning("a corrupt row is left out of the search for %s: %s: %s", self.name, name, fault)
                return None
        return item

    @cached_property
    def _writers(self) -> tuple[tuple[str, Callable[[Any], Any]], ...]:
        """The names of the shown fields, each with what makes the value of an answer from a stored one."""
        return tuple((one.name, one.show or values.writer(one.kind, optional=one.optional)) for one in self.shown)


@dataclass(frozen=True, eq=False)
class Groups:
    """The two steps to numbers over several partitions (`groups.grouped`)."""

    rows: Select[Any]  #: what each partition counts
    of_several: Entity  #: what is made of the rows of all, which are a parameter


def joins_of(fields: Iterable[Field]) -> list[Join]:
    """Return the joins that *fields* need, each after those that it needs itself."""
    found: dict[Join, None] = {}

    def take(join: Join) -> None:
        for needed in join.needs:
            take(needed)
        found.setdefault(join)

    for one in fields:
        for join in one.joins:
            take(join)
    return list(found)


def drives(entity: Entity, leaf: Leaf) -> bool:
    """Whether a condition leaves few rows."""
    return not leaf.negated and leaf.operator in entity.drivers.get(leaf.field, ())


def is_wide(leaf: Leaf) -> bool:
    """Whether a condition that drives may leave many rows all the same: on a variable that need not have one of some values."""
    return bool(leaf.inner) and not any(one.operator in ("$eq", "$in") and not one.negated for one in leaf.inner)


def sort_type(known: Field) -> type:
    """Return the type of a field's values in the database."""
    return str if known.kind in (Kind.TEXT, Kind.CHOICE) else int
