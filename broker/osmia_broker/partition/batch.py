"""One batch: the commands that share a commit, and the callers who wait for it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from osmia_broker.engine.commands import Command
from osmia_broker.engine.domain_events import DomainEvent
from osmia_broker.errors import OsmiaError
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


@dataclass(slots=True)
class Decided:
    """A command with its answer, or with its refusal."""

    command: Command
    waiter: Waiter
    answer: Any = None
    refusal: OsmiaError | None = None


@dataclass(slots=True)
class Blocked:
    """A command that waits for rows or models to be loaded; *wanted* is everything that it has asked for so far."""

    command: Command
    waiter: Waiter
    wanted: Wanted
    arrived_s: float  # when it was decided first, by `perf_counter`


@dataclass(slots=True)
class Batch:
    """Commands whose answers leave together."""

    number: int
    decided: list[Decided] = field(default_factory=list)
    blocked: list[Blocked] = field(default_factory=list)
    wanted: Wanted = NOTHING
    events: list[DomainEvent] = field(default_factory=list)
    changes: Changes | None = None  # the rows to commit, once the batch is closed
    results: list[tuple[int, str]] = field(default_factory=list)  # (ticket, variables)
    arrivals: list[float] = field(default_factory=list)  # of the commands that were accepted, by `perf_counter`
    closed_s: float = 0.0  # when the batch was closed, by the same clock

    def block(self, blocked: Blocked, wanted: Wanted) -> None:
        """Let a command wait until what it has *wanted* is loaded."""
        self.blocked.append(blocked)
        self.wanted |= wanted

    def commands(self) -> Iterator[tuple[Command, Waiter]]:
        """Yield all commands with those who wait for them."""
        yield from ((entry.command, entry.waiter) for entry in self.decided)
        yield from ((entry.command, entry.waiter) for entry in self.blocked)

    def __len__(self) -> int:
        return len(self.decided) + len(self.blocked)
