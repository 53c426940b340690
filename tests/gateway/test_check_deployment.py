"""A deployment that is only checked says what the deployment then does."""

import re

import msgspec
import pytest

from osmia import InvalidArgument, SyncClient
from osmia.results import DeploymentPlan, PlannedDefinition
from tests.bpmn import bpmn
from tests.running_broker import RunningBroker

File = tuple[str, bytes]
FRAME = re.compile(r"^Command '\w+' rejected with code '\w+': ")  # of a command; a check is none


class Files:
    """Files with ids of one test's own."""

    def __init__(self, id: str) -> None:
        self.id = id

    def process(self, line: str = "start > a:user > end", name: str = "p.bpmn") -> File:
        return name, bpmn(line, id=self.id)

    def bound(self) -> File:
        """A process that is bound to the decision that is deployed with it."""
        file = bpmn(f"start > t:rule(decision={self.id}_d, result=r) > end", id=self.id).decode()
        return "p.bpmn", file.replace(
            "<zeebe:calledDecision", '<zeebe:calledDecision bindingType="deployment"'
        ).encode()

    def decision(self, result: int, name: str = "d.dmn") -> File:
        text = (
            f'<definitions xmlns="https://www.omg.org/spec/DMN/20191111/MODEL/" id="g_{self.id}" name="g" namespace="urn:test">'
            f'<decision id="{self.id}_d" name="d"><variable name="r"/><literalExpression><text>{result}</text></literalExpression>'
            "</decision></definitions>"
        )
        return name, text.encode()

    def form(self, title: str) -> File:
        return "f.form", msgspec.json.encode({"id": f"{self.id}_f", "title": title})


@pytest.fixture
def client(gateway_broker: RunningBroker) -> SyncClient:
    return gateway_broker.client


@pytest.fixture
def files(unique: str) -> Files:
    return Files(unique)


def done(client: SyncClient, *files: File) -> list[PlannedDefinition]:
    """What a deployment does, in the words of a plan."""
    deployed = client.deploy(*files)
    graphs = {one.key: one.resource_name for one in deployed.decision_requirements}
    found = [
        *(("process", one.bpmn_process_id, one.version, one.key, one.resource_name) for one in deployed.processes),
        *(
            ("decision", one.decision_id, one.version, one.key, graphs[one.requirements_key])
            for one in deployed.decisions
        ),
        *(("form", one.form_id, one.version, one.key, one.resource_name) for one in deployed.forms),
    ]
    return [PlannedDefinition(kind, id, version, key > deployed.key, name) for kind, id, version, key, name in found]


def test_a_plan_says_what_each_of_many_deployments_then_does(client: SyncClient, files: Files):
    steps = [
        [files.process(), files.decision(1), files.form("a")],
        [files.process(), files.decision(1), files.form("a")],  # nothing is new
        [files.process(), files.decision(2), files.form("b")],
        [files.process("start > b:user > end")],
        [files.process("start > b:user > end", name="renamed.bpmn")],
        [files.bound(), files.decision(2)],
        [files.bound(), files.decision(2)],
        [files.bound(), files.decision(3)],  # what is bound changes with what it is bound to
        [files.decision(4)],
        [files.bound(), files.decision(4)],  # and when that has changed meanwhile
    ]
    for number, step in enumerate(steps):
        plan = client.check_deployment(*step)
        assert sorted(plan.definitions, key=str) == sorted(done(client, *step), key=str), f"step {number}"


def test_the_number_of_a_deleted_version_is_not_planned_again(client: SyncClient, files: Files, unique: str):
    client.deploy(files.process())
    newest = client.deploy(files.process("start > b:user > end")).processes[0]
    client.delete_resource(newest.key)
    (unchanged,) = client.check_deployment(files.process()).definitions
    assert (unchanged.version, unchanged.is_new) == (1, False)
    (again,) = client.check_deployment(files.process("start > b:user > end")).definitions
    assert again == PlannedDefinition("process", unique, 3, True, "p.bpmn")


def test_nothing_is_deployed_by_a_check(client: SyncClient, files: Files, unique: str):
    assert client.check_deployment(files.process()).definitions[0].is_new
    assert client.search_definitions(bpmn_process_id=unique).items == []


def test_a_check_warns_of_what_probably_does_not_do_what_it_should(client: SyncClient, files: Files):
    line = 'start > s:script(expression="=summ([1])", result=x) > end'
    plan = client.check_deployment(files.process(line))
    assert isinstance(plan, DeploymentPlan)
    assert ["summ" in warning for warning in plan.warnings] == [True]


@pytest.mark.parametrize("case", ["nothing", "no model", "another kind", "twice"])
def test_a_check_refuses_what_a_deployment_refuses_and_in_its_words(client: SyncClient, files: Files, case: str):
    given: list[File] = {
        "nothing": [],
        "no model": [files.process(), ("bad.bpmn", b"<no model")],
        "another kind": [("notes.txt", b"x")],
        "twice": [files.process(), files.process(name="q.bpmn")],
    }[case]
    with pytest.raises(InvalidArgument) as deployed:
        client.deploy(*given)
    with pytest.raises(InvalidArgument) as checked:
        client.check_deployment(*given)
    assert checked.value.details == FRAME.sub("", deployed.value.details)
