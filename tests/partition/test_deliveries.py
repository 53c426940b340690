"""A signal, message or timer that a process instance cannot take becomes an incident there. A signal or message for many reaches all of them but those that cannot take it; it reaches these when the incident is resolved."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from osmia_broker.base.errors import InvalidState, NotFound
from osmia_broker.engine import commands
from osmia_broker.engine.events import delivery, places, timers
from osmia_broker.engine.events.delivery import TriggerSubscription
from osmia_broker.state.rows import ElementInstance, FollowUp, Incident, Message, Timer, Variable
from tests.partition.opened import Opened, WatchedStore, activate, complete, create, deploy, opened, steps_only
from tests.partition.several import several

ROOM, FULL, SHARE = 1_000, '"' + "x" * 900 + '"', '"' + "y" * 200 + '"'
WAITS = {"signal": "signal=go", "message": 'message=go, key="=1"'}


@pytest.fixture(autouse=True)
def _small_instances(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("osmia_broker.engine.variables.INSTANCE_CHARACTERS_MAX", ROOM)
    return


def sends(trigger: str, **variables: str) -> commands.Command:
    if trigger == "signal":
        return commands.BroadcastSignal("go", variables)
    return commands.PublishMessage("go", "1", 0, "", variables)


async def waiting(it: Opened, trigger: str, sizes: list[str]) -> list[int]:
    """Create an instance of a process of its own per size of its variables, each waiting for the trigger."""
    keys = []
    for number, size in enumerate(sizes):
        id = f"p{number}"
        await it.do(deploy(f"start > wait:catch({WAITS[trigger]}) > end", id=id))
        keys.append((await it.do(create(id, n=size))).process_instance_key)
    return keys


def states(store: WatchedStore, keys: list[int]) -> list[str]:
    return [store.row(ElementInstance, key).state for key in keys]


@pytest.mark.parametrize("trigger", WAITS)
@pytest.mark.parametrize("full", [0, 1, 2])
async def test_an_instance_without_room_keeps_it_from_no_other(trigger: str, full: int):
    async with opened() as it:
        keys = await waiting(it, trigger, [FULL if number == full else "1" for number in range(3)])
        await it.do(sends(trigger, y=SHARE))
        await it.settled()
        assert states(it.store, keys) == ["ACTIVATED" if number == full else "COMPLETED" for number in range(3)]
        (incident,) = it.store.living(Incident)
        assert incident.process_instance_key == keys[full]
        assert incident.error_type == "IO_MAPPING_ERROR"
        assert "at most 1000 characters" in incident.message


@pytest.mark.parametrize("trigger", WAITS)
async def test_it_reaches_the_instance_when_the_incident_is_resolved(trigger: str):
    store = WatchedStore()
    async with opened(store) as it:
        (key,) = await waiting(it, trigger, [FULL])
        await it.do(sends(trigger, y=SHARE))
        await it.settled()
        (first,) = store.living(Incident)
        await it.do(commands.ResolveIncident(first.key))
        await it.settled()
        (again,) = store.living(Incident)
        assert again.key != first.key, "the cause is still there"
    async with opened(store) as it:
        await it.do(commands.SetVariables(key, {"n": "1"}, False))
        await it.do(commands.ResolveIncident(again.key))
        await it.settled()
        assert states(store, [key]) == ["COMPLETED"]
        assert {row.name: row.value for row in store.rows(Variable) if row.scope_key == key} == {"n": "1", "y": SHARE}
        assert store.living(FollowUp) == []


@pytest.mark.parametrize("trigger", WAITS)
async def test_an_event_that_is_not_waited_for_any_more_is_dropped_when_the_incident_is_resolved(trigger: str):
    async with opened() as it:
        await it.do(
            deploy(f"start > g:events [a:catch({WAITS[trigger]}) > end | b:catch(timer=PT1S) > ask:job > end2:end]")
        )
        key = (await it.do(create(n=FULL))).process_instance_key
        await it.do(sends(trigger, y=SHARE))
        await it.advance(1_000)
        (incident,) = it.store.living(Incident)
        await it.do(commands.SetVariables(key, {"n": "1"}, False))
        await it.do(commands.ResolveIncident(incident.key))
        await it.settled()
        assert {row.element_id for row in it.store.living(ElementInstance)} == {"process", "ask"}
        assert it.store.living(FollowUp) == []


async def test_a_signal_reaches_the_pages_after_one_with_an_instance_without_room(monkeypatch: pytest.MonkeyPatch):
    for module in ("osmia_broker.state.state", "tests.memory_store"):
        monkeypatch.setattr(f"{module}.MATCHES_MAX", 2)
    async with opened() as it:
        await it.do(deploy("start > wait:catch(signal=go) > end"))
        sizes = [FULL, "1", "1", FULL, "1", "1", FULL]
        keys = [(await it.do(create(n=size))).process_instance_key for size in sizes]
        await it.do(sends("signal", y=SHARE))
        await it.settled()
        assert states(it.store, keys) == ["ACTIVATED" if size == FULL else "COMPLETED" for size in sizes]
        assert len(it.store.living(Incident)) == sizes.count(FULL)


async def test_an_event_that_takes_a_kept_message_between_its_pages_leaves_nothing_to_the_start_event(
    monkeypatch: pytest.MonkeyPatch,
):
    for module in ("osmia_broker.state.state", "tests.memory_store"):
        monkeypatch.setattr(f"{module}.MATCHES_MAX", 2)
    waits = f"wait:catch({WAITS['message']})"
    async with opened(budget=steps_only(2)) as it:
        await it.do(deploy(f"start > {waits} > end"))
        await it.do(deploy(f"start > {waits} > a:job > end & go:start(message=go) > b:job > end2", id="both"))
        for _ in range(10):
            await it.do(create())
        await asyncio.gather(
            it.do(commands.PublishMessage("go", "1", 60_000, "", {})),
            it.do(create("both")),
        )
        await it.settled()
        assert [row.element_id for row in it.store.living(ElementInstance) if row.element_id in "ab"] == ["a"]


@pytest.mark.parametrize("trigger", WAITS)
@pytest.mark.parametrize("failure", [InvalidState("Expected a readable model, but found none"), ZeroDivisionError("x")])
async def test_a_defect_at_one_instance_keeps_it_from_no_other(
    trigger: str, failure: Exception, monkeypatch: pytest.MonkeyPatch
):
    async with opened() as it:
        keys = await waiting(it, trigger, ["1", "2", "3"])
        real = places.may_fire

        def may_fire(turn: Any, owner: ElementInstance, event: Any) -> bool:
            if owner.process_instance_key == keys[1]:
                raise failure
            return real(turn, owner, event)

        with monkeypatch.context() as patched:
            patched.setattr(places, "may_fire", may_fire)
            await it.do(sends(trigger))
            await it.settled()
        assert states(it.store, keys) == ["COMPLETED", "ACTIVATED", "COMPLETED"]
        (incident,) = it.store.living(Incident)
        assert incident.error_type == "UNKNOWN"
        assert str(failure) in incident.message
        await it.do(commands.ResolveIncident(incident.key))
        await it.settled()
        assert states(it.store, keys) == ["COMPLETED"] * 3


async def test_the_publisher_of_a_message_is_not_refused_for_one_that_cannot_take_it():
    async with opened() as it:
        await waiting(it, "message", [FULL])
        assert await it.do(sends("message", y=SHARE)) > 0


async def test_a_kept_message_for_an_instance_without_room_waits_for_it_alone():
    """It is not lost when its time is over: it has reached the instance, whose incident holds it."""
    async with opened() as it:
        await it.do(commands.PublishMessage("go", "1", 1_000, "", {"y": SHARE}))
        full, other = await waiting(it, "message", [FULL, "1"])
        await it.settled()
        assert states(it.store, [full, other]) == ["ACTIVATED", "COMPLETED"]
        await it.advance(2_000)
        assert it.store.living(Message) == []
        (incident,) = it.store.living(Incident)
        await it.do(commands.SetVariables(full, {"n": "1"}, False))
        await it.do(commands.ResolveIncident(incident.key))
        await it.settled()
        assert states(it.store, [full]) == ["COMPLETED"]


@pytest.mark.parametrize("trigger", WAITS)
async def test_in_another_partition_too_the_instance_gets_an_incident_and_the_others_the_event(trigger: str):
    async with several(3) as them:
        keys = []
        for number in range(6):
            id = f"p{number}"
            await them.do(deploy(f"start > wait:catch({WAITS[trigger]}) > end", id=id))
            size = FULL if number % 2 else "1"
            keys.append((await them.do(create(id, n=size))).process_instance_key)
        await them.settled()
        assert len({key >> 51 for key in keys}) == 3
        await them.do(sends(trigger, y=SHARE))
        await them.settled()
        found = {row.key: row.state for rows in them.rows(ElementInstance) for row in rows}
        assert [found[key] for key in keys] == ["COMPLETED", "ACTIVATED"] * 3
        held = {row.process_instance_key for rows in them.rows(Incident) for row in rows}
        assert held == set(keys[1::2])


async def test_cancelling_the_instance_drops_what_waits_for_it():
    async with opened() as it:
        (key,) = await waiting(it, "signal", [FULL])
        await it.do(sends("signal", y=SHARE))
        await it.settled()
        assert [row.command for row in it.store.living(FollowUp)] == [TriggerSubscription.__name__]
        await it.do(commands.CancelProcessInstance(key))
        await it.settled()
        assert it.store.living(FollowUp) == it.store.living(Incident) == []


@pytest.mark.parametrize("trigger", WAITS)
async def test_an_event_that_waits_behind_an_incident_is_overtaken_by_no_other(trigger: str):
    async with opened() as it:
        (key,) = await waiting(it, trigger, [FULL])
        await it.do(sends(trigger, y=SHARE))
        await it.do(sends(trigger, later="1"))
        await it.settled()
        assert states(it.store, [key]) == ["ACTIVATED"]
        (incident,) = it.store.living(Incident)
        await it.do(commands.SetVariables(key, {"n": "1"}, False))
        await it.do(commands.ResolveIncident(incident.key))
        await it.settled()
        assert states(it.store, [key]) == ["COMPLETED"]
        assert {row.name for row in it.store.rows(Variable)} == {"n", "y"}


async def test_a_message_that_comes_meanwhile_goes_to_the_next_instance():
    async with opened() as it:
        await it.do(deploy(f"start > wait:catch({WAITS['message']}) > end"))
        full, other = [(await it.do(create(n=size))).process_instance_key for size in (FULL, "1")]
        for name in ("y", "z"):
            await it.do(sends("message", **{name: SHARE}))
            await it.settled()
        assert states(it.store, [full, other]) == ["ACTIVATED", "COMPLETED"]


@pytest.mark.parametrize("trigger", WAITS)
async def test_an_event_that_happens_again_and_again_takes_all_of_them(trigger: str):
    async with opened() as it:
        event = f"also:eventsub {{ on:start({WAITS[trigger]}, interrupting=false) > end2:end }}"
        await it.do(deploy(f"start > ask:job > end & {event}"))
        key = (await it.do(create(n=FULL))).process_instance_key
        for name in ("y", "z"):
            await it.do(sends(trigger, **{name: SHARE}))
        await it.settled()
        await it.do(commands.SetVariables(key, {"n": "1"}, False))
        for incident in it.store.living(Incident):
            await it.do(commands.ResolveIncident(incident.key))
        await it.settled()
        assert {row.name for row in it.store.rows(Variable)} == {"n", "y", "z"}


async def repeated_signals(it: Opened, number: int) -> int:
    """Create an instance without room for a signal that happens so many times; return its key."""
    await it.do(deploy("start > ask:job > end & on:boundary(on=ask, signal=go, cancel=false) > end2:end"))
    key = (await it.do(create(n=FULL))).process_instance_key
    for turn in range(number):
        await it.do(sends("signal", **{f"y{turn}": SHARE}))
    await it.settled()
    return key


async def test_all_that_wait_at_one_instance_share_an_incident_and_its_resolution():
    async with opened() as it:
        key = await repeated_signals(it, 5)
        for _ in range(3):
            (incident,) = it.store.living(Incident)
            assert len(it.store.living(FollowUp)) == 5
            await it.do(commands.ResolveIncident(incident.key))
            await it.settled()
        (incident,) = it.store.living(Incident)
        await it.do(commands.SetVariables(key, {"n": "1"}, False))
        await it.do(commands.ResolveIncident(incident.key))
        await it.settled()
        assert len(it.store.living(FollowUp)) + len(it.store.living(Incident)) == 2, "1,000 characters are four values"
        assert {row.name for row in it.store.rows(Variable)} == {"n", "y0", "y1", "y2", "y3"}


@pytest.mark.parametrize("bound", ["WAITING_MAX", "WAITING_CHARACTERS_MAX"])
async def test_only_so_many_wait_and_the_others_pass_by(bound: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(delivery, bound, 3 if bound == "WAITING_MAX" else 700)
    async with opened() as it:
        await repeated_signals(it, 10)
        assert len(it.store.living(FollowUp)) == 3
        assert len(it.store.living(Incident)) == 1


async def test_a_message_that_is_kept_meanwhile_comes_when_the_incident_is_resolved(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(delivery, "WAITING_MAX", 1)
    async with opened() as it:
        event = f"also:eventsub {{ on:start({WAITS['message']}, interrupting=false) > end2:end }}"
        await it.do(deploy(f"start > ask:job > end & {event}"))
        key = (await it.do(create(n=FULL))).process_instance_key
        for name in ("y", "z"):
            await it.do(commands.PublishMessage("go", "1", 60_000, "", {name: SHARE}))
        await it.settled()
        assert len(it.store.living(FollowUp)) == 1
        await it.do(commands.SetVariables(key, {"n": "1"}, False))
        (incident,) = it.store.living(Incident)
        await it.do(commands.ResolveIncident(incident.key))
        await it.settled()
        assert {row.name for row in it.store.rows(Variable)} == {"n", "y", "z"}
        assert not it.store.living(Incident)


@pytest.mark.parametrize("trigger", WAITS)
async def test_a_process_that_completes_another_way_ends_the_incident_and_what_waits_behind_it(trigger: str):
    async with opened() as it:
        event = WAITS[trigger]
        await it.do(deploy(f"start > fork:parallel [wait:catch({event}) > e1:end | ask:job > e2:end(terminate=yes)]"))
        await it.do(create(n=FULL))
        await it.do(sends(trigger, y=SHARE))
        await it.settled()
        (incident,) = it.store.living(Incident)
        (job,) = await it.do(activate())
        await it.do(complete(job))
        await it.settled()
        assert it.store.living(ElementInstance) == it.store.living(Incident) == it.store.living(FollowUp) == []
        with pytest.raises(NotFound):
            await it.do(commands.ResolveIncident(incident.key))


# --- timers

TIMERS = {
    "catch": "start > wait:catch(timer=PT1S) > end",
    "boundary": "start > wait:job > end & late:boundary(on=wait, timer=PT1S) > end2:end",
    "subprocess": "start > wait:job > end & also:eventsub { on:start(timer=PT1S) > end2:end }",
}


@pytest.fixture
def cannot_fire(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """No timer can fire, until this is undone."""
    with monkeypatch.context() as patch:

        def stop(*_: Any) -> bool:
            raise InvalidState("Expected a model, but found a corrupt one")

        patch.setattr(timers, "fire", stop)
        yield patch


@pytest.mark.parametrize("kind", TIMERS)
async def test_a_timer_that_cannot_fire_does_so_when_its_incident_is_resolved(kind: str, cannot_fire: Any):
    store = WatchedStore()
    async with opened(store) as it:
        await it.do(deploy(TIMERS[kind]))
        key = (await it.do(create())).process_instance_key
        await it.advance(1_000)
        await it.settled()
        (incident,) = store.living(Incident)
        assert (incident.process_instance_key, incident.element_instance_key) == (key, key)
        assert incident.message == "Expected a model, but found a corrupt one"
        await it.do(commands.ResolveIncident(incident.key))
        await it.settled()
        (again,) = store.living(Incident)
        assert again.key != incident.key, "the cause is still there"
        commits = store.commits
        await it.advance(3_600_000)
        await it.settled()
        assert store.commits == commits, "it is looked at again without end"
    cannot_fire.undo()
    async with opened(store) as it:
        await it.settled()
        assert states(store, [key]) == ["ACTIVATED"], "a start fires it no more than the time does"
        await it.do(commands.ResolveIncident(again.key))
        await it.settled()
        assert states(store, [key]) == ["COMPLETED"]
        assert store.living(FollowUp) == store.living(Incident) == store.living(Timer) == []


async def test_a_timer_that_repeats_goes_on_in_its_rhythm_after_the_incident(cannot_fire: Any):
    async with opened() as it:
        await it.do(
            deploy("start > wait:job > end & tick:boundary(on=wait, cycle=R3/PT1S, cancel=false) > note:job > end2:end")
        )
        await it.do(create())
        begun_ms = it.store.living(Timer)[0].due_ms - 1_000
        await it.advance(1_000)
        await it.settled()
        (incident,) = it.store.living(Incident)
        cannot_fire.undo()
        await it.advance(500)
        await it.do(commands.ResolveIncident(incident.key))
        await it.settled()
        (timer,) = it.store.living(Timer)
        assert (timer.due_ms, timer.repetitions) == (begun_ms + 2_000, 2)


async def test_a_timer_that_waits_behind_an_incident_goes_with_its_element(cannot_fire: Any):
    async with opened() as it:
        await it.do(deploy(TIMERS["boundary"]))
        key = (await it.do(create())).process_instance_key
        await it.advance(1_000)
        await it.settled()
        (job,) = await it.do(activate("wait"))
        await it.do(complete(job))
        await it.settled()
        assert states(it.store, [key]) == ["COMPLETED"]
        assert it.store.living(FollowUp) == it.store.living(Incident) == it.store.living(Timer) == []


async def test_a_suspension_leaves_a_timer_behind_its_incident(cannot_fire: Any):
    async with opened() as it:
        await it.do(deploy(TIMERS["catch"]))
        key = (await it.do(create())).process_instance_key
        await it.advance(1_000)
        await it.settled()
        await it.do(commands.SuspendProcessInstance(key))
        await it.advance(5_000)
        await it.do(commands.ResumeProcessInstance(key))
        cannot_fire.undo()
        await it.advance(5_000)
        await it.settled()
        assert states(it.store, [key]) == ["ACTIVATED"]
        await it.do(commands.ResolveIncident(it.store.living(Incident)[0].key))
        await it.settled()
        assert states(it.store, [key]) == ["COMPLETED"]
