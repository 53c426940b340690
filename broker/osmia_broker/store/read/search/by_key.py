"""Lists in the order of their keys: the keys that a filter leads to are merged in this order, so no row behind the page is read.

A list by creation is one of them in one partition (`Field.sorted_by`).
"""

from functools import lru_cache
from typing import Any

from sqlalchemy import Select, bindparam

from osmia_broker.store.read.search import statements
from osmia_broker.store.read.search.entity import Entity
from osmia_broker.store.read.search.filters import Group
from osmia_broker.store.read.search.key_lookups import lookup_of
from osmia_broker.store.read.search.statements import STATEMENTS_MAX, Sight
from osmia_broker.store.read.search.terms import Order, Place, keys_descend


def is_by_key(entity: Entity, order: Order) -> bool:
    """Whether the order is that of the keys."""
    if len(order) > 1 or len(entity.key) != 1:
        return False
    fields = [entity.fields[name] for name, _ in order]
    return not fields or fields[0].sorted_by is entity.key[0] or fields[0].column is entity.key[0]


@lru_cache(STATEMENTS_MAX)
def page_merged(entity: Entity, shape: Group, order: Order, place: Place | None) -> Select[Any]:
    """Select a page by key, as `statements.page_keys` does, of a filter that leads to keys. The database joins in the order of the first table."""
    found = lookup_of(entity, shape)
    assert found is not None, "the filter leads to keys"
    behind = None if place is None else bindparam(f"at{len(order)}", type_=entity.key[0].type)
    lookup = found.by_key(is_descending=keys_descend(order, place), behind=behind)
    page = statements.filtered(Sight(entity, entity.index), shape, order, statements.labelled(entity, order), lookup)
    return page.limit(bindparam("size")).offset(bindparam("skipped"))
