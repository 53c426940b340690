"""Lists by their heads (`Entity.heads`): the filter leads to indexes, and the list begins with the first rows of each.

The first rows of a list in the order of keys are among the first of its heads, as many of each as the page has. No row is read that the
conditions of the heads do not pass.
"""

from functools import lru_cache
from typing import Any

from sqlalchemy import Select, bindparam, select, union

from osmia_broker.store.read.search import statements
from osmia_broker.store.read.search.by_key import is_by_key
from osmia_broker.store.read.search.entity import Entity, Head
from osmia_broker.store.read.search.filters import Group
from osmia_broker.store.read.search.statements import STATEMENTS_MAX, Sight
from osmia_broker.store.read.search.terms import Order, Place, Term, is_beyond, keys_descend, ordering, values_at
from osmia_broker.store.read.sql import dialect


@lru_cache(STATEMENTS_MAX)
def page_of_heads(entity: Entity, shape: Group, order: Order, place: Place | None) -> Select[Any] | None:
    """Select the sort values and the keys of a page, as `statements.page_keys` does; None if the filter has no heads, or the order is not by key.

    Parameters: `size`, `skipped`, and of a cursor the sort values and keys `at0`, `at1`, ….
    """
    heads = entity.heads(shape) if is_by_key(entity, order) else ()
    if not heads:
        return None
    term = Term(entity.key[0], keys_descend(order, place))
    firsts = [_first(entity, shape, place, head, term) for head in heads]
    found = union(*(select(one.subquery().c.key) for one in firsts)).subquery("found") if len(firsts) > 1 else None
    key = (firsts[0].subquery("found") if found is None else found).c.key
    page = select(key.label("s0"), key.label("s1")).order_by(*ordering([Term(key, term.is_descending)]))
    return page.limit(bindparam("size")).offset(bindparam("skipped"))


def _first(entity: Entity, shape: Group, place: Place | None, head: Head, term: Term) -> Select[Any]:
    """Select the keys of a head that a page in the order of *term* may have."""
    key = entity.key[0]
    found = statements.filtered(Sight(entity, head.index, row_by_row=True), shape, (), [key.label("key")])
    # A sum keeps SQLite from reading the rows in the order of their keys, rather than through the index.
    sorted_by = Term(key if head.has_order else dialect.found_first(key), term.is_descending)
    found = found.where(head.where)
    if place is not None:
        found = found.where(is_beyond([sorted_by], [Term(values_at([key])[0], term.is_descending)]))
    found = _limited(found.order_by(*ordering([sorted_by])))
    if not head.of_each:
        return found
    newest = dialect.lateral(found.correlate(*head.of_each), "first")
    keys = select(newest.c.value.label("key")).select_from(*head.of_each, newest)
    return _limited(keys.order_by(*ordering([Term(newest.c.value, term.is_descending)])))


def _limited(keys: Select[Any]) -> Select[Any]:
    return keys.limit(statements.integer_of("size") + statements.integer_of("skipped"))
