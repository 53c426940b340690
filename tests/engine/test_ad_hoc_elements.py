"""An ad-hoc subprocess describes its elements, refuses those that it cannot activate, and collects results: as the sources of the reference say."""

import json
from typing import Any

import pytest

from osmia_broker import feel
from osmia_broker.base.errors import InvalidArgument, NotFound
from osmia_broker.engine.commands import ActivateAdHocElements, AdHocResult, CompleteJob, ElementToActivate
from osmia_broker.state.rows import Incident, Job, Variable
from tests.conftest import Play
from tests.partition.opened import Opened, create, deploy, opened

DECIDED = "start > h:adhoc(type=decide) { a:job > c:job & b:job } > end"


async def described(it: Opened, model: str) -> Any:
    """What the variable of the ad-hoc subprocess says about its elements."""
    await it.do(deploy(model))
    await it.do(create())
    await it.settled()
    [text] = [row.value for row in it.store.living(Variable) if row.name == "adHocSubProcessElements"]
    return json.loads(text)


async def test_the_elements_that_can_be_activated_are_described():
    inside = "a:job > c:job & b:job & s:eventsub { s1:start(signal=g, interrupting=false) > e1:end } & t:boundary(on=b, error=any) > d:job"
    async with opened() as it:
        found = await described(it, f"start > h:adhoc {{ {inside} }} > end")
        assert {one["elementId"] for one in found} == {"a", "b"}


async def test_a_description_has_the_parameters_that_the_input_mappings_ask_for():
    async with opened() as it:
        [found] = await described(it, 'start > h:adhoc { a:job(in.x="=fromAi(toolCall.x)", in.y="=1") } > end')
        assert found["parameters"] == [{"name": "toolCall.x"}]


async def test_what_is_empty_is_left_out_of_the_description():
    async with opened() as it:
        assert await described(it, "start > h:adhoc { a:job } > end") == [{"elementId": "a"}]


def test_the_input_mappings_of_the_subprocess_see_the_description(play: Play):
    play("""
        deploy   start > h:adhoc(in.ids="=adHocSubProcessElements.elementId", active="=ids") { a:job & b:job } > end
        create
        at       a b h h h
    """)


def test_the_description_does_not_leave_the_subprocess(play: Play):
    play("""
        deploy   start > h:adhoc(active="=ids") { a:job } > z:job > end
        create   ids=["a"]
        complete a
        variables ids=["a"]
    """)


# --- parameters of an expression


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("1 + x", []),
        ("fromAi(toolCall.a)", [{"name": "toolCall.a"}]),
        ("fromAi(a)", [{"name": "a"}]),
        ('fromAi(description: "d", value: t.a)', [{"name": "t.a", "description": "d"}]),
        ('"x" + string(fromAi(t.a, "d", "string"))', [{"name": "t.a", "description": "d", "type": "string"}]),
        ("[fromAi(t.a), {b: fromAi(t.b)}]", [{"name": "t.a"}, {"name": "t.b"}]),
        (
            'fromAi(t.a, "d", "array", {items: {enum: ["x", 1, true]}}, {optional: true})',
            [
                {
                    "name": "t.a",
                    "description": "d",
                    "type": "array",
                    "schema": {"items": {"enum": ["x", 1, True]}},
                    "options": {"optional": True},
                }
            ],
        ),
        ('fromAi("text")', []),  # no reference, so no name
        ("fromAi()", []),
        ('fromAi(t.a, "a" + "b")', [{"name": "t.a"}]),  # no constant
    ],
)
def test_what_an_expression_asks_a_language_model_for(expression: str, found: list[dict[str, Any]]):
    assert feel.ai_parameters(feel.compile(expression)) == found


# --- what a worker and a caller may not ask for


def decision(it: Opened, *ids: str, done: bool = False) -> CompleteJob:
    [job] = [job for job in it.store.living(Job) if job.type == "decide"]
    return CompleteJob(job.key, {}, result=AdHocResult(tuple(ElementToActivate(id, {}) for id in ids), done))


async def test_a_worker_cannot_activate_what_is_not_there():
    async with opened() as it:
        await it.do(deploy(DECIDED))
        await it.do(create())
        await it.settled()
        for ids, unknown in ((("x", "a", "y"), "x, y"), (("c",), "c")):
            with pytest.raises(NotFound, match=rf"the given elements \[{unknown}\] do not exist"):
                await it.do(decision(it, *ids))
        assert [job.type for job in it.store.living(Job)] == ["decide"]


async def test_a_worker_cannot_complete_the_subprocess_and_activate_elements():
    async with opened() as it:
        await it.do(deploy(DECIDED))
        await it.do(create())
        await it.settled()
        with pytest.raises(InvalidArgument, match="because the completion condition is fulfilled"):
            await it.do(decision(it, "a", done=True))
        await it.do(decision(it, "a"))


async def test_a_caller_cannot_activate_what_is_not_there():
    async with opened() as it:
        await it.do(deploy("start > h:adhoc { a:job } > end"))
        await it.do(create())
        await it.settled()
        [scope] = [row.scope_key for row in it.store.living(Variable)]
        with pytest.raises(NotFound, match=r"the given elements \[x\] do not exist\. Expected any of 'a'"):
            await it.do(ActivateAdHocElements(scope, (ElementToActivate("x", {}),)))


# --- incidents


@pytest.mark.parametrize(
    ("active", "words"),
    [
        ('["x","y"]', "the given elements [x, y] do not exist"),
        (
            "5",
            "Failed to activate ad-hoc elements. Expected result of the expression 'ids' to be 'ARRAY', but was 'NUMBER'.",
        ),
    ],
)
def test_a_collection_that_names_no_elements_is_an_incident(play: Play, active: str, words: str):
    play(
        f'deploy start > h:adhoc(active="=ids") {{ a:job }} > end; create ids={active}; incident h EXTRACT_VALUE_ERROR {words}'
    )


def test_a_completion_condition_that_is_no_boolean_is_an_incident(play: Play):
    play("""
        deploy    start > h:adhoc(active="=ids", done="=ok") { a:task } > end
        create    ids=["a"]
        incident  h EXTRACT_VALUE_ERROR Failed to evaluate completion condition. Expected result of the expression 'ok' to be 'BOOLEAN'
    """)


@pytest.mark.parametrize(
    ("value", "type"),
    [("null", "NIL"), ('"t"', "STRING"), ("1", "INTEGER"), ("1.5", "FLOAT"), ("true", "BOOLEAN"), ("{}", "MAP")],
)
async def test_results_that_are_no_list_any_more_are_an_incident(value: str, type: str):
    async with opened() as it:
        await it.do(deploy('start > h:adhoc(type=decide, results=all, result="=r") { a:task } > end'))
        await it.do(create())
        await it.settled()
        await it.do(
            CompleteJob(decision(it).job_key, {"all": value}, result=AdHocResult((ElementToActivate("a", {}),)))
        )
        await it.settled()
        [incident] = it.store.rows(Incident)
        assert incident.message == f"The output collection has the wrong type. Expected ARRAY but was {type}."


def test_an_event_subprocess_lets_the_worker_decide_again(play: Play):
    play("""
        deploy   start > h:adhoc(type=decide) { a:job & es:eventsub { s1:start(signal=g, interrupting=false) > q:job > qe:end } } > end
        create
        signal   g
        at       h q es
        complete q
        at       h
    """)
