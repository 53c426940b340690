"""The broker under test as its users know it: time, expectations and their texts, workers, doors."""

import asyncio
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import osmia
from osmia.testing import Broker, Instance, SyncBroker
from osmia_broker.model import USER_TASK_JOB_TYPE
from tests.bpmn import bpmn
from tests.patience import ANSWER_S


@pytest.fixture
def broker() -> Iterator[Broker]:
    broker = Broker()
    yield broker
    broker.close()


async def started(broker: Broker, line: str, variables: object = None) -> Instance:
    await broker.deploy(("p.bpmn", bpmn(line, id="p")))
    return await broker.start("p", variables)


# --- time


async def test_timers_fire_in_order_each_at_its_own_moment(broker: Broker):
    instance = await started(broker, "start > one:catch(timer=P1D) > two:catch(timer=P1D) > end")
    begun = broker.now
    await broker.advance(days=1)
    instance.waits_only_at("two").passed("one")
    await broker.advance(days=1)
    instance.is_completed()
    assert broker.now == begun + timedelta(days=2)


async def test_a_timer_that_is_set_on_the_way_fires_on_the_way(broker: Broker):
    instance = await started(broker, "start > one:catch(timer=P1D) > two:catch(timer=P1D) > end")
    await broker.advance(days=2)
    instance.is_completed()
    ended = {row.element_id: row.ended_ms for row in instance.visits}
    assert ended["two"] - ended["one"] == timedelta(days=1) // timedelta(milliseconds=1)


async def test_a_timer_does_not_fire_a_moment_too_early(broker: Broker):
    instance = await started(broker, "start > one:catch(timer=PT1H) > end")
    await broker.advance(minutes=59, seconds=59, milliseconds=999)
    instance.waits_at("one")
    await broker.advance(milliseconds=1)
    instance.is_completed()


async def test_a_back_off_ends_with_time(broker: Broker):
    instance = await started(broker, "start > work:job(type=t) > end")
    await instance.fail_job("work", "no luck", back_off_ms=60_000)
    with pytest.raises(AssertionError, match="that can be worked on, but found it FAILED"):
        await instance.complete_job("work")
    await broker.advance(minutes=1)
    await instance.complete_job("work")
    instance.is_completed()


async def test_a_lease_ends_with_time(broker: Broker):
    await started(broker, "start > work:job(type=t) > end")
    await broker.client.activate_jobs("t", timeout_ms=60_000, wait_ms=0)
    assert await broker.client.activate_jobs("t", wait_ms=0) == []
    await broker.advance(minutes=1)
    [job] = await broker.client.activate_jobs("t", wait_ms=0)
    assert job.retries == 3


async def test_the_clock_is_set_to_a_moment(broker: Broker):
    instance = await started(
        broker, 'start > one:catch(date="=date and time(when)") > end', {"when": "2090-05-01T08:00:00Z"}
    )
    await broker.set_time(datetime.fromisoformat("2090-05-01T08:00:00+00:00"))
    instance.is_completed()


@pytest.mark.parametrize("moment", ["2001-01-01T00:00:00Z", "2090-05-01T08:00:00"])
async def test_the_clock_never_goes_back_and_wants_a_zone(broker: Broker, moment: str):
    with pytest.raises(ValueError, match="Expected a moment with a zone, not before"):
        await broker.set_time(datetime.fromisoformat(moment))


async def test_a_moment_is_no_text(broker: Broker):
    with pytest.raises(TypeError, match="Expected a moment as a datetime with a zone, but found '2090-05-01'"):
        await broker.set_time("2090-05-01")  # type: ignore[arg-type]


async def test_a_handler_that_came_late_is_named_in_a_failure(broker: Broker):
    instance = await started(broker, "start > charge:job > end")
    with pytest.raises(AssertionError) as without:
        instance.is_completed()
    assert "charge at charge (ACTIVATABLE)" in str(without.value)
    assert "a handler" not in str(without.value)
    worker = broker.worker()

    @worker.job("charge")
    async def charge() -> None:
        return

    with pytest.raises(
        AssertionError, match=r"charge at charge \(ACTIVATABLE\); a handler takes it with the next call"
    ):
        instance.is_completed()
    await broker.settle()
    instance.is_completed()


async def test_a_negative_span_is_refused(broker: Broker):
    with pytest.raises(ValueError, match="Expected a span of time from now on"):
        await broker.advance(days=-1)


