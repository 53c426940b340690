"""Test cases in JSON: play the cases of Camunda Process Test at a broker under test.

The format is public: https://camunda.com/json-schema/cpt-test-cases/8.9/schema.json. A case is a list of instructions; each one acts or
expects something, and is judged when the broker is quiet, so that no case waits. One kind of instruction is refused: ASSERT_VARIABLE,
which asks a language model.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from osmia.job import AdHocResult, TaskListenerResult
from osmia.results import JobInfo
from osmia_broker.settings.values import duration
from osmia_broker.state.task_rows import UserTask, UserTaskState
from osmia_broker.testing import case_expectations, stand_ins
from osmia_broker.testing.case_selectors import elements_of, example_data, instance_of, job_of, task_of
from osmia_broker.testing.view import value_of

if TYPE_CHECKING:
    from osmia_broker.testing.broker import Broker

Instruction = Mapping[str, Any]
Act = Callable[["Broker", Instruction], Awaitable[None]]


@dataclass(frozen=True)
class Case:
    """One test case. Its text is its name, for the ids of parametrised tests."""

    name: str
    instructions: tuple[Instruction, ...]
    description: str = ""

    def __str__(self) -> str:
        return self.name


def read_cases(path: str | Path) -> list[Case]:
    """Read the test cases of a file.

    Raises:
        ValueError: it is no file of test cases; the text names the place.

    """
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError as fault:
        raise ValueError(f"Expected JSON in {path}, but found: {fault}") from fault
    cases = document.get("testCases") if isinstance(document, dict) else None
    if not isinstance(cases, list):
        raise ValueError(f"Expected 'testCases' in {path}, a list, but found {type(cases).__name__}")  # noqa: TRY004 - of the file
    return [_case(one, f"case {number} of {path}") for number, one in enumerate(cases, 1)]


def _case(one: Any, place: str) -> Case:
    if not isinstance(one, dict) or not isinstance(one.get("name"), str):
        raise ValueError(f"Expected {place} to have a name, but found none")  # noqa: TRY004 - of the file
    instructions = one.get("instructions")
    if not isinstance(instructions, list):
        raise ValueError(f"Expected {place} to have instructions, a list, but found {type(instructions).__name__}")  # noqa: TRY004 - of the file
    for number, instruction in enumerate(instructions, 1):
        check(instruction, f"instruction {number} of {place}")
    return Case(one["name"], tuple(instructions), one.get("description", ""))


def check(instruction: Any, place: str) -> None:
    """Refuse an instruction that is not of the format.

    Raises:
        ValueError: it has no known type, or a field that its type does not have, or lacks one.

    """
    type = instruction.get("type") if isinstance(instruction, dict) else None
    if type not in FIELDS:
        raise ValueError(f"Expected {place} to have a type of Camunda Process Test, but found {type!r}")
    required, optional = FIELDS[type]
    given = instruction.keys() - {"type"}
    if unknown := sorted(given - required - optional):
        raise ValueError(f"Expected {place} ({type}) to have known fields, but found '{unknown[0]}'")
    if lacking := sorted(required - given):
        raise ValueError(f"Expected {place} ({type}) to have '{lacking[0]}', but found none")


async def play(broker: "Broker", case: Case) -> None:
    """Carry out the instructions of *case*, one after the other.

    Raises:
        AssertionError: one of them fails; the text names it.

    """
    __tracebackhide__ = True
    for number, instruction in enumerate(case.instructions, 1):
        try:
            await ACTS[instruction["type"]](broker, instruction)
        except Exception as failed:
            place = f"instruction {number} of '{case.name}', {instruction['type']}"
            raise AssertionError(f"{place}: {failed}") from failed


# --- acts


async def _create(broker: "Broker", it: Instruction) -> None:
    await broker.start(
        it["processDefinitionSelector"]["processDefinitionId"],
        it.get("variables"),
        start_at=[one["elementId"] for one in it.get("startInstructions", ())],
        terminate_after=[one["afterElementId"] for one in it.get("runtimeInstructions", ())],
    )


async def _complete_task(broker: "Broker", it: Instruction) -> None:
    task = task_of(broker, it["userTaskSelector"], is_open=True)
    await broker.client.user_tasks.complete(task.key, _result(broker, it, task))
    await broker.settle()


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
    name, key = it["name"], it.get("correlationKey", "")
    found = (await broker.client.search_subscriptions(name=name, states=["OPEN"])).items
    if not any(one.correlation_key in ("", key) for one in found):
        raise AssertionError(f"Expected an event that waits for '{name}' with the key '{key}', but found none")
    await broker.publish(name, key, it.get("variables"))


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
    at = elements_of([it["elementSelector"]])[0] if "elementSelector" in it else ""
    await instance_of(broker, it).set_variables(it["variables"], at=at)


async def _stub(broker: "Broker", it: Instruction) -> None:
    if it.get("useExampleData"):
        raise AssertionError("Expected variables for a job worker that is mocked, but found useExampleData")
    broker.stub_job(it["jobType"], it.get("variables"))
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


# --- expectations about user tasks; the others are in `case_expectations`

_ENDED = frozenset({UserTaskState.COMPLETED, UserTaskState.CANCELED})
_TASK_STATES = {
    "IS_CREATED": frozenset(UserTaskState) - _ENDED,
    "IS_COMPLETED": frozenset({UserTaskState.COMPLETED}),
    "IS_CANCELED": frozenset({UserTaskState.CANCELED}),
    "IS_FAILED": frozenset[UserTaskState](),  # a task whose job fails has an incident, and stays as it is
}
_TASK_FIELDS: dict[str, Callable[[UserTask], Any]] = {
    "assignee": lambda task: task.assignee,
    "candidateGroups": lambda task: sorted(value_of(task.candidate_groups)),
    "priority": lambda task: task.priority,
    "elementId": lambda task: task.element_id,
    "name": lambda task: task.name,
    "dueDate": lambda task: task.due_date,
    "followUpDate": lambda task: task.follow_up_date,
}


async def _expect_task(broker: "Broker", it: Instruction) -> None:
    task = task_of(broker, it["userTaskSelector"])
    if "state" in it and task.state not in _TASK_STATES[it["state"]]:
        raise AssertionError(f"Expected user task '{task.element_id}' to be {it['state']}, but it is {task.state}")
    for name, read in _TASK_FIELDS.items():
        if name in it:
            expected = sorted(it[name]) if isinstance(it[name], list) else it[name]
            if not _is_same(name, expected, read(task)):
                raise AssertionError(
                    f"Expected {name} of user task '{task.element_id}' to be {expected!r}, but found {read(task)!r}"
                )


def _is_same(name: str, expected: Any, found: Any) -> bool:
    if name.endswith("Date") and expected and found:
        return datetime.fromisoformat(expected) == datetime.fromisoformat(found)
    return bool(expected == found)


def _refused(reason: str) -> Act:
    async def refuse(_broker: "Broker", _it: Instruction) -> None:
        raise AssertionError(f"Expected an instruction that can be played here, but found one {reason}")

    return refuse


ACTS: dict[str, Act] = {
    "CREATE_PROCESS_INSTANCE": _create,
    "COMPLETE_USER_TASK": _complete_task,
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
    "ASSERT_USER_TASK": _expect_task,
    "ASSERT_VARIABLE": _refused("that asks a language model"),
    **case_expectations.EXPECTATIONS,
}


def _fields(required: str, optional: str = "") -> tuple[frozenset[str], frozenset[str]]:
    return frozenset(required.split()), frozenset(optional.split())


#: The fields of each type of instruction: those it must have, those it may have.
FIELDS: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    "ASSERT_DECISION": _fields("decisionSelector", "output matchedRules notMatchedRules noMatchedRules"),
    "ASSERT_ELEMENT_INSTANCE": _fields("processInstanceSelector elementSelector state", "amount"),
    "ASSERT_ELEMENT_INSTANCES": _fields("processInstanceSelector elementSelectors state"),
    "ASSERT_PROCESS_INSTANCE": _fields("processInstanceSelector", "state hasActiveIncidents"),
    "ASSERT_PROCESS_INSTANCE_MESSAGE_SUBSCRIPTION": _fields("processInstanceSelector messageSelector state"),
    "ASSERT_USER_TASK": _fields("userTaskSelector", f"state {' '.join(_TASK_FIELDS)}"),
    "ASSERT_VARIABLE": _fields("processInstanceSelector variableName satisfiesJudge", "elementSelector"),
    "ASSERT_VARIABLES": _fields("processInstanceSelector", "elementSelector variableNames variables"),
    "BROADCAST_SIGNAL": _fields("signalName", "variables"),
    "COMPLETE_JOB": _fields("jobSelector", "variables useExampleData"),
    "COMPLETE_JOB_AD_HOC_SUB_PROCESS": _fields(
        "jobSelector", "variables activateElements cancelRemainingInstances completionConditionFulfilled"
    ),
    "COMPLETE_JOB_USER_TASK_LISTENER": _fields("jobSelector", "denied deniedReason corrections"),
    "COMPLETE_USER_TASK": _fields("userTaskSelector", "variables useExampleData"),
    "CORRELATE_MESSAGE": _fields("name", "correlationKey variables"),
    "CREATE_PROCESS_INSTANCE": _fields("processDefinitionSelector", "variables startInstructions runtimeInstructions"),
    "EVALUATE_CONDITIONAL_START_EVENT": _fields("variables"),
    "EVALUATE_DECISION": _fields("decisionDefinitionSelector", "variables"),
    "INCREASE_TIME": _fields("duration"),
    "MOCK_CHILD_PROCESS": _fields("processDefinitionId", "variables"),
    "MOCK_DMN_DECISION": _fields("decisionDefinitionId", "variables"),
    "MOCK_JOB_WORKER_COMPLETE_JOB": _fields("jobType", "variables useExampleData"),
    "MOCK_JOB_WORKER_THROW_BPMN_ERROR": _fields("jobType errorCode", "errorMessage variables"),
    "PUBLISH_MESSAGE": _fields("name", "correlationKey variables timeToLive messageId"),
    "RESOLVE_INCIDENT": _fields("incidentSelector"),
    "SET_TIME": _fields("time"),
    "THROW_BPMN_ERROR_FROM_JOB": _fields("jobSelector errorCode", "errorMessage variables"),
    "UPDATE_VARIABLES": _fields("processInstanceSelector variables", "elementSelector"),
}
