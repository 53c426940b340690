"""Every operation of the audit log, done by a person through REST and through gRPC: both leave the same entry, or none if it is refused."""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

import osmia
from osmia_broker.calls import by_person as commands_of_people
from osmia_broker.engine import audit, commands
from osmia_broker.engine.commands import batches
from osmia_broker.engine.commands.tasks import (
    CreateGlobalTaskListener,
    DeleteGlobalTaskListener,
    UpdateGlobalTaskListener,
)
from tests.bpmn import bpmn
from tests.dmn.models import decision, definitions, literal
from tests.rest.conftest import Rest

NOTHING = 99  # no key of anything


class Subject(NamedTuple):
    """What a person operates on: the id of its process, or of a decision, and its key."""

    id: str
    key: int
    other: int = 0  # a second key


class Doors(NamedTuple):
    """One operation at both doors, each on a subject of its own."""

    prepare: Callable[[Rest, str], Subject]
    rest: tuple[str, str, Callable[[Subject], Any]]  # the method, the path with the key, and what makes the body
    grpc: Callable[[osmia.SyncClient, Subject], Any]
    entry: tuple[str, str] | None  # the kind of the subject and the operation; None: it is refused


def waiting(rest: Rest, id: str) -> Subject:
    rest.deploy("start > a:user > b:user > end", id)
    return Subject(id, rest.broker.client.create_instance(id).key)


def suspended(rest: Rest, id: str) -> Subject:
    found = waiting(rest, id)
    rest.broker.client.suspend_instance(found.key)
    return found


def ended(rest: Rest, id: str) -> Subject:
    found = waiting(rest, id)
    rest.broker.client.cancel_instance(found.key)
    return found


def deployed(rest: Rest, id: str) -> Subject:
    return Subject(id, rest.deploy("start > a:user > end", id))


def ending(rest: Rest, id: str) -> Subject:
    return Subject(id, rest.deploy("start > end", id))


def migrating(rest: Rest, id: str) -> Subject:
    found = waiting(rest, id)
    return found._replace(other=rest.deploy("start > a:user > c:user > end", id))


def picking(rest: Rest, id: str) -> Subject:
    rest.deploy("start > pick:adhoc { a:job(type=none) & b:job(type=none) } > end", id)
    instance = rest.broker.client.create_instance(id).key
    (pick,) = rest.broker.client.get_instance(instance).elements
    return Subject(id, pick.key)


def job(rest: Rest, id: str) -> Subject:
    rest.deploy(f"start > b:job(type={id}) > end", id)
    rest.broker.client.create_instance(id)
    (found,) = rest.broker.client.activate_jobs(id, max_jobs=1, wait_ms=-1)
    return Subject(id, found.key)


def incident(rest: Rest, id: str) -> Subject:
    found = job(rest, id)
    rest.broker.client.fail_job(found.key, retries=0)
    rest.broker.client.update_job_retries(found.key, 1)
    (one,) = [one for one in rest.broker.client.search_incidents(limit=100).items if one.job_key == found.key]
    return Subject(id, one.key)


def deciding(rest: Rest, id: str) -> Subject:
    rest.broker.client.deploy((f"{id}.dmn", definitions(decision(id, literal("1 + 2")))))
    return Subject(id, rest.broker.client.evaluate_decision(id).key)


def nothing(_rest: Rest, id: str) -> Subject:
    return Subject(id, NOTHING)


def model(id: str) -> tuple[str, bytes]:
    return f"{id}.bpmn", bpmn("start > t:user > end", id=id)


def no_body(_one: Subject) -> None:
    return None


def changes(name: str, value: int) -> Callable[[Subject], Any]:
    return lambda _one: {"changeset": {name: value}}


