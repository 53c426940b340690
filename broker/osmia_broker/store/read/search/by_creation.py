"""Lists in the order of creation over several partitions: each gives its rows in the order of their keys, and these are merged by moment.

In one partition, what was made later has the larger key, so each reads no more rows than the page has. A page begins at a cut in each partition, a
key: rows up to it lie on one side, later ones on the other. So no row is lost, and none comes twice, even if a clock was set back. A cursor is a mark
of one row: the cuts beside it, with the key of the row itself in place of that of its partition, and the place of this partition. The row lies on
neither side of it.
"""

from collections.abc import Iterable, Sequence
from heapq import merge
from itertools import chain

from osmia_broker.base.whole_numbers import INT64_MAX
from osmia_broker.store.read.search.entity import Entity
from osmia_broker.store.read.search.terms import Order, Row, comparable

Key = tuple[int, ...]  #: the columns that name a row; the first one is in the order of creation
Cuts = tuple[Key, ...]  #: a key of each partition; none for a list in another order
Mark = tuple[int, ...]  #: the columns of a key of each partition, and the place of the one that has the row


def cuts_in(entity: Entity, order: Order, partitions: int) -> int:
    """Return how many cuts the cursors of a list have: one for each partition, or none if it is not merged by creation."""
    is_merged = partitions > 1 and len(order) == 1 and entity.fields[order[0][0]].sorted_by is not None
    return partitions if is_merged else 0


def unsorted(entity: Entity, partitions: int) -> Order:
    """Return the order of a list that asks for none: as its rows were made. In one partition, that is the order of their keys."""
    moments = (one.name for one in entity.declared if one.sorted_by is not None and partitions > 1)
    return tuple((name, False) for name in moments)[:1]


def mark_of(cuts: Cuts, place: int, row: Row) -> Mark:
    """Return the mark of a *row* of the partition at *place*, beside which the *cuts* of the others lie."""
    return (*chain.from_iterable(cuts[:place]), *row[1:], *chain.from_iterable(cuts[place + 1 :]), place)


def cuts_from(mark: Mark, cuts: int, *, is_descending: bool) -> Cuts:
    """Return the *cuts* at a mark from which a page goes away."""
    *columns, place = mark
    width = len(columns) // cuts
    keys = [tuple(columns[first : first + width]) for first in range(0, len(columns), width)]
    if is_descending:  # then the rows up to a cut are ahead
        keys[place] = _before(keys[place])
    return tuple(keys)


def place_at(cut: Key, *, is_descending: bool) -> tuple[int, ...]:
    """Return the sort value and the key that the rows behind a cut come after."""
    key = (*cut[:-1], min(cut[-1] + 1, INT64_MAX)) if is_descending else cut
    return key[0], *key


def merged(found: Iterable[Sequence[Row]], *, is_descending: bool) -> list[tuple[int, Row]]:
    """Merge the rows of all partitions, each with its place. The moment of a row comes last, and is taken off.

    The rows of one partition stay in the order of their keys, whatever their moments are.
    """
    parts = (
        sorted(((place, row) for row in rows), key=lambda one: one[1][1:-1], reverse=is_descending)
        for place, rows in enumerate(found)
    )
    together = merge(*parts, key=lambda one: (comparable(one[1][-1]), one[1][1:-1]), reverse=is_descending)
    return [(place, row[:-1]) for place, row in together]


def cuts_before(found: Iterable[Sequence[Row]], width: int, *, is_descending: bool) -> Cuts:
    """Return the cuts before the first row of each partition; before whatever a partition without rows may get later.

    A key has *width* columns.
    """
    keys = [[row[1:-1] for row in rows] for rows in found]
    return tuple((max(some) if is_descending else _before(min(some))) if some else (0,) * width for some in keys)


def cuts_behind(cuts: Cuts, rows: Iterable[tuple[int, Row]], *, is_descending: bool) -> Cuts:
    """Return the cuts behind *rows*, which come next after *cuts*."""
    keys = {place: row[1:] for place, row in rows}
    last = [keys.get(place) for place in range(len(cuts))]
    return tuple(
        cut if key is None else _before(key) if is_descending else key for cut, key in zip(cuts, last, strict=True)
    )


def _before(key: Key) -> Key:
    """Return a key below *key*, with no other between them."""
    return (*key[:-1], max(key[-1] - 1, -INT64_MAX - 1))
