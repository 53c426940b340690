"""Parked polls and open job streams: who gets the jobs that become activatable.

Just before a batch closes, the partition offers the jobs of that batch here. Streams come first, one after the other, then polls
in the order in which they came. What they take is activated in the same batch, so creating a job and handing it out share one commit.
A poll or stream whose caller has gone takes nothing, and what was picked for it in that very moment is given back.
"""

import asyncio
import itertools
from collections import deque
from collections.abc import AsyncIterator
from typing import Any

from osmia_broker.engine.answers import ActivatedJob
from osmia_broker.engine.commands import ActivateJobs, GiveBackJobs
from osmia_broker.errors import OsmiaError, Overloaded
from osmia_broker.partition import Partition

POLLS_MAX = 50_000  # parked at a time (reliability.md, section 6)
STREAM_JOBS = 32  # pushed to a stream and not written yet; a stream that does not read keeps no more from others
STREAM_STALL_S = 1.0  # a write that takes longer means that the client does not read: its jobs go to somebody else


class Poll:
    """One ActivateJobs call. It is the waiter for its own commands: an answer without jobs parks it again."""

    __slots__ = ("_dispatcher", "_future", "command", "is_waiting", "waits")

    def __init__(self, dispatcher: "Dispatcher", command: ActivateJobs, *, waits: bool) -> None:
        self.command = command
        self.waits = waits  # for jobs to come, or wants an answer at once
        self.is_waiting = True  # for its first jobs, its time, or its caller to go
        self._dispatcher = dispatcher
        self._future: asyncio.Future[list[ActivatedJob]] = asyncio.get_running_loop().create_future()

    async def jobs(self, wait_s: float) -> list[ActivatedJob]:
        """The jobs, as soon as there are any; none if there are none within *wait_s*.

        Raises:
            OsmiaError: the partition cannot answer.

        """
        self._dispatcher.try_poll(self)
        timer = asyncio.get_running_loop().call_later(wait_s, self._give_up) if self.waits else None
        try:
            return await self._future
        finally:
            self.is_waiting = False
            if timer is not None:
                timer.cancel()
            if self._future.cancelled():
                self._dispatcher.left(self)

    def done(self) -> bool:
        """Never: even when the caller has gone, jobs that were picked for it must come back here."""
        return False

    def set_result(self, jobs: list[ActivatedJob]) -> None:
        """The partition's answer is durable."""
        if not self.is_waiting or self._future.done():
            self._dispatcher.give_back(jobs)
        elif jobs or not self.waits:
            self._future.set_result(jobs)
        else:
            self._dispatcher.try_poll(self)

    def set_exception(self, error: OsmiaError) -> None:
        """The partition cannot answer."""
        if not self._future.done():
            self._future.set_exception(error)

    def _give_up(self) -> None:
        if not self._future.done():
            self._future.set_result([])
            self._dispatcher.left(self)


class JobStream:
    """One StreamActivatedJobs call: jobs are pushed into it, and it hands them on as fast as its client reads."""

    def __init__(self, dispatcher: "Dispatcher", command: ActivateJobs) -> None:
        self.command = command
        self._dispatcher = dispatcher
        self._jobs: deque[ActivatedJob] = deque()
        self._picked = 0
        self._stalled = False
        self._wake = asyncio.Event()
        self._failure: OsmiaError | None = None

    @property
    def room(self) -> int:
        """How many more jobs it takes now."""
        return 0 if self._stalled or self._failure else STREAM_JOBS - len(self._jobs) - self._picked

    def pick(self, keys: tuple[int, ...]) -> ActivateJobs:
        """The command that activates these jobs for this stream; it waits for the answer itself."""
        self._picked += len(keys)
        return ActivateJobs(
            type=self.command.type,
            worker=self.command.worker,
            timeout_ms=self.command.timeout_ms,
            max_jobs=len(keys),
            fetch_variables=self.command.fetch_variables,
            keys=keys,
        )

    def waiter(self, picked: int) -> "_Push":
        """Who waits for the answer to a `pick` of so many jobs."""
        return _Push(self, picked)

    def pushed(self, jobs: list[ActivatedJob], picked: int) -> None:
        """The activation of *jobs* is durable."""
        self._picked -= picked
        if self._stalled or self._failure:
            self._dispatcher.give_back(jobs)
            return
        self._jobs.extend(jobs)
        self._wake.set()

    def end(self, failure: OsmiaError) -> None:
        """Tell the client that the stream is over."""
        self._failure = failure
        self._wake.set()

    async def jobs(self) -> AsyncIterator[ActivatedJob]:
        """The jobs for this stream, for ever.

        Raises:
            OsmiaError: the stream was ended from here.

        """
        loop = asyncio.get_running_loop()
        try:
            while True:
                while not self._jobs:
                    if self._failure is not None:
                        raise self._failure
                    self._wake.clear()
                    await self._wake.wait()
                stall = loop.call_later(STREAM_STALL_S, self._stall)
                yield self._jobs.popleft()
                stall.cancel()
                self._stalled = False
        finally:
            self._dispatcher.give_back(self._jobs)
            self._stalled = True

    def _stall(self) -> None:
        """The client has not taken its last job for a while: nothing more waits for it here."""
        self._stalled = True
        self._dispatcher.give_back(self._jobs)
        self._jobs.clear()


