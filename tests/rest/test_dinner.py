"""The acceptance scenario over REST, once for each kind of user task (user-tasks.md, section 8)."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.rest.conftest import Rest
from tests.running_broker import running_broker

MODEL = """<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL" {spaces} targetNamespace="t" id="d">
  <bpmn:process id="dinner" name="Dinner" isExecutable="true">
    <bpmn:startEvent id="start"><bpmn:outgoing>f1</bpmn:outgoing></bpmn:startEvent>
    <bpmn:sequenceFlow id="f1" sourceRef="start" targetRef="decide"/>
    <bpmn:userTask id="decide" name="Decide what's for dinner" {decide}
    <bpmn:sequenceFlow id="f2" sourceRef="decide" targetRef="eat"/>
    <bpmn:userTask id="eat" name="Eat dinner" {eat}
    <bpmn:sequenceFlow id="f3" sourceRef="eat" targetRef="end"/>
    <bpmn:endEvent id="end"/>
  </bpmn:process>
</bpmn:definitions>"""
ZEEBE = 'xmlns:zeebe="http://camunda.org/schema/zeebe/1.0"'
ACTIVITI = 'xmlns:activiti="http://activiti.org/bpmn"'


def zeebe(assignment: str, *, native: bool) -> str:
    marker = "<zeebe:userTask/>" if native else ""
    extensions = f"{marker}<zeebe:assignmentDefinition {assignment}/>"
    return f"><bpmn:extensionElements>{extensions}</bpmn:extensionElements></bpmn:userTask>"


KINDS = {
    "job": MODEL.format(
        spaces=ZEEBE,
        decide=zeebe('candidateGroups="family"', native=False),
        eat=zeebe('assignee="=host"', native=False),
    ),
    "native": MODEL.format(
        spaces=ZEEBE, decide=zeebe('candidateGroups="family"', native=True), eat=zeebe('assignee="=host"', native=True)
    ),
    "activiti": MODEL.format(
        spaces=ACTIVITI,
        decide='activiti:candidateGroups="family"/>',
        eat='activiti:assignee="${initiator}"/>',
    ),
}
DEMO = {"Osmia-User": "demo", "Osmia-Groups": "family"}


class Dinner(Rest):
    """The scenario's steps, by what a person does."""

    def deploy_model(self, content: str) -> dict[str, Any]:
        answer = self.http.post("/deployments", files={"resources": ("dinner.bpmn", content)})
        assert answer.status_code == 200, answer.text
        return dict(answer.json()["deployments"][0]["processDefinition"])

    def start(self) -> str:
        body = {"processDefinitionId": "dinner", "variables": {"host": "demo"}}
        return str(self.post("/process-instances", body, headers=DEMO)["processInstanceKey"])

    def tasks(self, instance: str, **filter: Any) -> list[dict[str, Any]]:
        found = self.post("/user-tasks/search", {"filter": {"processInstanceKey": instance, **filter}})
        assert found["page"]["totalItems"] == len(found["items"])
        return list(found["items"])

    def claim(self, key: str, person: str) -> int:
        body = {"assignee": person, "allowOverride": False}
        return self.ask("POST", f"/user-tasks/{key}/assignment", body, headers={"Osmia-User": person}).status_code

    def complete(self, key: str, **variables: Any) -> int:
        return self.ask("POST", f"/user-tasks/{key}/completion", {"variables": variables}, headers=DEMO).status_code


