"""Conditions on the members of a stored object, such as the metadata of a cluster variable."""

from sqlalchemy import false, not_

from osmia_broker.store.read.search.fields import Column, Condition, any_of
from osmia_broker.store.read.search.filters import NUMBER, Leaf
from osmia_broker.store.read.search.variable_values import compared
from osmia_broker.store.read.sql import dialect


def condition_of(column: Column, leaf: Leaf) -> Condition:
    """Return the condition on the member that *leaf* names. A member that is absent, or of another type, passes the negative ones only."""
    if leaf.operator == "$exists":
        positive: Condition = dialect.has_member(column, leaf.parameter)
        return not_(positive) if leaf.negated else positive
    values = {
        one.field: dialect.member_value(column, leaf.parameter, is_number=one.field == NUMBER) for one in leaf.inner
    }
    alternatives = [compared(values[one.field], one) for one in leaf.inner]
    positive = any_of(alternatives) if alternatives else false()
    return positive.is_not(True) if leaf.negated else positive
