"""No value from outside, and none that a model makes, breaks a commit for others."""

import asyncio
from typing import Any

import pytest

from osmia_broker.base.errors import InvalidArgument, StoreFailed, Unavailable
from osmia_broker.engine import commands
from osmia_broker.state.rows import ElementInstance, Incident
from osmia_broker.state.store_protocol import Alone, Start
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

LARGEST, SMALLEST = 2**63 - 1, -(2**63)
DEPLOY = deploy("start > ask:job > end")


@pytest.mark.parametrize("timeout_ms", [1, 2**31, 2**62, LARGEST - 1, LARGEST])
async def test_the_longest_lease_ends_at_the_largest_moment(timeout_ms: int):
    async with opened() as it:
        await it.do(DEPLOY)
        await it.do(create())
        (job,) = await it.do(activate(timeout_ms=timeout_ms))
        assert job.deadline_ms == min(it.clock.ms + timeout_ms, LARGEST)
        await it.do(complete(job))


@pytest.mark.parametrize("timeout_ms", [LARGEST, SMALLEST, 0, -1])
async def test_a_lease_can_be_moved_anywhere(timeout_ms: int):
    async with opened() as it:
        await it.do(DEPLOY)
        await it.do(create())
        (job,) = await it.do(activate())
        await it.do(commands.UpdateJobTimeout(job.key, timeout_ms))
        await it.advance(0)
        assert len(await it.do(activate())) == (0 if timeout_ms > 0 else 1)


@pytest.mark.parametrize("back_off_ms", [LARGEST, SMALLEST, -1])
async def test_a_back_off_of_any_length_is_kept(back_off_ms: int):
    async with opened() as it:
        await it.do(DEPLOY)
        await it.do(create())
        (job,) = await it.do(activate())
        await it.do(commands.FailJob(job.key, 2, "", back_off_ms, {}))
        assert len(await it.do(activate())) == (0 if back_off_ms > 0 else 1)


@pytest.mark.parametrize("retries", ["3000000000", "-3000000000", "2 ** 70", "10 ** 100"])
async def test_retries_that_no_worker_could_receive_are_an_incident(retries: str):
    async with opened() as it:
        await it.do(deploy(f'start > ask:job(retries="={retries}") > end'))
        await it.do(create())
        assert it.counters.incidents == {("EXTRACT_VALUE_ERROR",): 1}
        assert await it.do(activate()) == []


@pytest.mark.parametrize("retries", [2**31 - 1, -(2**31), 0])
async def test_retries_of_32_bits_travel(retries: int):
    async with opened() as it:
        await it.do(deploy('start > ask:job(retries="=n") > end'))
        await it.do(create(n=str(retries)))
        assert [job.retries for job in await it.do(activate())] == [retries]


async def test_only_the_command_with_the_bad_value_is_refused():
    async with opened(PickyStore()) as it:
        await it.do(DEPLOY)
        kept = await it.do(create(ticket=1))
        outcomes = await asyncio.gather(
            it.do(create(n="1")), it.do(create(n='"poison"')), it.do(create(ticket=2)), it.do(complete_of(99)),
            return_exceptions=True,
        )  # fmt: skip
        assert [type(outcome).__name__ for outcome in outcomes] == ["Created", "InvalidArgument", "Created", "NotFound"]
        assert "Expected values that can be stored" in str(outcomes[1])
        jobs = await it.do(activate())
        assert jobs[0].process_instance_key == kept.process_instance_key
        assert len(jobs) == 3
        for job in jobs:
            await it.do(complete(job))
        assert sorted(it.heard.results) == [1, 2], "callers who wait for a result wait on"


@pytest.mark.parametrize("place", [0, 1, 2])
async def test_a_result_that_was_ready_when_the_commit_failed_is_given_after_the_search(place: int):
    async with opened(PickyStore()) as it:
        await it.do(DEPLOY)
        await it.do(create(ticket=1))
        (job,) = await it.do(activate())
        sent = [complete(job), create()]
        sent.insert(place, create(n='"poison"'))
        await asyncio.gather(*map(it.do, sent), return_exceptions=True)
        assert it.store.refused
        assert list(it.heard.results) == [1]
        assert it.heard.lost == []