@pytest.mark.parametrize("kind", KINDS)
def test_two_people_bring_a_dinner_to_its_end(kind: str, tmp_path: Path):
    with running_broker(tmp_path) as broker:
        dinner = Dinner(broker)
        first = dinner.deploy_model(KINDS[kind])
        assert dinner.deploy_model(KINDS[kind]) == first, "1: the same file is the same version"
        changed = dinner.deploy_model(KINDS[kind].replace("</bpmn:definitions>", "\n</bpmn:definitions>"))
        assert changed["processDefinitionVersion"] == 2

        instance = dinner.start()
        numbers = dinner.get(f"/process-instances/{instance}/statistics/element-instances")["items"]
        assert {one["elementId"]: one["active"] for one in numbers}.get("decide") == 1, "2"

        (task,) = dinner.tasks(instance, state="CREATED", assignee={"$exists": False})
        shown = ("name", "processName", "priority", "assignee", "candidateGroups", "state")
        assert [task[name] for name in shown] == [
            *("Decide what's for dinner", "Dinner", 50, None, ["family"], "CREATED"),
        ], "3"
        assert task["creationDate"]
        assert dinner.tasks(instance, candidateGroup="family") == [task]
        assert dinner.tasks(instance, assignee="anna") == dinner.tasks(instance, state="COMPLETED") == []

        with ThreadPoolExecutor(2) as both:
            outcomes = [*both.map(lambda person: dinner.claim(task["userTaskKey"], person), ("anna", "demo"))]
        assert sorted(outcomes) == [204, 409], "4"
        winner = ("anna", "demo")[outcomes.index(204)]
        assert dinner.tasks(instance, assignee=winner)[0]["userTaskKey"] == task["userTaskKey"]

        assert dinner.ask("DELETE", f"/user-tasks/{task['userTaskKey']}/assignee").status_code == 204, "5"
        assert dinner.claim(task["userTaskKey"], "demo") == 204
        (mine,) = dinner.tasks(instance, assignee="demo")

        dinner.http.close()
        broker.restart()
        dinner = Dinner(broker)
        assert dinner.tasks(instance, assignee="demo") == [mine], "6"

        assert dinner.complete(task["userTaskKey"], dinner="chicken") == 204, "7"
        assert dinner.complete(task["userTaskKey"], dinner="fish") == 404
        (done,) = dinner.tasks(instance, state="COMPLETED")
        assert (done["userTaskKey"], done["assignee"], bool(done["completionDate"])) == (
            *(task["userTaskKey"], "demo", True),
        )

        numbers = dinner.get(f"/process-instances/{instance}/statistics/element-instances")["items"]
        assert {one["elementId"]: (one["active"], one["completed"]) for one in numbers} == {
            "start": (0, 1),
            "decide": (0, 1),
            "eat": (1, 0),
        }, "8"
        found = dinner.post("/variables/search", {"filter": {"processInstanceKey": instance, "name": "dinner"}})
        assert [one["value"] for one in found["items"]] == ['"chicken"']

        (eat,) = dinner.tasks(instance, state="CREATED")
        assert (eat["elementId"], eat["assignee"]) == ("eat", "demo"), "9"
        visible = dinner.post(f"/user-tasks/{eat['userTaskKey']}/variables/search", {})["items"]
        assert "dinner" in {one["name"] for one in visible}

        assert dinner.complete(eat["userTaskKey"]) == 204, "10"
        assert dinner.get(f"/process-instances/{instance}")["state"] == "COMPLETED"
        assert {one["elementId"] for one in dinner.tasks(instance, state="COMPLETED")} == {"decide", "eat"}

        second = dinner.start()
        (open_task,) = dinner.tasks(second)
        dinner.post(f"/process-instances/{second}/cancellation")
        assert [one["state"] for one in dinner.tasks(second)] == ["CANCELED"], "11"
        assert dinner.complete(open_task["userTaskKey"]) == 404

        history = dinner.post(f"/user-tasks/{task['userTaskKey']}/audit-logs/search", {})["items"]
        steps = [(one["operationType"], one["actorId"]) for one in history]
        assert ("ASSIGN", winner) in steps
        assert steps[-1] == ("COMPLETE", "demo")
        dinner.http.close()


@pytest.mark.parametrize("kind", ["job", "activiti"])
@pytest.mark.parametrize("first", ["job", "list"])
def test_the_job_and_the_entry_of_the_list_end_each_other(kind: str, first: str, tmp_path: Path):
    with running_broker(tmp_path) as broker:
        dinner = Dinner(broker)
        dinner.deploy_model(KINDS[kind])
        instance = dinner.start()
        (task,) = dinner.tasks(instance)
        body = {"type": "io.camunda.zeebe:userTask", "timeout": 60_000, "maxJobsToActivate": 5, "requestTimeout": -1}
        (job,) = dinner.post("/jobs/activation", body)["jobs"]
        assert (job["elementInstanceKey"], job["kind"]) == (task["elementInstanceKey"], "BPMN_ELEMENT")
        completion = f"/jobs/{job['jobKey']}/completion"
        if first == "job":
            assert dinner.ask("POST", completion, {"variables": {"dinner": "soup"}}).status_code == 204
            assert dinner.complete(task["userTaskKey"]) == 404
        else:
            assert dinner.complete(task["userTaskKey"], dinner="soup") == 204
            assert dinner.ask("POST", completion, {}).status_code == 404
        assert [one["elementId"] for one in dinner.tasks(instance, state="COMPLETED")] == ["decide"]
        dinner.http.close()
