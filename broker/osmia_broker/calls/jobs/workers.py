"""The registry of workers: under which names jobs of which types are asked for, since when, and by which clients.

It is kept in memory: after a restart, workers register again with their first question.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum

WORKERS_MAX = 10_000  # names that are remembered; beyond it, those who ask for nothing now are forgotten, the longest unseen first
AGENT_CHARACTERS = 200  # of a client's own name


class Asks(StrEnum):
    """The way in which a worker asks for jobs."""

    POLL = "poll"
    STREAM = "stream"


@dataclass(slots=True)
class Presence:
    """One worker of one job type."""

    since_ms: int
    last_seen_ms: int
    polls: int = 0  # open now
    streams: int = 0
    user_agent: str = ""


class Workers:
    """Keeps the workers that ask for jobs. *now_ms* is the clock."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self.present: dict[tuple[str, str], Presence] = {}  # by type and name, the longest unseen first

    @contextmanager
    def asking(self, type: str, name: str, asks: Asks, user_agent: Callable[[], str] = str) -> Iterator[None]:
        """Note that a worker asks for jobs of *type* for the time of the `with`; *user_agent* is called for a name that is new."""
        presence = self.present.pop((type, name), None)
        now_ms = self._now_ms()
        if presence is None:
            presence = Presence(now_ms, now_ms, user_agent=user_agent()[:AGENT_CHARACTERS])
            if len(self.present) >= WORKERS_MAX:
                self._forget_one()
        self.present[type, name] = presence
        presence.last_seen_ms = now_ms
        self._count(presence, asks, 1)
        try:
            yield
        finally:
            presence.last_seen_ms = self._now_ms()
            self._count(presence, asks, -1)

    def counts(self) -> dict[tuple[str, ...], int]:
        """Return the number of workers that ask now, by type and way."""
        found: dict[tuple[str, ...], int] = {}
        for (type, _), one in self.present.items():
            for asks, number in ((Asks.POLL, one.polls), (Asks.STREAM, one.streams)):
                if number:
                    found[type, asks] = found.get((type, asks), 0) + 1
        return found

    def _count(self, presence: Presence, asks: Asks, number: int) -> None:
        if asks is Asks.POLL:
            presence.polls += number
        else:
            presence.streams += number

    def _forget_one(self) -> None:
        for place, one in self.present.items():
            if not one.polls and not one.streams:
                del self.present[place]
                return
