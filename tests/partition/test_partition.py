"""Answer after commit, all or nothing, bounded, crash-only: promises 1, 2, 4 and 5 of the design."""

import asyncio
from typing import Any

import pytest
from msgspec.structs import astuple, replace

from osmia_broker.base.errors import (
    InvalidArgument,
    InvalidState,
    NotFound,
    NotLed,
    Overloaded,
    StoreFailed,
    StoreFull,
    Unavailable,
)
from osmia_broker.engine import commands
from osmia_broker.engine.resources import compile_resources
from osmia_broker.partition import pace
from osmia_broker.partition.batch import Batch
from osmia_broker.state.rows import ElementInstance, Job, Resource, StartSubscription
from tests.bpmn import bpmn
from tests.partition.opened import Opened, WatchedStore, activate, complete, create, deploy, opened, steps_only

DEPLOY = deploy("start > ask:job > end")
CREATE = create(n="1")


async def test_no_answer_comes_before_its_commit():
    async with opened() as it:
        await it.do(DEPLOY)
        it.store.may_write.clear()
        commits = it.store.commits
        creation = it.do(CREATE)
        refusal = it.do(commands.CompleteJob(7, {}))
        await it.turns()
        assert not creation.done()
        it.store.may_write.set()
        await creation
        assert it.store.commits == commits + 1
        with pytest.raises(NotFound):
            await refusal


async def test_a_refusal_waits_for_the_state_that_it_comes_from():
    async with opened() as it:
        await it.do(DEPLOY)
        await it.do(CREATE)
        (job,) = await it.do(activate())
        it.store.may_write.clear()
        first, second = it.do(complete(job)), it.do(complete(job))
        await it.turns()
        assert not first.done()
        assert not second.done(), "the job has ended only once that is on disk"
        it.store.may_write.set()
        await first
        with pytest.raises(NotFound):
            await second


async def test_commands_that_come_together_share_a_commit():
    async with opened() as it:
        await it.do(DEPLOY)
        before = it.store.commits
        await asyncio.gather(*(it.do(CREATE) for _ in range(100)))
        assert it.store.commits - before <= 2


async def test_callers_who_were_answered_together_share_the_next_commit_too(monkeypatch: pytest.MonkeyPatch):
    async with opened() as it:
        await it.do(DEPLOY)
        monkeypatch.setattr(pace, "PAUSE_S", 3_600.0)
        await asyncio.gather(*(it.do(CREATE) for _ in range(pace.MANY)))
        before = it.store.commits
        calls = [it.do(CREATE) for _ in range(pace.MANY - 1)]
        await it.turns()
        assert it.store.commits == before
        await asyncio.gather(*calls, it.do(CREATE))
        assert it.store.commits == before + 1


@pytest.mark.parametrize("failure", [StoreFailed("Expected to write, but found an I/O error"), StoreFull("no room")])
@pytest.mark.parametrize("after", [False, True])
async def test_a_failed_commit_is_reported_to_all_and_leaves_no_half(failure: StoreFailed, after: bool):
    async with opened() as it:
        await it.do(DEPLOY)
        kept = await it.do(CREATE)
        it.store.fails, it.store.fails_after = failure, after
        lost = [it.do(CREATE) for _ in range(5)]
        outcomes = await asyncio.gather(*lost, return_exceptions=True)
        assert all(type(outcome) is type(failure) for outcome in outcomes), outcomes
        await it.wait_open()
        jobs = await it.do(activate())
        assert len(jobs) == (6 if after else 1)
        assert jobs[0].process_instance_key == kept.process_instance_key
        for job in jobs:
            await it.do(complete(job))
        assert sum(it.counters.commit_failures.values()) == 1


async def test_a_failed_commit_is_remembered_until_one_succeeds():
    async with opened() as it:
        await it.do(DEPLOY)
        it.store.fails = StoreFull("database or disk is full")
        with pytest.raises(StoreFull):
            await it.do(CREATE)
        await it.wait_open()
        assert "disk is full" in it.partition.write_failure
        await it.do(CREATE)
        assert it.partition.write_failure == ""


