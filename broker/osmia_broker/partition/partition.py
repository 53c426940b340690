"""One partition, for those who submit commands to it: it takes them, or refuses them at once, and reports how it is.

`committing` decides and commits what was taken, `recovery` begins anew after a failure, `leaving` lets another broker lead.
"""

import asyncio
from copy import copy
from typing import Any, Self

from osmia_broker.base.errors import LeaseHeld, NotLed, Overloaded, Unavailable
from osmia_broker.engine import Budget, Turn
from osmia_broker.engine.commands import Command
from osmia_broker.metrics import PartitionCounters
from osmia_broker.partition.any_partition import PartitionStatus
from osmia_broker.partition.batch import NOBODY, Waiter
from osmia_broker.partition.clock import Clock
from osmia_broker.partition.committing import Committing
from osmia_broker.partition.compilations import Compiler, compile_in_thread
from osmia_broker.partition.counting import Counting
from osmia_broker.partition.leaving import Leaving
from osmia_broker.partition.listener import Listener
from osmia_broker.partition.opening import not_leading
from osmia_broker.partition.phase import Life, Phase
from osmia_broker.partition.publishing import Publisher
from osmia_broker.partition.recovery import Recovery
from osmia_broker.state.cluster_tables import CLUSTER_TYPES, cluster_tables
from osmia_broker.state.memory.residency import MEMORY_BYTES
from osmia_broker.state.rows import Row
from osmia_broker.state.state import State
from osmia_broker.state.store_protocol import Alone, Leadership, Store
from osmia_broker.state.tables.definitions import Compiled

BATCH_COMMANDS_MAX = 1_000  # that share a commit; what had to be loaded first, and due work, comes on top
QUEUE_COMMANDS_MAX = 1_000  # undelivered answers; beyond it a caller has to come back later


