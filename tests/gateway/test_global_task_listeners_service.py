"""Global task listeners over gRPC, with the SDK: what REST sees of them, and what is refused."""

from typing import Any

import grpc
import pytest

import osmia
from osmia_proto.methods import METHODS
from tests.bpmn import bpmn
from tests.running_broker import RunningBroker


@pytest.fixture
def listeners(gateway_broker: RunningBroker) -> Any:
    return gateway_broker.client.global_task_listeners


def test_a_listener_is_created_changed_and_deleted(gateway_broker: RunningBroker, listeners: Any, unique: str):
    made = listeners.create(unique, "mail", ["updating", "CREATING"])
    try:
        assert (made.type, made.event_types, made.retries) == ("mail", ["creating", "updating"], 3)
        assert (made.after_non_global, made.priority) == (False, 50)
        assert listeners.get(unique) == made
        item = gateway_broker.client.get_item("global-task-listeners", unique)
        assert (item["eventTypes"], item["source"]) == (["creating", "updating"], "API")
        changed = listeners.update(unique, retries=1, after_non_global=True, priority=0)
        assert (changed.type, changed.event_types) == ("mail", ["creating", "updating"]), "what is not given stays"
        assert (changed.retries, changed.after_non_global, changed.priority) == (1, True, 0)
        assert len(listeners.update(unique, type="post", event_types=["all"]).event_types) == 5
        assert listeners.get(unique).type == "post"
        with pytest.raises(osmia.AlreadyExists, match=unique):
            listeners.create(unique, "mail", ["all"])
    finally:
        listeners.delete(unique)
    for call in (listeners.get, listeners.delete, lambda name: listeners.update(name, priority=1)):
        with pytest.raises(osmia.NotFound, match=unique):
            call(unique)


def test_its_job_holds_a_native_task(gateway_broker: RunningBroker, listeners: Any, unique: str):
    client = gateway_broker.client
    client.deploy((f"{unique}.bpmn", bpmn("start > t:user(native=yes) > end", id=unique)))
    listeners.create(unique, unique, ["creating"])
    try:
        client.create_instance(unique)
        (job,) = client.activate_jobs(unique, max_jobs=1, wait_ms=-1)
    finally:
        listeners.delete(unique)
    assert job.bpmn_process_id == unique
    client.complete_job(job.key)


def test_they_are_listed_by_id_in_pages(listeners: Any, unique: str):
    for name in ("c", "a", "b"):
        listeners.create(f"{unique}-{name}", "mail", ["canceling"])
    try:
        first = listeners.search(f"{unique}-*", limit=2)
        second = listeners.search(f"{unique}-*", limit=2, after=first.next)
        assert [one.id[-1] for one in (*first.items, *second.items)] == ["a", "b", "c"]
        assert (second.next, listeners.search(f"{unique}-?x").items) == ("", [])
    finally:
        for name in "abc":
            listeners.delete(f"{unique}-{name}")


GOOD = {"id": "x", "type": "mail", "event_types": ["all"]}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"id": " "}, "to have an id, but found none"),
        ({"id": "x" * 257}, "at most 256 characters"),
        ({"type": " "}, "a blank one"),
        ({"event_types": ["sleeping"]}, "but found 'sleeping'"),
        ({"retries": 0}, "retries to be at least 1, but found 0"),
        ({"priority": -1}, "priority to be from 0 to 100, but found -1"),
        ({"priority": 101}, "but found 101"),
    ],
)
@pytest.mark.parametrize("name", ["CreateGlobalTaskListener", "UpdateGlobalTaskListener"])
def test_a_listener_that_is_refused(
    gateway_broker: RunningBroker, listeners: Any, name: str, fields: dict[str, Any], words: str
):
    assert words in refused(gateway_broker, name, GOOD | fields)
    assert listeners.search().items == []


@pytest.mark.parametrize(
    ("fields", "words"), [({"type": ""}, "a blank one"), ({"event_types": []}, "to have event types, but found none")]
)
def test_a_new_listener_has_a_type_and_events(gateway_broker: RunningBroker, fields: dict[str, Any], words: str):
    assert words in refused(gateway_broker, "CreateGlobalTaskListener", GOOD | fields)


def refused(broker: RunningBroker, name: str, fields: dict[str, Any]) -> str:
    method = METHODS[name]
    with grpc.insecure_channel(broker.address) as channel:
        call = channel.unary_unary(method.full_name, method.request.SerializeToString, method.response.FromString)
        with pytest.raises(grpc.RpcError) as error:
            call(method.request(**fields))
    assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    return error.value.details() or ""
