"""Calls that this side has sent over a link, while their answers are awaited."""

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from osmia_broker.links.messages import Answer, Cancel, Credit, End, Failure, LinkFault, Piece, joined
from osmia_broker.rpc import STATUSES, Refusal

if TYPE_CHECKING:
    from osmia_broker.links.link import Link

PART_OCTETS = 64  # that each part of a stream counts beside its bytes, so that empty ones are bounded too

Reply = Answer | Piece | End | Failure


def refused(failure: Failure) -> Refusal:
    """Return what the other side has answered as it is raised here. A status that gRPC does not know is UNKNOWN."""
    status = failure.status if failure.status in STATUSES and failure.status != "OK" else "UNKNOWN"
    return Refusal(status, failure.details, joined(failure))


class AskedOnce:
    """A call with one answer."""

    __slots__ = ("answer",)

    def __init__(self, answer: asyncio.Future[bytes]) -> None:
        self.answer = answer

    def take(self, reply: Reply) -> bool:
        """Take a reply; return whether the call is over.

        Raises:
            LinkFault: no such reply may come.
        """
        if isinstance(reply, Answer):
            if not self.answer.done():
                self.answer.set_result(reply.message)
        elif isinstance(reply, Failure):
            self.fail(refused(reply))
        else:
            raise LinkFault(f"Expected one answer of call {reply.id}, but found {type(reply).__name__}")
        return True

    def fail(self, refusal: Refusal) -> None:
        """End the call."""
        if not self.answer.done():
            self.answer.set_exception(refusal)


class AskedStream:
    """A call with many answers. The other side sends as much as was granted; what was read here is granted again."""

    __slots__ = ("_end", "_link", "_parts", "_read", "_wake", "_window", "id")

    def __init__(self, link: "Link", id: int) -> None:
        self.id = id
        self._link = link
        self._window = link.limits.window
        self._parts: deque[bytes] = deque()
        self._read = 0  # octets that were read and not granted again
        self._end: Refusal | StopAsyncIteration | None = None
        self._wake: asyncio.Future[None] | None = None

    def take(self, reply: Reply) -> bool:
        """Take a reply; return whether the call is over.

        Raises:
            LinkFault: no such reply may come, or more than was granted.
        """
        if isinstance(reply, Piece):
            return self._take_part(reply.message)
        if isinstance(reply, End):
            self._end = StopAsyncIteration()
        elif isinstance(reply, Failure):
            self._end = refused(reply)
        else:
            raise LinkFault(f"Expected a stream of answers of call {reply.id}, but found {type(reply).__name__}")
        self._notify()
        return True

    def _take_part(self, message: bytes) -> bool:
        if self._window <= 0:
            raise LinkFault(f"Expected no more of call {self.id} than was granted, but found more")
        octets = len(message) + PART_OCTETS
        self._window -= octets
        if not self._link.hold(octets):
            self._end = Refusal(
                "RESOURCE_EXHAUSTED", "Expected clients to read their answers, but found too many unread"
            )
            self._link.put(Cancel(self.id))
            self._notify()
            return True
        self._parts.append(message)
        self._notify()
        return False

    def fail(self, refusal: Refusal) -> None:
        """End the call. What has arrived can still be read."""
        if self._end is None:
            self._end = refusal
        self._notify()

    def leave(self) -> None:
        """Forget what was not read."""
        self._link.release(sum(map(len, self._parts)) + PART_OCTETS * len(self._parts))
        self._parts.clear()

    async def next(self) -> bytes:
        """Return the next answer.

        Raises:
            StopAsyncIteration: there is none; the call has succeeded.
            Refusal: there is none; the call was refused, or the link has broken.
        """
        while not self._parts:
            if self._end is not None:
                raise self._end
            self._wake = asyncio.get_running_loop().create_future()
            await self._wake
        message = self._parts.popleft()
        octets = len(message) + PART_OCTETS
        self._link.release(octets)
        self._read += octets
        if self._read >= self._link.limits.window >> 1 and self._end is None:
            self._window += self._read
            self._link.put(Credit(self.id, self._read))
            self._read = 0
        return message

    def _notify(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)
