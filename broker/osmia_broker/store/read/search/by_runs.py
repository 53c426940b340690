"""Lists in the order of a value that many rows share, such as the name of their process.

No index has the order, but one has the rows in runs (`Entity.runs`): the rows of each have one value, and lie in the order of their keys. So the
list begins with the first rows of its first runs; those of runs with equal values are merged by key.
"""

from collections.abc import Sequence
from functools import lru_cache
from itertools import groupby
from typing import Any, NamedTuple

from sqlalchemy import FromClause, Select, and_, bindparam, case, func, literal_column, or_, select

from osmia_broker.base.whole_numbers import INT64_MAX
from osmia_broker.store.read.search import statements
from osmia_broker.store.read.search.entity import Entity, Runs, joins_of
from osmia_broker.store.read.search.fields import Column, Condition
from osmia_broker.store.read.search.filters import Group
from osmia_broker.store.read.search.statements import STATEMENTS_MAX, Sight
from osmia_broker.store.read.search.terms import Order, Place, Row, Term, is_beyond, ordering, terms_of, values_at
from osmia_broker.store.read.sql import dialect

CHOSEN = "chosen"  #: the parameter of a page: the runs that it is read from


def has_order(entity: Entity, order: Order) -> bool:
    """Whether the rows of each run are equal in an order."""
    return entity.runs is not None and order != () and all(name in entity.runs.fields for name, _ in order)


@lru_cache(STATEMENTS_MAX)
def runs_from(entity: Entity, runs: Runs, shape: Group, order: Order, place: Place | None) -> Select[Any]:
    """Select the runs on the way from *place*, in the order of the list.

    Each has the sort values of its rows, its columns, the key that its next row comes behind, and the number of its next rows, up to the
    parameter `counted`.
    """
    each = runs.of(shape).subquery("each")
    start = _start(entity, order, place)
    one: Column = literal_column("1").label("one")
    next_rows = _rows_of(runs, each, [one], start.behind).limit(bindparam("counted")).subquery()
    found = select(
        *statements.labelled(entity, order)[:-1],
        *(each.c[name] for name in runs.columns),
        start.behind.column,
        select(func.count()).select_from(next_rows).scalar_subquery(),
    )
    if start.is_ahead is not None:
        found = found.where(start.is_ahead)
    return found.select_from(_first_rows(entity, runs, each, order)).order_by(*ordering(start.terms))


class _Start(NamedTuple):
    """The start of a way through runs."""

    terms: list[Term]  #: what the runs are sorted by
    behind: Term  #: the key that the next row of a run comes behind
    is_ahead: Condition | None  #: whether a run has rows ahead; None at the beginning, where all have


def _start(entity: Entity, order: Order, place: Place | None) -> _Start:
    """Return the start of the way from *place*. In the run of that row, it goes on behind its key; in all others, from their first row."""
    fields, sorted_by = [entity.fields[name] for name, _ in order], statements.columns_of(entity, order)
    *terms, by_key = terms_of(order, fields, sorted_by, place, has_parts=False)
    before_all: Column = literal_column(str(INT64_MAX if by_key.is_descending else 0))
    if place is None:
        return _Start(terms, Term(before_all, by_key.is_descending), None)
    *at, key = values_at(sorted_by)
    *at_terms, _ = terms_of(order, fields, [*at, key], place, has_parts=False)
    is_same = and_(*(column == value for column, value in zip(sorted_by, at, strict=False)))
    behind = Term(case((is_same, key), else_=before_all), by_key.is_descending)
    return _Start(terms, behind, or_(is_same, is_beyond(terms, at_terms)))


def _first_rows(entity: Entity, runs: Runs, each: FromClause, order: Order) -> FromClause:
    """Join the first row of each run, which has the sort values of all its rows."""
    first = _rows_of(runs, each, [func.min(runs.table.c.key)]).scalar_subquery()
    found = each.join(entity.table, entity.key[0] == first)
    for join in joins_of(entity.fields[name] for name, _ in order):
        found = found.outerjoin(join.table, join.on)
    return found


def choose(runs: Sequence[Row], order: Order, walked: int) -> tuple[list[Row], str]:
    """Choose the first of *runs* that have *walked* rows together. Return their different sort values, and the parameter of the page."""
    values: list[Row] = []
    chosen: list[Row] = []
    number = 0
    for value, some in groupby(runs, key=lambda run: run[: len(order)]):
        if number >= walked:
            break
        for run in some:
            chosen.append((len(values), *run[len(order) : -1]))
            number += run[-1]
        values.append(value)
    return values, dialect.array(chosen)


@lru_cache(STATEMENTS_MAX)
def begun(entity: Entity, runs: Runs, shape: Group, *, is_descending: bool, keeps_order: bool) -> Select[Any]:
    """Select a page among the next `walked` rows of the runs CHOSEN, as `statements.begun` does: the place of the values of each, and its key."""
    chosen = dialect.rows(CHOSEN, {"place": True, **runs.columns, "behind": True})
    next_rows = _rows_of(runs, chosen, [runs.table.c.key], Term(chosen.c.behind, is_descending))
    in_run = Term(runs.table.c.key, is_descending)
    first = dialect.lateral(next_rows.order_by(*ordering([in_run])).limit(bindparam("walked")), "first")
    together = [Term(chosen.c.place, False), Term(first.c.value, is_descending)]
    found = select(chosen.c.place, first.c.value.label("key")).select_from(chosen, first)
    nearest = found.order_by(*ordering(together)).limit(bindparam("walked")).subquery("nearest")
    page = select(nearest.c.place, nearest.c.key)
    if shape.nodes:
        source = nearest.join(entity.table, entity.key[0] == nearest.c.key)
        for join in joins_of(statements.joined(entity, shape, ())):
            source = source.outerjoin(join.table, join.on)
        page = dialect.in_order(page.select_from(source), nearest)
        page = page.where(statements.condition_of(Sight(entity, row_by_row=True), shape))
    if not (keeps_order and shape.nodes):
        page = page.order_by(*ordering([Term(nearest.c.place, False), Term(nearest.c.key, is_descending)]))
    return page.limit(bindparam("size")).offset(bindparam("skipped"))


def _rows_of(runs: Runs, run: FromClause, columns: Sequence[Any], behind: Term | None = None) -> Select[Any]:
    """Select *columns* of the rows of a *run*, through the index; those behind a key, if one is given."""
    table = runs.table
    found: Select[Any] = select(*columns).where(
        runs.where(table), *(table.c[name] == run.c[name] for name in runs.columns)
    )
    if behind is not None:
        key = table.c.key
        found = found.where(key < behind.column if behind.is_descending else key > behind.column)
    return dialect.by_index(found, table, runs.index).correlate_except(table)
