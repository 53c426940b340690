"""The commands of a person: those that the audit log asks for reach the partitions with the person's name."""

import asyncio
from collections.abc import Sequence
from typing import Any

from osmia_broker.engine.audit import by_person
from osmia_broker.engine.commands import Command
from osmia_broker.partition import AnyPartition, Submits


class PartitionsByPerson:
    """Submits commands to *partitions* as operations of *user*."""

    def __init__(self, partitions: Submits, user: str) -> None:
        self._partitions = partitions
        self._user = user

    @property
    def parts(self) -> Sequence[AnyPartition]:
        """The partitions themselves."""
        return self._partitions.parts

    def submit(self, command: Command) -> "asyncio.Future[Any]":
        """Submit a command, as `Partition.submit` does."""
        return self._partitions.submit(by_person(command, self._user))
