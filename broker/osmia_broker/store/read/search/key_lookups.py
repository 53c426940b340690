"""The ways from conditions to the keys of the rows that pass them, without a look at any other row.

A condition on one field can have a selection of keys (`Entity.lookups`). Alternatives have one if each of them has: the keys of all,
merged. A search then reads just these rows; whatever else its filter says is checked row by row.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import FromClause, Select

from osmia_broker.store.read.search.entity import Entity
from osmia_broker.store.read.search.fields import Column
from osmia_broker.store.read.search.filters import Group, Leaf, Node
from osmia_broker.store.read.sql import dialect

SELECTIONS_MAX = 80  # that are merged: 32 groups, open and ended, and what else leads to the tasks of a person
FEW_SELECTIONS = 8  # beyond it, a key costs a µs and more


@dataclass(frozen=True, slots=True)
class Lookup:
    """The keys that a filter leads to, as a table with the column `key`, and the conditions that remain to be checked."""

    keys: FromClause
    rest: Group
    selections: Sequence[Select[Any]] = ()  #: that are merged
    is_of_alternatives: bool = False

    def by_key(self, *, is_descending: bool, behind: Column | None) -> "Lookup":
        """Return the same with the keys in their order, those behind a key."""
        selections = self.selections
        if behind is not None:
            keys = [(one, one.selected_columns[0]) for one in selections]
            selections = [one.where(key < behind if is_descending else key > behind) for one, key in keys]
        return replace(self, keys=dialect.merged_by_key(selections, "keys", is_descending=is_descending))


@dataclass(frozen=True, slots=True)
class _Keys:
    """Selections that find all keys for a condition together. They are exact if they find no others."""

    selections: Sequence[Select[Any]]
    are_exact: bool


def lookup_of(entity: Entity, shape: Group) -> Lookup | None:
    """Return the keys that the filter *shape* leads to; None if no part of it leads to keys. Conditions on fields come before alternatives."""
    for node in sorted(shape.nodes, key=lambda one: isinstance(one, Group)):
        found = _keys(entity, node)
        if found is not None:
            rest = [one for one in shape.nodes if one is not node or not found.are_exact]
            keys = dialect.merged(found.selections, "keys")
            return Lookup(keys, Group(True, tuple(rest)), found.selections, isinstance(node, Group))
    return None


def _keys(entity: Entity, node: Node) -> _Keys | None:
    if isinstance(node, Leaf):
        selections = entity.lookups[node.field](node) if node.field in entity.lookups else ()
        return _Keys(selections, are_exact=True) if selections else None
    parts = [_keys(entity, one) for one in node.nodes]
    known = [one for one in parts if one is not None]
    if node.needs_all:
        fewest = min(known, key=lambda one: len(one.selections), default=None)
        return fewest and _Keys(fewest.selections, fewest.are_exact and len(parts) == 1)
    selections = [one for some in known for one in some.selections]
    if len(known) < len(parts) or len(selections) > SELECTIONS_MAX:
        return None
    return _Keys(selections, all(one.are_exact for one in known))
