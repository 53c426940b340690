"""The phases in the life of a partition: whether commands are taken, and whether there is a memory to decide them against."""

import asyncio
from enum import Enum

from osmia_broker.base.errors import OsmiaError, Unavailable


class Phase(Enum):
    """The one answer to both questions; `Partition` asks nothing else before it takes, decides or writes."""

    AWAY = False, False, "commands are refused: the store is not open yet, has failed, or another broker leads"
    SERVING = True, True, "commands are taken and decided"
    REOPENING = (
        True,
        False,
        "memory was dropped, but no command is refused: they wait until the store has been read again",
    )
    LEAVING = (
        False,
        True,
        "commands are refused; those that were taken before are decided and answered; then another broker leads",
    )
    CLOSING = False, True, "commands are refused; those that were taken before are decided and answered"
    CLOSED = False, False, "commands are refused, and nothing is decided any more"

    def __init__(self, takes_commands: bool, has_memory: bool, _meaning: str) -> None:
        #: Whether the commands of callers are taken.
        self.takes_commands = takes_commands
        #: Whether memory holds what the store has read. Only then may a command be decided, and a batch be closed.
        self.has_memory = has_memory

    @property
    def is_ending(self) -> bool:
        """Whether what was taken is finished, and nothing else: commands of the broker itself are still decided."""
        return self in _IS_ENDING


_IS_ENDING = {Phase.LEAVING, Phase.CLOSING}

#: The phases that may follow each one.
NEXT = {
    Phase.AWAY: {Phase.AWAY, Phase.SERVING, Phase.CLOSED},
    Phase.SERVING: {Phase.REOPENING, Phase.AWAY, Phase.LEAVING, Phase.CLOSING, Phase.CLOSED},
    Phase.REOPENING: {Phase.SERVING, Phase.AWAY, Phase.CLOSED},
    Phase.LEAVING: {Phase.AWAY, Phase.REOPENING, Phase.CLOSING, Phase.CLOSED},
    Phase.CLOSING: {Phase.CLOSED},
    Phase.CLOSED: {Phase.CLOSED},
}


class Life:
    """The phase that a partition is in, and the reason why it takes no commands."""

    __slots__ = ("_left", "_partition_id", "phase", "why_away")

    def __init__(self, partition_id: int) -> None:
        self._partition_id = partition_id
        self._left: asyncio.Future[Phase] | None = None  # for those who wait for the end of this phase
        self.phase = Phase.AWAY
        self.why_away: OsmiaError = Unavailable("Expected the partition to be open, but it is starting")

    def enter(self, phase: Phase) -> None:
        """Go over to another *phase*; the only place where it changes."""
        assert phase in NEXT[self.phase], f"partition {self._partition_id}: {self.phase} -> {phase}"
        self.phase = phase
        left, self._left = self._left, None
        if left is not None and not left.done():  # it is done if whoever waited was cancelled
            left.set_result(phase)

    def finish(self) -> None:
        """Go over to the phase after the end: nothing is left of what was taken."""
        self.enter(Phase.CLOSED if self.phase is Phase.CLOSING else Phase.AWAY)

    def left(self) -> "asyncio.Future[Phase]":
        """Return a future that is done when this phase has ended; its result is the phase that follows."""
        if self._left is None or self._left.done():
            self._left = asyncio.get_running_loop().create_future()
        return self._left
