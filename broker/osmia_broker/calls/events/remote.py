"""The events of a partition that another process leads, and the call by which that process sends them."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing

import msgspec

from osmia_broker.base.errors import OsmiaError, Unavailable
from osmia_broker.calls.events.stream import EventStream
from osmia_broker.engine.answers import EventLogState
from osmia_broker.engine.commands.event_log import RecordEvents
from osmia_broker.links import Links
from osmia_broker.partition import RemotePartition
from osmia_broker.partition.command_bytes import error_of, refusal_of
from osmia_broker.rpc import Call, Refusal, Rpc, Shape
from osmia_broker.store.read import EventFilter, Slice

FOLLOW = "/osmia.links/FollowEvents"


class _Question(msgspec.Struct, frozen=True, array_like=True):
    partition: int
    wanted: EventFilter
    after: int | None
    from_oldest: bool
    until_now: bool


_encode = msgspec.msgpack.Encoder().encode
_questions = msgspec.msgpack.Decoder(_Question)
_slices = msgspec.msgpack.Decoder(Slice)


class RemoteEventStream:
    """The events of *partition*, which another process leads. They are sent as `EventStream` sends its own."""

    def __init__(self, partition: RemotePartition, links: Links) -> None:
        self._partition, self._links = partition, links
        self._stopping: OsmiaError | None = None

    async def start(self) -> None:
        """Do nothing: its process records."""

    def stop(self, reason: OsmiaError) -> None:
        """Refuse new readers with *reason*. Those that read now are ended by the streams of this process, which they read too."""
        self._stopping = reason

    async def state(self) -> EventLogState:
        """Return which events are kept. Raises Unavailable as `follow` does."""
        state: EventLogState = await self._partition.submit(RecordEvents(begins=False))
        return state

    async def follow(
        self, wanted: EventFilter, *, after: int | None = None, from_oldest: bool = False, until_now: bool = False
    ) -> AsyncGenerator[Slice, None]:
        """Yield the events after the position *after*, as `EventStream.follow` does, and raise as it does.

        Raises:
            Unavailable: the other process cannot be reached, or is gone.
        """
        if self._stopping is not None:
            raise self._stopping
        question = _encode(_Question(self._partition.id, wanted, after, from_oldest, until_now))
        try:
            async with aclosing(self._links.stream(self._partition.process, FOLLOW, question)) as parts:  # type: ignore[type-var]
                async for part in parts:
                    yield _slices.decode(part)
        except Refusal as refusal:
            raise error_of(refusal) from None
        except msgspec.MsgspecError as error:
            raise Unavailable(
                f"Expected events of process {self._partition.process}, but found other bytes: {error}"
            ) from None


def sending(streams: Mapping[int, EventStream]) -> Rpc:
    """Return the call by which other processes follow the events of *streams*, by the number of their partition."""

    async def answer(message: bytes, _call: Call) -> AsyncIterator[bytes]:
        try:
            asked = _questions.decode(message)
        except msgspec.MsgspecError:
            raise Refusal("INVALID_ARGUMENT", "Expected a question for events, but found other bytes") from None
        stream = streams.get(asked.partition)
        try:
            if stream is None:
                raise Unavailable(f"Expected to lead partition {asked.partition}, but another process does")
            slices = stream.follow(
                asked.wanted, after=asked.after, from_oldest=asked.from_oldest, until_now=asked.until_now
            )
            async with aclosing(slices):
                async for one in slices:
                    yield _encode(one)
        except OsmiaError as error:
            raise refusal_of(error) from None

    return Rpc(FOLLOW, Shape.STREAM, answer)
