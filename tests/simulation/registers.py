"""Registers of an imagined cluster: a variable for each partition, which one client writes and another one reads at any broker; and the judge of each answer.

A read commits nothing, so nothing but its own clock keeps a leader from answering it that was replaced. What is read must be as new as all that was
acknowledged before the question.
"""

import asyncio
from typing import Any

from osmia_broker.base.errors import Rejection
from osmia_broker.engine import commands
from tests.partition.opened import deploy
from tests.simulation.clients import Clients, Unknown
from tests.simulation.virtual import passing

MODEL = deploy('start > never:catch(message=never, key="=r") > end', id="register")
WRITES_S, READS_S = (1.0, 6.0), (0.1, 0.6)  # between two of one client
LEAVES_S = 2.0  # a reader


class Registers:
    """All registers, and the clients that use them until `end`."""

    def __init__(self, clients: Clients) -> None:
        self.clients, self.chance = clients, clients.chance
        self.reads = 0
        self._keys: list[int] = []  # of their process instances
        self._tasks: list[asyncio.Task[None]] = []

    async def begin(self, partitions: int) -> None:
        """Make a register in each partition, and begin to use it."""
        await self.clients.send_until_known(MODEL)
        for number in range(1, partitions + 1):
            create = commands.CreateProcessInstance("register", -1, 0, {"r": "0"})
            made = await self.clients.ask(lambda broker, n=number, c=create: broker.part(n).submit(c))  # type: ignore[misc]
            self._keys.append(made.process_instance_key)
            one = _Register(self.clients, made.process_instance_key)
            self._tasks += [asyncio.ensure_future(one.write()), asyncio.ensure_future(self._read(one))]

    async def _read(self, one: "_Register") -> None:
        while True:
            await passing(self.chance.uniform(*READS_S))
            self.reads += await one.read()

    def raise_faults(self) -> None:
        """Raise what a reader has found to be wrong."""
        for task in self._tasks:
            if task.done():
                task.result()

    async def end(self) -> None:
        """Use them no more, and let their instances end."""
        self.raise_faults()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for key in self._keys:
            await self._cancel(key)

    async def _cancel(self, key: int) -> None:
        was_unknown = False
        while True:
            try:
                await self.clients.send(commands.CancelProcessInstance(key))
            except Unknown:
                was_unknown = True
            except Rejection:
                assert was_unknown, f"register {key} is lost"
                return
            else:
                return


class _Register:
    """One register. Its values grow by one."""

    def __init__(self, clients: Clients, key: int) -> None:
        self.clients, self.chance, self.key = clients, clients.chance, key
        self.sent = self.known = 0  # the value that was sent last, and the newest that is surely there

    async def write(self) -> None:
        """Write the next values without end."""
        while True:
            await passing(self.chance.uniform(*WRITES_S))
            self.sent += 1
            value = self.sent
            command: Any = commands.SetVariables(self.key, {"r": str(value)}, local=True)
            try:
                await self.clients.ask(lambda broker, c=command: broker.submit(c), leaves_s=LEAVES_S)  # type: ignore[misc]
            except Unknown:
                continue
            self.clients.say(f"register {self.key} is {value}")
            self.known = max(self.known, value)

    async def read(self) -> int:
        """Read it once; return how many answers came."""
        known = self.known
        command = commands.ReadScope(self.key, frozenset({"r"}))
        try:
            found = await self.clients.ask(lambda broker: broker.submit(command), leaves_s=LEAVES_S)
        except Unknown:
            return 0
        value = int(found.values["r"])
        assert known <= value <= self.sent, f"register {self.key} was {known} before it was read as {value}"
        self.known = max(self.known, value)
        return 1
