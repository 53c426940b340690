"""The way of one search to the keys of its page, over the rows of one partition. See `statements` for the ways that there are."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from sqlalchemy import Select

from osmia_broker.store.read.search import by_runs, statements
from osmia_broker.store.read.search.asked import AskedPage
from osmia_broker.store.read.search.by_key import is_by_key, page_merged
from osmia_broker.store.read.search.entity import Entity, Runs, drives, is_wide
from osmia_broker.store.read.search.filters import Group, Leaf, Parsed
from osmia_broker.store.read.search.heads import page_of_heads
from osmia_broker.store.read.search.leaders import Leaders, leaders_of, patterns_of, tells_number
from osmia_broker.store.read.search.statements import FEW_MAX, LED_MAX, TOTAL_MAX, WALKS, Sight
from osmia_broker.store.read.search.terms import Order, Row, keys_descend
from osmia_broker.store.read.sql import dialect
from osmia_broker.store.read.sql.database import Snapshot

CHECKED_MAX = 2_500  # of a total whose rows are looked up one by one, for 1 µs each
CHECKED_ALTERNATIVES = 2  # keys that alternatives lead to in the time that they are checked for one row
NAMED_MAX = 1_000  # different values that fit a pattern and are looked for one by one

NOT_COUNTED = 0  #: the bound of a total that nobody asks for


@dataclass(frozen=True, slots=True)
class Question:
    """A page of a list: what it is of, a filter, an order, and how far a total is counted whose rows must be looked up; None for the usual."""

    entity: Entity
    parsed: Parsed
    order: Order
    page: AskedPage
    total_max: int | None = None
    is_dated: bool = False  #: each row is given with the moment that the list is in the order of, behind its keys


def walk_of(entity: Entity, order: Order) -> str:
    """Return the index that has the rows in this order; empty if there is none."""
    first = order[0][0] if order else ""
    is_by_key = first != "" and entity.fields[first].sorted_by is not None
    return "" if is_by_key and len(order) > 1 else entity.walks.get(first, "")


class Way:
    """The way of one search to the keys of its page and to the one behind them. See `statements`.

    A list of several *ways* has a total of all. Each counts its share of the bound at first: if all reach it, so does the total.
    """

    def __init__(self, snapshot: Snapshot, question: Question, ways: int = 1) -> None:
        entity, parsed, order, page = question.entity, question.parsed, question.order, question.page
        self._snapshot = snapshot
        self._entity = entity
        self._shape = parsed.shape
        self._order = order
        self._page = page
        self._is_dated = question.is_dated
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
        self._counts = question.total_max != NOT_COUNTED
        self._checked_max = min(TOTAL_MAX if question.total_max is None else question.total_max, CHECKED_MAX)
        is_checked = self._is_wide or (self._is_led and not statements.is_counted_fast(entity, parsed.shape))
        self._ways = ways
        self._share(self._checked_max if is_checked else TOTAL_MAX)
        is_walkable = self._is_wide or not is_driven
        self._walk = walk_of(entity, order) if is_walkable else ""
        self._runs = entity.runs if is_walkable and by_runs.has_order(entity, order) else None
        at = {f"at{number}": value for number, value in enumerate(page.at)}
        self._values = parsed.parameters | at | {"size": self._size, "skipped": page.skipped}

    async def find(self) -> tuple[list[Row], int]:
        """Read the sort values and keys of the page, in the order away from the cursor; count all that pass the filter, if that is asked for."""
        if not self._counts:
            return await self._uncounted(), 0
        if (few := await self._led()) is not None:
            return few
        total = None
        if self._is_led:
            if not self._is_counted_by_keys:
                keys, total = await self._few(self._counted_max)
                if total <= self._counted_max:
                    return keys, total
            else:
                total = await self._total()
            if self._has_keys_in_order and total > min(FEW_MAX, self._counted_max):
                return await self._page_keys(), total
        if (self._walk or self._runs) and (total is None or total > min(FEW_MAX, self._counted_max)):
            begun = await self._begun() if self._runs is None else await self._begun_by(self._runs)
            if begun is not None:
                return begun, await self._total_with_begun(begun, total)
        return await self._among_all(total)

    def stopped_at(self, total: int) -> bool:
        """Whether the *total* that `find` gave is only known to be beyond its share of the bound."""
        return self._counted_max < total <= self.total_max

    async def count(self) -> int:
        """Count all that pass the filter, up to one more than the bound of the whole list."""
        return await self._count(self._total_sight, self.total_max)

    def _share(self, total_max: int) -> None:
        """Count up to a share of the bound *total_max* of the whole list."""
        self.total_max, self._counted_max = total_max, -(-total_max // self._ways)

    def _has_counted_all(self) -> None:
        """Note that the total is right, or beyond every bound."""
        self.total_max = self._counted_max = TOTAL_MAX

    async def _uncounted(self) -> list[Row]:
        """Read the page of a list that does not count."""
        by_heads = page_of_heads(self._entity, self._shape, self._order, self._page.place)
        return await self._page_keys() if by_heads is None else await self._rows(by_heads)

    @property
    def _has_keys_in_order(self) -> bool:
        """Whether the keys that the filter leads to can be read in the order of the list."""
        return self._sight.by_keys and self._snapshot.keeps_order and is_by_key(self._entity, self._order)

    async def _page_keys(self) -> list[Row]:
        """Read the page in an order that keys or an index have, or else from all rows that pass the filter."""
        if self._has_keys_in_order:
            return await self._rows(page_merged(self._entity, self._shape, self._order, self._page.place))
        if self._walk:
            return await self._read(statements.page_keys, Sight(self._entity, self._walk))
        by_sorting = partial(statements.page_keys, is_walk=False, keeps_order=self._snapshot.keeps_order)
        return await self._read(by_sorting, self._sight)

    async def _among_all(self, total: int | None) -> tuple[list[Row], int]:
        """Find the same among all rows that pass the filter. The *total* may have been counted already, up to the bound for it."""
        is_counted_fast = bool(self._entity.index) and all(
            statements.is_loose(self._entity, one) for one in self._shape.nodes
        )
        is_whole_list = not self._walk and (not self._shape.nodes or is_counted_fast)
        if total is None and (self._is_counted_by_keys or is_whole_list or self._is_wide):
            total = await self._total()  # it costs little, and saves reading many rows twice
        few_max = TOTAL_MAX if self._walk and not self._is_wide else self._counted_max
        if total is None or total <= few_max:
            keys, found = await self._few(TOTAL_MAX)
            if total is None or total > self._counted_max:
                total = found
                self._has_counted_all()
            if total <= TOTAL_MAX:
                return keys, total
        return await self._page_keys(), total

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
                    self._share(self._checked_max)
                return None
            found = await self._few(TOTAL_MAX, sight)
            if found[1] <= TOTAL_MAX:
                self._has_counted_all()
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
                self._is_counted_by_keys = False
                self._share(self._checked_max)
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
            nearest = statements.nearest(sight, self._shape, self._order, self._page.place, is_absent=is_absent)
            ((walked,),) = await self._snapshot.values(nearest, self._values | {"walked": WALKS[-1] + 1})
            if walked > WALKS[-1]:
                return None
            keys += found
        return keys

    async def _begun_by(self, runs: Runs) -> list[Row] | None:
        """Read the same among the next rows of *runs*."""
        # Without a filter, the page has the next rows.
        walks = WALKS if self._shape.nodes else (self._size + self._page.skipped,)
        asked = (self._entity, runs, self._shape, self._order, self._page.place)
        found = await self._rows(by_runs.runs_from(*asked), counted=walks[-1] + 1)
        begun = by_runs.begun(
            *asked[:3],
            is_descending=keys_descend(self._order, self._page.place),
            keeps_order=self._snapshot.keeps_order,
        )
        for walked in walks:
            values, self._values[by_runs.CHOSEN] = by_runs.choose(found, self._order, walked)
            rows = await self._rows(begun, walked=walked)
            if len(rows) == self._size or sum(run[-1] for run in found) <= walked:
                return [(*values[place], key) for place, key in rows]
        return None

    async def _total_with_begun(self, keys: Sequence[Row], total: int | None) -> int:
        """Return the *total*, which may have been counted already; a first page that is not full has all."""
        if len(keys) < self._size and self._page.place is None:
            self._has_counted_all()
            return len(keys)
        return await self._total() if total is None else total

    async def _read(self, build: Callable[..., Select[Any]], sight: Sight, **more: int) -> list[Row]:
        return await self._rows(build(sight, self._shape, self._order, self._page.place), **more)

    async def _rows(self, page: Select[Any], **more: int) -> list[Row]:
        """Read the rows of a page, dated if that is asked for."""
        statement = statements.dated(page, self._entity, self._order) if self._is_dated else page
        return [tuple(row) for row in await self._snapshot.values(statement, self._values | more)]

    async def _total(self) -> int:
        return await self._count(self._total_sight, self._counted_max)

    async def _count(self, sight: Sight, most: int) -> int:
        counted = statements.counted(sight, self._shape, most)
        ((total,),) = await self._snapshot.values(counted, self._values)
        return int(total)
