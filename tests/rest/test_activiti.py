"""The Activiti dialect as people meet it: deployed, started and worked on over REST (user-tasks.md, sections 1 to 5)."""

from typing import Any

import httpx
import msgspec
import pytest

from tests.activiti import extension_file, patch, properties, value, variable
from tests.bpmn import bpmn
from tests.rest.conftest import Rest

DEMO = {"Osmia-User": "demo"}
ENABLED = "_ACTIVITI_SKIP_EXPRESSION_ENABLED"


class Desk:
    """One process of a test: deploy it, start it, and see its tasks."""

    def __init__(self, rest: Rest, id: str) -> None:
        self.rest, self.id, self.instance = rest, id, ""

    def deploy(self, line: str, **extensions: Any) -> httpx.Response:
        files = [("resources", (f"{self.id}.bpmn", bpmn(line, id=self.id, dialect="activiti")))]
        if extensions:
            files.append(("resources", (f"{self.id}-extensions.json", extension_file(self.id, **extensions))))
        return self.rest.http.post("/deployments", files=files)

    def started(self, line: str, variables: Any = None, **extensions: Any) -> list[dict[str, Any]]:
        """The tasks after the start."""
        deployed = self.deploy(line, **extensions)
        assert deployed.status_code == 200, deployed.text
        self.start(variables or {})
        return self.tasks()

    def start(self, variables: Any) -> None:
        body = {"processDefinitionId": self.id, "variables": variables}
        self.instance = self.rest.post("/process-instances", body, headers=DEMO)["processInstanceKey"]

    def tasks(self) -> list[dict[str, Any]]:
        asked = {"filter": {"processInstanceKey": self.instance, "state": "CREATED"}}
        return list(self.rest.post("/user-tasks/search", asked)["items"])

    def complete(self, task: dict[str, Any], variables: Any) -> httpx.Response:
        return self.rest.ask("POST", f"/user-tasks/{task['userTaskKey']}/completion", {"variables": variables})

    def seen(self, task: dict[str, Any]) -> dict[str, Any]:
        found = self.rest.post(f"/user-tasks/{task['userTaskKey']}/variables/search", {})
        return {one["name"]: msgspec.json.decode(one["value"]) for one in found["items"]}

    def variables(self) -> dict[str, Any]:
        asked = {"filter": {"processInstanceKey": self.instance, "scopeKey": self.instance}}
        found = self.rest.post("/variables/search", asked)
        return {one["name"]: msgspec.json.decode(one["value"]) for one in found["items"]}

    def incidents(self) -> list[str]:
        found = self.rest.post("/incidents/search", {"filter": {"processInstanceKey": self.instance}})
        return [one["errorType"] for one in found["items"]]


@pytest.fixture
def desk(rest: Rest, unique: str) -> Desk:
    return Desk(rest, unique)


