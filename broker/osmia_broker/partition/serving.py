"""Answer the other processes of the broker: decide their commands, and notify them of jobs, results and openings.

Jobs. A process whose question for jobs may come back empty is notified once when there are some (`JobsWait`). It then asks, as often as it
gets some. One job is reported to one process, the one that has waited longest; callers in the process of the partition come first, because
they cost no way.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec

from osmia_broker.base.errors import NotLed, OsmiaError, Unavailable
from osmia_broker.engine.audit import ByPerson
from osmia_broker.engine.commands import ActivateJobs, Command, DeployResources, GiveBackJobs
from osmia_broker.engine.resources import compile_resources
from osmia_broker.partition import news
from osmia_broker.partition.any_partition import Submits
from osmia_broker.partition.batch import Waiter
from osmia_broker.partition.command_bytes import DeployFiles, pack_answer, pack_rows, refusal_of, ticket_of, unpack
from osmia_broker.partition.following import Following
from osmia_broker.partition.listener import Listener
from osmia_broker.partition.partition import Partition
from osmia_broker.partition.routes import OF_CLUSTER
from osmia_broker.rpc import Call, Refusal, Rpc, Shape
from osmia_broker.state.awaited import process_of

DECIDE = "/osmia.links/Decide"
RESULTS_CHARACTERS = 500_000  # of results in one message; the next begins after that. A link refuses messages of many megabytes, and ends the stream

log = logging.getLogger(__name__)


class _Recipient:
    """The news that another process has not been sent yet."""

    def __init__(self) -> None:
        self._unsent: deque[news.News] = deque()
        self._wake = asyncio.Event()
        self._is_over = False

    def send(self, one: news.News) -> None:
        self._unsent.append(one)
        self._wake.set()

    def end(self) -> None:
        self._is_over = True
        self._wake.set()

    async def next(self) -> list[news.News]:
        """Wait for news; none means that there will be none."""
        while not self._unsent and not self._is_over:
            self._wake.clear()
            await self._wake.wait()
        sent: list[news.News] = []
        characters = 0
        while self._unsent and characters < RESULTS_CHARACTERS:
            one = self._unsent.popleft()
            characters += len(one.variables) if isinstance(one, news.ResultReady) else 0
            sent.append(one)
        return sent


class Serving:
    """Answers the other processes. There is nothing to answer until `begin`."""

    def __init__(self) -> None:
        self._parts: dict[int, Partition] = {}
        self._cluster: Submits | None = None
        self._following: Following | None = None
        self._recipients: dict[int, _Recipient] = {}  # by process
        self._wanted: dict[tuple[int, str], dict[int, None]] = {}  # processes by partition and job type, in their turn

    def rpcs(self) -> list[Rpc]:
        """Return the calls of the other processes."""
        return [
            Rpc(DECIDE, Shape.UNARY, self._decide),
            Rpc(news.NEWS, Shape.STREAM, self._send_news),
            Rpc(news.NOTE, Shape.UNARY, self._note),
            Rpc(news.STATUS, Shape.UNARY, self._status),
            Rpc(news.ROWS, Shape.STREAM, self._rows),
        ]

    def begin(self, parts: Iterable[Partition], cluster: Submits, following: Following | None = None) -> None:
        """Serve *parts*, which this process leads, or may lead.

        *cluster* takes what concerns all partitions; *following* is there where partition 1 is, or may be.
        """
        self._parts = {one.id: one for one in parts}
        self._cluster, self._following = cluster, following
        for one in self._parts.values():
            one.add_listener(_PartitionNews(self, one))
        if following is not None:
            following.when_changed = self._send_lagging

    def offer_jobs(self) -> None:
        """Offer jobs from now on. Called after those who wait for jobs here have begun to listen, because they come first."""
        for one in self._parts.values():
            one.add_listener(_JobNews(self, one))

    def end(self) -> None:
        """Send no news any more: the process is stopping."""
        for recipient in self._recipients.values():
            recipient.end()

    # --- commands

    async def _decide(self, message: bytes, _call: Call) -> bytes:
        found = unpack(message)
        try:
            partition = self._part(found.partition)
            inner = found.command.inner
            if isinstance(inner, DeployFiles) or type(inner) in OF_CLUSTER:
                return pack_answer(await self._decided_for_all(partition, found.command, inner))
            if isinstance(inner, ActivateJobs):
                return pack_answer(await self._activated(partition, inner, found.asker, is_own=found.is_own))
            if ticket := ticket_of(inner):
                return pack_answer(await self._awaited(partition, found.command, ticket, is_own=found.is_own))
            return pack_answer(await _submitted(partition, found.command, is_own=found.is_own))
        except OsmiaError as error:
            raise refusal_of(error) from None

    async def _decided_for_all(self, first: Partition, command: Command, inner: Command) -> Any:
        """Decide a command that concerns the whole cluster. If another process leads partition 1 by now, that is for the asker to find out."""
        if isinstance(inner, DeployFiles):
            resources = await asyncio.to_thread(compile_resources, list(inner.files))
            inner = DeployResources(resources)
            command = ByPerson(inner, command.user) if isinstance(command, ByPerson) else inner
        assert self._cluster is not None, "it has begun"
        _refuse_if_away(first)
        return await self._cluster.submit(command)

    async def _activated(self, partition: Partition, command: ActivateJobs, asker: int, *, is_own: bool) -> Any:
        """Activate jobs for another process. Register its interest first, so that jobs created meanwhile are reported to it."""
        self._want(asker, partition.id, command.type)
        return await _finished(_submitted(partition, command, is_own=is_own), partial(_give_back, partition))

    async def _awaited(self, partition: Partition, command: Command, ticket: int, *, is_own: bool) -> Any:
        """Decide a command whose caller waits for a result in another process.

        If that process goes meanwhile, the wait has not begun yet, and ends as it begins.
        """
        return await _finished(_submitted(partition, command, is_own=is_own), partial(_forget, partition, ticket))

    def _part(self, number: int) -> Partition:
        partition = self._parts.get(number)
        if partition is None:
            raise Unavailable(f"Expected to lead partition {number}, but another process does")
        return partition

    # --- news

    async def _send_news(self, message: bytes, _call: Call) -> AsyncIterator[bytes]:
        process = _number(message)
        former, recipient = self._recipients.get(process), _Recipient()
        if former is not None:
            former.end()
        self._recipients[process] = recipient
        for one in self._parts.values():
            if one.is_open:
                recipient.send(news.Opened(one.id, one.epoch))
        if self._decides_for_all:
            recipient.send(self._lagging())
        try:
            while sent := await recipient.next():
                yield news.encode(sent)
        finally:
            if self._recipients.get(process) is recipient:
                del self._recipients[process]
                self._left(process)

    def send_to_all(self, one: news.News) -> None:
        """Send news to all other processes."""
        for recipient in self._recipients.values():
            recipient.send(one)

    def send_to_caller(self, ticket: int, one: news.News) -> None:
        """Send news to the process whose caller has this *ticket*, if it is another one."""
        recipient = self._recipients.get(process_of(ticket))
        if recipient is not None:
            recipient.send(one)

    @property
    def _decides_for_all(self) -> bool:
        """Whether this process leads partition 1, and so knows who lags behind it."""
        return self._following is not None and self._parts[1].is_open

    def _lagging(self) -> news.Lagging:
        assert self._following is not None, "partition 1 is here"
        return news.Lagging(tuple(self._following.lagging))

    def _send_lagging(self) -> None:
        if self._decides_for_all:
            self.send_to_all(self._lagging())

    def send_opened(self, partition: Partition) -> None:
        """Report a partition that serves; and with partition 1, who lags behind it: they are notified from here from now on."""
        self.send_to_all(news.Opened(partition.id, partition.epoch))
        if partition.id == 1:
            self._send_lagging()

    def _left(self, process: int) -> None:
        """Forget the interests of a process that cannot be reached any more; others may have the jobs that were reported to it."""
        for wanting in self._wanted.values():
            wanting.pop(process, None)
        for one in self._parts.values():
            for ticket in one.state.awaited.tickets():
                if process_of(ticket) == process:
                    one.forget_result(ticket)
        for number, type in [*self._wanted]:
            self._offer(self._parts[number], type, 1)

    # --- notes

    async def _note(self, message: bytes, _call: Call) -> bytes:
        try:
            note = news.read_note(message)
        except msgspec.MsgspecError:
            raise Refusal("INVALID_ARGUMENT", "Expected a note between processes, but found other bytes") from None
        partition = self._parts.get(note.partition)
        if partition is None:
            return b""
        match note:
            case news.HearOfJobs():
                self._want(note.process, partition.id, note.type)
            case news.PassOn():
                self._offer(partition, note.type, 1)
            case news.ForgetResult():
                partition.forget_result(note.ticket)
        return b""

    def _want(self, process: int, partition: int, type: str) -> None:
        if process in self._recipients:  # else its end would not be noticed
            self._wanted.setdefault((partition, type), {}).setdefault(process)
        if len(self._wanted) > news.TYPES_MAX:
            oldest = next(iter(self._wanted))
            for one in self._wanted.pop(oldest):  # they ask again, and find out
                if (recipient := self._recipients.get(one)) is not None:
                    recipient.send(news.JobsWait(*oldest))

    def offer(self, partition: Partition, keys: Mapping[str, Sequence[int]]) -> None:
        """Report jobs that have become activatable to other processes."""
        for type, some in keys.items():
            self._offer(partition, type, len(some))

    def offer_types(self, partition: Partition, types: Collection[str] | None) -> None:
        """Report jobs that wait, of these types or (None) of all, to other processes."""
        for type in [type for number, type in self._wanted if number == partition.id] if types is None else types:
            self._offer(partition, type, len(self._wanted.get((partition.id, type), ())))

    def _offer(self, partition: Partition, type: str, jobs: int) -> None:
        """Report jobs to as many processes as there are *jobs* left for them."""
        place = partition.id, type
        wanting = self._wanted.get(place)
        if wanting is None or not partition.has_activatable(type, leases=True):
            return
        for process in [*wanting][:jobs]:
            del wanting[process]
            recipient = self._recipients.get(process)
            if recipient is not None:
                recipient.send(news.JobsWait(partition.id, type))
        if not wanting:
            del self._wanted[place]

    # --- questions

    async def _status(self, message: bytes, _call: Call) -> bytes:
        try:
            return news.encode(await self._part(_number(message)).status())
        except OsmiaError as error:
            raise refusal_of(error) from None

    async def _rows(self, message: bytes, _call: Call) -> AsyncIterator[bytes]:
        try:
            rows = await self._part(_number(message)).cluster_rows()
        except OsmiaError as error:
            raise refusal_of(error) from None
        for first in range(0, len(rows), news.ROWS_AT_ONCE):
            yield pack_rows(rows[first : first + news.ROWS_AT_ONCE])


class _PartitionNews(Listener):
    """Sends the news of one partition to the other processes."""

    def __init__(self, serving: Serving, partition: Partition) -> None:
        self._serving, self._partition = serving, partition

    def partition_opened(self) -> None:
        self._serving.send_opened(self._partition)

    def partition_away(self, why: str) -> None:
        self._serving.send_to_all(news.Away(self._partition.id, why))

    def result_ready(self, ticket: int, variables: str) -> None:
        self._serving.send_to_caller(ticket, news.ResultReady(ticket, variables))

    def result_lost(self, ticket: int, error: OsmiaError) -> None:
        self._serving.send_to_caller(ticket, news.ResultLost(ticket, type(error).__name__, str(error)))


class _JobNews(Listener):
    """Reports the jobs of one partition that wait to the other processes."""

    def __init__(self, serving: Serving, partition: Partition) -> None:
        self._serving, self._partition = serving, partition

    def jobs_activatable(self, keys: Mapping[str, list[int]]) -> None:
        self._serving.offer(self._partition, keys)

    def jobs_waiting(self, types: Collection[str] | None) -> None:
        self._serving.offer_types(self._partition, types)


def _number(message: bytes) -> int:
    try:
        return int(message)
    except ValueError:
        raise Refusal("INVALID_ARGUMENT", "Expected a number in digits, but found other bytes") from None


def _refuse_if_away(partition: Partition) -> None:
    """Refuse a command before anything is done: its asker may send it to whoever leads the partition now."""
    if not partition.is_open:
        raise NotLed(f"Expected to lead partition {partition.id}, but found: {partition.why_away}")


def _submitted(partition: Partition, command: Command, *, is_own: bool) -> "asyncio.Future[Any]":
    if not is_own:
        _refuse_if_away(partition)
    future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    decide: Callable[[Command, Waiter], None] = partition.decide_own if is_own else partition.decide
    decide(command, future)
    return future


async def _finished(decided: "asyncio.Future[Any]", when_left: "Callable[[asyncio.Future[Any]], None]") -> Any:
    """Return the answer. An asker who goes meanwhile ends nothing: *when_left* gets the outcome in its place."""
    try:
        return await asyncio.shield(decided)
    except asyncio.CancelledError:
        decided.add_done_callback(when_left)
        raise


def _forget(partition: Partition, ticket: int, decided: "asyncio.Future[Any]") -> None:
    """Forget the caller with *ticket*, who has gone."""
    if not decided.cancelled():
        decided.exception()  # mark it as read
    partition.forget_result(ticket)


def _give_back(partition: Partition, activated: "asyncio.Future[Any]") -> None:
    """Make jobs activatable again that were activated for an asker who has gone."""
    if activated.cancelled() or activated.exception() is not None or not partition.is_open:
        return
    jobs = tuple((job.key, job.deadline_ms) for job in activated.result())
    if jobs:
        partition.decide_own(GiveBackJobs(jobs))
