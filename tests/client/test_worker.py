"""A worker against a scripted gateway, over real gRPC."""

import asyncio
import json
from typing import Any

import grpc
import pytest
from scripted_gateway import ScriptedGateway

from osmia import BpmnError, Client, Job, JobFailure, SyncClient, SyncWorker, Worker
from tests.patience import ANSWER_S

TYPE = "charge"
USER_TASK = "io.camunda.zeebe:userTask"


def worker_for(client: Client, **options: Any) -> Worker:
    return Worker(client, **{"wait_ms": 5_000, "grace_ms": 2_000, "retry_first_ms": 100, **options})


async def test_a_job_is_completed_with_what_the_handler_returns(gateway: ScriptedGateway, client: Client) -> None:
    worker = worker_for(client)

    @worker.job(TYPE)
    async def charge(amount: int) -> dict[str, int]:
        return {"paid": amount}

    key = await gateway.add_job(TYPE, variables={"amount": 12})
    async with worker:
        await gateway.until(lambda: key in gateway.ended)
    assert json.loads(gateway.ended[key].variables) == {"paid": 12}
    assert gateway.asked("ActivateJobs")[0].fetchVariable == ["amount"]


async def test_a_job_that_comes_later_wakes_the_open_poll(gateway: ScriptedGateway, client: Client) -> None:
    worker = worker_for(client)
    worker.job(TYPE)(nothing)
    async with worker:
        await gateway.until(lambda: gateway.open_polls == 1)
        key = await gateway.add_job(TYPE)
        await gateway.until(lambda: key in gateway.ended)


@pytest.mark.parametrize("stream", [False, True])
async def test_the_limit_holds_and_never_stalls(gateway: ScriptedGateway, client: Client, stream: bool) -> None:
    worker = worker_for(client, max_jobs=3, stream=stream)
    at_work = most = 0

    @worker.job(TYPE)
    async def work() -> None:
        nonlocal at_work, most
        at_work += 1
        most = max(most, at_work)
        await asyncio.sleep(0)
        at_work -= 1

    for _ in range(50):
        await gateway.add_job(TYPE)
    async with worker:
        if stream:
            await gateway.until(lambda: gateway.asked("StreamActivatedJobs"))
        for _ in range(50):
            await gateway.add_job(TYPE)
        await gateway.until(lambda: len(gateway.ended) == 100)
    assert most <= 3
    assert max(poll.maxJobsToActivate for poll in gateway.asked("ActivateJobs")) <= 3


async def test_reports_that_nobody_answers_keep_the_slots(gateway: ScriptedGateway, client: Client) -> None:
    worker = worker_for(client, max_jobs=2)
    worker.job(TYPE)(nothing)
    gateway.hold("CompleteJob")
    for _ in range(10):
        await gateway.add_job(TYPE)
    async with worker:
        await gateway.until(lambda: len(gateway.asked("CompleteJob")) == 4)  # two of slots, and two beyond
        assert sum(bool(job.worker) for job in gateway.jobs.values()) == 4
        gateway.let_go("CompleteJob")
        await gateway.until(lambda: len(gateway.ended) == 10)


async def test_streamed_jobs_beyond_the_limit_wait(gateway: ScriptedGateway, client: Client) -> None:
    worker = worker_for(client, max_jobs=2, stream=True)
    worker.job("fence", stream=False)(nothing)
    go_on, at_work = asyncio.Event(), []

    @worker.job(TYPE)
    async def work(job: Job) -> None:
        at_work.append(job.key)
        await go_on.wait()

    async with worker:
        await gateway.until(lambda: gateway.asked("StreamActivatedJobs"))
        for _ in range(6):
            await gateway.add_job(TYPE)
        fences = [await gateway.add_job("fence") for _ in range(5)]  # time for the stream to be read too far
        await gateway.until(lambda: all(key in gateway.ended for key in fences))
        assert len(at_work) <= 2
        go_on.set()
        await gateway.until(lambda: len(gateway.ended) == 6 + len(fences))


async def test_a_full_worker_polls_at_once_when_a_slot_is_free(gateway: ScriptedGateway, client: Client) -> None:
    worker = worker_for(client, max_jobs=1)
    go_on = asyncio.Event()

    @worker.job(TYPE)
    async def work() -> None:
        await go_on.wait()

    first, second = await gateway.add_job(TYPE), await gateway.add_job(TYPE)
    async with worker:
        await gateway.until(lambda: gateway.jobs[first].worker)
        assert len(gateway.asked("ActivateJobs")) == 1  # no slot, no poll
        go_on.set()
        await gateway.until(lambda: second in gateway.ended)