INSTANCE, JOB = "/process-instances/{}", "/jobs/{}"
PLAN = {"sourceElementId": "a", "targetElementId": "a"}
CASES: dict[type[commands.Command] | str, Doors] = {
    commands.CreateProcessInstance: Doors(
        deployed,
        ("POST", "/process-instances", lambda one: {"processDefinitionId": one.id}),
        lambda client, one: client.create_instance(one.id),
        ("PROCESS_INSTANCE", "CREATE"),
    ),
    "CreateProcessInstance and its result": Doors(
        ending,
        ("POST", "/process-instances", lambda one: {"processDefinitionId": one.id, "awaitCompletion": True}),
        lambda client, one: client.create_instance_with_result(one.id),
        ("PROCESS_INSTANCE", "CREATE"),
    ),
    commands.CancelProcessInstance: Doors(
        waiting,
        ("POST", f"{INSTANCE}/cancellation", no_body),
        lambda client, one: client.cancel_instance(one.key),
        ("PROCESS_INSTANCE", "CANCEL"),
    ),
    commands.ModifyProcessInstance: Doors(
        waiting,
        ("POST", f"{INSTANCE}/modification", lambda _: {"activateInstructions": [{"elementId": "b"}]}),
        lambda client, one: client.modify_instance(one.key, activate=["b"]),
        ("PROCESS_INSTANCE", "MODIFY"),
    ),
    commands.ActivateAdHocElements: Doors(
        picking,
        (
            "POST",
            "/element-instances/ad-hoc-activities/{}/activation",
            lambda _: {"elements": [{"elementId": "a"}, {"elementId": "b"}]},
        ),
        lambda client, one: client.activate_ad_hoc_elements(one.key, ["a", "b"]),
        ("PROCESS_INSTANCE", "MODIFY"),
    ),
    commands.MigrateProcessInstance: Doors(
        migrating,
        (
            "POST",
            f"{INSTANCE}/migration",
            lambda one: {"targetProcessDefinitionKey": str(one.other), "mappingInstructions": [PLAN]},
        ),
        lambda client, one: client.migrate_instance(one.key, target_definition_key=one.other, mapping={"a": "a"}),
        ("PROCESS_INSTANCE", "MIGRATE"),
    ),
    commands.SuspendProcessInstance: Doors(
        waiting,
        ("POST", f"{INSTANCE}/suspension", no_body),
        lambda client, one: client.suspend_instance(one.key),
        ("PROCESS_INSTANCE", "SUSPEND"),
    ),
    commands.ResumeProcessInstance: Doors(
        suspended,
        ("POST", f"{INSTANCE}/resumption", no_body),
        lambda client, one: client.resume_instance(one.key),
        ("PROCESS_INSTANCE", "RESUME"),
    ),
    commands.AssignBusinessId: Doors(
        waiting,
        ("POST", f"{INSTANCE}/business-id-assignment", lambda one: {"businessId": one.id}),
        lambda client, one: client.assign_business_id(one.key, one.id),
        ("PROCESS_INSTANCE", "UPDATE"),
    ),
    batches.DeleteEndedInstance: Doors(
        ended,
        ("POST", f"{INSTANCE}/deletion", no_body),
        lambda client, one: client.delete_instance(one.key),
        ("PROCESS_INSTANCE", "DELETE"),
    ),
    commands.SetVariables: Doors(
        waiting,
        ("PUT", "/element-instances/{}/variables", lambda _: {"variables": {"x": 1, "y": 2}}),
        lambda client, one: client.set_variables(one.key, {"x": 1, "y": 2}),
        ("VARIABLE", "UPDATE"),
    ),
    commands.ResolveIncident: Doors(
        incident,
        ("POST", "/incidents/{}/resolution", no_body),
        lambda client, one: client.resolve_incident(one.key),
        ("INCIDENT", "RESOLVE"),
    ),
    commands.UpdateJobRetries: Doors(
        job,
        ("PATCH", JOB, changes("retries", 7)),
        lambda client, one: client.update_job_retries(one.key, 7),
        ("JOB", "UPDATE"),
    ),
    commands.UpdateJobTimeout: Doors(
        job,
        ("PATCH", JOB, changes("timeout", 9_000)),
        lambda client, one: client.update_job_timeout(one.key, 9_000),
        ("JOB", "UPDATE"),
    ),
    commands.UpdateJobPriority: Doors(
        job,
        ("PATCH", JOB, changes("priority", 7)),
        lambda client, one: client.update_job_priority(one.key, 7),
        ("JOB", "UPDATE"),
    ),
    commands.DeployResources: Doors(
        nothing,
        ("POST", "/deployments", no_body),  # with a file
        lambda client, one: client.deploy(model(one.id)),
        ("RESOURCE", "CREATE"),
    ),
    commands.DeleteResource: Doors(
        deployed,
        ("POST", "/resources/{}/deletion", lambda _: {}),
        lambda client, one: client.delete_resource(one.key),
        ("RESOURCE", "DELETE"),
    ),
    commands.EvaluateDecision: Doors(
        deciding,
        ("POST", "/decision-definitions/evaluation", lambda one: {"decisionDefinitionId": one.id}),
        lambda client, one: client.evaluate_decision(one.id),
        ("DECISION", "EVALUATE"),
    ),
    batches.DeleteEvaluation: Doors(
        deciding,
        ("POST", "/decision-instances/{}/deletion", no_body),
        lambda client, one: client.delete_evaluation(one.key),
        ("DECISION", "DELETE"),
    ),
    batches.CreateBatch: Doors(
        waiting,
        ("POST", "/process-instances/cancellation", lambda one: {"filter": {"processDefinitionId": one.id}}),
        lambda client, one: client.batches.cancel_instances({"processDefinitionId": one.id}),
        ("BATCH", "CREATE"),
    ),
    "CreateBatch for the incidents of one instance": Doors(
        waiting,
        ("POST", f"{INSTANCE}/incident-resolution", no_body),
        lambda client, one: client.batches.resolve_incidents_of(one.key),
        ("BATCH", "CREATE"),
    ),
    batches.SuspendBatch: Doors(
        nothing,
        ("POST", "/batch-operations/{}/suspension", no_body),
        lambda client, one: client.batches.suspend(one.key),
        None,
    ),
    batches.ResumeBatch: Doors(
        nothing,
        ("POST", "/batch-operations/{}/resumption", no_body),
        lambda client, one: client.batches.resume(one.key),
        None,
    ),
    batches.CancelBatch: Doors(
        nothing,
        ("POST", "/batch-operations/{}/cancellation", no_body),
        lambda client, one: client.batches.cancel(one.key),
        None,
    ),
}
#: What the broker keeps for all processes is created, changed and deleted in one test, which leaves nothing behind.
KEPT = {
    commands.CreateClusterVariable,
    commands.UpdateClusterVariable,
    commands.DeleteClusterVariable,
    CreateGlobalTaskListener,
    UpdateGlobalTaskListener,
    DeleteGlobalTaskListener,
}
#: The fields in which the entries of two subjects differ, because their keys do.
KEYS = ("auditLogKey", "entityKey", "timestamp")


