"""Hands activatable jobs to the callers who wait for them: parked polls and open streams.

Just before a batch closes, the partition reports the jobs that the batch has made activatable. Streams take them first, in
turn, then polls, the oldest first. Their jobs are activated in the same batch, so creating a job and handing it out share one
commit. A caller who has gone takes no more jobs, and jobs that were activated for them are given back.

What concerns one partition alone is in `JobHandout`. With several partitions, the callers are the same for all, and each question goes to one
partition: a poll asks the next in turn that has jobs of its type. If it has room for more then, it asks those behind it that have some.
A partition that is moving to another process counts as one without jobs.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from types import TracebackType
from typing import Self

from msgspec import structs

from osmia_broker.base.errors import NotLed, OsmiaError, Overloaded
from osmia_broker.calls.jobs.handout import JobHandout
from osmia_broker.engine.answers import ActivatedJob, size_with_worker
from osmia_broker.engine.commands import ActivateJobs
from osmia_broker.partition import AnyPartition
from osmia_broker.state.partitioning import partition_of_key

POLLS_MAX = 50_000  # parked at a time
FOLLOWED_BYTES = 100_000  # of jobs; the full answer of another partition still fits into one message with them
STREAM_JOBS = 32  # pushed to a stream and not yet written; a client that does not read keeps no more from others
STREAM_STALL_S = 1.0  # a longer write means that the client does not read: its jobs go to others


Held = tuple[int, int]  #: the key of an activated job, and its deadline (epoch ms)


def _held(job: ActivatedJob) -> Held:
    return job.key, job.deadline_ms


class Poll:
    """One call that asks for jobs. It is the waiter of its own commands: an answer without jobs parks it again.

    As long as it has room, it goes on to other partitions that have jobs already; it does not wait for more.
    """

    __slots__ = ("_dispatcher", "_future", "command", "found", "handout", "left", "waits")

    def __init__(self, dispatcher: "Dispatcher", command: ActivateJobs, *, waits: bool) -> None:
        self.command = command
        self.waits = waits  # for jobs to come; otherwise it is answered at once
        self.handout: JobHandout | None = None  # the one that was asked last
        self.left: Sequence[JobHandout] = ()  # those to ask if that one gives nothing, or too few
        self.found: list[ActivatedJob] = []
        self._dispatcher = dispatcher
        self._future: asyncio.Future[list[ActivatedJob]] = asyncio.get_running_loop().create_future()

    async def jobs(self, wait_s: float) -> list[ActivatedJob]:
        """Wait for jobs and return them; return none if none come within *wait_s*.

        Raises:
            OsmiaError: the partition cannot answer.

        """
        self._dispatcher.ask_first(self)
        timer = asyncio.get_running_loop().call_later(wait_s, self._give_up) if self.waits else None
        try:
            return await self._future
        except asyncio.CancelledError:
            self._dispatcher.give_back(self.found)  # some came just as the caller left, or it asked for more
            raise
        finally:
            if timer is not None:
                timer.cancel()
            if self._future.cancel() or self._future.cancelled():
                self._dispatcher.unpark(self)

    def done(self) -> bool:
        """Return False: even when the caller has gone, jobs that were activated for them must come back here."""
        return False

    def set_result(self, jobs: list[ActivatedJob]) -> None:
        """Take the partition's durable answer."""
        if self.handout is not None:
            self.handout.answered(self.command, jobs)
        if self._future.done():
            self._dispatcher.give_back(jobs)
            return
        self.found += jobs
        if not self.found and (self.left or self.waits):
            self._dispatcher.ask_again(self)
        elif self.left and self._has_room_after(jobs):
            self._dispatcher.ask_rest(self)
        else:
            self.answer()

    def answer(self) -> None:
        """Answer with the jobs that were found."""
        self._future.set_result(self.found)

    def set_exception(self, error: OsmiaError) -> None:
        """Take the partition's refusal. One that is moving has no jobs now: the poll asks the next one, or waits until it is led again."""
        if isinstance(error, NotLed):
            self.set_result([])
            return
        if self.handout is not None:
            self.handout.answered(self.command, [])
        if self._future.done():
            return
        if self.found:
            self.answer()  # the jobs of other partitions are the caller's already
        else:
            self._future.set_exception(error)

    def _has_room_after(self, jobs: list[ActivatedJob]) -> bool:
        """Take *jobs* off the number that is asked for; return whether another partition may add some."""
        self.command = structs.replace(self.command, max_jobs=self.command.max_jobs - len(jobs))
        return self.command.max_jobs > 0 and sum(map(size_with_worker, self.found)) <= FOLLOWED_BYTES

    def _give_up(self) -> None:
        if not self._future.done():
            self.answer()
            self._dispatcher.unpark(self)


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
        self._dispatcher.give_back_held([*handed[max(len(handed) - undelivered, 0) :], *map(_held, self._jobs)])
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
        self._handed.append(_held(job))
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


