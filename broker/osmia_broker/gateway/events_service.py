"""The calls of `osmia.v1.Events`: follow what happens, and look which events are kept."""

from collections.abc import AsyncIterator

from osmia_broker.base.errors import InvalidArgument
from osmia_broker.calls.checks import few, int64
from osmia_broker.calls.events.streams import EventStreams
from osmia_broker.state.rows.event_log import EventKind, LoggedEvent
from osmia_broker.store.read import EventFilter
from osmia_proto import queries

PREFIX = "EVENT_KIND_"
_NUMBERS = {kind: queries.EventKind.Value(f"{PREFIX}{kind}") for kind in EventKind}
_KINDS: dict[int, EventKind] = {number: kind for kind, number in _NUMBERS.items()}


class Events:
    """Answers the calls about events."""

    def __init__(self, stream: EventStreams) -> None:
        self._stream = stream

    async def FollowEvents(self, request: queries.FollowEventsRequest) -> AsyncIterator[queries.FollowEventsResponse]:
        """Stream the events after a position, in order."""
        few("kinds", request.kinds)
        wanted = EventFilter(
            frozenset(map(_kind, request.kinds)),
            request.bpmn_process_id,
            int64("process_instance_key", request.process_instance_key),
        )
        slices = self._stream.follow(
            wanted, after=_after(request), from_oldest=request.from_oldest, until_now=request.until_now
        )
        try:
            firsts = [await anext(slices) for _ in range(self._stream.partitions)]
            beginnings = [one.through for one in firsts]
            for one in firsts:
                yield queries.FollowEventsResponse(position=one.through, beginnings=beginnings)
                beginnings = []
            async for one in slices:
                yield queries.FollowEventsResponse(events=map(_event, one.events), position=one.through)
        finally:
            await slices.aclose()  # its reader has left

    async def GetEventLog(self, _request: queries.GetEventLogRequest) -> queries.EventLog:
        """Return the range of events that are kept: one position where there is one partition."""
        states = await self._stream.states()
        alone = states[0] if len(states) == 1 else None
        return queries.EventLog(
            is_recording=all(one.is_recording for one in states),
            oldest_position=alone.complete_after if alone is not None else 0,
            newest_position=alone.last if alone is not None else 0,
            oldest_positions=[one.complete_after for one in states],
            newest_positions=[one.last for one in states],
        )


def _kind(number: int) -> EventKind:
    if number not in _KINDS:
        raise InvalidArgument(f"Expected kinds of events from 1 to {max(_KINDS)}, but found {number}")
    return _KINDS[number]


def _after(request: queries.FollowEventsRequest) -> list[int]:
    """Return the positions that a request names; none if it begins now."""
    if request.after and request.from_oldest:
        raise InvalidArgument("Expected a position or from_oldest, but found both")
    few("after", request.after)
    return [int64("after", one) for one in request.after]


def _event(event: LoggedEvent) -> queries.Event:
    return queries.Event(
        position=event.key,
        kind=_NUMBERS[event.kind],
        intent=event.intent,
        at_ms=event.at_ms,
        key=event.subject_key,
        process_instance_key=event.process_instance_key,
        process_definition_key=event.process_definition_key,
        bpmn_process_id=event.bpmn_process_id,
        element_id=event.element_id,
        element_instance_key=event.element_instance_key,
        name=event.name,
        details=event.details,
    )
