"""Pages of a list: a bounded number of items behind an opaque cursor, cut before they grow too large for one message."""

import base64
import binascii
from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

import msgspec

from osmia_broker.errors import InvalidArgument

ITEMS_DEFAULT = 50
ITEMS_MAX = 1_000
PAGE_BYTES_MAX = 1_800_000  # clients take 4 MiB a message, and an item may say a text twice: a user task's headers and what they mean
NUMBERS_BYTES = 150  # the keys, moments and lengths of one item

T = TypeVar("T")


class Page(msgspec.Struct, Generic[T], frozen=True):
    """Some items of a list, and the cursor of those behind them; an empty one after the last."""

    items: list[T]
    next: str


def limit_of(asked: int) -> int:
    """How many items a page may have.

    Raises:
        InvalidArgument: below 0 or above ITEMS_MAX.

    """
    if not 0 <= asked <= ITEMS_MAX:
        raise InvalidArgument(f"Expected a limit from 1 to {ITEMS_MAX} (0 for {ITEMS_DEFAULT}), but found {asked}")
    return asked or ITEMS_DEFAULT


def cursor(list_name: str, *place: int | str) -> str:
    """The cursor behind the item at *place* of a list."""
    return base64.urlsafe_b64encode(msgspec.json.encode([list_name, *place])).decode().rstrip("=")


def place_of(list_name: str, after: str, *kinds: type) -> tuple[Any, ...] | None:
    """Where a page begins; None for the first one.

    Raises:
        InvalidArgument: *after* is no cursor of this list.

    """
    if not after:
        return None
    try:
        name, *place = msgspec.json.decode(base64.urlsafe_b64decode(after + "=" * (-len(after) % 4)), type=list)
    except (binascii.Error, msgspec.DecodeError, ValueError):
        name, place = None, []
    if name != list_name or [type(one) for one in place] != list(kinds) or not all(map(_is_storable, place)):
        raise InvalidArgument(f"Expected a cursor that the list '{list_name}' gave, but found '{after[:100]}'")
    return tuple(place)


def _is_storable(place: int | str) -> bool:
    """Whether a database can look for *place*: its integers have 64 bits."""
    return isinstance(place, str) or -(2**63) <= place < 2**63


def size_of_texts(row: Any) -> int:
    """How many bytes the texts of *row* take in a message; its numbers are counted as many as they can be."""
    texts = (value for name in row.__slots__ if isinstance(value := getattr(row, name), str))
    return NUMBERS_BYTES + sum(len(text) if text.isascii() else len(text.encode()) for text in texts)


def cut(rows: Iterable[T], limit: int, size: Callable[[T], int], mark: Callable[[T], str]) -> Page[T]:
    """The first *limit* of *rows*, or fewer if they are large; at least one if there is any. *rows* may hold one more than *limit*."""
    items: list[T] = []
    bytes_so_far = 0
    for row in rows:
        bytes_so_far += size(row)
        if len(items) >= limit or (items and bytes_so_far > PAGE_BYTES_MAX):
            return Page(items, mark(items[-1]))
        items.append(row)
    return Page(items, "")
