"""Read the order and the page of a question as the members of a request have them."""

from collections.abc import Sequence
from typing import Any

import msgspec

from osmia_broker.base.errors import InvalidArgument
from osmia_broker.base.whole_numbers import INT64_MAX
from osmia_broker.store.read.search import cursors
from osmia_broker.store.read.search.by_creation import Mark, cuts_from
from osmia_broker.store.read.search.entity import Entity, sort_type
from osmia_broker.store.read.search.terms import Order, Place, keys_descend
from osmia_broker.store.read.search.values import meant, refuse, shown

ITEMS_DEFAULT, ITEMS_MAX = 100, 10_000  # as the contract has them
SKIPPED_MAX = 2**31 - 1
SORTS_MAX = 20


class AskedPage(msgspec.Struct, frozen=True):
    """The page that is asked for."""

    size: int = ITEMS_DEFAULT
    skipped: int = 0
    place: Place | None = None
    at: tuple[Any, ...] = ()


def order_of(entity: Entity, asked: Any) -> Order:
    """Read the order of a request. A field that is named twice counts once.

    Raises:
        InvalidArgument: a field or a direction is unknown.

    """
    if asked is not None and not isinstance(asked, list):
        raise refuse("sort", "a list", asked)
    if asked and len(asked) > SORTS_MAX:
        raise InvalidArgument(f"Expected sort to have at most {SORTS_MAX} items, but found {len(asked)}")
    order: dict[str, bool] = {}
    for number, one in enumerate(asked or []):
        place = f"sort[{number}]"
        if not isinstance(one, dict):
            raise refuse(place, "an object", one)
        name, direction = one.get("field"), one.get("order") or "ASC"
        if not isinstance(name, str) or name not in entity.fields or not entity.fields[name].sorts:
            names = [known.name for known in entity.declared if known.sorts]
            raise refuse(f"{place}.field", f"one of {', '.join(names)}", name, meant(name, names))
        if not isinstance(direction, str) or direction.upper() not in ("ASC", "DESC"):
            raise refuse(f"{place}.order", "ASC or DESC", direction)
        order.setdefault(name, direction.upper() == "DESC")
    return tuple(order.items())


def cursor_of(entity: Entity, order: Order, row: Sequence[Any]) -> str:
    """Make the cursor of a row: its sort values, then its key."""
    return cursors.write(entity.name, _signature(order), row)


def cursor_at(entity: Entity, order: Order, mark: Mark) -> str:
    """Make the cursor of a row in a list that is merged of several partitions by creation."""
    return cursors.write(entity.name, _signature(order, (len(mark) - 1) // len(entity.key)), mark)


def cursor_behind(entity: Entity, order: Order, rows: Sequence[Sequence[Any]]) -> str:
    """Make the cursor with which a list goes on behind *rows*; empty if there is no such place.

    A corrupt row may have no place that a cursor can name. Then it is that of the last row that has one, because a page leaves corrupt rows out.
    If no row has a place, the list goes on behind all rows with the first value of the last one.
    """
    kinds = _kinds(entity, order)
    for row in reversed(rows):
        if [type(value) for value in row] == kinds:
            return cursor_of(entity, order, row)
    if order and order[0][1]:  # texts come before numbers
        return cursor_of(entity, order, [INT64_MAX if kind is int else "" for kind in kinds])
    next_values = [value + 1 if type(value) is int else "" for value in rows[-1]]
    return cursor_of(entity, order, next_values) if [type(value) for value in next_values] == kinds else ""


def _kinds(entity: Entity, order: Order, cuts: int = 0) -> list[type]:
    """Return the types of the values in a cursor."""
    if cuts:
        return [int] * (cuts * len(entity.key) + 1)
    return [*(sort_type(entity.fields[name]) for name, _ in order), *entity.key_types]


def _signature(order: Order, cuts: int = 0) -> str:
    names = ",".join(f"-{name}" if is_descending else name for name, is_descending in order)
    return f"{names} of {cuts}" if cuts else names


def page_of(entity: Entity, order: Order, asked: Any, cuts: int = 0) -> AskedPage:
    """Read the page of a request. *cuts* are those of a cursor of the list (`by_creation`).

    Raises:
        InvalidArgument: a member is unknown, out of range, or no cursor of this list in this order.

    """
    if asked is None:
        return AskedPage()
    if not isinstance(asked, dict):
        raise refuse("page", "an object", asked)
    known = {"from", "limit", "after", "before"}
    given = {name: value for name, value in asked.items() if value is not None}
    unknown = sorted(given.keys() - known)
    if unknown:
        raise InvalidArgument(f"Expected page to have the members {', '.join(sorted(known))}, but found '{unknown[0]}'")
    ways = [name for name in ("from", "after", "before") if name in given]
    if len(ways) > 1:
        raise InvalidArgument(
            f"Expected page to have at most one of from, after and before, but found {' and '.join(ways)}"
        )
    size = _whole(given.get("limit", ITEMS_DEFAULT), "page.limit", range(1, ITEMS_MAX + 1))
    skipped = _whole(given.get("from", 0), "page.from", range(SKIPPED_MAX + 1))
    cursor = given.get("after", given.get("before"))
    if cursor is None:
        return AskedPage(size, skipped)
    way = ways[0]
    return page_at(entity, order, size, cursor, f"page.{way}", is_before=way == "before", cuts=cuts)


def page_at(
    entity: Entity, order: Order, size: int, cursor: Any, member: str, *, is_before: bool = False, cuts: int = 0
) -> AskedPage:
    """Return the page of *size* items behind a cursor, or before it. *member* names the cursor in a refusal.

    Raises:
        InvalidArgument: it is no cursor of this list in this order.

    """
    fields = [entity.fields[name] for name, _ in order]
    at = cursors.read(entity.name, _signature(order, cuts), _kinds(entity, order, cuts), cursor, member)
    place = Place(is_before, bool(fields) and fields[0].is_split and at[0] in (0, ""))
    if cuts:
        if at[-1] not in range(cuts):
            raise cursors.refusal(cursor, member)
        at = cuts_from(at, cuts, is_descending=keys_descend(order, place))
    return AskedPage(size, 0, place, at)


def _whole(value: Any, place: str, allowed: range) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value not in allowed:
        raise InvalidArgument(
            f"Expected {place} to be an integer from {allowed[0]} to {allowed[-1]}, but found {shown(value)}"
        )
    return value
