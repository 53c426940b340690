"""Hands activatable jobs to the callers who wait for them: parked polls and open streams.

Just before a batch closes, the partition reports the jobs that the batch has made activatable. Streams take them first, in
turn, then polls, the oldest first. Their jobs are activated in the same batch, so creating a job and handing it out share one
commit. A caller who has gone takes no more jobs, and jobs that were activated for them are given back.

If streams have no room for all of them, or if the jobs must be asked for in their order, the type has a backlog: one caller after the
other asks for any jobs, until an answer is empty.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from types import TracebackType
from typing import Self

from osmia_broker.engine.answers import ActivatedJob
from osmia_broker.engine.commands import ActivateJobs, GiveBackJobs
from osmia_broker.errors import OsmiaError, Overloaded
from osmia_broker.partition import Listener, Partition

POLLS_MAX = 50_000  # parked at a time (reliability.md, section 6)
STREAM_JOBS = 32  # pushed to a stream and not yet written; a client that does not read keeps no more from others
STREAM_STALL_S = 1.0  # a longer write means that the client does not read: its jobs go to others


Held = tuple[int, int]  #: the key of an activated job, and its deadline (epoch ms)


def _held(job: ActivatedJob) -> Held:
    return job.key, job.deadline_ms


class Poll:
    """One call that asks for jobs. It is the waiter of its own commands: an answer without jobs parks it again."""

    __slots__ = ("_dispatcher", "_future", "command", "waits")

    def __init__(self, dispatcher: "Dispatcher", command: ActivateJobs, *, waits: bool) -> None:
        self.command = command
        self.waits = waits  # for jobs to come; otherwise it is answered at once
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
            if self._future.done() and not self._future.cancelled() and self._future.exception() is None:
                self._dispatcher.give_back(self._future.result())  # the jobs came just as the caller left
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
        self._dispatcher.answered(self.command, jobs)
        if self._future.done():
            self._dispatcher.give_back(jobs)
        elif jobs or not self.waits:
            self._future.set_result(jobs)
        else:
            self._dispatcher.ask_again(self)

    def set_exception(self, error: OsmiaError) -> None:
        """Take the partition's refusal."""
        self._dispatcher.answered(self.command, [])
        if not self._future.done():
            self._future.set_exception(error)

    def _give_up(self) -> None:
        if not self._future.done():
            self._future.set_result([])
            self._dispatcher.unpark(self)


