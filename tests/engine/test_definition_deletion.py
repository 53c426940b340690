"""Definitions that are deleted: no new instances, running ones go on (gateway-rpc.md, DeleteResource)."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from osmia_broker.base.errors import InvalidArgument, NotFound
from osmia_broker.engine import commands
from osmia_broker.engine.resources import compile_resources
from osmia_broker.state.rows import ElementInstance, Incident, StartSubscription, Timer
from tests.bpmn import bpmn
from tests.dmn.models import decision, definitions, literal
from tests.partition.opened import Opened, activate, create, deploy, opened

Play = Callable[..., None]


def test_without_the_latest_version_the_one_before_is_the_latest_again(play: Play):
    play("deploy start > a:job > end; deploy start > b:job > end; create; at b; delete process; create; at a")


def test_running_instances_go_on_in_a_deleted_definition(play: Play):
    play(
        "deploy only:: start > a:job > b:job > end; deploy start > x:job > end; deploy start > a:job > b:job > end; create; delete process; complete a; at b; complete b; completed"
    )


def test_a_deleted_definition_takes_no_new_instances(play: Play):
    play("deploy gone:: start > a:job > end; delete gone; create_of gone", refused="NOT_FOUND")


def test_the_number_of_a_deleted_version_is_not_used_again(play: Play):
    scenario = play(
        "deploy counted:: start > a:job > end; deploy counted:: start > b:job > end; delete counted; deploy counted:: start > c:job > end"
    )
    assert scenario.door.version("counted") == 3


@pytest.mark.parametrize(
    "line",
    ["delete 0", "delete -1", "delete 2251799813685249", "deploy gone2:: start > end; delete gone2; delete again"],
)
def test_what_is_no_definition_cannot_be_deleted(play: Play, line: str):
    play(line, refused="NOT_FOUND")


# --- start events


def started(it: Opened, id: str) -> int:
    return len([row for row in it.store.living(ElementInstance) if row.element_id == id])


@pytest.mark.parametrize("memory_bytes", [1, 24 * 1024**2])
async def test_start_events_of_the_version_before_wait_again(memory_bytes: int):
    async with opened(memory_bytes=memory_bytes) as it:
        await it.do(deploy("m:start(message=go) > a:job > end & s:start(signal=go) > b:job > end"))
        latest = await it.do(deploy("m:start(message=go) > c:job > end"))
        await it.do(commands.BroadcastSignal("go", {}))
        assert started(it, "b") == 0
        await it.do(commands.DeleteResource(latest.processes[0].key))
        await it.do(commands.BroadcastSignal("go", {}))
        await it.do(commands.PublishMessage("go", "", 0, "", {}))
        await it.settled()
        assert [started(it, id) for id in ("a", "b", "c")] == [1, 1, 0]


async def test_start_timers_of_a_deleted_version_do_not_fire_and_those_before_begin_again():
    async with opened() as it:
        await it.do(deploy("t:start(cycle=R/PT10S) > a:job > end"))
        latest = await it.do(deploy("t:start(cycle=R/PT20S) > b:job > end"))
        await it.advance(20_000)
        await it.do(commands.DeleteResource(latest.processes[0].key))
        await it.advance(10_000)
        assert [started(it, id) for id in ("a", "b")] == [1, 1]
        assert len(it.store.living(Timer)) == 1


async def test_a_version_is_not_deleted_if_the_one_before_cannot_start_again():
    """Its timer gives a time only while it is the year of its deployment."""
    async with opened() as it:
        year = datetime.fromtimestamp(it.clock.now_ms() / 1000, UTC).year
        file = bpmn("t:start(timer=WHEN) > a:job > end").replace(
            b"WHEN", b"=if now().year &lt; %d then @&quot;PT1H&quot; else null" % (year + 1)
        )
        await it.do(commands.DeployResources(compile_resources([("p.bpmn", file)])))
        latest = await it.do(deploy("t:start(cycle=R/PT20000H) > b:job > end"))
        await it.advance(366 * 86_400_000)
        with pytest.raises(
            InvalidArgument,
            match=r"to delete version 2 of process 'process', but version 1, .* has a start event 't' that cannot wait",
        ):
            await it.do(commands.DeleteResource(latest.processes[0].key))
        assert len(it.store.living(Timer)) == 1, "the latest version goes on"


async def test_nothing_waits_after_the_only_version_was_deleted():
    async with opened() as it:
        deployed = await it.do(
            deploy('t:start(timer=PT1S) > a:job > end & c:start(condition="=x > 1") > b:job > end', id="only")
        )
        key = deployed.processes[0].key
        await it.do(commands.DeleteResource(key))
        await it.advance(60_000)
        assert started(it, "a") == 0
        assert it.store.living(Timer) == it.store.living(StartSubscription) == []
        assert (await it.do(commands.EvaluateConditional(0, {"x": "2"}))).started == ()
        with pytest.raises(NotFound):
            await it.do(commands.EvaluateConditional(key, {"x": "2"}))


async def test_a_call_gets_the_version_before_and_an_incident_without_any():
    async with opened() as it:
        await it.do(deploy("start > a:job > end", id="child"))
        latest = await it.do(deploy("start > b:job > end", id="child"))
        await it.do(deploy("start > c:call(process=child) > end"))
        await it.do(commands.DeleteResource(latest.processes[0].key))
        await it.do(create())
        [job] = await it.do(activate("a"))
        await it.do(commands.DeleteResource(job.process_definition_key))
        await it.do(create())
        assert [row.error_type for row in it.store.living(Incident)] == ["CALLED_ELEMENT_ERROR"]
        await it.do(commands.CompleteJob(job.key, {}))


# --- decisions and forms


def graph(value: str) -> commands.DeployResources:
    return commands.DeployResources(
        compile_resources([("d.dmn", definitions(decision("d", literal(value)), decision("e", literal("0"))))])
    )


async def test_without_the_latest_graph_its_decisions_are_those_of_the_one_before():
    async with opened() as it:
        first, second = [await it.do(graph(value)) for value in ("1", "2")]
        evaluate = commands.EvaluateDecision("d", 0, {})
        assert (await it.do(evaluate)).decision.version == 2
        with pytest.raises(NotFound):
            await it.do(commands.DeleteResource(second.decisions[0].key))  # only its graph has a key to be deleted by
        await it.do(commands.DeleteResource(second.requirements[0].key))
        assert (await it.do(evaluate)).decision.version == 1
        with pytest.raises(InvalidArgument):
            await it.do(commands.EvaluateDecision("", second.decisions[0].key, {}))
        await it.do(commands.DeleteResource(first.requirements[0].key))
        with pytest.raises(InvalidArgument):
            await it.do(evaluate)
        assert (await it.do(graph("2"))).decisions[0].version == 3


async def test_a_deleted_form_is_not_found_by_user_tasks():
    async with opened() as it:
        form = b'{"id": "f", "components": []}'
        deployed = await it.do(commands.DeployResources(compile_resources([("f.form", form)])))
        await it.do(deploy("start > a:user(form_id=f) > end"))
        await it.do(create())
        assert it.store.living(Incident) == []
        await it.do(commands.DeleteResource(deployed.forms[0].key))
        await it.do(create())
        assert [row.error_type for row in it.store.living(Incident)] == ["FORM_NOT_FOUND"]
        with pytest.raises(NotFound):
            await it.do(commands.DeleteResource(deployed.forms[0].key))
