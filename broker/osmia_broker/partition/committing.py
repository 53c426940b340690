"""The loop of a partition: decide at once, commit together, answer after the commit.

A command is decided the moment it arrives, against memory that may be ahead of the disk. Its answer waits in the open batch. While one
batch is being written, the next one fills. A command that meets a row which is not resident is undone, its process instance is loaded
together with the next write, and it is decided again.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial
from itertools import chain
from time import perf_counter
from typing import Any, Protocol

from osmia_broker.base.errors import StoreFailed
from osmia_broker.engine import Turn, UndoFailed
from osmia_broker.engine.commands import Command
from osmia_broker.metrics import PartitionCounters
from osmia_broker.partition.backlog import Backlog
from osmia_broker.partition.batch import Batch, Blocked, Waiter, Waiting
from osmia_broker.partition.clock import Clock
from osmia_broker.partition.compilations import Compilations, Compiler, Model
from osmia_broker.partition.deciding import Deciding
from osmia_broker.partition.due_work import DueWork, LoadedWalks
from osmia_broker.partition.opening import not_leading
from osmia_broker.partition.pace import Pace
from osmia_broker.partition.phase import Life, Phase
from osmia_broker.partition.publishing import Publisher
from osmia_broker.state.state import State
from osmia_broker.state.store_protocol import Leadership, Loaded, Start, Store, Wanted, Written


class Failures(Protocol):
    """Begins the partition anew when it cannot go on."""

    def guarded(self, call: Callable[..., None], *args: Any) -> None:
        """Make a call of the loop; any exception in it means that memory cannot be trusted, so it is begun anew."""

    def fail(self, failure: StoreFailed) -> None:
        """Answer nothing more, and begin anew: another broker leads, or may lead, or memory is broken."""

    def committed(self) -> None:
        """Take note that rows were committed."""

    def not_committed(self, batch: Batch, error: BaseException) -> None:
        """Give up *batch*, and what was decided after it."""

    def reopen(self) -> None:
        """Open the store again: the write has ended during which memory was dropped."""


class Committing:
    """Decides the commands of a partition against its memory, commits them in batches, and answers them."""

    state: State
    due: DueWork

    def __init__(
        self,
        store: Store,
        clock: Clock,
        counters: PartitionCounters,
        leadership: Leadership,
        *,
        life: Life,
        publisher: Publisher,
        failures: Failures,
        empty_memory: Callable[[], Turn],
        compiler: Compiler,
        batch_max: int,
    ) -> None:
        self._store, self._clock, self._counters, self._leadership = store, clock, counters, leadership
        self._life, self._publisher, self._failures = life, publisher, failures
        self._empty_memory, self._compiler, self._batch_max = empty_memory, compiler, batch_max
        self._loop = asyncio.get_running_loop()
        self._batch = Batch(1)
        self._in_flight: Batch | None = None
        self._retry: deque[Blocked] = deque()  # commands whose rows have been loaded
        self._backlog = Backlog()
        self._durable_key = 0  # the key counter of the last commit
        self._scheduled = False
        self._pace = Pace(self._loop)
        self._begin_memory()
        self.due = self._new_due_work()

    # --- memory

    def _begin_memory(self) -> None:
        self._turn = self._empty_memory()
        self.state = self._turn.state
        self._deciding = Deciding(self._turn, self._clock, self._counters)
        self._compilations = Compilations(self._compiler, self._compiled)

    def _new_due_work(self) -> DueWork:
        return DueWork(self._clock, self.state, self._decide_due, self.schedule, self._failures.guarded)

    def begin(self, start: Start) -> None:
        """Fill memory with what the store has read."""
        self.state.open(start)
        self._durable_key = start.next_key

    def drop_memory(self) -> None:
        """Forget all rows and the due work, and begin with an empty memory. Nobody who waits is answered (see `everybody`)."""
        self._forget_rows()
        self.due.stop()
        self.due = self._new_due_work()

    def _forget_rows(self) -> None:
        """Begin with an empty memory, in another batch; the due work goes on."""
        self._batch = Batch(self._batch.number + 1)
        self._begin_memory()

    # --- those who wait

    @property
    def open_batch(self) -> int:
        """The number of the batch that is open."""
        return self._batch.number

    @property
    def is_writing(self) -> bool:
        """Whether a write is under way."""
        return self._in_flight is not None

    def queued(self) -> int:
        """The number of commands that wait for their answer."""
        waiting = self._batch.size() + len(self._backlog) + len(self._compilations)
        return waiting + (0 if self._in_flight is None else self._in_flight.size())

    @property
    def is_busy(self) -> bool:
        """Whether commands wait to be decided, or a batch to be written."""
        counts = (self._batch.size(), len(self._backlog), len(self._retry), len(self._compilations))
        return any(counts) or self._in_flight is not None

    def everybody(self, *failed: Batch) -> list[Waiter]:
        """Return all who wait for an answer, those of *failed* batches too, and forget their commands."""
        batches = [*failed, Batch(0) if self._in_flight is None else self._in_flight, self._batch]
        waiting = (*(batch.commands() for batch in batches), self._backlog.clear(), self._held())
        return [waiter for _, waiter in chain.from_iterable(waiting)]

    def _held(self) -> list[Waiting]:
        """Return the commands that wait for a compilation or are to be tried again, and forget them."""
        held = [(one.command, one.waiter) for one in (*self._retry, *self._compilations.drop())]
        self._retry.clear()
        return held

    # --- commands

    def accept_call(self, command: Command, waiter: Waiter) -> None:
        """As `accept`, for a command of a caller, who may call again when it is answered."""
        self._pace.called()
        self.accept(command, waiter, is_call=True)

    def accept(self, command: Command, waiter: Waiter, *, is_call: bool = False) -> None:
        """Decide *command* now, or as soon as those before it are decided."""
        if self._backlog.must_wait() or not self._life.phase.has_memory or self._batch.size() >= self._batch_max:
            self._backlog.add(command, waiter)
            return
        try:
            self._deciding.attempt(self._batch, command, waiter, is_call=is_call)
        except UndoFailed as broken:
            self._failures.fail(StoreFailed(f"Expected memory to be whole, but found: {broken}"))
        else:
            self.schedule()

    def _decide_due(self, command: Command, waiter: Waiter) -> None:
        """Decide a command of the due work. It has bounds of its own, so a full batch takes it too."""
        if self._backlog.is_searching or not self._life.phase.has_memory:
            self._backlog.add(command, waiter)
        else:
            self._deciding.attempt(self._batch, command, waiter)

    # --- batches

    def schedule(self) -> None:
        """Close the batch after everything that is ready on the event loop has been decided too.

        A write under way will do it itself. After a large batch the next one waits for the callers who were answered, so that it is large as well.
        """
        if not self._scheduled and self._in_flight is None:
            self._scheduled = True
            at_once = self._life.phase.is_ending or self._batch.size() >= self._batch_max
            self._pace.begin(partial(self._failures.guarded, self._close_when_quiet), at_once=at_once)

    def _close_when_quiet(self) -> None:
        if self._batch.size() < self._batch_max and self._pace.goes_on(self._batch.size()):
            self._loop.call_soon(self._failures.guarded, self._close_when_quiet)
        else:
            self._close_batch()

    def _close_batch(self) -> None:
        self._scheduled = False
        if self._in_flight is not None or not self._life.phase.has_memory:
            return
        state = self.state
        self._pace.closed()
        self._offer_jobs()
        if self.state is not state:  # memory was dropped
            return
        batch = self._batch
        fitting = batch.fitting(self.state.residency.loads_max, self.state.is_loaded)
        wanted = batch.question(fitting)
        if self.due.is_ready:
            wanted |= self.due.question()
        batch.closed_s = perf_counter()
        changes = batch.changes = self.state.take_changes(batch.number)
        if changes is None and not wanted:
            if not self._leadership.leads():  # then nothing may be answered, not even a refusal
                self._failures.fail(not_leading())
                return
            self._batch = batch.next(fitting)
            self._retry.extend(batch.blocked)
            self._publish(batch)
            self._attempt_again()
            self.go_on()
            return
        wanted = batch.wanted = self.state.not_resident(wanted)
        self.state.jobs.windows.load_begins(wanted)
        next_key = changes.next_key if changes is not None else None
        writing = asyncio.ensure_future(self._store.write(changes, wanted or None))
        writing.add_done_callback(lambda done: self._failures.guarded(self._written, state, next_key, done))
        self._in_flight, self._batch = batch, batch.next(fitting)

    def _offer_jobs(self) -> None:
        offers = self.state.jobs.take_offers(self._clock.now_ms())
        if self._life.phase is Phase.SERVING:
            self._publisher.offer(*offers)

    def _written(self, state: State, next_key: int | None, done: "asyncio.Future[Written]") -> None:
        batch, self._in_flight = self._in_flight, None
        failure = done.exception()
        if self.state is not state or batch is None:  # memory was dropped during the write; the store is free now
            self._failures.reopen()
            return
        if failure is None and next_key is None and not self._leadership.leads():
            failure = not_leading()
        if failure is not None:
            self._failures.not_committed(batch, failure)
            return
        if next_key is not None:
            self._durable_key = next_key
            self._failures.committed()
        written = done.result()
        self._counters.committed(len(batch.decided), written.commit_s)
        self._retry.extend(batch.blocked)
        self._publish(batch)
        self._pace.answered(batch.calls, len(self._retry) + len(self._backlog))
        if written.loaded is not None:
            if self._leadership.epoch and self.state.is_of_later(written.loaded):  # epoch 0: no other broker can lead
                self._failures.fail(not_leading())
                return
            self._admit(batch.wanted, written.loaded)
        self._attempt_again()
        self.state.forget_absent()
        self.state.evict(batch.number, self._batch.question)
        self.state.definitions.evict(self._wanted_models)
        self.go_on()

    def _publish(self, batch: Batch) -> None:
        self.state.awaited.given(ticket for ticket, _ in batch.results)
        self._publisher.publish(batch)

    def _attempt_again(self) -> None:
        """Decide the commands whose rows were loaded, and those that go on in parts, but those of models being compiled.

        Follow-ups that would take too long stay blocked.
        """
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
        self.state.admit(wanted, loaded)
        for checksum in sorted(wanted.resources):
            name = self.state.definitions.resource_name(checksum)
            self._compilations.begin(checksum, name, loaded.resources.get(checksum))
        if loaded.due is not None:
            self.due.take(loaded.due)

    def _compiled(self, checksum: str, model: Model, waiting: list[Blocked]) -> None:
        """A model is ready: decide the commands that waited for it."""
        self.state.definitions.keep_model(checksum, model)
        self._retry.extend(waiting)
        self._failures.guarded(self._attempt_again)
        self.schedule()

    def go_on(self) -> None:
        """After a batch: take up what waits, or rest until something becomes due."""
        if self._backlog.is_searching and self._go_on_searching():
            return
        while self._backlog.has_others() and self._batch.size() < self._batch_max:
            self._deciding.attempt(self._batch, *self._backlog.take(), is_call=True)  # nearly all are calls
        self.due.go_on()
        if self.state.jobs.wake(self._clock.now_ms()) or self._batch.size() or self.due.is_ready:
            self.schedule()
        elif self._life.phase.is_ending and not self.is_busy:
            self._life.finish()
        self.due.set_alarm()

    def _go_on_searching(self) -> bool:
        """Decide the next suspects once those before them are answered; return False when none is left."""
        if not self._batch.size() and not self._compilations:
            group = self._backlog.next_group()
            if not group:
                return False
            for command, waiter in group:
                self._deciding.attempt(self._batch, command, waiter)
        if self._batch.size():
            self.schedule()
        return True

    # --- a value that cannot be stored

    def search(self, batch: Batch) -> Waiter | None:
        """Begin memory anew, and line up the commands that may have brought a bad value to *batch*, to be decided again in smaller groups.

        Return the one who waits for that command if no other one can have brought it; its command is not decided again.
        """
        suspects = batch.accepted()
        others = [*batch.unchanging(), *self._batch.commands(), *self._held()]
        awaited, models = self.state.awaited.before(self._durable_key), self.state.definitions.models()
        self._forget_rows()
        self.state.awaited = self._turn.awaited = awaited
        self.state.definitions.keep_models(models)
        found = suspects.pop()[1] if len(suspects) == 1 else None
        self._backlog.search(suspects, others)
        return found

    def go_on_with_due_work(self) -> None:
        """Let the due work go on with the memory that was begun anew: its commands are decided again, so its rows stay known."""
        self.due.go_on_with(self.state)
