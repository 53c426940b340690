"""The commands of a person: those that the audit log asks for reach the partition with the person's name."""

import asyncio
from typing import Any

from osmia_broker.engine.audit import by_person
from osmia_broker.engine.commands import Command
from osmia_broker.partition import Partition


class OperatedPartition:
    """Submits commands to *partition* as operations of *user*."""

    def __init__(self, partition: Partition, user: str) -> None:
        self._partition = partition
        self._user = user

    @property
    def id(self) -> int:
        """The number of the partition."""
        return self._partition.id

    @property
    def is_open(self) -> bool:
        """Whether the partition takes commands now."""
        return self._partition.is_open

    def submit(self, command: Command) -> "asyncio.Future[Any]":
        """Submit a command, as `Partition.submit` does."""
        return self._partition.submit(by_person(command, self._user))
