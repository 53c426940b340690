"""Search: the items of an entity that pass a filter, sorted, a page at a time, with their number.

    found = await search(reader, USER_TASKS, Search(filter={"state": "CREATED"}, sort=[{"field": "priority", "order": "DESC"}]))

An answer includes each command that was answered before, and all of it is of one moment.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import msgspec
from sqlalchemy import Select

from osmia_broker.base.errors import InvalidArgument
from osmia_broker.store.read import dialect
from osmia_broker.store.read.database import Snapshot, snapshots_of
from osmia_broker.store.read.search import cursors, filters, statements
from osmia_broker.store.read.search.entity import Entity, Item, drives, is_wide, sort_type
from osmia_broker.store.read.search.filters import Group, Leaf, Parsed
from osmia_broker.store.read.search.items import read_items
from osmia_broker.store.read.search.leaders import Leaders, leaders_of, patterns_of, tells_number
from osmia_broker.store.read.search.statements import FEW_MAX, LED_MAX, TOTAL_MAX, WALKS, Sight
from osmia_broker.store.read.search.terms import Order, Place
from osmia_broker.store.read.search.values import refuse, shown
from osmia_broker.store.read.sources import Sources, by_itself, no_such, question

ITEMS_DEFAULT, ITEMS_MAX = 100, 10_000  # as the contract has them
SKIPPED_MAX = 2**31 - 1
SORTS_MAX = 20
CHECKED_MAX = 2_500  # of a total whose rows are looked up one by one, for 1 µs each
CHECKED_ALTERNATIVES = 2  # keys that alternatives lead to in the time that they are checked for one row
NAMED_MAX = 1_000  # different values that fit a pattern and are looked for one by one
NO_ENDS = (None, None)
PAGE_BYTES_MAX = 8_000_000  # of an answer over HTTP; clients go on from its last cursor


class Search(msgspec.Struct, frozen=True):
    """The question: a filter, an order and a page as the members of a request have them, none of them checked yet."""

    filter: Any = None
    sort: Any = None
    page: Any = None


ALL = Search()
Row = tuple[Any, ...]  #: the sort values of a row, then its key


class Found(msgspec.Struct, frozen=True):
    """A page of items, the number of all that pass the filter, and the cursors of its ends, which are None on an empty page."""

    items: list[Item]
    total: int
    has_more_total: bool  #: there are more than *total*
    start: str | None
    end: str | None
    goes_on: bool  #: there are more in the direction of the page

    @property
    def next(self) -> str:
        """The cursor with which a list read forwards goes on; empty on its last page."""
        return self.end or "" if self.goes_on else ""


class _Page(msgspec.Struct, frozen=True):
    """The page that is asked for."""

    size: int = ITEMS_DEFAULT
    skipped: int = 0
    place: Place | None = None
    at: tuple[Any, ...] = ()


def orders(names: Iterable[str]) -> list[dict[str, str]]:
    """Write an order as a request has it. A name that begins with `-` is in descending order."""
    return [{"field": one.lstrip("-"), "order": "DESC" if one.startswith("-") else "ASC"} for one in names]


@question(by_itself)
async def search(
    sources: Sources,
    entity: Entity,
    asked: Search = ALL,
    *,
    scope: dict[str, Any] | None = None,
    given: dict[str, Any] | None = None,
    bytes_max: int = PAGE_BYTES_MAX,
    total_max: int | None = None,
) -> Found:
    """Find a page of items. *scope* is a filter that the caller of this function adds; *given* are parameters of the entity.

    A page ends before its items take more than *bytes_max* in the database, but has at least one. A total that must be counted row by row
    is counted up to *total_max*.

    Raises:
        InvalidArgument: a member of *asked* is wrong.

    """
    parsed = filters.parse(entity.fields, asked.filter, scope=scope)
    order = order_of(entity, asked.sort)
    page = _page_of(entity, order, asked.page)
    used_names = frozenset((*statements.names_of(parsed.shape), *(name for name, _ in order)))
    own = await entity.prepare(sources, used_names) | (given or {})
    parsed.parameters.update(own)
    async with snapshots_of([part.database for part in _parts(sources, entity)]) as snapshots:
        keys, total, counted = await _keys(
            snapshots, entity, parsed, order, page, total_max=TOTAL_MAX if total_max is None else total_max
        )
        wanted = [(place, row[len(order) :]) for place, row in keys[: page.size]]
        items, used = await read_items(snapshots, entity, wanted, own, bytes_max)
    goes_on = used < len(keys)
    keys = keys[:used]
    if page.place is not None and page.place.is_before:  # they were read away from the cursor
        keys, items = keys[::-1], items[::-1]
    await entity.add(sources.parts[0], items)
    start, end = (
        (cursors.write(entity.name, _signature(order), row) for _, row in (keys[0], keys[-1])) if keys else NO_ENDS
    )
    return Found(items, min(total, counted), total > counted, start, end, goes_on)


@question(by_itself)
async def get(sources: Sources, entity: Entity, key: int | Sequence[Any], noun: str) -> Item:
    """Return one item by its key. *noun* is its name in a refusal.

    Raises:
        NotFound: there is none with this key.

    """
    row = key if isinstance(key, Sequence) else (key,)
    source = sources.parts[0] if entity.is_of_cluster else sources.part_of(row[0])
    own = await entity.prepare(sources, frozenset())
    async with source.database.snapshot() as snapshot:
        items, _ = await read_items([snapshot], entity, [(0, row)], own, PAGE_BYTES_MAX)
    if not items:
        raise no_such(noun, key if isinstance(key, int) else key[0])
    await entity.add(source, items)
    return items[0]


def _parts(sources: Sources, entity: Entity) -> Sequence[Sources]:
    """Return the sources of the rows of an entity."""
    if entity.is_grouped:
        return (sources.together,)
    return sources.parts[:1] if entity.is_of_cluster else sources.parts


# --- the question


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
            names = ", ".join(known.name for known in entity.declared if known.sorts)
            raise refuse(f"{place}.field", f"one of {names}", name)
        if not isinstance(direction, str) or direction.upper() not in ("ASC", "DESC"):
            raise refuse(f"{place}.order", "ASC or DESC", direction)
        order.setdefault(name, direction.upper() == "DESC")
    return tuple(order.items())


def _signature(order: Order) -> str:
    return ",".join(f"-{name}" if is_descending else name for name, is_descending in order)


def _page_of(entity: Entity, order: Order, asked: Any) -> _Page:
    if asked is None:
        return _Page()
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
        return _Page(size, skipped)
    way = ways[0]
    fields = [entity.fields[name] for name, _ in order]
    kinds = [*map(sort_type, fields), *entity.key_types]
    at = cursors.read(entity.name, _signature(order), kinds, cursor, f"page.{way}")
    return _Page(size, 0, Place(way == "before", bool(fields) and fields[0].is_split and at[0] in (0, "")), at)


def _whole(value: Any, place: str, allowed: range) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value not in allowed:
        raise InvalidArgument(
            f"Expected {place} to be an integer from {allowed[0]} to {allowed[-1]}, but found {shown(value)}"
        )
    return value


def _walk_of(entity: Entity, order: Order) -> str:
    """Return the index that has the rows in this order; empty if there is none."""
    first = order[0][0] if order else ""
    is_by_key = first != "" and entity.fields[first].sorted_by is not None
    return "" if is_by_key and len(order) > 1 else entity.walks.get(first, "")


# --- the answer


class _Way:
    """The way of one search to the keys of its page and to the one behind them. See `statements`."""

    def __init__(
        self, snapshot: Snapshot, entity: Entity, parsed: Parsed, order: Order, page: _Page, *, total_max: int
    ) -> None:
        self._snapshot = snapshot
        self._entity = entity
        self._shape = parsed.shape
        self._order = order
        self._page = page
        self._size = page.size + 1  # the one behind the page tells whether there are more
        drivers = [one for one in parsed.shape.nodes if isinstance(one, Leaf) and drives(entity, one)]
        are_wide = all(map(is_wide, drivers))
        #: whether the filter leads to keys, so that counting reads no more than the rows that pass
        self._is_led = are_wide and statements.leads_to_keys(entity, parsed.shape)
        is_driven = bool(drivers) and not self._is_led
        #: whether many rows may pass: then it is worth looking at the next rows of the order first
        self._is_wide = is_driven and are_wide
        self._sight = Sight(entity, "" if is_driven else entity.index, by_keys=self._is_led)
        # Many rows pass a wide condition, as the page will show: so it is looked up for each row, until there are enough.
        self._total_sight = Sight(entity, entity.index, row_by_row=True) if self._is_wide else self._sight
        #: whether the total is counted from keys alone, which costs little
        self._is_counted_by_keys = statements.needs_keys_only(self._total_sight, parsed.shape)
        self._checked_max = min(total_max, CHECKED_MAX)
        is_checked = self._is_wide or (self._is_led and not statements.is_counted_fast(entity, parsed.shape))
        self.total_max = self._checked_max if is_checked else TOTAL_MAX
        self._walk = "" if is_driven and not self._is_wide else _walk_of(entity, order)
        at = {f"at{number}": value for number, value in enumerate(page.at)}
        self._values = parsed.parameters | at | {"size": self._size, "skipped": page.skipped}

    async def find(self) -> tuple[list[Row], int]:
        """Read the sort values and keys of the page, in the order away from the cursor, and count all that pass the filter."""
        if (few := await self._led()) is not None:
            return few
        total = None
        if self._is_led:
            if not self._is_counted_by_keys:
                keys, total = await self._few(self.total_max)
                if total <= self.total_max:
                    return keys, total
            else:
                total = await self._total()
        if self._walk and (total is None or total > FEW_MAX):
            begun = await self._begun()
            if begun is not None:
                return begun, await self._total_with_begun(begun, total)
        return await self._among_all(total)

    async def _among_all(self, total: int | None) -> tuple[list[Row], int]:
        """Find the same among all rows that pass the filter. The *total* may have been counted already, up to the bound for it."""
        is_counted_fast = bool(self._entity.index) and all(
            statements.is_loose(self._entity, one) for one in self._shape.nodes
        )
        is_whole_list = not self._walk and (not self._shape.nodes or is_counted_fast)
        if total is None and (self._is_counted_by_keys or is_whole_list or self._is_wide):
            total = await self._total()  # it costs little, and saves reading many rows twice
        few_max = TOTAL_MAX if self._walk and not self._is_wide else self.total_max
        if total is None or total <= few_max:
            keys, found = await self._few(TOTAL_MAX)
            if total is None or total > self.total_max:
                total, self.total_max = found, TOTAL_MAX
            if total <= TOTAL_MAX:
                return keys, total
        if self._walk:
            return await self._read(statements.page_keys, Sight(self._entity, self._walk)), total
        page_keys = partial(statements.page_keys, is_walk=False, keeps_order=self._snapshot.keeps_order)
        return await self._read(page_keys, self._sight), total

    async def _led(self) -> tuple[list[Row], int] | None:
        """Find the same by the conditions that lead to few rows; None if none of them does."""
        if not self._snapshot.keeps_order:
            return None
        if self._is_led:
            await self._lead_by_fewer()
            return None
        await self._name_values()
        for by in leaders_of(self._entity, self._shape):
            sight = Sight(self._entity, self._entity.index, led_by=by)
            number = await self._number_led(by)
            is_counted_by_keys = statements.needs_keys_only(sight, self._shape)
            if number > LED_MAX:
                if is_counted_by_keys and tells_number(self._entity, by):
                    self._total_sight, self._is_counted_by_keys = sight, True
                continue
            if number > FEW_MAX and self._walk and is_counted_by_keys:  # the next rows of the order may be enough
                self._sight, self._total_sight, self._is_counted_by_keys = sight, sight, True
                if not tells_number(self._entity, by):  # each leads to the row that is counted
                    self.total_max = self._checked_max
                return None
            found = await self._few(TOTAL_MAX, sight)
            if found[1] <= TOTAL_MAX:
                self.total_max = TOTAL_MAX
                return found
        return None

    async def _number_led(self, by: Leaders) -> int:
        ((number,),) = await self._snapshot.values(statements.led(self._entity, by, LED_MAX), self._values)
        return int(number)

    async def _lead_by_fewer(self) -> None:
        """Let a condition lead instead of the alternatives of the filter, if it leads to fewer rows than they do."""
        counted = statements.keys_of_alternatives(self._entity, self._shape)
        if counted is None:
            return
        for by in leaders_of(self._entity, self._shape):
            led = await self._number_led(by)
            if led > LED_MAX:
                continue
            ((number,),) = await self._snapshot.values(counted, self._values | {"most": led * CHECKED_ALTERNATIVES + 1})
            if number > led * CHECKED_ALTERNATIVES:
                self._sight = self._total_sight = Sight(self._entity, self._entity.index, led_by=by)
                self._is_counted_by_keys, self.total_max = False, self._checked_max
                return

    async def _few(self, most: int, sight: Sight | None = None) -> tuple[list[Row], int]:
        """Read the page, and the number of all that pass the filter, up to one more than *most*. The page is right if there are no more."""
        found = await self._read(statements.few, sight or self._sight, counted=most + 1)
        if found:  # each row has the number
            return [row[1:] for row in found], int(found[0][0])
        is_first = self._page.place is None and not self._page.skipped
        return [], 0 if is_first else await self._count(sight or self._total_sight, most)

    async def _name_values(self) -> None:
        """Put the different values that fit a pattern in its place, if they are not many."""
        for leaf in patterns_of(self._entity, self._shape):
            fitting = statements.values_fitting(self._entity, leaf)
            rows = await self._snapshot.values(fitting, self._values | {"most": NAMED_MAX + 1})
            if len(rows) <= NAMED_MAX:
                listed = replace(leaf, operator="$in", parameter=f"{leaf.parameter}_values")
                self._values[listed.parameter] = dialect.array(value for (value,) in rows)
                self._shape = Group(True, tuple(listed if one is leaf else one for one in self._shape.nodes))

    async def _begun(self) -> list[Row] | None:
        """Read the page among the next rows of the index that has the order; None if it is not full, and there are too many to know its end."""
        keys: list[Row] = []
        for is_absent in statements.parts_from(self._entity, self._order, self._page.place):
            sight = Sight(self._entity, self._walk)
            begun = partial(statements.begun, is_absent=is_absent, keeps_order=self._snapshot.keeps_order)
            size = self._size - len(keys)
            for walked in WALKS[-1:] if self._snapshot.keeps_order else WALKS:
                # Such a snapshot looks at no row beyond the page then.
                found = await self._read(begun, sight, walked=walked, size=size)
                if len(found) == size:
                    return keys + found
            if self._page.skipped:  # nobody knows how many of them were
                return None
            nearest = partial(statements.nearest, is_absent=is_absent)
            ((walked,),) = await self._read(nearest, sight, walked=WALKS[-1] + 1)
            if walked > WALKS[-1]:
                return None
            keys += found
        return keys

    async def _total_with_begun(self, keys: Sequence[Row], total: int | None) -> int:
        """Return the *total*, which may have been counted already; a first page that is not full has all."""
        if len(keys) < self._size and self._page.place is None:
            self.total_max = TOTAL_MAX
            return len(keys)
        return await self._total() if total is None else total

    async def _read(self, build: Callable[..., Select[Any]], sight: Sight, **more: int) -> list[Row]:
        statement = build(sight, self._shape, self._order, self._page.place)
        return [tuple(row) for row in await self._snapshot.values(statement, self._values | more)]

    async def _total(self) -> int:
        return await self._count(self._total_sight, self.total_max)

    async def _count(self, sight: Sight, most: int) -> int:
        counted = statements.counted(sight, self._shape, most)
        ((total,),) = await self._snapshot.values(counted, self._values)
        return int(total)


async def _keys(
    snapshots: Sequence[Snapshot], entity: Entity, parsed: Parsed, order: Order, page: _Page, *, total_max: int
) -> tuple[list[tuple[int, Row]], int, int]:
    """Read the sort values and keys of the page as `_Way.find` does, each with the place of its snapshot; and how far was counted."""
    is_of_several = len(snapshots) > 1
    parts = _divided(entity.over_partitions if is_of_several else entity, parsed.shape, order, page.place)
    if is_of_several:
        parts = [one.over_partitions for one in parts]
    if not is_of_several and len(parts) == 1:
        way = _Way(snapshots[0], parts[0], parsed, order, page, total_max=total_max)
        found, total = await way.find()
        return [(0, row) for row in found], total, way.total_max
    # Any partition may have all rows that are passed over.
    whole = msgspec.structs.replace(page, size=page.size + page.skipped, skipped=0)
    ways = [
        [_Way(one, part.without_copies if place else part, parsed, order, whole, total_max=total_max) for part in parts]
        for place, one in enumerate(snapshots)
    ]
    answers = await asyncio.gather(*map(_one_by_one, ways))
    rows = [(place, row) for place, (found, _) in enumerate(answers) for row in found]
    for row_of, is_descending in reversed(_sorting(entity, order, page.place)):
        rows.sort(key=row_of, reverse=is_descending)
    total = sum(total for _, total in answers)
    return rows[page.skipped : page.skipped + page.size + 1], total, min(way.total_max for some in ways for way in some)


async def _one_by_one(ways: Sequence[_Way]) -> tuple[list[Row], int]:
    """Go all ways over one snapshot, whose connection answers one statement at a time."""
    answers = [await way.find() for way in ways]
    return [row for found, _ in answers for row in found], sum(total for _, total in answers)


def _divided(entity: Entity, shape: Group, order: Order, place: Place | None) -> Sequence[Entity]:
    """Return the entities whose rows together are those of a search: smaller ones if they have a better way to its order."""
    narrowed = entity.narrowed(shape)
    if narrowed is not None:
        return (narrowed,)
    if entity.divided and order and not _walk_of(entity, order):
        split = [entity.fields[name].is_split for name, _ in order]  # else a cursor would mean another place in each
        if place is None or all([one.fields[name].is_split for name, _ in order] == split for one in entity.divided):
            return entity.divided
    return (entity,)


def _sorting(
    entity: Entity, order: Order, place: Place | None
) -> list[tuple[Callable[[tuple[int, Row]], tuple[Any, ...]], bool]]:
    """Return what the rows of several partitions are sorted by, and whether it descends, as `statements` has the database do it."""
    is_turned = place is not None and place.is_before
    terms: list[tuple[Callable[[tuple[int, Row]], tuple[Any, ...]], bool]] = []
    for number, (name, is_descending) in enumerate(order):
        known = entity.fields[name]
        if known.is_split:  # absent values come last
            terms.append((partial(_absence, number), is_turned))
        terms.append((partial(_value, number), is_descending != is_turned))
    keys_descend = (order[-1][1] if order else False) != is_turned
    terms += [(partial(_value, len(order) + number), keys_descend) for number in range(len(entity.key))]
    return terms


def _value(number: int, found: tuple[int, Row]) -> tuple[Any, ...]:
    """Return a value of a row so that values of all types compare as in SQLite: NULL, numbers, texts, bytes."""
    value = found[1][number]
    if value is None:
        return (0,)
    return (1 if isinstance(value, int | float) else 2 if isinstance(value, str) else 3, value)


def _absence(number: int, found: tuple[int, Row]) -> tuple[Any, ...]:
    return (found[1][number] in (0, ""),)
