"""Large process instances whose long work goes on at once are read once each, and not again for every slice."""

import asyncio
from collections import Counter
from itertools import pairwise
from typing import Any

import pytest

from osmia_broker.engine import commands
from osmia_broker.engine.suspension import held_slices
from osmia_broker.partition import due_work
from osmia_broker.state.memory import residency
from osmia_broker.state.rows import FollowUp, Job, JobState
from tests.partition.opened import Opened, create, deploy, opened, steps_only

MANY = deploy('start > many:job(type=ask, items="=for i in 1..60 return i") > end')
LONG = "start > a:manual > b:manual > c:manual > d:manual > e:manual > f:manual > done:job(type=done) > end"
SLICE_ROWS = 3  # so 20 slices for each instance


@pytest.fixture(autouse=True)
def _small_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(residency, "LARGE_BYTES", 20_000)
    monkeypatch.setattr(held_slices, "ROWS_PER_SLICE", SLICE_ROWS)


def watch_loads(it: Opened) -> list[int]:
    """Return a list that is to have the large process instances that are read from the store from now on."""
    loaded: list[int] = []
    write = it.store.write

    async def counted(*asked: Any) -> Any:
        written = await write(*asked)
        if written.loaded is not None:
            loaded.extend(key for key, rows in written.loaded.instances.items() if len(rows.get(Job, ())) > SLICE_ROWS)
        return written

    it.store.write = counted  # type: ignore[method-assign]
    return loaded


async def suspend(it: Opened, number: int) -> list[int]:
    """Suspend so many large instances at once; return those that were read, in their order."""
    await it.do(MANY)
    created = [(await it.do(create())).process_instance_key for _ in range(number)]
    await it.settled()
    loaded = watch_loads(it)
    await asyncio.gather(*(it.do(commands.SuspendProcessInstance(key)) for key in created))
    await it.settled()
    assert {job.state for job in it.store.living(Job)} == {JobState.SUSPENDED}
    assert it.store.living(FollowUp) == []
    return loaded


@pytest.mark.parametrize(("number", "loads_max"), [(1, 0), (2, 4), (3, 6)])
async def test_large_instances_that_are_suspended_at_once_are_not_read_for_every_slice(number: int, loads_max: int):
    async with opened(memory_bytes=1) as it:
        assert len(await suspend(it, number)) <= loads_max


async def test_a_large_instance_waits_for_some_slices_of_another_and_not_for_its_end(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(due_work, "RUN_MAX", 5)
    async with opened(memory_bytes=1) as it:
        loaded = await suspend(it, 2)
        assert 6 <= len(loaded) <= 12
        assert all(first != second for first, second in pairwise(loaded)), "they are served by turns"


async def test_a_small_instance_does_not_wait_for_large_ones():
    """Its walk goes on between the slices of one large instance, while another one has to wait; none but that one is in memory."""
    async with opened(memory_bytes=1, budget=steps_only(5)) as it:
        await it.do(MANY)
        await it.do(deploy(LONG, id="small"))
        large = [(await it.do(create())).process_instance_key for _ in range(2)]
        await it.settled()
        await asyncio.gather(*(it.do(commands.SuspendProcessInstance(key)) for key in large))
        await it.do(create("small"))
        while not any(job.type == "done" for job in it.store.living(Job)):
            await asyncio.sleep(0)
        not_held = Counter(
            job.process_instance_key for job in it.store.living(Job) if job.state is JobState.ACTIVATABLE
        )
        assert all(not_held[key] > 0 for key in large)