@pytest.fixture
def by_people(monkeypatch: pytest.MonkeyPatch) -> list[tuple[type, str]]:
    """The commands that a door has submitted in the name of a person, with that name."""
    seen: list[tuple[type, str]] = []

    def noted(command: commands.Command, user: str) -> commands.Command:
        found = audit.by_person(command, user)
        if user and isinstance(found, audit.ByPerson):
            seen.append((type(command), user))
        return found

    monkeypatch.setattr(commands_of_people, "by_person", noted)
    return seen


def entries(rest: Rest, user: str) -> list[dict[str, Any]]:
    asked = {"filter": {"actorId": user, "category": {"$neq": "USER_TASKS"}}}
    return [_without_keys(one) for one in rest.post("/audit-logs/search", asked)["items"]]


def _without_keys(entry: dict[str, Any]) -> dict[str, Any]:
    """The entry, with keys only where there is one or none."""
    same = {name: value for name, value in entry.items() if name not in KEYS}
    return {name: value is not None if name.endswith("Key") else value for name, value in same.items()}


def test_every_operation_of_the_log_is_compared():
    at_one_door = {
        commands.UpdateJob
    }  # REST changes several things of a job with one command, where gRPC has a call for each
    assert {one for one in CASES if not isinstance(one, str)} | at_one_door | KEPT == {*audit.OPERATIONS}


@pytest.mark.parametrize("kind", CASES, ids=lambda one: one if isinstance(one, str) else one.__name__)
def test_a_person_leaves_the_same_entry_at_both_doors(
    rest: Rest, unique: str, by_people: list[tuple[type, str]], kind: type | str
):
    case = CASES[kind]
    method, path, body = case.rest
    one, other = (case.prepare(rest, f"{unique}{door}") for door in "rg")
    by_people.clear()
    if kind is commands.DeployResources:
        options: dict[str, Any] = {"files": [("resources", model(one.id))]}
    else:
        options = {} if body(one) is None else {"json": body(one)}
    answer = rest.http.request(method, path.format(one.key), headers={"Osmia-User": one.id}, **options)
    assert (answer.status_code < 300) is (case.entry is not None), answer.text
    with osmia.SyncClient(rest.broker.address, metadata=[("osmia-user", other.id)]) as client:
        if case.entry is None:
            with pytest.raises(osmia.NotFound):
                case.grpc(client, other)
        else:
            case.grpc(client, other)
    assert [user for _, user in by_people] == [one.id, other.id]
    if isinstance(kind, type) and not kind.__name__.startswith("UpdateJob"):
        assert {command for command, _ in by_people} == {kind}
    left = [entries(rest, user) for user in (one.id, other.id)]
    told = [[(it["entityType"], it["operationType"]) for it in found] for found in left]
    assert told == [[case.entry]] * 2 if case.entry else told == [[], []]
    for it in (found[0] for found in left if found):
        assert (it["result"], it["actorType"]) == ("SUCCESS", "USER")
    as_one = [
        {name: str(value).replace(of.id, "ID") for name, value in it.items()}
        for of, found in zip((one, other), left, strict=True)
        for it in found
    ]
    assert as_one[:1] == as_one[1:]