class _Push:
    """Waits for the activation of jobs that a stream picked."""

    __slots__ = ("_picked", "_stream")

    def __init__(self, stream: JobStream, picked: int) -> None:
        self._stream = stream
        self._picked = picked

    def done(self) -> bool:
        return False

    def set_result(self, jobs: list[ActivatedJob]) -> None:
        self._stream.pushed(jobs, self._picked)

    def set_exception(self, error: OsmiaError) -> None:
        del error  # the jobs were never this stream's; they are pushed again, or polled, when the partition is back
        self._stream.pushed([], self._picked)


class Dispatcher:
    """Brings activatable jobs and those who wait for them together."""

    def __init__(self, partition: Partition) -> None:
        self._partition = partition
        self._polls: dict[str, dict[Poll, None]] = {}  # by job type, oldest first
        self._streams: dict[str, list[JobStream]] = {}
        self._parked = 0
        self._turn = itertools.count()
        self._stopping: OsmiaError | None = None
        partition.on_activatable = self._offer

    # --- polls

    def try_poll(self, poll: Poll) -> None:
        """Ask for jobs now if there may be some; else park the poll, or answer it if it does not wait."""
        if self._stopping is not None:
            poll.set_exception(self._stopping)
        elif self._partition.has_activatable(poll.command.type):
            self._partition.decide(poll.command, poll)
        elif poll.waits:
            self._park(poll)
        else:
            poll.set_result([])

    def left(self, poll: Poll) -> None:
        """The poll waits no longer."""
        polls = self._polls.get(poll.command.type)
        if polls is not None and poll in polls:
            self._unpark(polls, poll)

    def _park(self, poll: Poll) -> None:
        if self._parked >= POLLS_MAX:
            poll.set_exception(Overloaded(f"Expected at most {POLLS_MAX} waiting polls, but found as many already"))
            return
        self._polls.setdefault(poll.command.type, {})[poll] = None
        self._parked += 1

    def _unpark(self, polls: dict[Poll, None], poll: Poll) -> None:
        del polls[poll]
        self._parked -= 1
        if not polls:
            del self._polls[poll.command.type]

    # --- streams

    def open(self, stream: JobStream) -> None:
        """The stream takes jobs from now on."""
        if self._stopping is not None:
            raise self._stopping
        self._streams.setdefault(stream.command.type, []).append(stream)

    def close(self, stream: JobStream) -> None:
        """The stream takes no more jobs."""
        streams = self._streams.get(stream.command.type, [])
        if stream in streams:
            streams.remove(stream)
            if not streams:
                del self._streams[stream.command.type]

    # --- bringing together

    def give_back(self, jobs: Any) -> None:
        """Jobs that were activated for a caller who is not there any longer."""
        returned = tuple((job.key, job.deadline_ms) for job in jobs)
        if returned and self._partition.is_open:
            self._partition.decide_own(GiveBackJobs(returned))

    def stop(self, reason: OsmiaError) -> None:
        """End all streams with *reason* and all parked polls without jobs; take no new ones."""
        self._stopping = reason
        for stream in list(itertools.chain.from_iterable(self._streams.values())):
            stream.end(reason)
        for poll in list(itertools.chain.from_iterable(self._polls.values())):
            poll.set_exception(reason)
            self.left(poll)

    def _offer(self, activatable: dict[str, list[int]]) -> None:
        """The batch about to close has made these jobs activatable."""
        for type, keys in activatable.items():
            left = self._push(type, keys) if type in self._streams else keys
            if left and type in self._polls:
                self._serve_polls(type, len(left))

    def _push(self, type: str, keys: list[int]) -> list[int]:
        """Share *keys* among the streams that have room; those that found none are left."""
        streams = self._streams[type]
        first = next(self._turn) % len(streams)
        in_turn = [stream for stream in streams[first:] + streams[:first] if stream.room > 0]
        shares: dict[JobStream, list[int]] = {stream: [] for stream in in_turn}
        left: list[int] = []
        for place, key in enumerate(dict.fromkeys(keys)):
            stream = next((one for one in _rotated(in_turn, place) if one.room > len(shares[one])), None)
            (shares[stream] if stream else left).append(key)
        for stream, share in shares.items():
            if share:
                self._partition.decide_own(stream.pick(tuple(share)), stream.waiter(len(share)))
        return left

    def _serve_polls(self, type: str, jobs: int) -> None:
        """Let as many parked polls ask for jobs as there are jobs for."""
        while jobs > 0 and (polls := self._polls.get(type)):
            poll = next(iter(polls))
            self._unpark(polls, poll)
            jobs -= poll.command.max_jobs
            self._partition.decide_own(poll.command, poll)


def _rotated(streams: list[JobStream], place: int) -> list[JobStream]:
    first = place % len(streams) if streams else 0
    return streams[first:] + streams[:first]
