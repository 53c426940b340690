"""Decisions and scripts inside the broker: deployed, evaluated by call, by business rule task and script task."""

import grpc
import pytest

from osmia_proto import gateway
from tests.bpmn import bpmn
from tests.dmn.models import menu
from tests.gateway.conftest import Asking, Wire
from tests.running_broker import RunningBroker

INVALID = grpc.StatusCode.INVALID_ARGUMENT


async def deploy(wire: Wire, *files: tuple[str, bytes]) -> gateway.DeployResourceResponse:
    return await wire.call(
        "DeployResource", resources=[gateway.Resource(name=name, content=data) for name, data in files]
    )


async def test_a_graph_is_deployed_with_its_decisions(wire: Wire, unique: str):
    answer = await deploy(wire, ("menu.dmn", menu(unique)))
    kinds = [one.WhichOneof("Metadata") for one in answer.deployments]
    assert kinds == ["decision", "decision", "decisionRequirements"]
    first, _, graph = (one.decision or one for one in answer.deployments)
    requirements = answer.deployments[2].decisionRequirements
    assert (first.dmnDecisionId, first.version, requirements.version) == (unique, 1, 1)
    assert first.decisionRequirementsKey == requirements.decisionRequirementsKey
    again = await deploy(wire, ("menu.dmn", menu(unique)))
    assert again.deployments[0].decision == first
    changed = await deploy(wire, ("menu.dmn", menu(unique, '"summer"')))
    assert [one.decision.version for one in changed.deployments[:2]] == [2, 2]
    assert graph is not None


async def test_a_decision_is_evaluated(wire: Wire, unique: str):
    await deploy(wire, ("menu.dmn", menu(unique)))
    answer = await wire.call("EvaluateDecision", decisionId=unique, variables='{"season":"winter","guests":12}')
    assert (answer.decisionOutput, answer.failureMessage, answer.decisionVersion) == ('"stew"', "", 1)
    (step,) = answer.evaluatedDecisions
    assert (step.decisionType, [rule.ruleIndex for rule in step.matchedRules]) == ("DECISION_TABLE", [2])
    assert [one.inputValue for one in step.evaluatedInputs] == ['"winter"', "12"]
    assert step.decisionEvaluationInstanceKey == f"{answer.decisionEvaluationKey}-1"
    by_key = await wire.call(
        "EvaluateDecision", decisionKey=answer.decisionKey, variables='{"season":"spring","guests":1}'
    )
    assert by_key.decisionOutput == "null"
    assert by_key.decisionInstanceKey > answer.decisionInstanceKey


async def test_a_failed_evaluation_is_an_answer(wire: Wire, unique: str):
    await deploy(wire, ("menu.dmn", menu(unique)))
    answer = await wire.call("EvaluateDecision", decisionId=unique, variables='{"season":"twice","guests":1}')
    assert (answer.decisionOutput, answer.failedDecisionId) == ("", unique)
    assert "multiple values aren't allowed for UNIQUE hit policy" in answer.failureMessage


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"decisionId": "nope"}, "Expected to evaluate decision 'nope', but no decision found for id 'nope'"),
        ({"decisionKey": 5}, "no decision found for key '5'"),
        ({}, "for key '0'"),
        ({"decisionKey": -1}, "Expected either a decision id or a valid decision key, but none provided"),
        ({"decisionId": "nope", "variables": "[]"}, "was 'ARRAY'"),
    ],
)
async def test_what_cannot_be_evaluated(wire: Wire, fields: dict[str, object], words: str):
    refusal = await wire.refusal("EvaluateDecision", **fields)
    assert refusal.code() is INVALID
    assert words in (refusal.details() or "")


async def test_a_bad_table_refuses_the_process_beside_it(wire: Wire, unique: str):
    files = [("p.bpmn", bpmn("start > end", id=unique)), ("bad.dmn", menu(unique, "> >"))]
    refusal = await wire.refusal(
        "DeployResource", resources=[gateway.Resource(name=name, content=data) for name, data in files]
    )
    assert refusal.code() is INVALID
    assert "'bad.dmn': " in (refusal.details() or "")
    assert "'bad.dmn': 'bad.dmn'" not in (refusal.details() or "")
    assert (
        await wire.refusal("CreateProcessInstance", bpmnProcessId=unique, version=-1)
    ).code() is grpc.StatusCode.NOT_FOUND


async def result(wire: Wire, id: str, variables: str) -> str:
    request = {"bpmnProcessId": id, "version": -1, "variables": variables}
    answer = await wire.call("CreateProcessInstanceWithResult", request=request, fetchVariables=["dish", "x"])
    return str(answer.variables)


async def test_a_business_rule_task_decides(wire: Wire, unique: str):
    process = bpmn(f"start > choose:rule(decision={unique}, result=dish) > end", id=unique)
    await deploy(wire, ("menu.dmn", menu(unique)), ("p.bpmn", process))
    assert await result(wire, unique, '{"season":"winter","guests":2}') == '{"dish":"soup"}'


async def test_a_script_task_computes(wire: Wire, unique: str):
    await wire.deploy('start > think:script(expression="=n * 2 + 1", result=x) > end', id=unique)
    assert await result(wire, unique, '{"n":3}') == '{"x":7}'


@pytest.mark.parametrize(
    ("task", "error"),
    [
        ("choose:rule(decision=nowhere, result=dish)", "CALLED_DECISION_ERROR"),
        ("choose:rule(decision={id}, result=dish)", "DECISION_EVALUATION_ERROR"),
        ('choose:script(expression="=assert(n, n > 5)", result=x)', "EXTRACT_VALUE_ERROR"),
    ],
)
async def test_what_fails_becomes_an_incident_and_no_error_of_the_call(
    wire: Wire, unique: str, task: str, error: str, gateway_broker: RunningBroker
):
    process = bpmn(f"start > {task.replace('{id}', unique)} > end", id=unique)
    await deploy(wire, ("menu.dmn", menu(unique)), ("p.bpmn", process))
    key = await wire.create(unique, '{"season":"twice","guests":1,"n":1}')
    (incident,) = gateway_broker.client.search_incidents(process_instance_key=key).items
    assert (incident.error_type, incident.element_id) == (error, "choose")


async def test_a_decision_bound_to_its_deployment_stays(wire: Wire, unique: str):
    process = bpmn(f"start > choose:rule(decision={unique}, result=dish) > end", id=unique)
    bound = process.replace(b"<zeebe:calledDecision ", b'<zeebe:calledDecision bindingType="deployment" ')
    await deploy(wire, ("menu.dmn", menu(unique)), ("p.bpmn", bound))
    await deploy(wire, ("menu.dmn", menu(unique, '"summer"')))
    assert await result(wire, unique, '{"season":"winter","guests":2}') == '{"dish":"soup"}'


async def test_a_form_is_found_by_its_id(wire: Wire, ask: Asking, unique: str):
    process = bpmn(f"start > ask:user(form_id={unique}) > end", id=unique)
    await deploy(wire, ("p.bpmn", process))
    early = await wire.create(unique)
    answer = await deploy(wire, ("f.form", f'{{"id":"{unique}","components":[]}}'.encode()))
    form = answer.deployments[0].form
    assert (form.formId, form.version) == (unique, 1)
    instance = await wire.create(unique)
    (job,) = (await ask("SearchJobs", process_instance_key=instance)).items
    assert f'"io.camunda.zeebe:formKey":"{form.formKey}"' in job.custom_headers
    assert (await ask("SearchJobs", process_instance_key=early)).items == []
