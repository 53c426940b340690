"""Versions of what is deployed together, and where `bindingType="deployment"` leads (reliability.md, promise 8)."""

import re

import msgspec
import pytest

from tests.bpmn import bpmn
from tests.doors import Door, EngineDoor, Refused
from tests.harness import RESERVED, Scenario

#: not over gRPC: that broker is shared by all tests, and versions are counted from 1 here
pytestmark = pytest.mark.parametrize("door", ["engine", "restarts"], indirect=True)

File = tuple[str, bytes]


def decision(result: int, *, id: str = "dec", name: str = "decision.dmn") -> File:
    text = (
        f'<definitions xmlns="https://www.omg.org/spec/DMN/20191111/MODEL/" id="g_{id}" name="g" namespace="urn:test">'
        f'<decision id="{id}" name="{id}"><variable name="r"/><literalExpression><text>{result}</text></literalExpression>'
        "</decision></definitions>"
    )
    return name, text.encode()


def form(title: str, *, name: str = "ask.form") -> File:
    return name, msgspec.json.encode({"id": "ask", "title": title})


def rule(*, binding: str = "deployment", decision: str = "dec", id: str = "process", name: str = "p.bpmn") -> File:
    file = bpmn(f'start > t:rule(decision="{decision}", result=r) > w:job > end', id=id).decode()
    return name, file.replace("<zeebe:calledDecision", f'<zeebe:calledDecision bindingType="{binding}"').encode()


def person(*, name: str = "p.bpmn") -> File:
    file = bpmn("start > t:user(form_id=ask) > end").decode()
    return name, file.replace("<zeebe:formDefinition", '<zeebe:formDefinition bindingType="deployment"').encode()


def plain(line: str = "start > end", *, id: str = "process", name: str = "p.bpmn") -> File:
    return name, bpmn(line, id=id)


def versions(door: EngineDoor) -> dict[str, list[int]]:
    """All versions of each definition, by its id."""
    definitions = door.definitions
    found: dict[str, list[int]] = {}
    for table, field in (
        (definitions.processes, "bpmn_process_id"),
        (definitions.decisions, "decision_id"),
        (definitions.requirements, "decision_requirements_id"),
        (definitions.forms, "form_id"),
    ):
        for row in table.all():
            found.setdefault(getattr(row, field), []).append(row.version)
    return found


def result(door: Door) -> object:
    scenario = Scenario(door)
    scenario.play("create; waits w")
    return door.variables(scenario.instance)["r"]


@pytest.mark.parametrize("order", [1, -1])
def test_a_changed_decision_reaches_the_process_that_is_deployed_with_it(door: EngineDoor, order: int):
    door.deploy(*[rule(), decision(1)][::order])
    assert result(door) == 1
    door.deploy(*[rule(), decision(2)][::order])
    assert result(door) == 2
    assert versions(door) == {"process": [1, 2], "dec": [1, 2], "g_dec": [1, 2]}


def test_instances_of_the_version_before_keep_their_decision(door: EngineDoor):
    door.deploy(rule(), decision(1))
    old = door.definitions.processes.latest("process")
    door.deploy(rule(), decision(2))
    scenario = Scenario(door)
    scenario.instance = door.create("process", "{}", version=old.version)
    assert door.variables(scenario.instance)["r"] == 1


@pytest.mark.parametrize(
    "files",
    [
        [rule(), decision(1)],
        [decision(1), rule()],
        [rule(), decision(1), decision(1, id="other", name="other.dmn")],
        [person(), form("a")],
        [plain(), plain(id="other", name="o.bpmn")],
    ],
)
def test_the_same_files_again_keep_their_versions_and_keys(door: EngineDoor, files: list[File]):
    first = door.deploy(*files)
    again = door.deploy(*files[::-1])
    assert again.key != first.key
    assert {version for found in versions(door).values() for version in found} == {1}
    assert [row.key for row in again.processes[::-1]] == [row.key for row in first.processes]


