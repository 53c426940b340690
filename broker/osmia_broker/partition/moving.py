"""A partition that this broker may lead, and that another one leads otherwise: whoever uses it does not know which of the two is so now."""

import asyncio
from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from osmia_broker.base.errors import Unavailable
from osmia_broker.engine.commands import Command
from osmia_broker.partition.any_partition import PartitionStatus
from osmia_broker.partition.away import AwaySince
from osmia_broker.partition.batch import NOBODY, Waiter
from osmia_broker.partition.listener import Listener
from osmia_broker.partition.partition import Partition
from osmia_broker.partition.remote import RemotePartition
from osmia_broker.state.rows import Row
from osmia_broker.state.state import State
from osmia_broker.state.tables.definitions import Compiled

MOVES_S = 10.0  # a move takes less: also one after a death that nobody has reported


class _Opened(Listener):
    """Makes a call whenever a partition has opened."""

    def __init__(self, call: Callable[[], object]) -> None:
        self._call = call

    def partition_opened(self) -> None:
        self._call()


class MovingPartition:
    """The partition as *own*, while this broker leads it, and as *elsewhere*, while another one does."""

    may_move = True

    def __init__(self, own: Partition, elsewhere: RemotePartition) -> None:
        self.id = own.id
        self.own, self.elsewhere = own, elsewhere
        # First: the others are notified that it is away, and then where it is.
        elsewhere.add_listener(_Opened(self._compare))
        own.add_listener(_Opened(lambda: asyncio.get_running_loop().call_soon(self._compare)))
        self._away = AwaySince()
        self.add_listener(self._away)

    def _compare(self) -> None:
        """Lead no longer if another broker is known to have led later; the lease says so only with the next beat or commit."""
        self.own.note_epoch(self.elsewhere.epoch)

    @property
    def is_here(self) -> bool:
        """Whether this process leads it, and it takes commands."""
        return self.own.is_open

    @property
    def _led(self) -> Partition | RemotePartition:
        return self.own if self.own.is_open else self.elsewhere

    @property
    def is_open(self) -> bool:
        """Whether commands are taken now, here or elsewhere."""
        return self.own.is_open or self.elsewhere.is_open

    @property
    def is_lost(self) -> bool:
        """Whether it cannot be used, and that for longer than a move takes; or has not been used yet."""
        return not self.is_open and self._away.is_over(MOVES_S)

    @property
    def why_away(self) -> str:
        """The reason why no commands are taken; empty when they are."""
        return "" if self.is_open else f"{self.own.why_away}; elsewhere, {self.elsewhere.why_away}"

    @property
    def write_failure(self) -> str:
        """Why the last commit failed here; empty again after one that succeeded, and while another broker leads."""
        return self.own.write_failure if self.own.is_open else ""

    @property
    def queued(self) -> int:
        """The number of commands that wait for their answer, as far as this process knows."""
        return self._led.queued

    @property
    def is_at_rest(self) -> bool:
        """Whether nothing waits to be decided, written or carried out now, as far as this process knows."""
        return self.elsewhere.is_at_rest and (not self.own.is_open or self.own.is_at_rest)

    @property
    def state(self) -> State:
        """The rows in memory, if it is led here."""
        return self.own.state

    def submit(self, command: Command) -> "asyncio.Future[Any]":
        """Decide *command*; the future holds its answer once that is durable. Raises as `Partition.submit`."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.decide(command, future)
        return future

    def decide(self, command: Command, waiter: Waiter) -> None:
        """Decide *command* for any kind of waiter. Raises as `submit`."""
        if not self.is_open:
            raise Unavailable(f"Expected partition {self.id} to be open, but found: {self.why_away}")
        self._led.decide(command, waiter)

    def decide_own(self, command: Command, waiter: Waiter = NOBODY) -> None:
        """Decide a command of the broker itself; never refused for a full queue."""
        (self.own if self.own.is_ending else self._led).decide_own(command, waiter)

    def has_activatable(self, type: str, *, leases: bool = False, waits: bool = False) -> bool:
        """Whether it is worth activating jobs of *type*, for a caller who *leases* or does not."""
        return self._led.has_activatable(type, leases=leases, waits=waits)

    def report_jobs(self, type: str) -> None:
        """Report jobs of *type* that become activatable to the listeners, from now on."""
        self._led.report_jobs(type)

    def add_listener(self, listener: Listener) -> None:
        """Notify *listener* of everything from now on that is known here."""
        self.own.add_listener(listener)
        self.elsewhere.add_listener(listener)

    def forget_result(self, ticket: int) -> None:
        """Forget the caller with this *ticket*, who waits for a result no longer."""
        self.own.forget_result(ticket)
        self.elsewhere.forget_result(ticket)

    def check_clock(self) -> int | None:
        """Act on everything that has become due here; return the next moment at which something may become due."""
        return self.own.check_clock() if self.own.is_open else None

    def keep_model(self, checksum: str, model: Compiled) -> None:
        """Use what another partition has compiled from a deployed file, if it is led here."""
        if self.own.is_open:
            self.own.keep_model(checksum, model)

    async def cluster_rows(self) -> list[Row]:
        """Return the living rows that partition 1 decides for all. Raises Unavailable if it cannot be asked."""
        return await self._led.cluster_rows()

    async def status(self) -> PartitionStatus:
        """Return its state, for people."""
        found = await self._led.status()
        return found if self.is_open else replace(found, failure=self.why_away)
