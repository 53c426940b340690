"""The loop of a partition: decide at once, commit together, answer after the commit.

A command is decided the moment it arrives, against memory that may be ahead of the disk. Its answer waits in the open batch.
While one batch is being written the next one fills; no timer decides its size. A command that meets a row which is not resident
is undone, its instance is fetched by the next write's load, and it is decided again.

If a write fails, memory is ahead of the disk: every waiting caller is told, memory is dropped, and the store is opened again.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, Protocol

from osmia_broker.engine import execute
from osmia_broker.engine.commands import Command, ReachDeadlines
from osmia_broker.engine.resources import BadResource, compile_resource
from osmia_broker.errors import InvalidState, OsmiaError, Overloaded, Rejection, StoreFailed, StoreFull, Unavailable
from osmia_broker.metrics import PartitionCounters
from osmia_broker.partition.clock import Clock
from osmia_broker.partition.listener import Listener
from osmia_broker.partition.writer import Writer
from osmia_broker.state.definitions import Compiled
from osmia_broker.state.exchange import Changes, Loaded, Start, Store, Wanted
from osmia_broker.state.jobs import DUE_HORIZON_MS
from osmia_broker.state.missing import Missing
from osmia_broker.state.state import RESIDENT_INSTANCES, State

QUEUE_COMMANDS_MAX = 1_000  # undelivered answers; beyond it a caller is told to come back (reliability.md, section 5)
REOPEN_S = (0.05, 0.2, 1.0)  # pauses between tries to open a failed store; the last one repeats
DEADLINES_AT_ONCE = 500  # reached deadlines per command, so that others are served in between
LINGER_S = 0.004  # the longest that a batch stays open while every round of the event loop brings more
LOOK_S = 1.0  # the longest pause between two looks at the clock

log = logging.getLogger(__name__)


class Waiter(Protocol):
    """Whoever waits for an answer; an asyncio.Future is one."""

    def done(self) -> bool:
        """Whether nobody waits any longer."""

    def set_result(self, result: Any, /) -> None:
        """The command took effect and is durable."""

    def set_exception(self, exception: Any, /) -> None:
        """The command was refused, or it is not known whether it took effect."""


class _Nobody:
    """Waits for nothing: the partition's own commands."""

    def done(self) -> bool:
        return True

    def set_result(self, result: Any, /) -> None:
        pass

    def set_exception(self, exception: Any, /) -> None:
        pass


NOBODY = _Nobody()
NOTHING = Wanted()


@dataclass(slots=True)
class _Batch:
    """Commands whose answers leave together: decided ones with their answers, blocked ones with what they want."""

    number: int
    answers: list[tuple[Waiter, Any, OsmiaError | None]] = field(default_factory=list)
    blocked: list[tuple[Command, Waiter, Wanted]] = field(
        default_factory=list
    )  # with all rows that each has wanted so far
    wanted: Wanted | None = None
    results: list[tuple[int, str]] = field(default_factory=list)  # of instances that completed: (ticket, variables)

    def waiters(self) -> list[Waiter]:
        return [waiter for waiter, _, _ in self.answers] + [waiter for _, waiter, _ in self.blocked]

    def __len__(self) -> int:
        return len(self.answers) + len(self.blocked)


@dataclass(slots=True)
class _Write:
    """What the writer thread made of a batch."""

    loaded: Loaded | None
    compiled: dict[str, Compiled | InvalidState]  # by checksum; or why it cannot be had
    commit_s: float


def _compiled_again(name: str, content: bytes) -> Compiled | InvalidState:
    """A stored resource, ready to run. One that this version no longer takes must not hurt those that share its batch."""
    try:
        return compile_resource(name, content).compiled
    except BadResource as fault:
        return InvalidState(f"Expected the stored resource '{name}' to be readable, but found: {fault}")