@pytest.mark.parametrize("is_written", [False, True])
async def test_a_caller_whose_result_was_not_committed_hears_that_it_is_lost(is_written: bool):
    async with opened() as it:
        await it.do(DEPLOY)
        await it.do(create(ticket=1))
        await it.do(create(ticket=2))
        first, second = await it.do(activate())
        it.store.fails, it.store.fails_after = StoreFailed("Expected a disk, but found none"), is_written
        with pytest.raises(StoreFailed):
            await it.do(complete(first))
        assert sorted(it.heard.lost) == [1, 2]
        await it.wait_open()
        await it.do(complete(second))
        assert it.heard.results == {}


async def test_commands_that_come_while_the_others_are_decided_again_are_served():
    async with opened(PickyStore()) as it:
        await it.do(DEPLOY)
        it.store.may_write.clear()
        first = [it.do(create(n="1")), it.do(create(n='"poison"')), it.do(create(n="2"))]
        await it.turns()
        later = [it.do(create(n="3")), it.do(create(n='"more poison"'))]
        it.store.may_write.set()
        await it.turns(3)
        later.append(it.do(create(n="4")))
        outcomes = await asyncio.gather(*first, *later, return_exceptions=True)
        names = [type(outcome).__name__ for outcome in outcomes]
        assert names == ["Created", "InvalidArgument", "Created", "Created", "InvalidArgument", "Created"]
        assert len(await it.do(activate())) == 4


@pytest.mark.parametrize("bad", [[0], [6], [12], [0, 12], [5, 6], [0, 1, 2, 3], [*range(13)], []])
async def test_bad_values_are_found_wherever_they_stand(bad: list[int]):
    async with opened(PickyStore()) as it:
        await it.do(DEPLOY)
        values = ['"poison"' if place in bad else "1" for place in range(13)]
        outcomes = await asyncio.gather(*(it.do(create(n=one)) for one in values), return_exceptions=True)
        refused = [place for place, outcome in enumerate(outcomes) if isinstance(outcome, InvalidArgument)]
        assert refused == bad
        assert len(await it.do(activate())) == 13 - len(bad)
        assert len(it.store.living(ElementInstance)) == 2 * (13 - len(bad))


async def test_one_bad_value_among_many_costs_few_commits():
    async with opened(PickyStore()) as it:
        await it.do(DEPLOY)
        before = it.store.commits
        values = ["1"] * 200 + ['"poison"'] + ["1"] * 55
        outcomes = await asyncio.gather(*(it.do(create(n=one)) for one in values), return_exceptions=True)
        assert sum(isinstance(outcome, InvalidArgument) for outcome in outcomes) == 1
        assert it.store.refused == 9, "the batch and eight halves"
        assert it.store.commits - before == 8, "the other halves"


async def test_after_a_bad_value_commands_share_commits_again_while_the_load_goes_on():
    async with opened(PickyStore()) as it:
        await it.do(DEPLOY)
        created: list[bool] = []

        async def caller(number: int) -> None:
            for turn in range(40):
                bad = (number, turn) == (3, 5)
                outcome = await asyncio.gather(it.do(create(n='"poison"' if bad else "1")), return_exceptions=True)
                created.append(not isinstance(outcome[0], BaseException))

        before = it.store.commits
        await asyncio.gather(*(caller(number) for number in range(20)))
        assert (created.count(True), created.count(False)) == (799, 1)
        assert it.store.commits - before < 799 / 5


