"""Start events that fire but cannot start their instance: it stops behind an incident, and nothing else is held up."""

from typing import Any

import pytest

from osmia_broker.base.errors import InvalidState, NotFound
from osmia_broker.engine import commands
from osmia_broker.state.rows import ElementInstance, FollowUp, Incident, Timer
from osmia_broker.state.tables import definitions
from tests.partition.opened import Opened, WatchedStore, activate, compile_now, complete, deploy, opened

CORRUPT = InvalidState("Expected a readable model, but found none")


async def compile_but_bad(name: str, content: bytes) -> Any:
    return CORRUPT if name == "bad.bpmn" else await compile_now(name, content)


async def stored(start: str) -> WatchedStore:
    """A store with two processes that begin at this start event; the model of `bad` is corrupt for `compile_but_bad`."""
    store = WatchedStore()
    async with opened(store) as it:
        for id in ("bad", "good"):
            await it.do(deploy(f"begin:start({start}) > ask:job > end", id=id))
    store.is_open = False
    return store


def living(it: Opened) -> list[str]:
    return [row.element_id for row in it.store.living(ElementInstance) if not row.scope_key]


def messages(it: Opened) -> list[str]:
    return [row.message for row in it.store.living(Incident)]


SIGNAL, TIMER, MESSAGE = "signal=go", "cycle=R2/PT10S", "message=go"


async def fire(it: Opened, start: str) -> None:
    """Let both start events fire once."""
    if start == TIMER:
        await it.advance(10_000)
    elif start == SIGNAL:
        await it.do(commands.BroadcastSignal("go", {"n": "1"}))
    else:
        await it.do(commands.PublishMessage("go", "", 0, "", {"n": "1"}))
    await it.settled()


@pytest.mark.parametrize("start", [SIGNAL, TIMER, MESSAGE])
async def test_an_instance_that_cannot_begin_stops_behind_an_incident_and_the_other_one_begins(start: str):
    store = await stored(start)
    async with opened(store, compiler=compile_but_bad) as it:
        await fire(it, start)
        assert sorted(living(it)) == ["bad", "good"]
        assert messages(it) == [str(CORRUPT)]
        assert [job.bpmn_process_id for job in await it.do(activate())] == ["good"]
    store.is_open = False
    async with opened(store) as it:  # its model can be read again
        (incident,) = it.store.living(Incident)
        await it.do(commands.ResolveIncident(incident.key))
        await it.settled()
        (job,) = await it.do(activate())
        assert job.bpmn_process_id == "bad"
        assert job.variables == ("{}" if start == TIMER else '{"n":1}')
        await it.do(complete(job))
        assert living(it) == ["good"]
        assert it.store.living(FollowUp) == []


async def test_a_start_timer_goes_on_with_its_cycle_and_one_instance_stands_for_the_firings_that_cannot_begin():
    store = await stored("cycle=R5/PT10S")
    async with opened(store, compiler=compile_but_bad) as it:
        for _ in range(3):
            await fire(it, TIMER)
        assert sorted(living(it)) == ["bad", "good", "good", "good"]
        assert messages(it) == [str(CORRUPT)], "it is seen, and piles up nothing"
    store.is_open = False
    async with opened(store, compiler=compile_but_bad) as it:
        await it.advance(40_000)
        await it.settled()
        assert sorted(living(it)) == ["bad", *["good"] * 4], "after a restart too"
    store.is_open = False
    async with opened(store) as it:  # its model can be read again
        await it.advance(50_000)
        await it.settled()
        assert sorted(living(it)) == ["bad", "bad", *["good"] * 5], "the one that waits holds up no other"
        (incident,) = it.store.living(Incident)
        await it.do(commands.ResolveIncident(incident.key))
        await it.settled()
        assert sorted(job.bpmn_process_id for job in await it.do(activate())) == ["bad", "bad", *["good"] * 5]
        assert it.store.living(Timer) == []


@pytest.mark.parametrize("way", ["canceled", "resolved", "begun in another process"])
async def test_when_the_stopped_instance_is_gone_the_next_firing_that_cannot_begin_is_seen_again(way: str):
    store = await stored("cycle=R5/PT10S")
    async with opened(store, compiler=compile_but_bad) as it:
        await fire(it, TIMER)
        (first,) = it.store.living(Incident)
        if way == "canceled":
            await it.do(commands.CancelProcessInstance(first.process_instance_key))
    store.is_open = False
    if way != "canceled":
        async with opened(store) as it:  # its model can be read for a while
            if way == "begun in another process":
                (good,) = [
                    row for row in it.partition.state.definitions.processes.all() if row.bpmn_process_id == "good"
                ]
                await it.do(commands.MigrateProcessInstance(first.process_instance_key, good.key, ()))
            await it.do(commands.ResolveIncident(first.key))
            await it.settled()
        store.is_open = False
    async with opened(store, compiler=compile_but_bad) as it:
        await it.advance(40_000)
        await it.settled()
        (second,) = it.store.living(Incident)
        assert second.process_instance_key > first.process_instance_key


