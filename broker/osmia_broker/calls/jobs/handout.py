"""Hand the activatable jobs of one partition to waiting polls and streams.

If streams have no room for all jobs that become activatable, or if the jobs must be asked for in their order, the type has a backlog: one
caller after the other asks for any jobs, until an answer is empty.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from osmia_broker.base.errors import OsmiaError
from osmia_broker.engine.answers import ActivatedJob
from osmia_broker.engine.commands import ActivateJobs, GiveBackJobs
from osmia_broker.partition import AnyPartition, Listener

if TYPE_CHECKING:
    from osmia_broker.calls.jobs.dispatcher import Dispatcher
    from osmia_broker.calls.jobs.poll import Poll
    from osmia_broker.calls.jobs.stream import JobStream


Held = tuple[int, int]  #: the key of an activated job, and its deadline (epoch ms)


def held(job: ActivatedJob) -> Held:
    """Return what is known of a job that a caller holds."""
    return job.key, job.deadline_ms


class _Push:
    """Waits for the activation of jobs for a stream."""

    __slots__ = ("_command", "_handout", "_stream")

    def __init__(self, handout: "JobHandout", stream: "JobStream", command: ActivateJobs) -> None:
        self._handout = handout
        self._stream = stream
        self._command = command

    def done(self) -> bool:
        return False

    def set_result(self, jobs: list[ActivatedJob]) -> None:
        self._stream.pushed(jobs, self._command.max_jobs)
        if self._command.keys is None:
            self._handout.answered(self._command, jobs)

    def set_exception(self, error: OsmiaError) -> None:
        del error  # the jobs never were this stream's; they are offered again when the partition is back
        self.set_result([])


class _Backlog:
    """Jobs of one type wait that streams may have, too. One caller at a time asks for some: thousands may wait for jobs that are not there."""

    __slots__ = ("has_grown", "leased_only", "question")

    def __init__(self) -> None:
        # Under way. Answers to others say nothing, because they may be older than the backlog.
        self.question: ActivateJobs | None = None
        self.has_grown = False  # since that question
        self.leased_only = False  # what is left was leased before: only callers who lease can have it


class JobHandout(Listener):
    """Hands the jobs of *partition* to the callers who wait at *waiting*."""

    def __init__(self, waiting: "Dispatcher", partition: AnyPartition) -> None:
        self.partition = partition
        self._waiting = waiting
        self._backlogs: dict[str, _Backlog] = {}  # by job type
        partition.add_listener(self)

    def has_jobs_for(self, command: ActivateJobs, *, waits: bool) -> bool:
        """Whether it is worth asking the partition for jobs now, for a caller who else *waits* or goes."""
        partition = self.partition
        return partition.is_open and partition.has_activatable(command.type, leases=command.leases, waits=waits)

    def give_back(self, jobs: "Iterable[Held]") -> None:
        """Make jobs of the partition activatable again that were activated for a caller who has gone."""
        returned = tuple(jobs)
        if returned and self.partition.is_open:
            self.partition.decide_own(GiveBackJobs(returned))

    def nobody_asks(self, type: str) -> None:
        """Forget the backlog of *type*: nobody waits for its jobs."""
        self._backlogs.pop(type, None)

    # --- bringing together

    def jobs_activatable(self, keys: Mapping[str, list[int]]) -> None:
        """Hand out the jobs that the batch about to close has made activatable."""
        for type, offered in keys.items():
            if type in self._backlogs:  # older jobs wait, or more important ones
                self._grow_backlog(type)
                continue
            left = self._push(type, offered) if type in self._waiting.turns else len(offered)
            if left and type in self._waiting.polls:
                left = self._serve_polls(type, left)
            if left > 0 and type in self._waiting.streams:
                self._grow_backlog(type)

    def jobs_waiting(self, types: Iterable[str] | None) -> None:
        """Let callers ask for jobs of *types* (None: all) that must be handed out in their order, or that were held back until now."""
        for type in {*self._waiting.polls, *self._waiting.streams} if types is None else types:
            if type in self._waiting.streams or type in self._waiting.polls:
                self._grow_backlog(type)

    def _push(self, type: str, offered: list[int]) -> int:
        """Share jobs among the streams that have room; return how many are left."""
        keys = list(dict.fromkeys(offered))
        left = len(keys)
        for stream, share in self._waiting.share(type, keys).items():
            left -= len(share)
            command = self._command_for(stream, len(share), tuple(share))
            self.partition.decide_own(command, _Push(self, stream, command))
        return left

    @staticmethod
    def _command_for(stream: "JobStream", max_jobs: int, keys: tuple[int, ...] | None) -> ActivateJobs:
        return ActivateJobs(
            type=stream.command.type,
            worker=stream.command.worker,
            timeout_ms=stream.command.timeout_ms,
            max_jobs=max_jobs,
            fetch_variables=stream.command.fetch_variables,
            keys=keys,
            leases=stream.command.leases,
        )

    def _serve_polls(self, type: str, jobs: int) -> int:
        """Let as many parked polls ask as there are *jobs* for; return how many jobs are left, 0 or below for none."""
        while jobs > 0 and (poll := self._next_poll(type)) is not None:
            jobs -= poll.command.max_jobs
            self._serve(poll)
        return jobs

    def _next_poll(self, type: str, *, leased_only: bool = False) -> "Poll | None":
        polls = self._waiting.polls.get(type, ())
        return next((one for one in polls if one.command.leases or not leased_only), None)

    def _serve(self, poll: "Poll") -> None:
        self._waiting.unpark(poll)
        poll.handout, poll.left = self, ()
        self.partition.decide_own(poll.command, poll)

    # --- backlogs

    def partition_opened(self) -> None:
        """Ask for the jobs that became activatable unnoticed while the partition was away."""
        self._backlogs.clear()
        self.jobs_waiting(None)

    def answered(self, command: ActivateJobs, jobs: list[ActivatedJob]) -> None:
        """Take note of an answer to a caller who asked for any jobs: as long as a backlog has some, the next one asks."""
        backlog = self._backlogs.get(command.type)
        if backlog is None or backlog.question is not command:
            return
        backlog.question = None
        if not jobs and not backlog.has_grown:
            if command.leases or not self.partition.has_activatable(command.type, leases=True):
                del self._backlogs[command.type]
                return
            backlog.leased_only = True
        self.ask(command.type)

    def _grow_backlog(self, type: str) -> None:
        backlog = self._backlogs.setdefault(type, _Backlog())
        backlog.has_grown = backlog.question is not None
        backlog.leased_only = False
        self.ask(type)

    def ask(self, type: str) -> None:
        """Let one caller ask for jobs of the backlog of *type*, unless there is none, or one asks already."""
        backlog = self._backlogs.get(type)
        if backlog is None or backlog.question is not None:
            return
        backlog.has_grown = False
        stream = self._waiting.next_stream(type, leased_only=backlog.leased_only)
        if stream is not None:
            room = stream.room()
            stream.reserve(room)
            backlog.question = command = self._command_for(stream, room, None)
            self.partition.decide_own(command, _Push(self, stream, command))
        elif (poll := self._next_poll(type, leased_only=backlog.leased_only)) is not None:
            backlog.question = poll.command
            self._serve(poll)
        elif type not in self._waiting.streams and type not in self._waiting.polls:
            del self._backlogs[type]
