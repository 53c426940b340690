"""Deleted definitions that drain: instances of them still run, in any partition."""

from typing import Any

from sqlalchemy import ColumnElement, Select, select

from osmia_broker.state.rows import RUNNING
from osmia_broker.store import schema
from osmia_broker.store.read.sources import Sources
from osmia_broker.store.read.sql import dialect
from osmia_broker.store.read.sql.database import snapshots_of

DRAINING = "draining_definitions"  #: the parameter with their keys

_definition = schema.process_definitions
_process = schema.element_instances
_RUNS = select(_process.c.key).where(
    _process.c.type == schema.PROCESS,
    _process.c.process_definition_key == _definition.c.key,
    _process.c.state.in_(RUNNING),
)
_KEYS: Select[Any] = select(_definition.c.key).where(_definition.c.deleted_ms > 0, _RUNS.exists())


async def draining(sources: Sources) -> dict[str, str]:
    """Ask all partitions for the keys of these definitions; return them as the parameter for `drains`."""
    async with snapshots_of([part.database for part in sources.parts]) as snapshots:
        found = {key for snapshot in snapshots for (key,) in await snapshot.values(_KEYS, {})}
    return {DRAINING: dialect.array(sorted(found))}


def drains(key: ColumnElement[int]) -> ColumnElement[bool]:
    """Whether the definition with this key is deleted and drains."""
    return dialect.among(key, DRAINING)
