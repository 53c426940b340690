"""Everything at once: bad values, failing commits, cold instances and models, small bounds. Everybody is answered, and nothing is lost."""

import asyncio
from random import Random
from typing import Any

import pytest

from osmia_broker.base.errors import InvalidArgument, OsmiaError, StoreFailed, Unavailable
from osmia_broker.state.rows import ElementInstance, Incident, Job, Variable
from osmia_broker.state.store_protocol import Changes
from osmia_broker.state.tables import definitions
from tests.partition.opened import (
    ONE_INSTANCE,
    Opened,
    PickyStore,
    activate,
    compile_now,
    complete,
    create,
    deploy,
    opened,
    steps_only,
)

LONG_MS = 1_000_000  # nobody's lease ends before the end
BAD = '"poison"'
IDS = ("a", "b", "c")
MODELS = {
    "a": "start > ask:job > more:job > end",
    "b": "start > wait:catch(timer=PT1S) > ask:job > end",
    "c": 'start > run:call(process=a) > end & late:boundary(on=run, timer=PT1S, cancel=false) > note:job(in.x="=l + r") > end2',
}


class Hostile(PickyStore):
    """Fails one commit of many, before it is written or after."""

    def __init__(self, random: Random) -> None:
        super().__init__()
        self.random = random
        self.is_calm = True

    def _commit(self, changes: Changes) -> None:
        if not self.is_calm and self.fails is None and self.random.random() < 0.03:
            self.fails, self.fails_after = StoreFailed("Expected a disk, but found none"), self.random.random() < 0.5
        super()._commit(changes)


async def caller(it: Opened, random: Random, outcomes: list[tuple[bool, bool, object]]) -> None:
    """Do some things, each with a value that may be bad; note whether it was bad, whether it was done, and the answer."""
    for _ in range(15):
        is_bad = random.random() < 0.15
        value = BAD if is_bad else str(random.randrange(9))
        halves = {"l": '"poi"', "r": '"son"' if random.random() < 0.1 else '"nt"'}
        try:
            if random.random() < 0.5:
                answer: Any = await it.do(create(random.choice(IDS), n=value, **halves))
            else:
                jobs = await it.do(activate(random.choice(["ask", "more"]), random.randrange(1, 4), LONG_MS))
                is_bad = is_bad and bool(jobs)
                answer = [await it.do(complete(job, n=value)) for job in jobs]
        except (StoreFailed, Unavailable):  # unknown, or not done
            await it.wait_open()
        except OsmiaError as refusal:
            outcomes.append((is_bad, False, refusal))
        else:
            outcomes.append((is_bad, True, answer))


@pytest.mark.parametrize("instances", [0, 1, 2, 3, 1_000])
@pytest.mark.parametrize("seed", range(4))
async def test_everybody_is_answered_and_nothing_is_lost(monkeypatch: pytest.MonkeyPatch, seed: int, instances: int):
    monkeypatch.setattr(definitions, "MODELS_MAX", 1)
    random = Random(f"{seed} {instances}")

    async def compile_later(name: str, content: bytes) -> Any:
        for _ in range(random.randrange(4)):
            await asyncio.sleep(0)
        return await compile_now(name, content)

    store = Hostile(random)
    async with opened(
        store,
        memory_bytes=max(1, instances * ONE_INSTANCE),
        compiler=compile_later,
        budget=steps_only(random.choice([1, 3, 1_000])),
        batch_max=random.choice([2, 5, 1_000]),
    ) as it:
        for id in IDS:
            await it.do(deploy(MODELS[id], id=id))
        store.is_calm = False
        outcomes: list[tuple[bool, bool, object]] = []
        callers = [asyncio.ensure_future(caller(it, random, outcomes)) for _ in range(12)]
        while not all(one.done() for one in callers):
            it.clock.ms += 20
            if it.partition.is_open:
                it.partition.check_clock()
            await it.turns(20)
        await asyncio.gather(*callers)
        assert [one for one in outcomes if one[0] == one[1]] == [], "exactly the bad ones are refused"
        assert {type(refusal) for is_bad, _, refusal in outcomes if is_bad} == {InvalidArgument}
        assert store.refused > 10, "there were bad values"
        store.is_calm = True
        await it.wait_open()
        await it.advance(LONG_MS)
        await finish(it)
        assert not any("poison" in row.value for row in store.rows(Variable))


async def finish(it: Opened) -> None:
    """Complete every job; what is left then stands at an incident."""
    while True:
        jobs = [job for type in ("ask", "more", "note") for job in await it.do(activate(type))]
        if not jobs:
            break
        for job in jobs:
            await it.do(complete(job))
        await it.advance(1_000)
    left = it.store.living(ElementInstance)
    stopped = {row.process_instance_key for row in it.store.living(Incident)}
    assert it.store.living(Job) == []
    assert {row.process_instance_key for row in left} == stopped
    assert {row.element_id for row in left if not row.scope_key} <= {"c"}, "only its boundary event makes a bad value"
