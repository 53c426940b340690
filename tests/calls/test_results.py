"""Awaited results: they reach their caller in whatever order things happen, and are forgotten when the caller goes."""

import asyncio
from typing import Any

import pytest

from osmia_broker.base.errors import InvalidArgument, Overloaded, StoreFailed, TimedOut, Unavailable
from osmia_broker.calls import Calls
from osmia_broker.calls.processes.new_instance import NewInstance
from osmia_broker.engine.answers import Created
from osmia_broker.engine.commands import CancelProcessInstance, CompleteJob, CreateProcessInstance
from tests.calls.scripted import ScriptedPartition
from tests.partition.opened import deploy, opened

CREATE = NewInstance(bpmn_process_id="process", variables='{"n":1}')


class Fixture:
    """The calls on a partition that is played by hand."""

    def __init__(self) -> None:
        self.partition = ScriptedPartition()
        self.calls = Calls(self.partition)  # type: ignore[arg-type]

    async def awaiting(self, **more: Any) -> "asyncio.Task[tuple[Created, str]]":
        """A caller who has asked for an instance and its result."""
        task = asyncio.ensure_future(self.calls.create_instance_and_await_result(CREATE, **more))
        await asyncio.sleep(0)
        return task

    @property
    def ticket(self) -> int:
        """The ticket of the last creation."""
        (*_, command) = (one for one in self.partition.commands if isinstance(one, CreateProcessInstance))
        return command.result_ticket

    def complete(self, variables: str = '{"n":2}', ticket: int | None = None) -> None:
        for listener in self.partition.listeners:
            listener.result_ready(self.ticket if ticket is None else ticket, variables)

    def lose(self, error: StoreFailed) -> None:
        for listener in self.partition.listeners:
            listener.result_lost(self.ticket, error)

    @property
    def expected(self) -> int:
        return len(self.calls._results)


@pytest.fixture
async def it() -> Fixture:
    return Fixture()


async def cancelled(task: "asyncio.Task[Any]") -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_result_reaches_the_caller_of_its_ticket_alone(it: Fixture):
    first = await it.awaiting()
    ticket = it.ticket
    second = await it.awaiting()
    assert 0 < ticket < it.ticket
    it.partition.answer()
    it.complete('{"of":2}')
    it.complete('{"of":1}', ticket)
    assert [(await task)[1] for task in (first, second)] == ['{"of":1}', '{"of":2}']
    assert it.expected == 0


async def test_a_result_may_come_before_its_creation_is_answered(it: Fixture):
    task = await it.awaiting()
    it.complete()
    it.partition.answer()
    assert await task == (Created(2, "process", 1, 77), '{"n":2}')


async def test_only_the_named_variables_are_asked_for(it: Fixture):
    task = await it.awaiting(fetch_variables=("a", "b"))
    (command,) = it.partition.commands
    assert isinstance(command, CreateProcessInstance)
    assert (command.fetch_variables, command.variables) == (("a", "b"), {"n": "1"})
    await cancelled(task)


async def test_a_caller_who_leaves_before_the_creation_is_decided_is_forgotten_after_it(it: Fixture):
    """A command that waits for rows to load is decided after its caller has gone; then its ticket would stay for ever."""
    task = await it.awaiting()
    await cancelled(task)
    before = len(it.partition.forgotten)
    it.partition.answer()
    await asyncio.sleep(0)
    assert it.partition.forgotten[before:] == [it.ticket]
    assert it.expected == 0


async def test_a_caller_who_leaves_while_waiting_is_forgotten(it: Fixture):
    task = await it.awaiting()
    it.partition.answer()
    await asyncio.sleep(0)
    await cancelled(task)
    assert it.partition.forgotten == [it.ticket]
    assert it.expected == 0
    it.complete()  # too late, and no harm


async def test_a_caller_who_leaves_in_the_moment_the_result_comes_leaves_nothing(it: Fixture):
    task = await it.awaiting()
    it.partition.answer()
    for _ in range(3):
        await asyncio.sleep(0)
    it.complete()
    await cancelled(task)
    assert it.expected == 0


