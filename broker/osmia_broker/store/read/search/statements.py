"""The statements of a search, built once for each shape of filter, order and place.

A search reads the keys of its page with as few tables as the filter and the order need, then the items by their keys. So the columns of
an item are read for the items of the page only, whatever the database sorts on the way.

Absent values come last. For a list that is sorted by a field with absent values first of all, this takes two parts, those with a value
and those without, because an index can give each part in its order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    and_,
    bindparam,
    case,
    false,
    func,
    literal_column,
    not_,
    or_,
    select,
    true,
    tuple_,
    union_all,
)

from osmia_broker.store.read import dialect
from osmia_broker.store.read.search.entity import Entity, joins_of
from osmia_broker.store.read.search.fields import Column, Condition, Field, Kind, Nested, any_of
from osmia_broker.store.read.search.filters import Group, Leaf, Node

STATEMENTS_MAX = 1_000  # in memory, about 20 kB each; clients decide on the shapes, so there must be a bound
TOTAL_MAX = 10_000  # a total is counted up to here; the contract has a mark for more

Order = tuple[tuple[str, bool], ...]  #: names of fields, and whether each is descending


@dataclass(frozen=True, slots=True)
class Term:
    """An expression that rows are sorted by."""

    column: Column
    is_descending: bool

    def turned(self) -> "Term":
        return Term(self.column, not self.is_descending)


@dataclass(frozen=True, slots=True)
class Place:
    """The kind of a cursor: before or after an item, whose first sort value may be absent."""

    is_before: bool
    is_absent: bool


# --- conditions


def condition_of(entity: Entity, node: Node) -> Condition:
    """Return the condition of a filter."""
    if isinstance(node, Leaf):
        return _of_leaf(entity, node)
    if not node.needs_all:
        return any_of([condition_of(entity, one) for one in node.nodes])
    nested: dict[Nested, list[Condition]] = {}
    conditions = []
    for one in node.nodes:
        known = entity.fields[one.field] if isinstance(one, Leaf) else None
        if known is not None and known.nested is not None and known.kind is not Kind.VARIABLES:
            assert isinstance(one, Leaf), "a field has a leaf"
            if one.negated:
                conditions.append(not_(_exists(known.nested, [_positive(known, one)])))
            else:
                nested.setdefault(known.nested, []).append(_positive(known, one))
        else:
            conditions.append(condition_of(entity, one))
    conditions += [_exists(table, inner) for table, inner in nested.items()]
    return and_(true(), *conditions) if conditions else true()


def _of_leaf(entity: Entity, leaf: Leaf) -> Condition:
    known = entity.fields[leaf.field]
    if known.kind is Kind.VARIABLES:
        return _of_variable(known, leaf)
    positive = _positive(known, leaf)
    if known.nested is not None:
        positive = _exists(known.nested, [positive])
    if not leaf.negated:
        return positive
    return positive.is_not(true()) if known.joins else not_(positive)  # without the joined row, it is NULL


def _positive(known: Field, leaf: Leaf) -> Condition:
    """Return the condition of a leaf as if it were not negated."""
    if known.match is not None:
        return known.match(leaf.parameter)
    if known.choices is not None and leaf.operator == "$in":
        return any_of([known.choices[name] for name in sorted(leaf.names)]) if leaf.names else false()
    if known.kind is Kind.FLAG:
        return known.column
    has_value = known.column != known.absent
    if leaf.operator == "$exists":
        return has_value if known.optional else true()
    compared = _compared(known.column, leaf)
    return and_(has_value, compared) if known.optional and leaf.operator in ("$lt", "$lte", "$like") else compared


def _compared(column: Column, leaf: Leaf) -> Condition:
    parameter: ColumnElement[Any] = bindparam(leaf.parameter)
    if leaf.operator == "$eq":
        return column == parameter
    if leaf.operator == "$in":
        return dialect.among(column, leaf.parameter)
    if leaf.operator == "$like":
        return dialect.like(column, leaf.parameter)
    compared: dict[str, Condition] = {
        "$gt": column > parameter,
        "$gte": column >= parameter,
        "$lt": column < parameter,
        "$lte": column <= parameter,
    }
    return compared[leaf.operator]


def _exists(nested: Nested, conditions: Sequence[Condition]) -> Condition:
    return nested.owner.in_(select(nested.link).where(nested.where, *conditions))


def _of_variable(known: Field, leaf: Leaf) -> Condition:
    """Return the condition that a variable has this name, and a value that passes. An index has names and the first characters of values."""
    nested = known.nested
    assert nested is not None, "variables lie in a table of their own"
    table = nested.table.c
    conditions: list[Condition] = [table.name == bindparam(leaf.parameter)]
    for one in leaf.inner:
        if one.operator == "$exists":
            conditions.append(false() if one.negated else true())
            continue
        compared = _compared(table.value, one)
        if one.operator == "$eq" and not one.negated:
            compared = and_(dialect.begins_as(table.value, one.parameter), compared)
        conditions.append(not_(compared) if one.negated else compared)
    return _exists(nested, conditions)


# --- statements


def _fields_of(entity: Entity, shape: Group, order: Order) -> list[Field]:
    names: dict[str, None] = {}

    def take(node: Node) -> None:
        if isinstance(node, Leaf):
            names[node.field] = None
        else:
            for one in node.nodes:
                take(one)

    take(shape)
    return [entity.fields[name] for name in (*names, *(name for name, _ in order))]


def field_names(entity: Entity, shape: Group, order: Order) -> frozenset[str]:
    """Return the names of the fields that a filter and an order use."""
    return frozenset(one.name for one in _fields_of(entity, shape, order))


def _source(entity: Entity, fields: Sequence[Field]) -> FromClause:
    source = entity.table
    for join in joins_of(fields):
        source = source.outerjoin(join.table, join.on)
    return source


def _filtered(entity: Entity, shape: Group, order: Order, columns: Sequence[Column]) -> Select[Any]:
    statement = select(*columns).select_from(_source(entity, _fields_of(entity, shape, order)))
    if entity.where is not None:
        statement = statement.where(entity.where)
    return statement.where(condition_of(entity, shape)) if shape.nodes else statement


@lru_cache(STATEMENTS_MAX)
def counted(entity: Entity, shape: Group) -> Select[Any]:
    """Count what passes the filter, up to one more than TOTAL_MAX."""
    found = _filtered(entity, shape, (), [literal_column("1").label("one")]).limit(TOTAL_MAX + 1)
    return select(func.count()).select_from(found.subquery())


@lru_cache(STATEMENTS_MAX)
def page_keys(entity: Entity, shape: Group, order: Order, place: Place | None) -> Select[Any]:
    """Select the sort values and the keys of a page, in the order of the way to it: backwards if it lies before its cursor.

    Parameters: `size`, `skipped`, and of a cursor the sort values and keys `at0`, `at1`, ….
    """
    fields = [entity.fields[name] for name, _ in order]
    shown = [one.sort_column for one in fields] + list(entity.key)
    has_parts = bool(fields) and fields[0].optional
    parts = [False, True] if has_parts else [None]
    if place is not None and has_parts:
        parts = [part for part in parts if _is_reached(bool(part), place)]
    selections = [_part(entity, shape, order, place, is_absent) for is_absent in parts]
    if len(selections) == 1:
        return selections[0].limit(bindparam("size")).offset(bindparam("skipped"))
    number, label = [*range(len(shown))], "s{}".format
    ends = [one.limit(bindparam("size") + bindparam("skipped")).subquery() for one in selections]
    both = union_all(
        *(
            select(literal_column(str(part)).label("part"), *(end.c[label(n)] for n in number))
            for part, end in enumerate(ends)
        )
    ).subquery()
    terms = [Term(both.c.part, False), *_terms(order, fields, [both.c[label(n)] for n in number], place)]
    return (
        select(*(both.c[label(n)] for n in number))
        .order_by(*map(_sorted, terms))
        .limit(bindparam("size"))
        .offset(bindparam("skipped"))
    )


def _is_reached(is_absent: bool, place: Place) -> bool:
    """Whether the part of the rows with, or without, a first sort value lies on the way from *place*."""
    return is_absent == place.is_absent or is_absent != place.is_before


def _part(entity: Entity, shape: Group, order: Order, place: Place | None, is_absent: bool | None) -> Select[Any]:
    """Select one part of a list in its order; all of it if *is_absent* is None."""
    fields = [entity.fields[name] for name, _ in order]
    columns = [one.sort_column for one in fields] + list(entity.key)
    statement = _filtered(entity, shape, order, [one.label(f"s{number}") for number, one in enumerate(columns)])
    if is_absent is not None:
        absent = fields[0].absent
        statement = statement.where(columns[0] == absent if is_absent else columns[0] != absent)
    terms = _terms(order, fields, columns, place)
    if place is not None and is_absent in (None, place.is_absent):
        at: list[ColumnElement[Any]] = [bindparam(f"at{number}") for number in range(len(columns))]
        statement = statement.where(_beyond(terms, _terms(order, fields, at, place)))
    return statement.order_by(*map(_sorted, terms))


def _terms(order: Order, fields: Sequence[Field], columns: Sequence[Column], place: Place | None) -> list[Term]:
    """Return what rows are sorted by. Equal ones are sorted by their keys, in the direction of the last field."""
    terms = []
    for number, (_, is_descending) in enumerate(order):
        if number and fields[number].optional:
            terms.append(Term(case((columns[number] == fields[number].absent, 1), else_=0), False))
        terms.append(Term(columns[number], is_descending))
    keys_descend = order[-1][1] if order else False
    terms += [Term(column, keys_descend) for column in columns[len(order) :]]
    return [term.turned() for term in terms] if place is not None and place.is_before else terms


def _sorted(term: Term) -> Column:
    return term.column.desc() if term.is_descending else term.column.asc()


def _beyond(terms: Sequence[Term], at: Sequence[Term]) -> Condition:
    """Whether a row lies beyond a place. One comparison of tuples, which an index can answer, if all terms have one direction."""
    if len({term.is_descending for term in terms}) == 1:
        row, place = tuple_(*(term.column for term in terms)), tuple_(*(term.column for term in at))
        return row < place if terms[0].is_descending else row > place
    alternatives = []
    for number, (term, here) in enumerate(zip(terms, at, strict=True)):
        equal = [one.column == there.column for one, there in zip(terms[:number], at[:number], strict=True)]
        beyond = term.column < here.column if term.is_descending else term.column > here.column
        alternatives.append(and_(*equal, beyond))
    return or_(*alternatives)


@lru_cache(STATEMENTS_MAX)
def items(entity: Entity) -> Select[Any]:
    """Select the keys and the shown fields of the rows whose keys are the parameter `keys`: an array of keys, or of arrays."""
    statement = select(*entity.key, *(one.shown_column for one in entity.shown)).select_from(_source(entity, entity.shown))
    if entity.where is not None:
        statement = statement.where(entity.where)
    if len(entity.key) == 1:
        return statement.where(dialect.among(entity.key[0], "keys"))
    return statement.where(dialect.among_rows(entity.key, "keys"))
