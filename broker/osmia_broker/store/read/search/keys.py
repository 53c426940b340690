"""The keys of a page over all partitions: each partition gives its page, and these are merged."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import Any

import msgspec

from osmia_broker.store.read.search import by_creation
from osmia_broker.store.read.search.asked import AskedPage
from osmia_broker.store.read.search.entity import Entity
from osmia_broker.store.read.search.terms import Order, Place, Row, comparable, keys_descend
from osmia_broker.store.read.search.way import Question, Way, walk_of
from osmia_broker.store.read.sql.database import Snapshot


@dataclass(frozen=True, slots=True)
class Keys:
    """The sort values and keys of a page and of the row behind it, as `Way.find` reads them, each with the place of its snapshot."""

    rows: list[tuple[int, Row]]
    total: int
    counted: int  #: how far was counted
    cuts: by_creation.Cuts = ()  #: before the first row on the way, if the list is merged by creation


async def keys_of(snapshots: Sequence[Snapshot], question: Question) -> Keys:
    """Read the keys of a page."""
    page = question.page
    if by_creation.cuts_in(question.entity, question.order, len(snapshots)):
        return await _merged_by_creation(snapshots, question)
    is_of_several = len(snapshots) > 1
    parts = _divided(question.entity.over_partitions if is_of_several else question.entity, question)
    if is_of_several:
        parts = [one.over_partitions for one in parts]
    if not is_of_several and len(parts) == 1:
        way = Way(snapshots[0], replace(question, entity=parts[0]))
        found, total = await way.find()
        return Keys([(0, row) for row in found], total, way.total_max)
    whole = replace(question, page=_whole(page))
    ways = [_ways(one, place, parts, whole, partitions=len(snapshots)) for place, one in enumerate(snapshots)]
    answers = await asyncio.gather(*map(_one_by_one, ways))
    rows = [(place, row) for place, (found, _) in enumerate(answers) for row in found]
    for row_of, is_descending in reversed(_sorting(question.entity, question.order, page.place)):
        rows.sort(key=row_of, reverse=is_descending)
    return await _counted(rows[page.skipped : page.skipped + page.size + 1], ways, answers)


async def _merged_by_creation(snapshots: Sequence[Snapshot], question: Question) -> Keys:
    """Read the keys of a page that is merged by creation: in each partition, as if it were the only one."""
    page, parts = question.page, _divided(question.entity, question)
    is_descending = keys_descend(question.order, page.place)
    ways = []
    for place, one in enumerate(snapshots):
        at = by_creation.place_at(page.at[place], is_descending=is_descending) if page.at else ()
        asked = replace(question, page=msgspec.structs.replace(_whole(page), at=at), is_dated=True)
        ways.append(_ways(one, place, parts, asked, partitions=len(snapshots)))
    answers = await asyncio.gather(*map(_one_by_one, ways))
    found = [rows for rows, _ in answers]
    rows = by_creation.merged(found, is_descending=is_descending)
    cuts = page.at or by_creation.cuts_before(found, len(question.entity.key), is_descending=is_descending)
    cuts = by_creation.cuts_behind(cuts, rows[: page.skipped], is_descending=is_descending)
    return await _counted(rows[page.skipped : page.skipped + page.size + 1], ways, answers, cuts)


def _whole(page: AskedPage) -> AskedPage:
    """Return the page that each partition is asked for: any one may have all rows that are passed over."""
    return msgspec.structs.replace(page, size=page.size + page.skipped, skipped=0)


def _ways(snapshot: Snapshot, place: int, parts: Sequence[Entity], question: Question, *, partitions: int) -> list[Way]:
    """Return the ways over the partition at *place*: one for each of the smaller entities that its rows are divided into."""
    number = partitions * len(parts)
    return [Way(snapshot, replace(question, entity=one.without_copies if place else one), number) for one in parts]


async def _counted(
    rows: list[tuple[int, Row]],
    ways: Sequence[Sequence[Way]],
    answers: Sequence[tuple[list[Row], list[int]]],
    cuts: by_creation.Cuts = (),
) -> Keys:
    """Return the keys of a page with the number of all that pass the filter, in all partitions together."""
    bound = min(way.total_max for some in ways for way in some)
    total = sum(chain.from_iterable(totals for _, totals in answers))
    if total <= bound:
        total = sum(
            await asyncio.gather(*(_totals(some, totals) for some, (_, totals) in zip(ways, answers, strict=True)))
        )
    return Keys(rows, total, bound, cuts)


async def _totals(ways: Sequence[Way], found: Sequence[int]) -> int:
    """Return the total of all ways over one snapshot; those that have stopped at their share of the bound count on."""
    return sum([await way.count() if way.stopped_at(total) else total for way, total in zip(ways, found, strict=True)])


async def _one_by_one(ways: Sequence[Way]) -> tuple[list[Row], list[int]]:
    """Go all ways over one snapshot, whose connection answers one statement at a time. Return their rows, and the total of each."""
    answers = [await way.find() for way in ways]
    return [row for found, _ in answers for row in found], [total for _, total in answers]


def _divided(entity: Entity, question: Question) -> Sequence[Entity]:
    """Return the entities whose rows together are those of a search: smaller ones if they have a better way to its order."""
    order, place = question.order, question.page.place
    narrowed = entity.narrowed(question.parsed.shape, order)
    if narrowed is not None:
        return (narrowed,)
    if entity.divided and order and not walk_of(entity, order):
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
    return comparable(found[1][number])


def _absence(number: int, found: tuple[int, Row]) -> tuple[Any, ...]:
    return (found[1][number] in (0, ""),)