async def test_a_timer_that_fires_too_often_ends_the_test_with_a_text(broker: Broker, monkeypatch: Any):
    monkeypatch.setattr("osmia_broker.testing.broker.MOMENTS_MAX", 20)
    await started(
        broker, "start > work:job(type=t) > end & tick:boundary(on=work, cycle=R/PT1S, cancel=false) > t:task > end2"
    )
    with pytest.raises(AssertionError, match="advance in smaller spans"):
        await broker.advance(hours=1)


# --- expectations


async def test_all_that_can_be_expected_of_an_instance(broker: Broker):
    instance = await started(
        broker,
        "start > pick:exclusive [n > 5 -> ask:user(name=Ask somebody) > end | else -> no:end]",
        {"n": 7, "who": {"name": "Ada"}},
    )
    instance.is_active().waits_at("ask").waits_at("Ask somebody").waits_only_at("ask").does_not_wait_at("pick")
    instance.passed("start", "pick").did_not_pass("ask", "no").took("start_to_pick")
    instance.has_variables(n=7).has_variables({"who": {"name": "Ada"}}).has_variable_names("n", "who")
    instance.has_no_variable("m").has_no_incident()
    assert instance.tokens == ["ask"]
    await instance.complete_task("Ask somebody", {"n": 8})
    instance.is_completed().passed("start", "ask", "end").has_variables(n=8).waits_only_at()


STANDS = r"stands at   ask \(USER_TASK, ACTIVATED\)"


@pytest.mark.parametrize(
    ("expect", "text"),
    [
        (lambda it: it.is_completed(), "to be COMPLETED, but it is ACTIVE"),
        (lambda it: it.is_canceled(), "to be CANCELED, but it is ACTIVE"),
        (lambda it: it.waits_at("end"), "to wait at 'end', but it waits at 'ask'"),
        (lambda it: it.waits_only_at("ask", "ask"), "to wait only at 'ask', 'ask', but it waits at 'ask'"),
        (lambda it: it.does_not_wait_at("ask"), "not to wait at 'ask', but it does"),
        (lambda it: it.passed("ask"), "to have passed 'ask', but it has passed 'start'"),
        (lambda it: it.did_not_pass("start"), "not to have passed 'start', but it has"),
        (lambda it: it.took("ask_to_end"), "to have taken the flow 'ask_to_end', but it has taken 'start_to_ask'"),
        (lambda it: it.has_variables(n=8), "to have n = 8, but n = 7"),
        (lambda it: it.has_variables(flag=1), "to have flag = 1, but flag = true"),
        (
            lambda it: it.has_variables(n=8, flag=False, m=1),
            "to have n = 8 and flag = false and a variable 'm', but n = 7 and flag = true and it has",
        ),
        (lambda it: it.has_variable_names("n", "m", "k"), "to have variables 'm', 'k', but it has 'flag', 'n'"),
        (lambda it: it.waits_at("ask", "start", "end"), "to wait at 'start', 'end', but it waits at 'ask'"),
        (lambda it: it.has_variables(m=8), "to have a variable 'm', but it has 'flag', 'n'"),
        (lambda it: it.has_variables(n=7, at="ask"), "to have a variable 'n' at 'ask', but it has nothing"),
        (lambda it: it.has_variables(n=7, at="end"), "to have reached 'end', but it has not"),
        (lambda it: it.has_no_variable("n"), "to have no variable 'n', but n = 7"),
        (lambda it: it.has_incident(), "to have an incident, but it has none"),
        (lambda it: it.has_business_id("b"), "to have the business id 'b', but it has none"),
        (lambda it: it.called("q"), "to have called 'q', but it has called none"),
    ],
)
async def test_a_failed_expectation_tells_the_state(broker: Broker, expect: Any, text: str):
    instance = await started(broker, "start > ask:user > end", {"n": 7, "flag": True})
    with pytest.raises(AssertionError) as failed:
        expect(instance)
    told = str(failed.value)
    assert text in told
    for line in (
        "  passed      start",
        "  variables   flag = true",
        "              n = 7",
        "  incidents   -",
        f"{USER_TASK_JOB_TYPE} at ask",
    ):
        assert line in told