@pytest.mark.parametrize("memory_bytes", [1, 2 * ONE_INSTANCE, 24 * 1024**2])
@pytest.mark.parametrize("compile_turns", [0, 5])
async def test_bad_values_are_found_though_models_are_compiled_and_instances_loaded(
    memory_bytes: int, compile_turns: int
):
    """The commands of a group need not be decided at once, and none of another group may share their commit."""

    async def compile_later(name: str, content: bytes) -> Any:
        for _ in range(compile_turns):
            await asyncio.sleep(0)
        return await compile_now(name, content)

    store = PickyStore()
    async with opened(store) as it:
        for id in ("a", "b", "c"):
            await it.do(deploy("start > ask:job > more:job > end", id=id))
        for id in ("a", "b", "c") * 4:
            await it.do(create(id))
    store.is_open = False
    async with opened(store, memory_bytes=memory_bytes, compiler=compile_later) as it:
        jobs = await it.do(activate())
        outcomes = await asyncio.gather(
            *(it.do(complete(job, n='"poison"' if place in (2, 7) else "1")) for place, job in enumerate(jobs)),
            *(it.do(create("b", n=one)) for one in ("1", '"poison"', "2")),
            return_exceptions=True,
        )
        refused = [place for place, outcome in enumerate(outcomes) if isinstance(outcome, BaseException)]
        assert refused == [2, 7, 13]
        await it.settled()
        assert len(await it.do(activate("more"))) == 10
        assert len(await it.do(activate())) == 2, "those of the refused reports are held until their deadline"


async def test_a_bad_value_of_a_walk_that_goes_on_later_is_an_incident():
    async with opened(PickyStore(), budget=steps_only(1)) as it:
        await it.do(deploy('start > ask:job(in.x="=a + b") > end'))
        for refused in (1, 2):
            await it.do(create(a='"poi"', b='"son"'))
            await it.settled()
            assert it.store.refused == refused
        assert ["found a bad one" in row.message for row in it.store.living(Incident)] == [True, True]
        await it.do(create(a='"poi"', b='"nt"'))
        await it.settled()
        assert len(await it.do(activate())) == 1


async def test_a_bad_value_behind_a_timer_keeps_nobody_else_from_being_served():
    async with opened(PickyStore()) as it:
        await it.do(deploy('start > wait:catch(timer=PT1S) > ask:job(in.x="=a + b") > end'))
        await it.do(create(a='"poi"', b='"son"'))
        await it.do(create(a='"poi"', b='"nt"'))
        await it.advance(1_000)
        assert len(await it.do(activate())) == 1
        refused = it.store.refused
        await it.advance(1_000)
        assert it.store.refused == refused, "it is not tried again and again"


async def test_stopping_while_commands_are_decided_again_answers_everybody():
    async with opened(PickyStore()) as it:
        await it.do(DEPLOY)
        waiting = [it.do(create(n='"poison"')), *(it.do(create()) for _ in range(20))]
        await it.partition.close()
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        assert len(outcomes) == 21