@pytest.mark.parametrize(
    ("task", "given", "expected"),
    [
        ("name=Decide", {}, {"name": "Decide", "priority": 50, "assignee": None, "candidateGroups": []}),
        ('name="For ${who.name}"', {"who": {"name": "Ada"}}, {"name": "For Ada"}),
        ('name="For ${nobody}"', {}, {"name": "For ${nobody}"}),
        ('doc="${n} pieces"', {"n": 2}, {"description": "2 pieces"}),
        ('doc="${nobody}"', {}, {"description": "${nobody}"}),
        ("category=food", {}, {"category": "food"}),
        ('category="${c}"', {"c": "food"}, {"category": "food"}),
        ('assignee="${initiator}"', {}, {"assignee": "demo"}),
        ('assignee="${who}"', {"who": None}, {"assignee": None}),
        ("assignee=ada", {}, {"assignee": "ada"}),
        ('groups="a, ${g}", users="${u}"', {"g": ["b", "c"], "u": "ada,bob"}, {"candidateGroups": ["a", "b", "c"], "candidateUsers": ["ada", "bob"]}),
        ("priority=-1", {}, {"priority": -1}),
        ("priority=900", {}, {"priority": 900}),
        ('priority="${p}"', {"p": "4"}, {"priority": 4}),
        ("form=embedded", {}, {"externalFormReference": "embedded", "formKey": None}),
        ('form="f-${n}"', {"n": 7}, {"externalFormReference": "f-7"}),
        ("due=2030-01-31", {}, {"dueDate": "2030-01-31T00:00:00Z"}),
        ("due=P1D", {}, {"dueDate": "2027-01-16T08:00:00Z"}),
        ('due="${d}"', {"d": "2030-01-31T10:00:00+02:00"}, {"dueDate": "2030-01-31T10:00:00+02:00"}),
        ('due="${d}"', {"d": None}, {"dueDate": None}),
    ],
)  # fmt: skip
def test_an_attribute_is_in_the_list(desk: Desk, task: str, given: Any, expected: Any):
    [found] = desk.started(f"start > t:user({task}) > end", given)
    assert {name: found[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("task", "given"),
    [
        ('assignee="${nobody}"', {}),
        ('groups="${g}"', {"g": None}),
        ('users="${g}"', {"g": 5}),
        ('due="${d}"', {"d": "soon"}),
        ('due="${d}"', {"d": 5}),
        ('due="${d}"', {"d": "R3/PT5M"}),
        ('priority="${p}"', {"p": "high"}),
        ('form="${f}"', {"f": 5}),
        ('category="${c}"', {"c": 5}),
    ],
)
def test_what_cannot_be_evaluated_leaves_no_task(desk: Desk, task: str, given: Any):
    assert desk.started(f"start > t:user({task}) > end", given) == []
    assert desk.incidents() == ["EXTRACT_VALUE_ERROR"]


@pytest.mark.parametrize(
    ("line", "extensions", "reason"),
    [
        ('start > t:user(assignee="${who.trim()}") > end', {}, "methods and functions cannot be called"),
        ('start > t:user(name="${who") > end', {}, "failed to parse expression"),
        ("start > t:user(priority=high) > end", {}, "Expected a whole number"),
        ("start > t:user(due=R3/PT5M) > end", {}, "Expected an ISO date"),
        ("start > t:user > end", {"mappings": {"t": {"mappingType": "SOME"}}}, "Expected 'mappingType' to be one of"),
        ("start > t:user > end", {"mappings": {"t": {"inputs": {"a": {"type": "script"}}}}}, "Expected a 'type' of variable, value or jsonpatch"),
    ],
)  # fmt: skip
def test_a_faulty_model_is_refused(desk: Desk, line: str, extensions: Any, reason: str):
    refused = desk.deploy(line, **extensions)
    assert (refused.status_code, reason in refused.json()["detail"]) == (400, True), refused.text


def test_an_extension_file_alone_is_refused(rest: Rest):
    refused = rest.http.post("/deployments", files={"resources": ("alone-extensions.json", extension_file())})
    assert refused.status_code == 400
    assert "Expected the BPMN file 'alone.bpmn'" in refused.json()["detail"]


def test_both_files_make_the_version(desk: Desk):
    line = "start > t:user > end"
    versions = [
        desk.deploy(line, **extensions).json()["deployments"][0]["processDefinition"]["processDefinitionVersion"]
        for extensions in ({"properties": {}}, {"properties": {}}, {"properties": properties(a="string")}, {})
    ]
    assert versions == [1, 1, 2, 3]


@pytest.mark.parametrize(
    ("declared", "given", "detail"),
    [
        ({"a": {"type": "string", "required": True}}, {}, "without required variables - a"),
        ({"count": "integer"}, {"count": "many"}, "as variables fail type validation - count"),
    ],
)
def test_a_start_with_wrong_variables_is_refused(desk: Desk, declared: Any, given: Any, detail: str):
    desk.deploy("start > t:user > end", properties=properties(**declared))
    body = {"processDefinitionId": desk.id, "variables": given}
    problem = desk.rest.refusal("POST", "/process-instances", body)
    assert (problem["status"], problem["title"]) == (400, "INVALID_ARGUMENT")
    assert f"Can't start process '{desk.id}' {detail}" in problem["detail"]


@pytest.mark.parametrize(
    ("extensions", "seen"),
    [
        ({}, {"a": 1}),
        ({"mappings": {"t": {}}}, {}),
        ({"mappings": {"t": {"mappingType": "MAP_ALL"}}}, {"a": 1}),
        ({"mappings": {"t": {"inputs": {"c": variable("a"), "d": value("n ${a}")}}}}, {"c": 1, "d": "n 1"}),
        ({"mappings": {"t": {}}, "constants": {"t": {"_limit": {"value": 3}}}}, {"_limit": 3}),
    ],
)
def test_the_variables_of_a_task_are_those_of_its_mapping(desk: Desk, extensions: Any, seen: Any):
    [task] = desk.started("start > t:user > end", {"a": 1}, **extensions)
    assert desk.seen(task) == seen


@pytest.mark.parametrize(
    ("outputs", "submitted", "left"),
    [
        ({"flavor": variable("choice")}, {"choice": "hot", "other": 1}, {"a": 1, "flavor": "hot"}),
        ({"flavor": value("very ${choice}")}, {"choice": "hot"}, {"a": 1, "flavor": "very hot"}),
        ({"flavor": patch({"op": "add", "path": "/x/y", "value": "${a}"})}, {}, {"a": 1, "flavor": {"x": {"y": 1}}}),
        ({}, {"choice": "hot"}, {"a": 1}),
    ],
)
def test_only_mapped_variables_leave_a_completed_task(desk: Desk, outputs: Any, submitted: Any, left: Any):
    extensions = {"properties": properties(flavor="json"), "mappings": {"t": {"outputs": outputs}}}
    [task] = desk.started("start > t:user > rest:user > end", {"a": 1}, **extensions)
    assert desk.complete(task, submitted).status_code == 204
    assert desk.variables() == left


def test_a_person_may_not_submit_an_expression(desk: Desk):
    [task] = desk.started("start > t:user > rest:user > end", mappings={"t": {"outputs": {}}})
    refused = desk.complete(task, {"x": "${1 + 1}"})
    assert refused.status_code == 400
    assert "Expressions are not allowed as variable values in the output mapping" in refused.json()["detail"]
    assert [one["userTaskKey"] for one in desk.tasks()] == [task["userTaskKey"]]


def test_a_loop_makes_a_task_for_each_item_and_collects_the_results(desk: Desk):
    loop = 'collection=people, element=p, assignee="${p}", name="${loopCounter + 1} of ${nrOfInstances}", output=meals, output_item=meal'
    tasks = desk.started(f"start > m:user({loop}) > rest:user > end", {"people": ["ada", "bob"]})
    assert sorted((one["assignee"], one["name"]) for one in tasks) == [("ada", "1 of 2"), ("bob", "2 of 2")]
    for task in sorted(tasks, key=lambda one: str(one["assignee"]), reverse=True):
        assert desk.complete(task, {"meal": f"for {task['assignee']}"}).status_code == 204
    assert desk.variables() == {"people": ["ada", "bob"], "meals": ["for bob", "for ada"]}


@pytest.mark.parametrize(("given", "at"), [({ENABLED: True, "skip": True}, "rest"), ({"skip": True}, "t")])
def test_a_skipped_task_is_not_in_the_list(desk: Desk, given: Any, at: str):
    tasks = desk.started('start > t:user(skip="${skip}") > rest:user > end', given)
    assert [one["elementId"] for one in tasks] == [at]
