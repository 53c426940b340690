"""Calls that the other side of a link has sent, while they are answered here."""

import asyncio
import logging
from contextlib import aclosing
from typing import TYPE_CHECKING

from osmia_broker.links.asked import PART_OCTETS
from osmia_broker.links.messages import Answer, End, Failure, LinkFault, Piece, Request, joined, parted
from osmia_broker.rpc import Metadata, Refusal, Rpc, Shape

if TYPE_CHECKING:
    from osmia_broker.links.link import Link

CREDIT_MAX = 2**31  # what an asker may have granted at a time; more is a mistake or an attack
TIMEOUT_MS_MAX = 365 * 86_400_000  # nobody waits longer, and clocks of event loops overflow somewhere
DETAILS_CHARACTERS_MAX = 4_096

log = logging.getLogger(__name__)


class Served:
    """A call of the other side. It is the `Call` that its answer sees."""

    __slots__ = ("_credit", "_link", "_request", "_timer", "_wake", "id", "octets", "task")

    def __init__(self, link: "Link", request: Request, rpc: Rpc) -> None:
        self.id = request.id
        self.octets = len(request.message)
        self._link, self._request = link, request
        self._credit = request.window
        self._wake: asyncio.Future[None] | None = None
        loop = asyncio.get_running_loop()
        answering = self._once(rpc) if rpc.shape is Shape.UNARY else self._stream(rpc)
        self.task: asyncio.Task[None] = loop.create_task(answering)
        timeout_ms = request.timeout_ms
        self._timer: asyncio.TimerHandle | None = None
        if timeout_ms is not None:
            self._timer = loop.call_later(min(max(timeout_ms, 0), TIMEOUT_MS_MAX) / 1000, self._miss_deadline)

    # --- the call as its answer sees it

    def invocation_metadata(self) -> Metadata:
        """Return what the caller sent beside the message."""
        return joined(self._request)

    def time_remaining(self) -> float | None:
        """Return the seconds until the deadline of the call; None if it has none."""
        if self._timer is None:
            return None
        return max(self._timer.when() - asyncio.get_running_loop().time(), 0)

    # --- what the other side says

    def grant(self, octets: int) -> None:
        """Let the answer send *octets* more.

        Raises:
            LinkFault: no asker grants so much.
        """
        self._credit += octets
        if not 0 < octets <= CREDIT_MAX or self._credit > CREDIT_MAX:
            raise LinkFault(f"Expected 1 to {CREDIT_MAX} octets of credit for call {self.id}, but found {octets}")
        if self._credit > 0 and self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    def cancel(self) -> None:
        """Stop: nobody waits for the answer."""
        if self._timer is not None:
            self._timer.cancel()
        self.task.cancel()

    def _miss_deadline(self) -> None:
        self._refuse(
            Refusal("DEADLINE_EXCEEDED", "Expected to answer within the deadline of the call, but it has passed")
        )
        self.task.cancel()

    # --- the answer

    async def _once(self, rpc: Rpc) -> None:
        try:
            message = await rpc.answer(self._request.message, self)
        except asyncio.CancelledError:
            self._refuse(Refusal("CANCELLED", "Expected to answer the call, but it was cancelled"))
        except Exception as error:  # noqa: BLE001 - nothing unexpected leaves the link
            self._refuse(error if isinstance(error, Refusal) else _defect(error))
        else:
            self._end(Answer(self.id, message), len(message))

    async def _stream(self, rpc: Rpc) -> None:
        try:
            async with aclosing(rpc.answer(self._request.message, self)) as answers:
                async for message in answers:
                    await self._send(message)
        except asyncio.CancelledError:
            self._refuse(Refusal("CANCELLED", "Expected to answer the call, but it was cancelled"))
        except Exception as error:  # noqa: BLE001 - nothing unexpected leaves the link
            self._refuse(error if isinstance(error, Refusal) else _defect(error))
        else:
            self._end(End(self.id), 0)

    async def _send(self, message: bytes) -> None:
        """Send one message of many. Return when the next may be made: the asker has granted more, and the wire takes more."""
        refusal = self._link.judge(len(message))
        if refusal is not None:
            raise refusal
        self._credit -= len(message) + PART_OCTETS
        self._link.put(Piece(self.id, message))
        while self._credit <= 0:
            self._wake = asyncio.get_running_loop().create_future()
            await self._wake
        await self._link.writable()

    def _refuse(self, refusal: Refusal) -> None:
        texts, octets = parted(refusal.trailers)
        details = str(refusal)[:DETAILS_CHARACTERS_MAX].encode("utf-8", "replace").decode()
        self._end(Failure(self.id, refusal.status, details, texts, octets), 0)

    def _end(self, last: Answer | End | Failure, octets: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._link.forget(self):
            refusal = self._link.judge(octets)
            self._link.put(last if refusal is None else Failure(self.id, refusal.status, str(refusal)))


def _defect(error: Exception) -> Refusal:
    log.error("call failed", exc_info=error)
    return Refusal("UNKNOWN", f"Expected the call to succeed, but found a defect: {type(error).__name__}")


def is_of_shape(rpc: Rpc, request: Request) -> bool:
    """Return whether the asker expects as many answers as *rpc* has."""
    return rpc.shape is (Shape.STREAM if request.window > 0 else Shape.UNARY)
