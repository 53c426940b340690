"""Very many conditions of one instance: they are checked in slices, and only where a variable has changed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from osmia_broker.engine import commands
from osmia_broker.engine.events import conditions
from osmia_broker.state.rows import Subscription
from tests.partition.opened import create, deploy, opened, steps_only

WAITING = 's:sub(items="=for i in 1..{} return i", item=i) {{ go:start > c:catch(condition="=x >= i") > done:end }}'


@asynccontextmanager
async def waiting(number: int, **options: Any) -> AsyncIterator[Any]:
    """A partition with one instance in which so many conditions wait, the n-th of them for an x of n or more."""
    async with opened(budget=steps_only(10), **options) as it:
        await it.do(deploy(f"start > {WAITING.format(number)} > end"))
        it.key = (await it.do(create(x="0"))).process_instance_key
        await it.settled()
        yield it


async def set_x(it: Any, value: int) -> None:
    await it.do(commands.SetVariables(it.key, {"x": str(value)}, local=True))


@pytest.mark.parametrize("memory_bytes", [1, 24 * 1024**2])
async def test_many_conditions_are_checked_in_slices(memory_bytes: int):
    async with waiting(250, memory_bytes=memory_bytes) as it:
        await set_x(it, 250)
        assert len(it.store.living(Subscription)) == 150  # a slice has fired, the others are still to come
        await it.settled()
        assert it.store.living(Subscription) == []


async def test_each_condition_is_checked_with_its_own_variables():
    async with waiting(250) as it:
        await set_x(it, 240)
        await it.settled()
        assert len(it.store.living(Subscription)) == 10


async def test_a_change_between_the_slices_counts_too():
    async with waiting(250) as it:
        await asyncio.gather(set_x(it, 250), set_x(it, 0))  # the second comes before the later slices
        await it.settled()
        assert len(it.store.living(Subscription)) == 150


async def test_the_start_of_an_instance_of_a_loop_checks_no_condition_of_another(monkeypatch: pytest.MonkeyPatch):
    checked: list[int] = []
    plain = conditions._is_true
    monkeypatch.setattr(conditions, "_is_true", lambda *given: checked.append(1) or plain(*given))
    async with waiting(60):
        assert len(checked) == 60  # each once, when it is opened
