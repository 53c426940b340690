"""Test cases in JSON, as Camunda Process Test has them: each instruction does what its name says, or fails with a text."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import osmia
from osmia.testing import Broker, Case, read_cases
from osmia_broker.testing import cases
from tests.bpmn import bpmn

P = {"processInstanceSelector": {"processDefinitionId": "p"}}
MODEL = (
    'start > approve:user(name=Approve it, assignee==approver, groups==["boss"]) > ok:exclusive'
    " [approved -> archive | else -> rejected:end]"
    " & late:boundary(on=approve, timer=P3D) > archive:job(type=archive) > done:end"
    " & broken:boundary(on=archive, error=E) > by_hand:user > done"
)
DISH = b"""<definitions xmlns="https://www.omg.org/spec/DMN/20191111/MODEL/" id="food" name="Food" namespace="osmia">
  <decision id="dish" name="Dish"><variable name="dish" />
    <decisionTable id="table"><input id="in"><inputExpression id="e" typeRef="string"><text>season</text></inputExpression></input>
      <output id="out" name="dish" typeRef="string" />
      <rule id="winter"><inputEntry id="i"><text>"Winter"</text></inputEntry><outputEntry id="o"><text>"Roast"</text></outputEntry></rule>
      <rule id="summer"><inputEntry id="j"><text>"Summer"</text></inputEntry><outputEntry id="q"><text>"Salad"</text></outputEntry></rule>
    </decisionTable></decision></definitions>"""


def do(type: str, **fields: Any) -> dict[str, Any]:
    return {"type": type, **fields}


def create(**variables: Any) -> dict[str, Any]:
    return do("CREATE_PROCESS_INSTANCE", processDefinitionSelector={"processDefinitionId": "p"}, variables=variables)


def elements(state: str, *ids: str) -> dict[str, Any]:
    return do("ASSERT_ELEMENT_INSTANCES", **P, elementSelectors=[{"elementId": id} for id in ids], state=state)


def is_(state: str) -> dict[str, Any]:
    return do("ASSERT_PROCESS_INSTANCE", **P, state=state)


def when(conditions: list[dict[str, Any]], actions: list[dict[str, Any]], **fields: Any) -> dict[str, Any]:
    return do("CONDITIONAL_BEHAVIOR", conditions=conditions, actions=actions, **fields)


def one(instruction: dict[str, Any]) -> str:
    return json.dumps({"testCases": [{"name": "a", "instructions": [instruction]}]})


APPROVE = {"userTaskSelector": {"elementId": "approve"}}
STUB = do("MOCK_JOB_WORKER_COMPLETE_JOB", jobType="archive", variables={"archived": True})
START = create(approver="Zee")


@pytest.fixture
def broker() -> Iterator[Broker]:
    broker = Broker()
    yield broker
    broker.close()


async def played(broker: Broker, model: str, *instructions: dict[str, Any]) -> None:
    await broker.deploy(("p.bpmn", bpmn(model, id="p")))
    await broker.play(Case("case", instructions))


@pytest.mark.parametrize(
    "instructions",
    [
        [  # the happy path
            STUB,
            START,
            elements("IS_ACTIVE", "approve"),
            elements("IS_ACTIVE_EXACTLY", "approve"),
            do(
                "ASSERT_USER_TASK",
                **APPROVE,
                state="IS_CREATED",
                assignee="Zee",
                candidateGroups=["boss"],
                name="Approve it",
            ),
            do("COMPLETE_USER_TASK", **APPROVE, variables={"approved": True}),
            do("ASSERT_USER_TASK", **APPROVE, state="IS_COMPLETED", elementId="approve", priority=50),
            elements("IS_COMPLETED_IN_ORDER", "start", "approve", "archive", "done"),
            elements("IS_NOT_ACTIVE", "approve", "archive"),
            elements("IS_NOT_ACTIVATED", "rejected", "by_hand"),
            do("ASSERT_VARIABLES", **P, variableNames=["approver"], variables={"archived": True}),
            is_("IS_COMPLETED"),
        ],
        [  # time
            STUB,
            START,
            do("INCREASE_TIME", duration="P3D"),
            elements("IS_TERMINATED", "approve"),
            elements("IS_COMPLETED", "late", "archive"),
            is_("IS_COMPLETED"),
        ],
        [  # an error that the model catches
            do("MOCK_JOB_WORKER_THROW_BPMN_ERROR", jobType="archive", errorCode="E", variables={"why": "full"}),
            START,
            do("COMPLETE_USER_TASK", userTaskSelector={"taskName": "Approve it"}, variables={"approved": True}),
            do("ASSERT_ELEMENT_INSTANCE", **P, elementSelector={"elementId": "by_hand"}, state="IS_ACTIVE"),
            do("COMPLETE_USER_TASK", userTaskSelector={"processDefinitionId": "p"}),
            is_("IS_COMPLETED"),
        ],
        [  # a job by hand
            START,
            do("COMPLETE_USER_TASK", **APPROVE, variables={"approved": True}),
            do("THROW_BPMN_ERROR_FROM_JOB", jobSelector={"jobType": "archive"}, errorCode="E"),
            elements("IS_ACTIVE", "by_hand"),
            do("ASSERT_PROCESS_INSTANCE", **P, state="IS_ACTIVE", hasActiveIncidents=False),
        ],
        [  # an incident
            START,
            do("UPDATE_VARIABLES", **P, variables={"approved": "perhaps"}),
            do("COMPLETE_USER_TASK", **APPROVE),
            do("ASSERT_PROCESS_INSTANCE", **P, state="IS_ACTIVE", hasActiveIncidents=True),
        ],
        [  # started in the middle, ended early
            do(
                "CREATE_PROCESS_INSTANCE",
                processDefinitionSelector={"processDefinitionId": "p"},
                startInstructions=[{"elementId": "archive"}],
                runtimeInstructions=[{"type": "TERMINATE_PROCESS_INSTANCE", "afterElementId": "archive"}],
            ),
            do("COMPLETE_JOB", jobSelector={"elementId": "archive", "processDefinitionId": "p"}),
            is_("IS_TERMINATED"),
        ],
    ],
)
async def test_a_case_is_played_to_its_end(broker: Broker, instructions: list[dict[str, Any]]):
    await played(broker, MODEL, *instructions)


async def test_messages_signals_conditions_and_moments(broker: Broker):
    message = {"messageSelector": {"messageName": "paid", "correlationKey": "7"}}
    await played(
        broker,
        'start > wait:catch(message=paid, key="=id") > all:catch(signal=go) > when:catch(date="=date and time(at)") > end',
        create(id="7", at="2090-05-01T08:00:00Z"),
        do("ASSERT_PROCESS_INSTANCE_MESSAGE_SUBSCRIPTION", **P, **message, state="IS_WAITING"),
        do("PUBLISH_MESSAGE", name="paid", correlationKey="8"),
        do("CORRELATE_MESSAGE", name="paid", correlationKey="7", variables={"sum": 3}),
        do("ASSERT_PROCESS_INSTANCE_MESSAGE_SUBSCRIPTION", **P, **message, state="IS_CORRELATED"),
        do("ASSERT_PROCESS_INSTANCE_MESSAGE_SUBSCRIPTION", **P, **message, state="IS_NOT_WAITING"),
        do("BROADCAST_SIGNAL", signalName="go"),
        do("SET_TIME", time="2090-05-01T08:00:00Z"),
        is_("IS_COMPLETED"),
        do("ASSERT_VARIABLES", **P, variables={"sum": 3}),
    )
    await broker.deploy(("c.bpmn", bpmn('go:start(condition="=x > 5") > ask:user > end', id="c")))
    await broker.play(Case("conditions", (do("EVALUATE_CONDITIONAL_START_EVENT", variables={"x": 6}),)))
    broker.instance("c").waits_at("ask")


async def test_incidents_are_resolved(broker: Broker):
    await played(
        broker,
        "start > pick:exclusive [n > 5 -> end]",
        create(n=1),
        do("ASSERT_PROCESS_INSTANCE", **P, hasActiveIncidents=True),
        do("UPDATE_VARIABLES", **P, variables={"n": 9}),
        do("RESOLVE_INCIDENT", incidentSelector={"elementId": "pick"}),
        is_("IS_COMPLETED"),
    )


async def test_decisions_are_evaluated(broker: Broker):
    await broker.deploy(("dish.dmn", DISH))
    await played(
        broker,
        "start > end",
        do(
            "EVALUATE_DECISION",
            decisionDefinitionSelector={"decisionDefinitionId": "dish"},
            variables={"season": "Winter"},
        ),
        do(
            "ASSERT_DECISION",
            decisionSelector={"decisionDefinitionName": "Dish"},
            output="Roast",
            matchedRules=[1],
            notMatchedRules=[2],
        ),
        do(
            "EVALUATE_DECISION",
            decisionDefinitionSelector={"decisionDefinitionId": "dish"},
            variables={"season": "None"},
        ),
        do("ASSERT_DECISION", decisionSelector={"decisionDefinitionId": "dish"}, noMatchedRules=True),
    )


async def test_processes_and_decisions_have_stand_ins(broker: Broker):
    given = {"text": "<\"a\" & 'b'>", "list": [1, {"x": None}], "flag": True}
    await played(
        broker,
        "start > call:call(process=child, child=true) > rule:rule(decision=dish, result=dish) > end",
        do("MOCK_CHILD_PROCESS", processDefinitionId="child", variables=given),
        do("MOCK_DMN_DECISION", decisionDefinitionId="dish", variables={"dish": "Roast"}),
        create(),
        is_("IS_COMPLETED"),
        do("ASSERT_VARIABLES", **P, variables={**given, "dish": {"dish": "Roast"}}),
    )


async def test_example_data_of_the_model(broker: Broker):
    model = bpmn("start > ask:user > end", id="p")
    data = b'<zeebe:properties><zeebe:property name="camundaModeler:exampleOutputJson" value="{&#34;a&#34;: 1}" /></zeebe:properties>'
    head, tail = model.split(b'<bpmn:userTask id="ask"', 1)
    opened, rest = tail.split(b">", 1)
    inside = b"<bpmn:extensionElements>" + data + b"</bpmn:extensionElements>"
    if opened.endswith(b"/"):
        opened, rest = opened[:-1], inside + b"</bpmn:userTask>" + rest
    else:
        rest = inside + rest
    await broker.deploy(("p.bpmn", head + b'<bpmn:userTask id="ask"' + opened + b">" + rest))
    task = {"userTaskSelector": {"elementId": "ask"}}
    await broker.play(Case("example", (create(), do("COMPLETE_USER_TASK", **task, useExampleData=True))))
    broker.instance("p").is_completed().has_variables(a=1)


async def test_a_mocked_worker_gives_the_example_data_of_each_element(broker: Broker):
    model = bpmn("start > a:job(type=mail) > b:job(type=mail) > end", id="p")
    for id in (b"a", b"b"):
        data = b'<zeebe:properties><zeebe:property name="camundaModeler:exampleOutputJson" value="{&#34;%b&#34;: 1}" /></zeebe:properties>'
        head, tail = model.split(b'<bpmn:serviceTask id="%b"' % id, 1)
        tail = tail.replace(b"<bpmn:extensionElements>", b"<bpmn:extensionElements>" + data % id, 1)
        model = head + b'<bpmn:serviceTask id="%b"' % id + tail
    await broker.deploy(("p.bpmn", model))
    await broker.play(
        Case("example", (do("MOCK_JOB_WORKER_COMPLETE_JOB", jobType="mail", useExampleData=True), create()))
    )
    broker.instance("p").is_completed().has_variables(a=1, b=1)


async def test_an_expression_is_asked_about_a_variable(broker: Broker):
    order = {"status": "approved", "items": [{"name": "Helmet", "quantity": 1}, {"name": "Flag", "quantity": 12.50}]}
    text = 'order.status = "approved" and count(order.items) = 2 and order.items[name = "Flag"][1].quantity = 12.5'
    await played(
        broker,
        'start > ask:user(in.n="=7") > end',
        create(order=order),
        do("ASSERT_VARIABLE", **P, variableName="order", satisfiesExpression=text),
        do("ASSERT_VARIABLE", **P, variableName="n", elementSelector={"elementId": "ask"}, satisfiesExpression="n > 6"),
    )


async def test_variables_go_where_they_are_or_stay_with_the_element(broker: Broker):
    ask = {"elementSelector": {"elementId": "ask"}}
    await played(
        broker,
        "start > ask:user > end",
        create(n=1),
        do("UPDATE_VARIABLES", **P, **ask, variables={"n": 2}),
        do("ASSERT_VARIABLES", **P, variables={"n": 2}),
        do("UPDATE_VARIABLES", **P, **ask, variables={"n": 3}, createLocalVariables=True),
        do("ASSERT_VARIABLES", **P, variables={"n": 2}),
        do("ASSERT_VARIABLES", **P, **ask, variables={"n": 3}),
    )


async def test_an_incident_is_expected_open_and_resolved(broker: Broker):
    it = {"incidentSelector": {"elementId": "pick"}}
    await played(
        broker,
        "start > pick:exclusive [n > 5 -> end]",
        create(n=1),
        do("ASSERT_INCIDENT", **it, state="IS_ACTIVE", errorType="CONDITION_ERROR", elementId="pick"),
        do("UPDATE_VARIABLES", **P, variables={"n": 9}),
        do("RESOLVE_INCIDENT", **it),
        do("ASSERT_INCIDENT", **it, state="IS_RESOLVED"),
    )
    with pytest.raises(AssertionError, match="Expected state of the incident at 'pick' to be 'IS_ACTIVE', but found"):
        await broker.play(Case("again", (do("ASSERT_INCIDENT", **it, state="IS_ACTIVE"),)))


# --- behaviors

AT_ASK = do("ASSERT_USER_TASK", userTaskSelector={"elementId": "ask"}, state="IS_CREATED")
LOOP = "start > ask:user > n:exclusive [again -> ask | else -> end]"


def completed(**variables: Any) -> dict[str, Any]:
    return do("COMPLETE_USER_TASK", userTaskSelector={"elementId": "ask"}, variables=variables)


@pytest.mark.parametrize("look_s", [0.002, 0])
async def test_a_behavior_acts_at_each_visit_and_repeats_its_last_action(
    broker: Broker, monkeypatch: pytest.MonkeyPatch, look_s: float
):
    monkeypatch.setattr(cases, "LOOK_S", look_s)  # with 0 every completion is one that lasts
    await played(
        broker,
        LOOP,
        when([AT_ASK], [completed(again=True, no=1), completed(again=True, no=2), completed(again=False)]),
        create(),
        is_("IS_COMPLETED"),
        do("ASSERT_ELEMENT_INSTANCE", **P, elementSelector={"elementId": "ask"}, state="IS_COMPLETED", amount=3),
        do("ASSERT_VARIABLES", **P, variables={"no": 2}),
        create(),
        is_("IS_COMPLETED"),
        do("ASSERT_ELEMENT_INSTANCE", **P, elementSelector={"elementId": "ask"}, state="IS_COMPLETED"),
    )


async def test_a_behavior_acts_once_while_its_conditions_go_on_to_hold(broker: Broker):
    await played(
        broker,
        'start > both:parallel [ask:user > end | more:catch(message=paid, key="=k") > still:catch(message=paid, key="=k") > end]',
        when([AT_ASK], [do("PUBLISH_MESSAGE", name="paid", correlationKey="x")]),
        create(k="x"),
        elements("IS_ACTIVE_EXACTLY", "ask", "still"),
    )


async def test_a_behavior_that_repeats_for_ever_is_stopped(broker: Broker, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cases, "REACTIONS_MAX", 50)
    with pytest.raises(AssertionError, match="Expected at most 50 reactions of behaviors, but found more"):
        await played(broker, LOOP, when([AT_ASK], [completed(again=True)]), create())


async def test_a_behavior_that_could_not_act_is_told_when_the_case_fails(broker: Broker):
    action = do("COMPLETE_JOB", jobSelector={"jobType": "x"})
    with pytest.raises(
        AssertionError, match=r"behavior 'pays' could not act: Expected an open job of \{'jobType': 'x'"
    ):
        await played(broker, LOOP, when([AT_ASK], [action], name="pays"), create(), is_("IS_COMPLETED"))


# --- completions that wait for a listener

GUARDED = "start > ask:user(native=yes, completing=check) > end"


def answered(**fields: Any) -> dict[str, Any]:
    return do("COMPLETE_JOB_USER_TASK_LISTENER", jobSelector={"jobType": "check"}, **fields)


@pytest.mark.parametrize(
    "instructions",
    [
        [create(), completed(x=1), answered(), is_("IS_COMPLETED")],
        [create(), completed(x=1), answered(denied=True, deniedReason="early"), AT_ASK],
        [do("MOCK_JOB_WORKER_COMPLETE_JOB", jobType="check"), create(), completed(), is_("IS_COMPLETED")],
        [
            when(
                [do("ASSERT_ELEMENT_INSTANCE", **P, elementSelector={"elementId": "ask"}, state="IS_ACTIVE")],
                [answered()],
            ),
            create(),
            completed(),
            is_("IS_COMPLETED"),
        ],
    ],
    ids=["a later instruction", "a denial", "a mocked worker", "a behavior"],
)
async def test_a_completion_waits_for_its_listener(broker: Broker, instructions: list[dict[str, Any]]):
    await played(broker, GUARDED, *instructions)


async def test_a_completion_that_still_waits_at_the_end_is_a_failure(broker: Broker):
    with pytest.raises(
        AssertionError, match="the end of 'case': Expected user task 'ask' to be completed, but it waits"
    ):
        await played(broker, GUARDED, create(), completed())


async def test_an_ad_hoc_subprocess_is_led_by_its_worker(broker: Broker):
    await played(
        broker,
        "start > box:adhoc(type=agent) { a:user & b:user } > end",
        create(),
        do(
            "COMPLETE_JOB_AD_HOC_SUB_PROCESS",
            jobSelector={"jobType": "agent"},
            activateElements=[{"elementId": "a", "variables": {"x": 1}}],
        ),
        elements("IS_ACTIVE", "a"),
        elements("IS_NOT_ACTIVATED", "b"),
    )


async def test_task_listeners_correct_and_deny(broker: Broker):
    task = {"userTaskSelector": {"elementId": "ask"}}
    check = {"jobSelector": {"jobType": "check"}}
    await played(
        broker,
        'start > ask:user(native=yes, groups==["a"], creating=check) > end',
        create(),
        do(
            "COMPLETE_JOB_USER_TASK_LISTENER",
            **check,
            corrections={"assignee": "ada", "candidateGroups": [], "priority": 90, "dueDate": "2090-05-01T08:00:00Z"},
        ),
        do("ASSERT_USER_TASK", **task, state="IS_CREATED", assignee="ada", candidateGroups=[], priority=90),
        do("ASSERT_USER_TASK", **task, dueDate="2090-05-01T10:00:00+02:00"),
    )


async def test_a_task_listener_denies_a_completion(broker: Broker):
    instance = await started_with_listener(broker)
    completing = asyncio.ensure_future(instance.complete_task("ask"))
    while not broker.view.jobs(type="check"):
        await asyncio.sleep(0)
    deny = do(
        "COMPLETE_JOB_USER_TASK_LISTENER", jobSelector={"jobType": "check"}, denied=True, deniedReason="too early"
    )
    await broker.play(Case("denied", (deny,)))
    with pytest.raises(osmia.InvalidState, match="too early"):
        await completing
    instance.has_task("ask")


async def started_with_listener(broker: Broker) -> osmia.testing.Instance:
    await broker.deploy(("p.bpmn", bpmn("start > ask:user(native=yes, completing=check) > end", id="p")))
    return await broker.start("p")


# --- refusals


@pytest.mark.parametrize(
    ("instruction", "text"),
    [
        (is_("IS_COMPLETED"), "to be COMPLETED, but it is ACTIVE"),
        (is_("IS_TERMINATED"), "to be CANCELED"),
        (elements("IS_ACTIVE", "archive"), "'archive' that is active, but found none"),
        (elements("IS_ACTIVE_EXACTLY", "approve", "archive"), "to be active, but found ['approve']"),
        (elements("IS_NOT_ACTIVATED", "approve"), "'approve' not to be activated, but found it was"),
        (elements("IS_NOT_ACTIVE", "approve"), "not to wait at 'approve'"),
        (elements("IS_COMPLETED_IN_ORDER", "approve"), "to have passed 'approve'"),
        (elements("IS_ACTIVE", "aprove"), "did you mean 'approve'"),
        (
            do("ASSERT_ELEMENT_INSTANCE", **P, elementSelector={"elementId": "approve"}, state="IS_ACTIVE", amount=2),
            "2 visits of 'approve'",
        ),
        (do("ASSERT_VARIABLES", **P, variables={"approver": "Ada"}), 'approver = "Ada"'),
        (do("ASSERT_VARIABLES", **P, variableNames=["coffee"]), "a variable 'coffee'"),
        (
            do("ASSERT_USER_TASK", **APPROVE, assignee="Ada"),
            "Expected assignee of user task 'approve' to be 'Ada', but found 'Zee'",
        ),
        (do("ASSERT_USER_TASK", **APPROVE, state="IS_COMPLETED"), "to be IS_COMPLETED, but it is CREATED"),
        (do("COMPLETE_USER_TASK", userTaskSelector={"elementId": "x"}), "but found 'approve'"),
        (do("COMPLETE_USER_TASK", **APPROVE, useExampleData=True), "Expected example data of 'approve'"),
        (do("COMPLETE_JOB", jobSelector={"jobType": "x"}), "Expected an open job of {'jobType': 'x'}, but found none"),
        (do("CORRELATE_MESSAGE", name="paid"), "'paid'"),
        (do("ASSERT_INCIDENT", incidentSelector={"elementId": "approve"}), "Expected an incident of"),
        (
            do("UPDATE_VARIABLES", **P, elementSelector={"elementId": "archive"}, variables={"x": 1}),
            "to be at 'archive'",
        ),
        (
            do("ASSERT_VARIABLE", **P, variableName="approver", satisfiesExpression='approver = "Ada"'),
            'approver = "Ada" to be true of approver, but found false',
        ),
        (do("ASSERT_VARIABLE", **P, variableName="approver", satisfiesExpression="=approver"), "without '='"),
        (do("ASSERT_VARIABLE", **P, variableName="approver", satisfiesExpression="approver ="), "Expected"),
        (do("ASSERT_VARIABLE", **P, variableName="coffee"), "a variable 'coffee'"),
        (do("RESOLVE_INCIDENT", incidentSelector={"elementId": "ok"}), "Expected an open incident"),
        (
            do("EVALUATE_DECISION", decisionDefinitionSelector={"decisionDefinitionId": "x"}),
            "no decision found for id 'x'",
        ),
        (
            do("ASSERT_DECISION", decisionSelector={"decisionDefinitionId": "x"}),
            "Expected an evaluation of the decision",
        ),
        (do("INCREASE_TIME", duration="soon"), "a duration"),
        (
            do("ASSERT_PROCESS_INSTANCE", processInstanceSelector={"processDefinitionId": "q"}),
            "Expected an instance of 'q', but found p",
        ),
        (do("COMPLETE_JOB_USER_TASK_LISTENER", jobSelector={"jobType": "x"}), "Expected an open job of"),
    ],
)
async def test_a_failed_instruction_is_named(broker: Broker, instruction: dict[str, Any], text: str):
    with pytest.raises(AssertionError) as failed:
        await played(broker, MODEL, START, instruction)
    assert str(failed.value).startswith(f"instruction 2 of 'case', {instruction['type']}: ")
    assert text in str(failed.value)


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ("{", "Expected JSON in "),
        ("[]", "Expected 'testCases' in "),
        ('{"testCases": {}}', "a list, but found dict"),
        ('{"testCases": [{"instructions": []}]}', "case 1 of "),
        ('{"testCases": [{"name": "a"}]}', "to have instructions, a list, but found NoneType"),
        ('{"testCases": [{"name": "a", "instructions": [{"type": "COFFEE"}]}]}', "but found 'COFFEE'"),
        (one(do("ASSERT_VARIABLE", **P, variableName="x", satisfiesJudge={"expectation": "kind"})), "a language model"),
        (one(do("ASSERT_VARIABLE", **P, variableName="x", similarTo={"expectedValue": "kind"})), "a language model"),
        (one(do("RELEASE_JOB", jobSelector={"elementId": "a"})), "but found RELEASE_JOB, of jobs that are reserved"),
        (one(create() | {"reserveJobs": True}), "but found 'reserveJobs', of jobs that are reserved"),
        (
            one(is_("IS_DONE")),
            "to have a state of IS_ACTIVE, IS_COMPLETED, IS_CREATED, IS_TERMINATED, but found 'IS_DONE'",
        ),
        (one(do("COMPLETE_JOB", jobSelector={})), "to have one of elementId, jobType, processDefinitionId, but found"),
        (one(do("COMPLETE_JOB", jobSelector={"elementid": "a"})), "to have known fields, but found 'elementid'"),
        (one(do("COMPLETE_JOB", jobSelector="a")), "'jobSelector' of instruction 1"),
        (one(do("SET_TIME", time=7)), "to be a text, but found 7"),
        (one(do("ASSERT_USER_TASK", userTaskSelector={"elementId": "a"}, priority=True)), "a whole number, but found"),
        (one(elements("IS_ACTIVE") | {"elementSelectors": ["a"]}), "to hold objects, but found 'a'"),
        (one(create() | {"variables": [1]}), "to be an object, but found [1]"),
        (one(when([], [is_("IS_ACTIVE")])), "'conditions' of instruction 1"),
        (one(when([is_("IS_ACTIVE")], [])), "to hold at least one instruction, but found none"),
        (one(when([is_("IS_ACTIVE")], [is_("IS_ACTIVE")])), "but found ASSERT_PROCESS_INSTANCE"),
        (one(when([do("SET_TIME", time="")], [is_("IS_ACTIVE")])), "but found SET_TIME"),
        (one(when([do("COFFEE")], [])), "number 1 of 'conditions' of instruction 1"),
        (
            '{"testCases": [{"name": "a", "instructions": [7]}]}',
            "to have a type of Camunda Process Test, but found None",
        ),
        ('{"testCases": [{"name": "a", "instructions": [{"type": "SET_TIME"}]}]}', "to have 'time', but found none"),
        (
            '{"testCases": [{"name": "a", "instructions": [{"type": "SET_TIME", "time": "", "tmie": 1}]}]}',
            "known fields, but found 'tmie'",
        ),
    ],
)
def test_a_file_that_is_none_is_refused(tmp_path: Path, document: str, text: str):
    path = tmp_path / "cases.json"
    path.write_text(document)
    with pytest.raises(ValueError, match="Expected") as refused:
        read_cases(path)
    assert text in str(refused.value)


def test_a_file_is_read_with_what_other_tools_add(tmp_path: Path):
    path = tmp_path / "cases.json"
    case = {"name": "Happy path", "description": "All is well", "instructions": [START], "metadata": {"x": 1}}
    path.write_text(json.dumps({"$schema": "x", "processId": "p", "testCases": [case]}))
    [read] = read_cases(path)
    assert (str(read), read.description, len(read.instructions)) == ("Happy path", "All is well", 1)
