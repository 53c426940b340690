"""Conditions on values: how a column compares with a parameter, and what a variable must be to pass."""

from typing import Any

from sqlalchemy import ColumnElement, FromClause, and_, bindparam, false, not_, true

from osmia_broker.store.read.search.fields import Column, Condition
from osmia_broker.store.read.search.filters import NUMBER, Leaf
from osmia_broker.store.read.sql import dialect


def compared(column: Column, leaf: Leaf) -> Condition:
    """Return the condition that *column* compares so with the parameter of *leaf*."""
    parameter: ColumnElement[Any] = bindparam(leaf.parameter)
    if leaf.operator == "$eq":
        return column == parameter
    if leaf.operator == "$in":
        return dialect.among(column, leaf.parameter)
    if leaf.operator == "$like":
        return dialect.like(column, leaf.parameter)
    conditions: dict[str, Condition] = {
        "$gt": column > parameter,
        "$gte": column >= parameter,
        "$lt": column < parameter,
        "$lte": column <= parameter,
    }
    return conditions[leaf.operator]


def conditions_of(variable: FromClause, leaf: Leaf) -> list[Condition]:
    """Return the conditions that a row of the table *variable* has this name, and a value that passes."""
    column = variable.c.value
    found: list[Condition] = [variable.c.name == bindparam(leaf.parameter)]
    sizes = {one.operator for one in leaf.inner if one.field == NUMBER}
    if sizes:
        found.append(dialect.is_number(column, rises=sizes.isdisjoint(("$lt", "$lte"))))
    for one in leaf.inner:
        if one.operator == "$exists":
            found.append(false() if one.negated else true())
            continue
        if one.field == NUMBER:
            found.append(compared(dialect.size(column), one))
            continue
        passes = compared(column, one)
        if one.operator == "$in" and not one.negated:
            passes = and_(dialect.begins_among(column, one.parameter), passes)
        if one.operator == "$eq" and not one.negated:
            # IS, because SQLite puts the value of an `=` into the first condition, which then fits the index no more.
            same = column.is_not_distinct_from(bindparam(one.parameter))
            passes = and_(dialect.begins_as(column, one.parameter), same)
        found.append(not_(passes) if one.negated else passes)
    return found
