"""The event stream: gives each reader what has happened since its position, and goes on with what happens.

A reader is asked for nothing but its position. What it has missed is read from the log in slices, the newest events from a short tail in
memory. No queue belongs to a reader: one that is slow falls back to the log, and is refused when the log does not reach back far enough.

Events are recorded from the first reader until a while after the last one has left, so that a reader who comes back finds them.
"""

import asyncio
import logging
from bisect import bisect_right
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Sequence
from operator import attrgetter
from typing import Any

from osmia_broker.base.errors import InvalidArgument, OsmiaError, OutOfRange, Overloaded
from osmia_broker.engine.answers import EventLogState
from osmia_broker.engine.commands.event_log import DropEvents, RecordEvents, StopRecording
from osmia_broker.partition import Clock, Listener, Partition
from osmia_broker.state.rows.event_log import LoggedEvent
from osmia_broker.state.store_protocol import RowValues
from osmia_broker.store.read import EventFilter, Reader, Slice
from osmia_broker.store.read.lists.events import cut
from osmia_broker.store.read.lists.pages import size_of_texts

READERS_MAX = 1_000  # each looks at every event
TAIL_EVENTS = 4_000  # in memory, for readers that keep up
TAIL_BYTES = 4 * 1024 * 1024
SLICE_EVENTS = 1_000  # looked through in the tail before others have their turn
QUIET_S = 5.0  # a reader whose filter lets nothing through learns its position this often
TEND_S = 30.0  # how often old events are dropped
DROP_EVENTS = 1_000  # in one command, some 5 ms of the writer

log = logging.getLogger(__name__)

_position = attrgetter("key")


