"""`osmia.v1.Queries` about what happened on the way: decisions that were evaluated, and sequence flows that were taken."""

from typing import Any

import grpc
import pytest

from osmia_proto import gateway
from tests.clock import START_MS
from tests.dmn.models import decision, definitions, literal, menu
from tests.gateway.conftest import Asking, Wire


async def deploy(wire: Wire, file: bytes) -> None:
    await wire.call("DeployResource", resources=[gateway.Resource(name="file.dmn", content=file)])


def required(id: str) -> bytes:
    """A graph whose first decision requires the second."""
    price = decision(f"{id}_price", literal("guests * 2"))
    return definitions(decision(id, literal(f"{id}_price + 1"), requires=f"{id}_price"), price)


async def test_an_evaluation_is_listed_with_what_it_read_and_which_rules_held(wire: Wire, ask: Asking, unique: str):
    await deploy(wire, menu(unique))
    answer = await wire.call("EvaluateDecision", decisionId=unique, variables='{"season":"winter","guests":12}')
    (seen,) = (await ask("SearchDecisionEvaluations", decision_id=unique)).items
    assert (seen.key, seen.place, seen.decision_key) == (answer.decisionEvaluationKey, 1, answer.decisionKey)
    assert (seen.decision_version, seen.decision_type, seen.output) == (1, "DECISION_TABLE", '"stew"')
    assert seen.decision_requirements_key == answer.decisionRequirementsKey
    assert [one.value for one in seen.inputs] == ['"winter"', "12"]
    assert [(rule.index, [one.value for one in rule.outputs]) for rule in seen.rules] == [(2, ['"stew"'])]
    assert (seen.process_instance_key, seen.element_id, seen.evaluated_ms >= START_MS) == (0, "", True)


async def test_a_failed_evaluation_is_listed_with_its_reason(wire: Wire, ask: Asking, unique: str):
    await deploy(wire, menu(unique))
    for season in ("twice", "winter"):
        await wire.call("EvaluateDecision", decisionId=unique, variables=f'{{"season":"{season}","guests":1}}')
    failed = {"decision_id": unique, "states": ["DECISION_EVALUATION_STATE_FAILED"]}
    (seen,) = (await ask("SearchDecisionEvaluations", **failed)).items
    assert "multiple values aren't allowed" in seen.failure
    assert (seen.decision_id, seen.output) == (unique, "null")
    passed = {"decision_id": unique, "states": ["DECISION_EVALUATION_STATE_EVALUATED"]}
    assert [one.output for one in (await ask("SearchDecisionEvaluations", **passed)).items] == ['"soup"']


async def test_the_evaluations_of_an_instance_are_those_of_its_tasks(wire: Wire, ask: Asking, unique: str):
    await deploy(wire, required(unique))
    await wire.deploy(f"start > cook:rule(decision={unique}, result=dish) > end", unique)
    instance = await wire.create(unique, '{"guests":4}')
    other = await wire.create(unique, '{"guests":5}')
    alone = await wire.call("EvaluateDecision", decisionId=unique, variables='{"guests":1}')
    seen = (await ask("SearchDecisionEvaluations", process_instance_key=instance)).items
    assert [(one.decision_id, one.place, one.output) for one in seen] == [
        (unique, 2, "9"),
        (f"{unique}_price", 1, "8"),
    ]
    assert {(one.process_instance_key, one.element_id) for one in seen} == {(instance, "cook")}
    assert {one.root_decision_key for one in seen} == {alone.decisionKey}
    assert len((await ask("SearchDecisionEvaluations", process_instance_key=other)).items) == 2
    by_key = (await ask("SearchDecisionEvaluations", key=alone.decisionEvaluationKey)).items
    assert [one.output for one in by_key] == ["3", "2"]
    assert (await ask("SearchDecisionEvaluations", process_instance_key=alone.decisionEvaluationKey)).items == []


async def test_evaluations_come_in_pages_newest_first(wire: Wire, ask: Asking, unique: str):
    await deploy(wire, menu(unique))
    for guests in range(5):
        await wire.call(
            "EvaluateDecision", decisionId=f"{unique}_double", variables=f'{{"season":"winter","guests":{guests}}}'
        )
    pages, after = [], ""
    while not pages or after:
        page = await ask("SearchDecisionEvaluations", decision_id=f"{unique}_double", limit=2, after=after)
        pages.append([one.output for one in page.items])
        after = page.next
    assert pages == [["8", "6"], ["4", "2"], ["0"]]
    whole = await ask("SearchDecisionEvaluations", decision_id=f"{unique}_double", limit=5)
    assert (len(whole.items), whole.next) == (5, "")