class Dispatcher:
    """Brings the callers who wait for jobs together with the partitions, each behind its `JobHandout`."""

    def __init__(self, parts: Sequence[AnyPartition]) -> None:
        self.polls: dict[str, dict[Poll, None]] = {}  #: parked ones by job type, oldest first
        self.streams: dict[str, dict[JobStream, None]] = {}  #: all open ones by job type
        self.turns: dict[str, deque[JobStream]] = {}  #: by job type; a stream without room leaves when its turn comes
        self._parked = 0
        self._stopping: OsmiaError | None = None
        self._handouts = tuple(JobHandout(self, one) for one in parts)
        self._turn = 0  # of the partitions

    def stop(self, reason: OsmiaError) -> None:
        """End all parked polls and all streams with *reason*, and those that come later too."""
        self._stopping = reason
        for stream in [stream for streams in self.streams.values() for stream in streams]:
            stream.end(reason)
        for poll in [poll for polls in self.polls.values() for poll in polls]:
            self.unpark(poll)
            poll.set_exception(reason)

    def give_back(self, jobs: Iterable[ActivatedJob]) -> None:
        """Make jobs activatable again that were activated for a caller who has gone, with their retries unchanged."""
        self.give_back_held(map(_held, jobs))

    def give_back_held(self, jobs: Iterable[Held]) -> None:
        """Do the same for jobs of which only key and deadline are known."""
        if len(self._handouts) == 1:
            self._handouts[0].give_back(jobs)
            return
        of_partitions: dict[int, list[Held]] = {}
        for job in jobs:
            of_partitions.setdefault(partition_of_key(job[0]), []).append(job)
        for number, some in of_partitions.items():
            self._handouts[number - 1].give_back(some)

    def _in_turn(self) -> tuple[JobHandout, ...]:
        """Return the handouts, another one first each time. Those of partitions that are away are left out, if there are others."""
        handouts = self._handouts
        if len(handouts) == 1:
            return handouts
        self._turn = (self._turn + 1) % len(handouts)
        in_turn = (*handouts[self._turn :], *handouts[: self._turn])
        return tuple(one for one in in_turn if one.partition.is_open) or in_turn

    # --- polls

    def ask_first(self, poll: Poll) -> None:
        """Ask for jobs if there may be some. Otherwise park the poll, or answer one that does not wait.

        Raises:
            OsmiaError: the partition takes no more commands now.

        """
        if self._stopping is not None:
            poll.set_exception(self._stopping)
            return
        handout = self._next_handout(poll, self._in_turn())
        if handout is not None:
            handout.partition.decide(poll.command, poll)
        elif poll.waits:
            self._park(poll)
        else:
            poll.set_result([])

    def ask_again(self, poll: Poll) -> None:
        """Ask once more for a poll that got no jobs, or park it. The queue's bound was kept when it came."""
        if self._stopping is not None:
            poll.set_exception(self._stopping)
            return
        handout = self._next_handout(poll, poll.left)
        if handout is None and poll.waits:
            handout = self._next_handout(poll, self._in_turn())
        if handout is not None:
            handout.partition.decide_own(poll.command, poll)
        elif poll.waits:
            self._park(poll)
        else:
            poll.set_result([])

    def ask_rest(self, poll: Poll) -> None:
        """Ask the partitions that are left for a poll that has found some jobs, or answer it if they have none."""
        handout = self._next_handout(poll, poll.left) if self._stopping is None else None
        if handout is not None:
            handout.partition.decide_own(poll.command, poll)
        else:
            poll.answer()

    @staticmethod
    def _next_handout(poll: Poll, handouts: Sequence[JobHandout]) -> JobHandout | None:
        """Return the first of *handouts* whose partition may have jobs for *poll*; the poll remembers those behind it."""
        for place, handout in enumerate(handouts):
            if handout.has_jobs_for(poll.command, waits=poll.waits and not poll.found):
                poll.handout, poll.left = handout, handouts[place + 1 :]
                return handout
        poll.handout, poll.left = None, ()
        return None

    def unpark(self, poll: Poll) -> None:
        """Take the poll out of those that wait, if it is one of them."""
        polls = self.polls.get(poll.command.type)
        if polls is not None and poll in polls:
            del polls[poll]
            self._parked -= 1
            if not polls:
                del self.polls[poll.command.type]

    def _park(self, poll: Poll) -> None:
        if self._parked >= POLLS_MAX:
            poll.set_exception(Overloaded(f"Expected at most {POLLS_MAX} waiting polls, but found as many already"))
            return
        self.polls.setdefault(poll.command.type, {})[poll] = None
        self._parked += 1

    # --- streams

    def open(self, stream: JobStream) -> None:
        """Push jobs to *stream* from now on. Jobs that wait already are left to polls, as long as streams have room for all that come.

        Raises:
            OsmiaError: the broker is stopping.

        """
        if self._stopping is not None:
            raise self._stopping
        self.streams.setdefault(stream.command.type, {})[stream] = None
        for handout in self._handouts:
            handout.partition.report_jobs(stream.command.type)
        self.join_turn(stream)

    def close(self, stream: JobStream) -> None:
        """Push no more jobs to *stream*."""
        type = stream.command.type
        streams = self.streams.get(type, {})
        streams.pop(stream, None)
        if not streams:
            self.streams.pop(type, None)
            if type not in self.polls:
                for handout in self._handouts:
                    handout.nobody_asks(type)
        turns = self.turns.get(type)
        if stream.has_turn and turns is not None:
            turns.remove(stream)
            self._leave_turn(turns, stream)

    def join_turn(self, stream: JobStream) -> None:
        """Ask *stream* in turn again if it has room."""
        type = stream.command.type
        if not stream.has_turn and stream in self.streams.get(type, ()) and stream.room() > 0:
            stream.has_turn = True
            self.turns.setdefault(type, deque()).append(stream)
            for handout in self._in_turn():
                handout.ask(type)

    def _leave_turn(self, turns: deque[JobStream], stream: JobStream) -> None:
        stream.has_turn = False
        if not turns:
            del self.turns[stream.command.type]

    def share(self, type: str, keys: Sequence[int]) -> dict[JobStream, list[int]]:
        """Deal *keys* of jobs out to the streams of *type*, one each in turn, as far as they have room. They keep the room for their shares."""
        shares: dict[JobStream, list[int]] = {}
        turns = self.turns.get(type)
        for key in keys:
            while turns and turns[0].room() <= 0:
                self._leave_turn(turns, turns.popleft())
            if not turns:
                break
            stream = turns[0]
            turns.rotate(-1)
            stream.reserve(1)
            shares.setdefault(stream, []).append(key)
        return shares

    def next_stream(self, type: str, *, leased_only: bool = False) -> JobStream | None:
        """Return the stream of *type* whose turn it is; None when no stream has room, or none of those who lease if *leased_only*."""
        turns = self.turns.get(type, deque())
        for _ in range(len(turns)):
            stream = turns.popleft()
            if stream.room() <= 0:
                self._leave_turn(turns, stream)
                continue
            turns.append(stream)
            if stream.command.leases or not leased_only:
                return stream
        return None
