"""ActivateJobs and StreamActivatedJobs: who gets a job, when, and what becomes of those whose caller has gone."""

import asyncio

import grpc
import pytest

from tests.gateway.conftest import Wire
from tests.patience import ANSWER_S
from tests.running_broker import RunningBroker


async def process(wire: Wire, type: str) -> None:
    await wire.deploy(f"start > ask:job(type={type}) > end", id=type)


async def first(call: grpc.aio.UnaryStreamCall) -> object:
    return await asyncio.wait_for(call.read(), ANSWER_S)


async def test_an_empty_poll_that_does_not_wait_is_answered_at_once(wire: Wire, unique: str):
    assert await asyncio.wait_for(wire.activate(unique), ANSWER_S) == []


async def test_a_waiting_poll_gets_the_job_that_comes(wire: Wire, unique: str):
    await process(wire, unique)
    poll = asyncio.ensure_future(wire.activate(unique, requestTimeout=60_000))
    await wire.activate(unique)  # the poll has been parked before this answer
    key = await wire.create(unique, '{"a":1}')
    (job,) = await asyncio.wait_for(poll, ANSWER_S)
    assert (job.processInstanceKey, job.variables, job.worker, job.retries) == (key, '{"a":1}', "w", 3)
    assert (job.customHeaders, job.tenantId, job.bpmnProcessId, job.elementId) == ("{}", "<default>", unique, "ask")


async def test_a_long_poll_without_jobs_ends_empty_and_ok(wire: Wire, unique: str):
    call = wire.call("ActivateJobs", type=unique, timeout=1, maxJobsToActivate=1, requestTimeout=50)
    answers = [answer async for answer in call]
    assert [len(answer.jobs) for answer in answers] == [0]
    assert await call.code() is grpc.StatusCode.OK


async def test_many_polls_share_jobs_without_repeats(wire: Wire, unique: str):
    await process(wire, unique)
    polls = [asyncio.ensure_future(wire.activate(unique, requestTimeout=60_000, maxJobsToActivate=1)) for _ in range(5)]
    await wire.activate(unique)
    await asyncio.gather(*(wire.create(unique) for _ in range(5)))
    jobs = [job.key for batch in await asyncio.wait_for(asyncio.gather(*polls), ANSWER_S) for job in batch]
    assert len(set(jobs)) == 5


async def test_long_names_of_a_job_count_for_the_size_of_an_answer(wire: Wire, unique: str):
    """Each job of an answer has its type and its worker again."""
    type = unique + "t" * 20_000
    await wire.deploy(f"start > ask:job(type={type}) > end", id=unique)
    created = await asyncio.gather(*(wire.create(unique) for _ in range(220)))
    found: set[int] = set()
    while jobs := await wire.activate(type, worker="w" * 4_096, maxJobsToActivate=220):
        found |= {job.processInstanceKey for job in jobs}
    assert found == set(created)


async def test_a_worker_has_a_name_of_bounded_length(wire: Wire, unique: str):
    for call in ("ActivateJobs", "StreamActivatedJobs"):
        fields = {"maxJobsToActivate": 1} if call == "ActivateJobs" else {}
        refused = await wire.refusal(call, type=unique, timeout=1, worker="w" * 4_097, **fields)
        assert refused.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert "Expected 'worker' to have at most 4096 characters, but found 4097" in (refused.details() or "")


async def test_no_job_is_lost_when_polls_are_cancelled(wire: Wire, unique: str, gateway_broker: RunningBroker):
    """A cancellation may cross with an answer that is on its way; then the job is back when its lease ends."""
    await process(wire, unique)
    created = set()
    for _ in range(20):
        call = wire.call("ActivateJobs", type=unique, timeout=1_000, maxJobsToActivate=1, requestTimeout=60_000)
        creation = asyncio.ensure_future(wire.create(unique))
        reading = asyncio.ensure_future(call.read())
        await asyncio.sleep(0)
        call.cancel()
        created.add(await creation)
        with pytest.raises(asyncio.CancelledError):
            await reading
    gateway_broker.clock.ms += 1_000
    await asyncio.to_thread(gateway_broker.look_at_clock)
    seen: set[int] = set()
    while seen != created:
        jobs = await asyncio.wait_for(wire.activate(unique, requestTimeout=60_000, maxJobsToActivate=100), ANSWER_S)
        seen |= {job.processInstanceKey for job in jobs}


