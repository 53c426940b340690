"""Several partitions in one broker: where a command goes, and what all of them know alike."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from osmia_broker.base.errors import InvalidArgument, NotFound, StoreFailed, Unavailable
from osmia_broker.engine import HANDLERS, commands
from osmia_broker.engine.audit import ByPerson
from osmia_broker.engine.cluster_rows import FollowCluster
from osmia_broker.engine.commands.due import (
    CarryOut,
    ExpireCreation,
    ExpireMessage,
    ParkFollowUp,
    ParkTimer,
    ReachDeadlines,
    TriggerTimer,
)
from osmia_broker.engine.commands.event_log import DropEvents, RecordEvents, StopRecording
from osmia_broker.engine.commands.job_flow import LimitJobs, ListJobFlow, PauseJobs, ResumeJobs
from osmia_broker.engine.commands.tasks import Actor, ClaimNextUserTask, CreateGlobalTaskListener
from osmia_broker.engine.inbox import Confirm, ListSent, Receive
from osmia_broker.partition.routes import ANYWHERE, MESSAGES, OF_CLUSTER, SUBJECT
from osmia_broker.state.partitioning import partition_of_key
from osmia_broker.state.rows import ElementInstance, JobFlow, ProcessDefinition, Resource, StartSubscription
from osmia_broker.state.rows.batches import ClusterVariable
from osmia_broker.state.rows.tasks import GlobalTaskListener
from osmia_broker.state.store_protocol import PARTITION_BITS
from tests.partition.opened import WatchedStore, activate, complete, create, deploy
from tests.partition.several import Several, several
from tests.patience import ANSWER_S

DEPLOY = deploy("start > ask:job > end")

#: Commands that a partition gives itself, or that come from somebody who knows the partition.
OWN = {
    CarryOut,
    ParkFollowUp,
    ParkTimer,
    ReachDeadlines,
    ExpireCreation,
    ExpireMessage,
    TriggerTimer,
    commands.ActivateJobs,
    commands.GiveBackJobs,
    DropEvents,
    RecordEvents,
    StopRecording,
    FollowCluster,
    Confirm,
    ListSent,
    Receive,
    ByPerson,  # goes the way of the command inside
}

#: The router asks several partitions.
ASKED_OF_SEVERAL = {ClaimNextUserTask, ListJobFlow, commands.ReadScope}


async def started(it: Several, number: int) -> list[int]:
    """The keys of so many new instances."""
    return [(await it.do(create())).process_instance_key for _ in range(number)]


def test_every_command_has_one_way():
    ways = [set(SUBJECT), ANYWHERE, MESSAGES, OF_CLUSTER, ASKED_OF_SEVERAL, OWN]
    times = Counter(command for way in ways for command in way)
    # Tests register others.
    commands_of_broker = {one for one in HANDLERS if one.__module__.startswith("osmia_broker.")}
    assert set(times) == commands_of_broker
    assert {command for command, number in times.items() if number > 1} == set()


# --- what all partitions know


async def test_a_deployment_is_known_to_all_with_the_same_keys_when_it_is_answered():
    async with several() as it:
        await it.do(deploy("start(message=go) > ask:job > end"))
        for kind in (ProcessDefinition, StartSubscription, Resource):
            first, *others = it.rows(kind)
            assert first
            assert others == [first, first]


async def test_a_new_version_ends_the_start_events_of_the_one_before_in_all():
    async with several() as it:
        await it.do(deploy("start(message=go) > ask:job > end"))
        await it.do(deploy("start(message=go) > other:job > end"))
        for one in it.parts:
            (subscription,) = one.state.start_subscriptions.living()
            assert subscription.process_definition_key == one.state.definitions.processes.latest("process").key  # type: ignore[union-attr]


async def test_a_deleted_version_is_deleted_in_all():
    async with several() as it:
        deployed = await it.do(DEPLOY)
        await it.do(commands.DeleteResource(deployed.processes[0].key))
        for one in it.parts:
            with pytest.raises(NotFound):
                await one.submit(create())


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (commands.CreateClusterVariable("region", '"eu"'), ClusterVariable),
        (PauseJobs("ask"), JobFlow),
        (LimitJobs("ask", fair_by="PROCESS"), JobFlow),
        (CreateGlobalTaskListener("l", "check", ("completing",)), GlobalTaskListener),
    ],
)
async def test_what_belongs_to_the_cluster_is_the_same_in_all(change: commands.Command, kind: type):
    async with several() as it:
        await it.do(change)
        first, *others = it.rows(kind)
        assert first
        assert others == [first, first]


async def test_a_cluster_variable_that_is_made_again_is_the_same_in_all():
    async with several() as it:
        await it.do(commands.CreateClusterVariable("region", '"eu"'))
        await it.do(commands.DeleteClusterVariable("region"))
        await it.do(commands.CreateClusterVariable("region", '"us"'))
        assert [one.state.cluster_variables.text for one in it.parts] == ['{"region":"us"}'] * 3


async def test_a_pause_holds_the_jobs_of_all_partitions_back():
    async with several() as it:
        await it.do(DEPLOY)
        await started(it, 3)
        await it.do(PauseJobs("ask"))
        assert [await one.submit(activate()) for one in it.parts] == [[], [], []]
        await it.do(ResumeJobs("ask"))
        assert [len(await one.submit(activate())) for one in it.parts] == [1, 1, 1]


# --- partitions that were away


async def test_a_partition_whose_commit_failed_takes_over_what_it_has_missed():
    async with several() as it:
        it.stores[1].fails = StoreFailed("Expected a disk, but found none")
        deployed = await it.do(DEPLOY)
        await it.settled()
        assert it.parts[1].state.definitions.processes.get(deployed.processes[0].key)
        assert it.rows(ProcessDefinition)[1] == it.rows(ProcessDefinition)[0]


async def test_a_partition_that_opens_in_the_moment_in_which_it_has_caught_up_catches_up_again():
    async with several() as it:
        follower = it.following._followers[2]
        was_working: list[bool] = []

        def opened() -> None:
            was_working.append(follower.task is not None)  # it has done its last step, and was not taken off yet
            follower.partition_opened()

        def changed() -> None:
            if not (follower.is_behind or was_working):
                asyncio.get_running_loop().call_soon(opened)

        it.following.when_changed = changed
        await it.do(DEPLOY)
        while not was_working:
            await asyncio.sleep(0)
        assert was_working[0]
        async with asyncio.timeout(ANSWER_S):
            await it.settled()
        assert not follower.is_behind


async def test_partitions_catch_up_with_a_leader_that_was_away_for_less_than_a_turn():
    """Its work is being ended when it begins anew."""
    async with several() as it:
        it.stores[1].may_write.clear()
        it.following.caught_up = _at_once  # type: ignore[method-assign]
        await it.do(DEPLOY)
        while not it.following._followers[2].task:
            await asyncio.sleep(0)
        it.following.partition_away("")
        it.following.partition_opened()
        it.stores[1].may_write.set()
        async with asyncio.timeout(ANSWER_S):
            await it.settled()
        assert it.following.lagging == []


async def test_instances_begin_elsewhere_while_a_partition_lags():
    async with several() as it:
        it.stores[1].may_write.clear()
        it.following.caught_up = _at_once  # type: ignore[method-assign]
        await it.do(DEPLOY)
        assert {partition_of_key(key) for key in await started(it, 6)} == {1, 3}
        assert it.following.lagging == [2]
        it.stores[1].may_write.set()
        await it.settled()
        assert {partition_of_key(key) for key in await started(it, 6)} == {1, 2, 3}


async def _at_once(_wait_s: float = 0.0) -> None:
    return


async def test_a_creation_that_may_be_repeated_waits_for_its_partition():
    async with several() as it:
        it.following.caught_up = _at_once  # type: ignore[method-assign]
        for store in it.stores[1:]:
            store.may_write.clear()
        await it.do(DEPLOY)
        refused = 0
        for number in range(8):
            try:
                await it.do(commands.CreateProcessInstance("process", -1, 0, {}, idempotency_key=f"k{number}"))
            except Unavailable:
                refused += 1
        assert 0 < refused < 8


async def test_a_broker_that_starts_compares():
    """Partition 3 missed a deployment, a deletion and a change: the broker was killed in between."""
    stores = [WatchedStore() for _ in range(3)]
    async with several(stores) as it:
        await it.do(DEPLOY)
        await it.do(commands.CreateClusterVariable("gone", "1"))
        await it.do(commands.CreateClusterVariable("region", '"eu"'))
    async with several(stores[:2]) as it:  # as if partition 3 had died first
        await it.do(deploy("start(message=go) > ask:job > end", id="other"))
        await it.do(commands.DeleteClusterVariable("gone"))
        await it.do(commands.UpdateClusterVariable("region", '"us"'))
    async with several(stores) as it:
        assert it.following.lagging == []
        for kind in (ProcessDefinition, Resource):
            first, *others = it.rows(kind)
            assert others == [first, first]
        assert it.parts[2].state.cluster_variables.text == '{"region":"us"}'
        assert await it.parts[2].submit(create(id="process"))


async def test_a_change_that_waited_behind_one_that_failed_is_not_taken_over_after_newer_ones():
    """The partition stays open, as it does while a link is busy. It compares then, and that has everything."""
    async with several(2) as it:
        it.following.caught_up = _at_once  # type: ignore[method-assign]
        second, refused = it.parts[1], []
        follows = second.decide_own

        def busy(_command: commands.Command, waiter: Any) -> None:
            refused.append(waiter)

        second.decide_own = busy  # type: ignore[method-assign]
        for value in ("1", "2"):
            change = commands.CreateClusterVariable if value == "1" else commands.UpdateClusterVariable
            await it.do(change("x", value))
        refused[0].set_exception(Unavailable("Expected the link to have room, but found none"))
        await it.do(commands.UpdateClusterVariable("x", "3"))
        second.decide_own = follows  # type: ignore[method-assign]
        it.following._followers[2]._begin()  # as its timer does
        await it.settled()
        assert it.following.lagging == []
        assert [one.state.cluster_variables.text for one in it.parts] == ['{"x":3}'] * 2


async def test_the_others_wait_until_partition_1_has_been_read(caplog: pytest.LogCaptureFixture):
    stores = [WatchedStore() for _ in range(3)]
    async with several(stores) as it:
        await it.do(DEPLOY)
    it = Several(stores)
    for one in reversed(it.parts):  # as a broker opens them
        await one.open()
        await it.parts[2].submit(commands.ReadScope(0, frozenset()))
    await it.router.opened()
    assert it.following.lagging == []
    assert "lags" not in caplog.text
    await it.router.close()
    for one in it.parts:
        await one.close()


async def test_nothing_is_written_where_nothing_differs():
    stores = [WatchedStore() for _ in range(3)]
    async with several(stores) as it:
        await it.do(deploy("start(message=go) > ask:job > end"))
        await it.do(PauseJobs("ask"))
    before = [store.commits for store in stores]
    async with several(stores) as it:
        await it.settled()
    assert [store.commits for store in stores] == before


async def test_a_deployment_that_was_not_committed_is_known_to_nobody():
    async with several() as it:
        it.stores[0].fails = StoreFailed("Expected a disk, but found none")
        with pytest.raises(StoreFailed):
            await it.do(DEPLOY)
        await it.settled()
        assert it.rows(ProcessDefinition) == [[], [], []]


async def test_a_partition_of_another_backup_is_not_overwritten():
    stores = [WatchedStore() for _ in range(2)]
    async with several(stores) as it:
        await it.do(DEPLOY)
    async with several([WatchedStore(), stores[1]]) as it:
        assert it.following.lagging == [2]
        assert len(it.rows(ProcessDefinition)[1]) == 1


# --- where a command goes


async def test_new_instances_are_spread_over_all():
    async with several() as it:
        await it.do(DEPLOY)
        assert Counter(partition_of_key(key) for key in await started(it, 9)) == {1: 3, 2: 3, 3: 3}


async def test_new_instances_begin_where_least_waits():
    async with several() as it:
        await it.do(DEPLOY)
        it.stores[0].may_write.clear()
        waiting = [it.parts[0].submit(create()) for _ in range(5)]
        assert 1 not in {partition_of_key(key) for key in await started(it, 6)}
        it.stores[0].may_write.set()
        for one in waiting:
            await one


async def test_a_command_goes_to_the_partition_of_its_key():
    async with several() as it:
        await it.do(DEPLOY)
        for key in await started(it, 3):
            await it.do(commands.SetVariables(key, {"x": "1"}, local=False))
            await it.do(commands.CancelProcessInstance(key))
            with pytest.raises(NotFound, match=str(key)):
                await it.do(commands.CancelProcessInstance(key))


@pytest.mark.parametrize("partition", [0, 4, 9, 4_000])
async def test_a_key_of_no_partition_is_refused_as_unknown(partition: int):
    async with several() as it:
        key = (partition << PARTITION_BITS) + 7
        for command in (
            commands.CompleteJob(key, {}),
            commands.CancelProcessInstance(key),
            commands.ResolveIncident(key),
            commands.SetVariables(key, {}, False),
        ):
            with pytest.raises(NotFound, match=str(key)):
                await it.do(command)


@pytest.mark.parametrize("key", [-1, 0, 2**63 - 1])
async def test_a_number_that_is_no_key_is_refused_as_unknown(key: int):
    async with several() as it:
        with pytest.raises(NotFound):
            await it.do(commands.CompleteJob(key, {}))


async def test_a_creation_that_is_repeated_finds_the_first_one():
    async with several() as it:
        await it.do(DEPLOY)
        for number in range(6):
            made = commands.CreateProcessInstance("process", -1, 0, {}, idempotency_key=f"order-{number}")
            first = (await it.do(made)).process_instance_key
            assert {(await it.do(made)).process_instance_key for _ in range(3)} == {first}


async def test_the_held_jobs_of_all_are_added_up():
    async with several() as it:
        await it.do(DEPLOY)
        await started(it, 3)
        for one in it.parts:
            await one.submit(activate())
        assert (await it.do(ListJobFlow())).held == (("ask", "", "w", 3),)


USER = "start > ask:user > end"


async def test_the_first_free_task_is_claimed_wherever_it_is():
    async with several() as it:
        await it.do(deploy(USER))
        keys = [(await it.do(create())).process_instance_key for _ in range(4)]
        tasks = sorted(_tasks(it), key=lambda task: keys.index(task.process_instance_key))
        order = tuple(task.key for task in tasks)
        claims = [await it.do(ClaimNextUserTask(order, "ada", actor=Actor("ada"))) for _ in range(5)]
        assert [key for key, _ in claims] == [*order, 0]


def _tasks(it: Several) -> list[Any]:
    return [task for one in it.parts for task in one.state.user_tasks._rows.values()]


async def test_a_caller_who_leaves_does_not_stop_a_deployment():
    async with several() as it:
        it.stores[1].may_write.clear()
        deploying = it.do(DEPLOY)
        deploying.cancel()
        it.stores[1].may_write.set()
        await it.settled()
        assert [len(rows) for rows in it.rows(ProcessDefinition)] == [1, 1, 1]


# --- limits of job types


@pytest.mark.parametrize("limit", ["held_max", "per_second_max", "held_per_key_max"])
async def test_the_shares_of_all_partitions_add_up_to_a_limit(limit: str):
    async with several() as it:
        await it.do(LimitJobs("ask", **{limit: 5}))
        await it.do(DEPLOY)
        await started(it, 18)
        assert [len(await one.submit(activate("ask", 10))) for one in it.parts] == [2, 2, 1]
        assert [len(await one.submit(activate("ask", 10))) for one in it.parts] == [0, 0, 0]


@pytest.mark.parametrize("limit", ["held_max", "per_second_max", "held_per_key_max"])
async def test_a_limit_that_leaves_a_partition_without_any_share_is_refused(limit: str):
    async with several() as it:
        await it.do(LimitJobs("ask", **{limit: 3}))
        with pytest.raises(
            InvalidArgument, match=f"'{limit}' of 0 .no limit. or at least 3, one for each partition, but found 2"
        ):
            await it.do(LimitJobs("ask", **{limit: 2}))
        assert [getattr(row, limit) for rows in it.rows(JobFlow) for row in rows] == [3, 3, 3]


async def test_a_job_that_ends_makes_room_in_its_own_partition():
    async with several() as it:
        await it.do(LimitJobs("ask", held_max=3))
        await it.do(DEPLOY)
        await started(it, 9)
        held = [(await one.submit(activate("ask", 10)))[0] for one in it.parts]
        await it.do(complete(held[1]))
        assert [len(await one.submit(activate("ask", 10))) for one in it.parts] == [0, 1, 0]


# --- timers of start events


async def test_a_timer_of_a_start_event_fires_once_and_in_partition_1():
    async with several() as it:
        await it.do(deploy("hour:start(cycle=R/PT1H) > ask:job > end"))
        for _ in range(3):
            await it.advance(3_600_000)
        assert [len(store.living(ElementInstance)) > 0 for store in it.stores] == [True, False, False]
        assert [len(await one.submit(activate())) for one in it.parts] == [3, 0, 0]


async def test_a_timer_that_was_due_while_partition_1_was_away_fires_when_it_is_back():
    stores = [WatchedStore() for _ in range(3)]
    async with several(stores) as it:
        await it.do(deploy("hour:start(timer=PT1H) > ask:job > end"))
        ms = it.clock.ms
    later = Several(stores)
    later.clock.ms = ms + 7_200_000
    for number in (2, 3, 1):  # the others serve before
        await later.parts[number - 1].open()
    await later.router.opened()
    await later.advance(0)
    assert [len(await one.submit(activate())) for one in later.parts] == [1, 0, 0]
    await later.advance(7_200_000)
    assert [len([row for row in store.living(ElementInstance) if row.type == "PROCESS"]) for store in stores] == [
        1,
        0,
        0,
    ]
    await later.router.close()
    for one in later.parts:
        await one.close()