async def test_an_incident_is_told_with_its_text(broker: Broker):
    instance = await started(broker, "start > pick:exclusive [n > 5 -> ask:user > end]", {"n": 1})
    instance.has_incident().has_incident(at="pick", error_type="CONDITION_ERROR", message="default flow")
    for wrong in ({"at": "start"}, {"error_type": "UNKNOWN"}, {"message": "coffee"}):
        with pytest.raises(
            AssertionError,
            match=r"but it has CONDITION_ERROR at 'pick'\n(.*\n)*  incidents   CONDITION_ERROR at pick: Expected",
        ):
            instance.has_incident(**wrong)
    with pytest.raises(AssertionError, match="to have no incident, but it has 1"):
        instance.has_no_incident()


async def test_a_resolved_incident_lets_the_token_go_on(broker: Broker):
    instance = await started(broker, "start > work:job(type=t) > end")
    await instance.fail_job("t", "no luck", retries=0)
    instance.has_incident(at="work", error_type="JOB_NO_RETRIES", message="no luck")
    await instance.resolve_incidents()
    await instance.has_no_incident().complete_job("t")
    instance.is_completed()


@pytest.mark.parametrize(
    ("expect", "text"),
    [
        (lambda it: it.waits_at("aks"), "an element of p, but found 'aks'; did you mean 'ask'"),
        (lambda it: it.passed("strat"), "did you mean 'start'"),
        (
            lambda it: it.took("start_to_aks"),
            "a sequence flow of p, but found 'start_to_aks'; did you mean 'start_to_ask'",
        ),
        (lambda it: it.has_incident(at="zzz"), "an element of p, but found 'zzz'"),
    ],
)
async def test_a_misspelt_element_is_told_from_one_that_was_not_reached(broker: Broker, expect: Any, text: str):
    instance = await started(broker, "start > ask:user > end")
    with pytest.raises(LookupError, match=text):
        expect(instance)


async def test_the_tokens_of_loops_joins_and_called_processes(broker: Broker):
    await broker.deploy(("q.bpmn", bpmn("start > inner:user > end", id="q")))
    instance = await started(
        broker,
        "start > fork:parallel [a:user > join:parallel | b:call(process=q) > join] > each:user(items==[1,2]) > end",
    )
    called = instance.waits_only_at("a", "b").called("q")
    await called.waits_at("inner").complete_task("inner")
    await instance.complete_task("a")
    instance.took("a_to_join", "b_to_join").waits_only_at("each", "each")
    assert repr(instance).count("each no. ") == 2


async def test_local_variables_are_expected_at_their_element(broker: Broker):
    instance = await started(broker, "start > work:job(type=t, in.sum==n + 1) > end", {"n": 1})
    instance.has_variables(sum=2, at="work").has_no_variable("sum")
    await instance.set_variables({"sum": 9}, at="work")
    instance.has_variables(sum=9, at="work")
    assert "sum = 9   (only in work)" in repr(instance)


# --- jobs, tasks, messages


@pytest.mark.parametrize("name", ["work", "Work hard", "t"])
async def test_a_job_is_named_by_element_name_or_type(broker: Broker, name: str):
    instance = await started(broker, "start > work:job(type=t, name=Work hard) > end")
    await broker.complete_job(name, {"done": True})
    instance.is_completed().has_variables(done=True)


async def test_a_missing_job_is_told_with_those_that_are_there(broker: Broker):
    instance = await started(broker, "start > work:job(type=t) > end")
    with pytest.raises(
        AssertionError, match=r"an open job 'wrok', but found 'work'; did you mean 'work'\?\n  stands at   work"
    ):
        await instance.complete_job("wrok")
    with pytest.raises(AssertionError, match=r"an open user task 'work', but found none\nprocess instance \d+ of p\n"):
        await broker.complete_task("work")


async def test_errors_messages_and_signals(broker: Broker):
    instance = await started(
        broker,
        'start > work:job(type=t) > wait:catch(message=paid, key="=id") > all:catch(signal=go) > end'
        " & oops:boundary(on=work, error=E) > failed:end",
        {"id": "7"},
    )
    other = await broker.start("p", {"id": "8"})
    await other.throw_error("work", "E")
    other.is_completed().passed("oops")
    await instance.complete_job("work")
    await broker.publish("paid", "8")
    instance.waits_at("wait")
    await broker.publish("paid", "7", {"sum": 3})
    await broker.broadcast("go")
    instance.is_completed().has_variables(sum=3)


