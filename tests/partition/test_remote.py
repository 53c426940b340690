"""A partition that another process leads answers as one that is here; and what the link between them adds."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from osmia_broker.base.errors import (
    InvalidArgument,
    InvalidState,
    NotFound,
    NotLed,
    Overloaded,
    Rejection,
    StoreFailed,
    Unavailable,
    Unsupported,
    framed,
)
from osmia_broker.engine import commands
from osmia_broker.engine.audit import ByPerson
from osmia_broker.engine.commands import ReadScope
from osmia_broker.engine.commands.tasks import CompleteUserTask
from osmia_broker.engine.engine import HANDLERS
from osmia_broker.links import Limits, Links, UnixPlace
from osmia_broker.partition import Peers, RemotePartition, Serving, news
from osmia_broker.partition.command_bytes import ticket_of
from osmia_broker.partition.serving import DECIDE
from osmia_broker.rpc import Refusal
from osmia_broker.state.awaited import TICKET_SHIFT
from osmia_broker.state.rows.tasks import UserTask
from tests.links.wire import identity
from tests.partition.opened import Heard, Opened, activate, complete, create, deploy, opened
from tests.patience import ANSWER_S

ASK = "start > ask:job > end"
JOB = "ask"  #: the type of its job


class HeardElsewhere(Heard):
    """Writes down the news of jobs, too."""

    def __init__(self) -> None:
        super().__init__()
        self.types: list[str] = []
        self.away: list[str] = []

    def jobs_waiting(self, types: Any) -> None:
        self.types += types

    def partition_away(self, why: str) -> None:
        self.away.append(why)


class Both:
    """A partition with its process, and another process that asks it."""

    serving: Serving

    def __init__(self, here: Opened, asker: Links, owner: Links, remote: RemotePartition) -> None:
        self.here, self.asker, self.owner, self.remote = here, asker, owner, remote
        self.heard = HeardElsewhere()
        remote.add_listener(self.heard)

    async def until(self, holds: Callable[[], Any]) -> None:
        """Let the loop go round until something holds."""
        async with asyncio.timeout(ANSWER_S):
            while not holds():
                await asyncio.sleep(0)

    async def ask(self, command: commands.Command) -> Any:
        async with asyncio.timeout(ANSWER_S):
            return await self.remote.submit(command)

    async def jobs(self) -> list[Any]:
        found: list[Any] = await self.ask(activate())
        return found


@asynccontextmanager
async def both(folder: Path, *, limits: Limits | None = None, **options: Any) -> AsyncIterator[Both]:
    place = UnixPlace(folder / "2.sock")
    async with opened(**options) as here:
        serving = Serving()
        serving.begin([here.partition], here.partition)
        serving.offer_jobs()
        owner = Links(identity(2), serving.rpcs())
        asker = Links(identity(1), [], limits=limits)
        await owner.listen(place)
        asker.dial(2, place)
        remote = RemotePartition(1, 2, asker, queue_max=3)
        peers = Peers(asker, [remote])
        peers.start()
        await here.partition.submit(deploy(ASK))
        it = Both(here, asker, owner, remote)
        it.serving = serving
        await it.until(lambda: remote.is_open)
        yield it
        here.store.may_write.set()
        await peers.stop()
        await asker.stop(0)
        await owner.stop(0)


@pytest.fixture
async def it(tmp_path: Path) -> AsyncIterator[Both]:
    async with both(tmp_path) as made:
        yield made


async def test_an_instance_is_played_from_the_other_process(it: Both):
    created = await it.ask(create(amount="12"))
    (job,) = await it.jobs()
    assert (job.process_instance_key, job.variables) == (created.process_instance_key, '{"amount":12}')
    assert await it.ask(complete(job, ok="true")) is None
    assert await it.jobs() == []
    assert it.remote.queued == 0


@pytest.mark.parametrize(
    ("command", "kind"),
    [
        (commands.CompleteJob(1 << 51 | 4711, {}), NotFound),
        (create("no-such-process"), NotFound),
        (commands.UpdateJobTimeout(0, 5), NotFound),
        (ByPerson(commands.CancelProcessInstance(77), "ada"), NotFound),
    ],
)
async def test_a_refusal_is_the_same_from_here_and_from_there(it: Both, command, kind):
    refusals = []
    for submit in (it.here.partition.submit, it.remote.submit):
        with pytest.raises(kind) as refusal:
            await submit(command)
        refusals.append((type(refusal.value), framed(refusal.value)))
    assert refusals[0] == refusals[1]


async def test_a_job_in_the_wrong_state_is_refused_with_its_frame(it: Both):
    await it.ask(create())
    (job,) = await it.jobs()
    await it.ask(commands.FailJob(job.key, 0, "no", 0, {}))
    with pytest.raises(InvalidState) as refusal:
        await it.ask(complete(job))
    assert framed(refusal.value).startswith("Command 'COMPLETE' rejected with code 'INVALID_STATE': ")


async def test_an_operation_of_a_person_bears_their_name(it: Both):
    created = await it.ask(create())
    assert await it.ask(ByPerson(commands.CancelProcessInstance(created.process_instance_key), "ada")) is None
    assert await it.jobs() == []


async def test_a_deployment_travels_as_its_files(it: Both):
    deployed = await it.ask(deploy("start > b:job > end", id="other"))
    assert [one.bpmn_process_id for one in deployed.processes] == ["other"]
    assert await it.ask(create("other"))


async def test_a_file_that_its_process_cannot_compile_is_refused_there(it: Both):
    (resource,) = deploy(ASK).resources
    bad = replace(resource, content=b"<not>bpmn</not>")
    with pytest.raises(InvalidArgument, match="Expected to deploy new resources"):
        await it.ask(commands.DeployResources((bad,)))


async def test_what_cannot_be_sent_is_refused_here(it: Both):
    with pytest.raises(Unsupported, match="found EvaluateDecision"):
        it.remote.submit(commands.EvaluateDecision("d", 0, {}))


async def test_an_expression_reads_a_scope_elsewhere(it: Both):
    created = await it.ask(create(amount="12", name='"ada"'))
    seen = await it.ask(ReadScope(created.process_instance_key, frozenset({"amount", "name", "absent"})))
    assert {name: bytes(value) for name, value in seen.values.items()} == {"amount": b"12", "name": b'"ada"'}


async def test_too_many_waiting_commands_are_refused_here_and_own_ones_are_not(it: Both):
    it.here.store.may_write.clear()
    waiting = [it.remote.submit(create()) for _ in range(3)]
    with pytest.raises(Overloaded, match="Expected at most 3 commands to wait"):
        it.remote.submit(create())
    own: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    it.remote.decide_own(create(), own)
    it.here.store.may_write.set()
    async with asyncio.timeout(ANSWER_S):
        assert len(await asyncio.gather(*waiting, own)) == 4


async def test_the_queue_of_the_partition_itself_refuses_too(tmp_path: Path):
    async with both(tmp_path, queue_max=1) as it:
        it.here.store.may_write.clear()
        first = it.remote.submit(create())
        while not it.here.partition.queued:
            await asyncio.sleep(0)
        with pytest.raises(Overloaded, match="Expected at most 1 commands to wait"):
            await it.ask(create())
        it.here.store.may_write.set()
        assert await first


async def test_a_store_that_fails_is_reported_as_such(it: Both):
    broken = it.here.store.write

    async def fail(*_: Any) -> Any:
        it.here.store.write = broken  # type: ignore[method-assign]
        raise StoreFailed("Expected the disk to write, but found that it does not")

    it.here.store.write = fail  # type: ignore[method-assign]
    with pytest.raises(StoreFailed, match="Expected the disk to write"):
        await it.ask(create())
    await it.until(lambda: it.remote.is_open)
    assert await it.ask(create())


async def test_a_partition_that_the_process_does_not_lead_is_unavailable(it: Both):
    elsewhere = RemotePartition(9, 2, it.asker)
    elsewhere.opened(2)
    with pytest.raises(Unavailable, match="Expected to lead partition 9, but another process does"):
        await elsewhere.submit(create())


async def test_bytes_that_are_no_command_change_nothing(it: Both):
    for message in (b"", b"\x93\x01\xc2\xa4Nope", b"\xff" * 100):
        with pytest.raises(Refusal, match="Expected a command of a partition"):
            await it.asker.call(2, DECIDE, message)
    assert await it.ask(create())


async def test_without_a_link_nothing_is_taken(it: Both):
    await it.owner.stop(0)
    while it.remote.is_open:
        await asyncio.sleep(0)
    assert it.remote.why_away == "process 2, which leads it, cannot be reached"
    with pytest.raises(Unavailable, match="Expected partition 1 to be open, but found that process 2"):
        it.remote.submit(create())
    own: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    it.remote.decide_own(create(), own)
    assert isinstance(own.exception(), NotLed)
    it.remote.decide_own(create())  # and nobody waits


@pytest.mark.parametrize("was_there", [True, False])
async def test_what_was_never_sent_is_refused_as_not_carried_out(it: Both, was_there: bool):
    """The link ends or has ended, and the news of that has not come yet."""
    elsewhere = RemotePartition(1, 2 if was_there else 3, it.asker)
    elsewhere.opened(elsewhere.process)
    if was_there:
        it.asker.to(2).leave()
    for command in (create(), activate()):
        with pytest.raises(NotLed, match=r"Expected a link to process \d, but found none at the moment"):
            await elsewhere.submit(command)
    assert elsewhere.is_open
    assert not elsewhere.has_activatable(JOB), "else a poll would ask again at once, without end"


async def test_a_link_that_breaks_in_between_leaves_the_outcome_unknown_and_sends_nothing_again(it: Both):
    it.here.store.may_write.clear()
    creating = it.remote.submit(create())
    while not it.here.partition.queued:
        await asyncio.sleep(0)
    it.asker.to(2).cut("the test cuts it")
    with pytest.raises(Unavailable, match="whether the call took effect is unknown"):
        await creating
    it.here.store.may_write.set()
    await it.until(lambda: it.remote.is_open)
    assert len(await it.jobs()) == 1  # it had taken effect, and once


async def test_jobs_for_an_asker_who_has_gone_are_offered_again(it: Both):
    await it.ask(create())
    it.here.store.may_write.clear()
    asking = it.remote.submit(activate())
    while not it.here.partition.queued:
        await asyncio.sleep(0)
    it.asker.to(2).cut("the test cuts it")
    with pytest.raises(Unavailable):
        await asking
    it.here.store.may_write.set()
    await it.here.settled()
    await it.until(lambda: it.remote.is_open)
    (job,) = await it.jobs()
    assert job.retries == 3


async def test_a_command_that_is_too_large_for_the_link_is_refused(tmp_path: Path):
    async with both(tmp_path, limits=Limits(message_bytes=20_000)) as it:
        with pytest.raises(Overloaded, match="Expected a request of at most 20000 bytes"):
            await it.ask(create(text='"' + "x" * 30_000 + '"'))
        assert await it.ask(create())


async def test_a_rejection_of_the_broker_itself_reaches_its_waiter(it: Both):
    own: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    it.remote.decide_own(commands.CompleteJob(1, {}), own)
    with pytest.raises(Rejection):
        await own


# --- jobs


async def test_after_an_empty_answer_it_has_no_jobs_until_its_process_says_so(it: Both):
    assert it.remote.has_activatable(JOB)  # not known yet
    assert await it.jobs() == []
    assert not it.remote.has_activatable(JOB)
    await it.ask(create())
    await it.until(lambda: it.heard.types == [JOB])
    assert it.remote.has_activatable(JOB)
    assert len(await it.jobs()) == 1


async def test_one_job_is_told_once(it: Both):
    await it.jobs()
    await it.ask(create())
    await it.until(lambda: it.heard.types)
    await it.ask(create())
    await it.until(lambda: it.remote.is_at_rest)
    assert it.heard.types == [JOB]  # nobody has asked since


async def test_an_answer_that_the_news_has_overtaken_proves_nothing(it: Both):
    asking = it.remote.submit(activate())
    it.remote.jobs_wait(JOB)
    assert await asking == []
    assert it.remote.has_activatable(JOB)


async def test_an_answer_from_before_it_opened_again_proves_nothing(it: Both):
    asking = it.remote.submit(activate())
    it.remote.opened(2, epoch=9)
    assert await asking == []
    assert it.remote.has_activatable(JOB)


async def test_who_wants_to_report_jobs_is_told_without_asking_for_any(it: Both):
    it.remote.report_jobs(JOB)
    await it.until(lambda: it.remote.is_at_rest)
    await it.ask(create())
    await it.until(lambda: it.heard.types == [JOB])


async def test_jobs_of_another_type_wake_nobody(it: Both):
    await it.ask(deploy("start > b:job(type=other) > end", id="other"))
    await it.jobs()
    await it.ask(create("other"))
    await it.until(lambda: it.remote.is_at_rest)
    assert it.heard.types == []
    assert not it.remote.has_activatable(JOB)


# --- results


async def test_a_result_comes_back_to_its_caller(it: Both):
    ticket = 1 << TICKET_SHIFT | 5
    await it.ask(create(ticket=ticket, n="1"))
    (job,) = await it.jobs()
    await it.ask(complete(job, ok="true"))
    await it.until(lambda: it.heard.results)
    assert it.heard.results == {ticket: '{"n":1,"ok":true}'}


async def test_the_result_of_a_caller_who_left_is_not_kept(it: Both):
    ticket = 1 << TICKET_SHIFT | 5
    await it.ask(create(ticket=ticket))
    it.remote.forget_result(ticket)
    await it.until(lambda: not it.here.partition.state.awaited.tickets())


async def test_many_large_results_travel_in_several_messages(it: Both):
    await it.until(lambda: it.serving._recipients)
    tickets = [1 << TICKET_SHIFT | number for number in range(20)]
    it.remote._tickets.update(tickets)
    for ticket in tickets:  # 10 MB in one turn of the loop; a message may have 8 MiB
        it.serving.send_to_caller(ticket, news.ResultReady(ticket, "x" * 500_000))
    await it.until(lambda: len(it.heard.results) == len(tickets))
    assert (it.heard.lost, it.heard.away) == ([], [])


async def test_a_change_of_a_task_that_listeners_delay_is_answered(it: Both):
    ticket = 1 << TICKET_SHIFT | 5
    await it.ask(deploy("start > t:user(native=yes, completing=check) > end", id="listened"))
    await it.ask(create("listened"))
    (task,) = it.here.store.living(UserTask)
    assert await it.ask(CompleteUserTask(task.key, {}, ticket=ticket)) is False  # it waits for its listener
    (job,) = await it.ask(activate("check"))
    await it.ask(complete(job))
    await it.until(lambda: list(it.heard.results) == [ticket])


def test_every_ticket_that_a_command_carries_is_known():
    """A ticket under another name would never be answered from another process."""
    names = {name for kind in HANDLERS for name in kind.__struct_fields__ if name.endswith("ticket")}
    assert names == {"ticket", "result_ticket"}
    assert [ticket_of(one) for one in (create(ticket=7), CompleteUserTask(1, {}, ticket=7))] == [7, 7]
    assert ticket_of(commands.CancelProcessInstance(1)) == 0


async def test_an_asker_that_leaves_while_its_creation_is_decided_leaves_no_wait_behind(it: Both):
    it.here.store.may_write.clear()
    creation = it.remote.submit(create(ticket=1 << TICKET_SHIFT | 5))
    await it.until(lambda: it.here.partition.queued == 1)
    it.asker.to(2).cut("the test cuts it")
    with pytest.raises(Unavailable):
        await creation
    await it.here.turns()
    it.here.store.may_write.set()
    await it.here.settled()
    assert it.here.partition.key_counter > 0
    assert it.here.partition.state.awaited.tickets() == []


async def test_a_link_that_breaks_takes_the_wait_for_a_result_with_it_on_both_sides(it: Both):
    ticket = 1 << TICKET_SHIFT | 5
    await it.ask(create(ticket=ticket))
    it.asker.to(2).cut("the test cuts it")
    await it.until(lambda: it.heard.lost == [ticket])
    await it.until(lambda: not it.here.partition.state.awaited.tickets())


# --- opening


async def test_a_partition_that_begins_anew_says_so(it: Both):
    opened = it.heard.opened

    async def fail(*_: Any) -> Any:
        it.here.store.write = broken  # type: ignore[method-assign]
        raise StoreFailed("Expected the disk to write, but found that it does not")

    broken = it.here.store.write
    it.here.store.write = fail  # type: ignore[method-assign]
    with pytest.raises(StoreFailed):
        await it.ask(create())
    await it.until(lambda: it.heard.opened == opened + 1)
    assert it.heard.away == ["Expected the disk to write, but found that it does not"]


async def test_the_state_is_asked_there(it: Both):
    await it.ask(create())
    found = await it.remote.status()
    assert (found.resident_instances, found.failure) == (1, "")
    assert found.key_counter == it.here.partition.key_counter
    await it.owner.stop(0)
    await it.until(lambda: not it.remote.is_open)
    assert (await it.remote.status()).failure == "process 2, which leads it, cannot be reached"
