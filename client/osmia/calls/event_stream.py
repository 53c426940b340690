"""Follow what happens at the broker (`osmia.v1.Events`). Only Osmia answers these calls; a Zeebe gateway raises `Unimplemented`."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable
from types import TracebackType
from typing import Any, Self

import msgspec

from osmia import variables as variables_json
from osmia.arguments import checks_arguments
from osmia.backoff import Backoff
from osmia.calls.call import Calls
from osmia.errors import Unavailable
from osmia.results import Event, EventKind, EventLog
from osmia_proto import queries

PREFIX = "EVENT_KIND_"
RESUME_FIRST_MS, RESUME_MAX_MS = 100, 5_000
_KINDS = {number: EventKind(name.removeprefix(PREFIX)) for name, number in queries.EventKind.items() if number}


class EventStream:
    """An async iterator of events. When the connection breaks it comes back by itself and goes on where it was.

    `async with client.events() as stream` ends it at once when it is left; otherwise it ends when nobody holds it any longer.

    `position` is the position up to which everything has been taken. A program that keeps it, and gives it as *after* when it
    starts again, misses nothing. It grows also while the filter lets nothing through.
    """

    def __init__(self, calls: "EventStreamCalls", request: queries.FollowEventsRequest) -> None:
        self.position: int | None = request.after[0] if request.after else None
        self._calls = calls
        self._request = request
        self._responses: AsyncIterator[Any] | None = None
        self._taken: deque[Event] = deque()
        self._through: int | None = self.position  # of the response that is being taken
        self._pauses = Backoff(first_ms=RESUME_FIRST_MS, max_ms=RESUME_MAX_MS)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        """Wait for the next event.

        Raises:
            OutOfRange: events after the position are not kept any more.
            Unavailable: the first connection failed; later ones are tried again.
        """
        while not self._taken:
            self.position = self._through
            response = await self._next()
            self._taken.extend(map(_event, response.events))
            self._through = response.position
        event = self._taken.popleft()
        self.position = event.position if self._taken else self._through
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
                self._responses = self._calls.open_events(self._request, self._through)
            try:
                response: queries.FollowEventsResponse = await anext(self._responses)
            except Unavailable:
                self._responses = None
                if self._through is None:  # nothing has come yet: the caller wants to know
                    raise
                await asyncio.sleep(self._pauses.next_s())
                continue
            except (
                asyncio.CancelledError
            ):  # the caller waits no longer; when it asks again, the stream goes on where it was
                self._responses = None
                raise
            self._pauses.reset()
            return response


@checks_arguments
class EventStreamCalls(Calls):
    """Follow events, and look which are kept."""

    def events(
        self,
        *,
        kinds: Iterable[EventKind | str] = (),
        bpmn_process_id: str = "",
        process_instance_key: int = 0,
        after: int | None = None,
        from_oldest: bool = False,
        follow: bool = True,
    ) -> EventStream:
        """Iterate over what happens from now on, or after the position *after*, or (*from_oldest*) with the oldest event that is kept.

        Events come in order, after their commit, and at least once. Without *follow* the stream ends when everything so far has come.
        With a filter, only events of these *kinds*, of this process, of this instance.

        Raises (when the iteration begins, or when it has to resume):
            OutOfRange: events after *after* are not kept any more; the text names the oldest position.
            InvalidArgument: *after* is beyond the newest position.
        """
        if after is not None and from_oldest:
            raise ValueError("Expected a position or from_oldest, but found both")
        request = queries.FollowEventsRequest(
            after=[] if after is None else [after],
            from_oldest=from_oldest,
            until_now=not follow,
            kinds=[queries.EventKind.Value(PREFIX + EventKind(kind)) for kind in kinds],
            bpmn_process_id=bpmn_process_id,
            process_instance_key=process_instance_key,
        )
        return EventStream(self, request)

    def open_events(self, request: queries.FollowEventsRequest, after: int | None) -> AsyncIterator[Any]:
        """Open the stream of *request* once, after the position *after* if that is known already."""
        if after is not None:
            resumed = queries.FollowEventsRequest()
            resumed.CopyFrom(request)
            resumed.from_oldest = False
            resumed.after[:] = [after]
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
