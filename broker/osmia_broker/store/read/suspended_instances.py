"""The suspended ones of process instances, for lists that show what belongs to them."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import select

from osmia_broker.state.rows import InstanceOrigin
from osmia_broker.store import schema
from osmia_broker.store.read import dialect
from osmia_broker.store.read.sources import Sources, of_all, question

_origin = schema.TABLES[InstanceOrigin]
_SUSPENDED = select(_origin.c.process_instance_key).where(
    dialect.among(_origin.c.process_instance_key, "keys"), _origin.c.suspended_ms > schema.NOT_ENDED
)


def _all(found: list[set[int]], _given: dict[str, Any]) -> set[int]:
    return set().union(*found)


@question(of_all(_all))
async def suspended_of(sources: Sources, process_instance_keys: Iterable[int]) -> set[int]:
    """Return those of the process instances that are suspended."""
    async with sources.database.snapshot() as snapshot:
        rows = await snapshot.values(_SUSPENDED, {"keys": dialect.array(process_instance_keys)})
    return {key for (key,) in rows}
