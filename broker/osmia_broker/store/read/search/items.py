"""The items of a page: the shown fields of the rows whose keys a search has found, in the order of these."""

from collections.abc import Sequence
from typing import Any

from osmia_broker.store.read import dialect
from osmia_broker.store.read.database import Snapshot
from osmia_broker.store.read.search import statements
from osmia_broker.store.read.search.entity import Entity, Item

NUMBER_BYTES = 20  # of a value that is no text


async def read_items(
    snapshots: Sequence[Snapshot],
    entity: Entity,
    keys: Sequence[tuple[int, Sequence[Any]]],
    own: dict[str, Any],
    bytes_max: int,
) -> tuple[list[Item], int]:
    """Read the items of *keys* in their order, each from the snapshot at its place, until the page is large enough.

    Return them and the number of keys used.
    """
    items: list[Item] = []
    size = used = 0
    for first in range(0, len(keys), entity.chunk):
        some = keys[first : first + entity.chunk]
        known: dict[tuple[int, tuple[Any, ...]], Any] = {}
        for place, snapshot in enumerate(snapshots):
            asked = [key for at, key in some if at == place]
            if asked:
                known |= {(place, key): row for key, row in await _stored(snapshot, entity, asked, own)}
        for place, key in some:
            stored = known.get((place, tuple(key)))
            size += 0 if stored is None else _size(stored)
            if items and size > bytes_max:
                return items, used
            used += 1
            item = None if stored is None else entity.item(stored)
            if item is not None:
                items.append(item)
    return items, used


async def _stored(
    snapshot: Snapshot, entity: Entity, keys: Sequence[Sequence[Any]], own: dict[str, Any]
) -> list[tuple[tuple[Any, ...], Any]]:
    """Read keys and shown fields of the rows with these *keys*."""
    width = len(entity.key)
    asked = dialect.array(key[0] if width == 1 else list(key) for key in keys)
    found = await snapshot.values(statements.items(entity), own | {"keys": asked})
    return [(tuple(row[:width]), row[width:]) for row in found]


def _size(stored: Sequence[Any]) -> int:
    """Return the bytes that the values of an item take."""
    size = 0
    for value in stored:
        if isinstance(value, str):
            size += len(value) if value.isascii() else len(value.encode("utf-8", "surrogatepass"))
        else:
            size += len(value) if isinstance(value, bytes) else NUMBER_BYTES
    return size
