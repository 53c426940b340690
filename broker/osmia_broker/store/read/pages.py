"""Pages of a list: a bounded number of items and an opaque cursor for the next page, cut before they grow too large for one message."""

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any, Generic, TypeVar

import msgspec
from sqlalchemy import ColumnElement, Select, bindparam, literal_column, select, union_all

from osmia_broker.base.errors import InvalidArgument
from osmia_broker.base.whole_numbers import INT64_MAX
from osmia_broker.state.kinds import KINDS
from osmia_broker.state.storable import INT64
from osmia_broker.store import schema
from osmia_broker.store.read.database import Snapshot
from osmia_broker.store.read.tables import readable

ITEMS_DEFAULT = 50
ITEMS_MAX = 1_000
PAGE_BYTES_MAX = 1_800_000  # clients accept 4 MiB a message, and an item may contain a text twice: a user task's headers and its assignment
# Bytes of a page that a search gives. An item may hold a text twice, and JSON escapes lengthen it.
SEARCHED_MAX = 1_000_000
NUMBERS_BYTES = 150  # the keys, times and lengths of one item
KEY_MAX = INT64_MAX

R = TypeVar("R")
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


def cursor(list_name: str, *place: int | str) -> str:
    """Make the cursor for the items after the one at *place* of a list."""
    return base64.urlsafe_b64encode(msgspec.json.encode([list_name, *place])).decode().rstrip("=")


def place_of(list_name: str, after: str, *kinds: type) -> tuple[Any, ...] | None:
    """Return the place in a cursor; None for the first page.

    Raises:
        InvalidArgument: *after* is not a cursor of this list.

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


def before(list_name: str, after: str) -> int:
    """Return the key that all items of the page are below: the key in the cursor, or KEY_MAX for the first page.

    Raises:
        InvalidArgument: *after* is not a cursor of this list.

    """
    place = place_of(list_name, after, int)
    return place[0] if place else KEY_MAX


def newest_first(statement: Select[Any], row_type: type) -> Select[Any]:
    """Order *statement* by key, newest first, and limit it to `size` rows below the key `before`. Both are parameters."""
    key = schema.TABLES[row_type].c.key
    return statement.where(key < bindparam("before")).order_by(key.desc()).limit(bindparam("size"))


def newest_open(keys: Select[Any], row_type: type) -> Select[Any]:
    """Order *keys*, a selection from a partial index of open rows, newest first, and limit it as `newest_first` does.

    The index holds open rows only, so all of it can be read. The sum keeps the database from walking down the primary key instead,
    through the rows that have ended.
    """
    key = schema.TABLES[row_type].c.key + literal_column("0")
    return keys.where(key < bindparam("before")).order_by(key.desc()).limit(bindparam("size"))


def among_all(key: ColumnElement[int], selections: Iterable[Select[Any]]) -> ColumnElement[bool]:
    """Whether *key* is among the keys of one of *selections*, each of which has an order and a limit of its own."""
    return key.in_(union_all(*(select(each.subquery().c.key) for each in selections)))


async def read(
    snapshot: Snapshot, list_name: str, row_type: type[R], statement: Select[Any], values: Mapping[str, Any]
) -> Page[R]:
    """Read a page of rows that have keys. *statement* comes from `newest_first`, and *values* from `values_of`.

    The key is the first column. It is an integer even in a corrupt row, so the next page begins behind that one too.
    """
    found = await snapshot.values(statement, values)

    def mark(row: Any) -> str:
        return cursor(list_name, row.key)

    limit = values["size"] - 1
    page = cut(readable(row_type, found[:limit]), limit, size_of_texts, mark)
    if page.next or len(found) <= limit:
        return page
    return Page(page.items, cursor(list_name, found[limit - 1][0]))


def values_of(list_name: str, limit: int, after: str) -> dict[str, Any]:
    """Return the parameter values for `newest_first`. They ask for one row more than a page has, to see if there is a next page.

    Raises:
        InvalidArgument: *limit* is out of range, or *after* is not a cursor of this list.

    """
    return {"before": before(list_name, after), "size": limit_of(limit) + 1}


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


def row_key(item: Any) -> int:
    """Return the key of an item that has a row, or is one."""
    return int(getattr(item, "row", item).key)


def merged(list_name: str, key_of: Callable[[Any], int]) -> Callable[[list[Page[Any]], Mapping[str, Any]], Page[Any]]:
    """Return what makes one page, newest first, of the pages of several partitions, which were asked for with the same arguments.

    A page that was cut says nothing about the items behind its cursor, so the merged page ends there, too.
    """

    def merge(found: list[Page[Any]], given: Mapping[str, Any]) -> Page[Any]:
        ends = [before(list_name, page.next) for page in found if page.next]
        end = max(ends, default=0)
        known = {key_of(one): one for page in found for one in page.items}  # what belongs to the cluster, each has
        items = [known[key] for key in sorted(known, reverse=True) if key >= end]
        page = cut(items, limit_of(given["limit"]), _size_of_item, lambda one: cursor(list_name, key_of(one)))
        return page if page.next or not ends else Page(page.items, cursor(list_name, end))

    return merge


def _size_of_item(item: Any) -> int:
    return size_of_texts(getattr(item, "row", item))


def size_of_texts(row: Any) -> int:
    """Return the bytes that *row* takes in a message. Its numbers count as the largest that there are."""
    size = NUMBERS_BYTES
    for name in _text_fields(type(row)):  # type: ignore[arg-type]  # a class is hashable
        text = getattr(row, name)
        size += len(text) if text.isascii() else len(text.encode())
    return size


@cache
def _text_fields(row_type: type) -> tuple[str, ...]:
    kind = KINDS[row_type]
    return tuple(name for name, type in zip(kind.columns, kind.types, strict=True) if issubclass(type, str))


def _is_storable(place: int | str) -> bool:
    """Whether a database can look for *place*: its integers have 64 bits."""
    return isinstance(place, str) or place in INT64
