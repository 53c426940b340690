"""The loop of a partition: decide at once, commit together, answer after the commit.

A command is decided the moment it arrives, against memory that may be ahead of the disk. Its answer waits in the open batch. While one
batch is being written, the next one fills. A command that meets a row which is not resident is undone, its process instance is loaded
together with the next write, and it is decided again.

If a write fails, memory is ahead of the disk: all waiting callers are refused, memory is dropped, and the store is opened again. If a
value was the reason, nothing was written, and only the command with that value is refused; the others are decided again (`backlog`).
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from copy import copy
from functools import partial
from itertools import chain
from time import perf_counter
from typing import Any

from osmia_broker.base.errors import (
    InvalidArgument,
    LeaseHeld,
    NotLed,
    OsmiaError,
    Overloaded,
    StoreFailed,
    StoreFull,
    Unavailable,
    ValueRefused,
)
from osmia_broker.engine import Budget, Turn, UndoFailed
from osmia_broker.engine.commands import Command
from osmia_broker.metrics import PartitionCounters
from osmia_broker.partition.backlog import Backlog
from osmia_broker.partition.batch import NOBODY, Batch, Blocked, Waiter, Waiting
from osmia_broker.partition.clock import Clock
from osmia_broker.partition.counting import Counting
from osmia_broker.partition.deciding import Deciding
from osmia_broker.partition.due_work import DueWork, LoadedWalks
from osmia_broker.partition.leaving import Leaving
from osmia_broker.partition.listener import Listener
from osmia_broker.partition.models import Compilations, Compiler, Model, compile_in_thread
from osmia_broker.partition.opening import Opening, no_commit, not_leading
from osmia_broker.partition.pace import Pace
from osmia_broker.partition.phase import NEXT, Phase
from osmia_broker.partition.publishing import Publisher
from osmia_broker.state.residency import MEMORY_BYTES
from osmia_broker.state.state import State
from osmia_broker.state.store_protocol import Alone, Leadership, Loaded, Start, Store, Wanted, Written

BATCH_COMMANDS_MAX = 1_000  # that share a commit; what had to be loaded first, and due work, comes on top
QUEUE_COMMANDS_MAX = 1_000  # undelivered answers; beyond it a caller has to come back later (reliability.md, section 5)
TRY_S = (5.0, 10.0, 30.0)  # pauses before a partition that could not write tries by itself; the last one repeats

log = logging.getLogger(__name__)


class Partition(Leaving):
    """One single-writer slice of the broker's state. Belongs to the event loop it was made on."""

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
        self.write_failure = ""  #: why the last commit failed; empty again after one that succeeded
        self._store, self._clock, self._counters = store, clock, counters
        self._leadership = leadership or Alone()
        self._leadership.when_lost = self._lost
        self._queue_max, self._batch_max, self._memory_bytes = queue_max, batch_max, memory_bytes
        self._unique_business_ids, self._partitions = unique_business_ids, partitions
        self._budget = budget or Budget()
        self._compiler = compiler
        self._loop = asyncio.get_running_loop()
        self._publisher = Publisher(counters, Counting(counters))
        self._life = 0  # counts the times that memory was begun anew; what an earlier life left is ignored
        self._batch = Batch(1)
        self._in_flight: Batch | None = None
        self._retry: deque[Blocked] = deque()  # commands whose rows have been loaded
        self._backlog = Backlog()
        self._durable_key = 0  # the key counter of the last commit
        self._trial: asyncio.TimerHandle | None = None
        self._failures = 0  # commits that failed since the last one that succeeded
        self._scheduled = False
        self._phase = Phase.AWAY
        self._why_away: OsmiaError = Unavailable("Expected the partition to be open, but it is starting")
        self._drained: asyncio.Future[None] = self._loop.create_future()  # done when nothing is left to be closed
        self._pace = Pace(self._loop)
        self._opening = Opening(store, partition_id, self._serve, self._not_opened, self._guarded)
        self._begin_memory()
        self._due = self._new_due_work()
        counters.follow(
            lambda: self.queued,
            lambda: self.resident_instances,
            lambda: self._state.jobs.flow.held_by_type,
            lambda: self._due.passed_over,
        )

    def _begin_memory(self) -> None:
        self._life += 1
        self._state = State(self.id, self._memory_bytes, self._partitions)
        self._turn = Turn(
            self._state, self._budget, unique_business_ids=self._unique_business_ids, partitions=self._partitions
        )
        self._deciding = Deciding(self._turn, self._clock, self._counters)
        self._compilations = Compilations(self._compiler, self._compiled)

    def _new_due_work(self) -> DueWork:
        return DueWork(self._clock, self._state.deadlines, self._decide_due, self._schedule, self._guarded)

    def _renew_due_work(self) -> None:
        self._due.stop()
        self._due = self._new_due_work()

    # --- life

    async def open(self) -> None:
        """Open the store and serve. If another broker leads, return, and serve when that one is gone.

        Raises:
            StoreFailed: it cannot be opened; the text gives the reason.

        """
        try:
            self._serve(await self._store.open())
        except LeaseHeld as held:
            self._why_away = held
            self._opening.wait_for(held)

    async def close(self) -> None:
        """Refuse new commands, finish and answer those that were taken, and close the store. Safe to call twice.

        Commands that wait for the store to be read again are refused: nothing of them was written.
        """
        if self._phase in (Phase.CLOSING, Phase.CLOSED):
            return
        self._opening.stop()
        self._due.stop()
        self._why_away = Unavailable("Expected the partition to be open, but it is stopping")
        if self._phase.has_memory and self._is_busy:
            self._enter(Phase.CLOSING)
            self._schedule()
            await self._drained
        else:
            self._enter(Phase.CLOSED)
            self._publisher.refuse(self._everybody(()), self._why_away)
        await self._store.close()

    def _enter(self, phase: Phase) -> None:
        """Go over to another *phase*; the only place where it changes."""
        assert phase in NEXT[self._phase], f"partition {self.id}: {self._phase} -> {phase}"
        self._phase = phase
        if phase is not Phase.LEAVING:
            self._end_leaving(is_done=False)
        if phase is Phase.CLOSED and not self._drained.done():
            self._drained.set_result(None)

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
        if not self._phase.takes_commands:
            raise copy(self._why_away)  # each refusal keeps the frames of its caller, so one for all would grow
        if self.queued >= self._queue_max:
            self._counters.refused_busy += 1
            raise Overloaded(
                f"Expected at most {self._queue_max} commands to wait, but found as many already; try again later"
            )
        self._accept(command, waiter)

    def decide_own(self, command: Command, waiter: Waiter = NOBODY) -> None:
        """Decide a command of the broker itself; never refused for a full queue.

        While the partition is away nothing is done, and the refusal is NotLed: a job that was activated then becomes activatable again at its deadline.
        """
        if self._takes_own:
            self._accept(command, waiter)
        else:
            waiter.set_exception(NotLed(str(self._why_away)))

    def _accept(self, command: Command, waiter: Waiter) -> None:
        if self._backlog.must_wait or not self._phase.has_memory or len(self._batch) >= self._batch_max:
            self._backlog.add(command, waiter)
            return
        try:
            self._deciding.attempt(self._batch, command, waiter)
        except UndoFailed as broken:
            self._start_over(StoreFailed(f"Expected memory to be whole, but found: {broken}"))
        else:
            self._schedule()

    def _decide_due(self, command: Command, waiter: Waiter) -> None:
        """Decide a command of the due work. It has bounds of its own, so a full batch takes it too."""
        if self._backlog.is_searching or not self._phase.has_memory:
            self._backlog.add(command, waiter)
        else:
            self._deciding.attempt(self._batch, command, waiter)

    def forget_result(self, ticket: int) -> None:
        """Forget the caller with this *ticket*, who waits for a result no longer."""
        self._state.awaited.forget(ticket)

    def check_clock(self) -> int | None:
        """Act on everything that has become due; return the next moment at which something may become due."""
        self._schedule()
        return self._state.deadlines.next_ms

    def has_activatable(self, type: str, *, leases: bool = False) -> bool:
        """Whether it is worth activating jobs of *type*, for a caller who *leases* or does not."""
        found = self._state.jobs.has_activatable(type, self._clock.now_ms(), leases=leases)
        if not found and self._state.jobs.flow.next_wake_ms is not None:
            self._schedule()  # the next batch sets the alarm
        return found

    # --- batches

    def _schedule(self) -> None:
        """Close the batch after everything that is ready on the event loop has been decided too.

        A write under way will do it itself. After a large batch the next one is closed a little later, so that it is large as well.
        """
        if not self._scheduled and self._in_flight is None:
            self._scheduled = True
            self._pace.begin(partial(self._guarded, self._close_when_quiet), at_once=self._phase.is_ending)

    def _close_when_quiet(self) -> None:
        if len(self._batch) < self._batch_max and self._pace.goes_on(len(self._batch)):
            self._loop.call_soon(self._guarded, self._close_when_quiet)
        else:
            self._close_batch()

    def _close_batch(self) -> None:
        self._scheduled = False
        if self._in_flight is not None or not self._phase.has_memory:
            return
        life = self._life
        self._offer_jobs()
        if life != self._life:
            return
        batch = self._batch
        fitting = batch.fitting(self._state.residency.loads_max, self._state.is_loaded)
        wanted = batch.question(fitting)
        if self._due.is_ready:
            wanted |= self._due.question()
        batch.closed_s = perf_counter()
        self._pace.closed(len(batch))
        changes = batch.changes = self._state.take_changes(batch.number)
        if changes is None and not wanted:
            if not self._leadership.leads():  # then nothing may be answered, not even a refusal
                self._lost(not_leading())
                return
            self._batch = batch.next()
            self._publish(batch)
            self._go_on()
            return
        wanted = batch.wanted = self._state.not_resident(wanted)
        self._state.jobs.windows.load_begins(wanted)
        next_key = changes.next_key if changes is not None else None
        writing = asyncio.ensure_future(self._store.write(changes, wanted or None))
        writing.add_done_callback(lambda done: self._guarded(self._written, life, next_key, done))
        self._in_flight, self._batch = batch, batch.next(fitting)

    def _offer_jobs(self) -> None:
        offers = self._state.jobs.take_offers(self._clock.now_ms())
        if self._phase is Phase.SERVING:
            self._publisher.offer(*offers)

    def _written(self, life: int, next_key: int | None, done: "asyncio.Future[Written]") -> None:
        batch, self._in_flight = self._in_flight, None
        failure = done.exception()
        if life != self._life or batch is None:  # memory was dropped during the write; the store is free now
            self._opening.begin()
            return
        if failure is None and next_key is None and not self._leadership.leads():
            failure = not_leading()
        if failure is not None:
            self._write_failed(batch, failure)
            return
        if next_key is not None:
            self.write_failure, self._durable_key, self._failures = "", next_key, 0
        written = done.result()
        self._counters.committed(len(batch.decided), written.commit_s)
        self._retry.extend(batch.blocked)
        self._publish(batch)
        if written.loaded is not None:
            if self._state.is_of_later(written.loaded):
                self._lost(not_leading())
                return
            self._admit(batch.wanted, written.loaded)
        self._attempt_again()
        self._state.forget_absent()
        self._state.evict(batch.number, self._batch.question)
        self._state.definitions.evict(self._wanted_models)
        self._go_on()

    def _publish(self, batch: Batch) -> None:
        self._state.awaited.given(ticket for ticket, _ in batch.results)
        self._publisher.publish(batch)

    def _attempt_again(self) -> None:
        """Decide the commands whose rows were loaded, but those of models being compiled; follow-ups that would take too long stay blocked."""
        walks = LoadedWalks()
        while self._retry:
            blocked = self._retry.popleft()
            if blocked.wanted and not walks.have_time_for(blocked.command):
                self._batch.blocked.append(blocked)
            elif not self._compilations.keep(blocked):
                self._deciding.attempt_again(self._batch, blocked)

    def _wanted_models(self) -> frozenset[str]:
        """Return the checksums of the resources that commands wait for."""
        waiting = (*self._batch.blocked, *self._compilations.commands())
        return frozenset(chain.from_iterable(blocked.wanted.resources for blocked in waiting))

    def _admit(self, wanted: Wanted, loaded: Loaded) -> None:
        """Take in what was loaded, and begin to compile the resources among it."""
        self._state.admit(wanted, loaded)
        for checksum in sorted(wanted.resources):
            name = self._state.definitions.resource_name(checksum)
            self._compilations.begin(checksum, name, loaded.resources.get(checksum))
        if loaded.due is not None:
            self._due.take(loaded.due)

    def _compiled(self, checksum: str, model: Model, waiting: list[Blocked]) -> None:
        """A model is ready: decide the commands that waited for it."""
        self._state.definitions.keep_model(checksum, model)
        self._retry.extend(waiting)
        self._guarded(self._attempt_again)
        self._schedule()

    def _go_on(self) -> None:
        """After a batch: take up what waits, or rest until something becomes due."""
        if self._backlog.is_searching and self._go_on_searching():
            return
        while self._backlog.has_others() and len(self._batch) < self._batch_max:
            self._deciding.attempt(self._batch, *self._backlog.take())
        self._due.go_on()
        if self._state.jobs.wake(self._clock.now_ms()) or self._batch or self._due.is_ready:
            self._schedule()
        elif self._phase.is_ending and not self._is_busy:
            self._finish()
        self._due.set_alarm()

    def _go_on_searching(self) -> bool:
        """Decide the next suspects once those before them are answered; return False when none is left."""
        if not self._batch and not self._compilations:
            group = self._backlog.next_group()
            if not group:
                return False
            for command, waiter in group:
                self._deciding.attempt(self._batch, command, waiter)
        if self._batch:
            self._schedule()
        return True

    # --- failures

    def _guarded(self, call: Callable[..., None], *args: Any) -> None:
        """Make a call of the loop; any exception in it means that memory cannot be trusted, so it is begun anew."""
        try:
            call(*args)
        except Exception as defect:
            log.exception("partition failed", extra={"partition": self.id})
            self._start_over(StoreFailed(f"Expected the partition to go on, but found a defect: {defect!r}"))

    def _write_failed(self, batch: Batch, error: BaseException) -> None:
        if isinstance(error, ValueRefused):
            self._search(batch, error)
            return
        failure = error if isinstance(error, StoreFailed) else no_commit(error)
        self.write_failure, self._failures = str(failure), self._failures + 1
        self._start_over(failure, batch)

    def _start_over(self, failure: StoreFailed, *failed: Batch) -> None:
        """Refuse everybody who waits, drop memory, and open the store anew (crash-only)."""
        reason = "disk_full" if isinstance(failure, StoreFull) else "store"
        log.error("memory is dropped", extra={"partition": self.id, "reason": reason, "error": str(failure)})
        self._counters.commit_failures.add(reason)
        self._go_away(failure, *failed)
        if self._in_flight is None:  # else it is opened when the write has ended
            self._opening.begin()

    def _go_away(self, failure: StoreFailed, *failed: Batch) -> None:
        """Refuse everybody who waits, those of *failed* batches too, and drop memory."""
        waiters, tickets = self._everybody(failed), self._state.awaited.tickets()
        if self._phase in (Phase.CLOSING, Phase.CLOSED):
            self._enter(Phase.CLOSED)
        else:
            self._why_away = failure
            self._enter(Phase.AWAY)
        self._drop_memory()
        self._renew_due_work()
        self._publisher.refuse(waiters, failure)
        self._publisher.lose_results(tickets, failure)
        self._publisher.away(str(failure))

    def _lost(self, failure: StoreFailed) -> None:
        """Another broker leads, or may lead: answer nothing more."""
        if self._phase.takes_commands or self._phase.has_memory:
            self._start_over(failure)

    def _everybody(self, failed: tuple[Batch, ...]) -> list[Waiter]:
        """Return all who wait for an answer, and forget their commands."""
        batches = [*failed, self._in_flight or Batch(0), self._batch]
        waiting = (*(batch.commands() for batch in batches), self._backlog.clear(), self._held())
        return [waiter for _, waiter in chain.from_iterable(waiting)]

    def _held(self) -> list[Waiting]:
        """Return the commands that wait for a compilation or are to be tried again, and forget them."""
        held = [(one.command, one.waiter) for one in (*self._retry, *self._compilations.drop())]
        self._retry.clear()
        return held

    def _drop_memory(self) -> None:
        self._batch = Batch(self._batch.number + 1)
        self._begin_memory()

    def _not_opened(self, failure: StoreFailed) -> None:
        """The store could not be opened, and will be tried again: refuse those who wait for it."""
        if self._phase is Phase.REOPENING:
            self._go_away(failure)
        elif self._phase is Phase.AWAY:
            self._why_away = failure

    def _serve(self, start: Start) -> None:
        if self._phase not in (Phase.AWAY, Phase.REOPENING):
            return  # it was closed meanwhile
        self._state.open(start)
        self._durable_key = start.next_key
        self._enter(Phase.SERVING)
        self._publisher.opened()
        self._go_on()
        if self._trial is not None:
            self._trial.cancel()
        if self.write_failure:
            pause_s = TRY_S[min(self._failures, len(TRY_S)) - 1]
            self._trial = self._loop.call_later(pause_s, self._guarded, self._try_to_write, self._life)

    def _try_to_write(self, life: int) -> None:
        """Commit nothing but a key: whoever waits until the partition can write again sends no commands meanwhile."""
        if life == self._life and self._phase is Phase.SERVING and self.write_failure:
            self._state.next_key()
            self._state.journal.clear()
            self._schedule()

    # --- a value that cannot be stored

    def _search(self, batch: Batch, failure: ValueRefused) -> None:
        """Begin memory anew, refuse the command with the bad value if it is known, and decide the others again."""
        log.warning("value refused by the store", extra={"partition": self.id, "error": str(failure)})
        suspects = batch.accepted()
        if not suspects:
            self._start_over(failure, batch)  # no command has brought the value
            return
        others = [*batch.unchanging(), *self._batch.commands(), *self._held()]
        awaited, models = self._state.awaited.before(self._durable_key), self._state.definitions.models()
        self._drop_memory()
        self._state.awaited = self._turn.awaited = awaited
        self._state.definitions.keep_models(models)
        if len(suspects) == 1:
            reason = f"Expected values that can be stored, but found: {failure}"
            self._publisher.refuse([suspects.pop()[1]], InvalidArgument(reason))
        self._backlog.search(suspects, others)
        if self._phase is Phase.CLOSING:
            self._enter(Phase.CLOSED)
            self._publisher.refuse(self._everybody(()), self._why_away)
            return
        self._due.go_on_with(self._state.deadlines)
        self._enter(Phase.REOPENING)
        self._opening.begin()
