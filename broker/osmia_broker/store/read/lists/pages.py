"""Pages of a list: a bounded number of items and the cursor of the next page, cut before they grow too large for one message."""

from collections.abc import Callable, Iterable
from functools import cache
from operator import attrgetter
from typing import Any, Generic, TypeVar

import msgspec

from osmia_broker.base.errors import InvalidArgument
from osmia_broker.state.rows.kinds import KINDS

ITEMS_DEFAULT = 50
ITEMS_MAX = 1_000
PAGE_BYTES_MAX = 1_800_000  # clients accept 4 MiB a message, and an item may contain a text twice: a user task's headers and its assignment
# Bytes of a page that a search gives. An item may hold a text twice, and JSON escapes lengthen it.
SEARCHED_MAX = 1_000_000
NUMBERS_BYTES = 150  # the keys, times and lengths of one item

T = TypeVar("T")


class Page(msgspec.Struct, Generic[T], frozen=True):
    """Some items of a list, and the cursor of the next page; the cursor is empty on the last page."""

    items: list[T]
    next: str


def limit_of(asked: int, default: int = ITEMS_DEFAULT) -> int:
    """Return the number of items that a page may have; 0 asks for the *default*.

    Raises:
        InvalidArgument: *asked* is below 0 or above ITEMS_MAX.

    """
    if not 0 <= asked <= ITEMS_MAX:
        raise InvalidArgument(f"Expected a limit from 1 to {ITEMS_MAX} (0 for {default}), but found {asked}")
    return asked or default


def cut(rows: Iterable[T], limit: int, size: Callable[[T], int], mark: Callable[[T], str]) -> Page[T]:
    """Take the first *limit* of *rows*, or fewer if they are large, but at least one. *rows* may hold one more than *limit*."""
    items: list[T] = []
    bytes_so_far = 0
    for row in rows:
        bytes_so_far += size(row)
        if len(items) >= limit or (items and bytes_so_far > PAGE_BYTES_MAX):
            return Page(items, mark(items[-1]))
        items.append(row)
    return Page(items, "")


def size_of_texts(row: Any) -> int:
    """Return the bytes that *row* takes in a message. Its numbers count as the largest that there are."""
    text = "".join(_texts_of(type(row))(row))  # type: ignore[arg-type]  # a class is hashable
    return NUMBERS_BYTES + (len(text) if text.isascii() else len(text.encode()))


@cache
def _texts_of(row_type: type) -> Callable[[Any], Iterable[str]]:
    """Return what reads the texts of a row."""
    kind = KINDS[row_type]
    names = [name for name, type in zip(kind.columns, kind.types, strict=True) if issubclass(type, str)]
    return attrgetter(*names) if names else lambda _row: ()
