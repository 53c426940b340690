"""The faces of a broker's partitions for those who submit commands: of one partition, here or elsewhere, and of all of them together."""

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from osmia_broker.engine.commands import Command
from osmia_broker.partition.batch import NOBODY, Waiter
from osmia_broker.partition.listener import Listener
from osmia_broker.state.rows import Row
from osmia_broker.state.tables.definitions import Compiled

WAIT_S = 1.0  # that a caller waits for partitions that lag; their callers are refused meanwhile


class PartitionStatus(msgspec.Struct, frozen=True, array_like=True):
    """The state of a partition, for people."""

    queued: int  #: commands that wait for their answer
    resident_instances: int
    key_counter: int
    failure: str  #: why it cannot be used, or not written; empty if nothing is wrong


class AnyPartition(Protocol):
    """One partition. Where it is led, here or in another process, makes no difference to those who use it."""

    id: int
    may_move: bool  #: whether another process may lead it

    @property
    def is_here(self) -> bool:
        """Whether this process leads it."""

    @property
    def is_open(self) -> bool:
        """Whether commands are taken now."""

    @property
    def why_away(self) -> str:
        """The reason why no commands are taken; empty when they are."""

    @property
    def write_failure(self) -> str:
        """Why the last commit failed; empty again after one that succeeded."""

    @property
    def queued(self) -> int:
        """The number of commands that wait for their answer, as far as this process knows."""

    @property
    def is_at_rest(self) -> bool:
        """Whether nothing waits to be decided, written or carried out now, as far as this process knows."""

    def submit(self, command: Command) -> "asyncio.Future[Any]":
        """Decide *command*; the future holds its answer once that is durable. Raises as `Partition.submit`."""

    def decide(self, command: Command, waiter: Waiter) -> None:
        """Decide *command* for any kind of waiter. Raises as `submit`."""

    def decide_own(self, command: Command, waiter: Waiter = NOBODY) -> None:
        """Decide a command of the broker itself; never refused for a full queue."""

    def has_activatable(self, type: str, *, leases: bool = False, waits: bool = False) -> bool:
        """Whether it is worth activating jobs of *type*, for a caller who *leases* or does not."""

    def report_jobs(self, type: str) -> None:
        """Report jobs of *type* that become activatable to the listeners, from now on."""

    def add_listener(self, listener: Listener) -> None:
        """Notify *listener* of everything from now on."""

    def forget_result(self, ticket: int) -> None:
        """Forget the caller with this *ticket*, who waits for a result no longer."""

    def check_clock(self) -> int | None:
        """Act on everything that has become due; return the next moment at which something may become due."""

    def keep_model(self, checksum: str, model: Compiled) -> None:
        """Use what another partition has compiled from a deployed file, if it can be reached."""

    async def cluster_rows(self) -> list[Row]:
        """Return the living rows that partition 1 decides for all (`state/cluster_tables.py`)."""

    async def status(self) -> PartitionStatus:
        """Return its state, for people."""


class Follows(Protocol):
    """Knows which partitions have not taken over everything that partition 1 has decided for all."""

    @property
    def lagging(self) -> list[int]:
        """Their numbers."""

    def is_behind(self, partition: AnyPartition) -> bool:
        """Whether a partition is one of them."""

    async def caught_up(self, wait_s: float = WAIT_S) -> None:
        """Wait until none that is open lags, at most *wait_s*."""

    def stop(self) -> None:
        """Let none take over anything more."""


class Submits(Protocol):
    """Takes commands."""

    @property
    def parts(self) -> Sequence[AnyPartition]:
        """The partitions, in order of their numbers."""

    def submit(self, command: Command) -> "asyncio.Future[Any]":
        """Decide *command*; the future holds its answer once that is durable. Raises as `Partition.submit`."""


class Partitions(Submits, Protocol):
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
