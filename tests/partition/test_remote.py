"""A partition that another process leads answers as one that is here; and what the link between them adds."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from osmia_broker.engine import commands
from osmia_broker.engine.audit import ByPerson
from osmia_broker.errors import (
    InvalidState,
    NotFound,
    Overloaded,
    Rejection,
    StoreFailed,
    Unavailable,
    Unsupported,
    framed,
)
from osmia_broker.links import Limits, Links, UnixPlace
from osmia_broker.partition.remote import DECIDE, RemotePartition, deciding
from osmia_broker.rpc import Refusal
from tests.links.wire import STEP_S, identity
from tests.partition.opened import Opened, activate, complete, create, deploy, opened

ASK = "start > ask:job > end"


class Both:
    """A partition with its process, and another process that asks it."""

    def __init__(self, here: Opened, asker: Links, owner: Links, remote: RemotePartition) -> None:
        self.here, self.asker, self.owner, self.remote = here, asker, owner, remote

    async def ask(self, command: commands.Command) -> Any:
        async with asyncio.timeout(STEP_S):
            return await self.remote.submit(command)

    async def jobs(self) -> list[Any]:
        found: list[Any] = await self.ask(activate())
        return found


@asynccontextmanager
async def both(folder: Path, *, limits: Limits | None = None, **options: Any) -> AsyncIterator[Both]:
    place = UnixPlace(folder / "2.sock")
    async with opened(**options) as here:
        owner = Links(identity(2), [deciding({1: here.partition})])
        asker = Links(identity(1), [], limits=limits)
        await owner.listen(place)
        asker.dial(2, place)
        async with asyncio.timeout(STEP_S):
            await asker.wait_for([2])
        remote = RemotePartition(1, 2, asker, queue_max=3)
        await here.partition.submit(deploy(ASK))
        yield Both(here, asker, owner, remote)
        here.store.may_write.set()
        await remote.close()
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


async def test_what_cannot_be_sent_is_refused_here(it: Both):
    with pytest.raises(Unsupported, match="found DeployResources"):
        it.remote.submit(deploy(ASK))


async def test_too_many_waiting_commands_are_refused_here_and_own_ones_are_not(it: Both):
    it.here.store.may_write.clear()
    waiting = [it.remote.submit(create()) for _ in range(3)]
    with pytest.raises(Overloaded, match="Expected at most 3 commands to wait"):
        it.remote.submit(create())
    own: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    it.remote.decide_own(create(), own)
    it.here.store.may_write.set()
    async with asyncio.timeout(STEP_S):
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
    await it.here.wait_open()
    assert await it.ask(create())


async def test_a_partition_that_the_process_does_not_lead_is_unavailable(it: Both):
    with pytest.raises(Unavailable, match="Expected to lead partition 9, but another process does"):
        await RemotePartition(9, 2, it.asker).submit(create())


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
    assert isinstance(own.exception(), Unavailable)
    it.remote.decide_own(create())  # and nobody waits


async def test_a_link_that_breaks_in_between_leaves_the_outcome_unknown_and_sends_nothing_again(it: Both):
    it.here.store.may_write.clear()
    creating = it.remote.submit(create())
    while not it.here.partition.queued:
        await asyncio.sleep(0)
    it.asker.to(2).cut("the test cuts it")
    with pytest.raises(Unavailable, match="whether the call took effect is unknown"):
        await creating
    it.here.store.may_write.set()
    async with asyncio.timeout(STEP_S):
        await it.asker.wait_for([2])
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
    async with asyncio.timeout(STEP_S):
        await it.asker.wait_for([2])
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
