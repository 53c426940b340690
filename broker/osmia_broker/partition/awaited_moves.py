"""Commands for a partition that moves to another process: they wait for it, so that clients do not see the move.

A command waits only if it was certainly not carried out: the partition was away when it came, there was no link to send it over, or the process
that was asked answers that it leads the partition no longer. It waits for a moment, together with a bounded number of others. A partition that
is away for longer than a move takes refuses at once. A caller who leaves takes the command along.
"""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Any

from osmia_broker.base.errors import NotLed, OsmiaError, Unavailable
from osmia_broker.engine.commands import Command, GiveBackJobs
from osmia_broker.partition.any_partition import AnyPartition
from osmia_broker.partition.away import AwaySince
from osmia_broker.partition.batch import pass_on
from osmia_broker.partition.listener import Listener

MOVE_S = 3.0  # a planned move takes a tenth of a second, and one after a death that is noticed takes one
WAITING_MAX = 1_000  # commands of this process, for all partitions that move
_NOTHING = GiveBackJobs(())  # whoever answers it leads


class Move(Listener):
    """Is notified when *part* goes away, and when it is there again."""

    def __init__(self, part: AnyPartition) -> None:
        self.part = part
        self._away = AwaySince()
        self._is_reported_open = False
        self.reports = 0  #: the number of times that there was news
        self._news = asyncio.Event()
        part.add_listener(self._away)
        part.add_listener(self)

    def partition_opened(self) -> None:
        """Wake everybody who waits."""
        self._is_reported_open = True
        self.wake()

    def partition_away(self, why: str) -> None:
        """Wake everybody who waits; the partition is looked for elsewhere."""
        del why
        self._is_reported_open = False
        self.wake()

    def wake(self) -> None:
        """Let everybody who waits look again."""
        self.reports += 1
        self._news.set()
        self._news = asyncio.Event()

    @property
    def ends_s(self) -> float:
        """The time after which nobody waits, by the clock of the event loop: a while after the partition went away.

        A partition that is just going has gone now: that is reported in the end.
        """
        is_going = self.part.is_open or self._is_reported_open
        return (asyncio.get_running_loop().time() if is_going else self._away.moment_s) + MOVE_S

    async def news(self) -> None:
        """Wait for news."""
        await self._news.wait()


class AwaitedMoves:
    """Submits commands to those of *parts* that other processes may lead. *again* finds the way of one that has waited."""

    def __init__(self, parts: Iterable[AnyPartition], again: "Callable[[Command], asyncio.Future[Any]]") -> None:
        self._moves = {part.id: Move(part) for part in parts if part.may_move}
        self._again = again
        self._tasks: set[asyncio.Task[Any]] = set()
        self._is_stopped = False

    @property
    def waiting(self) -> int:
        """The number of commands that wait."""
        return len(self._tasks)

    def submit(self, part: AnyPartition, command: Command) -> "asyncio.Future[Any]":
        """Decide *command* in *part*; if that moves, wait for it. Raises as `Partition.submit`."""
        move = self._moves.get(part.id)
        if move is None or part.is_here:
            return part.submit(command)
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        caller = _Caller(self, move, partial(self._again, command), future)
        try:
            part.decide(command, caller)
        except Unavailable as refusal:
            if part.is_open or asyncio.get_running_loop().time() >= move.ends_s or not self._has_room:
                raise
            self.wait(caller, refusal)
        return future

    def ask(self, part: AnyPartition) -> "asyncio.Future[Any]":
        """Let *part* answer from wherever it is led, which changes nothing; if it moves, wait for it. At most one may be under way."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        move = self._moves.get(part.id)
        if move is None or part.is_here:
            part.decide_own(_NOTHING, future)
        else:
            part.decide_own(_NOTHING, _Caller(self, move, partial(self.ask, part), future))
        return future

    @property
    def _has_room(self) -> bool:
        return len(self._tasks) < WAITING_MAX and not self._is_stopped

    def wait(self, caller: "_Caller", refusal: OsmiaError) -> None:
        """Let a command wait that was not carried out; *refusal* is its answer if the partition does not come in time."""
        if not self._has_room:
            caller.future.set_exception(refusal)
            return
        task = asyncio.ensure_future(self._decided(caller, refusal))
        self._tasks.add(task)
        caller.future.add_done_callback(lambda _: task.cancel())
        task.add_done_callback(partial(pass_on, caller.future))
        task.add_done_callback(self._tasks.discard)

    async def _decided(self, caller: "_Caller", refusal: OsmiaError) -> Any:
        move = caller.move
        if caller.reports == move.reports or not move.part.is_open:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(move.ends_s):
                    await self._opened(move)
        if not move.part.is_open or self._is_stopped:
            raise refusal
        return await caller.again()

    async def _opened(self, move: Move) -> None:
        """Wait for news of *move*, until its partition is open or nobody waits any longer."""
        await move.news()
        while not move.part.is_open and not self._is_stopped:
            await move.news()

    def stop(self) -> None:
        """Let nobody wait any longer: the broker is stopping."""
        self._is_stopped = True
        for move in self._moves.values():
            move.wake()


class _Caller:
    """Waits for the answer to a command, and *again* where the partition has moved to."""

    __slots__ = ("_moves", "again", "future", "move", "reports")

    def __init__(
        self,
        moves: AwaitedMoves,
        move: Move,
        again: "Callable[[], asyncio.Future[Any]]",
        future: "asyncio.Future[Any]",
    ) -> None:
        self._moves, self.move, self.again, self.future = moves, move, again, future
        self.reports = move.reports  #: what was known of the partition when it was asked

    def done(self) -> bool:
        return self.future.done()

    def set_result(self, result: Any, /) -> None:
        self.future.set_result(result)

    def set_exception(self, exception: Any, /) -> None:
        if isinstance(exception, NotLed):
            self._moves.wait(self, exception)
        else:
            self.future.set_exception(exception)