class SlowPickyStore(PickyStore):
    """Opens when a test lets it, and counts those who open it at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.may_be_read = asyncio.Event()
        self.may_be_read.set()
        self.opening = self.opened_at_once = 0
        self.open_fails: StoreFailed | None = None

    async def open(self) -> Start:
        self.opening += 1
        self.opened_at_once = max(self.opened_at_once, self.opening)
        try:
            await self.may_be_read.wait()
            failure, self.open_fails = self.open_fails, None
            if failure is not None:
                raise failure
            return await super().open()
        finally:
            self.opening -= 1


async def being_read_again(it: Opened, store: SlowPickyStore) -> tuple[int, list[Any]]:
    """Let a value be refused, and hold the reopening up. Return the key of an instance, and commands that wait."""
    await it.do(DEPLOY)
    kept = (await it.do(create())).process_instance_key
    store.may_be_read.clear()
    waiting = [it.do(create(n='"poison"')), it.do(deploy("start > other:job > end", id="later"))]
    await it.turns()
    assert store.opening == 1, "the store is being read again"
    return kept, waiting


async def test_nothing_is_decided_before_the_store_has_been_read_again():
    store = SlowPickyStore()
    async with opened(store) as it:
        kept, waiting = await being_read_again(it, store)
        next_key, commits = store.next_key, store.commits
        waiting.append(it.do(commands.CancelProcessInstance(kept)))
        it.partition.check_clock()
        it.partition.has_activatable("ask")
        await it.turns()
        assert (store.next_key, store.commits) == (next_key, commits), "memory is empty, and knows no keys"
        store.may_be_read.set()
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(outcome).__name__ for outcome in outcomes] == ["InvalidArgument", "Deployed", "NoneType"]
        assert store.next_key > next_key


async def test_stopping_before_the_store_has_been_read_again_writes_nothing():
    store = SlowPickyStore()
    async with opened(store) as it:
        kept, waiting = await being_read_again(it, store)
        next_key, commits = store.next_key, store.commits
        waiting.append(it.do(commands.CancelProcessInstance(kept)))
        closing = asyncio.ensure_future(it.partition.close())
        await it.turns()
        store.may_be_read.set()
        await closing
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(outcome).__name__ for outcome in outcomes] == ["Unavailable"] * 3
        assert (store.next_key, store.commits) == (next_key, commits)
    async with opened(store) as it:
        await it.do(commands.CancelProcessInstance(kept))


async def test_losing_the_lease_while_the_store_is_read_again_opens_it_once_more_afterwards():
    store, led = SlowPickyStore(), Alone()
    async with opened(store, leadership=led) as it:
        kept, waiting = await being_read_again(it, store)
        lost = StoreFailed("Expected to lead partition 1, but found that another broker has taken it over")
        led.when_lost(lost)
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        assert outcomes == [lost, lost]
        assert not it.partition.is_open
        store.may_be_read.set()
        await it.wait_open()
        await it.turns()
        assert store.opened_at_once == 1
        assert it.heard.opened == 2, "the first opening, and that after the loss"
        await it.do(commands.CancelProcessInstance(kept))


async def test_a_store_that_cannot_be_read_again_lets_nobody_wait():
    store = SlowPickyStore()
    async with opened(store) as it:
        kept, waiting = await being_read_again(it, store)
        store.open_fails = StoreFailed("Expected a disk, but found none")
        store.may_be_read.set()
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        assert [str(outcome) for outcome in outcomes] == ["Expected a disk, but found none"] * 2
        await it.wait_open()
        await it.do(commands.CancelProcessInstance(kept))


async def test_rows_for_other_partitions_are_not_read_from_an_empty_memory():
    store = SlowPickyStore()
    async with opened(store) as it:
        _, waiting = await being_read_again(it, store)
        with pytest.raises(Unavailable, match="its store is being opened"):
            await it.partition.cluster_rows()
        store.may_be_read.set()
        await asyncio.gather(*waiting, return_exceptions=True)
        await it.settled()
        assert await it.partition.cluster_rows()


def complete_of(key: int) -> commands.CompleteJob:
    return commands.CompleteJob(key, {})


async def test_variables_of_an_instance_are_bounded():
    async with opened() as it:
        await it.do(DEPLOY)
        instance = (await it.do(create())).process_instance_key
        part = '"' + "x" * 1_000_000 + '"'
        for name in ("a", "b", "c"):
            await it.do(commands.SetVariables(instance, {name: part}, False))
        with pytest.raises(InvalidArgument, match="Expected the variables of process instance"):
            await it.do(commands.SetVariables(instance, {"d": part}, False))
        await it.do(commands.SetVariables(instance, {"c": "1", "d": part}, False))
        (job,) = await it.do(activate())
        with pytest.raises(InvalidArgument):
            await it.do(complete(job, e=part))
        await it.do(complete(job))


async def test_a_mapping_that_makes_too_much_is_an_incident():
    async with opened() as it:
        await it.do(deploy('start > ask:job(in.x="=n + n", in.y="=n + n + n") > end'))
        await it.do(create(n='"' + "x" * 1_000_000 + '"'))
        assert it.counters.incidents == {("IO_MAPPING_ERROR",): 1}