@pytest.mark.parametrize(
    ("raised", "retries", "message"),
    [
        (ValueError("no such card"), 2, "ValueError: no such card"),
        (JobFailure("try later", back_off_ms=7), 2, "try later"),
        (JobFailure("give up", retries=0), 0, "give up"),
        (JobFailure("once more", retries=9), 9, "once more"),
        (asyncio.CancelledError(), 2, "CancelledError"),  # something inside the handler was cancelled, not the handler
    ],
)
async def test_what_a_handler_raises_fails_the_job(
    gateway: ScriptedGateway, client: Client, raised: BaseException, retries: int, message: str
) -> None:
    worker = worker_for(client)

    @worker.job(TYPE)
    async def fail() -> None:
        raise raised

    key = await gateway.add_job(TYPE)
    async with worker:
        await gateway.until(lambda: gateway.asked("FailJob"))
    failure = gateway.asked("FailJob")[0]
    assert (failure.jobKey, failure.retries) == (key, retries)
    assert message in failure.errorMessage
    assert failure.retryBackOff == (7 if message == "try later" else failure.retryBackOff)
    assert (failure.retryBackOff > 0) == (retries > 0)


async def test_a_bpmn_error_is_thrown_with_its_variables(gateway: ScriptedGateway, client: Client) -> None:
    worker = worker_for(client)

    @worker.job(TYPE)
    async def charge() -> None:
        raise BpmnError("over-limit", "too much", {"limit": 10})

    key = await gateway.add_job(TYPE)
    async with worker:
        await gateway.until(lambda: key in gateway.ended)
    thrown = gateway.asked("ThrowError")[0]
    assert (thrown.errorCode, thrown.errorMessage, json.loads(thrown.variables)) == (
        "over-limit",
        "too much",
        {"limit": 10},
    )


async def test_a_variable_that_does_not_fit_is_an_incident_at_once(gateway: ScriptedGateway, client: Client) -> None:
    worker = worker_for(client)

    @worker.job(TYPE)
    async def charge(amount: int) -> None:
        pass

    key = await gateway.add_job(TYPE, variables={"amount": "twelve"})
    async with worker:
        await gateway.until(lambda: key in gateway.ended)
    failure = gateway.asked("FailJob")[0]
    assert failure.retries == 0
    assert "variable 'amount'" in failure.errorMessage
    assert "it is a text and not a whole number" in failure.errorMessage


async def test_handlers_that_are_not_async_run_beside_each_other(gateway: ScriptedGateway, client: Client) -> None:
    import threading

    worker = worker_for(client)
    both = threading.Barrier(2, timeout=ANSWER_S / 2)  # one alone would break it, and fail its job

    @worker.job(TYPE)
    def work() -> dict[str, bool]:
        both.wait()
        return {"met": True}

    keys = [await gateway.add_job(TYPE), await gateway.add_job(TYPE)]
    async with worker:
        await gateway.until(lambda: all(key in gateway.ended for key in keys))
    assert not gateway.asked("FailJob")


PASSING = ["UNAVAILABLE", "INTERNAL", "CANCELLED", "RESOURCE_EXHAUSTED", "UNKNOWN"]


@pytest.mark.parametrize(
    ("call", "code"),
    [(call, code) for call in ("ActivateJobs", "CompleteJob") for code in PASSING]
    + [(call, "UNAUTHENTICATED") for call in ("ActivateJobs", "CompleteJob")],  # the token expired; a new one comes
)
async def test_a_call_that_fails_for_a_while_is_made_again(
    gateway: ScriptedGateway, client: Client, call: str, code: str
) -> None:
    gateway.refusals[call].extend([grpc.StatusCode[code]])
    worker = worker_for(client)
    worker.job(TYPE)(nothing)
    key = await gateway.add_job(TYPE)
    async with worker:
        await gateway.until(lambda: key in gateway.ended)
    assert len(gateway.asked(call)) >= 2


async def test_back_pressure_on_one_type_does_not_slow_another(gateway: ScriptedGateway, client: Client) -> None:
    worker = worker_for(client)
    worker.job("other")(nothing)
    worker.job(TYPE)(nothing)
    gateway.refusals["ActivateJobs"].append(grpc.StatusCode.RESOURCE_EXHAUSTED)  # hits whichever polls first
    async with worker:
        await gateway.until(lambda: gateway.open_polls == 1)
        polled = gateway.asked("ActivateJobs")[-1].type
        key = await gateway.add_job(polled)
        await gateway.until(lambda: key in gateway.ended)


