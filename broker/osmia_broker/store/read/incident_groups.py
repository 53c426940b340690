"""Open incidents in groups of equal messages, and the processes that people may choose from."""

from typing import Any

import msgspec
from sqlalchemy import bindparam, func, select

from osmia_broker.store import schema
from osmia_broker.store.read import dialect, numbers
from osmia_broker.store.read.sources import Sources, of_cluster, of_groups, question

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


_GROUPS = (
    select(_incident.c.message, func.count().label("number"))
    .where(_is_open)
    .group_by(_incident.c.message)
    .order_by(func.count().desc(), func.max(_incident.c.key).desc())
    .limit(GROUPS + 1)
    .offset(bindparam("skipped"))
)
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


@question(of_groups)
async def incident_groups(sources: Sources, *, skipped: int = 0) -> tuple[list[IncidentGroup], bool]:
    """Return groups of open incidents, the largest first, and whether there are more behind them."""
    async with sources.database.snapshot() as snapshot:
        found = await snapshot.values(_GROUPS, {"skipped": skipped})
        counts = dict(tuple(row) for row in found[:GROUPS])
        newest = await snapshot.values(_NEWEST, {"messages": dialect.array(counts)})
    keys: dict[str, list[int]] = {message: [] for message in counts}
    for message, key in newest:
        keys[message].append(key)
    groups = [IncidentGroup(text, count, numbers.error_hash(text), keys[text]) for text, count in counts.items()]
    return groups, len(found) > GROUPS


@question(of_cluster)
async def processes(sources: Sources) -> list[KnownProcess]:
    """List the processes by their names, each once, at most PROCESSES_MAX."""
    async with sources.database.snapshot() as snapshot:
        found: list[Any] = await snapshot.values(_PROCESSES, {})
    return [KnownProcess(id, name or id) for id, name in found]
