"""The clients of an imagined cluster, what they were told, and the judge of it.

Each order is one process instance: it waits for a message, then a worker does a job, then it waits for a second message of the same name and key. Clients
try creations and publications again, under the same name, until they are acknowledged; some creations only once. Whatever was acknowledged has to be
there in the end, exactly once.
"""

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from math import inf
from typing import Any

from osmia_broker.base.errors import AlreadyExists, NotFound, OsmiaError, Rejection
from osmia_broker.engine import commands
from osmia_broker.state.rows import ElementInstance, FollowUp, Incident, Job, Variable
from tests.partition.opened import deploy
from tests.simulation.brokers import Cluster, SimulatedBroker
from tests.simulation.virtual import passing

MODEL = deploy(
    'start > one:catch(message=m, key="=k") > work:job(type=t) > two:catch(message=m, key="=k") > end', id="order"
)
KEEP_MS = 10**12  # a message, longer than any run
ANSWER_S = 30.0  # a client waits so long
AGAIN_S = (0.1, 1.5)
NOBODY_S = 0.5


class Unknown(Exception):
    """Nobody knows whether it took effect."""


@dataclass
class Order:
    """What a client wants, and what it was told."""

    number: int
    is_repeated: bool  # until it is acknowledged
    instances: set[int] = field(default_factory=set)  # that were acknowledged
    published: set[str] = field(default_factory=set)  # acknowledged messages


@dataclass(frozen=True)
class Hold:
    """A time in which one worker has a job, by the clock of the leader who gave it."""

    worker: str
    from_ms: int
    until_ms: int


@dataclass
class KnownJob:
    """A job as its workers know it."""

    key: int
    order: int
    holds: list[Hold] = field(default_factory=list)
    completions: list[str] = field(default_factory=list)  # each that was tried, by its mark
    completed_by: str = ""  # the mark of the one that was acknowledged
    completed_s: float = inf  # when that was known