async def test_a_message_is_kept_for_its_time(broker: Broker):
    await broker.publish("paid", "7", time_to_live=timedelta(hours=1))
    await broker.advance(minutes=59)
    instance = await started(broker, 'start > wait:catch(message=paid, key="=id") > end', {"id": "7"})
    instance.is_completed()
    await broker.publish("paid", "8", time_to_live=timedelta(hours=1))
    await broker.advance(hours=1)
    (await broker.start("p", {"id": "8"})).waits_at("wait")


KINDS = ["", ", native=yes"]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_task_is_claimed_and_completed_by_a_person(broker: Broker, kind: str):
    instance = await started(broker, f'start > ask:user(groups==["cooks"]{kind}) > end')
    instance.has_task("ask", assignee="", group="cooks")
    assert "ask (CREATED) for cooks" in repr(instance)
    await instance.claim_task("ask", "ada", groups=["cooks"])
    instance.has_task("ask", assignee="ada")
    with pytest.raises(osmia.InvalidState, match="ada"):
        await instance.claim_task("ask", "ben", groups=["cooks"])
    await instance.complete_task("ask", {"a": 1}, user="ada")
    instance.is_completed().has_variables(a=1)


@pytest.mark.parametrize(
    ("wanted", "text"),
    [
        ({"assignee": "ada"}, "to have the assignee 'ada' at 'ask', but it is unassigned"),
        ({"group": "waiters"}, "to have the candidate group 'waiters' at 'ask', but the candidate groups are 'cooks'"),
        ({"user": "ben"}, "to have the candidate user 'ben' at 'ask', but it has no candidate users"),
    ],
)
async def test_a_task_that_is_not_as_expected(broker: Broker, wanted: dict[str, str], text: str):
    instance = await started(broker, 'start > ask:user(groups==["cooks"]) > end')
    with pytest.raises(AssertionError, match=text):
        instance.has_task("ask", **wanted)
    with pytest.raises(AssertionError, match="to have an open task at 'end', but it has none there"):
        instance.has_task("end")


# --- workers


async def test_a_worker_works_until_nothing_is_left(broker: Broker):
    worker = broker.worker()

    @worker.job("charge")
    async def charge(amount: int) -> dict[str, Any]:
        return {"charged": amount * 2}

    @worker.user_task("ask")
    async def answer() -> dict[str, Any]:
        return {"answer": 42}

    instance = await started(broker, "start > one:job(type=charge) > ask:user > other:user > end", {"amount": 4})
    instance.waits_only_at("other").has_variables(charged=8, answer=42)


async def test_a_worker_that_fails_tries_again_after_its_pause(broker: Broker):
    worker, tries = broker.worker(), []

    @worker.job("t")
    async def work() -> None:
        tries.append(broker.now)
        if len(tries) < 3:
            raise RuntimeError("no luck")

    instance = await started(broker, "start > one:job(type=t) > end")
    assert len(tries) == 1
    await broker.advance(minutes=5)
    instance.is_completed()
    assert tries == sorted(set(tries))


async def test_a_stub_stands_in_for_a_worker(broker: Broker):
    broker.stub_job("t", {"a": 1})
    instance = await started(broker, "start > one:job(type=t) > end & oops:boundary(on=one, error=E) > failed:end")
    instance.is_completed().has_variables(a=1)
    broker.stub_job("t", error_code="E")
    (await broker.start("p")).passed("oops")


@pytest.mark.parametrize("variables", [12, ["a"], True, "a=1"])
async def test_a_stub_of_what_is_no_variables_is_refused_at_once(broker: Broker, variables: Any):
    with pytest.raises(TypeError, match="Expected variables to be a mapping, a model, or a function of the job, but"):
        broker.stub_job("charge", variables)


async def test_workers_that_never_end_are_told(broker: Broker, monkeypatch: Any):
    monkeypatch.setattr("osmia_broker.testing.broker.JOBS_MAX", 20)
    broker.stub_job("t")
    with pytest.raises(AssertionError, match="took more than 20 jobs"):
        await started(broker, "start > one:job(type=t) > pick:exclusive [done = true -> end | else -> one]")


async def test_a_real_worker_works_over_the_same_client(broker: Broker):
    worker = osmia.Worker(broker.client)
    done: list[int] = []

    @worker.job("t", stream=True)
    async def work(n: int) -> None:
        done.append(n)

    await broker.deploy(("p.bpmn", bpmn("start > one:job(type=t) > end", id="p")))
    async with worker:
        await broker.client.create_instance_with_result("p", {"n": 1})
    assert done == [1]


