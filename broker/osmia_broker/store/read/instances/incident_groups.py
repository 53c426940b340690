"""Open incidents in groups of equal messages, and the processes that people may choose from."""

from itertools import chain
from typing import Any

import msgspec
from sqlalchemy import FromClause, func, select

from osmia_broker.store import schema
from osmia_broker.store.read.search.entity import Entity
from osmia_broker.store.read.search.fields import integer, key, text
from osmia_broker.store.read.search.groups import grouped, total
from osmia_broker.store.read.search.search import Search, orders, search
from osmia_broker.store.read.sources import Sources, of_all, of_cluster, question
from osmia_broker.store.read.sql import dialect, numbers

GROUPS = 20  # of one page
SHOWN_OF_GROUP = 5
PROCESSES_MAX = 500

_incident, _definition = schema.incidents, schema.process_definitions
_is_open = _incident.c.ended_ms == schema.NOT_ENDED


class IncidentGroup(msgspec.Struct, frozen=True):
    """Open incidents with one message."""

    message: str
    count: int
    hash: int
    keys: list[int]  # of the newest, at most SHOWN_OF_GROUP


class KnownProcess(msgspec.Struct, frozen=True):
    """A process that is deployed, or was."""

    id: str
    name: str


_counted = (
    select(_incident.c.message, func.count().label("number"), func.max(_incident.c.key).label("newest"))
    .where(_is_open)
    .group_by(_incident.c.message)
)


def _of_all(counted: FromClause) -> Entity:
    columns = [counted.c.message, total(counted.c.number).label("number"), func.max(counted.c.newest).label("newest")]
    groups = select(*columns).group_by(counted.c.message).subquery("groups")
    return Entity(
        "groups of incidents",
        groups,
        (groups.c.message,),
        (
            text("message", groups.c.message),
            integer("count", groups.c.number, sorts=True),
            key("newest", groups.c.newest, optional=False, sorts=True),
        ),
        key_types=(str,),
    )


_GROUPS = grouped(_counted, _of_all)
_place = func.row_number().over(partition_by=_incident.c.message, order_by=_incident.c.key.desc()).label("place")
_ranked = (
    select(_incident.c.key, _incident.c.message, _place)
    .where(_is_open, dialect.among(_incident.c.message, "messages"))
    .subquery()
)
_NEWEST = (
    select(_ranked.c.message, _ranked.c.key).where(_ranked.c.place <= SHOWN_OF_GROUP).order_by(_ranked.c.key.desc())
)
_newest_key = select(func.max(_definition.c.key)).group_by(_definition.c.bpmn_process_id)
_PROCESSES = (
    select(_definition.c.bpmn_process_id, _definition.c.name)
    .where(_definition.c.key.in_(_newest_key))
    .order_by(func.lower(func.coalesce(func.nullif(_definition.c.name, ""), _definition.c.bpmn_process_id)))
    .limit(PROCESSES_MAX)
)


async def incident_groups(sources: Sources, *, skipped: int = 0) -> tuple[list[IncidentGroup], bool]:
    """Return groups of open incidents, the largest first, and whether there are more behind them.

    Raises:
        InvalidArgument: *skipped* is out of range.

    """
    asked = Search(sort=orders(("-count", "-newest")), page={"from": skipped, "limit": GROUPS})
    found = await search(sources, _GROUPS, asked)
    newest = await _newest(sources, [one["message"] for one in found.items])
    groups = [
        IncidentGroup(one["message"], one["count"], numbers.error_hash(one["message"]), newest.get(one["message"], []))
        for one in found.items
    ]
    return groups, found.goes_on


def _merged(found: list[dict[str, list[int]]], _given: dict[str, Any]) -> dict[str, list[int]]:
    keys: dict[str, list[int]] = {}
    for message, some in chain.from_iterable(one.items() for one in found):
        keys[message] = sorted(keys.get(message, []) + some, reverse=True)[:SHOWN_OF_GROUP]
    return keys


@question(of_all(_merged))
async def _newest(sources: Sources, messages: list[str]) -> dict[str, list[int]]:
    """Return the keys of the newest open incidents with each of these messages."""
    keys: dict[str, list[int]] = {}
    async with sources.database.snapshot() as snapshot:
        for message, newest in await snapshot.values(_NEWEST, {"messages": dialect.array(messages)}):
            keys.setdefault(message, []).append(newest)
    return keys


@question(of_cluster)
async def processes(sources: Sources) -> list[KnownProcess]:
    """List the processes by their names, each once, at most PROCESSES_MAX."""
    async with sources.database.snapshot() as snapshot:
        found: list[Any] = await snapshot.values(_PROCESSES, {})
    return [KnownProcess(id, name or id) for id, name in found]
