"""The face of a broker's partitions for those who submit commands: one partition has it, and so has the router over several."""

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol

from osmia_broker.engine.commands import Command
from osmia_broker.partition.listener import Listener
from osmia_broker.partition.partition import Partition


class Submits(Protocol):
    """Takes commands."""

    @property
    def parts(self) -> Sequence[Partition]:
        """The partitions, in order of their numbers."""

    def submit(self, command: Command) -> "asyncio.Future[Any]":
        """Decide *command*; the future holds its answer once that is durable. Raises as `Partition.submit`."""


class Face(Submits, Protocol):
    """Takes commands and reports what has become of them."""

    def add_listener(self, listener: Listener) -> None:
        """Notify *listener* of everything from now on, in all partitions."""

    def forget_result(self, ticket: int) -> None:
        """Forget the caller with this *ticket*, who waits for a result no longer."""

    def check_clock(self) -> int | None:
        """Act on everything that has become due; return the next moment at which something may become due."""

    @property
    def is_at_rest(self) -> bool:
        """Whether nothing waits to be decided, written or carried out now."""
