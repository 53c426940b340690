"""Cluster variables over gRPC, with the SDK: what REST and expressions see of them, and what is refused."""

from typing import Any

import grpc
import pytest

import osmia
from osmia_proto.methods import METHODS
from tests.bpmn import bpmn
from tests.running_broker import RunningBroker


@pytest.fixture
def vars(gateway_broker: RunningBroker) -> Any:
    return gateway_broker.client.cluster_variables


def test_a_variable_is_created_read_by_an_expression_updated_and_deleted(
    gateway_broker: RunningBroker, vars: Any, unique: str
):
    client = gateway_broker.client
    created = vars.create(unique, {"limit": 7, "name": "é"}, metadata={"owner": "ada", "rank": 1.5})
    assert (created.name, created.value, created.metadata) == (
        unique,
        {"limit": 7, "name": "é"},
        {"owner": "ada", "rank": 1.5},
    )
    assert vars.get(unique) == created
    pick = f"start > pick:exclusive [camunda.vars.cluster.{unique}.limit > 7 -> a:user > end | else -> b:user > end]"
    client.deploy((f"{unique}.bpmn", bpmn(pick, id=unique)))

    def waits_at() -> str:
        return str(client.get_instance(client.create_instance(unique).key).elements[0].element_id)

    assert waits_at() == "b"
    assert vars.update(unique, {"limit": 8}).metadata == created.metadata
    assert waits_at() == "a"
    assert vars.update(unique, None, metadata={}).metadata == {}
    assert vars.get(unique).value is None
    vars.delete(unique)
    for call in (vars.get, vars.delete, lambda name: vars.update(name, 1)):
        with pytest.raises(osmia.NotFound, match=unique):
            call(unique)


def test_they_are_listed_by_name_in_pages(vars: Any, unique: str):
    for name in ("c", "a", "b", "A"):
        vars.create(f"{unique}-{name}", name)
    first = vars.search(f"{unique}-*", limit=3)
    second = vars.search(f"{unique}-*", limit=3, after=first.next)
    assert [one.value for one in (*first.items, *second.items)] == ["A", "a", "b", "c"]
    assert (second.next, vars.search(f"{unique}-?c").items) == ("", [])
    assert {f"{unique}-{name}" for name in "abc"} <= {one.name for one in vars.search(limit=1_000).items}
    with pytest.raises(osmia.InvalidArgument):
        vars.search(limit=3, after="x")


def test_large_values_are_listed_whole(vars: Any, unique: str):
    text = "é" * 100_000
    for number in range(3):
        vars.create(f"{unique}-{number}", text)
    assert [one.value for one in vars.search(f"{unique}-*").items] == [text] * 3
    for number in range(3):
        vars.delete(f"{unique}-{number}")


def test_a_name_is_taken_once(vars: Any, unique: str):
    vars.create(unique, 1)
    with pytest.raises(osmia.AlreadyExists, match="exists already"):
        vars.create(unique, 2)
    assert vars.get(unique).value == 1


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "No name provided. No value provided."),
        ({"name": " ", "value": "1"}, "No name provided."),
        ({"name": "x" * 257, "value": "1"}, "at most 256 characters"),
        ({"name": "a\0", "value": "1"}, "NUL"),
        ({"name": "s", "value": "{"}, "Invalid JSON value"),
        ({"name": "s", "value": "1,2"}, "Invalid JSON value"),
        ({"name": "s", "value": '1,"value":2'}, "Invalid JSON value"),
        ({"name": "s", "value": "1e999"}, "a double's range"),
        ({"name": "s", "value": "1", "metadata": "[]"}, "Expected metadata to be a JSON object, but found an array"),
        ({"name": "s", "value": "1", "metadata": "{"}, "Expected metadata to be JSON"),
        ({"name": "s", "value": "1", "metadata": '{"a":[1],"b":null}'}, "metadata.a to be a text or a number, but found an array. Expected metadata.b"),
        ({"name": "s", "value": "1", "metadata": str({str(n): 1 for n in range(101)}).replace("'", '"')}, "at most 100 members"),
        ({"name": "s", "value": '"%s"' % ("x" * 1_100_000)}, "at most 1048576 characters together"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["CreateClusterVariable", "UpdateClusterVariable"])
def test_a_variable_that_is_refused(
    gateway_broker: RunningBroker, vars: Any, name: str, fields: dict[str, Any], words: str
):
    method = METHODS[name]
    if name.startswith("Update"):
        words = {"No name provided.": "a name, but found a blank one"}.get(
            words, words.removeprefix("No name provided. ")
        )
        if fields.get("name") == "s":
            vars.create("s", 0)
    with grpc.insecure_channel(gateway_broker.address) as channel:
        call = channel.unary_unary(method.full_name, method.request.SerializeToString, method.response.FromString)
        with pytest.raises(grpc.RpcError) as refused:
            call(method.request(**fields))
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert words in (refused.value.details() or "")
    if name.startswith("Update") and fields.get("name") == "s":
        assert vars.get("s").value == 0
        vars.delete("s")


def test_a_number_keeps_its_digits(gateway_broker: RunningBroker, vars: Any, unique: str):
    method = METHODS["CreateClusterVariable"]
    with grpc.insecure_channel(gateway_broker.address) as channel:
        call = channel.unary_unary(method.full_name, method.request.SerializeToString, method.response.FromString)
        made = call(method.request(name=unique, value='{"a": 1.10}', metadata='{"rate": 2.50}'))
    assert (made.value, made.metadata) == ('{"a":1.10}', '{"rate":2.50}')
    with pytest.raises(ValueError, match="'value' to be a finite number"):
        vars.update(unique, float("nan"))
    with pytest.raises(TypeError, match="Expected name to be a text"):
        vars.get(7)
