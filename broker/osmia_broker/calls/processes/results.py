"""Waits for the results of process instances. A result is known by a ticket that is given out before its instance exists."""

import asyncio
import itertools
import secrets
from typing import Any

from osmia_broker.base.errors import OsmiaError
from osmia_broker.partition import Listener, Partitions
from osmia_broker.state.awaited import TICKET_SHIFT

FIRST_BITS = TICKET_SHIFT - 1  # of the first ticket; as many again are left to count on


class Result:
    """The result of an instance that may complete at any time. Made by `Results.expect`; `forget` must follow."""

    __slots__ = ("_results", "future", "is_awaited", "ticket")

    def __init__(self, results: "Results", ticket: int) -> None:
        self.ticket = ticket
        self.future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.is_awaited = False  # its instance exists, and its caller does nothing but wait
        self._results = results

    async def within(self, wait_s: float) -> str:
        """Wait for the result, a JSON object.

        Raises:
            TimeoutError: it does not come within *wait_s*.
            OsmiaError: it will never come, or the broker stops.

        """
        self.is_awaited = True
        self._results.refuse_if_stopping(self)
        async with asyncio.timeout(wait_s):
            return await self.future

    def forget(self, creation: "asyncio.Future[Any] | None") -> None:
        """Keep the result no longer. A *creation* that is not decided yet may still ask for it, so forget again after it."""
        self._results.forget(self.ticket)
        if creation is not None and not creation.done():
            creation.add_done_callback(self._forget_after)

    def _forget_after(self, creation: "asyncio.Future[Any]") -> None:
        if not creation.cancelled():
            creation.exception()  # mark it as read: its caller has gone
        self._results.forget(self.ticket)


class Results(Listener):
    """Brings the results that the partitions report to the callers who wait for them. *process* is the number of this one, 0 if there is no other.

    The numbers of tickets begin anywhere: an instance in another process may still know one that an earlier life of this process has given out.
    """

    def __init__(self, partitions: Partitions, process: int = 0) -> None:
        self._partitions = partitions
        self._numbers = itertools.count(process << TICKET_SHIFT | secrets.randbits(FIRST_BITS))
        self._expected: dict[int, Result] = {}
        self._stopping: OsmiaError | None = None
        partitions.add_listener(self)

    def __len__(self) -> int:
        """Count the expected results."""
        return len(self._expected)

    def expect(self) -> Result:
        """Give out the ticket for the result of an instance that is about to be created.

        Raises:
            OsmiaError: the broker is stopping.

        """
        if self._stopping is not None:
            raise self._stopping
        result = Result(self, next(self._numbers))
        self._expected[result.ticket] = result
        return result

    def forget(self, ticket: int) -> None:
        """Expect the result no longer, and let its partition forget it too unless it has come."""
        result = self._expected.pop(ticket, None)
        if result is not None and result.future.done() and not result.future.cancelled():
            result.future.exception()  # mark it as read: its caller has gone
        else:
            self._partitions.forget_result(ticket)

    def refuse_if_stopping(self, result: Result) -> None:
        """End the wait for a result that has not come by now if the broker stops."""
        if self._stopping is not None and not result.future.done():
            result.future.set_exception(self._stopping)

    def stop(self, reason: OsmiaError) -> None:
        """End all waits with *reason*. Instances whose creation is under way are answered if they complete with it."""
        self._stopping = reason
        for result in self._expected.values():
            if result.is_awaited:
                self.refuse_if_stopping(result)

    def result_ready(self, ticket: int, variables: str) -> None:
        """Answer the caller; the instance has completed."""
        result = self._expected.get(ticket)
        if result is not None and not result.future.done():
            result.future.set_result(variables)

    def result_lost(self, ticket: int, error: OsmiaError) -> None:
        """Refuse the caller; the result will never come."""
        result = self._expected.get(ticket)
        if result is not None and not result.future.done():
            result.future.set_exception(error)
