"""A poll: one call that asks for jobs, and waits for them if it likes."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec import structs

from osmia_broker.base.errors import NotLed, OsmiaError
from osmia_broker.engine.answers import ActivatedJob, size_with_worker
from osmia_broker.engine.commands import ActivateJobs

if TYPE_CHECKING:
    from osmia_broker.calls.jobs.dispatcher import Dispatcher
    from osmia_broker.calls.jobs.handout import JobHandout

FOLLOWED_BYTES = 100_000  # of jobs; the full answer of another partition still fits into one message with them


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
