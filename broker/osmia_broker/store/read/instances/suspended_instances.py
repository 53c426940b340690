"""The suspended ones of process instances, for lists that show what belongs to them."""

from collections.abc import Iterable
from typing import Any

from osmia_broker.store.read.entities import beside
from osmia_broker.store.read.sources import Sources, of_all, question
from osmia_broker.store.read.sql import dialect

_EVERY = beside.suspended()
_SUSPENDED = _EVERY.where(dialect.among(_EVERY.selected_columns.process_instance_key, "keys"))


def _all(found: list[set[int]], _given: dict[str, Any]) -> set[int]:
    return set().union(*found)


@question(of_all(_all))
async def suspended_of(sources: Sources, process_instance_keys: Iterable[int]) -> set[int]:
    """Return those of the process instances that are suspended."""
    async with sources.database.snapshot() as snapshot:
        rows = await snapshot.values(_SUSPENDED, {"keys": dialect.array(process_instance_keys)})
    return {key for (key,) in rows}
