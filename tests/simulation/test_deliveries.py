"""No signal and no message is lost for one instance because another one cannot take it, in any order of what happens.

Each instance has variables of a random size. Whoever waits when an event is acknowledged must get it: at once, or behind an incident that
is resolved later. The books know who waited.
"""

import random
from collections import Counter

import pytest

from osmia_broker.engine import Budget, commands
from osmia_broker.state.rows import ElementInstance, FollowUp, Incident, Message, Subscription, Variable
from tests.partition.opened import ONE_INSTANCE, Opened, WatchedStore, create, deploy, opened
from tests.simulation.defects import played
from tests.simulation.invariants import check

ROOM = 600
SIZES = [10, 200, 450, 590]  # characters; an event may bring 200
STEPS = 25
PROCESSES = {
    "loud": "start > again:task > wait:catch(signal=s) > again2:task > rest:catch(signal=never) > end",
    "quiet": 'start > wait:catch(message=m, key="=k") > rest:catch(signal=never) > end',
    "aside": "start > rest:catch(signal=never) > end & also:eventsub { on:start(signal=s, interrupting=false) > end2:end }",
}


class Sender:
    """Sends events at random, and knows which instances have to get which of them."""

    def __init__(self, it: Opened, chance: random.Random, due: dict[int, set[str]]) -> None:
        self.it, self.chance, self.due = it, chance, due
        self.number = 0
        self.published: set[str] = set()  # the marks of messages

    async def create(self) -> None:
        id = self.chance.choice([*PROCESSES])
        text = '"' + "x" * self.chance.choice(SIZES) + '"'
        instance = await self.it.do(create(id, n=text, k=str(self.chance.randint(1, 2))))
        self.due[instance.process_instance_key] = set()

    async def signal(self) -> None:
        open_ones = [row for row in self.it.store.living(Subscription) if row.name == "s"]
        waiting = {row.process_instance_key for row in open_ones if self._takes(row)}
        name = self._name()
        await self.it.do(commands.BroadcastSignal("s", self._variables(name)))
        for key in waiting:
            self.due[key].add(name)

    async def publish(self) -> None:
        key, ttl_ms = str(self.chance.randint(1, 2)), self.chance.choice([0, 10_000])
        open_ones = [row for row in self.it.store.living(Subscription) if row.name == "m"]
        waiting = [row for row in open_ones if row.correlation_key == key and self._takes(row)]
        name = self._name()
        self.published.add(name)
        await self.it.do(commands.PublishMessage("m", key, ttl_ms, "", self._variables(name)))
        for first in waiting[:1]:
            self.due[first.process_instance_key].add(name)

    async def repair(self) -> None:
        for incident in self.it.store.living(Incident):
            if self.chance.random() < 0.5:
                await self.it.do(commands.SetVariables(incident.process_instance_key, {"n": "1"}, False))
            await self.it.do(commands.ResolveIncident(incident.key))
            await self.it.settled()

    def _takes(self, row: Subscription) -> bool:
        """Whether no other event waits for it behind an incident; those of an event subprocess that begins anew wait in a row."""
        stopped = {one.process_instance_key for one in self.it.store.living(FollowUp)}
        return row.bpmn_process_id == "aside" or row.process_instance_key not in stopped

    def _name(self) -> str:
        self.number += 1
        return f"e{self.number}"

    def _variables(self, name: str) -> dict[str, str]:
        return {name: '"' + "y" * self.chance.choice([1, 200]) + '"'}


@pytest.mark.parametrize("seed", range(24))
async def test_every_event_reaches_all_that_waited_for_it_once(seed: int, monkeypatch: pytest.MonkeyPatch):
    await played(play(seed, monkeypatch))


async def play(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Play the events of this seed, and judge what has come of them."""
    monkeypatch.setattr("osmia_broker.engine.variables.INSTANCE_CHARACTERS_MAX", ROOM)
    for module in ("osmia_broker.state.state", "tests.memory_store"):
        monkeypatch.setattr(f"{module}.MATCHES_MAX", 3)
    chance, store = random.Random(seed), WatchedStore()
    due: dict[int, set[str]] = {}
    bound = chance.choice([ONE_INSTANCE, 4 * ONE_INSTANCE, 1 << 40])
    async with opened(store, memory_bytes=bound, budget=Budget(chance.choice([1, 5, 1_000]), seconds=60)) as it:
        for id, model in PROCESSES.items():
            await it.do(deploy(model, id=id))
        sender = Sender(it, chance, due)
        acts = [
            sender.create,
            sender.create,
            sender.create,
            sender.signal,
            sender.publish,
            sender.publish,
            sender.repair,
        ]
        for _ in range(STEPS):
            await chance.choice(acts)()
            await it.settled()
            check(it.partition, store, bound)
        await it.advance(20_000)
        await _repair_all(it, store)
        assert store.living(Message) == []
        got: dict[int, set[str]] = {key: set() for key in due}
        for row in store.rows(Variable):
            if row.name.startswith("e"):
                got[row.process_instance_key].add(row.name)
        lost = {key: names - got[key] for key, names in due.items() if names - got[key]}
        assert not lost, f"seed {seed}: these instances never got {lost}"
        _judge_repetitions(store, due, sender.published)
    assert all(row.ended_ms == 0 for row in store.rows(ElementInstance) if row.type == "PROCESS")


def _judge_repetitions(store: WatchedStore, due: dict[int, set[str]], published: set[str]) -> None:
    """Each message has reached one instance at most, and each event has begun an event subprocess once."""
    reached = Counter(row.name for row in store.rows(Variable) if row.name in published)
    again = [name for name, number in reached.items() if number > 1]
    assert not again, f"more than one instance got {again}"
    elements = store.rows(ElementInstance)
    begun = Counter(row.process_instance_key for row in elements if row.element_id == "also")
    for key in {row.key for row in elements if row.element_id == "aside"}:
        assert begun[key] == len(due[key]), f"instance {key} got {due[key]}, and began {begun[key]} event subprocesses"


async def _repair_all(it: Opened, store: WatchedStore) -> None:
    """Make room in all instances that are stopped, until none is."""
    for _ in range(50):
        for incident in store.living(Incident):
            names = [row.name for row in store.rows(Variable) if row.scope_key == incident.process_instance_key]
            small = {name: '"z"' for name in names if name != "k"}
            await it.do(commands.SetVariables(incident.process_instance_key, small, False))
            await it.do(commands.ResolveIncident(incident.key))
            await it.settled()
        if not store.living(Incident):
            break
    assert store.living(Incident) == store.living(FollowUp) == []
