"""The names that a model gives to its elements, for people who read lists.

They are not stored. They are read from the deployed file when a list first needs them, in a thread, and kept in memory. Callers who
need the same names at the same time wait for one reading.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Iterable
from concurrent.futures import Executor
from typing import Any

from sqlalchemy import Select, bindparam, select

from osmia_broker import model
from osmia_broker.errors import Unavailable
from osmia_broker.state.rows import ProcessDefinition
from osmia_broker.store import schema
from osmia_broker.store.read.database import Database

DEFINITIONS_MAX = 256  # whose names are kept: about 100 kB each for a model of 1,000 elements

Names = dict[str, str]  #: by element id; elements without a name are absent

_CONTENT: Select[Any] = select(schema.resources.c.content).where(schema.resources.c.checksum == bindparam("checksum"))


class ElementNames:
    """Element names by definition; the least recently used leave first."""

    def __init__(self, database: Database, threads: Executor) -> None:
        self._database = database
        self._threads = threads
        self._kept: OrderedDict[int, Names] = OrderedDict()
        self._reading: dict[int, asyncio.Task[Names]] = {}

    async def of(self, definitions: Iterable[ProcessDefinition]) -> dict[int, Names]:
        """Return the names of each definition by its key; none for a definition or a file that was deleted.

        No snapshot may be open meanwhile: the reading needs a connection of its own.
        """
        return {one.key: await self._names(one) for one in definitions}

    async def close(self) -> None:
        """Stop what is being read; those who wait for it are refused."""
        reading = list(self._reading.values())
        for task in reading:
            task.cancel()
        if reading:
            await asyncio.wait(reading)

    async def _names(self, definition: ProcessDefinition) -> Names:
        key = definition.key
        if not definition.checksum:
            return {}
        if key not in self._kept:
            if key not in self._reading:
                self._reading[key] = asyncio.create_task(self._read(definition))
                self._reading[key].add_done_callback(lambda task: self._keep(key, task))
            task = self._reading[key]
            await asyncio.wait({task})  # it goes on if this caller leaves, for the others
            if task.cancelled():
                raise Unavailable("Expected the broker to be open, but it is stopping")
            return task.result()
        self._kept.move_to_end(key)
        return self._kept[key]

    def _keep(self, key: int, task: asyncio.Task[Names]) -> None:
        del self._reading[key]
        if task.cancelled() or task.exception() is not None:
            return
        self._kept[key] = task.result()
        while len(self._kept) > DEFINITIONS_MAX:
            self._kept.popitem(last=False)

    async def _read(self, definition: ProcessDefinition) -> Names:
        async with self._database.snapshot() as snapshot:
            found = await snapshot.values(_CONTENT, {"checksum": definition.checksum})
        if not found:
            return {}
        ((content,),) = found
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, _names_in, definition, content)


def _names_in(definition: ProcessDefinition, content: bytes) -> Names:
    try:
        processes = model.parse(definition.resource_name, content)
    except model.InvalidModel:  # an older Osmia accepted it; a list is useful without names too
        return {}
    return {
        element.id: element.name
        for process in processes
        if process.id == definition.bpmn_process_id
        for element in process.elements.values()
        if element.name
    }