async def test_a_restarted_gateway_is_found_again(gateway: ScriptedGateway, client: Client) -> None:
    worker = worker_for(client, stream=True)
    worker.job(TYPE)(nothing)
    async with worker:
        await gateway.until(lambda: gateway.open_polls == 1)
        await gateway.stop()
        await gateway.start(int(gateway.address.rpartition(":")[2]))
        key = await gateway.add_job(TYPE)
        await gateway.until(lambda: key in gateway.ended)


async def test_a_refused_result_becomes_an_incident(gateway: ScriptedGateway, client: Client) -> None:
    gateway.refusals["CompleteJob"].append(grpc.StatusCode.INVALID_ARGUMENT)
    worker = worker_for(client)
    worker.job(TYPE)(nothing)
    key = await gateway.add_job(TYPE)
    async with worker:
        await gateway.until(lambda: key in gateway.ended)
    assert gateway.asked("FailJob")[0].retries == 0


async def test_a_job_that_comes_back_while_it_runs_is_not_run_twice(gateway: ScriptedGateway, client: Client) -> None:
    worker = worker_for(client)
    go_on, calls = asyncio.Event(), []

    @worker.job(TYPE)
    async def slow(job: Job) -> None:
        calls.append(job.key)
        await go_on.wait()

    key = await gateway.add_job(TYPE)
    async with worker:
        await gateway.until(lambda: gateway.open_polls == 1)
        await gateway.expire(key)
        await gateway.until(lambda: len(gateway.asked("ActivateJobs")) == 3)
        go_on.set()
        await gateway.until(lambda: key in gateway.ended)
    assert calls == [key]


async def test_a_heartbeat_lengthens_the_time_of_a_running_job(gateway: ScriptedGateway, client: Client) -> None:
    worker = worker_for(client)
    go_on = asyncio.Event()

    @worker.job(TYPE, timeout_ms=60, heartbeat=True)
    async def slow() -> None:
        await go_on.wait()

    key = await gateway.add_job(TYPE, jobLeaseToken="7-1")
    async with worker:
        await gateway.until(lambda: len(gateway.asked("UpdateJobTimeout")) >= 2)
        go_on.set()
        await gateway.until(lambda: key in gateway.ended)
    assert gateway.asked("UpdateJobTimeout")[0].timeout == 60
    tokens = {request.jobLeaseToken for request in gateway.asked("UpdateJobTimeout")}
    assert tokens == {"7-1"}  # without it, a worker that slept would extend the lease of the next one


@pytest.mark.parametrize(("retries", "call"), [(3, "FailJob"), (0, "UpdateJobTimeout")])
async def test_stopping_gives_back_what_is_not_done_in_time(
    gateway: ScriptedGateway, client: Client, retries: int, call: str
) -> None:
    worker = worker_for(client, grace_ms=1)
    begun = asyncio.Event()

    @worker.job(TYPE)
    async def endless() -> None:
        begun.set()
        await asyncio.Event().wait()

    key = await gateway.add_job(TYPE, retries=retries)
    async with worker:
        await begun.wait()
    given_back = gateway.asked(call)[-1]
    assert given_back.jobKey == key
    assert gateway.jobs[key].retries == retries


async def test_stopping_waits_for_jobs_in_work(gateway: ScriptedGateway, client: Client) -> None:
    worker = worker_for(client)
    begun, go_on = asyncio.Event(), asyncio.Event()

    @worker.job(TYPE)
    async def work() -> None:
        begun.set()
        await go_on.wait()

    key = await gateway.add_job(TYPE)
    await worker.start()
    await begun.wait()
    stopping = asyncio.create_task(worker.stop())
    await gateway.until(lambda: gateway.open_polls == 0)
    go_on.set()
    await stopping
    assert key in gateway.ended


async def test_stopping_ends_run(gateway: ScriptedGateway, client: Client) -> None:
    worker = worker_for(client)
    worker.job(TYPE)(nothing)
    running = asyncio.create_task(worker.run())
    await gateway.until(lambda: gateway.open_polls == 1)
    await worker.stop()
    await running
    await gateway.until(lambda: gateway.open_polls == 0)


async def test_user_tasks_go_to_the_handler_of_their_element_or_form(gateway: ScriptedGateway, client: Client) -> None:
    worker = worker_for(client)

    @worker.user_task("decide")
    async def decide(guests: int) -> dict[str, str]:
        return {"by": "element"}

    @worker.user_task("dinner-form")
    async def fill_in(dish: str = "") -> dict[str, str]:
        return {"by": "form"}

    form = json.dumps({"io.camunda.zeebe:formKey": "dinner-form"})
    by_element = await gateway.add_job(USER_TASK, elementId="decide", variables={"guests": 2})
    by_form = await gateway.add_job(USER_TASK, elementId="other", customHeaders=form)
    not_ours = await gateway.add_job(USER_TASK, elementId="nobody")
    async with worker:
        await gateway.until(lambda: by_element in gateway.ended and by_form in gateway.ended)
    assert json.loads(gateway.ended[by_element].variables) == {"by": "element"}
    assert json.loads(gateway.ended[by_form].variables) == {"by": "form"}
    assert not_ours in gateway.jobs
    assert sorted(gateway.asked("ActivateJobs")[0].fetchVariable) == ["dish", "guests"]


