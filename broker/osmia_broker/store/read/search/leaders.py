"""Conditions that lead to rows if few pass: on variables by their values, and on a field whose index has the order of its values.

Whether few pass is counted first, in the index. Such a way is worth it only then: a row that is looked up by its key costs as much as six
that are read in a row. Variables that have ended are in their index as well.
"""

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import FromClause, Select, bindparam, func, literal_column, select

from osmia_broker.store import schema
from osmia_broker.store.read.search.entity import Entity
from osmia_broker.store.read.search.fields import Column, Kind
from osmia_broker.store.read.search.filters import NUMBER, Group, Leaf
from osmia_broker.store.read.search.key_lookups import Lookup
from osmia_broker.store.read.search.variable_values import compared, conditions_of
from osmia_broker.store.read.sql import dialect
from osmia_broker.store.read.sql.expressions import NoLimit

Leaders = tuple[Leaf, ...]  #: one condition on a variable, or all on one field

OF_RANGES = ("$eq", "$in", "$gt", "$gte", "$lt", "$lte")
BY_VALUE = "variables_by_value"


def leaders_of(entity: Entity, shape: Group) -> list[Leaders]:
    """Return the conditions of a filter that lead to rows of *entity*, those on variables first."""
    found: list[Leaders] = [(leaf,) for leaf in _leaves(shape) if _leads_by_values(entity, leaf)]
    by_field: dict[str, list[Leaf]] = {}
    for leaf in _leaves(shape):
        if leaf.field in entity.ranges and leaf.operator in OF_RANGES and not leaf.negated:
            by_field.setdefault(leaf.field, []).append(leaf)
    return [*found, *map(tuple, by_field.values())]


def patterns_of(entity: Entity, shape: Group) -> list[Leaf]:
    """Return the patterns of a filter for a field that many rows have the same value of."""
    patterns = [one for one in _leaves(shape) if one.operator == "$like" and not one.negated]
    return [one for one in patterns if one.field in entity.ranges and entity.ranges[one.field].is_of_values]


def _leaves(shape: Group) -> list[Leaf]:
    return [one for one in shape.nodes if isinstance(one, Leaf)]


def _leads_by_values(entity: Entity, leaf: Leaf) -> bool:
    if leaf.field not in entity.of_variables or entity.fields[leaf.field].kind is not Kind.VARIABLES:
        return False
    return any(
        inner.field == NUMBER or (inner.operator in ("$eq", "$in") and not inner.negated) for inner in leaf.inner
    )


def counted(entity: Entity, leaders: Leaders, most: int) -> Select[Any]:
    """Count what an index has for *leaders*, up to one more than *most*."""
    one: Column = literal_column("1").label("one")
    if _is_of_variable(entity, leaders):
        found = _passing(leaders[0], [one])
    else:
        found = _range(entity, leaders, lambda table: select(one).select_from(table))
    return select(func.count()).select_from(found.limit(most + 1).subquery())


def lookup_of(entity: Entity, shape: Group, leaders: Leaders) -> Lookup:
    """Return the keys that *leaders* lead to, and the other conditions of the filter."""
    rest = Group(True, tuple(one for one in shape.nodes if one not in leaders))
    if not _is_of_variable(entity, leaders):
        return Lookup(_range(entity, leaders, entity.ranges[leaders[0].field].owned or _keys).subquery("keys"), rest)
    [leaf] = leaders
    variable = _variables(leaf)
    found = entity.of_variables[leaf.field](variable).where(*conditions_of(variable, leaf))
    return Lookup(dialect.by_index(found, variable, BY_VALUE).subquery("keys"), rest)


def values_fitting(entity: Entity, leaf: Leaf) -> Select[Any]:
    """Select the different values that fit a pattern, up to the parameter `most`. Each is compared once, however many rows have it."""
    known = entity.ranges[leaf.field]
    table, column = known.of("different")
    values = known.through_index(select(column.label("value")).distinct(), table).limit(NoLimit())
    different = values.subquery()  # the limit keeps SQLite from comparing each row in there
    fits = compared(different.c.value, leaf)
    return select(different.c.value).where(fits).limit(bindparam("most"))


def tells_number(entity: Entity, leaders: Leaders) -> bool:
    """Whether each row of the index that passes *leaders* is one of *entity*."""
    return not _is_of_variable(entity, leaders) and entity.ranges[leaders[0].field].owned is None


def _is_of_variable(entity: Entity, leaders: Leaders) -> bool:
    return entity.fields[leaders[0].field].kind is Kind.VARIABLES


def _range(entity: Entity, leaders: Leaders, selected: Callable[[FromClause], Select[Any]]) -> Select[Any]:
    """Select something of the rows of an index that pass *leaders*."""
    known = entity.ranges[leaders[0].field]
    table, column = known.of("in_range")
    found = known.through_index(selected(table), table)
    return found.where(*(known.compared(column, leaf) for leaf in leaders))


def _keys(table: FromClause) -> Select[Any]:
    return select(table.c.key.label("key"))


def _passing(leaf: Leaf, columns: Sequence[Column]) -> Select[Any]:
    """Select *columns* for each variable that passes, through the index."""
    variable = _variables(leaf)
    found: Select[Any] = select(*columns).select_from(variable).where(*conditions_of(variable, leaf))
    return dialect.by_index(found, variable, BY_VALUE)


def _variables(leaf: Leaf) -> FromClause:
    return schema.variables.alias(f"passing_{leaf.field}")