class Partition:
    """One single-writer slice of the broker's state. Belongs to the event loop it was made on."""

    is_here = True
    may_move = False

    def __init__(
        self,
        store: Store,
        clock: Clock,
        counters: PartitionCounters,
        *,
        partition_id: int = 1,
        partitions: int = 1,
        queue_max: int = QUEUE_COMMANDS_MAX,
        batch_max: int = BATCH_COMMANDS_MAX,
        memory_bytes: int = MEMORY_BYTES,
        budget: Budget | None = None,
        compiler: Compiler = compile_in_thread,
        unique_business_ids: bool = False,
        leadership: Leadership | None = None,
    ) -> None:
        self.id = partition_id
        self._store, self._clock, self._counters, self._queue_max = store, clock, counters, queue_max
        self._loop = asyncio.get_running_loop()
        self._leadership = leadership or Alone()
        self._publisher = Publisher(counters, Counting(counters))
        self._life = Life(partition_id)
        self._recovery = Recovery(partition_id, self._life, store, counters, self._publisher)
        self._leadership.when_lost = self._recovery.fail
        budget = budget or Budget()

        def empty_memory() -> Turn:
            state = State(partition_id, memory_bytes, partitions)
            return Turn(state, budget, unique_business_ids=unique_business_ids, partitions=partitions)

        self._committing = self._recovery.committing = Committing(
            store,
            clock,
            counters,
            self._leadership,
            life=self._life,
            publisher=self._publisher,
            failures=self._recovery,
            empty_memory=empty_memory,
            compiler=compiler,
            batch_max=batch_max,
        )
        self._leaving = Leaving(
            partition_id,
            self._life,
            store,
            opening=self._recovery.opening,
            committing=self._committing,
            publisher=self._publisher,
        )
        gauges = counters.gauges
        gauges.queue_commands = lambda: self.queued
        gauges.resident_instances = lambda: self.resident_instances
        gauges.held_jobs = lambda: self.state.jobs.flow.held_by_type
        gauges.passed_over = lambda: self._committing.due.passed_over

    # --- life

    async def open(self) -> None:
        """Open the store and serve. If another broker leads, return, and serve when that one is gone.

        Raises:
            StoreFailed: it cannot be opened; the text gives the reason.

        """
        try:
            self._recovery.serve(await self._store.open())
        except LeaseHeld as held:
            self._life.why_away = held
            self._recovery.opening.wait_for(held)

    async def close(self) -> None:
        """Refuse new commands, finish and answer those that were taken, and close the store. Safe to call twice.

        Commands that wait for the store to be read again are refused: nothing of them was written.
        """
        life, committing = self._life, self._committing
        if life.phase in (Phase.CLOSING, Phase.CLOSED):
            return
        self._recovery.opening.stop()
        committing.due.stop()
        life.why_away = Unavailable("Expected the partition to be open, but it is stopping")
        if life.phase.has_memory and committing.is_busy:
            life.enter(Phase.CLOSING)
            committing.schedule()
            await life.left()
        else:
            life.enter(Phase.CLOSED)
            self._publisher.refuse(committing.everybody(), life.why_away)
        await self._leaving.ended()
        await self._store.close()

    async def hand_over(self) -> None:
        """Let another broker lead, once everything that was taken is finished; then wait for the next turn. Nothing is done unless it serves."""
        await self._leaving.hand_over()

    def note_epoch(self, epoch: int) -> None:
        """Compare the own epoch with one in which a broker has led. If that is later, answer nothing more: not even a refusal would be true."""
        if epoch > self.epoch:
            self._recovery.fail(not_leading())

    def look(self) -> None:
        """Try now to open the store, if it is being waited for: the turn of this broker has come."""
        self._recovery.opening.look()

    def add_listener(self, listener: Listener) -> None:
        """Notify *listener* of everything from now on."""
        self._publisher.add(listener)

    # --- commands

    def submit(self, command: Command) -> "asyncio.Future[Any]":
        """Decide *command*; the future holds its answer once that is durable.

        Raises:
            Overloaded: too many commands wait already.
            Unavailable: the partition is not open.

        The future raises Rejection when the command was refused, and StoreFailed when it is unknown whether it took effect.
        """
        future: asyncio.Future[Any] = self._loop.create_future()
        self.decide(command, future)
        return future

    def decide(self, command: Command, waiter: Waiter) -> None:
        """Decide *command* for any kind of waiter. Raises as `submit`."""
        if not self._life.phase.takes_commands:
            raise copy(self._life.why_away)  # each refusal keeps the frames of its caller, so one for all would grow
        if self._committing.queued() >= self._queue_max:
            self._counters.refused_busy += 1
            raise Overloaded(
                f"Expected at most {self._queue_max} commands to wait, but found as many already; try again later"
            )
        self._committing.accept_call(command, waiter)

    def decide_own(self, command: Command, waiter: Waiter = NOBODY) -> None:
        """Decide a command of the broker itself; never refused for a full queue.

        While the partition is away nothing is done, and the refusal is NotLed: a job that was activated then becomes activatable again at its
        deadline.
        """
        phase = self._life.phase
        if (phase.takes_commands or phase.is_ending) and self._leaving.takes_own:
            self._committing.accept(command, waiter)
        else:
            waiter.set_exception(NotLed(str(self._life.why_away)))

    def forget_result(self, ticket: int) -> None:
        """Forget the caller with this *ticket*, who waits for a result no longer."""
        self._committing.state.awaited.forget(ticket)

    def check_clock(self) -> int | None:
        """Act at once on everything that has become due; return the next moment at which something may become due."""
        self._committing.due.end_pause()
        self._committing.schedule()
        return self._committing.state.deadlines.next_ms

    def has_activatable(self, type: str, *, leases: bool = False, waits: bool = False) -> bool:
        """Whether it is worth activating jobs of *type* now, for a caller who *leases* or does not; one who *waits* hears of others soon."""
        jobs = self._committing.state.jobs
        found = jobs.has_activatable(type, self._clock.now_ms(), leases=leases, waits=waits)
        if not found and jobs.flow.next_wake_ms is not None:
            self._committing.schedule()  # the next batch sets the alarm
        return found

    def report_jobs(self, type: str) -> None:
        """Do nothing: listeners in the same process are notified of all jobs."""

    def keep_model(self, checksum: str, model: Compiled) -> None:
        """Use what another partition has compiled from a deployed file: it never changes."""
        self._committing.state.definitions.keep_model(checksum, model)

    # --- facts for doors, metrics and probes

    @property
    def parts(self) -> tuple[Self, ...]:
        """The partitions behind this face: itself alone. A `Router` has several."""
        return (self,)

    @property
    def state(self) -> State:
        """The rows in memory, which may be ahead of the disk; begun anew after a failure. Others only read them."""
        return self._committing.state

    @property
    def is_open(self) -> bool:
        """Whether commands are taken now."""
        return self._life.phase.takes_commands

    @property
    def is_ending(self) -> bool:
        """Whether it finishes what it has taken, and takes only commands of the broker itself."""
        return self._life.phase.is_ending

    @property
    def write_failure(self) -> str:
        """Why the last commit failed; empty again after one that succeeded."""
        return self._recovery.write_failure

    @property
    def epoch(self) -> int:
        """The epoch in which this broker leads it; 0 where no other one can."""
        return self._leadership.epoch

    @property
    def leads(self) -> bool:
        """Whether no other broker can lead it now."""
        return self.is_open and self._leadership.leads()

    @property
    def why_away(self) -> str:
        """The reason why no commands are taken; empty when they are."""
        return "" if self.is_open else str(self._life.why_away)

    @property
    def queued(self) -> int:
        """The number of commands that wait for their answer."""
        return self._committing.queued()

    @property
    def resident_instances(self) -> int:
        """The number of process instances in memory."""
        return len(self.state.residency)

    @property
    def key_counter(self) -> int:
        """The last counter given out as the lower bits of a key."""
        return self.state.key_counter

    @property
    def is_at_rest(self) -> bool:
        """Whether nothing waits to be decided, written or carried out now."""
        committing = self._committing
        return self._life.phase is Phase.SERVING and not committing.is_busy and committing.due.is_at_rest

    async def status(self) -> PartitionStatus:
        """Return its state, for people."""
        failure = self.write_failure or self.why_away
        return PartitionStatus(self.queued, self.resident_instances, self.key_counter, failure)

    async def cluster_rows(self) -> list[Row]:
        """Return the living rows that partition 1 decides for all.

        Raises:
            Unavailable: memory holds none, because the store is not open.

        """
        if not self._life.phase.has_memory:
            raise Unavailable(f"Expected partition {self.id} to be open, but its store is being opened")
        tables = cluster_tables(self.state)
        return [row for kind in CLUSTER_TYPES for row in tables[kind].living()]