class Partition:
    """One single-writer slice of the broker's state. Belongs to the event loop it was made on."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        counters: PartitionCounters,
        *,
        partition_id: int = 1,
        queue_max: int = QUEUE_COMMANDS_MAX,
        resident_instances: int = RESIDENT_INSTANCES,
    ) -> None:
        self.id = partition_id
        self._listeners: list[Listener] = []
        self._store = store
        self._clock = clock
        self._counters = counters
        self._queue_max = queue_max
        self._resident_max = resident_instances
        self._loop = asyncio.get_running_loop()
        self._writer = Writer(f"partition-{partition_id}")
        self._state = State(partition_id, resident_instances)
        self._batch = _Batch(1)
        self._in_flight: _Batch | None = None
        self._scheduled = False
        self._is_closed = False
        self._close_by_s = 0.0
        self._away: OsmiaError | None = Unavailable("Expected the partition to be open, but it is starting")
        self._drained: asyncio.Future[None] | None = None
        self._look: asyncio.TimerHandle | None = None
        counters.queue_commands = lambda: self.queued
        counters.resident_instances = lambda: self._state.resident_instances

    # --- life

    async def open(self) -> None:
        """Open the store and serve.

        Raises:
            StoreFailed: it cannot be opened; the text says why.

        """
        self._begin(await self._writer.run(self._store.open))

    async def close(self) -> None:
        """Refuse new commands, finish and answer those that were taken, and close the store. Safe to call twice."""
        if self._is_closed:
            return
        self._is_closed = True
        was_open, self._away = self._away is None, Unavailable("Expected the partition to be open, but it is stopping")
        if self._look is not None:
            self._look.cancel()
        if was_open and (self._batch or self._in_flight):
            self._drained = self._loop.create_future()
            self._schedule()
            await self._drained
        await self._writer.run(self._store.close)
        await self._writer.stop()

    @property
    def is_open(self) -> bool:
        """Whether commands are taken now."""
        return self._away is None

    @property
    def why_away(self) -> str:
        """Why no commands are taken; empty when they are."""
        return str(self._away or "")

    @property
    def queued(self) -> int:
        """How many commands wait for their batch to be committed."""
        return len(self._batch) + (len(self._in_flight) if self._in_flight else 0)

    @property
    def resident_instances(self) -> int:
        """How many process instances are in memory."""
        return self._state.resident_instances

    @property
    def key_counter(self) -> int:
        """The last counter given out as the lower bits of a key."""
        return self._state.key_counter

    # --- commands

    def submit(self, command: Command) -> "asyncio.Future[Any]":
        """Decide *command*; the future holds its answer once that is durable.

        Raises:
            Overloaded: too many commands wait already.
            Unavailable: the partition is not open.

        The future raises Rejection when the command was refused, and StoreFailed when it is not known whether it took effect.
        """
        future: asyncio.Future[Any] = self._loop.create_future()
        self.decide(command, future)
        return future

    def decide(self, command: Command, waiter: Waiter) -> None:
        """As `submit`, for any waiter."""
        if self._away is not None:
            raise self._away
        if self.queued >= self._queue_max:
            self._counters.refused_busy += 1
            raise Overloaded(
                f"Expected at most {self._queue_max} commands to wait, but found as many already; try again later"
            )
        self._attempt(command, waiter)
        self._schedule()

    def decide_own(self, command: Command, waiter: Waiter = NOBODY) -> None:
        """As `decide`, for what the broker itself has to do: never refused for a full queue.

        Nothing is done while the partition is away: what is activated then comes back by its deadline.
        """
        if self._away is None or self._drained is not None:
            self._attempt(command, waiter)
            self._schedule()
        else:
            waiter.set_exception(self._away)

    def add_listener(self, listener: Listener) -> None:
        """Report to *listener* from now on."""
        self._listeners.append(listener)

    def forget_result(self, ticket: int) -> None:
        """Keep no result for *ticket*: its caller has gone."""
        awaited = self._state.awaited
        for key in [key for key, (held, _) in awaited.items() if held == ticket]:
            del awaited[key]

    def has_activatable(self, type: str) -> bool:
        """Whether it is worth activating jobs of *type*."""
        return self._state.jobs.has_activatable(type)

    def look_at_clock(self) -> None:
        """Act on the deadlines that have been reached, and fetch those that come near."""
        now_ms = self._clock.now_ms()
        jobs = self._state.jobs
        due = jobs.pop_due(now_ms)
        for first in range(0, len(due), DEADLINES_AT_ONCE):
            self._attempt(ReachDeadlines(tuple(due[first : first + DEADLINES_AT_ONCE])), NOBODY)
        if now_ms > jobs.due_horizon_ms - DUE_HORIZON_MS // 2:
            known, jobs.due_horizon_ms = jobs.due_horizon_ms, now_ms + DUE_HORIZON_MS
            self._want(Wanted(due_jobs=(known, jobs.due_horizon_ms)))
        self._schedule()

    def _attempt(self, command: Command, waiter: Waiter, wanted: Wanted = NOTHING) -> None:
        """Decide *command* now, or block it until its rows are loaded.

        What it *wanted* before is loaded again with what it wants now: else two instances that are cold by turns would keep it for ever.
        """
        name = type(command).__name__
        try:
            answer = execute(self._state, command, self._clock.now_ms())
        except Missing as missing:
            wanted |= missing.wanted
            self._want(wanted)
            self._batch.blocked.append((command, waiter, wanted.rows()))
            return
        except Rejection as refusal:
            refusal.intent = command.intent
            self._counters.commands.add(name, "rejected")
            self._batch.answers.append((waiter, None, refusal))
            return
        except Exception as defect:
            log.exception("command failed", extra={"command": name})
            self._batch.answers.append(
                (waiter, None, OsmiaError(f"Expected {name} to succeed, but found a defect: {defect!r}"))
            )
            return
        self._counters.commands.add(name, "accepted")
        self._batch.answers.append((waiter, answer, None))
        self._after_decision()

    def _after_decision(self) -> None:
        """Results that somebody awaits join the batch; what happened is counted."""
        state = self._state
        if state.results:
            self._batch.results += state.results
            state.results.clear()
        for kind, name, event in state.events:
            _COUNT[kind](self._counters, name, event)
        state.events.clear()

    def _want(self, wanted: Wanted) -> None:
        self._batch.wanted = wanted if self._batch.wanted is None else self._batch.wanted | wanted

    # --- batches

    def _schedule(self) -> None:
        """Close the batch after what is ready on the event loop has been decided too; a write under way will do it itself."""
        if not self._scheduled and self._in_flight is None:
            self._scheduled = True
            self._close_by_s = self._loop.time() + LINGER_S
            self._loop.call_soon(self._close_when_quiet, 0)

    def _close_when_quiet(self, before: int) -> None:
        """Close the batch once a round of the event loop has added nothing to it, so that a busy broker commits in few, large ones."""
        now = len(self._batch)
        if now > before and self._loop.time() < self._close_by_s:
            self._loop.call_soon(self._close_when_quiet, now)
        else:
            self._close_batch()

    def _close_batch(self) -> None:
        self._scheduled = False
        if self._in_flight is not None:
            return
        self._offer_jobs()
        batch = self._batch
        changes = self._state.take_changes(batch.number)
        if changes is None and batch.wanted is None:
            self._batch = _Batch(batch.number + 1)
            self._answer(batch)
            self._end_drain()
            return
        self._batch = _Batch(batch.number + 1)
        self._in_flight = batch
        self._write(batch, changes)

    def _offer_jobs(self) -> None:
        jobs = self._state.jobs
        if jobs.became_activatable:
            offered, jobs.became_activatable = jobs.became_activatable, {}
            if self._away is None:
                for listener in self._listeners:
                    listener.jobs_activatable(offered)

    def _write(self, batch: _Batch, changes: Changes | None) -> None:
        wanted = batch.wanted
        names: dict[str, str] = {}
        if wanted is not None:
            names = {checksum: self._state.definitions.resource_name(checksum) for checksum in wanted.resources}
            for type, _ in wanted.job_types:
                self._state.jobs.refill_begins(type)
        store = self._store

        def write() -> _Write:
            begun = perf_counter()
            if changes is not None:
                store.commit(changes)
            commit_s = perf_counter() - begun
            loaded = store.load(wanted) if wanted is not None else None
            resources = loaded.resources if loaded is not None else {}
            compiled = {checksum: _compiled_again(names[checksum], content) for checksum, content in resources.items()}
            return _Write(loaded, compiled, commit_s)

        self._writer.submit(write, self._written)

    def _written(self, write: _Write | None, error: Exception | None) -> None:
        batch, self._in_flight = self._in_flight, None
        assert batch is not None, "one batch was being written"
        if error is not None or write is None:
            self._start_over(batch, error)
            return
        self._counters.commit_seconds.observe(write.commit_s)
        self._counters.commit_batch_commands.observe(len(batch.answers))
        self._answer(batch)
        if batch.wanted is not None and write.loaded is not None:
            self._decide_blocked(batch, batch.wanted, write.loaded, write.compiled)
        self._state.evict(batch.number)
        if self._batch or self._batch.wanted or self._state.jobs.became_activatable:
            self._schedule()
        else:
            self._end_drain()

    def _answer(self, batch: _Batch) -> None:
        for waiter, answer, refusal in batch.answers:
            if refusal is not None:
                if not waiter.done():
                    waiter.set_exception(refusal)
            elif not waiter.done():
                waiter.set_result(answer)
        for ticket, variables in batch.results:
            for listener in self._listeners:
                listener.result_ready(ticket, variables)

    def _decide_blocked(
        self, batch: _Batch, wanted: Wanted, loaded: Loaded, compiled: dict[str, Compiled | InvalidState]
    ) -> None:
        state = self._state
        state.admit(wanted, loaded)
        for checksum, model in compiled.items():
            state.definitions.keep_model(checksum, model)
        for command, waiter, so_far in batch.blocked:
            self._attempt(command, waiter, so_far)
        state.forget_absent()

    def _end_drain(self) -> None:
        if self._drained is not None and not self._drained.done() and not self._batch and self._in_flight is None:
            self._drained.set_result(None)

    # --- clock

    def _keep_looking(self) -> None:
        """Look at the clock when the next deadline is reached, and at least every LOOK_S."""
        if self._away is not None:
            return
        self.look_at_clock()
        due_ms = self._state.jobs.next_due_ms
        pause_s = LOOK_S if due_ms is None else min(LOOK_S, max(0.0, (due_ms - self._clock.now_ms()) / 1000))
        self._look = self._loop.call_later(max(pause_s, 0.005), self._keep_looking)

    # --- beginning, again and again

    def _begin(self, start: Start) -> None:
        self._state.open(start)
        self._away = None
        self._keep_looking()
        for listener in self._listeners:
            listener.partition_opened()

    def _start_over(self, batch: _Batch, error: Exception | None) -> None:
        """A write failed: tell everybody, drop memory, and open the store anew (crash-only)."""
        failure = (
            error
            if isinstance(error, OsmiaError)
            else StoreFailed(f"Expected a commit to succeed, but found {error!r}")
        )
        reason = "disk_full" if isinstance(failure, StoreFull) else "store"
        log.error(
            "commit failed, memory is dropped", extra={"partition": self.id, "reason": reason, "error": str(failure)}
        )
        self._counters.commit_failures.add(reason)
        lost = [*batch.waiters(), *self._batch.waiters()]
        tickets = [ticket for ticket, _ in (*batch.results, *self._batch.results, *self._state.awaited.values())]
        stopping = self._away
        self._away = failure
        self._batch = _Batch(self._batch.number + 1)
        self._state = State(self.id, self._resident_max)
        for waiter in lost:
            if not waiter.done():
                waiter.set_exception(failure)
        for ticket in tickets:
            for listener in self._listeners:
                listener.result_lost(ticket, failure)
        if stopping is not None:
            self._end_drain()
            return
        self._reopen(0)

    def _reopen(self, tries: int) -> None:
        def opened(start: Start | None, error: Exception | None) -> None:
            if start is not None:
                log.info("partition open again", extra={"partition": self.id, "tries": tries + 1})
                self._begin(start)
            else:
                log.warning("store cannot be opened", extra={"partition": self.id, "error": str(error)})
                self._loop.call_later(REOPEN_S[min(tries, len(REOPEN_S) - 1)], self._reopen, tries + 1)

        self._writer.submit(self._store.open, opened)


_COUNT: dict[str, Callable[[PartitionCounters, str, str], None]] = {
    "job": lambda counters, name, event: counters.jobs.add(name, event),
    "instance": lambda counters, name, event: counters.process_instances.add(name, event),
    "incident": lambda counters, name, _: counters.incidents.add(name),
}
