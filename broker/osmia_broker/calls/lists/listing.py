"""The parts of a list: an entity of the read side, with the rows that its askers may see."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from osmia_broker.base.errors import InvalidArgument
from osmia_broker.calls import checks
from osmia_broker.calls.tasks.readable import ReadableTasks
from osmia_broker.store.read import Reader
from osmia_broker.store.read.search.entity import Entity, Item
from osmia_broker.store.read.search.search import PAGE_BYTES_MAX, Found, Search, get, orders, search


@dataclass(frozen=True, slots=True)
class Asker:
    """The read side, and the user tasks that the caller may read."""

    reader: Reader
    readable: ReadableTasks


@dataclass(frozen=True, slots=True)
class Question:
    """A question to a list: a search, the key of the thing that the list belongs to, and the bounds of the answer."""

    asked: Search
    of: int = 0  # 0 if it belongs to nothing
    is_whole: bool = False  # long values are not cut
    bytes_max: int = PAGE_BYTES_MAX


Finds = Callable[[Asker, Question], Awaitable[Found]]
Scopes = Callable[[Asker, int], Awaitable[dict[str, Any]]]
Gets = Callable[[Asker, str], Awaitable[Item]]


@dataclass(frozen=True, slots=True)
class Listing:
    """A list. *entity* has its items; *owner* is the noun of the thing that it belongs to, if it belongs to one."""

    entity: Entity | None  #: None for a short list without filters and pages
    find: Finds
    owner: str = ""
    cuts_values: bool = False  #: unless it is asked for whole ones
    #: members of the filter beside those of the entity, as JSON Schema
    more: Mapping[str, Any] = field(default_factory=dict)
    needs_filter: bool = False
    answers: Entity | None = None  #: the entity of the items, if the filter is over another one


def of_entity(
    entity: Entity,
    *,
    owner: str = "",
    scope: Scopes | None = None,
    whole: Entity | None = None,
    order: tuple[str, ...] = (),
) -> Listing:
    """Make the list of an entity.

    *scope* returns the conditions of what the asker may see, or what belongs to the owner. *whole* is the entity with values of any length.
    *order* has the fields that a list without a sort is sorted by, instead of its keys.
    """

    async def find(asker: Asker, question: Question) -> Found:
        conditions = {} if scope is None else await scope(asker, question.of)
        chosen = whole if whole is not None and question.is_whole else entity
        asked = question.asked
        if order and not asked.sort:
            asked = msgspec.structs.replace(asked, sort=orders(order))
        return await search(asker.reader, chosen, asked, scope=conditions, bytes_max=question.bytes_max)

    return Listing(entity, find, owner=owner, cuts_values=whole is not None)


def short(
    find: Callable[[Asker, int, Any], Awaitable[list[Item]]], *, owner: str = "", filter_of: Entity | None = None
) -> Listing:
    """Make a list whose length is that of a model: it has no pages and no order, and a filter only over the entity *filter_of*."""

    async def find_all(asker: Asker, question: Question) -> Found:
        asked = question.asked
        given = {"filter": asked.filter if filter_of is None else None, "sort": asked.sort, "page": asked.page}
        for name, value in given.items():
            if value is not None:
                raise InvalidArgument(f"Expected no {name}, because this list is always whole, but found one")
        items = await find(asker, question.of, asked.filter)
        return Found(items, len(items), has_more_total=False, start=None, end=None, goes_on=False)

    return Listing(filter_of, find_all, owner=owner)


@dataclass(frozen=True, slots=True)
class Kept:
    """Things of which each can be had by its key. *noun* is the name of one in a refusal."""

    noun: str
    entity: Entity  #: what an item has
    get: Gets


def by_key(noun: str, entity: Entity) -> Kept:
    """Make the way to one item of *entity* by its key."""

    async def find(asker: Asker, key: str) -> Item:
        return await get(asker.reader, entity, key_of(noun, key), noun)

    return Kept(noun, entity, find)


def by_name(noun: str, entity: Entity) -> Kept:
    """Make the way to one item of *entity* by its name, or by an id that a caller gave it."""

    async def find(asker: Asker, name: str) -> Item:
        return await get(asker.reader, entity, (name,), noun)

    return Kept(noun, entity, find)


def key_of(noun: str, text: str) -> int:
    """Read a key.

    Raises:
        InvalidArgument: it is no integer of 64 bits.

    """
    try:
        return checks.key(text)
    except ValueError:
        raise InvalidArgument(
            f"Expected the key of the {noun}, an integer of 64 bits, but found '{checks.quoted(text)}'"
        ) from None
