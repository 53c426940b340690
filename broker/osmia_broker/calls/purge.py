"""Delete all that people have put into a broker that is for tests: what is deployed, what runs, and the history of both.

Each deletion is a command of its own, so a purge that is cut off has deleted a part, and the next one deletes the rest.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from osmia_broker.base.counted import counted
from osmia_broker.base.errors import InvalidState, NotFound, OsmiaError
from osmia_broker.calls.batches.items import ROOTS, RUNNING
from osmia_broker.engine.commands import CancelProcessInstance, Command, DeleteClusterVariable, DeleteResource
from osmia_broker.engine.commands.batches import DeleteEndedInstance, DeleteEvaluation, DeleteMessage
from osmia_broker.engine.commands.job_flow import LimitJobs, ListJobFlow, ResumeJobs
from osmia_broker.engine.commands.tasks import DeleteGlobalTaskListener
from osmia_broker.partition import Clock, Submits
from osmia_broker.store.read import Reader
from osmia_broker.store.read.entities import (
    CLUSTER_VARIABLES,
    DECISION_INSTANCES,
    GLOBAL_TASK_LISTENERS,
    MESSAGES,
    PROCESS_INSTANCES,
    RESOURCES,
)
from osmia_broker.store.read.search.entity import Entity
from osmia_broker.store.read.search.search import Search, search

PAGE_ITEMS = 200  # deleted at a time
LOOKS = 400  # for instances that are still ending, before the purge has failed
LOOK_S = 0.05

log = logging.getLogger(__name__)

Deletion = Callable[[Mapping[str, Any]], Command]


@dataclass(slots=True)
class Change:
    """One purge. *status* is IN_PROGRESS, COMPLETED or FAILED, as the reference broker names it."""

    id: int
    started_ms: int
    ended_ms: int = 0
    status: str = "IN_PROGRESS"


class Purge:
    """The purges of this broker since its start, one at a time. `begin` and `stop` belong to the event loop of the partitions."""

    def __init__(self, partitions: Submits, reader: Reader, clock: Clock) -> None:
        self._partitions = partitions
        self._reader = reader
        self._clock = clock
        self._work: asyncio.Task[None] | None = None
        self.last: Change | None = None
        self.last_completed_id = -1  #: as topologies name it; -1: none

    @property
    def next_id(self) -> int:
        """The id of the next purge."""
        return self.last.id + 1 if self.last else 1

    def begin(self) -> Change:
        """Begin to delete everything. If a purge is at work, return that one."""
        if self.last is None or self.last.status != "IN_PROGRESS":
            self.last = Change(self.next_id, self._clock.now_ms())
            self._work = asyncio.ensure_future(self._carry_out(self.last))
        return self.last

    async def stop(self) -> None:
        """End the purge that is at work. Safe to call twice, and before `begin`."""
        if self._work is not None:
            self._work.cancel()
            await asyncio.gather(self._work, return_exceptions=True)

    async def _carry_out(self, change: Change) -> None:
        try:
            await self._delete_all()
        except OsmiaError as error:
            log.warning("the purge failed", extra={"error": str(error)})
            change.status = "FAILED"
        except Exception:
            log.exception("the purge failed")
            change.status = "FAILED"
        else:
            change.status, self.last_completed_id = "COMPLETED", change.id
            log.info("everything was deleted")
        change.ended_ms = self._clock.now_ms()

    async def _delete_all(self) -> None:
        """Delete first what could begin anything new, then the rest.

        Raises:
            InvalidState: an instance does not end, for it waits for a task listener.
            OsmiaError: a partition is away.
        """
        await self._release_jobs()
        await self._delete(GLOBAL_TASK_LISTENERS, lambda item: DeleteGlobalTaskListener(item["id"]))
        await self._delete(RESOURCES, lambda item: DeleteResource(int(item["resourceKey"])))
        await self._delete(MESSAGES, lambda item: DeleteMessage(int(item["messageKey"])))
        await self._cancel_instances()
        await self._delete(PROCESS_INSTANCES, lambda item: DeleteEndedInstance(int(item["processInstanceKey"])))
        await self._delete(DECISION_INSTANCES, lambda item: DeleteEvaluation(int(item["decisionEvaluationKey"])))
        await self._delete(CLUSTER_VARIABLES, lambda item: DeleteClusterVariable(item["name"]))

    async def _release_jobs(self) -> None:
        """Take back the pauses and limits of jobs: a job type is no resource, and the next test may have one of the same name."""
        rows = (await self._partitions.submit(ListJobFlow())).rows
        paused = [ResumeJobs(row.job_type, row.process_definition_key) for row in rows if row.paused_ms]
        await self._submit([*paused, *(LimitJobs(row.job_type) for row in rows if row.job_type)])

    async def _cancel_instances(self) -> None:
        """Cancel what runs, and wait for the end: thousands of tokens end one after the other."""
        for _ in range(LOOKS):
            keys = await self._page(PROCESS_INSTANCES, "", RUNNING | ROOTS)
            if not keys[0]:
                return
            await self._submit([CancelProcessInstance(int(one["processInstanceKey"])) for one in keys[0]])
            await asyncio.sleep(LOOK_S)
        found = counted(len(keys[0]), "process instance")
        raise InvalidState(
            f"Expected all process instances to end, but found {found} running: a task listener must let it go"
        )

    async def _delete(self, entity: Entity, deletion: Deletion) -> None:
        after = ""
        while True:
            items, after = await self._page(entity, after, {})
            await self._submit(list(dict.fromkeys(map(deletion, items))))
            if not after:
                return

    async def _page(self, entity: Entity, after: str, scope: Mapping[str, Any]) -> tuple[list[Any], str]:
        page = {"limit": PAGE_ITEMS} | ({"after": after} if after else {})
        found = await search(self._reader, entity, Search(page=page), scope=dict(scope))
        return found.items, found.next

    async def _submit(self, commands: list[Command]) -> None:
        """Submit *commands* together. What has gone meanwhile needs no deletion.

        Raises:
            OsmiaError: one of them is refused for another reason, or a partition is away.
        """
        for outcome in await asyncio.gather(*map(self._answer, commands), return_exceptions=True):
            if isinstance(outcome, BaseException) and not isinstance(outcome, NotFound):
                raise outcome

    async def _answer(self, command: Command) -> Any:
        """Wait for the answer to *command*; one that is refused at once is like one that is refused later."""
        return await self._partitions.submit(command)
