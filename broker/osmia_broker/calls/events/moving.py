"""The events of a partition that this broker leads, or another one: whoever follows them is sent to where they are now."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from osmia_broker.base.errors import OsmiaError, Unavailable
from osmia_broker.calls.events.remote import RemoteEventStream
from osmia_broker.calls.events.stream import EventStream
from osmia_broker.engine.answers import EventLogState
from osmia_broker.partition import Listener, MovingPartition
from osmia_broker.store.read import EventFilter, Slice


class MovingEventStream(Listener):
    """The events of *partition*: those of *here*, while this broker leads it, else those from *elsewhere*.

    A stream that is read when the partition moves ends as Unavailable, and its reader goes on from its position.
    """

    def __init__(self, partition: MovingPartition, here: EventStream, elsewhere: RemoteEventStream) -> None:
        self._partition, self.here, self._elsewhere = partition, here, elsewhere
        partition.own.add_listener(self)

    @property
    def _now(self) -> EventStream | RemoteEventStream:
        return self.here if self._partition.is_here else self._elsewhere

    async def start(self) -> None:
        """Record here, whenever this broker leads."""
        await self.here.start()

    def stop(self, reason: OsmiaError) -> None:
        """End all streams with *reason*, and refuse new ones."""
        self.here.stop(reason)
        self._elsewhere.stop(reason)

    async def state(self) -> EventLogState:
        """Return which events are kept. Raises Unavailable as `follow` does."""
        return await self._now.state()

    async def follow(
        self, wanted: EventFilter, *, after: int | None = None, from_oldest: bool = False, until_now: bool = False
    ) -> AsyncGenerator[Slice, None]:
        """Yield the events after the position *after*, as `EventStream.follow` does, and raise as it does.

        Raises:
            Unavailable: the partition has moved, or nobody leads it now.
        """
        slices = self._now.follow(wanted, after=after, from_oldest=from_oldest, until_now=until_now)
        async with aclosing(slices):
            async for one in slices:
                yield one

    def partition_away(self, why: str) -> None:
        """End the streams that are read here."""
        self.here.interrupt(Unavailable(why))