async def test_a_process_that_is_not_there_is_told_with_the_nearest(broker: Broker):
    await broker.deploy(("dinner.bpmn", bpmn("start > end", id="dinner")))
    with pytest.raises(osmia.NotFound, match=r"^NOT_FOUND: Expected .*'dinnr'.*; did you mean 'dinner'\?$"):
        await broker.start("dinnr")
    with pytest.raises(osmia.NotFound, match=r"found$"):
        await broker.start("lunch")


# --- the client, the doors


async def test_the_client_answers_as_over_the_wire(broker: Broker):
    with pytest.raises(osmia.NotFound, match=r"^NOT_FOUND: Expected") as refused:
        await broker.client.complete_job(7)
    assert refused.value.details.startswith("Command 'COMPLETE' rejected with code 'NOT_FOUND': Expected")
    with pytest.raises(osmia.InvalidArgument):
        await broker.client.search_jobs(limit=-1)
    instance = await started(broker, 'start > ask:user(groups==["cooks"]) > end')
    [task] = (await broker.client.search_jobs(process_instance_key=instance.key)).items
    assert task.candidate_groups == ["cooks"]
    assert (await broker.client.status()).database.startswith("sqlite /osmia-in-memory/")


async def test_events_are_followed_in_this_process(broker: Broker):
    async def process_events() -> list[str]:
        seen = []
        async for event in broker.client.events(kinds=["PROCESS_INSTANCE"]):
            seen.append(event.intent)
            if event.intent == "completed":
                break
        return seen

    following = asyncio.ensure_future(process_events())
    while not (await broker.client.event_log()).is_recording:
        await asyncio.sleep(0)
    instance = await started(broker, "start > ask:user > end")
    await instance.complete_task("ask")
    assert await following == ["created", "completed"]


async def test_two_brokers_know_nothing_of_each_other(broker: Broker):
    await started(broker, "start > ask:user > end")
    async with Broker() as other:
        with pytest.raises(AssertionError, match="Expected an instance of 'p', but found none at all"):
            other.instance("p")


@pytest.mark.parametrize("options", [{}, {"data_dir": True}, {"ports": True}, {"data_dir": True, "ports": True}])
async def test_every_broker_can_be_restarted(tmp_path: Path, options: dict[str, Any]):
    async with Broker(**options | ({"data_dir": tmp_path} if "data_dir" in options else {})) as broker:
        instance = await started(broker, "start > ask:user > late:catch(timer=P2D) > end")
        await broker.advance(days=1)
        now = broker.now
        await broker.restart()
        assert broker.now == now
        await instance.waits_at("ask").complete_task("ask")
        await broker.restart()
        await broker.advance(days=2)
        instance.is_completed()
    assert any(path.suffix == ".db" for path in tmp_path.iterdir()) == ("data_dir" in options)


async def test_a_broker_with_ports_serves_other_clients():
    async with Broker(ports=True, event_log="always") as broker:
        instance = await started(broker, "start > ask:user > end")
        async with osmia.Client(broker.address) as client:
            assert (await client.get_instance(instance.key)).elements[0].element_id == "ask"
        await broker.advance(days=1)
        instance.waits_at("ask")


def test_settings_are_for_a_broker_with_ports():
    with pytest.raises(TypeError, match="only together with ports=True, but found event_log"):
        Broker(event_log="always")


def test_a_closed_broker_says_so(broker: Broker):
    broker.close()
    broker.close()
    with pytest.raises(RuntimeError, match="one that is closed"):
        _ = broker.client


# --- without an event loop


def test_a_test_that_is_not_async():
    with SyncBroker() as broker:
        broker.deploy(("p.bpmn", bpmn("start > ask:user > work:job(type=t) > late:catch(timer=P1D) > end", id="p")))
        worker = broker.worker()

        @worker.job("t")
        def work() -> dict[str, int]:
            return {"a": 1}

        instance = broker.start("p")
        instance.waits_at("ask").complete_task("ask").waits_at("late").has_variables(a=1)
        broker.advance(days=1)
        broker.instance("p").is_completed()
        assert broker.client.get_instance(instance.key).key == instance.key
        with pytest.raises(AssertionError, match="but it is COMPLETED"):
            instance.waits_at("ask")


