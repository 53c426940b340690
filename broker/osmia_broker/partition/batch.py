"""One batch: the commands that share a commit, and the callers who wait for it."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec

from osmia_broker.base.errors import OsmiaError
from osmia_broker.engine.commands import Command
from osmia_broker.engine.domain_events import DomainEvent
from osmia_broker.state.store_protocol import Changes, Wanted

NOTHING = Wanted()


class Waiter(Protocol):
    """Somebody who waits for an answer; an asyncio.Future is one."""

    def done(self) -> bool:
        """Return whether nobody waits any longer."""

    def set_result(self, result: Any, /) -> None:
        """Take the answer: the command took effect and is durable."""

    def set_exception(self, exception: Any, /) -> None:
        """Take the reason why the command was refused, or why it is unknown whether it took effect."""


class Nobody:
    """Waits for nothing."""

    def done(self) -> bool:
        """Return True."""
        return True

    def set_result(self, result: Any, /) -> None:
        """Do nothing."""

    def set_exception(self, exception: Any, /) -> None:
        """Do nothing."""


NOBODY = Nobody()


def pass_on(waiter: "asyncio.Future[Any]", done: "asyncio.Future[Any]") -> None:
    """Let *waiter* have the outcome of what is *done*, unless nobody waits any longer."""
    if done.cancelled():
        waiter.cancel()
        return
    error = done.exception()
    if waiter.done():
        return
    if error is not None:
        waiter.set_exception(error)
    else:
        waiter.set_result(done.result())


Waiting = tuple[Command, Waiter]  #: a command, and who waits for its answer


class Decided(msgspec.Struct):
    """A command with its answer, or with its refusal."""

    command: Command
    waiter: Waiter
    answer: Any = None
    refusal: OsmiaError | None = None


@dataclass(slots=True)
class Blocked:
    """A command that waits for rows or models to be loaded, or goes on in parts."""

    command: Command
    waiter: Waiter
    wanted: Wanted  #: everything that it asks for, and the rows and models that it has asked for before
    arrived_s: float  # when it was decided first, by `perf_counter`
    is_call: bool = False  # of a caller, who may call again when it is answered


@dataclass(slots=True)
class Batch:
    """Commands whose answers leave together."""

    number: int
    decided: list[Decided] = field(default_factory=list)
    blocked: list[Blocked] = field(default_factory=list)
    calls: int = 0  # of callers, among those that are decided
    wanted: Wanted = NOTHING  #: what is loaded with it, once the batch is closed
    events: list[DomainEvent] = field(default_factory=list)
    changes: Changes | None = None  # the rows to commit, once the batch is closed
    results: list[tuple[int, str]] = field(default_factory=list)  # (ticket, variables)
    arrivals: list[float] = field(default_factory=list)  # of the commands that were accepted, by `perf_counter`
    closed_s: float = 0.0  # when the batch was closed, by the same clock

    def question(self, first: int | None = None) -> Wanted:
        """Return everything that the *first* blocked commands want, or all of them."""
        return Wanted.all_of(blocked.wanted for blocked in self.blocked[:first])

    def fitting(self, rows_max: int, is_loaded: Callable[[tuple[type, int]], bool]) -> int:
        """Return how many of the blocked commands want at most *rows_max* rows more than are loaded; the first one always fits."""
        rows: set[tuple[type, int]] = set()
        for place, blocked in enumerate(self.blocked):
            rows.update(one for one in blocked.wanted.rows if not is_loaded(one))
            if place and len(rows) > rows_max:
                return place
        return len(self.blocked)

    def next(self, first: int = 0) -> "Batch":
        """Return the batch that follows, with the blocked commands after the *first*, which are not in this one any more."""
        later = Batch(self.number + 1, blocked=self.blocked[first:])
        del self.blocked[first:]
        return later

    def commands(self) -> Iterator[Waiting]:
        """Yield all commands with those who wait for them."""
        yield from ((entry.command, entry.waiter) for entry in self.decided)
        yield from ((entry.command, entry.waiter) for entry in self.blocked)

    def accepted(self) -> list[Waiting]:
        """Return the commands that may have changed something."""
        return [(entry.command, entry.waiter) for entry in self.decided if entry.refusal is None]

    def unchanging(self) -> list[Waiting]:
        """Return the commands that have changed nothing: they were refused, or are blocked."""
        refused = [(entry.command, entry.waiter) for entry in self.decided if entry.refusal is not None]
        return refused + [(entry.command, entry.waiter) for entry in self.blocked]

    def size(self) -> int:
        """Return the number of commands."""
        return len(self.decided) + len(self.blocked)
