"""Batch operations and the deletion of history over gRPC, with the SDK: each item is tried on its own, and the counts are true."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest

import osmia
from osmia.calls.batches import BatchBegun, BatchItemState, BatchOperation, BatchState, BatchType
from osmia_broker.calls.batches import items as batch_items
from osmia_proto import queries
from osmia_proto.methods import METHODS
from tests.bpmn import bpmn
from tests.dmn.models import decision, definitions, literal
from tests.running_broker import RunningBroker, running_broker


@pytest.fixture
def broker(gateway_broker: RunningBroker) -> RunningBroker:
    return gateway_broker


@pytest.fixture
def batches(broker: RunningBroker) -> Any:
    return broker.client.batches


@pytest.fixture
def ended(broker: RunningBroker) -> Callable[[BatchBegun], BatchOperation]:
    """Let the broker work a batch operation off, and return it."""

    return partial(worked_off, broker)


def worked_off(broker: RunningBroker, begun: BatchBegun) -> BatchOperation:
    broker.look_at_clock()
    return broker.client.batches.get(begun.key)


def deploy(broker: RunningBroker, line: str, id: str) -> int:
    return broker.client.deploy((f"{id}.bpmn", bpmn(line, id=id))).processes[0].key


def started(broker: RunningBroker, id: str, number: int) -> list[int]:
    return [broker.client.create_instance(id).key for _ in range(number)]


def of(process: str) -> dict[str, Any]:
    return {"processDefinitionId": process}


def counts(batch: BatchOperation) -> tuple[int, int, int]:
    return batch.items, batch.completed, batch.failed


def states(broker: RunningBroker, process: str) -> list[str]:
    return sorted(str(one.state) for one in broker.client.search_instances(bpmn_process_id=process).items)


def test_instances_are_suspended_resumed_cancelled_and_deleted(
    broker: RunningBroker, batches: Any, ended: Any, unique: str
):
    deploy(broker, "start > t:user > end", unique)
    keys = started(broker, unique, 3)
    assert batches.count(BatchType.CANCEL_PROCESS_INSTANCE, of(unique)) == 3
    assert batches.count("DELETE_PROCESS_INSTANCE", of(unique)) == 0
    batch = ended(batches.suspend_instances({**of(unique), "processInstanceKey": {"$neq": str(keys[0])}}))
    assert (batch.type, batch.state, counts(batch)) == ("SUSPEND_PROCESS_INSTANCE", "COMPLETED", (2, 2, 0))
    assert batch.start_ms <= batch.end_ms
    assert states(broker, unique) == ["ACTIVE", "SUSPENDED", "SUSPENDED"]
    assert counts(ended(batches.resume_instances(of(unique)))) == (2, 2, 0)
    assert states(broker, unique) == ["ACTIVE"] * 3
    begun = batches.cancel_instances(of(unique))
    assert begun.items == 3
    assert counts(ended(begun)) == (3, 3, 0)
    assert states(broker, unique) == ["CANCELED"] * 3
    assert sorted(one.item_key for one in batches.items(begun.key).items) == keys
    assert counts(ended(batches.delete_instances(of(unique)))) == (3, 3, 0)
    assert states(broker, unique) == []


def test_a_refused_item_says_why_and_stops_no_other(broker: RunningBroker, batches: Any, ended: Any, unique: str):
    deploy(broker, "start > a:job > b:user > end", unique)
    target = deploy(broker, "start > c:job > end", unique + "x")
    moved, stays = started(broker, unique, 2)
    batch = ended(batches.modify_instances({"processInstanceKey": str(moved)}, moves={"a": "b"}))
    assert (batch.type, counts(batch)) == (BatchType.MODIFY_PROCESS_INSTANCE, (1, 1, 0))
    begun = batches.migrate_instances(of(unique), target_definition_key=target, mapping={"a": "c"})
    assert (ended(begun).state, counts(ended(begun))) == (BatchState.COMPLETED, (2, 1, 1))
    (refused,) = batches.items(begun.key, states=["FAILED"]).items
    assert (refused.item_key, refused.process_instance_key, refused.batch_operation_key) == (moved, moved, begun.key)
    assert "'b'" in refused.error_message
    assert refused.end_ms > 0
    (done,) = batches.items(begun.key, states=[BatchItemState.COMPLETED]).items
    assert (done.item_key, done.error_message) == (stays, "")
    assert [one.item_key for one in batches.items(process_instance_key=stays).items] == [stays]
    assert broker.client.get_instance(stays).process_definition_key == target


def test_incidents_of_a_filter_of_one_instance_and_of_all_are_resolved(tmp_path: Path, unique: str):
    with running_broker(tmp_path) as broker:  # one without the incidents of other tests
        batches, ended = broker.client.batches, partial(worked_off, broker)
        client = broker.client
        deploy(broker, f"start > a:job(type={unique}) > end", unique)
        first, second = started(broker, unique, 2)

        def fail() -> None:
            for job in client.activate_jobs(unique, max_jobs=9, wait_ms=-1):
                client.fail_job(job.key, retries=0)

        fail()
        assert batches.count(BatchType.RESOLVE_INCIDENT, {"processInstanceKey": str(first)}) == 1
        assert counts(ended(batches.resolve_incidents({"processInstanceKey": str(first)}))) == (1, 1, 0)
        assert [one.process_instance_key for one in client.search_incidents(states=["OPEN"]).items] == [second]
        fail()
        assert counts(ended(batches.resolve_incidents_of(second))) == (1, 1, 0)
        fail()
        assert batches.count(BatchType.RESOLVE_INCIDENT) == 2
        assert counts(ended(batches.resolve_incidents())) == (2, 2, 0)
        with pytest.raises(osmia.NotFound, match="process instance with key '99'"):
            batches.resolve_incidents_of(99)


def test_jobs_of_a_filter_are_changed(broker: RunningBroker, batches: Any, ended: Any, unique: str):
    deploy(broker, f"start > a:job(type={unique}) > end", unique)
    started(broker, unique, 2)
    assert counts(ended(batches.update_jobs({"type": unique}, retries=9, priority=-3))) == (2, 2, 0)
    assert [(one.retries, one.job_priority) for one in broker.client.search_jobs(type=unique).items] == [(9, -3)] * 2


def test_evaluations_are_deleted_one_by_one_and_over_a_filter(
    broker: RunningBroker, batches: Any, ended: Any, unique: str
):
    client = broker.client
    client.deploy((f"{unique}.dmn", definitions(decision(unique, literal("1 + 2")))))
    first, *_ = [client.evaluate_decision(unique).key for _ in range(3)]
    client.delete_evaluation(first)
    assert first not in [one.key for one in client.search_decision_evaluations(decision_id=unique).items]
    with pytest.raises(osmia.NotFound, match="no such evaluation"):
        client.delete_evaluation(first)
    assert counts(ended(batches.delete_evaluations({"decisionDefinitionId": unique}))) == (2, 2, 0)
    assert client.search_decision_evaluations(decision_id=unique).items == []


def test_an_ended_instance_is_deleted_with_its_history(broker: RunningBroker, unique: str):
    client = broker.client
    deploy(broker, "start > t:user > end", unique)
    (key,) = started(broker, unique, 1)
    with pytest.raises(osmia.InvalidState, match="still running"):
        client.delete_instance(key)
    client.cancel_instance(key)
    client.delete_instance(key)
    for call in (client.get_instance, client.delete_instance):
        with pytest.raises(osmia.NotFound):
            call(key)


def test_a_batch_operation_is_suspended_resumed_and_cancelled_by_a_person(
    broker: RunningBroker, ended: Any, unique: str
):
    deploy(broker, "start > t:user > end", unique)
    started(broker, unique, 2)
    with osmia.SyncClient(broker.address, metadata=[("osmia-user", unique)]) as client:
        begun = client.batches.cancel_instances(of(unique))
        found = client.batches.search(types=[BatchType.CANCEL_PROCESS_INSTANCE], limit=1).items
        assert [(one.key, one.user) for one in found] == [(begun.key, unique)]
        assert ended(begun).has_ended
        for act in (client.batches.suspend, client.batches.resume, client.batches.cancel):
            with pytest.raises(osmia.NotFound, match="no such batch operation"):
                act(begun.key)
    assert begun.key not in [one.key for one in broker.client.batches.search(states=["ACTIVE", "SUSPENDED"]).items]


def test_a_batch_is_followed_until_it_has_ended(broker: RunningBroker, batches: Any, unique: str):
    deploy(broker, "start > t:user > end", unique)
    started(broker, unique, 60)  # more than a slice
    begun = batches.cancel_instances(of(unique))
    seen = list(batches.follow(begun.key))
    assert counts(seen[-1]) == (60, 60, 0)
    assert [one.has_ended for one in seen] == [False] * (len(seen) - 1) + [True]
    assert [one.completed for one in seen] == sorted(one.completed for one in seen)
    with pytest.raises(osmia.NotFound):
        next(batches.follow(99))


def test_lists_have_pages(broker: RunningBroker, batches: Any, ended: Any, unique: str):
    deploy(broker, "start > t:user > end", unique)
    keys = started(broker, unique, 5)
    begun = batches.cancel_instances(of(unique))
    ended(begun)
    first = batches.items(begun.key, limit=3)
    second = batches.items(begun.key, limit=3, after=first.next)
    assert [one.item_key for one in (*first.items, *second.items)] == keys
    assert second.next == ""
    newest, before = batches.search(limit=1), batches.search(limit=1, after=batches.search(limit=1).next)
    assert newest.items[0].key == begun.key > before.items[0].key
    with pytest.raises(osmia.InvalidArgument, match="limit"):
        batches.search(limit=1_001)
    with pytest.raises(osmia.InvalidArgument):
        batches.items(after=newest.next)


CANCEL, MIGRATE, MODIFY, UPDATE = (
    queries.BatchOperationType.Value(f"BATCH_OPERATION_TYPE_{name}")
    for name in ("CANCEL_PROCESS_INSTANCE", "MIGRATE_PROCESS_INSTANCE", "MODIFY_PROCESS_INSTANCE", "UPDATE_JOB")
)
SOME = '{"state":"ACTIVE"}'


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"filter": SOME}, "Expected a type of BATCH_OPERATION_TYPE_CANCEL_PROCESS_INSTANCE, "),
        ({"type": 99, "filter": SOME}, "but found 99"),
        ({"type": CANCEL}, "No filter provided."),
        ({"type": CANCEL, "filter": "null"}, "No filter provided."),
        ({"type": CANCEL, "filter": "{}"}, "At least one criterion of the filter is required."),
        ({"type": CANCEL, "filter": '{"state":null}'}, "At least one criterion of the filter is required."),
        ({"type": CANCEL, "filter": "[]"}, "Expected filter to be a JSON object, but found an array"),
        ({"type": CANCEL, "filter": "{"}, "Expected filter to be JSON"),
        ({"type": CANCEL, "filter": '{"colour":"red"}'}, "colour"),
        ({"type": MIGRATE, "filter": SOME}, "No targetProcessDefinitionKey provided. No mappingInstructions provided."),
        (
            {"type": MIGRATE, "filter": SOME, "target_process_definition_key": 1, "mappings": [{"source_element_id": "a"}]},
            "[sourceElementId, targetElementId] are required.",
        ),
        ({"type": MODIFY, "filter": SOME}, "No moveInstructions provided."),
        ({"type": MODIFY, "filter": SOME, "moves": [{"target_element_id": "a"}]}, "No sourceElementId provided."),
        ({"type": MODIFY, "filter": SOME, "moves": [{"source_element_id": "a", "target_element_id": "b"}] * 2_001}, "at most 2000 items"),
        ({"type": UPDATE, "filter": SOME}, "At least one of [retries, timeout, priority] is required."),
        ({"type": UPDATE, "filter": SOME, "retries": 0}, "must be greater than 0"),
    ],
)  # fmt: skip
def test_a_batch_operation_that_cannot_be_begun(broker: RunningBroker, fields: dict[str, Any], words: str):
    before = [one.key for one in broker.client.batches.search(limit=1).items]
    method = METHODS["CreateBatchOperation"]
    with grpc.insecure_channel(broker.address) as channel:
        call = channel.unary_unary(method.full_name, method.request.SerializeToString, method.response.FromString)
        with pytest.raises(grpc.RpcError) as refused:
            call(method.request(**fields))
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert words in (refused.value.details() or "")
    assert [one.key for one in broker.client.batches.search(limit=1).items] == before


def test_more_items_than_a_batch_operation_may_have(
    broker: RunningBroker, batches: Any, unique: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(batch_items, "BATCH_ITEMS_MAX", 2)
    deploy(broker, "start > t:user > end", unique)
    started(broker, unique, 3)
    for call in (batches.cancel_instances, partial(batches.count, "CANCEL_PROCESS_INSTANCE")):
        with pytest.raises(osmia.InvalidArgument, match="at most 2 items"):
            call(of(unique))
    assert states(broker, unique) == ["ACTIVE"] * 3


def test_the_sdk_names_types_and_states_that_there_are(batches: Any):
    with pytest.raises(ValueError, match=r"Expected one of CANCEL_PROCESS_INSTANCE, .*, but found 'KILL'"):
        batches.count("KILL", {"state": "ACTIVE"})
    with pytest.raises(ValueError, match=r"Expected one of CREATED, ACTIVE, .*, but found 'OVER'"):
        batches.search(states=["OVER"])
