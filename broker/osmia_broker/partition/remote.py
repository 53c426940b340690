"""A partition that another process leads, for those who submit commands here; and the call by which that process decides them.

The answer is the same as that of the partition itself, its refusals too. When the link breaks in between, the outcome is unknown, and the refusal is
Unavailable, as after a commit whose outcome is unknown. Jobs that were activated for an asker who has gone are given back.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from osmia_broker.engine.commands import ActivateJobs, Command, GiveBackJobs
from osmia_broker.errors import OsmiaError, Overloaded, Unavailable
from osmia_broker.links import Links
from osmia_broker.partition.batch import NOBODY, Waiter
from osmia_broker.partition.command_bytes import error_of, pack, pack_answer, refusal_of, unpack, unpack_answer
from osmia_broker.partition.partition import Partition
from osmia_broker.rpc import Call, Refusal, Rpc, Shape

DECIDE = "/osmia.links/Decide"


class RemotePartition:
    """Partition *id*, led by *process*. Takes at most *queue_max* commands that wait for their answer."""

    def __init__(self, id: int, process: int, links: Links, *, queue_max: int = 1_000) -> None:
        self.id = id
        self._process, self._links, self._queue_max = process, links, queue_max
        self._asked: set[asyncio.Task[None]] = set()
        self._waiting = 0  # for their answer

    @property
    def is_open(self) -> bool:
        """Whether there is a link to the process that leads it. Whether that takes commands, its answer says."""
        return self._process in self._links.processes

    @property
    def why_away(self) -> str:
        """The reason why no commands are taken; empty when they are."""
        return "" if self.is_open else f"process {self._process}, which leads it, cannot be reached"

    @property
    def queued(self) -> int:
        """How many commands of this process wait for their answer."""
        return self._waiting

    def submit(self, command: Command) -> "asyncio.Future[Any]":
        """Let the partition decide *command*. Raises as `Partition.submit`, and Unsupported if the command cannot be sent."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.decide(command, future)
        return future

    def decide(self, command: Command, waiter: Waiter) -> None:
        """Let it decide *command* for any kind of waiter. Raises as `submit`."""
        if not self.is_open:
            raise Unavailable(f"Expected partition {self.id} to be open, but found that {self.why_away}")
        if self._waiting >= self._queue_max:
            raise Overloaded(
                f"Expected at most {self._queue_max} commands to wait, but found as many already; try again later"
            )
        self._ask(command, waiter, is_own=False)

    def decide_own(self, command: Command, waiter: Waiter = NOBODY) -> None:
        """Let it decide a command of the broker itself; never refused for a full queue."""
        if self.is_open:
            self._ask(command, waiter, is_own=True)
        else:
            waiter.set_exception(
                Unavailable(f"Expected partition {self.id} to be open, but found that {self.why_away}")
            )

    def _ask(self, command: Command, waiter: Waiter, *, is_own: bool) -> None:
        message = pack(command, self.id, is_own=is_own)
        self._waiting += 1
        task = asyncio.get_running_loop().create_task(self._answered(command, message, waiter))
        self._asked.add(task)
        task.add_done_callback(self._asked.discard)

    async def _answered(self, command: Command, message: bytes, waiter: Waiter) -> None:
        error, answer = None, None
        try:
            answer = unpack_answer(command, await self._links.call(self._process, DECIDE, message))
        except Refusal as refusal:
            error = error_of(refusal)
        except OsmiaError as unreadable:
            error = unreadable
        finally:
            self._waiting -= 1
        if waiter.done():
            return
        if error is None:
            waiter.set_result(answer)
        else:
            waiter.set_exception(error)

    async def close(self) -> None:
        """Wait for the answers that are under way."""
        if self._asked:
            await asyncio.wait(self._asked)


def deciding(parts: Mapping[int, Partition]) -> Rpc:
    """Return the call by which other processes let the partitions *parts*, by number, decide their commands."""

    async def answer(message: bytes, _call: Call) -> bytes:
        found = unpack(message)
        partition = parts.get(found.partition)
        if partition is None:
            raise refusal_of(Unavailable(f"Expected to lead partition {found.partition}, but another process does"))
        try:
            return pack_answer(await _decided(partition, found.command, is_own=found.is_own))
        except OsmiaError as error:
            raise refusal_of(error) from None

    return Rpc(DECIDE, Shape.UNARY, answer)


async def _decided(partition: Partition, command: Command, *, is_own: bool) -> Any:
    future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    decide: Callable[[Command, Waiter], None] = partition.decide_own if is_own else partition.decide
    decide(command, future)
    if not isinstance(command, ActivateJobs):
        return await future
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        future.add_done_callback(lambda done: _give_back(partition, done))
        raise


def _give_back(partition: Partition, activated: "asyncio.Future[Any]") -> None:
    """Make jobs activatable again that were activated for an asker who has gone."""
    if activated.cancelled() or activated.exception() is not None or not partition.is_open:
        return
    jobs = tuple((job.key, job.deadline_ms) for job in activated.result())
    if jobs:
        partition.decide_own(GiveBackJobs(jobs))
