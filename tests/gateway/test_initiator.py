"""The user who starts an instance comes from the metadata of the call while sign-in is off (user-tasks.md, section 4)."""

import pytest

import osmia
from tests.bpmn import bpmn
from tests.running_broker import RunningBroker

LINE = "start:start(initiator=starter) > a:job > end"


@pytest.fixture
def demo(gateway_broker: RunningBroker):
    with osmia.SyncClient(gateway_broker.address, metadata=[("osmia-user", "demo")]) as client:
        yield client


def test_the_caller_is_the_initiator(demo: osmia.SyncClient, unique: str):
    demo.deploy((f"{unique}.bpmn", bpmn(LINE, id=unique, dialect="activiti")))
    instance = demo.create_instance(unique)
    assert [(one.name, one.value) for one in demo.search_variables(instance.key).items] == [("starter", "demo")]


def test_a_caller_without_a_name_is_nobody(gateway_broker: RunningBroker, unique: str):
    client = gateway_broker.client
    client.deploy((f"{unique}.bpmn", bpmn(LINE, id=unique, dialect="activiti")))
    instance = client.create_instance(unique)
    assert [one.value for one in client.search_variables(instance.key).items] == [None]


def test_the_initiator_is_known_to_a_creation_with_result(demo: osmia.SyncClient, unique: str):
    line = "start:start(initiator=starter) > end"
    demo.deploy((f"{unique}.bpmn", bpmn(line, id=unique, dialect="activiti")))
    assert demo.create_instance_with_result(unique).variables == {"starter": "demo"}


def test_a_name_of_more_than_256_characters_is_refused(gateway_broker: RunningBroker, unique: str):
    gateway_broker.client.deploy((f"{unique}.bpmn", bpmn(LINE, id=unique, dialect="activiti")))
    with (
        osmia.SyncClient(gateway_broker.address, metadata=[("osmia-user", "x" * 257)]) as client,
        pytest.raises(osmia.InvalidArgument, match="'osmia-user' to have at most 256 characters"),
    ):
        client.create_instance(unique)
