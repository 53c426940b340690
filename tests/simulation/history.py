"""The orders of an imagined cluster, everything else that its clients do, and the verdict.

Each order is one process instance: it waits for a message, then a worker does a job, then it waits for a while, and for a second message of the same name
and key. Clients try creations and publications again, under the same name, until they are acknowledged; some creations only once. Whatever was
acknowledged has to be there in the end, exactly once.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field

from osmia_broker.base.errors import AlreadyExists
from osmia_broker.engine import commands
from osmia_broker.state.rows import ElementInstance, FollowUp, Job, Timer, Variable
from tests.partition.opened import deploy
from tests.simulation import batches, signals
from tests.simulation.batches import Batches
from tests.simulation.clients import Clients, Unknown
from tests.simulation.signals import KEEP_MS, Signals
from tests.simulation.virtual import passing
from tests.simulation.workers import Workers

MODEL = deploy(
    'start > one:catch(message=m, key="=k") > work:job(type=t) > pause:catch(timer=PT3S) > two:catch(message=m, key="=k") > end',
    id="order",
)
USES = 6  # of a process that is deployed later
IMPATIENT = 0.3  # of all clients who try again
WAY = ("start", "one", "work", "pause", "two", "end")  # of each order, every element once


@dataclass
class Order:
    """What a client wants, and what it was told."""

    number: int
    is_repeated: bool  # until it is acknowledged
    instances: set[int] = field(default_factory=set)  # that were acknowledged
    published: set[str] = field(default_factory=set)  # acknowledged messages


class History:
    """Everything that clients did, and the verdict."""

    def __init__(self, clients: Clients) -> None:
        self.clients, self.chance = clients, clients.chance
        self.workers = Workers(clients)
        self.signals = Signals(clients)
        self.batches = Batches(clients)
        self.orders: list[Order] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def deploy(self) -> None:
        """Let all know the processes."""
        for model in (MODEL, signals.MODEL, batches.MODEL):
            await self.clients.send_until_known(model)

    def begin(self, orders: int, workers: int, for_s: float) -> None:
        """Let clients come with so many orders in *for_s*, and let workers work until `end`."""
        for number in range(orders):
            order = Order(number, self.chance.random() < 0.7)
            self.orders.append(order)
            self._do(self._order(order, self.chance.uniform(0, for_s)))
        for number in range(orders // 8):
            self._do(self.signals.listen(number))
            self._do(self.signals.broadcast(self.chance.uniform(0, for_s)))
        for number in range(orders // 20):
            self._do(self.batches.cancel_many(number, self.chance.uniform(0, for_s)))
        for number in range(orders // 4):
            self._do(self._deploy_later(number, self.chance.uniform(0, for_s)))
        self.workers.begin(workers)

    def _do(self, work: object) -> None:
        self._tasks.append(asyncio.ensure_future(work))  # type: ignore[arg-type]

    async def _deploy_later(self, number: int, begins_s: float) -> None:
        """Deploy one process more, and use it everywhere at once: whoever is answered may rely on all partitions."""
        await passing(begins_s)
        await self.clients.send_until_known(deploy("start > end", id=f"late{number}"))
        self.clients.say(f"late{number} is deployed")
        creations = [
            commands.CreateProcessInstance(f"late{number}", -1, 0, {}, idempotency_key=f"late {number} {place}")
            for place in range(USES)
        ]
        await asyncio.gather(*map(self.clients.send_until_known, creations))

    # --- orders

    async def _order(self, order: Order, begins_s: float) -> None:
        await passing(begins_s)
        messages = [self._publish(order, name) for name in ("a", "b")]
        await asyncio.gather(self._create(order), *messages)

    async def _create(self, order: Order) -> None:
        once = f"order {order.number}" if order.is_repeated else ""
        variables = {"k": f'"{order.number}"'}
        command = commands.CreateProcessInstance("order", -1, 0, variables, idempotency_key=once)
        if order.is_repeated:
            send = self.clients.send_twice if self.chance.random() < IMPATIENT else self.clients.send_until_known
            made = await send(command)
        else:
            try:
                made = await self.clients.send(command)
            except Unknown:
                return
        self.clients.say(f"order {order.number} is instance {made.process_instance_key}")
        order.instances.add(made.process_instance_key)

    async def _publish(self, order: Order, name: str) -> None:
        await passing(self.chance.choice([0.0, 0.3, 4.0]))
        mark = f"{order.number}{name}"
        command = commands.PublishMessage("m", f"{order.number}", KEEP_MS, mark, {name: f'"{mark}"'})
        with suppress(AlreadyExists):
            await self.clients.send_until_known(command)
        self.clients.say(f"message {mark} is published")
        order.published.add(name)

    # --- the verdict

    async def end(self, within_s: float) -> None:
        """In fair weather, wait until all is carried out, and judge."""
        async with asyncio.timeout(within_s):
            await asyncio.gather(*self._tasks)
        await self._until_done((FollowUp,), within_s)
        await self.signals.end()
        await self._until_done((FollowUp, Job, Timer, ElementInstance), within_s)
        await self.workers.end()
        self._judge()

    async def _until_done(self, kinds: tuple[type, ...], within_s: float) -> None:
        until_s = self.clients.now_s + within_s
        while why := self._why_not_done(kinds):
            self.workers.raise_faults()
            assert self.clients.now_s < until_s, f"{why}, after {within_s:g} s of fair weather"
            await passing(1)

    def _why_not_done(self, kinds: tuple[type, ...]) -> str:
        for kind in kinds:
            if rows := self.clients.living(kind):
                return f"{len(rows)} rows of {kind.__name__} wait, as {rows[0]}"
        return self.batches.why_not_done()

    def _judge(self) -> None:
        of_order: dict[int, list[int]] = {}
        values: dict[int, dict[str, list[str]]] = {}
        for row in self.clients.rows(Variable):
            values.setdefault(row.process_instance_key, {}).setdefault(row.name, []).append(row.value.strip('"'))
        for key, found in values.items():
            if "k" in found:
                of_order.setdefault(int(found["k"][0]), []).append(key)
        ways: dict[int, list[str]] = {}
        for element in self.clients.rows(ElementInstance):
            ways.setdefault(element.process_instance_key, []).append(element.element_id)
        for order in self.orders:
            self._judge_order(order, of_order.get(order.number, []), values)
        for made in of_order.values():
            for key in made:
                assert sorted(ways[key]) == sorted([*WAY, "order"]), f"{key} has gone another way: {ways[key]}"
        self.workers.judge({key: found["by"][0] for key, found in values.items() if "by" in found})
        self.clients.judge()
        self.signals.judge()
        self.batches.judge()

    def _judge_order(self, order: Order, made: list[int], values: dict[int, dict[str, list[str]]]) -> None:
        assert len(made) <= 1, f"order {order.number} was carried out as {made}"
        assert order.instances <= set(made), f"order {order.number} is lost: {order.instances} was acknowledged"
        assert order.published == {"a", "b"}, f"order {order.number} has published {order.published}"
        for key in made:
            found = values[key]
            for name in ("a", "b"):
                expected = [f"{order.number}{name}"]
                assert found.get(name) == expected, f"message {expected} arrived at {key} as {found.get(name)}"
