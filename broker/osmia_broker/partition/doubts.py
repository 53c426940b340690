"""Answers that may be out of date: a process may have been deployed of which the partition has not heard.

Partition 1 passes on what is deployed, and knows who lags. A process without a link to it hears of neither, so what it refuses as unknown may be
known elsewhere, and a message or a signal that starts nothing there may have a start event. Such a command is decided once more, after
partition 1 has answered; if that cannot be asked, the refusal is Unavailable.
"""

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from msgspec.structs import replace

from osmia_broker.base.errors import NotFound, OsmiaError, Unavailable
from osmia_broker.engine import commands
from osmia_broker.engine.audit import ByPerson
from osmia_broker.engine.commands import Command
from osmia_broker.partition.awaited_moves import WAITING_MAX
from osmia_broker.partition.batch import pass_on

#: Commands that may be refused because a definition is not known.
DOUBTED = frozenset(
    {
        commands.CreateProcessInstance,
        commands.EvaluateDecision,
        commands.EvaluateConditional,
        commands.MigrateProcessInstance,
        commands.CorrelateAtOnce,
    }
)
#: Commands that do less if a definition is not known, and how they are asked to be refused then.
_SILENT = {commands.PublishMessage: {"must_reach": True}, commands.BroadcastSignal: {"must_start": True}}


def at_first(command: Command) -> Command | None:
    """Return what is decided at first in the place of *command*, and refused if a definition may be missing; None if none can be."""
    inner = command.inner
    kind = type(inner)
    if kind in DOUBTED:
        return command
    if kind not in _SILENT:
        return None
    strict = replace(inner, **_SILENT[kind])
    return replace(command, command=strict) if isinstance(command, ByPerson) else strict


class Doubts:
    """Decides a command *again* that was refused as unknown, unless partition 1 cannot be asked; *ask* asks it.

    *begin* does the work to its end.
    """

    def __init__(
        self,
        ask: "Callable[[], asyncio.Future[Any]]",
        again: "Callable[[Command], asyncio.Future[Any]]",
        begin: "Callable[[Coroutine[Any, Any, Any]], asyncio.Future[Any]]",
    ) -> None:
        self._ask, self._again, self._begin = ask, again, begin
        self._waiting = 0  # commands
        self._asking: asyncio.Future[None] | None = None  # a question that began before those who come now
        self._next: asyncio.Future[None] | None = None  # one that begins after it

    def judge(self, command: Command, deciding: "asyncio.Future[Any]") -> "asyncio.Future[Any]":
        """Return the answer of *command*, of which *deciding* is the first one."""
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        deciding.add_done_callback(partial(self._decided, command, answer))
        answer.add_done_callback(lambda _: deciding.cancel())  # a caller who leaves; else it is done
        return answer

    def _decided(self, command: Command, answer: "asyncio.Future[Any]", deciding: "asyncio.Future[Any]") -> None:
        is_doubtful = not deciding.cancelled() and isinstance(deciding.exception(), NotFound)
        if is_doubtful and not answer.done():
            second = self._begin(self._asked_again(command))
            second.add_done_callback(partial(pass_on, answer))
        else:
            pass_on(answer, deciding)

    async def _asked_again(self, command: Command) -> Any:
        if self._waiting >= WAITING_MAX:
            raise _not_learnt(f"{self._waiting} calls that wait for that already")
        self._waiting += 1
        try:
            await self._first_answers()
        except OsmiaError as fault:
            raise _not_learnt(str(fault)) from fault
        finally:
            self._waiting -= 1
        return await self._again(command)

    async def _first_answers(self) -> None:
        """Wait for the answer to a question that begins now or later: those who come while one is under way share the next one."""
        asked: asyncio.Future[None]
        if self._asking is None:
            self._asking = asked = asyncio.ensure_future(self._asked())
        elif self._next is None:
            self._next = asked = asyncio.ensure_future(self._asked_after(self._asking))
        else:
            asked = self._next
        await asyncio.shield(asked)

    async def _asked_after(self, before: "asyncio.Future[None]") -> None:
        await asyncio.wait({before})
        self._asking, self._next = self._next, None
        await self._asked()

    async def _asked(self) -> None:
        try:
            await self._ask()
        finally:
            if self._next is None:
                self._asking = None


def _not_learnt(found: str) -> Unavailable:
    return Unavailable(
        f"Expected to learn from partition 1 whether the newest definitions are known here, but found: {found}; try again"
    )