async def test_after_a_failed_commit_the_partition_tries_by_itself_whether_it_can_write(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr("osmia_broker.partition.recovery.TRY_S", (0.0,))
    async with opened() as it:
        await it.do(DEPLOY)
        it.store.fails = StoreFull("database or disk is full")
        with pytest.raises(StoreFull):
            await it.do(CREATE)
        assert "disk is full" in it.partition.write_failure
        it.store.fails = StoreFull("database or disk is full")
        while it.store.fails is not None or it.partition.write_failure:
            await asyncio.sleep(0)
        assert sum(it.counters.commit_failures.values()) == 2
        await it.do(CREATE)


async def test_events_of_a_failed_commit_are_not_counted():
    async with opened() as it:
        await it.do(DEPLOY)
        it.store.fails = StoreFull("no room")
        with pytest.raises(StoreFull):
            await it.do(CREATE)
        await it.wait_open()
        await it.do(CREATE)
        assert it.heard.events.count(("created", "process")) == 1
        assert it.counters.process_instances == {("process", "created"): 1}


async def test_while_the_store_is_away_commands_are_refused_and_it_comes_back_by_itself():
    async with opened() as it:
        await it.do(DEPLOY)
        it.store.fails, it.store.may_open = StoreFailed("gone"), False
        with pytest.raises(StoreFailed):
            await it.do(CREATE)
        with pytest.raises(StoreFailed):
            it.do(CREATE)
        it.store.may_open = True
        await it.wait_open()
        await it.do(CREATE)
        assert it.heard.opened == 2


async def test_refusals_while_the_partition_is_away_keep_nothing_of_their_callers():
    async with opened() as it:
        it.store.fails, it.store.may_open = StoreFailed("gone"), False
        with pytest.raises(StoreFailed):
            await it.do(DEPLOY)
        for submit in (it.do, it.partition.decide_own):
            refusals = []
            for _ in range(3):
                answer = asyncio.get_running_loop().create_future()
                with pytest.raises((StoreFailed, NotLed), match="gone") as refused:
                    await (submit(CREATE) if submit == it.do else submit(CREATE, answer) or answer)
                refusals.append(refused.value)
            assert len({id(one) for one in refusals}) == 3, "one refusal for all would keep the frames of every caller"
        it.store.may_open = True


async def test_many_failed_commits_leave_no_timers_behind():
    async with opened() as it:
        await it.do(DEPLOY)
        await it.do(CREATE)
        await it.do(activate())
        loop: Any = asyncio.get_running_loop()
        before = len(loop._scheduled)
        for _ in range(50):
            it.store.fails = StoreFull("no room")
            with pytest.raises(StoreFull):
                await it.do(CREATE)
            await it.wait_open()
        waiting = [timer for timer in loop._scheduled if not timer.cancelled()]
        assert len(waiting) <= before + 1, "each failure left a timer"


async def test_keys_are_not_used_again_after_a_failed_commit_or_a_start():
    store = WatchedStore()
    async with opened(store) as it:
        await it.do(DEPLOY)
        before = (await it.do(CREATE)).process_instance_key
    async with opened(store) as it:
        again = (await it.do(CREATE)).process_instance_key
        key, _ = await it.do(commands.SetVariables(again, {}, False))
    async with opened(store) as it:
        assert (await it.do(CREATE)).process_instance_key > key > again > before


async def test_a_full_queue_is_refused_at_once():
    async with opened(queue_max=10) as it:
        await it.do(DEPLOY)
        it.store.may_write.clear()
        taken = [it.do(CREATE) for _ in range(10)]
        with pytest.raises(Overloaded):
            it.do(CREATE)
        assert it.counters.refused_busy == 1
        it.store.may_write.set()
        await asyncio.gather(*taken)
        await it.do(CREATE)


def per_commit(it: Opened) -> list[int]:
    """How many commands each commit had, from now on."""
    sizes: list[int] = []
    publisher = it.partition._publisher
    publish = publisher.publish

    def counted(batch: Batch) -> None:
        sizes.append(len(batch.decided))
        publish(batch)

    publisher.publish = counted  # type: ignore[method-assign]
    return sizes


@pytest.mark.parametrize("most", [1, 3, 50])
async def test_a_commit_has_no_more_commands_than_the_limit_and_none_is_lost(most: int):
    async with opened(batch_max=most) as it:
        await it.do(DEPLOY)
        sizes = per_commit(it)
        created = await asyncio.gather(*(it.do(CREATE) for _ in range(50)))
        assert sizes == [most] * (50 // most) + ([50 % most] if 50 % most else [])
        keys = [one.process_instance_key for one in created]
        assert keys == sorted(keys), "in the order they came"
        await it.settled()
        assert it.partition.queued == 0


async def test_commands_beyond_the_limit_count_as_waiting():
    async with opened(batch_max=2, queue_max=5) as it:
        await it.do(DEPLOY)
        it.store.may_write.clear()
        waiting = [it.do(CREATE) for _ in range(5)]
        with pytest.raises(Overloaded, match="at most 5 commands"):
            it.do(CREATE)
        it.store.may_write.set()
        await asyncio.gather(*waiting)


async def test_due_work_is_not_kept_out_by_full_commits():
    async with opened(batch_max=1) as it:
        await it.do(DEPLOY)
        await it.do(CREATE)
        await it.do(activate(timeout_ms=1_000))
        it.clock.ms += 2_000
        for _ in range(20):
            waiting = [it.do(CREATE) for _ in range(3)]
            await waiting[0]
        assert it.counters.jobs["ask", "timed_out"] == 1, "the lease ended while commands waited all the time"
        await it.settled()


@pytest.mark.parametrize("failure", [StoreFailed("Expected to write, but found an I/O error")])
async def test_those_who_wait_for_a_later_commit_note_epoch_a_failure_too(failure: StoreFailed):
    async with opened(batch_max=2) as it:
        await it.do(DEPLOY)
        it.store.may_write.clear()
        waiting = [it.do(CREATE) for _ in range(5)]
        await it.turns()
        it.store.fails = failure
        it.store.may_write.set()
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        assert all(isinstance(one, StoreFailed) for one in outcomes)
        it.store.fails = None
        await it.wait_open()
        assert (await it.do(CREATE)).process_instance_key


async def test_stopping_answers_those_who_wait_for_a_later_commit():
    async with opened(batch_max=2) as it:
        await it.do(DEPLOY)
        waiting = [it.do(CREATE) for _ in range(7)]
        await it.partition.close()
        assert len(await asyncio.gather(*waiting)) == 7


async def test_leases_end_also_after_a_start():
    store = WatchedStore()
    async with opened(store) as it:
        await it.do(DEPLOY)
        await it.do(CREATE)
        await it.do(activate(timeout_ms=100_000))
    async with opened(store) as it:
        await it.advance(99_999)
        assert await it.do(activate()) == []
        await it.advance(1)
        assert len(await it.do(activate())) == 1


async def test_a_nearer_deadline_is_not_missed():
    async with opened() as it:
        await it.do(DEPLOY)
        await it.do(CREATE)
        await it.do(CREATE)
        await it.do(activate(max_jobs=1, timeout_ms=100_000))
        await it.do(activate(max_jobs=1, timeout_ms=10))
        await it.advance(10)
        assert len(await it.do(activate())) == 1


async def test_stopping_answers_the_commands_that_were_taken():
    store = WatchedStore()
    async with opened(store) as it:
        await it.do(DEPLOY)
        taken = [it.do(CREATE) for _ in range(20)]
        await it.partition.close()
        assert all(creation.done() and creation.result() for creation in taken)
        with pytest.raises(Unavailable):
            it.do(CREATE)
    async with opened(store) as it:
        assert len(await it.do(activate())) == 20


async def test_stopping_waits_for_commands_whose_rows_are_being_loaded():
    store = WatchedStore()
    async with opened(store) as it:
        await it.do(DEPLOY)
        await it.do(CREATE)
        (job,) = await it.do(activate())
    async with opened(store) as it:
        completion = it.do(complete(job))
        await it.partition.close()
        assert completion.done()
        assert completion.result() is None
        assert sum(it.counters.commit_failures.values()) == 0


async def test_stopping_while_the_store_is_away_ends():
    async with opened() as it:
        await it.do(DEPLOY)
        it.store.fails, it.store.may_open = StoreFailed("gone"), False
        with pytest.raises(StoreFailed):
            await it.do(CREATE)
        await it.partition.close()
        it.store.may_open = True
        await it.turns()
        assert not it.partition.is_open, "a partition that was closed has opened again"
        with pytest.raises(Unavailable):
            it.do(CREATE)


async def test_a_stored_model_that_cannot_be_read_hurts_only_its_own_instances():
    store = WatchedStore()
    async with opened(store) as it:
        await it.do(DEPLOY)
        await it.do(deploy("start > ask:job > end", id="other"))
    checksum = DEPLOY.resources[0].checksum
    store.values[Resource][checksum,] = (checksum, b"<x/>")
    async with opened(store, compiler=_broken_as_the_broker_does) as it:
        outcomes = await asyncio.gather(it.do(CREATE), it.do(create("other")), it.do(CREATE), return_exceptions=True)
        assert [type(outcome).__name__ for outcome in outcomes] == ["InvalidState", "Created", "InvalidState"]
        assert "stored resource 'process.bpmn'" in str(outcomes[0])
        assert it.partition.is_open
        assert sum(it.counters.commit_failures.values()) == 0


async def test_a_deployment_that_was_undone_leaves_no_model_to_the_next_one():
    """Both take the same keys, because the first one gives its own back."""
    async with opened() as it:
        refused = it.do(deploy('go:start(signal="=1 + 1") > end', id="one"))
        await it.do(deploy("start > ask:job > end", id="two"))
        with pytest.raises(InvalidArgument):
            await refused
        await it.do(create("two"))
        assert [job.element_id for job in await it.do(activate())] == ["ask"]


async def test_a_deployment_that_waits_for_a_row_leaves_no_model_to_the_next_one():
    """It has opened the start event of its first file when it meets the timer of the second, which is not resident."""
    store = WatchedStore()
    async with opened(store) as it:
        await it.do(deploy("hour:start(timer=PT1H) > ask:job > end", id="late"))
    one = ("one.bpmn", bpmn("of_one:start(signal=go) > ask:job > end", id="one"))
    late = ("late.bpmn", bpmn("hour:start(timer=PT2H) > ask:job > end", id="late"))
    async with opened(store) as it:
        waits = it.do(commands.DeployResources(compile_resources([one, late])))
        await it.do(deploy("of_two:start(signal=go) > ask:job > end", id="two"))
        await waits
        found = {(row.bpmn_process_id, row.element_id) for row in store.living(StartSubscription) if row.name == "go"}
        assert found == {("one", "of_one"), ("two", "of_two")}


async def test_a_stored_model_that_is_gone_hurts_only_its_own_instances():
    store = WatchedStore()
    async with opened(store) as it:
        await it.do(DEPLOY)
        await it.do(deploy("start > ask:job > end", id="other"))
    del store.values[Resource][DEPLOY.resources[0].checksum,]
    async with opened(store) as it:
        with pytest.raises(InvalidState, match=r"Expected the stored resource 'process.bpmn', but found none"):
            await it.do(CREATE)
        await it.do(create("other"))


async def test_others_are_served_while_a_model_is_compiled():
    store = WatchedStore()
    async with opened(store) as it:
        await it.do(DEPLOY)
        await it.do(deploy("start > ask:job > end", id="other"))
    may_compile = asyncio.Event()

    async def slow_for_one(name: str, content: bytes) -> Any:
        if name == "process.bpmn":
            await may_compile.wait()
        return await _compiled(name, content)

    async with opened(store, compiler=slow_for_one) as it:
        waiting = it.do(CREATE)
        await it.do(create("other"))
        assert not waiting.done()
        may_compile.set()
        await waiting


async def _compiled(name: str, content: bytes) -> Any:
    from osmia_broker.partition.compilations import _compile

    return _compile(name, content)


_broken_as_the_broker_does = _compiled


async def test_a_defect_in_a_step_stops_its_instance_alone(monkeypatch: pytest.MonkeyPatch):
    async with opened() as it:
        await it.do(DEPLOY)
        with monkeypatch.context() as patched:
            patched.setattr("osmia_broker.engine.new_jobs.create_job", lambda *_, **__: 1 // 0)
            poisoned = await it.do(CREATE)
        healthy = await it.do(CREATE)
        (job,) = await it.do(activate())
        assert job.process_instance_key == healthy.process_instance_key
        assert it.counters.incidents == {("UNKNOWN",): 1}
        await it.do(commands.CancelProcessInstance(poisoned.process_instance_key))


async def test_a_defect_in_the_loop_begins_anew_and_blocks_nothing(monkeypatch: pytest.MonkeyPatch):
    async with opened() as it:
        await it.do(DEPLOY)
        await it.do(CREATE)
        with monkeypatch.context() as patched:
            patched.setattr("osmia_broker.state.state.State.take_changes", lambda *_: 1 // 0)
            with pytest.raises(StoreFailed, match="found a defect"):
                await it.do(CREATE)
        await it.wait_open()
        await it.do(CREATE)
        assert len(await it.do(activate())) == 2


async def test_a_defect_while_a_write_is_under_way_waits_for_its_end(monkeypatch: pytest.MonkeyPatch):
    async with opened() as it:
        await it.do(DEPLOY)
        it.store.may_write.clear()
        in_flight = it.do(CREATE)
        await it.turns()
        it.partition._recovery.guarded(lambda: 1 // 0)
        with pytest.raises(StoreFailed):
            await in_flight
        it.store.may_write.set()
        await it.wait_open()
        assert len(await it.do(activate())) == 1, "the write had taken effect"


async def test_a_waiter_that_fails_hurts_no_other():
    class Broken:
        def done(self) -> bool:
            return False

        def set_result(self, _result: Any) -> None:
            raise RuntimeError("broken")

    async with opened() as it:
        await it.do(DEPLOY)
        it.partition.decide(CREATE, Broken())  # type: ignore[arg-type]
        await it.do(CREATE)
        assert it.partition.is_open


async def test_a_stored_row_that_cannot_be_read_hurts_only_its_instance():
    store = CorruptStore()
    async with opened(store) as it:
        await it.do(DEPLOY)
        bad, good = await it.do(CREATE), await it.do(CREATE)
    store.corrupt = bad.process_instance_key
    async with opened(store) as it:
        cancel = commands.CancelProcessInstance(bad.process_instance_key)
        outcomes = await asyncio.gather(it.do(cancel), it.do(CREATE), return_exceptions=True)
        assert [type(outcome).__name__ for outcome in outcomes] == ["InvalidState", "Created"]
        jobs = await it.do(activate())
        assert good.process_instance_key in {job.process_instance_key for job in jobs}
        assert bad.process_instance_key not in {job.process_instance_key for job in jobs}
        assert sum(it.counters.commit_failures.values()) == 0


class CorruptStore(WatchedStore):
    """Cannot read one process instance."""

    corrupt = 0

    def _load(self, wanted: Any) -> Any:
        loaded = super()._load(wanted)
        rows = loaded.instances.pop(self.corrupt, {})
        keys = {getattr(row, "key", 0) for some in rows.values() for row in some}
        loaded.unreadable = dict.fromkeys(keys, "Expected readable rows, but found 'ASLEEP'")
        return loaded


@pytest.mark.parametrize("row_type", [ElementInstance, Job])
async def test_rows_of_an_unknown_definition_hurt_only_their_instance(row_type: type):
    store = WatchedStore()
    async with opened(store) as it:
        await it.do(DEPLOY)
        bad, good = await it.do(CREATE), await it.do(CREATE)
    edit(store, row_type, bad.process_instance_key, process_definition_key=99)
    async with opened(store) as it:
        assert [job.process_instance_key for job in await it.do(activate())] == [good.process_instance_key]
        with pytest.raises(InvalidState, match="no process definition with key '99'"):
            await it.do(commands.CancelProcessInstance(bad.process_instance_key))


async def test_a_row_of_an_unknown_element_refuses_its_own_job_alone():
    store = WatchedStore()
    async with opened(store) as it:
        await it.do(DEPLOY)
        bad = await it.do(CREATE)
    edit(store, ElementInstance, bad.process_instance_key, element_id="gone")
    async with opened(store) as it:
        (job,) = await it.do(activate())
        with pytest.raises(InvalidState, match="has no element 'gone'"):
            await it.do(complete(job))
        await it.do(commands.CancelProcessInstance(bad.process_instance_key))


def edit(store: WatchedStore, row_type: type, process_instance_key: int, **changes: Any) -> None:
    """Change the stored rows of one instance by hand, but not the process itself."""
    for row in store.living(row_type):
        if row.process_instance_key == process_instance_key and getattr(row, "type", "") != "PROCESS":
            values = astuple(replace(row, **changes))
            store.values[row_type][row.key,] = store._living[row_type][row.key,] = values


async def test_a_due_row_that_cannot_be_read_is_passed_over_once():
    store = CorruptStore()
    async with opened(store) as it:
        await it.do(DEPLOY)
        bad, good = await it.do(CREATE), await it.do(CREATE)
        await it.do(activate(timeout_ms=10))
    store.corrupt = bad.process_instance_key
    async with opened(store) as it:
        await it.advance(20)
        loads = store.loads
        await it.advance(10_000)
        assert store.loads <= loads + 2, "the corrupt row is looked at again and again"
        assert [job.process_instance_key for job in await it.do(activate())] == [good.process_instance_key]


async def test_an_idle_partition_does_nothing():
    async with opened() as it:
        await it.do(DEPLOY)
        await it.do(CREATE)
        await it.settled()
        state = it.partition.state
        before = (len(state.residency._changed), len(state.residency._last_batch), it.store.loads, it.store.commits)
        for _ in range(1_000):
            it.partition.check_clock()
            await it.turns(3)
        assert (
            len(state.residency._changed),
            len(state.residency._last_batch),
            it.store.loads,
            it.store.commits,
        ) == before


async def test_refused_commands_leave_nothing_in_memory():
    async with opened() as it:
        await it.do(DEPLOY)
        await it.settled()
        residency = it.partition.state.residency
        for key in range(200):
            with pytest.raises(NotFound):
                await it.do(commands.CompleteJob((1 << 51) + 10_000 + key, {}))
        assert (len(residency), len(residency._changed), len(residency._open)) == (0, 0, 0)


async def test_a_caller_gets_the_result_of_its_instance_after_the_commit():
    async with opened() as it:
        await it.do(DEPLOY)
        await it.do(create(ticket=7, n="1"))
        (job,) = await it.do(activate())
        assert it.heard.results == {}
        await it.do(complete(job, n="2"))
        assert it.heard.results == {7: '{"n":2}'}
        assert len(it.partition.state.awaited) == 0


async def test_a_caller_who_left_is_forgotten():
    async with opened() as it:
        await it.do(DEPLOY)
        await it.do(create(ticket=7))
        it.partition.forget_result(7)
        it.partition.forget_result(8)
        assert len(it.partition.state.awaited) == 0
        (job,) = await it.do(activate())
        await it.do(complete(job))
        assert it.heard.results == {}


@pytest.mark.parametrize("end", ["cancel", "fails"])
async def test_a_caller_whose_instance_gives_no_result_is_forgotten(end: str):
    async with opened() as it:
        await it.do(DEPLOY)
        instance = await it.do(create(ticket=7))
        if end == "cancel":
            await it.do(commands.CancelProcessInstance(instance.process_instance_key))
        else:
            it.store.fails = StoreFailed("gone")
            with pytest.raises(StoreFailed):
                await it.do(CREATE)
            assert it.heard.lost == [7]
        await it.wait_open()
        assert len(it.partition.state.awaited) == 0


async def test_a_look_works_off_its_due_rows_in_slices():
    async with opened() as it:
        await it.do(DEPLOY)
        await asyncio.gather(*(it.do(CREATE) for _ in range(900)))
        assert len(await it.do(activate(timeout_ms=5))) == 900
        loads = it.store.loads
        await it.advance(5)
        assert it.store.loads >= loads + 3, "900 ended leases are more than one slice"
        assert len(await it.do(activate())) == 900


async def test_every_row_that_was_written_is_the_row_in_memory():
    async with opened(budget=steps_only(3)) as it:
        await it.do(DEPLOY)
        for _ in range(40):
            await it.do(CREATE)
        await it.settled()
        in_memory = {row.key: repr(row) for row in it.partition.state.elements._rows.values()}
        assert in_memory == {row.key: repr(row) for row in it.store.living(ElementInstance)}