async def test_a_poll_wakes_when_a_lease_ends(wire: Wire, unique: str, gateway_broker: RunningBroker):
    await process(wire, unique)
    await wire.create(unique)
    (held,) = await wire.activate(unique, timeout=1_000)
    assert held.deadline == gateway_broker.clock.ms + 1_000
    poll = asyncio.ensure_future(wire.activate(unique, requestTimeout=60_000))
    await wire.activate(unique)
    gateway_broker.clock.ms += 1_000
    await asyncio.to_thread(gateway_broker.look_at_clock)
    (again,) = await asyncio.wait_for(poll, ANSWER_S)
    assert (again.key, again.retries) == (held.key, held.retries)


async def test_a_batch_stays_below_four_mebibytes(wire: Wire, unique: str):
    await process(wire, unique)
    large = '{"text":"' + "x" * 1_500_000 + '"}'
    for _ in range(4):
        await wire.create(unique, large)
    counts = []
    while sum(counts) < 4:
        jobs = await wire.activate(unique)
        assert jobs, "the rest comes with the next call"
        counts.append(len(jobs))
    assert counts == [2, 2]


async def test_a_stream_is_pushed_what_comes_and_not_what_waited(wire: Wire, unique: str):
    await process(wire, unique)
    waiting = await wire.create(unique)
    stream = wire.call("StreamActivatedJobs", type=unique, timeout=60_000, worker="s")
    await wire.activate(unique + "other")  # answered after the stream was opened
    coming = await wire.create(unique, '{"a":1}')
    job = await first(stream)
    assert (job.processInstanceKey, job.worker, job.variables) == (coming, "s", '{"a":1}')
    (polled,) = await wire.activate(unique)
    assert polled.processInstanceKey == waiting
    stream.cancel()


async def test_a_stream_wins_over_a_poll(wire: Wire, unique: str):
    await process(wire, unique)
    stream = wire.call("StreamActivatedJobs", type=unique, timeout=60_000, worker="s")
    poll = asyncio.ensure_future(wire.activate(unique, requestTimeout=60_000))
    await wire.activate(unique)
    await wire.create(unique)
    assert (await first(stream)).worker == "s"
    assert not poll.done()
    poll.cancel()
    stream.cancel()


async def test_streams_share_without_repeats(wire: Wire, unique: str):
    await process(wire, unique)
    streams = [wire.call("StreamActivatedJobs", type=unique, timeout=60_000, worker=str(n)) for n in range(2)]
    await wire.activate(unique + "other")
    await asyncio.gather(*(wire.create(unique) for _ in range(10)))
    pushed: asyncio.Queue[int] = asyncio.Queue()

    async def read(stream: grpc.aio.UnaryStreamCall) -> None:
        async for job in stream:
            pushed.put_nowait(job.key)

    readers = [asyncio.ensure_future(read(stream)) for stream in streams]
    jobs = [await asyncio.wait_for(pushed.get(), ANSWER_S) for _ in range(10)]
    assert len(set(jobs)) == 10
    assert pushed.empty()
    for reader in readers:
        reader.cancel()


async def test_what_a_closed_stream_was_not_given_goes_to_others(wire: Wire, unique: str):
    await process(wire, unique)
    stream = wire.call("StreamActivatedJobs", type=unique, timeout=60_000)
    await wire.activate(unique)
    stream.cancel()
    created = {await wire.create(unique) for _ in range(5)}
    seen: set[int] = set()
    while seen != created:
        jobs = await asyncio.wait_for(wire.activate(unique, requestTimeout=60_000), ANSWER_S)
        seen |= {job.processInstanceKey for job in jobs}