class History:
    """Everything that clients did, and the verdict."""

    def __init__(self, cluster: Cluster, chance: random.Random, say: Callable[[str], None]) -> None:
        self.cluster, self.chance, self.say = cluster, chance, say
        self.orders: list[Order] = []
        self.jobs: dict[int, KnownJob] = {}
        self.refused = self.unknown = 0
        self._marks = 0
        self._workers: list[asyncio.Task[None]] = []
        self._clients: list[asyncio.Task[None]] = []

    # --- asking

    async def ask(self, ask: Callable[[SimulatedBroker], Any], broker: SimulatedBroker | None = None) -> Any:
        """Let a broker do something, and return its answer.

        Raises:
            Rejection: it was refused, and nothing has changed.
            Unknown: the broker died, did not answer in time, or does not know it itself.

        """
        up = self.cluster.up
        if broker is None:
            if not up:
                await passing(NOBODY_S)
                raise Unknown
            broker = self.chance.choice(up)
        answer: asyncio.Future[Any] = self.cluster.loop.create_future()

        async def asked() -> None:
            try:
                found = await ask(broker)
            except OsmiaError as error:
                if not answer.done():
                    answer.set_exception(error)
            else:
                if not answer.done():
                    answer.set_result(found)

        broker.do(asked())
        try:
            async with asyncio.timeout(ANSWER_S):
                return await answer
        except Rejection:
            self.refused += 1
            raise
        except (OsmiaError, TimeoutError) as error:
            self.unknown += 1
            raise Unknown(str(error)) from None

    async def _until_known(self, command: commands.Command) -> Any:
        while True:
            try:
                return await self.ask(lambda broker: broker.submit(command))
            except Unknown:
                await passing(self.chance.uniform(*AGAIN_S))

    async def deploy(self) -> None:
        """Let all know the process."""
        await self._until_known(MODEL)

    # --- clients

    def begin(self, orders: int, workers: int, for_s: float) -> None:
        """Let clients come with so many orders in *for_s*, and let workers work until `end`."""
        for number in range(orders):
            order = Order(number, self.chance.random() < 0.7)
            self.orders.append(order)
            self._clients.append(asyncio.ensure_future(self._order(order, self.chance.uniform(0, for_s))))
        for number in range(workers):
            self._workers.append(asyncio.ensure_future(self._work(f"w{number}")))

    async def _order(self, order: Order, begins_s: float) -> None:
        await passing(begins_s)
        messages = [self._publish(order, name) for name in ("a", "b")]
        await asyncio.gather(self._create(order), *messages)

    async def _create(self, order: Order) -> None:
        once = f"order {order.number}" if order.is_repeated else ""
        variables = {"k": f'"{order.number}"'}
        command = commands.CreateProcessInstance("order", -1, 0, variables, idempotency_key=once)
        if order.is_repeated:
            made = await self._until_known(command)
        else:
            try:
                made = await self.ask(lambda broker: broker.submit(command))
            except Unknown:
                return
        self.say(f"order {order.number} is instance {made.process_instance_key}")
        order.instances.add(made.process_instance_key)

    async def _publish(self, order: Order, name: str) -> None:
        await passing(self.chance.choice([0.0, 0.3, 4.0]))
        mark = f"{order.number}{name}"
        command = commands.PublishMessage("m", f"{order.number}", KEEP_MS, mark, {name: f'"{mark}"'})
        with suppress(AlreadyExists):
            await self._until_known(command)
        self.say(f"message {mark} is published")
        order.published.add(name)

    # --- workers

    async def _work(self, worker: str) -> None:
        while True:
            with suppress(Unknown):
                await self._take_jobs(worker)
            await passing(self.chance.uniform(*AGAIN_S))

    async def _take_jobs(self, worker: str) -> None:
        number = self.chance.randint(1, self.cluster.partitions)
        timeout_ms = self.chance.choice([1_000, 4_000, 20_000])
        command = commands.ActivateJobs("t", worker, timeout_ms, self.chance.randint(1, 3))
        asked_s = self.cluster.loop.time()
        for job in await self.ask(lambda broker: broker.part(number).submit(command)):
            known = self._note_activation(job, Hold(worker, job.deadline_ms - timeout_ms, job.deadline_ms), asked_s)
            if self.chance.random() < 0.8:
                await passing(self.chance.choice([0.0, 0.2, 2.0]))
                await self._complete(known)

    def _note_activation(self, job: Any, hold: Hold, asked_s: float) -> KnownJob:
        """Judge that nobody else has the job at that time. Answers may come late, and so in any order.

        The clocks of two leaders may be apart, if some were set.
        """
        self.say(f"{hold.worker} gets job {job.key} from {hold.from_ms} until {hold.until_ms}")
        known = self.jobs.setdefault(job.key, KnownJob(job.key, job.process_instance_key))
        assert asked_s < known.completed_s, f"job {job.key} is given out after {known.completed_by} has completed it"
        apart_ms = 2 * self.cluster.ahead_ms_max
        for other in known.holds:
            earlier, later = sorted([other, hold], key=lambda one: one.from_ms)
            assert earlier.until_ms <= later.from_ms + apart_ms, f"two have job {job.key} at a time: {earlier}, {later}"
        known.holds.append(hold)
        return known

    async def _complete(self, job: KnownJob) -> None:
        self._marks += 1
        mark = f"c{self._marks}"
        is_first = not job.completions
        job.completions.append(mark)
        command = commands.CompleteJob(job.key, {"by": f'"{mark}"'})
        try:
            await self.ask(lambda broker: broker.submit(command))
        except NotFound:
            assert not is_first or len(job.completions) > 1, f"job {job.key} is lost: nobody has completed it"
        else:
            assert not job.completed_by, f"job {job.key} is completed by {job.completed_by}, and then by {mark}"
            self.say(f"job {job.key} is completed by {mark}")
            job.completed_by, job.completed_s = mark, self.cluster.loop.time()

    # --- the verdict

    async def end(self, within_s: float) -> None:
        """In fair weather, wait until all orders are carried out, and judge."""
        await self._or_fault(asyncio.gather(*self._clients), within_s)
        until_s = self.cluster.loop.time() + within_s
        while why := self._why_not_done():
            self._raise_faults()
            assert self.cluster.loop.time() < until_s, f"{why}, after {within_s:g} s of fair weather"
            await passing(1)
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        self._judge()

    async def _or_fault(self, work: Any, within_s: float) -> None:
        async with asyncio.timeout(within_s):
            await work

    def _raise_faults(self) -> None:
        for worker in self._workers:
            if worker.done():
                worker.result()

    def rows(self, row_type: type) -> list[Any]:
        """The rows of one kind in all partitions."""
        return [row for store in self.cluster.database.rows.values() for row in store.rows(row_type)]

    def living(self, row_type: type) -> list[Any]:
        """Those that have not ended."""
        return [row for store in self.cluster.database.rows.values() for row in store.living(row_type)]

    def _why_not_done(self) -> str:
        for kind in (FollowUp, Job, ElementInstance):
            if rows := self.living(kind):
                return f"{len(rows)} rows of {kind.__name__} wait, as {rows[0]}"
        return ""

    def _judge(self) -> None:
        assert not self.living(Incident), f"found {self.living(Incident)[0]}"
        of_order: dict[int, list[int]] = {}
        values: dict[int, dict[str, list[str]]] = {}
        for row in self.rows(Variable):
            values.setdefault(row.process_instance_key, {}).setdefault(row.name, []).append(row.value.strip('"'))
        for key, found in values.items():
            of_order.setdefault(int(found["k"][0]), []).append(key)
        for order in self.orders:
            self._judge_order(order, of_order.get(order.number, []), values)
        completed = {row.key for row in self.rows(Job) if row.state == "COMPLETED"}
        for job in self.jobs.values():
            by = values[job.order]["by"][0]
            assert job.key in completed, f"job {job.key} was not completed"
            assert by in job.completions, f"job {job.key} is completed by {by}, but only {job.completions} tried"
            assert job.completed_by in ("", by), (
                f"{job.completed_by} was acknowledged, but {by} has completed {job.key}"
            )

    def _judge_order(self, order: Order, made: list[int], values: dict[int, dict[str, list[str]]]) -> None:
        assert len(made) <= 1, f"order {order.number} was carried out as {made}"
        assert order.instances <= set(made), f"order {order.number} is lost: {order.instances} was acknowledged"
        assert order.published == {"a", "b"}, f"order {order.number} has published {order.published}"
        for key in made:
            found = values[key]
            for name in ("a", "b"):
                expected = [f"{order.number}{name}"]
                assert found.get(name) == expected, f"message {expected} arrived at {key} as {found.get(name)}"