def test_the_sdk_alone_does_not_import_the_broker():
    import subprocess
    import sys

    program = "import sys, osmia.testing; assert not [name for name in sys.modules if name.startswith('osmia_broker')]"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=ANSWER_S)
    with pytest.raises(AttributeError, match="has no attribute 'coffee'"):
        _ = osmia.testing.coffee


async def test_a_misspelt_span_of_time_is_answered_with_the_nearest(broker: Broker):
    with pytest.raises(TypeError, match=r"Expected a span in weeks, days, .* but found day=2; did you mean days=2\?"):
        await broker.advance(day=2)


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        ({"a": [1, {"b": 3}], "c": "x"}, r"to have o\.a\[1\]\.b = 3, but o\.a\[1\]\.b = 2\n"),
        ({"a": [1], "c": "x"}, r'to have o\.a = \[1\], but o\.a = \[1,\{"b":2\}\]\n'),
        ({"a": [True, {"b": 2}], "c": "x"}, r"to have o\.a\[0\] = true, but o\.a\[0\] = 1\n"),
        ({"a": [1, {"b": 2}]}, r'to have o\.c = nothing, but o\.c = "x"\n'),
        ({"a": [1, {"b": 2}], "c": "x", "d": None}, r"to have o\.d = null, but there is no o\.d\n"),
        ("x", 'to have o = "x", but o = {'),
    ],
)
async def test_a_variable_that_differs_is_told_by_the_place_where_it_differs(
    broker: Broker, expected: object, text: str
):
    instance = await started(broker, "start > ask:user > end", {"o": {"a": [1, {"b": 2}], "c": "x"}})
    instance.has_variables(o={"a": [1.0, {"b": 2}], "c": "x"})
    with pytest.raises(AssertionError, match=text):
        instance.has_variables(o=expected)


async def test_an_assignee_that_nobody_should_be_is_told(broker: Broker):
    instance = await started(broker, "start > ask:user(assignee=ada) > end")
    with pytest.raises(AssertionError, match="to have no assignee at 'ask', but it is assigned to 'ada'"):
        instance.has_task("ask", assignee="")


# --- task listeners


async def test_workers_work_while_a_task_waits_for_its_listeners(broker: Broker):
    model = "start > ask:user(native=yes, assigning=check, updating=check, completing=check) > end"
    await broker.deploy(("p.bpmn", bpmn(model, id="p")))
    seen: list[str] = []
    broker.stub_job("check", lambda job: seen.append(job.listener_event))
    instance = await broker.start("p")
    await instance.claim_task("ask", "ada")
    await broker.wait_for(broker.client.user_tasks.update(broker.task("ask").key, {"priority": 9}))
    await instance.complete_task("ask", user="ada")
    instance.is_completed()
    assert seen == ["ASSIGNING", "UPDATING", "COMPLETING"]


def test_a_test_that_is_not_async_waits_too():
    with SyncBroker() as broker:
        broker.deploy(("p.bpmn", bpmn("start > ask:user(native=yes, updating=check) > end", id="p")))
        broker.stub_job("check")
        instance = broker.start("p")
        key = broker.asynchronous.task("ask").key
        broker.wait_for(lambda: broker.client.user_tasks.update(key, {"priority": 9}))
        assert broker.asynchronous.task("ask").priority == 9
        instance.waits_at("ask")
        with pytest.raises(osmia.NotFound):
            broker.wait_for(lambda: broker.client.user_tasks.update(7, {"priority": 9}))


async def test_a_call_that_is_refused_is_told_as_it_is(broker: Broker):
    with pytest.raises(osmia.NotFound):
        await broker.wait_for(broker.client.user_tasks.complete(7))


async def test_a_call_that_nobody_lets_go_on_is_given_up_with_the_test(broker: Broker):
    await broker.deploy(("p.bpmn", bpmn("start > ask:user(native=yes, completing=check) > end", id="p")))
    instance = await broker.start("p")
    giving_up = asyncio.ensure_future(instance.complete_task("ask"))
    while not (await broker.client.search_jobs(type="check")).items:
        assert not giving_up.done()
    giving_up.cancel()
    with pytest.raises(asyncio.CancelledError):
        await giving_up
    await broker.complete_job("check")
    instance.is_completed()
