"""The commands of a person: those that the audit log asks for reach the partition with the person's name."""

import asyncio
from collections.abc import Sequence
from typing import Any

from osmia_broker.engine.audit import by_person
from osmia_broker.engine.commands import Command
from osmia_broker.partition import AnyPartition, Submits


class OperatedPartition:
    """Submits commands to *partition* as operations of *user*."""

    def __init__(self, partition: Submits, user: str) -> None:
        self._partition = partition
        self._user = user

    @property
    def parts(self) -> Sequence[AnyPartition]:
        """The partitions themselves."""
        return self._partition.parts

    def submit(self, command: Command) -> "asyncio.Future[Any]":
        """Submit a command, as `Partition.submit` does."""
        return self._partition.submit(by_person(command, self._user))
