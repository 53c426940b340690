"""The events of all partitions for those who follow them: one stream for each partition, merged into one.

A position belongs to the partition that its upper bits name, so a reader who goes on later gives one for each. The events of one partition come
in their order; those of different ones in the order in which they are found.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress

from osmia_broker.base.errors import InvalidArgument, OsmiaError
from osmia_broker.calls.events.moving import MovingEventStream
from osmia_broker.calls.events.remote import RemoteEventStream
from osmia_broker.calls.events.stream import EventStream
from osmia_broker.engine.answers import EventLogState
from osmia_broker.state.partitioning import partition_of_key
from osmia_broker.store.read import EventFilter, Slice

OneStream = EventStream | RemoteEventStream | MovingEventStream  #: of one partition
Slices = asyncio.Queue[Slice | BaseException | None]  #: slices, the end of one stream (None), or its failure


class EventStreams:
    """The streams of all partitions, in order of their numbers."""

    def __init__(self, streams: Sequence[OneStream]) -> None:
        self._streams = tuple(streams)

    async def start(self) -> None:
        """Go on to record, as `EventStream.start` does, in all partitions."""
        for one in self._streams:
            await one.start()

    def stop(self, reason: OsmiaError) -> None:
        """End all streams with *reason*, and refuse new ones."""
        for one in self._streams:
            one.stop(reason)

    async def states(self) -> list[EventLogState]:
        """Return which events of each partition are kept, in order of their numbers.

        Raises:
            Unavailable: a partition cannot be asked now.

        """
        return await asyncio.gather(*(one.state() for one in self._streams))

    @property
    def partitions(self) -> int:
        """Their number."""
        return len(self._streams)

    def follow(
        self,
        wanted: EventFilter,
        *,
        after: Sequence[int] = (),
        from_oldest: bool = False,
        until_now: bool = False,
    ) -> AsyncGenerator[Slice, None]:
        """Yield the events after the positions *after*, as `EventStream.follow` does; none: from now on.

        The first slices, one for each partition in their order, are empty: the positions at which their events begin.

        Raises:
            InvalidArgument: there is not one position for each partition.

        """
        positions = self._positions(after)
        streams = [
            one.follow(wanted, after=position, from_oldest=from_oldest, until_now=until_now)
            for one, position in zip(self._streams, positions, strict=True)
        ]
        return streams[0] if len(streams) == 1 else _together(streams)

    def _positions(self, after: Sequence[int]) -> list[int | None]:
        """Return the position for each partition, in their order."""
        count = len(self._streams)
        if not after:
            return [None] * count
        if len(after) != count:
            number = (
                "one position, as there is one partition"
                if count == 1
                else f"a position for each of {count} partitions"
            )
            raise InvalidArgument(f"Expected {number}, but found {len(after)}")
        if count == 1:
            return [*after]
        known = {partition_of_key(one): one for one in after}
        missing = [number for number in range(1, count + 1) if number not in known]
        if missing:
            raise InvalidArgument(
                f"Expected a position for each of {count} partitions, but found none of partition {missing[0]}"
            )
        return [known[number] for number in range(1, count + 1)]


async def _together(streams: Sequence[AsyncGenerator[Slice, None]]) -> AsyncGenerator[Slice, None]:
    """Yield what any of *streams* has, until all have ended. A reader who is slow holds all of them up, as one stream would be."""
    slices: Slices = asyncio.Queue(1)
    tasks: list[asyncio.Task[None]] = []
    try:
        for one in await asyncio.gather(*(anext(stream) for stream in streams)):
            yield one
        tasks += [asyncio.ensure_future(_read(one, slices)) for one in streams]
        running = len(tasks)
        while running:
            found = await slices.get()
            if found is None:
                running -= 1
            elif isinstance(found, BaseException):
                raise found
            else:
                yield found
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(one.aclose() for one in streams), return_exceptions=True)


async def _read(stream: AsyncGenerator[Slice, None], slices: Slices) -> None:
    end: BaseException | None = None
    try:
        async for one in stream:
            await slices.put(one)
    except Exception as failure:  # noqa: BLE001 - whatever it is, the reader has to know
        end = failure
    finally:
        with suppress(RuntimeError):  # it is being read: its own end closes it
            await stream.aclose()
    await slices.put(end)