async def test_a_gateway_without_streams_is_polled(gateway: ScriptedGateway, client: Client) -> None:
    gateway.refusals["StreamActivatedJobs"].append(grpc.StatusCode.UNIMPLEMENTED)
    worker = worker_for(client, stream=True)
    worker.job(TYPE)(nothing)
    key = await gateway.add_job(TYPE)
    async with worker:
        await gateway.until(lambda: key in gateway.ended and gateway.asked("StreamActivatedJobs"))


@pytest.mark.parametrize(
    ("mistake", "text"),
    [
        (lambda worker: worker.job(" "), "Expected the job type of a handler"),
        (lambda worker: worker.job("twice")(nothing), "already there"),
        (lambda worker: worker.job("x", timeout_ms=0), "timeout_ms of at least 1"),
        (lambda worker: worker.job("x", max_jobs=0), "max_jobs of at least 1"),
        (lambda worker: worker.job("x", max_jobs=2**31), "max_jobs of at most 2147483647"),
        (lambda worker: worker.job("x", timeout_ms=2**62), "timeout_ms of at most"),
        (lambda worker: Worker(worker._client, grace_ms=-5), "grace_ms of at least 0"),
        (lambda worker: Worker(worker._client, retry_first_ms=-5), "retry_first_ms of at least 0"),
        (lambda worker: Worker(worker._client, wait_ms=2**31), "wait_ms of at most"),
    ],
)
async def test_a_mistake_in_a_registration_fails_at_once(client: Client, mistake: Any, text: str) -> None:
    worker = Worker(client)
    worker.job("twice")(nothing)
    with pytest.raises(ValueError, match=text):
        mistake(worker)


async def of_a_missing_type(job: "Elsewhere") -> None:  # noqa: F821 - as if imported below TYPE_CHECKING
    raise AssertionError(job)


@pytest.mark.parametrize(
    ("mistake", "text"),
    [
        (lambda worker: worker.job(nothing), r'Expected @worker.job\("job type"\), but found <function nothing'),
        (lambda worker: worker.user_task(nothing), r'Expected @worker.user_task\("element id or form key"\)'),
        (lambda worker: worker.job("x", timeout=5), "but found 'timeout'; did you mean 'timeout_ms'"),
        (lambda worker: worker.job("x", threads=5), "but found 'threads'"),
        (lambda worker: worker.job("x", max_jobs="5"), "max_jobs to be an integer, but found '5'"),
        (lambda worker: worker.job("x", max_jobs=True), "max_jobs to be an integer, but found True"),
        (lambda worker: worker.job("x", fetch_variables="a"), "fetch_variables to be a list of names"),
        (
            lambda worker: worker.job("x")(of_a_missing_type),
            "types of the parameters of 'of_a_missing_type' at run time",
        ),
        (lambda worker: Worker(worker._client, grace=5), "did you mean 'grace_ms'"),
        (lambda worker: Worker("127.0.0.1:1"), "Expected a Client, but found str"),
        (lambda worker: Worker(SyncClient("127.0.0.1:1")), "Expected a Client, but found SyncClient"),
        (lambda worker: SyncWorker(worker._client), "Expected a SyncClient, but found Client"),
    ],
)
async def test_a_value_of_a_wrong_kind_fails_at_once(client: Client, mistake: Any, text: str) -> None:
    with pytest.raises(TypeError, match=text):
        mistake(Worker(client))


async def test_user_tasks_are_taken_together_with_the_largest_of_their_options(client: Client) -> None:
    worker = worker_for(client, stream=True)
    worker.user_task("a", timeout_ms=5, max_jobs=7)(nothing)
    worker.user_task("b", timeout_ms=9, max_jobs=3, heartbeat=True)(nothing)
    settings, _ = worker._lane_of(USER_TASK)
    assert (settings.timeout_ms, settings.max_jobs, settings.heartbeat) == (9, 7, True)


async def test_a_worker_without_handlers_does_not_start(client: Client) -> None:
    with pytest.raises(ValueError, match="at least one handler"):
        await Worker(client).start()


async def nothing() -> None:
    """A handler that has nothing to do."""
