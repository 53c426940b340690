"""Conditions on the values of variables, and the way from the variables that pass to the rows that are searched.

An index has the name and the value of each variable (`schema.Comparable`), of those that have ended as well. So the way is worth taking if
few variables pass, which is counted first.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, and_, bindparam, false, not_, select, true

from osmia_broker.store import schema
from osmia_broker.store.read import dialect
from osmia_broker.store.read.search.entity import Entity
from osmia_broker.store.read.search.fields import Column, Condition, Kind
from osmia_broker.store.read.search.filters import NUMBER, Group, Leaf
from osmia_broker.store.read.search.key_lookups import Lookup

INDEX = "variables_by_value"


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


# --- the way from values


def of_filter(entity: Entity, shape: Group) -> list[Leaf]:
    """Return the conditions of a filter that an index of values answers and that lead to rows of *entity*."""
    return [
        one
        for one in shape.nodes
        if isinstance(one, Leaf)
        and one.field in entity.of_variables
        and entity.fields[one.field].kind is Kind.VARIABLES
        and any(
            inner.field == NUMBER or (inner.operator in ("$eq", "$in") and not inner.negated) for inner in one.inner
        )
    ]


def passing(leaf: Leaf, columns: Sequence[Column]) -> Select[Any]:
    """Select *columns* for each variable that passes, through the index."""
    variable = _table(leaf)
    found: Select[Any] = select(*columns).select_from(variable).where(*conditions_of(variable, leaf))
    return dialect.by_index(found, variable, INDEX)


def _table(leaf: Leaf) -> FromClause:
    return schema.variables.alias(f"passing_{leaf.field}")


def lookup_of(entity: Entity, shape: Group, leaf: Leaf) -> Lookup:
    """Return the keys of the rows with a variable that passes *leaf*, and the other conditions of the filter."""
    variable = _table(leaf)
    found = entity.of_variables[leaf.field](variable).where(*conditions_of(variable, leaf))
    rest = tuple(one for one in shape.nodes if one is not leaf)
    return Lookup(dialect.by_index(found, variable, INDEX).subquery("keys"), Group(True, rest))