async def test_a_page_of_evaluations_stays_below_what_clients_take(wire: Wire, ask: Asking, unique: str):
    await deploy(wire, definitions(decision(unique, literal("long"))))
    for _ in range(25):
        await wire.call("EvaluateDecision", decisionId=unique, variables=f'{{"long":"{"😀" * 100_000}"}}')
    found, after = 0, ""
    while not found or after:
        page = await ask("SearchDecisionEvaluations", decision_id=unique, limit=1000, after=after)
        assert page.ByteSize() < 4 * 1024 * 1024
        found, after = found + len(page.items), page.next
    assert found == 25


@pytest.mark.parametrize(
    "fields",
    [
        {"limit": -1},
        {"limit": 1001},
        {"after": "nonsense"},
        {"states": [7]},
        {"states": ["DECISION_EVALUATION_STATE_UNSPECIFIED"]},
        {"decision_id": "\0"},
    ],
)
async def test_questions_about_evaluations_that_are_refused(ask: Asking, fields: dict[str, Any]):
    status, text = await ask.refusal("SearchDecisionEvaluations", **fields)
    assert (status, text.startswith("Expected")) == (grpc.StatusCode.INVALID_ARGUMENT, True), text


@pytest.mark.parametrize("fields", [{"key": 1}, {"key": -1}, {"process_instance_key": -(2**63)}])
async def test_filters_that_nothing_passes(ask: Asking, fields: dict[str, Any]):
    assert (await ask("SearchDecisionEvaluations", **fields)).items == []


# --- flows


async def path(ask: Asking, instance: int) -> list[tuple[str, str]]:
    answer = await ask("ListTakenSequenceFlows", process_instance_key=instance)
    return [(flow.source_element_id, flow.target_element_id) for flow in answer.items]


async def test_the_path_of_an_instance_is_in_the_order_in_which_it_was_taken(wire: Wire, ask: Asking, unique: str):
    model = f"start > z:exclusive [yes -> a:job(type={unique}) > y:task > end | else -> b:job > end2:end]"
    await wire.deploy(model, unique)
    instance = await wire.create(unique, '{"yes":true}')
    assert await path(ask, instance) == [("start", "z"), ("z", "a")]
    (job,) = await wire.activate(unique)
    await wire.call("CompleteJob", jobKey=job.key)
    assert await path(ask, instance) == [("start", "z"), ("z", "a"), ("a", "y"), ("y", "end")]


async def test_a_flow_into_a_join_is_taken_before_the_others_come(wire: Wire, ask: Asking, unique: str):
    model = f"start > fork:parallel [a:job(type={unique}) > join:parallel > end | b:job > join]"
    await wire.deploy(model, unique)
    instance = await wire.create(unique)
    (job,) = await wire.activate(unique)
    await wire.call("CompleteJob", jobKey=job.key)
    assert await path(ask, instance) == [("start", "fork"), ("fork", "a"), ("fork", "b"), ("a", "join")]


async def test_a_flow_that_was_taken_twice_is_listed_once(wire: Wire, ask: Asking, unique: str):
    model = (
        f"start > again:exclusive > work:job(type={unique}) > more:exclusive [n > 1 -> t:task > again | else -> end]"
    )
    await wire.deploy(model, unique)
    instance = await wire.create(unique, '{"n":2}')
    for n in (2, 1):
        (job,) = await wire.activate(unique)
        await wire.call("CompleteJob", jobKey=job.key, variables=f'{{"n":{n}}}')
    found = await path(ask, instance)
    assert len(found) == len(set(found)) == 6


async def test_a_flow_has_the_names_of_its_ends(wire: Wire, ask: Asking, unique: str):
    await wire.deploy("start > eat:user(name=Eat dinner) > end", unique)
    instance = await wire.create(unique)
    (flow,) = (await ask("ListTakenSequenceFlows", process_instance_key=instance)).items
    assert (flow.source_element_name, flow.target_element_name) == ("", "Eat dinner")


async def test_a_flow_from_before_a_migration_has_no_ends(wire: Wire, ask: Asking, unique: str):
    await wire.deploy("start > a:job > end", unique)
    target = await wire.deploy("start > x:task > b:job > end", f"{unique}b")
    instance = await wire.create(unique)
    before = (await ask("ListTakenSequenceFlows", process_instance_key=instance)).items
    plan = gateway.MigrateProcessInstanceRequest.MigrationPlan(
        targetProcessDefinitionKey=target,
        mappingInstructions=[
            gateway.MigrateProcessInstanceRequest.MappingInstruction(sourceElementId="a", targetElementId="b")
        ],
    )
    await wire.call("MigrateProcessInstance", processInstanceKey=instance, migrationPlan=plan)
    after = (await ask("ListTakenSequenceFlows", process_instance_key=instance)).items
    assert [flow.id for flow in after] == [flow.id for flow in before]


@pytest.mark.parametrize("key", [0, 1, -1, 2**63 - 1])
async def test_the_path_of_nothing_is_refused(ask: Asking, key: int):
    status, text = await ask.refusal("ListTakenSequenceFlows", process_instance_key=key)
    assert (status, f"'{key}'" in text) == (grpc.StatusCode.NOT_FOUND, True), text
