"""The statements of a search, built once for each shape of filter, order and place.

A search reads the keys of its page with as few tables as the filter and the order need, then the items by their keys. So the columns of
an item are read for the items of the page only, whatever the database sorts on the way. There are three ways to the keys:

If a condition on a variable or on a field with an index passes few, these lead to the rows (`leaders`), as `few`. Else:

1. `begun`, if an index has the order: look at its next rows only. It finds a full page when many rows pass the filter.
2. `few`: one pass over all that pass, which counts them too. Its work is bounded, so the page is right only if they are not too many.
3. `page_keys`, for the rest: in the order of the list until the page is full.

Absent values come last. For a list that is sorted by a field with absent values first of all, this takes two parts, those with a value
and those without, because an index can give each part in its order.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    and_,
    bindparam,
    false,
    func,
    literal_column,
    not_,
    select,
    true,
    union_all,
)

from osmia_broker.store.read.search import leaders, member_values, variable_values
from osmia_broker.store.read.search.entity import Entity, joins_of
from osmia_broker.store.read.search.fields import Column, Condition, Field, Kind, Nested, any_of
from osmia_broker.store.read.search.filters import NOTHING, Group, Leaf, Node
from osmia_broker.store.read.search.key_lookups import FEW_SELECTIONS, Lookup, lookup_of
from osmia_broker.store.read.search.leaders import Leaders
from osmia_broker.store.read.search.terms import Order, Place, Term, is_beyond, ordering, terms_of, values_at
from osmia_broker.store.read.search.variable_values import compared
from osmia_broker.store.read.sql import dialect
from osmia_broker.store.read.sql.expressions import NoLimit

STATEMENTS_MAX = 1_000  # in memory, about 20 kB each; clients decide on the shapes, so there must be a bound
WALKS = (400, 2_000)  # rows of an index that are looked at before all rows are; each costs about 1 µs
FEW_MAX = 1_000  # rows that are sorted at once rather than looked for in an index that has their order
LED_MAX = 10_000  # variables or rows that pass a condition and are looked at before all rows are; each costs about 1 µs, and its row another
TOTAL_MAX = 10_000  # a total is counted up to here; the contract has a mark for more


@dataclass(frozen=True, slots=True)
class Sight:
    """An entity, and the way to its rows: through an index, if one is named."""

    entity: Entity
    index: str = ""
    row_by_row: bool = False  #: nested tables are looked up for each row, rather than read as a whole first
    by_keys: bool = False  #: the rows are looked up by the keys that the filter leads to
    led_by: Leaders = ()  #: the rows are looked up by the keys that these conditions lead to


# --- conditions


def condition_of(sight: Sight, node: Node) -> Condition:
    """Return the condition of a filter."""
    if isinstance(node, Leaf):
        return _of_leaf(sight, node)
    if not node.needs_all:
        return any_of([condition_of(sight, one) for one in node.nodes])
    nested: dict[Nested, list[Condition]] = {}
    conditions = []
    for one in sorted(node.nodes, key=partial(is_loose, sight.entity)):
        table = _shared_table(sight.entity, one)
        if table is not None and isinstance(one, Leaf):
            nested.setdefault(table, []).append(_positive(sight, sight.entity.fields[one.field], one))
        else:
            conditions.append(condition_of(sight, one))
    conditions += [_exists(sight, table, inner) for table, inner in nested.items()]
    return and_(true(), *conditions) if conditions else true()


def is_loose(entity: Entity, node: Node) -> bool:
    """Whether a condition is on one of a few names, which most rows pass: so it is checked after the others, on the rows that they leave."""
    return isinstance(node, Leaf) and entity.fields[node.field].choices is not None


def _shared_table(entity: Entity, node: Node) -> Nested | None:
    """Return the nested table of a condition that one row there must pass together with others."""
    if not isinstance(node, Leaf) or node.negated:
        return None
    known = entity.fields[node.field]
    return None if known.kind is Kind.VARIABLES else known.nested


def _of_leaf(sight: Sight, leaf: Leaf) -> Condition:
    known = sight.entity.fields[leaf.field]
    if known.kind is Kind.VARIABLES:
        return _of_variable(sight, known, leaf)
    if known.kind is Kind.MEMBERS:
        return member_values.condition_of(known.column, leaf)
    positive = _positive(sight, known, leaf)
    if known.nested is not None:
        positive = _exists(sight, known.nested, [positive])
    if not leaf.negated:
        return positive
    if known.joins and known.nested is None:
        return positive.is_not(true())  # without the joined row, it is NULL
    return not_(positive)


def _positive(sight: Sight, known: Field, leaf: Leaf) -> Condition:
    """Return the condition of a leaf as if it were not negated."""
    if known.match is not None:
        return known.match(leaf.parameter)
    column = known.column if known.filtered is None else known.filtered
    if known.choices is not None and leaf.operator == "$in":
        simpler = known.together(leaf.names)
        if simpler is not None:
            return simpler
        return any_of([known.choices[name] for name in sorted(leaf.names)]) if leaf.names else false()
    if known.kind is Kind.FLAG:
        return column
    has_value = column != known.absent
    if leaf.operator == "$exists":
        return has_value if known.optional else _is_shown(known, column)
    if sight.row_by_row and known.by_item and leaf.operator == "$in":
        column = dialect.unindexed(column)  # a row has fewer of them than the list has items
    passes = compared(column, leaf)
    if known.indexed is not None and leaf.operator in ("$eq", "$in"):
        passes = and_(compared(known.indexed, leaf), passes)
    return and_(has_value, passes) if known.optional else passes


def _is_shown(known: Field, column: Column) -> Condition:
    """Whether a field that is not optional has a value: without its joined row, it is null in an answer, unless it is a text."""
    return column.is_not(None) if known.joins and known.kind is not Kind.TEXT else true()


def _exists(sight: Sight, nested: Nested, conditions: Sequence[Condition]) -> Condition:
    if sight.row_by_row:
        found = nested.by_row
        if found is None:
            found = select(literal_column("1")).where(nested.link == nested.owner)
        return found.where(nested.where, *conditions).exists()
    return nested.owner.in_(select(nested.link).where(nested.where, *conditions))


def _of_variable(sight: Sight, known: Field, leaf: Leaf) -> Condition:
    """Return the condition that a variable has this name, and a value that passes."""
    assert known.nested is not None, "variables lie in a table of their own"
    return _exists(sight, known.nested, variable_values.conditions_of(known.nested.table, leaf))


# --- statements


def names_of(shape: Node) -> list[str]:
    """Return the names of the fields that a filter uses."""
    if isinstance(shape, Leaf):
        return [shape.field]
    return [name for node in shape.nodes for name in names_of(node)]


def joined(entity: Entity, shape: Group, order: Order) -> list[Field]:
    """Return the fields whose tables must be joined: those of the order, and those of the filter that no nested table answers."""
    named = (entity.fields[name] for name in names_of(shape))
    needed = [one for one in named if one.nested is None and one.match is None]
    return [*needed, *(entity.fields[name] for name, _ in order)]


def _lookup(sight: Sight, shape: Group) -> Lookup | None:
    if sight.led_by:
        return leaders.lookup_of(sight.entity, shape, sight.led_by)
    return lookup_of(sight.entity, shape) if sight.by_keys else None


def filtered(
    sight: Sight, shape: Group, order: Order, columns: Sequence[Column], lookup: Lookup | None = None
) -> Select[Any]:
    """Select *columns* of all rows that pass the filter. *lookup* has the keys that it leads to, if they are to come in another order."""
    entity = sight.entity
    source = entity.table
    found = lookup or _lookup(sight, shape)
    if found is not None:
        source = found.keys.join(source, entity.key[0] == dialect.found_first(found.keys.c.key))
        sight, shape = replace(sight, row_by_row=True), found.rest
    for join in joins_of(joined(entity, shape, order)):
        source = source.outerjoin(join.table, join.on)
    statement = select(*columns).select_from(source)
    statement = dialect.by_index(statement, entity.table, sight.index)
    if found is not None:
        statement = dialect.in_order(statement, found.keys)
    if entity.where is not None:
        statement = statement.where(entity.where)
    return statement.where(condition_of(sight, shape)) if shape.nodes else statement


@lru_cache(STATEMENTS_MAX)
def leads_to_keys(entity: Entity, shape: Group) -> bool:
    """Whether a part of the filter has a way of its own to the keys that pass it."""
    return lookup_of(entity, shape) is not None


@lru_cache(STATEMENTS_MAX)
def is_counted_fast(entity: Entity, shape: Group) -> bool:
    """Whether every key that the filter leads to passes it, and costs little."""
    found = lookup_of(entity, shape)
    return found is not None and not found.rest.nodes and len(found.selections) <= FEW_SELECTIONS


@lru_cache(STATEMENTS_MAX)
def keys_of_alternatives(entity: Entity, shape: Group) -> Select[Any] | None:
    """Count the keys that the alternatives of the filter lead to, up to the parameter `most`; None if it is led by another part.

    A key that several lead to counts for each: merging them costs ten times as much as counting.
    """
    found = lookup_of(entity, shape)
    if found is None or not found.is_of_alternatives:
        return None
    return select(func.count()).select_from(union_all(*found.selections).limit(bindparam("most")).subquery())


@lru_cache(STATEMENTS_MAX)
def led(entity: Entity, by: Leaders, most: int) -> Select[Any]:
    """Count what an index has for conditions that lead to rows, up to one more than *most*."""
    return leaders.counted(entity, by, most)


@lru_cache(STATEMENTS_MAX)
def values_fitting(entity: Entity, leaf: Leaf) -> Select[Any]:
    """Select the different values of a field that fit a pattern, up to the parameter `most`."""
    return leaders.values_fitting(entity, leaf)


@lru_cache(STATEMENTS_MAX)
def needs_keys_only(sight: Sight, shape: Group) -> bool:
    """Whether keys alone tell which rows pass the filter."""
    return _of_keys(sight, shape) is not None


@lru_cache(STATEMENTS_MAX)
def counted(sight: Sight, shape: Group, most: int = TOTAL_MAX) -> Select[Any]:
    """Count what passes the filter, up to one more than *most*."""
    found = _of_keys(sight, shape)
    if found is None:
        found = filtered(sight, shape, (), [literal_column("1").label("one")])
    return select(func.count()).select_from(found.limit(most + 1).subquery())


def _of_keys(sight: Sight, shape: Group) -> Select[Any] | None:
    """Select a row for each that passes the filter, from keys alone; None if the filter asks for more."""
    found = _lookup(sight, shape)
    if found is None:
        return None
    conditions = [
        sight.entity.of_keys[one.field](one, found.keys.c.key)
        if isinstance(one, Leaf) and one.field in sight.entity.of_keys
        else None
        for one in found.rest.nodes
    ]
    needed = [one for one in conditions if one is not None]
    if len(needed) < len(conditions):
        return None
    return select(literal_column("1").label("one")).select_from(found.keys).where(*needed)


def selected(sight: Sight, shape: Group) -> Select[Any]:
    """Select the keys of all that pass the filter, for another statement."""
    return filtered(sight, shape, (), sight.entity.key)


def labelled(entity: Entity, order: Order) -> list[ColumnElement[Any]]:
    """Return the expressions that rows are sorted by, then their keys, as `s0`, `s1`, …."""
    return [column.label(f"s{number}") for number, column in enumerate(columns_of(entity, order))]


def columns_of(entity: Entity, order: Order) -> list[Column]:
    """Return the expressions that rows are sorted by, then their keys."""
    fields = [entity.fields[name] for name, _ in order]
    columns = [one.sort_column for one in fields]
    if fields and fields[-1].sorted_by is not None:
        columns[-1] = fields[-1].sorted_by
    return [*columns, *entity.key]


@lru_cache(STATEMENTS_MAX)
def few(sight: Sight, shape: Group, order: Order, place: Place | None) -> Select[Any]:
    """Select a page, as `page_keys` does, with the number of all that pass the filter, in one pass over them.

    At most `counted` of them are read. If that many are counted, the page is of the wrong ones.
    """
    entity = sight.entity
    found = filtered(sight, shape, order, labelled(entity, order)).limit(bindparam("counted")).cte("found")
    columns = [found.c[f"s{number}"] for number in range(len(order) + len(entity.key))]
    total = select(func.count()).select_from(found).scalar_subquery()
    fields = [entity.fields[name] for name, _ in order]
    terms = terms_of(order, fields, columns, place, has_parts=False)
    statement = select(total.label("total"), *columns)
    if place is not None:
        at = values_at(columns)
        statement = statement.where(is_beyond(terms, terms_of(order, fields, at, place, has_parts=False)))
    return statement.order_by(*ordering(terms)).limit(bindparam("size")).offset(bindparam("skipped"))


@lru_cache(STATEMENTS_MAX)
def begun(
    sight: Sight,
    shape: Group,
    order: Order,
    place: Place | None,
    *,
    is_absent: bool | None,
    keeps_order: bool = True,
) -> Select[Any]:
    """Select a page among the next `walked` rows of an index that has the order. The page may be short although there is more.

    *is_absent* is a part of the list, as in `parts_from`. *keeps_order* says that the database joins in the order of the first table.
    """
    entity = sight.entity
    nearest = _part(sight, _on_first(entity, shape, order), order, place, is_absent)
    keys = nearest.limit(bindparam("walked")).subquery("nearest")
    number = range(len(order) + len(entity.key))
    source = keys.join(entity.table, entity.key[0] == keys.c[f"s{len(order)}"])
    for join in joins_of(joined(entity, shape, ())):
        source = source.outerjoin(join.table, join.on)
    columns = [keys.c[f"s{n}"] for n in number]
    statement = dialect.by_index(select(*columns).select_from(source), entity.table, entity.index)
    statement = dialect.in_order(statement, keys)
    if entity.where is not None:
        statement = statement.where(entity.where)
    statement = statement.where(condition_of(Sight(entity, row_by_row=True), shape))
    if not keeps_order:
        fields = [entity.fields[name] for name, _ in order]
        terms = terms_of(order, fields, columns, place)
        statement = statement.order_by(*ordering(terms))
    # Else they keep their order: the database takes them one by one, and can so stop when the page is full.
    return statement.limit(bindparam("size")).offset(bindparam("skipped"))


@lru_cache(STATEMENTS_MAX)
def nearest(sight: Sight, shape: Group, order: Order, place: Place | None, *, is_absent: bool | None) -> Select[Any]:
    """Count the rows that `begun` looks at, if it looks at `walked`."""
    found = _part(sight, _on_first(sight.entity, shape, order), order, place, is_absent)
    return select(func.count()).select_from(found.limit(bindparam("walked")).subquery())


def parts_from(entity: Entity, order: Order, place: Place | None) -> list[bool | None]:
    """Return the parts of a list on the way from *place*: the rows with a first sort value, those without (True), or all at once (None)."""
    if not order or not entity.fields[order[0][0]].is_split:
        return [None]
    parts: list[bool | None] = [False, True]
    if place is None:
        return parts
    reached = [part for part in parts if _is_reached(bool(part), place)]
    return reached[::-1] if place.is_before else reached


def _on_first(entity: Entity, shape: Group, order: Order) -> Group:
    """Return the conditions on the field that rows are sorted by first: its index begins where they do."""
    if not order or order[0][0] not in entity.ranges:
        return NOTHING
    return Group(
        True,
        tuple(one for one in shape.nodes if isinstance(one, Leaf) and one.field == order[0][0] and not one.negated),
    )


@lru_cache(STATEMENTS_MAX)
def page_keys(
    sight: Sight, shape: Group, order: Order, place: Place | None, *, is_walk: bool = True, keeps_order: bool = False
) -> Select[Any]:
    """Select the sort values and the keys of a page, in the order of the way to it: backwards if it lies before its cursor.

    *is_walk* says that an index gives the rows with a first sort value, and those without, in their order. *keeps_order* says that the
    database reads the rows of a selection in its order.

    Parameters: `size`, `skipped`, and of a cursor the sort values and keys `at0`, `at1`, ….
    """
    entity = sight.entity
    fields = [entity.fields[name] for name, _ in order]
    if not is_walk:
        found = _part(sight, shape, order, place, None, has_parts=False)
        # Without a filter, the rows are read as they lie: in the order of their keys.
        reads_in_order = keeps_order and bool(entity.index or not shape.nodes)
        if reads_in_order and fields and fields[0].read_by is not None:
            found = _nearly_sorted(found, Term(fields[0].read_by, order[0][1]), order, fields, place)
        return found.limit(bindparam("size")).offset(bindparam("skipped"))
    selections = [_part(sight, shape, order, place, is_absent) for is_absent in parts_from(entity, order, place)]
    if len(selections) == 1:
        return selections[0].limit(bindparam("size")).offset(bindparam("skipped"))
    number, label = [*range(len(order) + len(entity.key))], "s{}".format
    ends = [one.limit(integer_of("size") + integer_of("skipped")).subquery() for one in selections]
    both = union_all(
        *(
            select(literal_column(str(part)).label("part"), *(end.c[label(n)] for n in number))
            for part, end in enumerate(ends)
        )
    ).subquery()
    terms = [
        Term(both.c.part, False),
        *terms_of(order, fields, [both.c[label(n)] for n in number], place),
    ]
    return (
        select(*(both.c[label(n)] for n in number))
        .order_by(*ordering(terms))
        .limit(bindparam("size"))
        .offset(bindparam("skipped"))
    )


def _nearly_sorted(
    found: Select[Any], by: Term, order: Order, fields: Sequence[Field], place: Place | None
) -> Select[Any]:
    """Read what is *found* in the order of the key *by*, then sort it: of rows in the other direction, each would be among the best so far."""
    term = by.turned() if place is not None and place.is_before else by
    read = found.order_by(None).order_by(*ordering([term])).limit(NoLimit()).subquery("read")
    columns = [*read.c]
    return select(*columns).order_by(*ordering(terms_of(order, fields, columns, place, has_parts=False)))


@lru_cache(STATEMENTS_MAX)
def dated(page: Select[Any], entity: Entity, order: Order) -> Select[Any]:
    """Add the moment that the list is in the order of to the rows of a *page*, which was found by keys alone. It comes last."""
    found = page.subquery("page")
    moment = select(entity.fields[order[0][0]].column).select_from(entity.table)
    is_row = and_(*(column == found.c[f"s{number}"] for number, column in enumerate(entity.key, 1)))
    return select(*found.c, moment.where(is_row).scalar_subquery().label("moment"))


def _is_reached(is_absent: bool, place: Place) -> bool:
    """Whether the part of the rows with, or without, a first sort value lies on the way from *place*."""
    return is_absent == place.is_absent or is_absent != place.is_before


def _part(
    sight: Sight, shape: Group, order: Order, place: Place | None, is_absent: bool | None, *, has_parts: bool = True
) -> Select[Any]:
    """Select one part of a list in its order; all of it if *is_absent* is None."""
    fields = [sight.entity.fields[name] for name, _ in order]
    columns = columns_of(sight.entity, order)
    if is_absent:  # the index of an order has no rows without a value
        sight = Sight(sight.entity, sight.entity.index)
    statement = filtered(sight, shape, order, labelled(sight.entity, order))
    if is_absent is not None:
        absent = fields[0].absent
        statement = statement.where(columns[0] == absent if is_absent else columns[0] != absent)
    terms = terms_of(order, fields, columns, place, has_parts=has_parts)
    if place is not None and is_absent in (None, place.is_absent):
        at = values_at(columns)
        statement = statement.where(is_beyond(terms, terms_of(order, fields, at, place, has_parts=has_parts)))
    return statement.order_by(*ordering(terms))


def integer_of(name: str) -> ColumnElement[int]:
    """Return a parameter that a database can calculate with: PostgreSQL wants to know its type."""
    return bindparam(name, type_=BigInteger())


@lru_cache(STATEMENTS_MAX)
def items(entity: Entity) -> Select[Any]:
    """Select the keys and the shown fields of the rows whose keys are the parameter `keys`: an array of keys, or of arrays."""
    entity = entity.by_keys or entity
    source = entity.table
    for join in joins_of(entity.shown):
        source = source.outerjoin(join.table, join.on)
    statement = select(*entity.key, *(one.shown_column for one in entity.shown)).select_from(source)
    if entity.where is not None:
        statement = statement.where(entity.where)
    if len(entity.key) == 1:
        return statement.where(dialect.among(entity.key[0], "keys"))
    return statement.where(dialect.among_rows(entity.key, "keys"))
