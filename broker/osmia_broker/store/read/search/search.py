"""Search: the items of an entity that pass a filter, sorted, a page at a time, with their number.

    found = await search(reader, USER_TASKS, Search(filter={"state": "CREATED"}, sort=[{"field": "priority", "order": "DESC"}]))

An answer includes each command that was answered before, and all of it is of one moment.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec

from osmia_broker.store.read.search import filters, statements
from osmia_broker.store.read.search.asked import (
    AskedPage,
    cursor_at,
    cursor_behind,
    cursor_of,
    order_of,
    page_at,
    page_of,
)
from osmia_broker.store.read.search.by_creation import Mark, cuts_behind, cuts_in, mark_of, unsorted
from osmia_broker.store.read.search.entity import Entity, Item
from osmia_broker.store.read.search.filters import Parsed
from osmia_broker.store.read.search.groups import ROWS, rows_of
from osmia_broker.store.read.search.items import Fields, Shows, read_items
from osmia_broker.store.read.search.keys import keys_of
from osmia_broker.store.read.search.terms import Order, Row, keys_descend
from osmia_broker.store.read.search.way import NOT_COUNTED, Question
from osmia_broker.store.read.sources import Sources, by_itself, no_such, question
from osmia_broker.store.read.sql.database import snapshots_of

NO_ENDS = (None, None)
PAGE_BYTES_MAX = 8_000_000  # of an answer over HTTP; clients go on from its last cursor

T = TypeVar("T")


class Search(msgspec.Struct, frozen=True):
    """The question: a filter, an order and a page as the members of a request have them, none of them checked yet."""

    filter: Any = None
    sort: Any = None
    page: Any = None


ALL = Search()


def orders(names: Iterable[str]) -> list[dict[str, str]]:
    """Write an order as a request has it. A name that begins with `-` is in descending order."""
    return [{"field": one.lstrip("-"), "order": "DESC" if one.startswith("-") else "ASC"} for one in names]


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
    partitions = len(_parts(sources, entity))
    order = order_of(entity, asked.sort) or unsorted(entity, partitions)
    page = page_of(entity, order, asked.page, cuts_in(entity, order, partitions))
    own = await _prepare(sources, entity, parsed, order) | (given or {})
    if entity.groups is not None and len(sources.parts) > 1:
        async with snapshots_of([part.database for part in sources.parts]) as snapshots:
            own[ROWS] = await rows_of(snapshots, entity.groups, own)
        entity = entity.groups.of_several
    parsed.parameters.update(own)
    wanted = Question(entity, parsed, order, page, total_max)
    found = await _read(sources, wanted, Fields(entity, own), bytes_max)
    await entity.add(sources.parts[0], found.items)
    start, end = _ends(wanted, found)
    return Found(found.items, min(found.total, found.counted), found.total > found.counted, start, end, found.goes_on)


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
        items, _ = await read_items([snapshot], Fields(entity, own), [(0, tuple(row))], PAGE_BYTES_MAX)
    if not items:
        raise no_such(noun, key if isinstance(key, int) else key[0])
    await entity.add(source, items)
    return items[0]


async def listed(
    sources: Sources,
    entity: Entity,
    shows: Shows[T],
    scope: Mapping[str, Any],
    order: Order,
    *,
    size: int,
    after: str,
    bytes_max: int,
) -> tuple[list[T], str]:
    """Find a page of a list that does not count: what it *shows* of the rows that pass the filter *scope*, and the cursor of its end.

    The cursor is empty on the last page. It belongs into a `question`.

    Raises:
        InvalidArgument: *after* is no cursor of this list.

    """
    parsed = filters.parse(entity.fields, None, scope=scope)
    cuts = cuts_in(entity, order, len(_parts(sources, entity)))
    page = page_at(entity, order, size, after, "after", cuts=cuts) if after else AskedPage(size)
    parsed.parameters.update(await _prepare(sources, entity, parsed, order))
    wanted = Question(entity, parsed, order, page, NOT_COUNTED)
    found = await _read(sources, wanted, shows, bytes_max)
    if not found.goes_on:
        return found.items, ""
    if found.marks:
        return found.items, cursor_at(entity, order, found.marks[1])
    return found.items, cursor_behind(entity, order, found.rows)


@dataclass(frozen=True)
class _Page(Generic[T]):
    """The items of a page, the sort values and keys of its rows, the number of all that pass, and how far was counted."""

    items: list[T]
    rows: list[Row]
    goes_on: bool
    total: int
    counted: int
    marks: tuple[Mark, Mark] | None  #: of its first and last row, if it is merged of several partitions by creation


def _ends(question: Question, page: _Page[Item]) -> tuple[str, str] | tuple[None, None]:
    """Return the cursors of the first and of the last item."""
    entity, order = question.entity, question.order
    if not page.rows:
        return NO_ENDS
    if page.marks:
        first, last = (cursor_at(entity, order, mark) for mark in page.marks)
    else:
        first, last = (cursor_of(entity, order, row) for row in (page.rows[0], page.rows[-1]))
    return first, last


async def _prepare(sources: Sources, entity: Entity, parsed: Parsed, order: Order) -> dict[str, Any]:
    """Return the values of the parameters that the entity has itself."""
    used_names = frozenset((*statements.names_of(parsed.shape), *(name for name, _ in order)))
    return await entity.prepare(sources, used_names)


async def _read(sources: Sources, question: Question, shows: Shows[T], bytes_max: int) -> _Page[T]:
    """Read the items of a page, and the number of all that pass the filter."""
    order, page = question.order, question.page
    async with snapshots_of([part.database for part in _parts(sources, question.entity)]) as snapshots:
        found = await keys_of(snapshots, question)
        shown = [(place, row[len(order) :]) for place, row in found.rows[: page.size]]
        items, used = await read_items(snapshots, shows, shown, bytes_max)
    keys, goes_on, marks = found.rows[:used], used < len(found.rows), None
    if found.cuts and keys:
        behind = cuts_behind(found.cuts, keys, is_descending=keys_descend(order, page.place))
        marks = mark_of(found.cuts, *keys[0]), mark_of(behind, *keys[-1])
    if page.place is not None and page.place.is_before:  # they were read away from the cursor
        keys, items = keys[::-1], items[::-1]
        marks = (marks[1], marks[0]) if marks else None
    return _Page(items, [row for _, row in keys], goes_on, found.total, found.counted, marks)


def _parts(sources: Sources, entity: Entity) -> Sequence[Sources]:
    """Return the sources of the rows of an entity."""
    return sources.parts[:1] if entity.is_of_cluster else sources.parts
