"""A partition that another process leads, for those who use it here. It follows when yet another one takes the lead.

The answer is the same as that of the partition itself, its refusals too. When the link breaks in between, the outcome is unknown, and the refusal is
Unavailable, as after a commit whose outcome is unknown. Jobs that were activated for an asker who has gone are given back there.

Whether it has jobs of a type is not known here before it has been asked. After an empty answer it has none until its process says so
(`partition/serving.py`).
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import aclosing
from itertools import chain
from typing import Any

import msgspec

from osmia_broker.base.errors import NotLed, OsmiaError, Overloaded, Unavailable
from osmia_broker.engine.commands import ActivateJobs, Command
from osmia_broker.links import Links
from osmia_broker.partition import news
from osmia_broker.partition.any_partition import PartitionStatus
from osmia_broker.partition.batch import NOBODY, Waiter
from osmia_broker.partition.command_bytes import error_of, pack, ticket_of, unpack_answer, unpack_rows
from osmia_broker.partition.listener import Listener
from osmia_broker.partition.serving import DECIDE
from osmia_broker.rpc import Refusal
from osmia_broker.state.rows import Row
from osmia_broker.state.tables.definitions import Compiled

ASK_S = 2.0  # for a question that people wait for

log = logging.getLogger(__name__)


class _Question:
    """A question for jobs that is under way."""

    __slots__ = ("is_overtaken",)

    def __init__(self) -> None:
        # By the news that there are some, or that it has opened: an empty answer means nothing then.
        self.is_overtaken = False


class RemotePartition:
    """Partition *id*, led by *process*, or (0) by whichever process says so. Takes at most *queue_max* commands that wait for their answer."""

    is_here = False
    may_move = True
    write_failure = ""  # its process knows: see `status`

    def __init__(self, id: int, process: int, links: Links, *, queue_max: int = 1_000) -> None:
        self.id = id
        self.process, self._links, self._queue_max = process, links, queue_max
        self.epoch = 0  #: in which the process leads; it grows when another one takes the lead
        self._listeners: list[Listener] = []
        self._away = self._unreachable
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting = 0  # for their answer
        self._tickets: set[int] = set()  # of callers here who wait for results from there
        #: job types, and whether leased ones count, of which it has none; the oldest first
        self._without: dict[tuple[str, bool], None] = {}
        self._questions: dict[str, set[_Question]] = {}  # by job type

    @property
    def is_open(self) -> bool:
        """Whether commands are taken now, as far as its process has reported."""
        return not self._away

    @property
    def why_away(self) -> str:
        """The reason why no commands are taken; empty when they are."""
        return self._away

    @property
    def queued(self) -> int:
        """The number of commands of this process that wait for their answer."""
        return self._waiting

    @property
    def is_at_rest(self) -> bool:
        """Whether nothing of this process is on its way there."""
        return not self._tasks

    # --- commands

    def submit(self, command: Command) -> "asyncio.Future[Any]":
        """Let the partition decide *command*. Raises as `Partition.submit`, and Unsupported if the command cannot be sent."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.decide(command, future)
        return future

    def decide(self, command: Command, waiter: Waiter) -> None:
        """Let it decide *command* for any kind of waiter. Raises as `submit`."""
        if self._away:
            raise Unavailable(f"Expected partition {self.id} to be open, but found that {self._away}")
        if self._waiting >= self._queue_max:
            raise Overloaded(
                f"Expected at most {self._queue_max} commands to wait, but found as many already; try again later"
            )
        self._ask(command, waiter, is_own=False)

    def decide_own(self, command: Command, waiter: Waiter = NOBODY) -> None:
        """Let it decide a command of the broker itself; never refused for a full queue."""
        if self._away:
            waiter.set_exception(NotLed(f"Expected partition {self.id} to be open, but found that {self._away}"))
        else:
            self._ask(command, waiter, is_own=True)

    def _ask(self, command: Command, waiter: Waiter, *, is_own: bool) -> None:
        message = pack(command, self.id, asker=self._links.me.process, is_own=is_own)
        inner = command.inner
        if ticket := ticket_of(inner):
            self._tickets.add(ticket)
        self._waiting += 1
        self._begin(self._answered(inner, message, waiter, self._begin_question(inner)))

    async def _answered(self, command: Command, message: bytes, waiter: Waiter, question: _Question | None) -> None:
        error, answer = None, None
        try:
            answer = unpack_answer(command, await self._sent(message))
        except Refusal as refusal:
            error = error_of(refusal)
        except OsmiaError as refused:
            error = refused
        finally:
            self._waiting -= 1
            if question is not None and isinstance(command, ActivateJobs):
                self._end_question(command, question, is_empty=answer == [] or isinstance(error, NotLed))
        if waiter.done():
            return
        if error is None:
            waiter.set_result(answer)
        else:
            waiter.set_exception(error)

    async def _sent(self, message: bytes) -> bytes:
        """Send a command to its process, and return the answer.

        Raises:
            NotLed: there is no link at the moment, so nothing was sent.
            Refusal: as of `Link.call`.
        """
        try:
            link = self._links.to(self.process)
        except Refusal as refusal:
            raise NotLed(str(refusal)) from None
        return await link.call(DECIDE, message)

    async def cluster_rows(self) -> list[Row]:
        """Return the living rows that partition 1 decides for all.

        Raises:
            OsmiaError: it cannot be asked.
        """
        rows: list[Row] = []
        try:
            async with aclosing(self._links.stream(self.process, news.ROWS, b"%d" % self.id)) as stream:  # type: ignore[type-var]
                async for message in stream:
                    rows += unpack_rows(message)
        except Refusal as refusal:
            raise error_of(refusal) from None
        return rows

    async def status(self) -> PartitionStatus:
        """Return its state; if it cannot be asked, the failure says why."""
        try:
            answer = await self._links.call(self.process, news.STATUS, b"%d" % self.id, None, ASK_S)
            return msgspec.msgpack.decode(answer, type=PartitionStatus)
        except (Refusal, msgspec.MsgspecError) as error:
            return PartitionStatus(self._waiting, 0, 0, self._away or str(error))

    def keep_model(self, checksum: str, model: Compiled) -> None:
        """Do nothing: its process compiles what it needs."""

    def check_clock(self) -> None:
        """Do nothing: its process has a clock of its own."""

    # --- jobs

    def has_activatable(self, type: str, *, leases: bool = False, waits: bool = False) -> bool:
        """Whether it is worth asking for jobs of *type*, for a caller who *leases* or does not."""
        return self.is_open and (type, leases) not in self._without

    def report_jobs(self, type: str) -> None:
        """Let its process report jobs of *type* from now on, once."""
        if self.is_open:
            self._note(news.HearOfJobs(self._links.me.process, self.id, type))

    def jobs_wait(self, type: str) -> None:
        """Take the news that there are jobs of *type*. If nobody here asks for them, another process may."""
        for leases in (False, True):
            self._without.pop((type, leases), None)
        for question in self._questions.get(type, ()):
            question.is_overtaken = True
        for listener in self._listeners:
            self._call(listener.jobs_waiting, [type])
        if type not in self._questions:
            self._note(news.PassOn(self.id, type))

    def _begin_question(self, command: Command) -> _Question | None:
        if not isinstance(command, ActivateJobs):
            return None
        question = _Question()
        self._questions.setdefault(command.type, set()).add(question)
        return question

    def _end_question(self, command: ActivateJobs, question: _Question, *, is_empty: bool) -> None:
        asked = self._questions[command.type]
        asked.discard(question)
        if not asked:
            del self._questions[command.type]
        if is_empty and command.keys is None and not question.is_overtaken:
            self._without[command.type, command.leases] = None
            if len(self._without) > news.TYPES_MAX:
                del self._without[next(iter(self._without))]  # a caller asks once more

    # --- reports of its process

    def add_listener(self, listener: Listener) -> None:
        """Notify *listener* when it opens, and of jobs and results for callers here. Nothing else is reported from elsewhere."""
        self._listeners.append(listener)

    @property
    def _unreachable(self) -> str:
        return (
            f"process {self.process}, which leads it, cannot be reached"
            if self.process
            else "no link to a process that leads it"
        )

    def opened(self, process: int, epoch: int = 0) -> None:
        """Take the news that *process* serves it, for the first time or again. One of an earlier *epoch* has not noticed yet that it was replaced."""
        if epoch < self.epoch:
            return
        if process != self.process and self.is_open:
            self.away()
        self.process, self.epoch = process, epoch
        self._away = ""
        self._without.clear()
        for question in chain.from_iterable(self._questions.values()):
            question.is_overtaken = True  # it was asked of the process that led before
        for listener in self._listeners:
            self._call(listener.partition_opened)

    def away(self, why: str = "") -> None:
        """Take the news that it serves no longer, for the reason *why*; without one, its process cannot be reached."""
        was_open, self._away = self.is_open, why or self._unreachable
        lost = [] if why else [*self._tickets]  # else its process says which are lost
        failure = Unavailable(f"Expected partition {self.id} to give the result, but found that {self._away}")
        for ticket in lost:
            self.result_lost(ticket, failure)
        for listener in self._listeners if was_open else ():
            self._call(listener.partition_away, self._away)

    def result_ready(self, ticket: int, variables: str) -> None:
        """Take a result for a caller here, if it comes from this partition."""
        if ticket not in self._tickets:
            return
        self._tickets.discard(ticket)
        for listener in self._listeners:
            self._call(listener.result_ready, ticket, variables)

    def result_lost(self, ticket: int, error: OsmiaError) -> None:
        """Take the news that a caller here waits in vain, if this partition was to give the result."""
        if ticket not in self._tickets:
            return
        self._tickets.discard(ticket)
        for listener in self._listeners:
            self._call(listener.result_lost, ticket, error)

    def forget_result(self, ticket: int) -> None:
        """Forget the caller with this *ticket*, who waits for a result no longer."""
        if ticket in self._tickets:
            self._tickets.discard(ticket)
            self._note(news.ForgetResult(self.id, ticket))

    # --- the work

    def _note(self, note: news.Note) -> None:
        self._begin(self._noted(news.encode(note)))

    async def _noted(self, message: bytes) -> None:
        try:
            await self._links.call(self.process, news.NOTE, message)
        except Refusal as refusal:  # a link that ends takes with it what was noted
            log.debug("a note was not taken", extra={"partition": self.id, "error": str(refusal)})

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @staticmethod
    def _call(call: Callable[..., None], *args: Any) -> None:
        try:
            call(*args)
        except Exception:
            log.exception("listener failed")

    async def close(self) -> None:
        """Wait for the answers that are under way."""
        while self._tasks:
            await asyncio.wait(self._tasks)