class EventStream(Listener):
    """The events of one partition for all who follow them."""

    def __init__(
        self,
        partition: Partition,
        reader: Reader,
        clock: Clock,
        *,
        retention_ms: int,
        events_max: int,
        is_always_on: bool = False,
    ) -> None:
        self._partition = partition
        self._reader = reader
        self._clock = clock
        self._retention_ms, self._events_max, self._is_always_on = retention_ms, events_max, is_always_on
        self._readers = 0
        self._left_ms = clock.now_ms()  # when the last reader left
        self._complete_after = 0
        self._is_empty = False  # nothing is recorded, and nothing is left to drop
        self._tail: list[LoggedEvent] = []
        self._tail_bytes = 0
        self._tail_after = 0  # every event after this position is in the tail
        self._newest = 0
        self._changed = asyncio.Event()  # set and replaced when something has happened
        self._stopping: OsmiaError | None = None
        self._moved: OsmiaError | None = None  # why this process sends no events now
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        partition.add_listener(self)

    async def start(self) -> None:
        """Go on to record events if that was done before the last stop, or begin if the settings say so.

        If another broker leads the partition, that is done when it is opened here.
        """
        self._set_timer()
        if self._partition.is_open:
            await self._begin_to_record()

    async def _begin_to_record(self) -> None:
        state: EventLogState = await self._partition.submit(RecordEvents(begins=self._is_always_on))
        self._is_empty = not state.is_recording
        self._synchronise(state)

    def stop(self, reason: OsmiaError) -> None:
        """End all streams with *reason*, and refuse new ones."""
        self._stopping = reason
        if self._timer is not None:
            self._timer.cancel()
        for task in self._tasks:
            task.cancel()
        self._wake()

    def interrupt(self, reason: OsmiaError) -> None:
        """End the streams of those who follow now with *reason*: another broker leads the partition, and sends its events."""
        self._moved = reason
        self._wake()

    # --- reading

    async def state(self) -> EventLogState:
        """Return which events are kept."""
        state: EventLogState = await self._partition.submit(RecordEvents(begins=False))
        return state

    async def follow(
        self, wanted: EventFilter, *, after: int | None = None, from_oldest: bool = False, until_now: bool = False
    ) -> AsyncGenerator[Slice, None]:
        """Yield the events after the position *after* (None: from now on) in slices; the first slice is empty and comes at once.

        A slice without events reports how far the reader is. With *until_now* the stream ends when everything so far has been sent.

        Raises:
            OutOfRange: events after the position are not kept any more; also later, to a reader that is too slow.
            InvalidArgument: the position is beyond the newest one.
            Overloaded: there are too many readers.

        """
        if self._stopping is not None:
            raise self._stopping
        if self._readers >= READERS_MAX:
            raise Overloaded(f"Expected at most {READERS_MAX} readers of the event stream, but found as many already")
        self._readers += 1  # from before the command, so that nothing stops the recording meanwhile
        try:
            state: EventLogState = await self._partition.submit(RecordEvents(begins=not until_now))
            self._complete_after = max(self._complete_after, state.complete_after)
            position = _beginning(state, after, from_oldest=from_oldest)
            yield Slice([], position)
            slices = self._until(wanted, position, state.last) if until_now else self._from(wanted, position)
            async for one in slices:
                yield one
        finally:
            self._readers -= 1
            self._left_ms = self._clock.now_ms()

    async def _until(self, wanted: EventFilter, position: int, last: int) -> AsyncIterator[Slice]:
        """Yield the events up to the position *last*."""
        while position < last:
            found = await self._from_log(wanted, position)
            if found.through == position:
                return
            position = found.through
            yield found

    async def _from(self, wanted: EventFilter, position: int) -> AsyncIterator[Slice]:
        """Yield the events after *position*, without end."""
        loop = asyncio.get_running_loop()
        sent, sent_s = position, loop.time()
        while True:
            changed = self._changed
            if (reason := self._stopping or self._moved) is not None:
                raise reason
            if position < self._newest:
                found = await self._next(wanted, position)
                position = found.through
                if found.events or loop.time() - sent_s > QUIET_S:
                    yield found
                    sent, sent_s = position, loop.time()
            elif await _waits_in_vain(changed, QUIET_S if position > sent else None):
                yield Slice([], position)
                sent, sent_s = position, loop.time()

    async def _next(self, wanted: EventFilter, position: int) -> Slice:
        """Return the next slice behind *position*, which is before the newest event."""
        tail_after = self._tail_after
        if position >= tail_after:
            first = bisect_right(self._tail, position, key=_position)
            events = self._tail[first : first + SLICE_EVENTS]
            return cut([event for event in events if wanted.passes(event)], events[-1].key if events else self._newest)
        found = await self._from_log(wanted, position)
        if found.through == position:  # the log has nothing before the tail
            return Slice([], max(position, tail_after))
        return found

    async def _from_log(self, wanted: EventFilter, position: int) -> Slice:
        found = await self._reader.events(wanted, after=position)
        if position < self._complete_after:  # asked afterwards, because events may have been dropped meanwhile
            raise _lost(position, self._complete_after)
        return found

    # --- what the partition reports

    def events_logged(self, events: Sequence[RowValues]) -> None:
        """Take what has just been committed into the tail, and wake the readers."""
        self._newest, self._is_empty = events[-1][0], False
        if not self._readers:
            self._clear_tail()
            return
        new = [LoggedEvent(*values) for values in events]
        self._tail += new
        self._tail_bytes += sum(map(size_of_texts, new))
        while len(self._tail) > 1 and (len(self._tail) > TAIL_EVENTS or self._tail_bytes > TAIL_BYTES):
            self._shorten_tail()
        self._wake()

    def partition_opened(self) -> None:
        """Look again how far the log goes: a commit whose outcome was unknown may have taken effect."""
        self._moved = None
        if self._stopping is None:
            self._begin(self._begin_to_record())

    def _synchronise(self, state: EventLogState) -> None:
        self._complete_after = max(self._complete_after, state.complete_after)
        self._newest = max(self._newest, state.last)
        self._clear_tail()
        self._wake()

    def _clear_tail(self) -> None:
        self._tail, self._tail_bytes, self._tail_after = [], 0, self._newest

    def _shorten_tail(self) -> None:
        """Drop the older half."""
        dropped = self._tail[: (len(self._tail) + 1) // 2]
        self._tail_after = dropped[-1].key
        self._tail = self._tail[len(dropped) :]
        self._tail_bytes -= sum(map(size_of_texts, dropped))

    def _wake(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    # --- keeping the log short

    async def tend(self) -> None:
        """Stop to record if nobody has followed for a while, and drop events that are old or too many."""
        if self._is_empty or not self._partition.is_open:
            return
        now_ms = self._clock.now_ms()
        is_idle = not self._readers and not self._is_always_on and now_ms - self._left_ms >= self._retention_ms
        state: EventLogState = await self._partition.submit(
            StopRecording() if is_idle else RecordEvents(begins=self._is_always_on)
        )
        self._complete_after = max(self._complete_after, state.complete_after)
        expired_ms = now_ms - self._retention_ms if state.is_recording else None
        surplus = await self._reader.count_events() - self._events_max
        while keys := await self._to_drop(expired_ms, surplus):
            self._complete_after = max(self._complete_after, keys[-1])
            await self._partition.submit(DropEvents(keys))
            surplus -= len(keys)
        self._is_empty = not state.is_recording

    async def _to_drop(self, expired_ms: int | None, surplus: int) -> tuple[int, ...]:
        """Return the positions of the oldest events, as far as they may be dropped: all of them if *expired_ms* is None."""
        oldest = await self._reader.oldest_events(DROP_EVENTS)
        for place, (_, at_ms) in enumerate(oldest):
            if expired_ms is not None and at_ms >= expired_ms and place >= surplus:
                return tuple(key for key, _ in oldest[:place])
        return tuple(key for key, _ in oldest)

    def _set_timer(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(TEND_S, self._tend_now)

    def _tend_now(self) -> None:
        self._begin(self.tend())
        self._set_timer()

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.warning("event log not tended, the next round tries again: %s", error)


def _beginning(state: EventLogState, after: int | None, *, from_oldest: bool) -> int:
    """Return the position at which a stream begins."""
    if from_oldest:
        return state.complete_after
    if after is None:
        return state.last
    if after > state.last:
        raise InvalidArgument(f"Expected a position of at most {state.last}, the newest one, but found {after}")
    if after < state.complete_after:
        raise _lost(after, state.complete_after)
    return after


def _lost(position: int, oldest: int) -> OutOfRange:
    return OutOfRange(
        f"Expected a position of {oldest} or later, but found {position}: events after it are not kept any more."
        f" Read the lists once, and go on from {oldest}"
    )


async def _waits_in_vain(changed: asyncio.Event, timeout_s: float | None) -> bool:
    """Wait until something has happened; return True if *timeout_s* was over before."""
    try:
        async with asyncio.timeout(timeout_s):
            await changed.wait()
    except TimeoutError:
        return True
    return False
