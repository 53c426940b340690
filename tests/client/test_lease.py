"""Until when a job is ours: the broker's deadline, clocks that differ, and what is not started."""

import asyncio
import time

import pytest
from scripted_gateway import ScriptedGateway

from osmia import Client, Job, Worker, testing
from osmia.backoff import RetryPauses
from osmia.handler import Handler, TooLate
from osmia.lease import LeaseClock
from osmia.threads import DaemonThreads

NOW_S = 1_900_000_000.0
LEASE_S = 60.0


def left_s(clock: LeaseClock, *, granted_s: float, asked_s: float) -> float:
    """How much of the lease is left of a job that was granted at *granted_s* by the broker's clock."""
    job = testing.job("t", deadline_ms=int((granted_s + LEASE_S) * 1000))
    return clock.over_at(job, asked_s=asked_s) - asyncio.get_running_loop().time()


@pytest.fixture
def clock() -> LeaseClock:
    return LeaseClock(int(LEASE_S * 1000), now_s=lambda: NOW_S)


@pytest.mark.parametrize(
    ("granted_s", "left"),
    [
        (NOW_S, LEASE_S),
        (NOW_S - 20, 40),  # it lay in a buffer for 20 s
        (NOW_S - 90, -30),
        (NOW_S + 0.5, LEASE_S),  # a clock that is a little ahead does not lengthen a lease
    ],
)
async def test_a_lease_ends_when_the_broker_says(clock: LeaseClock, granted_s: float, left: float) -> None:
    assert left_s(clock, granted_s=granted_s, asked_s=NOW_S - 100) == pytest.approx(left, abs=0.5)
    assert clock.is_trusted


async def test_a_job_without_a_deadline_is_ours_from_its_arrival(clock: LeaseClock) -> None:
    over_at = clock.over_at(testing.job("t"), asked_s=NOW_S)
    assert over_at - asyncio.get_running_loop().time() == pytest.approx(LEASE_S, abs=0.5)


@pytest.mark.parametrize("difference_s", [-120, 120])
async def test_a_clock_that_differs_is_found_out_and_no_longer_asked(
    clock: LeaseClock, difference_s: float, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):  # jobs of one request are one hint
        left_s(clock, granted_s=NOW_S + difference_s, asked_s=NOW_S - 1)
    assert clock.is_trusted
    assert left_s(clock, granted_s=NOW_S + difference_s, asked_s=NOW_S - 0.5) == pytest.approx(LEASE_S, abs=0.5)
    assert [f"differ by about {difference_s:.1f} s" in text for text in caplog.messages] == [True]
    left_s(clock, granted_s=NOW_S + difference_s, asked_s=NOW_S)
    assert len(caplog.messages) == 1


def deadline_in(seconds: float) -> int:
    return int((time.time() + seconds) * 1000)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_job_that_arrives_after_its_deadline_is_not_started(
    gateway: ScriptedGateway, client: Client, stream: bool
) -> None:
    worker = Worker(client, stream=stream)
    started: list[int] = []

    @worker.job("t")
    def work(job: Job) -> None:
        started.append(job.key)

    async with worker:
        if stream:
            await gateway.until(lambda: gateway.asked("StreamActivatedJobs"))
        late = await gateway.add_job("t", deadline=deadline_in(-1))
        fine = await gateway.add_job("t", deadline=deadline_in(60))
        await gateway.until(lambda: fine in gateway.ended)
    assert started == [fine]
    assert late in gateway.jobs


async def test_a_worker_whose_clock_is_ahead_works(gateway: ScriptedGateway, client: Client) -> None:
    worker = Worker(client, wait_ms=1_000)

    @worker.job("t")
    def work() -> None: ...

    keys: list[int] = []
    async with worker:
        for _ in range(3):
            keys.append(await gateway.add_job("t", deadline=deadline_in(-3_600)))
            await gateway.until(lambda: len(gateway.asked("ActivateJobs")) and not gateway.activatable["t"])
            await gateway.until(lambda: gateway.open_polls == 1 or keys[-1] in gateway.ended)
        await gateway.until(lambda: keys[-1] in gateway.ended)


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_job_whose_lease_ended_before_a_thread_was_free_is_not_started(is_async: bool) -> None:
    begun = []

    async def slow() -> None:
        begun.append("async")

    handler = Handler(slow if is_async else lambda: begun.append("thread"))
    with pytest.raises(TooLate):
        await handler.run(testing.job("t"), RetryPauses(), is_over=lambda: True)
    assert not begun


async def test_jobs_wait_for_a_thread_only_as_long_as_they_are_ours(gateway: ScriptedGateway, client: Client) -> None:
    worker = Worker(client, threads=1, max_jobs=2, timeout_ms=60_000)
    begun: list[int] = []
    go_on = asyncio.Event()
    loop = asyncio.get_running_loop()

    @worker.job("t")
    def work(job: Job) -> None:
        begun.append(job.key)
        asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result()

    first, second = await gateway.add_job("t"), await gateway.add_job("t")
    async with worker:
        (lane,) = worker._lanes
        await gateway.until(lambda: gateway.jobs[second].worker)
        while lane.in_flight < 2:
            await client.topology()
        lane._held[second].over_at = 0.0  # its time runs out
        go_on.set()
        await gateway.until(lambda: first in gateway.ended)
        while lane.in_flight:
            await client.topology()
    assert begun == [first]
    assert second in gateway.jobs


def test_threads_are_used_again_and_no_more_than_allowed() -> None:
    threads = DaemonThreads(2, "job")
    futures = [threads.submit(lambda: __import__("threading").current_thread().name) for _ in range(20)]
    assert {future.result() for future in futures} <= {"job_1", "job_2"}
    threads.shutdown()
    with pytest.raises(RuntimeError, match="shut down"):
        threads.submit(print)
