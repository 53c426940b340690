"""Follow what happens at the broker (`osmia.v1.Events`). Only Osmia answers these calls; a Zeebe gateway raises `Unimplemented`."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable, Sequence
from types import TracebackType
from typing import Any, Self

import msgspec

from osmia import variables as variables_json
from osmia.arguments import calls_of
from osmia.backoff import Backoff
from osmia.calls.call import Calls
from osmia.errors import Unavailable
from osmia.results import Event, EventKind, EventLog
from osmia_proto import queries

PREFIX = "EVENT_KIND_"
PARTITION_SHIFT = 51  # the upper bits of a position name its partition
RESUME_FIRST_MS, RESUME_MAX_MS = 100, 5_000
_KINDS = {number: EventKind(name.removeprefix(PREFIX)) for name, number in queries.EventKind.items() if number}


class EventStream:
    """An async iterator of events. When the connection breaks it comes back by itself and goes on where it was.

    `async with client.events() as stream` ends it at once when it is left; otherwise it ends when nobody holds it any longer.

    `positions` are the positions up to which everything has been taken, one for each partition of the broker. A program that keeps them, and
    gives them as *after* when it starts again, misses nothing. They grow also while the filter lets nothing through. `position` is the only one
    of them, if there is one partition.
    """

    def __init__(self, calls: "EventStreamCalls", request: queries.FollowEventsRequest) -> None:
        self._calls = calls
        self._request = request
        self._responses: AsyncIterator[Any] | None = None
        self._taken: deque[Event] = deque()
        self._through = _by_partition(request.after)  # of the responses up to the one that is being taken
        self._reached = dict(self._through)  # of what has been taken
        self._pauses = Backoff(first_ms=RESUME_FIRST_MS, max_ms=RESUME_MAX_MS)

    def __aiter__(self) -> Self:
        return self

    @property
    def positions(self) -> tuple[int, ...]:
        """The positions up to which everything has been taken; empty until the stream has begun."""
        return tuple(self._reached.values())

    @property
    def position(self) -> int | None:
        """The only one of them; None until the stream has begun, and over several partitions."""
        return self.positions[0] if len(self._reached) == 1 else None

    async def __anext__(self) -> Event:
        """Wait for the next event.

        Raises:
            OutOfRange: events after the position are not kept any more.
            Unavailable: the first connection failed; later ones are tried again.
        """
        while not self._taken:
            self._reached = dict(self._through)
            response = await self._next()
            self._taken.extend(map(_event, response.events))
            self._through |= _by_partition((*response.beginnings, response.position))
        event = self._taken.popleft()
        partition = event.position >> PARTITION_SHIFT
        self._reached[partition] = event.position if self._taken else self._through[partition]
        return event

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End the stream."""
        responses, self._responses = self._responses, None
        if responses is not None:
            await responses.aclose()  # type: ignore[attr-defined]  # an async generator

    async def _next(self) -> queries.FollowEventsResponse:
        while True:
            if self._responses is None:
                self._responses = self._calls.open_events(self._request, tuple(self._through.values()))
            try:
                response: queries.FollowEventsResponse = await anext(self._responses)
            except Unavailable:
                self._responses = None
                if not self._through:  # nothing has come yet: the caller wants to know
                    raise
                await asyncio.sleep(self._pauses.next_s())
                continue
            except asyncio.CancelledError:
                # The caller waits no longer; when it asks again, the stream goes on where it was.
                self._responses = None
                raise
            self._pauses.reset()
            return response


@calls_of("Client")
class EventStreamCalls(Calls):
    """Follow events, and look which are kept."""

    def events(
        self,
        *,
        kinds: Iterable[EventKind | str] = (),
        bpmn_process_id: str = "",
        process_instance_key: int = 0,
        after: int | Sequence[int] | None = None,
        from_oldest: bool = False,
        follow: bool = True,
    ) -> EventStream:
        """Iterate over what happens from now on, after the position *after*, or (*from_oldest*) with the oldest event that is kept.

        *after* is one position for each partition of the broker.

        Events come in order, after their commit, and at least once. Without *follow* the stream ends when everything so far has come.
        With a filter, only events of these *kinds*, of this process, of this instance.

        Raises (when the iteration begins, or when it has to resume):
            OutOfRange: events after *after* are not kept any more; the text names the oldest position.
            InvalidArgument: *after* is beyond the newest position.
        """
        positions = [] if after is None else [after] if isinstance(after, int) else [*after]
        if positions and from_oldest:
            raise ValueError("Expected a position or from_oldest, but found both")
        request = queries.FollowEventsRequest(
            after=positions,
            from_oldest=from_oldest,
            until_now=not follow,
            kinds=[queries.EventKind.Value(PREFIX + EventKind(kind)) for kind in kinds],
            bpmn_process_id=bpmn_process_id,
            process_instance_key=process_instance_key,
        )
        return EventStream(self, request)

    def open_events(self, request: queries.FollowEventsRequest, after: Sequence[int]) -> AsyncIterator[Any]:
        """Open the stream of *request* once, after the positions *after* if they are known already."""
        if after:
            resumed = queries.FollowEventsRequest()
            resumed.CopyFrom(request)
            resumed.from_oldest = False
            resumed.after[:] = after
            request = resumed
        return self._stream("FollowEvents", request, None)

    async def event_log(self) -> EventLog:
        """Return which events are kept."""
        answer = await self._call("GetEventLog", queries.GetEventLogRequest())
        return EventLog(
            answer.is_recording,
            answer.oldest_position,
            answer.newest_position,
            tuple(answer.oldest_positions),
            tuple(answer.newest_positions),
        )


def _by_partition(positions: Iterable[int]) -> dict[int, int]:
    return {position >> PARTITION_SHIFT: position for position in positions}


def _event(item: queries.Event) -> Event:
    return Event(
        position=item.position,
        kind=_KINDS.get(item.kind, EventKind.UNKNOWN),
        intent=item.intent,
        at_ms=item.at_ms,
        key=item.key,
        process_instance_key=item.process_instance_key,
        process_definition_key=item.process_definition_key,
        bpmn_process_id=item.bpmn_process_id,
        element_id=item.element_id,
        element_instance_key=item.element_instance_key,
        name=item.name,
        details=_details(item.details),
    )


def _details(text: str) -> dict[str, Any]:
    """Return the details. A JSON text that Python cannot read (a number such as 1e999) stays text, so that it hides no other event."""
    try:
        return variables_json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return {"json": text}
