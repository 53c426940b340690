"""The deployed processes that other rows refer to. They stay in memory, because a definition never changes."""

from collections import OrderedDict
from collections.abc import Iterable

from sqlalchemy import Select

from osmia_broker.state.rows import ProcessDefinition
from osmia_broker.store import schema
from osmia_broker.store.read.sql import dialect
from osmia_broker.store.read.sql.database import Database, Snapshot
from osmia_broker.store.read.sql.tables import columns_of

DEFINITIONS_MAX = 1_000  # in memory, about 1 kB each; one page has at most 1,000 items

_BY_KEY: Select[tuple[object, ...]] = columns_of(ProcessDefinition).where(
    dialect.among(schema.process_definitions.c.key, "keys")
)


class Definitions:
    """Keeps process definitions by key. The least recently used are evicted first."""

    def __init__(self) -> None:
        self._kept: OrderedDict[int, ProcessDefinition] = OrderedDict()

    async def of(self, snapshot: Snapshot, keys: Iterable[int]) -> dict[int, ProcessDefinition]:
        """Return the definition of each key. All but the key of a deleted definition is empty."""
        found: dict[int, ProcessDefinition] = {}
        missing: set[int] = set()
        for key in set(keys):
            if key in self._kept:
                self._kept.move_to_end(key)
                found[key] = self._kept[key]
            else:
                missing.add(key)
        if missing:
            read = await snapshot.rows(ProcessDefinition, _BY_KEY, {"keys": dialect.array(missing)})
            self._keep(read)
            found |= {key: _deleted(key) for key in missing} | {one.key: one for one in read}
        return found

    async def read(self, database: Database, keys: Iterable[int]) -> dict[int, ProcessDefinition]:
        """Return the same, by a snapshot of *database* only if a key is not kept."""
        wanted = set(keys)
        if wanted <= self._kept.keys():
            for key in wanted:
                self._kept.move_to_end(key)
            return {key: self._kept[key] for key in wanted}
        async with database.snapshot() as snapshot:
            return await self.of(snapshot, wanted)

    def _keep(self, read: list[ProcessDefinition]) -> None:
        self._kept.update((one.key, one) for one in read)
        while len(self._kept) > DEFINITIONS_MAX:
            self._kept.popitem(last=False)


def _deleted(key: int) -> ProcessDefinition:
    return ProcessDefinition(
        key=key,
        bpmn_process_id="",
        version=0,
        name="",
        version_tag="",
        resource_name="",
        checksum="",
        deployment_key=0,
        deployed_ms=0,
    )