def test_a_changed_form_reaches_the_task_of_the_process_that_is_deployed_with_it(door: EngineDoor):
    keys = []
    for title in ("old", "new"):
        deployed = door.deploy(person(), form(title))
        scenario = Scenario(door)
        scenario.play("create")
        assert scenario.job("t").headers[RESERVED + "formKey"] == str(deployed.forms[0].key)
        keys.append(deployed.forms[0].key)
    assert keys[0] != keys[1]
    assert versions(door) == {"process": [1, 2], "ask": [1, 2]}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        # what is bound gets a new version with any file beside it
        ([rule(), decision(2)], {"process": [1, 2], "dec": [1, 2], "g_dec": [1, 2]}),
        ([rule(), decision(1, name="renamed.dmn")], {"process": [1, 2], "dec": [1, 2], "g_dec": [1, 2]}),
        ([rule(), decision(1), form("a")], {"process": [1, 2], "dec": [1], "g_dec": [1], "ask": [1]}),
        ([rule(name="renamed.bpmn"), decision(1)], {"process": [1, 2], "dec": [1], "g_dec": [1]}),
        # what nothing is bound by keeps its version
        ([rule(binding="latest"), decision(1)], {"process": [1, 2], "dec": [1], "g_dec": [1]}),
        ([rule(), decision(1)], {"process": [1], "dec": [1], "g_dec": [1]}),
        ([decision(1)], {"process": [1], "dec": [1], "g_dec": [1]}),
        ([decision(2)], {"process": [1], "dec": [1, 2], "g_dec": [1, 2]}),
    ],
)
def test_versions_after_a_second_deployment(door: EngineDoor, change: list[File], expected: dict[str, list[int]]):
    door.deploy(rule(), decision(1))
    door.deploy(*change)
    assert versions(door) == expected


def test_a_file_that_binds_nothing_keeps_its_version_beside_a_changed_one(door: EngineDoor):
    door.deploy(plain(), rule(id="bound", name="b.bpmn"), decision(1))
    door.deploy(plain(), rule(id="bound", name="b.bpmn"), decision(2))
    assert versions(door) == {"process": [1], "bound": [1, 2], "dec": [1, 2], "g_dec": [1, 2]}


def test_files_that_were_deployed_one_by_one_belong_together_once_they_are_deployed_together(door: EngineDoor):
    door.deploy(rule(), decision(1))
    door.deploy(decision(2))
    assert result(door) == 1
    door.deploy(rule(), decision(2))
    assert result(door) == 2
    door.deploy(rule(), decision(2))
    assert versions(door) == {"process": [1, 2], "dec": [1, 2], "g_dec": [1, 2]}


def test_a_process_whose_decision_was_missing_finds_it_after_both_are_deployed_together(door: EngineDoor):
    process, create = rule(decision="=which"), 'create which="dec"'
    door.deploy(process)
    Scenario(door).play(f"{create}; incident t CALLED_DECISION_ERROR dec")
    door.deploy(decision(1))
    Scenario(door).play(f"{create}; incident t CALLED_DECISION_ERROR dec")
    door.deploy(process, decision(1))
    Scenario(door).play(f'{create}; waits w; variables which="dec" r=1')


def test_going_back_to_an_older_decision_is_a_new_version_of_both(door: EngineDoor):
    for text in (1, 2, 1):
        door.deploy(rule(), decision(text))
        assert result(door) == text
    assert versions(door) == {"process": [1, 2, 3], "dec": [1, 2, 3], "g_dec": [1, 2, 3]}


def test_a_binding_by_expression_leads_to_what_is_deployed_together(door: EngineDoor):
    files = [rule(decision="=which"), decision(1), decision(1, id="other", name="other.dmn")]
    door.deploy(*files)
    files[2] = decision(2, id="other", name="other.dmn")
    door.deploy(*files)
    scenario = Scenario(door)
    scenario.play('create which="other"; waits w; variables which="other" r=2')
    assert versions(door) == {"process": [1, 2], "dec": [1], "g_dec": [1], "other": [1, 2], "g_other": [1, 2]}


def test_a_refused_deployment_gives_no_version(door: EngineDoor):
    door.deploy(rule(), decision(1))
    with pytest.raises(Refused, match="straight-through processing loop"):
        door.deploy(rule(), decision(2), ("bad.bpmn", bpmn("start > a > b > a", id="bad")))
    assert versions(door) == {"process": [1], "dec": [1], "g_dec": [1]}
    assert result(door) == 1


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ([plain(), plain("start > a:job > end", name="q.bpmn")], "Duplicated process id in resources 'p.bpmn' and 'q.bpmn'"),
        ([plain(), plain("start > a:job > end")], "Duplicated process id in resources 'p.bpmn' and 'p.bpmn'"),
        ([plain()] * 2, "Duplicated process id in resources 'p.bpmn' and 'p.bpmn'"),
        ([form("a"), form("b", name="b.form")], "Duplicated form id in resources 'ask.form' and 'b.form'"),
        ([decision(1), decision(2)], "Duplicated decision requirements id in resources 'decision.dmn' and 'decision.dmn'"),
    ],
)  # fmt: skip
def test_an_id_is_defined_once_per_deployment(door: EngineDoor, files: list[File], reason: str):
    with pytest.raises(Refused, match=re.escape(reason)):
        door.deploy(*files)
    assert versions(door) == {}


def test_two_files_of_one_name_may_hold_different_processes(door: EngineDoor):
    door.deploy(plain(), plain(id="other"))
    assert versions(door) == {"process": [1], "other": [1]}