async def test_a_wait_that_runs_out_is_forgotten_and_names_the_instance_that_goes_on(it: Fixture):
    task = await it.awaiting(wait_ms=1)
    it.partition.answer()
    with pytest.raises(TimedOut, match=r"'77' to complete within 0\.001 s"):
        await task
    assert it.partition.forgotten == [it.ticket]


async def test_a_wait_of_the_largest_time_is_a_long_wait(it: Fixture):
    task = await it.awaiting(wait_ms=2**63 - 1)
    it.partition.answer()
    it.complete()
    assert (await task)[1] == '{"n":2}'


async def test_a_lost_result_is_refused_and_forgotten(it: Fixture):
    task = await it.awaiting()
    it.partition.answer()
    await asyncio.sleep(0)
    it.lose(StoreFailed("no disk"))
    with pytest.raises(StoreFailed, match="no disk"):
        await task
    assert it.expected == 0


@pytest.mark.parametrize("error", [InvalidArgument("no such process"), StoreFailed("no disk")])
async def test_a_creation_that_is_refused_is_forgotten(it: Fixture, error: InvalidArgument | StoreFailed):
    task = await it.awaiting()
    it.partition.answer(error)
    with pytest.raises(type(error)):
        await task
    assert it.expected == 0


async def test_a_creation_that_is_not_taken_is_forgotten(it: Fixture):
    it.partition.refusal = Overloaded("busy")
    with pytest.raises(Overloaded):
        await (await it.awaiting())
    with pytest.raises(InvalidArgument):
        await it.calls.create_instance_and_await_result(NewInstance(bpmn_process_id="process", variables="[]"))
    assert it.expected == 0


# --- stopping


async def test_a_stop_ends_waits_for_results_at_once(it: Fixture):
    task = await it.awaiting(wait_ms=2**63 - 1)
    it.partition.answer()
    for _ in range(3):
        await asyncio.sleep(0)
    it.calls.stop(Unavailable("over"))
    with pytest.raises(Unavailable, match="over"):
        await task
    with pytest.raises(Unavailable, match="over"):
        await it.calls.create_instance_and_await_result(CREATE)
    assert it.expected == 0


async def test_an_instance_that_completes_with_its_creation_is_answered_during_a_stop(it: Fixture):
    completes, waits = await it.awaiting(), None
    ticket = it.ticket
    waits = await it.awaiting()
    it.calls.stop(Unavailable("over"))
    it.partition.answer()
    it.complete(ticket=ticket)
    assert (await completes)[1] == '{"n":2}'
    with pytest.raises(Unavailable, match="over"):
        await waits


# --- on a real partition


async def test_a_result_comes_with_the_commit_that_completes_its_instance():
    async with opened() as real:
        await real.do(deploy("start > ask:job > end"))
        calls = Calls(real.partition)
        task = asyncio.ensure_future(calls.create_instance_and_await_result(CREATE))
        jobs = await calls.activate_jobs(type="ask", worker="w", timeout_ms=60_000, max_jobs=1)
        assert not task.done()
        await real.do(CompleteJob(jobs[0].key, {"m": "[2]"}))
        created, variables = await task
        assert created.process_instance_key == jobs[0].process_instance_key
        assert variables == '{"n":1,"m":[2]}'


async def test_the_instance_of_a_cancelled_caller_goes_on_without_a_result():
    async with opened() as real:
        await real.do(deploy("start > ask:job > end"))
        calls = Calls(real.partition)
        task = asyncio.ensure_future(calls.create_instance_and_await_result(CREATE))
        (job,) = await calls.activate_jobs(type="ask", worker="w", timeout_ms=60_000, max_jobs=1)
        await cancelled(task)
        assert len(calls._results) == 0
        await real.do(CompleteJob(job.key, {}))


async def test_the_result_of_a_cancelled_instance_runs_into_its_time():
    """As measured on the reference broker (gateway-rpc.md, CreateProcessInstanceWithResult)."""
    async with opened() as real:
        await real.do(deploy("start > ask:job > end"))
        calls = Calls(real.partition)
        task = asyncio.ensure_future(calls.create_instance_and_await_result(CREATE, wait_ms=50))
        (job,) = await calls.activate_jobs(type="ask", worker="w", timeout_ms=60_000, max_jobs=1)
        await real.do(CancelProcessInstance(job.process_instance_key))
        with pytest.raises(TimedOut):
            await task