async def test_a_condition_that_cannot_be_evaluated_is_passed_over_and_the_others_start(
    caplog: pytest.LogCaptureFixture,
):
    store = await stored('condition="=n > 0"')
    async with opened(store, compiler=compile_but_bad) as it:
        answer = await it.do(commands.EvaluateConditional(0, {"n": "1"}))
        assert len(answer.started) == 1
        assert living(it) == ["good"], "whether it holds is not known, so nothing of it starts"
        assert str(CORRUPT) in [getattr(record, "error", "") for record in caplog.records]


async def test_a_condition_that_cannot_be_evaluated_refuses_the_call_that_names_its_process():
    store = await stored('condition="=n > 0"')
    async with opened(store, compiler=compile_but_bad) as it:
        keys = {row.bpmn_process_id: row.key for row in it.partition.state.definitions.processes.all()}
        with pytest.raises(InvalidState, match=str(CORRUPT)):
            await it.do(commands.EvaluateConditional(keys["bad"], {"n": "1"}))
        assert living(it) == []
        await it.do(commands.EvaluateConditional(keys["good"], {"n": "1"}))
        assert living(it) == ["good"]


async def test_what_cannot_begin_can_be_canceled():
    store = await stored(SIGNAL)
    async with opened(store, compiler=compile_but_bad) as it:
        await fire(it, SIGNAL)
        (bad,) = [row for row in it.store.living(ElementInstance) if row.element_id == "bad"]
        await it.do(commands.CancelProcessInstance(bad.key))
        await it.settled()
        assert living(it) == ["good"]
        assert messages(it) == []
        assert it.store.living(FollowUp) == []
        with pytest.raises(NotFound):
            await it.do(commands.CancelProcessInstance(bad.key))


async def test_resolving_while_the_model_is_still_corrupt_leaves_it_stopped():
    store = await stored(SIGNAL)
    async with opened(store, compiler=compile_but_bad) as it:
        await fire(it, SIGNAL)
        (incident,) = it.store.living(Incident)
        await it.do(commands.ResolveIncident(incident.key))
        await it.settled()
        assert [row.key > incident.key for row in it.store.living(Incident)] == [True]
        assert sorted(living(it)) == ["bad", "good"]


@pytest.mark.parametrize("number", [2, 3, 7])
@pytest.mark.parametrize("memory_bytes", [1, 24 * 1024**2])
async def test_a_signal_reaches_more_processes_than_models_are_kept(
    monkeypatch: pytest.MonkeyPatch, number: int, memory_bytes: int
):
    """A command that needs many models has them all at once, else it would load them in turn for ever."""
    monkeypatch.setattr(definitions, "MODELS_MAX", 2)
    store = WatchedStore()
    ids = [f"p{one}" for one in range(number)]
    async with opened(store) as it:
        for id in ids:
            await it.do(deploy("begin:start(signal=go) > ask:job > end", id=id))
    store.is_open = False
    async with opened(store, memory_bytes=memory_bytes) as it:
        broadcast = it.do(commands.BroadcastSignal("go", {}))
        await it.turns(1_000)
        assert broadcast.done()
        assert sorted(living(it)) == ids
        assert len(it.partition.state.definitions.models()) <= 2, "afterwards the bound holds again"


@pytest.mark.parametrize(
    ("model", "begins"),
    [
        ("begin:start > ask:job > end", True),
        ("start > begin:job(type=ask) > end", False),
        ("start > ask:job > begin:end", False),
        ("start > sub:sub { inner:start > begin:job(type=ask) > done:end } > end", False),
        ("start > sub:sub { begin:start > ask:job > done:end } > end", False),
        ("start > ask:job > end", False),
    ],
)
async def test_after_a_migration_it_begins_at_a_start_event_of_the_process_or_not_at_all(model: str, begins: bool):
    store = await stored(SIGNAL)
    async with opened(store, compiler=compile_but_bad) as it:
        await fire(it, SIGNAL)
        target = (await it.do(deploy(model, id="other"))).processes[0].key
        (bad,) = [row for row in it.store.living(ElementInstance) if row.element_id == "bad"]
        (incident,) = it.store.living(Incident)
        await it.do(activate())
    store.is_open = False
    async with opened(store) as it:
        await it.do(commands.MigrateProcessInstance(bad.key, target, ()))
        await it.do(commands.ResolveIncident(incident.key))
        await it.settled()
        assert [job.bpmn_process_id for job in await it.do(activate())] == ["other"] * begins
        assert ["Expected start event 'begin' to begin at" in message for message in messages(it)] == [True] * (
            not begins
        )