def variables_by_rest(rest: Rest, id: str) -> None:
    person = {"Osmia-User": id}
    path = f"/cluster-variables/global/{id}"
    assert rest.http.post("/cluster-variables/global", json={"name": id, "value": 1}, headers=person).status_code == 200
    assert rest.http.put(path, json={"value": 2}, headers=person).status_code == 200
    assert rest.http.delete(path, headers=person).status_code == 204
    assert rest.http.delete(path, headers=person).status_code == 404


def variables_by_grpc(client: osmia.SyncClient, id: str) -> None:
    client.cluster_variables.create(id, 1)
    client.cluster_variables.update(id, 2)
    client.cluster_variables.delete(id)
    with pytest.raises(osmia.NotFound):
        client.cluster_variables.delete(id)


def listeners_by_rest(rest: Rest, id: str) -> None:
    person = {"Osmia-User": id}
    path, body = f"/global-task-listeners/{id}", {"type": id, "eventTypes": ["updating"]}
    assert rest.http.post("/global-task-listeners", json={"id": id, **body}, headers=person).status_code == 201
    assert rest.http.put(path, json=body, headers=person).status_code == 200
    assert rest.http.delete(path, headers=person).status_code == 204
    assert rest.http.put(path, json=body, headers=person).status_code == 404


def listeners_by_grpc(client: osmia.SyncClient, id: str) -> None:
    client.global_task_listeners.create(id, id, ["updating"])
    client.global_task_listeners.update(id, type=id)
    client.global_task_listeners.delete(id)
    with pytest.raises(osmia.NotFound):
        client.global_task_listeners.update(id, type=id)


@pytest.mark.parametrize(
    ("by_rest", "by_grpc", "entity"),
    [
        pytest.param(variables_by_rest, variables_by_grpc, "VARIABLE", id="cluster variable"),
        pytest.param(listeners_by_rest, listeners_by_grpc, "RESOURCE", id="task listener"),
    ],
)
def test_what_is_kept_for_all_processes_leaves_entries_of_an_administrator(
    rest: Rest,
    unique: str,
    by_rest: Callable[[Rest, str], None],
    by_grpc: Callable[[osmia.SyncClient, str], None],
    entity: str,
):
    one, other = f"{unique}r", f"{unique}g"
    by_rest(rest, one)
    with osmia.SyncClient(rest.broker.address, metadata=[("osmia-user", other)]) as client:
        by_grpc(client, other)
    for id in (one, other):
        found = entries(rest, id)
        assert [it["operationType"] for it in found] == ["CREATE", "UPDATE", "DELETE"]
        for it in found:
            kind = it["entityType"], it["category"], it["entityDescription"]
            assert kind == (entity, "ADMIN", id)
            assert {it[name] for name in ("deploymentKey", "resourceKey", "processInstanceKey")} == {False}
        asked = {"actorId": id, "entityType": entity, "category": "ADMIN"}
        whole = rest.post("/audit-logs/search", {"filter": asked})["items"]
        assert len(whole) == 3
        assert all(it["entityKey"] for it in whole)  # clients take no entry without one
        if entity == "RESOURCE":
            assert len({it["entityKey"] for it in whole}) == 1


def test_what_is_done_without_a_name_is_not_a_persons(rest: Rest, unique: str, by_people: list[tuple[type, str]]):
    found = picking(rest, unique)
    rest.broker.client.activate_ad_hoc_elements(found.key, ["a"])
    assert by_people == []
    asked = {"filter": {"processDefinitionId": unique}}
    assert rest.post("/audit-logs/search", asked)["items"] == []
