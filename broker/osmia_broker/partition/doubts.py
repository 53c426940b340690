"""Refusals as unknown that may be out of date: a process may have been deployed of which the partition has not heard.

Partition 1 passes on what is deployed, and knows who lags. A process without a link to it hears of neither, so whatever it refuses as unknown may be
known elsewhere. Such a command is decided once more, after partition 1 has answered; if that cannot be asked, the refusal is Unavailable.
"""

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from osmia_broker.base.errors import NotFound, OsmiaError, Unavailable
from osmia_broker.engine import commands
from osmia_broker.engine.commands import Command, GiveBackJobs
from osmia_broker.partition.any_partition import AnyPartition
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
_NOTHING = GiveBackJobs(())  # whoever answers it leads


class Doubts:
    """Decides a command *again* that was refused as unknown, unless *first*, which is partition 1, cannot be asked.

    *begin* does the work to its end.
    """

    def __init__(
        self,
        first: AnyPartition,
        again: "Callable[[Command], asyncio.Future[Any]]",
        begin: "Callable[[Coroutine[Any, Any, Any]], asyncio.Future[Any]]",
    ) -> None:
        self._first, self._again, self._begin = first, again, begin

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
        led: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._first.decide_own(_NOTHING, led)
        try:
            await led
        except OsmiaError as fault:
            raise Unavailable(
                f"Expected to learn from partition 1 whether the newest definitions are known here, but found: {fault}; try again"
            ) from fault
        return await self._again(command)
