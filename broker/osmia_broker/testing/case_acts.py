"""Carry out the instructions of test cases in JSON; the expectations are in `case_expectations`."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from osmia.job import AdHocResult, Job, TaskListenerResult
from osmia.results import JobInfo
from osmia_broker.settings.values import duration
from osmia_broker.state.rows.tasks import UserTask
from osmia_broker.testing import stand_ins
from osmia_broker.testing.case_selectors import elements_of, example_data, instance_of, job_of

if TYPE_CHECKING:
    from osmia_broker.testing.broker import Broker

Instruction = Mapping[str, Any]
Act = Callable[["Broker", Instruction], Awaitable[None]]


async def _create(broker: "Broker", it: Instruction) -> None:
    await broker.start(
        it["processDefinitionSelector"]["processDefinitionId"],
        it.get("variables"),
        start_at=[one["elementId"] for one in it.get("startInstructions", ())],
        terminate_after=[one["afterElementId"] for one in it.get("runtimeInstructions", ())],
    )


async def complete_task(broker: "Broker", it: Instruction, task: UserTask) -> None:
    """Complete *task* with the variables of the instruction. It lasts until the listeners of the task have agreed."""
    await broker.client.user_tasks.complete(task.key, _result(broker, it, task))


async def _complete_job(broker: "Broker", it: Instruction) -> None:
    job = await job_of(broker, it["jobSelector"])
    await broker.client.complete_job(job.key, _result(broker, it, job))
    await broker.settle()


def _result(broker: "Broker", it: Instruction, job: JobInfo | UserTask) -> Any:
    if it.get("useExampleData"):
        return example_data(broker.view, job.process_definition_key, job.element_id)
    return it.get("variables")


async def _complete_ad_hoc(broker: "Broker", it: Instruction) -> None:
    job = await job_of(broker, it["jobSelector"])
    result = AdHocResult(
        activate={one["elementId"]: one.get("variables") for one in it.get("activateElements", ())},
        is_fulfilled=it.get("completionConditionFulfilled", False),
        cancels_remaining=it.get("cancelRemainingInstances", False),
    )
    await broker.client.complete_job(job.key, it.get("variables"), result=result)
    await broker.settle()


async def _complete_listener(broker: "Broker", it: Instruction) -> None:
    job = await job_of(broker, it["jobSelector"])
    given = it.get("corrections", {})
    result = TaskListenerResult(
        is_denied=it.get("denied", False),
        reason=it.get("deniedReason", ""),
        assignee=given.get("assignee"),
        due_date=given.get("dueDate"),
        follow_up_date=given.get("followUpDate"),
        candidate_users=given.get("candidateUsers"),
        candidate_groups=given.get("candidateGroups"),
        priority=given.get("priority"),
    )
    await broker.client.complete_job(job.key, result=result)
    await broker.settle()


async def _throw(broker: "Broker", it: Instruction) -> None:
    job = await job_of(broker, it["jobSelector"])
    await broker.client.throw_error(
        job.key, it["errorCode"], message=it.get("errorMessage", ""), variables=it.get("variables")
    )
    await broker.settle()


async def _publish(broker: "Broker", it: Instruction) -> None:
    await broker.client.publish_message(
        it["name"],
        it.get("correlationKey", ""),
        it.get("variables"),
        time_to_live_ms=it.get("timeToLive", 0),
        message_id=it.get("messageId", ""),
    )
    await broker.settle()


async def _correlate(broker: "Broker", it: Instruction) -> None:
    await broker.client.correlate_message(it["name"], it.get("correlationKey", ""), it.get("variables"))
    await broker.settle()


async def _broadcast(broker: "Broker", it: Instruction) -> None:
    await broker.broadcast(it["signalName"], it.get("variables"))


async def _resolve(broker: "Broker", it: Instruction) -> None:
    wanted = it["incidentSelector"]
    found = (
        await broker.client.search_incidents(
            bpmn_process_id=wanted.get("processDefinitionId", ""), states=["OPEN"], limit=1000
        )
    ).items
    fitting = [one for one in found if wanted.get("elementId") in (None, one.element_id)]
    if not fitting:
        raise AssertionError(f"Expected an open incident of {dict(wanted)}, but found {len(found)} of others")
    await broker.resolve_incident(fitting[-1].key)


async def _set_time(broker: "Broker", it: Instruction) -> None:
    await broker.set_time(datetime.fromisoformat(it["time"]))


async def _increase_time(broker: "Broker", it: Instruction) -> None:
    await broker.advance(duration(it["duration"]))


async def _evaluate_conditions(broker: "Broker", it: Instruction) -> None:
    await broker.client.evaluate_conditional(it["variables"])
    await broker.settle()


async def _evaluate_decision(broker: "Broker", it: Instruction) -> None:
    id = it["decisionDefinitionSelector"]["decisionDefinitionId"]
    evaluation = await broker.client.evaluate_decision(id, it.get("variables"))
    if evaluation.failure:
        raise AssertionError(f"Expected decision '{id}' to be evaluated, but found: {evaluation.failure}")


async def _update_variables(broker: "Broker", it: Instruction) -> None:
    instance = instance_of(broker, it)
    key = instance.scope(elements_of([it["elementSelector"]])[0]) if "elementSelector" in it else instance.key
    await broker.set_variables(key, it["variables"], local=it.get("createLocalVariables", False))


async def _stub(broker: "Broker", it: Instruction) -> None:
    def example(job: Job) -> Any:
        return example_data(broker.view, job.process_definition_key, job.element_id)

    broker.stub_job(it["jobType"], example if it.get("useExampleData") else it.get("variables"))
    await broker.settle()


async def _stub_error(broker: "Broker", it: Instruction) -> None:
    broker.stub_job(
        it["jobType"], it.get("variables"), error_code=it["errorCode"], error_message=it.get("errorMessage", "")
    )
    await broker.settle()


async def _mock_process(broker: "Broker", it: Instruction) -> None:
    id = it["processDefinitionId"]
    await broker.deploy((f"{id}-stand-in.bpmn", stand_ins.process(id, it.get("variables", {}))))


async def _mock_decision(broker: "Broker", it: Instruction) -> None:
    id = it["decisionDefinitionId"]
    await broker.deploy((f"{id}-stand-in.dmn", stand_ins.decision(id, it.get("variables", {}))))


#: What the instructions do, but for COMPLETE_USER_TASK and CONDITIONAL_BEHAVIOR, which go on beside the others.
ACTS: dict[str, Act] = {
    "CREATE_PROCESS_INSTANCE": _create,
    "COMPLETE_JOB": _complete_job,
    "COMPLETE_JOB_AD_HOC_SUB_PROCESS": _complete_ad_hoc,
    "COMPLETE_JOB_USER_TASK_LISTENER": _complete_listener,
    "THROW_BPMN_ERROR_FROM_JOB": _throw,
    "PUBLISH_MESSAGE": _publish,
    "CORRELATE_MESSAGE": _correlate,
    "BROADCAST_SIGNAL": _broadcast,
    "RESOLVE_INCIDENT": _resolve,
    "SET_TIME": _set_time,
    "INCREASE_TIME": _increase_time,
    "EVALUATE_CONDITIONAL_START_EVENT": _evaluate_conditions,
    "EVALUATE_DECISION": _evaluate_decision,
    "UPDATE_VARIABLES": _update_variables,
    "MOCK_JOB_WORKER_COMPLETE_JOB": _stub,
    "MOCK_JOB_WORKER_THROW_BPMN_ERROR": _stub_error,
    "MOCK_CHILD_PROCESS": _mock_process,
    "MOCK_DMN_DECISION": _mock_decision,
}
