"""The keys of a page over all partitions: each partition gives its page, and these are merged."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import msgspec

from osmia_broker.store.read.database import Snapshot
from osmia_broker.store.read.search.entity import Entity
from osmia_broker.store.read.search.terms import Order, Place
from osmia_broker.store.read.search.way import Question, Row, Way, walk_of


async def keys_of(snapshots: Sequence[Snapshot], question: Question) -> tuple[list[tuple[int, Row]], int, int]:
    """Read the sort values and keys of the page as `Way.find` does, each with the place of its snapshot; and how far was counted."""
    page = question.page
    is_of_several = len(snapshots) > 1
    parts = _divided(question.entity.over_partitions if is_of_several else question.entity, question)
    if is_of_several:
        parts = [one.over_partitions for one in parts]
    if not is_of_several and len(parts) == 1:
        way = Way(snapshots[0], replace(question, entity=parts[0]))
        found, total = await way.find()
        return [(0, row) for row in found], total, way.total_max
    # Any partition may have all rows that are passed over.
    whole = replace(question, page=msgspec.structs.replace(page, size=page.size + page.skipped, skipped=0))
    ways = [
        [Way(one, replace(whole, entity=part.without_copies if place else part)) for part in parts]
        for place, one in enumerate(snapshots)
    ]
    answers = await asyncio.gather(*map(_one_by_one, ways))
    rows = [(place, row) for place, (found, _) in enumerate(answers) for row in found]
    for row_of, is_descending in reversed(_sorting(question.entity, question.order, page.place)):
        rows.sort(key=row_of, reverse=is_descending)
    total = sum(total for _, total in answers)
    return rows[page.skipped : page.skipped + page.size + 1], total, min(way.total_max for some in ways for way in some)


async def _one_by_one(ways: Sequence[Way]) -> tuple[list[Row], int]:
    """Go all ways over one snapshot, whose connection answers one statement at a time."""
    answers = [await way.find() for way in ways]
    return [row for found, _ in answers for row in found], sum(total for _, total in answers)


def _divided(entity: Entity, question: Question) -> Sequence[Entity]:
    """Return the entities whose rows together are those of a search: smaller ones if they have a better way to its order."""
    order, place = question.order, question.page.place
    narrowed = entity.narrowed(question.parsed.shape)
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
    """Return a value of a row so that values of all types compare as in SQLite: NULL, numbers, texts, bytes."""
    value = found[1][number]
    if value is None:
        return (0,)
    return (1 if isinstance(value, int | float) else 2 if isinstance(value, str) else 3, value)


def _absence(number: int, found: tuple[int, Row]) -> tuple[Any, ...]:
    return (found[1][number] in (0, ""),)
