"""A stream: one call into which jobs are pushed as they come, as far as its client reads them."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self

from osmia_broker.base.errors import OsmiaError
from osmia_broker.calls.jobs.handout import Held, held
from osmia_broker.engine.answers import ActivatedJob
from osmia_broker.engine.commands import ActivateJobs

if TYPE_CHECKING:
    from osmia_broker.calls.jobs.dispatcher import Dispatcher

STREAM_JOBS = 32  # pushed to a stream and not yet written; a client that does not read keeps no more from others
STREAM_STALL_S = 1.0  # a longer write means that the client does not read: its jobs go to others


class JobStream:
    """One call into which jobs are pushed. Its door reads it as an async iterator, inside of `with`.

    The time between two reads is the time in which the door writes a job to its client. A door that gathers jobs for one write
    reports by *undelivered* how many of the last ones had not left when the client went.
    """

    def __init__(
        self, dispatcher: "Dispatcher", command: ActivateJobs, undelivered: Callable[[], int] = lambda: 0
    ) -> None:
        self.command = command
        self.has_turn = False  # the dispatcher's: whether it stands among the streams that are asked in turn
        self._dispatcher = dispatcher
        self._jobs: deque[ActivatedJob] = deque()  # activated, to be written
        self._picked = 0  # being activated
        self._handed: deque[Held] = deque(maxlen=STREAM_JOBS)  # to the door, the last ones
        self._is_writing = False  # the last of them
        self._undelivered = undelivered
        self._loop = asyncio.get_running_loop()
        self._begun_s = 0.0  # when the write began, by the loop's clock
        self._watch: asyncio.TimerHandle | None = None  # one for many writes
        self._is_stalled = False
        self._is_closed = False
        self._failure: OsmiaError | None = None
        self._wake = asyncio.Event()

    def __enter__(self) -> Self:
        self._dispatcher.open(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_closed = True
        self._dispatcher.close(self)
        undelivered = max(self._undelivered(), int(self._is_writing))
        handed = list(self._handed)
        if self._watch is not None:
            self._watch.cancel()
        self._dispatcher.give_back_held([*handed[max(len(handed) - undelivered, 0) :], *map(held, self._jobs)])
        self._jobs.clear()

    def __aiter__(self) -> AsyncIterator[ActivatedJob]:
        return self

    async def __anext__(self) -> ActivatedJob:
        """Wait for the next job.

        Raises:
            OsmiaError: the broker has ended the stream.

        """
        self._is_writing = False
        if self._is_stalled:
            self._is_stalled = False
            self._dispatcher.join_turn(self)
        while not self._jobs:
            if self._failure is not None:
                raise self._failure
            self._wake.clear()
            await self._wake.wait()
        job = self._jobs.popleft()
        self._handed.append(held(job))
        self._is_writing = True
        self._begun_s = self._loop.time()
        if self._watch is None:
            self._watch = self._loop.call_later(STREAM_STALL_S, self._look)
        self._dispatcher.join_turn(self)
        return job

    def room(self) -> int:
        """Return the number of jobs that the stream takes now."""
        if self._is_stalled or self._is_closed or self._failure is not None:
            return 0
        return STREAM_JOBS - len(self._jobs) - self._picked

    def reserve(self, jobs: int) -> None:
        """Keep room for *jobs* that are about to be activated for this stream."""
        self._picked += jobs

    def pushed(self, jobs: list[ActivatedJob], reserved: int) -> None:
        """Take *jobs*, whose activation is durable and for which room was *reserved*."""
        self._picked -= reserved
        if self._is_stalled or self._is_closed or self._failure is not None:
            self._dispatcher.give_back(jobs)
            return
        self._jobs.extend(jobs)
        self._wake.set()
        self._dispatcher.join_turn(self)

    def end(self, failure: OsmiaError) -> None:
        """End the stream with *failure*, after the jobs that it holds have been read."""
        self._failure = failure
        self._wake.set()

    def _look(self) -> None:
        """See whether a write takes too long. Most end at once, so the timer of the first serves many."""
        self._watch = None
        if not self._is_writing:
            return
        left_s = self._begun_s + STREAM_STALL_S - self._loop.time()
        if left_s > 0:
            self._watch = self._loop.call_later(left_s, self._look)
        else:
            self._client_does_not_read()

    def _client_does_not_read(self) -> None:
        """Give back the jobs behind a write that takes too long. The stream takes no more jobs until that write ends."""
        self._is_stalled = True
        self._dispatcher.give_back(self._jobs)
        self._jobs.clear()
