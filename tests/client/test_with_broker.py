"""Workers beside each other on a real broker: who gets which job, and what is left when they stop."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from osmia import USER_TASK_TYPE, AdHocResult, Client, Job, Worker, lane, taking
from osmia.errors import InvalidState
from osmia.results import JobInfo, JobState
from osmia_broker.running.child import ChildBroker
from tests.bpmn import bpmn
from tests.patience import ANSWER_MS, ANSWER_S

pytestmark = pytest.mark.process
LEASE_MS = 300_000  # longer than a test may take: a job that is not given back fails the test


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChildBroker]:
    with ChildBroker(tmp_path_factory.mktemp("data")) as child:
        yield child


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a worker that stops wait longer for its broker: on a machine that plays many tests, a commit may take seconds."""
    monkeypatch.setattr(taking, "SILENCE_MAX_S", 20.0)
    monkeypatch.setattr(lane, "FAREWELL_S", 20.0)


class Site:
    """A broker with one process for the test, and clients of it."""

    def __init__(self, broker: ChildBroker, type: str) -> None:
        self.type = type
        self.client = Client(broker.address)
        self.clients = [self.client]
        self._address = broker.address

    def another_client(self) -> Client:
        """A connection of its own, as another process has."""
        self.clients.append(Client(self._address))
        return self.clients[-1]

    async def deploy(self, line: str, id: str) -> None:
        await self.client.deploy((f"{id}.bpmn", bpmn(line, id=id)))

    async def create(self, count: int, id: str | None = None) -> None:
        await asyncio.gather(*(self.client.create_instance(id or self.type) for _ in range(count)))

    async def jobs(self, state: JobState) -> list[JobInfo]:
        return (await self.client.search_jobs(type=self.type, states=[state], limit=1000)).items

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until *holds()*; each look costs a round trip, so that others go on meanwhile."""
        async with asyncio.timeout(ANSWER_S):
            while not holds():
                await self.client.topology()

    async def until_jobs(self, state: JobState, count: int) -> None:
        async with asyncio.timeout(ANSWER_S):
            while len(await self.jobs(state)) != count:
                pass


@pytest.fixture
async def site(broker: ChildBroker, request: pytest.FixtureRequest) -> AsyncIterator[Site]:
    name = "".join(letter if letter.isalnum() else "-" for letter in request.node.name)
    site = Site(broker, name)
    await site.deploy(f"start > work:job(type={name}) > end", name)
    yield site
    await asyncio.gather(*(client.close() for client in site.clients))


class Busy:
    """A worker whose handler begins a job and does not end it before `go_on`."""

    def __init__(self, site: Site, **options: Any) -> None:
        self.begun: list[int] = []
        self.go_on = asyncio.Event()
        self.worker = Worker(site.another_client(), name=f"worker-{len(site.clients)}", grace_ms=5_000)
        self._site = site

        @self.worker.job(site.type, **{"timeout_ms": LEASE_MS, **options})
        async def work(job: Job) -> None:
            self.begun.append(job.key)
            await self.go_on.wait()

    async def start(self, *, streaming: bool) -> None:
        await self.worker.start()
        if streaming:
            (lane,) = self.worker._lanes
            await self._site.until(lambda: lane._stream.is_open)
            await self._site.client.topology()


@pytest.mark.parametrize("max_jobs", [1, 3])
async def test_a_streaming_worker_holds_no_more_jobs_than_it_works_on(site: Site, max_jobs: int) -> None:
    hoarder, helper = Busy(site, max_jobs=max_jobs, stream=True), Busy(site, max_jobs=50, stream=True)
    await hoarder.start(streaming=True)
    await site.create(60)
    await site.until_jobs(JobState.ACTIVATED, max_jobs)
    await helper.start(streaming=False)
    async with asyncio.timeout(ANSWER_S):
        await site.until(lambda: len(helper.begun) == 50)
    assert len(hoarder.begun) == max_jobs
    helper.go_on.set()
    await site.until(lambda: len(helper.begun) == 60 - max_jobs)
    hoarder.go_on.set()
    await asyncio.gather(hoarder.worker.stop(), helper.worker.stop())
    assert len({*hoarder.begun, *helper.begun}) == 60
    assert len(await site.jobs(JobState.COMPLETED)) == 60


async def test_a_full_worker_streams_again_when_nothing_waits(site: Site) -> None:
    busy = Busy(site, max_jobs=1, stream=True)
    await busy.start(streaming=True)
    (lane,) = busy.worker._lanes
    for round in range(1, 4):
        busy.go_on.clear()
        await site.create(3)
        await site.until(lambda: not lane._stream.is_open)
        busy.go_on.set()
        await site.until(lambda expected=3 * round: len(busy.begun) == expected and lane._stream.is_open)
    await busy.worker.stop()
    assert len(set(busy.begun)) == 9


async def test_stopping_gives_back_all_that_was_pushed(site: Site) -> None:
    busy = Busy(site, max_jobs=2, stream=True)
    await busy.start(streaming=True)
    creating = asyncio.create_task(site.create(60))
    await site.until(lambda: len(busy.begun) == 2)
    busy.go_on.set()
    stopping = asyncio.create_task(busy.worker.stop())
    await asyncio.gather(creating, stopping)
    await site.until_jobs(JobState.ACTIVATED, 0)
    left: set[int] = set()
    while len(left) < 60 - len(busy.begun):  # a job that was not given back would not come within this time
        jobs = await site.client.activate_jobs(site.type, max_jobs=60, timeout_ms=LEASE_MS, wait_ms=ANSWER_MS)
        assert jobs, f"Expected {60 - len(busy.begun)} jobs to be there for others, but found {len(left)}"
        left |= {job.key for job in jobs}
    assert not left & set(busy.begun)


# --- user tasks


def task_worker(site: Site, element: str, done: list[int], **options: Any) -> Worker:
    worker = Worker(site.another_client(), grace_ms=5_000, timeout_ms=LEASE_MS, **options)

    @worker.user_task(element)
    async def complete(job: Job) -> None:
        done.append(job.key)

    return worker


async def clear_tasks(site: Site) -> None:
    """Cancel all instances, so that no user task of another test is left."""
    for instance in (await site.client.search_instances(states=["ACTIVE"], limit=1000)).items:
        await site.client.cancel_instance(instance.key)


@pytest.fixture
async def people(site: Site) -> AsyncIterator[Site]:
    await clear_tasks(site)
    await site.deploy("start > decide:user > end", "dinner")
    await site.deploy("start > approve:user > end", "holiday")
    yield site
    await clear_tasks(site)


async def test_workers_with_different_user_tasks_do_not_starve_each_other(people: Site) -> None:
    ours, theirs = [], []
    async with task_worker(people, "approve", theirs), task_worker(people, "decide", ours):
        for _ in range(10):
            await people.create(1, "dinner")
        await people.until(lambda: len(ours) == 10)
        await people.create(1, "holiday")
        await people.until(lambda: len(theirs) == 1)


async def test_a_task_list_of_others_sees_the_tasks_that_no_handler_here_is_for(people: Site) -> None:
    async with task_worker(people, "approve", []):
        await people.create(3, "dinner")
        seen: set[int] = set()
        while len(seen) < 3:
            jobs = await people.client.activate_jobs(USER_TASK_TYPE, timeout_ms=LEASE_MS, wait_ms=ANSWER_MS)
            assert jobs, f"Expected 3 user tasks to be visible, but found {len(seen)}"
            seen |= {job.key for job in jobs}


async def test_a_task_behind_more_tasks_of_others_than_slots_is_found(people: Site) -> None:
    done: list[int] = []
    await people.create(7, "dinner")
    await people.create(1, "holiday")
    async with task_worker(people, "approve", done, max_jobs=2):
        await people.until(lambda: len(done) == 1)


async def test_people_can_complete_a_task_that_a_worker_looked_at(people: Site) -> None:
    await people.create(1, "dinner")
    async with task_worker(people, "approve", []) as worker:
        assert worker.in_flight == 0
        (task,) = (await people.client.search_jobs(user_tasks_only=True, states=["ACTIVATABLE", "ACTIVATED"])).items
        await people.client.complete_job(task.key, {"dinner": "pizza"})


async def test_a_worker_that_stops_leaves_no_task_of_others_behind(people: Site) -> None:
    await people.create(40, "dinner")
    worker = task_worker(people, "approve", [], max_jobs=1)
    await worker.start()
    (lane,) = worker._lanes
    await people.until(lambda: lane._poller._foreign)
    await worker.stop()
    seen: set[int] = set()
    while len(seen) < 40:
        jobs = await people.client.activate_jobs(USER_TASK_TYPE, max_jobs=40, timeout_ms=LEASE_MS, wait_ms=ANSWER_MS)
        assert jobs, f"Expected 40 user tasks to be there for others, but found {len(seen)}"
        seen |= {job.key for job in jobs}


async def test_the_worker_of_an_ad_hoc_subprocess_decides_what_is_activated(site: Site) -> None:
    type = f"{site.type}-choose"
    await site.deploy(f'start > p:adhoc(type={type}) {{ a:task(out.seen="=x") & b:task }} > end', f"{site.type}-p")
    worker, seen = Worker(site.client), []

    @worker.job(type)
    async def choose(job: Job) -> AdHocResult:
        seen.append((job.kind, job.business_id))
        if len(seen) == 1:
            return AdHocResult({"a": {"x": 1}}, variables={"chosen": "a"})
        return AdHocResult(is_fulfilled=True)

    async with worker:
        done = await site.client.create_instance_with_result(f"{site.type}-p", business_id="b", wait_ms=ANSWER_MS)
    assert (done.variables, done.business_id) == ({"chosen": "a", "seen": 1}, "b")
    assert seen == [("AD_HOC_SUB_PROCESS", "b")] * 2


async def test_a_creation_with_a_key_waits_for_a_broker_that_restarts(tmp_path: Path) -> None:
    broker = ChildBroker(tmp_path)
    broker.start()
    address = broker.address
    async with Client(address, idempotent_creations=True, call_timeout_ms=60_000) as client:
        await client.deploy(("p.bpmn", bpmn("start > a:job > end", id="p")))
        await asyncio.to_thread(broker.stop)
        waiting = asyncio.create_task(client.create_instance("p"))
        await asyncio.to_thread(broker.start)
        try:
            assert (await waiting).key
            assert len((await client.search_instances(bpmn_process_id="p")).items) == 1
        finally:
            await asyncio.to_thread(broker.stop)


async def test_a_worker_with_leases_reports_on_what_it_leased(site: Site) -> None:
    """Its reports carry the token; without it, nobody can report on these jobs any more."""
    await site.deploy(f"start > ask:job(type={site.type}) > end", site.type)
    await site.create(3)
    [taken] = await site.client.activate_jobs(site.type, max_jobs=1, with_lease=True, wait_ms=0)
    with pytest.raises(InvalidState):
        await site.client.complete_job(taken.key)
    await site.client.fail_job(taken.key, retries=2, lease_token=taken.lease_token)
    worker = Worker(site.client, wait_ms=1_000)

    @worker.job(site.type, with_lease=True)
    async def ask(job: Job) -> None:
        assert job.lease_token

    running = asyncio.ensure_future(worker.run())
    await site.until_jobs(JobState.COMPLETED, 3)
    await worker.stop()
    await running
