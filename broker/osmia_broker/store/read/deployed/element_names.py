"""The names that a model gives to its elements, the ends of its sequence flows, and its conditions, for people who read lists.

The database has no column for them. When a list first needs those of a definition, the deployed file is parsed in a thread, and
they stay in memory. Callers who need the same ones at the same time wait for the same parse.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Iterable
from concurrent.futures import Executor
from typing import Any

import msgspec
from sqlalchemy import Select, bindparam, select

from osmia_broker import model
from osmia_broker.model.events import ConditionEvent
from osmia_broker.state.rows import ProcessDefinition
from osmia_broker.store import schema
from osmia_broker.store.read.sql.database import Database, stopping

DEFINITIONS_MAX = 256  # in memory; a model of 1,000 elements has about 100 kB of names

Names = dict[str, str]  #: by element id; elements without a name are absent
Ends = dict[str, tuple[str, str]]  #: by the id of a sequence flow: the elements from which and to which it leads

_CONTENT: Select[Any] = select(schema.resources.c.content).where(schema.resources.c.checksum == bindparam("checksum"))


class Condition(msgspec.Struct, frozen=True):
    """The condition of a conditional event: its expression, and the changes of variables that count."""

    expression: str = ""
    changes: list[str] = []


class Drawn(msgspec.Struct, frozen=True):
    """The names of the elements of a process, the ends of its sequence flows and its conditions by element, from its model."""

    names: Names = {}
    ends: Ends = {}
    conditions: dict[str, Condition] = {}


class ElementNames:
    """Keeps the drawn names and ends by definition. The least recently used are evicted first."""

    def __init__(self, database: Database, threads: Executor) -> None:
        self._database = database
        self._threads = threads
        self._kept: OrderedDict[int, Drawn] = OrderedDict()
        self._reading: dict[int, asyncio.Task[Drawn]] = {}

    async def of(self, definitions: Iterable[ProcessDefinition]) -> dict[int, Names]:
        """Return the names of each definition by its key. A definition or file that was deleted has no names.

        The caller must have left its snapshot: the names are read over another connection, and four waiting callers would hold all.
        """
        return {one.key: (await self.drawn(one)).names for one in definitions}

    async def close(self) -> None:
        """Stop reading, and refuse the callers who wait."""
        reading = list(self._reading.values())
        for task in reading:
            task.cancel()
        if reading:
            await asyncio.wait(reading)

    async def drawn(self, definition: ProcessDefinition) -> Drawn:
        """Return the names and the flows of one definition. The same holds for it as for `of`."""
        key = definition.key
        if not definition.checksum:
            return Drawn()
        if key not in self._kept:
            if key not in self._reading:
                self._reading[key] = asyncio.create_task(self._read(definition))
                self._reading[key].add_done_callback(lambda task: self._keep(key, task))
            task = self._reading[key]
            await asyncio.wait({task})  # it goes on if this caller leaves, for the others
            if task.cancelled():
                raise stopping()
            return task.result()
        self._kept.move_to_end(key)
        return self._kept[key]

    def _keep(self, key: int, task: asyncio.Task[Drawn]) -> None:
        del self._reading[key]
        if task.cancelled() or task.exception() is not None:
            return
        self._kept[key] = task.result()
        while len(self._kept) > DEFINITIONS_MAX:
            self._kept.popitem(last=False)

    async def _read(self, definition: ProcessDefinition) -> Drawn:
        async with self._database.snapshot() as snapshot:
            found = await snapshot.values(_CONTENT, {"checksum": definition.checksum})
        if not found:
            return Drawn()
        ((content,),) = found
        if type(content) is not bytes:  # a corrupt row
            return Drawn()
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, _drawn_in, definition, content)


def _drawn_in(definition: ProcessDefinition, content: bytes) -> Drawn:
    try:
        processes = model.parse(definition.resource_name, content)
    except model.InvalidModel:  # an older Osmia accepted it; a list is useful without names too
        return Drawn()
    elements = [
        element
        for process in processes
        if process.id == definition.bpmn_process_id
        for element in process.elements.values()
    ]
    return Drawn(
        {element.id: element.name for element in elements if element.name},
        {flow.id: (flow.source.id, flow.target.id) for element in elements for flow in element.outgoing},
        {
            element.id: Condition(element.event.condition.text, sorted(element.event.changes))
            for element in elements
            if isinstance(element.event, ConditionEvent)
        },
    )