@pytest.mark.parametrize(
    ("line", "element", "binding", "text"),
    [
        ("call(process=gone)", "calledElement", "latest", "Expected process with BPMN process id 'gone' to be deployed, but not found."),
        ("call(process=gone)", "calledElement", "versionTag", "Expected to call process with BPMN process id 'gone' and version tag 'v7', but no such process found. To resolve this incident, deploy a process with the given process id and version tag."),
        ('call(process="=id")', "calledElement", "deployment", "Expected to call process with BPMN process id 'gone' with binding type 'deployment', but no such process found in the deployment with key"),
        ("rule(decision=gone, result=r)", "calledDecision", "latest", "Expected to evaluate decision 'gone', but no decision found for id 'gone'"),
        ("rule(decision=gone, result=r)", "calledDecision", "versionTag", "Expected to evaluate decision with id 'gone' and version tag 'v7', but no such decision found."),
        ('rule(decision="=id", result=r)', "calledDecision", "deployment", "that is deployed together with the intended decision to evaluate."),
        ("user(form_id=gone)", "formDefinition", "latest", "Expected to find a form with id 'gone', but no form with this id is found"),
        ("user(form_id=gone)", "formDefinition", "versionTag", "Expected to use a form with id 'gone' and version tag 'v7', but no such form found."),
        ('user(form_id="=id")', "formDefinition", "deployment", "that is deployed together with the intended form to use."),
    ],
)  # fmt: skip
def test_the_incident_of_a_definition_that_is_not_there_names_the_repair(
    door: Door, line: str, element: str, binding: str, text: str
):
    tag = ' versionTag="v7"' if binding == "versionTag" else ""
    file = bpmn(f"start > t:{line} > end").decode()
    door.deploy(
        ("p.bpmn", file.replace(f"<zeebe:{element}", f'<zeebe:{element} bindingType="{binding}"{tag}').encode())
    )
    scenario = Scenario(door)
    scenario.play('create id="gone"')
    assert text in door.incidents(scenario.instance)[0].message


def bound(line: str, element: str, *, id: str = "process", name: str = "p.bpmn") -> File:
    """A process with one task, whose reference is bound to the deployment."""
    file = bpmn(f"start > t:{line} > end", id=id).decode()
    return name, file.replace(f"<zeebe:{element}", f'<zeebe:{element} bindingType="deployment"').encode()


NOT_TOGETHER = [
    ("call(process=other)", "calledElement", "process", "other", plain(id="other", name="o.bpmn")),
    ("rule(decision=dec, result=r)", "calledDecision", "decision", "dec", decision(1)),
    ("user(form_id=ask)", "formDefinition", "form", "ask", form("a")),
]


@pytest.mark.parametrize(("line", "element", "kind", "id", "target"), NOT_TOGETHER)
def test_what_a_process_is_bound_to_is_deployed_with_it(
    door: EngineDoor, line: str, element: str, kind: str, id: str, target: File
):
    door.deploy(target)  # earlier, and alone
    text = (
        f"'p.bpmn': - Element: t > extensionElements > {element}\n"
        f"    - ERROR: Expected to find {kind} with id '{id}' in current deployment, but not found. "
        f"Deploy the file of that {kind} together with this one"
    )
    before = versions(door)
    with pytest.raises(Refused, match=re.escape(text)):
        door.deploy(bound(line, element), plain(id="beside", name="b.bpmn"))
    assert versions(door) == before
    door.deploy(bound(line, element), target)


def test_every_file_says_what_is_not_deployed_with_it(door: EngineDoor):
    with pytest.raises(Refused) as refused:
        door.deploy(
            bound("call(process=gone)", "calledElement"),
            bound("user(form_id=gone)", "formDefinition", id="q", name="q.bpmn"),
        )
    assert re.findall(r"find (\w+) with id 'gone'", str(refused.value)) == ["process", "form"]


def test_a_process_may_be_bound_to_itself(door: EngineDoor):
    door.deploy(bound("call(process=process)", "calledElement"))
    assert versions(door) == {"process": [1]}


@pytest.mark.parametrize(
    ("start", "reason"),
    [
        ("timer=`=1`", "Expected"),
        ("date=`=null`", "Expected"),
        ("signal=`=1`", "Expected the name '1' to give a text without variables"),
    ],
)
def test_a_start_that_cannot_wait_names_its_file(door: EngineDoor, start: str, reason: str):
    text = f"errors:\n'bad.bpmn': - Element: s\n    - ERROR: {reason}"
    with pytest.raises(Refused, match=re.escape(text)):
        door.deploy(plain(), plain(f"s:start({start}) > end".replace("`", '"'), id="bad", name="bad.bpmn"))
    assert versions(door) == {}
