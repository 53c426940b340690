"""Business ids of process instances that began before these had to be unique, over several partitions.

With unique business ids, a creation is carried out in the partition that decides about its id, so that one knows all later ones. An instance
that began before may live in any other partition. No more of them can come, so the rows that are committed show all: they are read before a
creation, until a look through all living ids has found none.
"""

import asyncio
import logging
from typing import Protocol

from osmia_broker.base.errors import AlreadyExists, OsmiaError
from osmia_broker.engine.commands import CreateProcessInstance

AGAIN_S = 60.0  # between a look that has found such an instance and the next one

log = logging.getLogger(__name__)


class ReadsIds(Protocol):
    """Reads the committed business ids of all partitions."""

    async def has_misplaced_ids(self, *, partitions: int) -> bool:
        """Return whether a living instance is in another partition than the one that decides about its business id."""

    async def misplaced_holder(
        self, *, bpmn_process_id: str, process_definition_key: int, business_id: str, partitions: int
    ) -> tuple[str, int] | None:
        """Return a process and its living root instance with this business id, if that is in another partition than the one that decides."""


class OlderIds:
    """Refuses creations with the business id of an older instance."""

    def __init__(self, reads: ReadsIds, partitions: int) -> None:
        self._reads, self._partitions = reads, partitions
        self._look: asyncio.Task[None] | None = None
        self.may_exist = True  #: whether there may be such instances; once there are none, there never are

    async def refuse_taken(self, command: CreateProcessInstance) -> None:
        """Refuse *command* if an older instance has its business id.

        Raises:
            AlreadyExists: one has.
            OsmiaError: it cannot be found out now.

        """
        if self._look is None:
            self._look = asyncio.ensure_future(self._look_through())
        holder = await self._reads.misplaced_holder(
            bpmn_process_id=command.bpmn_process_id,
            process_definition_key=command.process_definition_key,
            business_id=command.business_id,
            partitions=self._partitions,
        )
        if holder is not None:
            process_id, key = holder
            refusal = AlreadyExists(
                f"Expected to create instance of process '{process_id}' with business id '{command.business_id}',"
                f" but process instance '{key}' has it"
            )
            refusal.intent = command.intent
            raise refusal

    async def _look_through(self) -> None:
        """Look once; the next creation begins anew if that fails, or some time after one was found."""
        try:
            self.may_exist = await self._reads.has_misplaced_ids(partitions=self._partitions)
        except OsmiaError as fault:
            log.warning("older business ids cannot be read", extra={"error": str(fault)})
            self._look = None
            return
        if self.may_exist:
            await asyncio.sleep(AGAIN_S)
            self._look = None

    def stop(self) -> None:
        """Look no further."""
        if self._look is not None:
            self._look.cancel()
