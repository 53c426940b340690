"""Deliver committed messages to other partitions, in order, until each is confirmed.

A message is in the sender's commit. It is sent after that, as often as needed, in the order of the keys; the receiver takes each once (see
`engine/outbox.py`). Nothing here has to be remembered: after a restart, or when a partition opens again, the sender's unconfirmed messages are
read from its store. No timer repeats a message; only an end that was away does.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from osmia_broker.base.errors import Defect, OsmiaError, Rejection
from osmia_broker.engine.inbox import Confirm, ListSent, Receive
from osmia_broker.partition.any_partition import AnyPartition, Follows
from osmia_broker.partition.listener import Listener
from osmia_broker.state.rows import FollowUp
from osmia_broker.state.rows.kinds import KINDS
from osmia_broker.state.store_protocol import Changes

AT_ONCE = 64  # messages of one pair that are under way; more wait for their confirmation
RETRY_S = 0.2  # after a message that could not be delivered

log = logging.getLogger(__name__)

_FIELDS = KINDS[FollowUp].columns
_KEY, _TARGET = _FIELDS.index("key"), _FIELDS.index("target_partition")
_COMMAND, _CONTENT = _FIELDS.index("command"), _FIELDS.index("content")


class _Message(NamedTuple):
    key: int
    command: str
    content: str


class Route:
    """The way from one partition to another: the messages that are not confirmed, oldest first."""

    def __init__(self, sender: AnyPartition, receiver: AnyPartition, following: Follows) -> None:
        self.sender, self.receiver = sender, receiver
        self._following = following
        self._messages: deque[_Message] = deque()
        self._previous = 0  # the key of the one before the first of them; 0 if it is confirmed
        self._is_read = False  # whether the messages of earlier lives are among them
        self._meanwhile: list[_Message] = []  # committed while those are read
        self._task: asyncio.Task[None] | None = None
        self._retry: asyncio.TimerHandle | None = None
        self._is_stopped = False

    @property
    def waiting(self) -> int:
        """The number of messages that are not confirmed; at least 1 while that is not known."""
        return len(self._messages) if self._is_read else max(len(self._messages), 1)

    def add(self, message: _Message) -> None:
        """Send a message that has been committed."""
        (self._messages if self._is_read else self._meanwhile).append(message)
        self.begin()

    def read_again(self) -> None:
        """Begin with what the sender's store has: the sender has opened."""
        self._messages.clear()
        self._meanwhile.clear()
        self._previous, self._is_read = 0, False
        self.begin()

    def begin(self) -> None:
        """Send what is there, unless that is being done."""
        is_possible = self.sender.is_open and self.receiver.is_open
        if self._task is None and is_possible and not self._is_stopped and (self._messages or not self._is_read):
            self._task = asyncio.ensure_future(self._work())
            self._task.add_done_callback(self._ended)

    def stop(self) -> None:
        """Send nothing more."""
        self._is_stopped = True
        if self._retry is not None:
            self._retry.cancel()
        if self._task is not None:
            self._task.cancel()

    async def _work(self) -> None:
        if not self._is_read:
            await self._read()
        while self._messages:
            while self._following.is_behind(self.receiver):  # it has to know the definitions
                await self._following.caught_up()
                if self._following.is_behind(self.receiver):
                    await asyncio.sleep(RETRY_S)
            await self._deliver([self._messages[place] for place in range(min(AT_ONCE, len(self._messages)))])

    async def _read(self) -> None:
        """Read the unconfirmed messages of the sender, and put behind them what was committed meanwhile."""
        found: list[_Message] = []
        has_more = True
        while has_more:
            after = found[-1].key if found else 0
            page, has_more = await _decided(self.sender, ListSent(self.receiver.id, after))
            found += [_Message(*one) for one in page]
        last = found[-1].key if found else 0
        self._messages.extend([*found, *(one for one in self._meanwhile if one.key > last)])
        self._meanwhile.clear()
        self._is_read = True

    async def _deliver(self, messages: Sequence[_Message]) -> None:
        """Let the receiver carry *messages* out in their order, and confirm those that it has."""
        previous, answers = self._previous, []
        for one in messages:
            answers.append(_decided(self.receiver, self._received(one, previous)))
            previous = one.key
        outcomes = await asyncio.gather(*answers, return_exceptions=True)
        done = 0
        while done < len(outcomes) and outcomes[done] is True:
            done += 1
        if done:
            self._take_off(messages[:done])
            await _decided(self.sender, Confirm(tuple(one.key for one in messages[:done])))
        if done < len(outcomes):
            await self._not_taken(messages[done], outcomes[done])

    def _take_off(self, messages: Sequence[_Message]) -> None:
        for one in messages:
            if self._messages and self._messages[0].key == one.key:
                self._messages.popleft()
        self._previous = messages[-1].key

    async def _not_taken(self, message: _Message, outcome: Any) -> None:
        """Put a message aside that cannot be carried out; others would wait behind it for ever. Else it is sent again.

        Raises:
            OsmiaError: the receiver is away.

        """
        if isinstance(outcome, Defect | Rejection):
            log.error(
                "a message between partitions is put aside",
                extra={
                    "partition": self.receiver.id,
                    "sender": self.sender.id,
                    "key": message.key,
                    "error": str(outcome),
                },
            )
            await _decided(self.receiver, self._received(message, self._previous, aside=True))
        elif isinstance(outcome, BaseException):
            raise outcome

    def _received(self, message: _Message, previous: int, *, aside: bool = False) -> Receive:
        return Receive(self.sender.id, message.key, previous, message.command, message.content, aside)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._task = None
        if task.cancelled() or self._is_stopped:
            return
        error = task.exception()
        if error is None:
            self.begin()  # for what came just now
            return
        if not isinstance(error, OsmiaError):
            log.error("the delivery of messages between partitions failed", exc_info=error)
        self._retry = asyncio.get_running_loop().call_later(RETRY_S, self.begin)