class JobStream:
    """One call into which jobs are pushed. Its door reads it as an async iterator, inside of `with`.

    The time between two reads is the time in which the door writes a job to its client. A door that gathers jobs for one write
    tells by *undelivered* how many of the last ones had not left when the client went.
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
        self._stall: asyncio.TimerHandle | None = None
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
        self._written()
        self._dispatcher.give_back_held([*handed[max(len(handed) - undelivered, 0) :], *map(_held, self._jobs)])
        self._jobs.clear()

    def __aiter__(self) -> AsyncIterator[ActivatedJob]:
        return self

    async def __anext__(self) -> ActivatedJob:
        """Wait for the next job.

        Raises:
            OsmiaError: the broker has ended the stream.

        """
        self._written()
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
        self._stall = asyncio.get_running_loop().call_later(STREAM_STALL_S, self._client_does_not_read)
        self._dispatcher.join_turn(self)
        return job

    @property
    def room(self) -> int:
        """The number of jobs that the stream takes now."""
        if self._is_stalled or self._is_closed or self._failure is not None:
            return 0
        return STREAM_JOBS - len(self._jobs) - self._picked

    def reserve(self, jobs: int = 1) -> None:
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

    def _written(self) -> None:
        """End the write of the last job, whether it succeeded or not."""
        self._is_writing = False
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None

    def _client_does_not_read(self) -> None:
        """Give back the jobs behind a write that takes too long. The stream takes no more jobs until that write ends."""
        self._stall = None
        self._is_stalled = True
        self._dispatcher.give_back(self._jobs)
        self._jobs.clear()


class _Push:
    """Waits for the activation of jobs for a stream."""

    __slots__ = ("_command", "_dispatcher", "_stream")

    def __init__(self, dispatcher: "Dispatcher", stream: JobStream, command: ActivateJobs) -> None:
        self._dispatcher = dispatcher
        self._stream = stream
        self._command = command

    def done(self) -> bool:
        return False

    def set_result(self, jobs: list[ActivatedJob]) -> None:
        self._stream.pushed(jobs, self._command.max_jobs)
        if self._command.keys is None:
            self._dispatcher.answered(self._command, jobs)

    def set_exception(self, error: OsmiaError) -> None:
        del error  # the jobs never were this stream's; they are offered again when the partition is back
        self.set_result([])


class _Backlog:
    """Jobs of one type wait that streams may have, too. One caller at a time asks for some: thousands may wait for jobs that are not there."""

    __slots__ = ("has_grown", "is_asked", "leased_only")

    def __init__(self) -> None:
        self.is_asked = False  # a question is under way
        self.has_grown = False  # since that question
        self.leased_only = False  # what is left was leased before: only callers who lease can have it


class Dispatcher(Listener):
    """Brings activatable jobs and waiting callers together."""

    def __init__(self, partition: Partition) -> None:
        self._partition = partition
        self._polls: dict[str, dict[Poll, None]] = {}  # parked ones by job type, oldest first
        self._parked = 0
        self._streams: dict[str, dict[JobStream, None]] = {}  # all open ones by job type
        self._turns: dict[str, deque[JobStream]] = {}  # by job type; a stream without room leaves when its turn comes
        self._backlogs: dict[str, _Backlog] = {}  # by job type
        self._stopping: OsmiaError | None = None
        partition.add_listener(self)

    def stop(self, reason: OsmiaError) -> None:
        """End all parked polls and all streams with *reason*, and those that come later too."""
        self._stopping = reason
        for stream in [stream for streams in self._streams.values() for stream in streams]:
            stream.end(reason)
        for poll in [poll for polls in self._polls.values() for poll in polls]:
            self.unpark(poll)
            poll.set_exception(reason)

    def give_back(self, jobs: Iterable[ActivatedJob]) -> None:
        """Make jobs activatable again that were activated for a caller who has gone, with their retries unchanged."""
        self.give_back_held(map(_held, jobs))

    def give_back_held(self, jobs: Iterable[Held]) -> None:
        """Do the same for jobs of which only key and deadline are known."""
        returned = tuple(jobs)
        if returned and self._partition.is_open:
            self._partition.decide_own(GiveBackJobs(returned))

    # --- polls

    def ask_first(self, poll: Poll) -> None:
        """Ask for jobs if there may be some. Otherwise park the poll, or answer one that does not wait.

        Raises:
            OsmiaError: the partition takes no more commands now.

        """
        if self._stopping is not None:
            poll.set_exception(self._stopping)
        elif self._has_jobs_for(poll.command):
            self._partition.decide(poll.command, poll)
        elif poll.waits:
            self._park(poll)
        else:
            poll.set_result([])

    def ask_again(self, poll: Poll) -> None:
        """Ask once more for a waiting poll that got no jobs, or park it. The queue's bound was kept when it came."""
        if self._stopping is not None:
            poll.set_exception(self._stopping)
        elif self._has_jobs_for(poll.command):
            self._partition.decide_own(poll.command, poll)
        else:
            self._park(poll)

    def _has_jobs_for(self, command: ActivateJobs) -> bool:
        return self._partition.has_activatable(command.type, leases=command.leases)

    def unpark(self, poll: Poll) -> None:
        """Take the poll out of those that wait, if it is one of them."""
        polls = self._polls.get(poll.command.type)
        if polls is not None and poll in polls:
            del polls[poll]
            self._parked -= 1
            if not polls:
                del self._polls[poll.command.type]

    def _park(self, poll: Poll) -> None:
        if self._parked >= POLLS_MAX:
            poll.set_exception(Overloaded(f"Expected at most {POLLS_MAX} waiting polls, but found as many already"))
            return
        self._polls.setdefault(poll.command.type, {})[poll] = None
        self._parked += 1

    # --- streams

    def open(self, stream: JobStream) -> None:
        """Push jobs to *stream* from now on. Jobs that wait already are left to polls, as long as streams have room for all that come.

        The source is gateway-rpc.md, StreamActivatedJobs.

        Raises:
            OsmiaError: the broker is stopping.

        """
        if self._stopping is not None:
            raise self._stopping
        self._streams.setdefault(stream.command.type, {})[stream] = None
        self.join_turn(stream)

    def close(self, stream: JobStream) -> None:
        """Push no more jobs to *stream*."""
        type = stream.command.type
        streams = self._streams.get(type, {})
        streams.pop(stream, None)
        if not streams:
            self._streams.pop(type, None)
            if type not in self._polls:
                self._backlogs.pop(type, None)
        turns = self._turns.get(type)
        if stream.has_turn and turns is not None:
            turns.remove(stream)
            self._leave_turn(turns, stream)

    def join_turn(self, stream: JobStream) -> None:
        """Ask *stream* in turn again if it has room."""
        type = stream.command.type
        if not stream.has_turn and stream in self._streams.get(type, ()) and stream.room > 0:
            stream.has_turn = True
            self._turns.setdefault(type, deque()).append(stream)
            self._ask(type)

    def _leave_turn(self, turns: deque[JobStream], stream: JobStream) -> None:
        stream.has_turn = False
        if not turns:
            del self._turns[stream.command.type]

    def _next_stream(self, type: str, *, leased_only: bool = False) -> JobStream | None:
        """Return the stream of *type* whose turn it is; None when no stream has room, or none of those who lease if *leased_only*."""
        turns = self._turns.get(type, deque())
        for _ in range(len(turns)):
            stream = turns.popleft()
            if stream.room <= 0:
                self._leave_turn(turns, stream)
                continue
            turns.append(stream)
            if stream.command.leases or not leased_only:
                return stream
        return None

    # --- bringing together

    def jobs_activatable(self, keys: Mapping[str, list[int]]) -> None:
        """Hand out the jobs that the batch about to close has made activatable."""
        for type, offered in keys.items():
            if type in self._backlogs:  # older jobs wait, or more important ones
                self._grow_backlog(type)
                continue
            left = self._push(type, offered) if type in self._turns else len(offered)
            if left and type in self._polls:
                left = self._serve_polls(type, left)
            if left > 0 and type in self._streams:
                self._grow_backlog(type)

    def jobs_waiting(self, types: Iterable[str] | None) -> None:
        """Let callers ask for jobs of *types* (None: all) that must be handed out in their order, or that were held back until now."""
        for type in {*self._polls, *self._streams} if types is None else types:
            if type in self._streams or type in self._polls:
                self._grow_backlog(type)

    def _push(self, type: str, offered: list[int]) -> int:
        """Share jobs among the streams that have room, one each in turn; return how many are left."""
        shares: dict[JobStream, list[int]] = {}
        keys = list(dict.fromkeys(offered))
        pushed = 0
        for key in keys:
            stream = self._next_stream(type)
            if stream is None:
                break
            stream.reserve()
            shares.setdefault(stream, []).append(key)
            pushed += 1
        for stream, share in shares.items():
            self._activate_for(stream, len(share), tuple(share))
        return len(keys) - pushed

    def _activate_for(self, stream: JobStream, max_jobs: int, keys: tuple[int, ...] | None) -> None:
        command = ActivateJobs(
            type=stream.command.type,
            worker=stream.command.worker,
            timeout_ms=stream.command.timeout_ms,
            max_jobs=max_jobs,
            fetch_variables=stream.command.fetch_variables,
            keys=keys,
            leases=stream.command.leases,
        )
        self._partition.decide_own(command, _Push(self, stream, command))

    def _serve_polls(self, type: str, jobs: int, *, leased_only: bool = False) -> int:
        """Let as many parked polls ask as there are *jobs* for; return how many jobs are left, 0 or below for none."""
        while jobs > 0:
            polls = self._polls.get(type, ())
            poll = next((one for one in polls if one.command.leases or not leased_only), None)
            if poll is None:
                break
            self.unpark(poll)
            jobs -= poll.command.max_jobs
            self._partition.decide_own(poll.command, poll)
        return jobs

    # --- backlogs

    def partition_opened(self) -> None:
        """Ask for the jobs that became activatable unnoticed while the partition was away."""
        self._backlogs.clear()
        self.jobs_waiting(None)

    def answered(self, command: ActivateJobs, jobs: list[ActivatedJob]) -> None:
        """Take note of an answer to a caller who asked for any jobs: as long as there are some, the next one asks."""
        backlog = self._backlogs.get(command.type)
        if backlog is None:
            return
        backlog.is_asked = False
        if not jobs and not backlog.has_grown:
            if command.leases or not self._partition.has_activatable(command.type, leases=True):
                del self._backlogs[command.type]
                return
            backlog.leased_only = True
        self._ask(command.type)

    def _grow_backlog(self, type: str) -> None:
        backlog = self._backlogs.setdefault(type, _Backlog())
        backlog.has_grown = backlog.is_asked
        backlog.leased_only = False
        self._ask(type)

    def _ask(self, type: str) -> None:
        """Let one caller ask for jobs of the backlog of *type*, unless there is none, or one asks already."""
        backlog = self._backlogs.get(type)
        if backlog is None or backlog.is_asked:
            return
        backlog.has_grown = False
        stream = self._next_stream(type, leased_only=backlog.leased_only)
        if stream is not None:
            backlog.is_asked = True
            room = stream.room
            stream.reserve(room)
            self._activate_for(stream, room, None)
        elif type in self._polls:
            backlog.is_asked = True
            backlog.is_asked = self._serve_polls(type, 1, leased_only=backlog.leased_only) < 1
        elif type not in self._streams:
            del self._backlogs[type]
