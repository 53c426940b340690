"""The clients of an imagined cluster: how they ask a broker, and what they know of the outcome."""

import asyncio
import random
from collections.abc import Callable
from typing import Any

from osmia_broker.base.errors import OsmiaError, Rejection
from osmia_broker.engine import commands
from tests.clock import START_MS
from tests.simulation.brokers import Cluster, SimulatedBroker
from tests.simulation.virtual import Machine, passing

ANSWER_S = 30.0  # a client waits so long
AGAIN_S = (0.1, 1.5)  # before it asks again
NOBODY_S = 0.5


class Unknown(Exception):
    """Nobody knows whether it took effect."""


class Clients:
    """Asks brokers of *cluster*. *say* notes what happens."""

    def __init__(self, cluster: Cluster, chance: random.Random, say: Callable[[str], None]) -> None:
        self.cluster, self.chance, self.say = cluster, chance, say
        self.refused = 0
        self.failed: list[str] = []  # calls that a broker has failed to answer
        self._unanswered: list[tuple[str, Machine, asyncio.Task[None]]] = []

    @property
    def now_s(self) -> float:
        """The time, as nobody in the cluster knows it."""
        return self.cluster.loop.time()

    @property
    def now_ms(self) -> int:
        """The same, as a clock that nobody has set shows it."""
        return START_MS + round(self.now_s * 1000)

    async def some_broker(self, name: str = "") -> SimulatedBroker:
        """Choose a broker that can be asked: the one called *name*, if it can. Raises Unknown if there is none."""
        up = [one for one in self.cluster.up if one.name == name] or self.cluster.up
        if not up:
            await passing(NOBODY_S)
            raise Unknown
        return self.chance.choice(up)

    async def ask(
        self, ask: Callable[[SimulatedBroker], Any], what: str = "", *, leaves_s: float = ANSWER_S, name: str = ""
    ) -> Any:
        """Let a broker, that called *name* if it can be asked, do something, and return its answer. The client leaves without one after *leaves_s*.

        The broker notices that; but of a question that says *what* it asks for, the answer has to come some time.

        Raises:
            Rejection: it was refused, and nothing has changed.
            Unknown: the broker died, did not answer in time, or does not know it itself.

        """
        broker = await self.some_broker(name)
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

        asking = broker.do(asked())
        try:
            async with asyncio.timeout(leaves_s):
                return await answer
        except Rejection:
            self.refused += 1
            raise
        except OsmiaError as error:
            self.say(f"{broker.name} has failed: {error}")
            self.failed.append(str(error))
            raise Unknown(str(error)) from None
        except TimeoutError as error:
            if what and not asking.done():
                self._unanswered.append((what, broker.machine, asking))
            else:
                asking.cancel()
            raise Unknown(str(error)) from None

    async def send(self, command: commands.Command) -> Any:
        """Ask for *command* once. Raises as `ask`."""
        return await self.ask(lambda broker: broker.submit(command), repr(command)[:200])

    async def send_until_known(self, command: commands.Command) -> Any:
        """Send *command* again and again, until the outcome is known. Raises Rejection."""
        while True:
            try:
                return await self.send(command)
            except Unknown:
                await self.pause()

    async def send_twice(self, command: commands.Command) -> Any:
        """Send *command* to two brokers at once, as a client that has no patience, and return one answer; both say the same, if both are known."""
        answers = await asyncio.gather(*(self.send_until_known(command) for _ in range(2)))
        assert answers[0] == answers[1], f"{command} was answered with {answers}"
        return answers[0]

    async def pause(self) -> None:
        """Wait for a while."""
        await passing(self.chance.uniform(*AGAIN_S))

    def judge(self) -> None:
        """Judge that every broker that lives has answered what it was asked."""
        for what, machine, asking in self._unanswered:
            assert asking.done() or machine.is_dead, f"{machine.name} has never answered {what}"

    # --- what the database has in the end

    def rows(self, row_type: type) -> list[Any]:
        """The rows of one kind in all partitions."""
        return [row for store in self.cluster.database.rows.values() for row in store.rows(row_type)]

    def living(self, row_type: type) -> list[Any]:
        """Those that have not ended."""
        return [row for store in self.cluster.database.rows.values() for row in store.living(row_type)]
