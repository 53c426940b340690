"""The census: the brokers that share a database and the leases of its partitions, as one beat has found them, and who of them lives.

A broker is gone for an observer when its beat has stood still for `ttl_s` of the observer's own clock, or its address refuses three times in
a row. One that has not been seen to live yet keeps what it leads, but nothing is left for it.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from osmia_broker.store.postgres.probe import REFUSALS, Found, probe


class Broker(msgspec.Struct, frozen=True, array_like=True):
    """A row of the table of brokers.

    *process* is the number by which links know it, *links* where it takes them; empty when it takes none, or none any more.

    Clients know it by its *address*.
    """

    id: str
    process: int
    incarnation: int
    beat: int
    links: str
    address: str = ""


class Led(msgspec.Struct, frozen=True, array_like=True):
    """The lease of a partition: who holds it, and in which epoch. The *owner* is empty if nobody does."""

    partition: int
    owner: str
    incarnation: int
    epoch: int


@dataclass(frozen=True, slots=True)
class Census:
    """The findings of a beat."""

    brokers: Sequence[Broker]
    leases: Sequence[Led]


@dataclass(slots=True)
class _Watch:
    """A life of another broker: its last beat, when it has moved, and how often its address has refused since."""

    incarnation: int
    beat: int
    since: float
    is_known: bool = False  # it was seen to live
    refusals: int = 0


class Watching:
    """Watches the brokers other than *me*. *clock* is a monotonic clock in seconds."""

    def __init__(self, me: str, clock: Callable[[], float], ttl_s: float) -> None:
        self._me, self._clock, self._ttl_s = me, clock, ttl_s
        self._watches: dict[str, _Watch] = {}

    async def look(self, census: Census, is_linked: Callable[[int], bool]) -> None:
        """Take note of who has moved. Those to whom *is_linked* knows no link are tried at their address."""
        brokers = [one for one in census.brokers if one.id != self._me]
        before, self._watches = self._watches, {}
        unsure: list[tuple[_Watch, str]] = []
        for one in brokers:
            watch = before.get(one.id)
            if watch is None or watch.incarnation != one.incarnation:
                watch = _Watch(one.incarnation, one.beat, self._clock())
            elif watch.beat != one.beat:
                watch.beat, watch.since, watch.is_known = one.beat, self._clock(), True
            self._watches[one.id] = watch
            if is_linked(one.process):
                watch.is_known, watch.refusals = True, 0
            elif one.links:
                unsure.append((watch, one.links))
        found = await asyncio.gather(*(probe(address) for _, address in unsure))
        for (watch, _), answer in zip(unsure, found, strict=True):
            watch.refusals = watch.refusals + 1 if answer is Found.REFUSES else 0
            watch.is_known |= answer is Found.LISTENS

    def saw_nothing(self) -> None:
        """Begin anew to measure silences: while the database was away, nobody could see a beat."""
        for watch in self._watches.values():
            watch.since = self._clock()

    def lives(self, broker: str) -> bool:
        """Whether *broker* was seen to live, and not too long ago."""
        watch = self._watches.get(broker)
        return watch is not None and watch.is_known and not self._is_gone(watch)

    def may_live(self, broker: str, incarnation: int) -> bool:
        """Whether this life of *broker* may still go on."""
        watch = self._watches.get(broker)
        return watch is not None and watch.incarnation == incarnation and not self._is_gone(watch)

    @property
    def is_suspicious(self) -> bool:
        """Whether an address has begun to refuse: look again soon."""
        return any(0 < watch.refusals < REFUSALS for watch in self._watches.values())

    def _is_gone(self, watch: _Watch) -> bool:
        return watch.refusals >= REFUSALS or self._clock() >= watch.since + self._ttl_s
