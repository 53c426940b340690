"""The items of a page: what it shows of the rows whose keys a search has found, in the order of these."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeVar

from osmia_broker.store.read.search import statements
from osmia_broker.store.read.search.entity import Entity, Item
from osmia_broker.store.read.sql import dialect
from osmia_broker.store.read.sql.database import Snapshot

NUMBER_BYTES = 20  # of a value that is no text

Key = tuple[Any, ...]  #: the values of the columns that name a row
T = TypeVar("T")
Shown_co = TypeVar("Shown_co", covariant=True)


class Shows(Protocol[Shown_co]):
    """A way to read the items of a page by their keys."""

    chunk: int  #: items read at a time; less for large ones

    async def read(self, snapshot: Snapshot, keys: Sequence[Key]) -> Mapping[Key, tuple[Shown_co | None, int]]:
        """Return the item of each key and the bytes that it takes. A corrupt row has no item; a row that is not there has nothing."""


class Fields:
    """Shows the fields of *entity*. *own* are the values of its parameters."""

    def __init__(self, entity: Entity, own: Mapping[str, Any]) -> None:
        self.chunk = entity.chunk
        self._entity = entity
        self._own = own

    async def read(self, snapshot: Snapshot, keys: Sequence[Key]) -> dict[Key, tuple[Item | None, int]]:
        """Read keys and shown fields of the rows with these *keys*."""
        width = len(self._entity.key)
        found = await snapshot.values(statements.items(self._entity), {**self._own, "keys": array_of(keys)})
        return {tuple(row[:width]): (self._entity.item(row[width:]), _size(row[width:])) for row in found}


async def read_items(
    snapshots: Sequence[Snapshot], shows: Shows[T], keys: Sequence[tuple[int, Key]], bytes_max: int
) -> tuple[list[T], int]:
    """Read the items of *keys* in their order, each from the snapshot at its place, until the page is large enough.

    Return them and the number of keys used.
    """
    items: list[T] = []
    size = used = 0
    for first in range(0, len(keys), shows.chunk):
        some = keys[first : first + shows.chunk]
        known: dict[tuple[int, Key], tuple[T | None, int]] = {}
        for place, snapshot in enumerate(snapshots):
            asked = [key for at, key in some if at == place]
            if asked:
                known |= {(place, key): found for key, found in (await shows.read(snapshot, asked)).items()}
        for place_and_key in some:
            item, bytes_of_item = known.get(place_and_key, (None, 0))
            size += bytes_of_item
            if items and size > bytes_max:
                return items, used
            used += 1
            if item is not None:
                items.append(item)
    return items, used


def array_of(keys: Sequence[Key]) -> str:
    """Make the value of the parameter `keys` of a statement: an array of keys, or of arrays where a key has several columns."""
    return dialect.array(key[0] if len(key) == 1 else list(key) for key in keys)


def _size(stored: Sequence[Any]) -> int:
    """Return the bytes that the values of an item take."""
    size = 0
    for value in stored:
        if isinstance(value, str):
            size += len(value) if value.isascii() else len(value.encode("utf-8", "surrogatepass"))
        else:
            size += len(value) if isinstance(value, bytes) else NUMBER_BYTES
    return size