async def test_a_failed_job_is_pushed_again(wire: Wire, unique: str):
    await process(wire, unique)
    stream = wire.call("StreamActivatedJobs", type=unique, timeout=60_000)
    await wire.activate(unique)
    await wire.create(unique)
    job = await first(stream)
    await wire.call("FailJob", jobKey=job.key, retries=2)
    again = await first(stream)
    assert (again.key, again.retries) == (job.key, 2)
    stream.cancel()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"type": ""}, "type to be present, but it was blank"),
        ({"timeout": 0}, "timeout to be greater than zero, but it was '0'"),
        ({"timeout": -1}, "timeout to be greater than zero, but it was '-1'"),
        ({"maxJobsToActivate": 0}, "max jobs to activate to be greater than zero"),
        ({"tenantIds": ["other"]}, "multi-tenancy is disabled"),
        ({"worker": "a\0b"}, "without NUL"),
    ],
)
async def test_what_a_poll_may_not_ask(wire: Wire, fields: dict[str, object], words: str):
    asked = {"type": "t", "timeout": 1, "maxJobsToActivate": 1, "requestTimeout": -1} | fields
    refusal = await wire.refusal("ActivateJobs", **asked)
    assert refusal.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert words in (refusal.details() or "")


@pytest.mark.parametrize(("fields", "words"), [({"type": " "}, "it was blank"), ({"timeout": 0}, "but it was 0")])
async def test_what_a_stream_may_not_ask(wire: Wire, fields: dict[str, object], words: str):
    refusal = await wire.refusal("StreamActivatedJobs", **({"type": "t", "timeout": 1} | fields))
    assert refusal.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert words in (refusal.details() or "")


# --- the ends of the ranges (a value from one caller must never hurt another)

LARGEST, SMALLEST = 2**63 - 1, -(2**63)


async def test_the_largest_times_are_taken_and_hurt_nobody(wire: Wire, unique: str):
    await process(wire, unique)
    created = [await wire.create(unique) for _ in range(2)]
    jobs = await wire.activate(unique, timeout=LARGEST)
    assert [(job.processInstanceKey, job.deadline) for job in jobs] == [(key, LARGEST) for key in created]
    await wire.call("UpdateJobTimeout", jobKey=jobs[0].key, timeout=LARGEST)
    await wire.call("FailJob", jobKey=jobs[0].key, retries=2**31 - 1, retryBackOff=LARGEST)
    await wire.call("UpdateJobTimeout", jobKey=jobs[1].key, timeout=SMALLEST)
    assert await wire.create(unique) > created[1], "others go on"


async def test_a_stream_with_the_largest_lease_hurts_nobody(wire: Wire, unique: str):
    await process(wire, unique)
    stream = wire.call("StreamActivatedJobs", type=unique, timeout=LARGEST)
    await wire.activate(unique + "other")
    for _ in range(3):
        key = await wire.create(unique)
        job = await first(stream)
        assert (job.processInstanceKey, job.deadline) == (key, LARGEST)
    stream.cancel()


async def test_a_parked_poll_with_the_largest_lease_and_wait_gets_its_job(wire: Wire, unique: str):
    await process(wire, unique)
    poll = asyncio.ensure_future(wire.activate(unique, timeout=LARGEST, requestTimeout=LARGEST))
    await wire.activate(unique)
    key = await wire.create(unique)
    (job,) = await asyncio.wait_for(poll, ANSWER_S)
    assert (job.processInstanceKey, job.deadline) == (key, LARGEST)


async def test_a_negative_backoff_and_negative_retries_are_what_they_say(wire: Wire, unique: str):
    await process(wire, unique)
    await wire.create(unique)
    (job,) = await wire.activate(unique)
    await wire.call("FailJob", jobKey=job.key, retries=1, retryBackOff=SMALLEST)
    (again,) = await wire.activate(unique)
    await wire.call("FailJob", jobKey=again.key, retries=-(2**31))
    assert await wire.activate(unique) == []


@pytest.mark.parametrize("key", [0, -1, LARGEST, SMALLEST])
@pytest.mark.parametrize("call", ["CompleteJob", "FailJob", "ThrowError", "UpdateJobTimeout"])
async def test_a_key_of_no_partition_is_not_found(wire: Wire, call: str, key: int):
    assert (await wire.refusal(call, jobKey=key)).code() is grpc.StatusCode.NOT_FOUND
