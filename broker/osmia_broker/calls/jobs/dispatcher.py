"""Hands activatable jobs to the callers who wait for them: parked polls and open streams.

Just before a batch closes, the partition reports the jobs that the batch has made activatable. Streams take them first, in
turn, then polls, the oldest first. Their jobs are activated in the same batch, so creating a job and handing it out share one
commit. A caller who has gone takes no more jobs, and jobs that were activated for them are given back.

What concerns one partition alone is in `JobHandout`. With several partitions, the callers are the same for all, and each question goes to one
partition: a poll asks the next in turn that has jobs of its type. If it has room for more then, it asks those behind it that have some.
A partition that is moving to another process counts as one without jobs.
"""

from collections import deque
from collections.abc import Iterable, Sequence

from osmia_broker.base.errors import OsmiaError, Overloaded
from osmia_broker.calls.jobs.handout import Held, JobHandout, held
from osmia_broker.calls.jobs.poll import Poll
from osmia_broker.calls.jobs.stream import JobStream
from osmia_broker.engine.answers import ActivatedJob
from osmia_broker.partition import AnyPartition
from osmia_broker.state.partitioning import partition_of_key

POLLS_MAX = 50_000  # parked at a time


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
        self.give_back_held(map(held, jobs))

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