async def _decided(partition: AnyPartition, command: Any) -> Any:
    """Let *partition* decide a command of the broker itself."""
    answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    partition.decide_own(command, answer)
    return await answer


class _Sender(Listener):
    """Sends the messages that one partition has committed for the others."""

    def __init__(self, partition: AnyPartition, routes: Sequence[Route]) -> None:
        self._routes = {route.receiver.id: route for route in routes}
        partition.add_listener(self)

    def partition_opened(self) -> None:
        """Read what is not confirmed."""
        for route in self._routes.values():
            route.read_again()

    def changes_committed(self, changes: Changes) -> None:
        """Send the messages of a commit."""
        for values in changes.written.get(FollowUp, ()):
            route = self._routes.get(values[_TARGET])
            if route is not None:
                route.add(_Message(values[_KEY], values[_COMMAND], values[_CONTENT]))


class _Receiver(Listener):
    """Starts the routes to one partition when that opens."""

    def __init__(self, partition: AnyPartition, routes: Sequence[Route]) -> None:
        self._routes = routes
        partition.add_listener(self)

    def partition_opened(self) -> None:
        """Begin."""
        for route in self._routes:
            route.begin()


class OutboxDelivery:
    """The routes from the partitions *own*, which this process leads or may lead, to all others of *parts*.

    It is made before they open, so that it is notified of that. A route from a partition that is led elsewhere rests.
    """

    def __init__(self, own: Iterable[AnyPartition], parts: Sequence[AnyPartition], following: Follows) -> None:
        senders = [*own]
        routes = {
            (one.id, other.id): Route(one, other, following) for one in senders for other in parts if one.id != other.id
        }
        self.routes = [*routes.values()]
        for sender in senders:
            _Sender(sender, [routes[sender.id, other.id] for other in parts if other.id != sender.id])
        for receiver in parts:
            _Receiver(receiver, [routes[one.id, receiver.id] for one in senders if one.id != receiver.id])

    @property
    def waiting(self) -> int:
        """The number of messages that are not confirmed, in all, of those that are open here."""
        return sum(route.waiting for route in self.routes if route.sender.is_open)

    def stop(self) -> None:
        """Send nothing more."""
        for route in self.routes:
            route.stop()
