"""The router of a broker with several partitions: brings each command to the partition that it is for.

The face is that of one partition, so the calls of the broker do not know how many there are. A command about one thing costs one look-up more
than with one partition. `routes` has the way of each command.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import partial
from typing import Any

from msgspec.structs import replace

from osmia_broker.base.errors import Unavailable
from osmia_broker.engine.answers import JobFlowAnswer
from osmia_broker.engine.commands import Command, CreateProcessInstance, EvaluateDecision, ReadScope
from osmia_broker.engine.commands.job_flow import ListJobFlow
from osmia_broker.engine.commands.tasks import ClaimNextUserTask
from osmia_broker.partition.any_partition import AnyPartition, Follows
from osmia_broker.partition.awaited_moves import AwaitedMoves
from osmia_broker.partition.doubts import DOUBTED, Doubts, at_first
from osmia_broker.partition.listener import Listener
from osmia_broker.partition.older_ids import OlderIds
from osmia_broker.partition.outbox_delivery import OutboxDelivery
from osmia_broker.partition.routes import ANYWHERE, MESSAGES, OF_CLUSTER, SUBJECT
from osmia_broker.state.partitioning import partition_of_key, partition_of_message, partition_of_text

OPENING_S = 10.0  # a start waits so long for a partition that takes over definitions
FAR = 8  # a command for another process costs a way: a partition here may have so many more that wait


class Router:
    """All partitions of a broker, in order of their numbers from 1, behind the face of one. Some of them may be led by other processes."""

    def __init__(
        self,
        parts: Sequence[AnyPartition],
        following: Follows,
        delivery: OutboxDelivery,
        *,
        older_ids: OlderIds | None = None,
    ) -> None:
        self.parts = tuple(parts)
        self._older_ids = older_ids  # None where business ids need not be unique
        self._delivery = delivery
        self._first = self.parts[0]
        self._following = following
        self._turn = 0  # of the partitions that are asked first for a new instance
        self._tasks: set[asyncio.Task[Any]] = set()
        self._moves = AwaitedMoves(self.parts, self._on_its_way)
        self._doubts = Doubts(partial(self._moves.ask, self._first), self._on_its_way, self._begin)
        self._special: dict[type[Command], Callable[[Command, Any], Coroutine[Any, Any, Any]]] = {
            ClaimNextUserTask: self._claim_next,
            ListJobFlow: self._list_flow,
        }

    # --- the face of one partition

    def submit(self, command: Command) -> "asyncio.Future[Any]":
        """Decide *command* where it belongs; the future holds its answer once that is durable.

        Raises:
            Overloaded, Unavailable: as `Partition.submit`.

        The future raises as that of `Partition.submit`, and Unavailable if a partition cannot be asked meanwhile.
        """
        if self._first.may_move and (strict := at_first(command)) is not None:
            return self._doubts.judge(command, self._on_its_way(strict))
        return self._on_its_way(command)

    def _on_its_way(self, command: Command) -> "asyncio.Future[Any]":
        inner = command.inner
        kind = type(inner)
        subject = SUBJECT.get(kind)
        if subject is not None:
            partition = self.of_key(subject(inner))
            return self._when_ready(partition, command) if kind in DOUBTED else self._submit(partition, command)
        if kind in ANYWHERE:
            if text := self._text_of(inner):
                return self._create_once(command, inner, text)
            return self._when_ready(self._anywhere(inner), command)
        if kind in OF_CLUSTER:
            if not self._first.is_here:  # its process lets the others follow before it answers
                return self._submit(self._first, command)
            return self._begin(self._decided_for_all(self._first.submit(command)))
        if kind in MESSAGES:
            return self._when_ready(self._of_message(inner), command)
        if isinstance(inner, ReadScope):
            return self._submit(self.of_key(inner.scope_key) if inner.scope_key else self._anywhere(inner), command)
        assert kind in self._special, f"{kind} has a way"
        return self._begin(self._special[kind](command, inner))

    def add_listener(self, listener: Listener) -> None:
        """Notify *listener* of everything from now on, in all partitions."""
        for one in self.parts:
            one.add_listener(listener)

    def forget_result(self, ticket: int) -> None:
        """Forget the caller with this *ticket*, who waits for a result no longer."""
        for one in self.parts:
            one.forget_result(ticket)

    def check_clock(self) -> int | None:
        """Act on everything that has become due; return the next moment at which something may become due."""
        moments = [one.check_clock() for one in self.parts]
        return min((ms for ms in moments if ms is not None), default=None)

    @property
    def is_at_rest(self) -> bool:
        """Whether nothing waits to be decided, written, carried out or taken over now."""
        is_passing = bool(self._tasks or self._moves.waiting or self._following.lagging or self._delivery.waiting)
        return not is_passing and all(one.is_at_rest for one in self.parts)

    @property
    def why_degraded(self) -> str:
        """The reason why the partitions cannot work together; empty if they can."""
        lagging = ", ".join(map(str, self._following.lagging))
        return f"partition {lagging}: it has not taken over all definitions" if lagging else ""

    async def opened(self) -> None:
        """Wait until all partitions that are open know the same definitions; one that does not is no reason to wait for long."""
        await self._following.caught_up(OPENING_S)

    # --- the ways

    def of_key(self, key: int) -> AnyPartition:
        """Return the partition that has given out *key*; the first one for a key that no partition can have given out."""
        number = partition_of_key(key)
        return self.parts[number - 1] if 1 <= number <= len(self.parts) else self._first

    def _submit(self, partition: AnyPartition, command: Command) -> "asyncio.Future[Any]":
        """Submit *command* to *partition*; if that moves to another process, wait for it."""
        return self._moves.submit(partition, command) if partition.may_move else partition.submit(command)

    def _text_of(self, command: Command) -> str:
        """Return the text that has to be used once only among all partitions, and so decides where *command* is carried out; empty if none is."""
        if not isinstance(command, CreateProcessInstance):
            return ""
        return (command.business_id if self._older_ids is not None else "") or command.idempotency_key

    def _of_text(self, text: str) -> AnyPartition:
        """Return the partition that knows what has been done under an idempotency key, or which instance has a unique business id."""
        return self.parts[partition_of_text(text, len(self.parts)) - 1]

    def _create_once(self, command: Command, creation: Any, text: str) -> "asyncio.Future[Any]":
        """Create an instance in the partition that knows whether *text* has been used."""
        older_ids = self._older_ids
        if older_ids is not None and older_ids.may_exist and creation.business_id:
            return self._begin(self._unless_taken(older_ids, command, creation))
        return self._when_ready(self._of_text(text), command)

    async def _unless_taken(self, older_ids: OlderIds, command: Command, creation: CreateProcessInstance) -> Any:
        """Create an instance, unless one in another partition has had the business id since before these were unique."""
        await older_ids.refuse_taken(creation)
        return await self._when_ready(self._of_text(creation.business_id), command)

    def _anywhere(self, command: Command) -> AnyPartition:
        """Return the partition with the fewest waiting commands, of equal ones each in turn. One of another process has to have far fewer.

        The answer of a decision may be anything, and stays in this process.
        """
        self._turn += 1
        count = len(self.parts)
        in_turn = [self.parts[(self._turn + place) % count] for place in range(count)]
        if isinstance(command, EvaluateDecision):
            in_turn = [one for one in in_turn if one.is_here]
            if not in_turn:
                raise Unavailable(
                    "Expected a partition that this process leads, to evaluate a decision, but found none; try again"
                )
        ready = [one for one in in_turn if one.is_open and not self._following.is_behind(one)]
        return min(ready, key=_costs, default=self._first if self._first in in_turn else in_turn[0])

    def _of_message(self, command: Any) -> AnyPartition:
        """Return the partition where a message meets the subscriptions to it."""
        return self.parts[partition_of_message(command.name, command.correlation_key, len(self.parts)) - 1]

    def _when_ready(self, partition: AnyPartition, command: Command) -> "asyncio.Future[Any]":
        """Submit *command* to *partition* as soon as that has all definitions. One that is away says so itself."""
        if partition.is_open and self._following.is_behind(partition):
            return self._begin(self._after_following(partition, command))
        return self._submit(partition, command)

    async def _after_following(self, partition: AnyPartition, command: Command) -> Any:
        await self._following.caught_up()
        if partition.is_open and self._following.is_behind(partition):
            raise Unavailable(
                f"Expected partition {partition.id} to have all deployed definitions, but it still takes over the newest; try again"
            )
        return await self._submit(partition, command)

    async def _decided_for_all(self, deciding: Awaitable[Any]) -> Any:
        """Let the other partitions take over what the first one decides, then answer."""
        answer = await deciding
        await self._following.caught_up()
        return answer

    async def _claim_next(self, _command: Command, inner: Any) -> Any:
        """Try the tasks in their order, those of one partition that stand together at once."""
        answer: Any = (0, True)
        for partition, keys in self._in_runs(inner.user_task_keys):
            answer = await self._submit(partition, replace(inner, user_task_keys=keys))
            if answer[0]:
                break
        return answer

    def _in_runs(self, keys: Sequence[int]) -> list[tuple[AnyPartition, tuple[int, ...]]]:
        """Split *keys* where the partition changes."""
        runs: list[tuple[AnyPartition, tuple[int, ...]]] = []
        for key in keys:
            partition = self.of_key(key)
            if runs and runs[-1][0] is partition:
                runs[-1] = (partition, (*runs[-1][1], key))
            else:
                runs.append((partition, (key,)))
        return runs or [(self._first, ())]

    async def _list_flow(self, command: Command, _inner: Command) -> JobFlowAnswer:
        """Add up the jobs that workers hold in all partitions; the rows are the same in each."""
        answers: list[JobFlowAnswer] = await asyncio.gather(*(one.submit(command) for one in self.parts))
        held: dict[tuple[str, str, str], int] = {}
        for type, key, worker, number in (one for answer in answers for one in answer.held):
            held[type, key, worker] = held.get((type, key, worker), 0) + number
        return JobFlowAnswer(answers[0].rows, tuple((*place, number) for place, number in sorted(held.items())))

    def _begin(self, work: Coroutine[Any, Any, Any]) -> "asyncio.Future[Any]":
        """Do *work* to its end, even if the caller leaves: half of it would leave the partitions different."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return asyncio.shield(task)

    def _ended(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # mark it as read: the caller may have gone

    async def close(self) -> None:
        """Finish the commands that concern several partitions, then let none follow any more. Those that wait for a partition are refused."""
        self._moves.stop()
        if self._tasks:
            await asyncio.wait(self._tasks)
        self._following.stop()
        self._delivery.stop()
        if self._older_ids is not None:
            self._older_ids.stop()


def _costs(partition: AnyPartition) -> int:
    return partition.queued if partition.is_here else partition.queued + FAR
