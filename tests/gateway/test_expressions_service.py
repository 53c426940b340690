"""Expressions, ad-hoc subprocesses, deployed files and forms over gRPC."""

from typing import Any

import pytest

import osmia
from osmia_broker.calls.processes.evaluation import EXPRESSION_CHARACTERS
from tests.bpmn import bpmn
from tests.running_broker import RunningBroker

LINE = "start > outer:sub { start > inner:job(type=none) > end } > end"


@pytest.fixture
def client(gateway_broker: RunningBroker) -> osmia.SyncClient:
    return gateway_broker.client


@pytest.mark.parametrize(
    ("expression", "variables", "value"),
    [
        ("=1 + 1", None, 2),
        ("=a + b", {"a": 1, "b": 2}, 3),
        ("=[a, {x: null}]", {"a": "ä"}, ["ä", {"x": None}]),
        ("1 + 1", None, "1 + 1"),
        ('=date("2026-11-27")', None, "2026-11-27"),
        ("=12345678901234567890.5", None, 12345678901234567890.5),
    ],
)
def test_an_expression_is_evaluated(client: osmia.SyncClient, expression: str, variables: Any, value: object):
    found = client.evaluate_expression(expression, variables)
    assert (found.value, found.warnings) == (value, [])


def test_a_missing_part_gives_null_and_says_why(client: osmia.SyncClient):
    found = client.evaluate_expression("=missing")
    assert found.value is None
    assert any("missing" in text for text in found.warnings)


def test_an_expression_sees_a_scope_and_cluster_variables(client: osmia.SyncClient, unique: str):
    client.deploy((f"{unique}.bpmn", bpmn(LINE, id=unique)))
    key = client.create_instance(unique, {"x": 1, "y": 2}).key
    inner = next(one.key for one in client.get_instance(key).elements if one.element_id == "inner")
    client.set_variables(inner, {"y": 20}, local=True)
    client.cluster_variables.create(unique, 300)
    asked = f"=x + y + camunda.vars.cluster.{unique}"
    assert client.evaluate_expression(asked, scope_key=key).value == 303
    assert client.evaluate_expression(asked, scope_key=inner).value == 321
    assert client.evaluate_expression(asked, {"x": 1_000}, scope_key=inner).value == 1_320
    assert client.evaluate_expression(f"=camunda.vars.cluster.{unique}").value == 300


@pytest.mark.parametrize(
    ("expression", "given", "kind", "text"),
    [
        ("", {}, osmia.InvalidArgument, "No expression provided"),
        (" ", {}, osmia.InvalidArgument, "No expression provided"),
        ("=1 +", {}, osmia.InvalidArgument, "failed to parse expression '1 \\+'"),
        ("=" + "1" * EXPRESSION_CHARACTERS, {}, osmia.InvalidArgument, f"at most {EXPRESSION_CHARACTERS} characters"),
        ('=assert(1, 1 = 2, "odd")', {}, osmia.InvalidArgument, "odd"),
        ("=1", {"scope_key": 99}, osmia.NotFound, "'99'"),
        ("=1", {"scope_key": -1}, osmia.NotFound, "'-1'"),
        ("=x", {"variables": "[1]"}, osmia.InvalidArgument, "root level object"),
    ],
)
def test_what_is_no_expression(client: osmia.SyncClient, expression: str, given: Any, kind: Any, text: str):
    with pytest.raises(kind, match=text):
        client.evaluate_expression(expression, **given)


AD_HOC = "start > pick:adhoc { a:job(type=none) & b:job(type=none) } > end"


@pytest.fixture
def picking(client: osmia.SyncClient, unique: str) -> tuple[int, int]:
    """An instance at an ad-hoc subprocess in which nothing is active, and the key of that."""
    client.deploy((f"{unique}.bpmn", bpmn(AD_HOC, id=unique)))
    key = client.create_instance(unique).key
    (pick,) = client.get_instance(key).elements
    return key, pick.key


def active(client: osmia.SyncClient, key: int) -> list[str]:
    return [one.element_id for one in client.get_instance(key).elements if one.type == "SERVICE_TASK"]


def test_elements_of_an_ad_hoc_subprocess_are_activated(client: osmia.SyncClient, picking: tuple[int, int]):
    instance, pick = picking
    client.activate_ad_hoc_elements(pick, ["a", ("b", {"x": 1})])
    assert active(client, instance) == ["a", "b"]
    (seen,) = [one for one in client.search_variables(instance).items if one.name == "x"]
    assert (seen.value, seen.scope_key not in (instance, pick)) == (1, True)
    client.activate_ad_hoc_elements(pick, ["a"], cancel_remaining=True)
    assert active(client, instance) == ["a"]


@pytest.mark.parametrize(
    ("elements", "kind", "text"),
    [
        ([], osmia.InvalidArgument, "No elements provided"),
        ([""], osmia.InvalidArgument, r"No elements\[0\].elementId provided"),
        (["a", "a"], osmia.InvalidArgument, "duplicate"),
        (["a", "none"], osmia.NotFound, "none"),
        ([("a", "[]")], osmia.InvalidArgument, "root level object"),
    ],
)
def test_an_activation_is_refused_as_a_whole(
    client: osmia.SyncClient, picking: tuple[int, int], elements: Any, kind: Any, text: str
):
    instance, pick = picking
    with pytest.raises(kind, match=text):
        client.activate_ad_hoc_elements(pick, elements)
    assert active(client, instance) == []


def test_only_a_running_ad_hoc_subprocess_takes_elements(client: osmia.SyncClient, picking: tuple[int, int]):
    instance, pick = picking
    for key in (instance, 99):
        with pytest.raises(osmia.NotFound, match=f"'{key}'"):
            client.activate_ad_hoc_elements(key, ["a"])
    client.suspend_instance(instance)
    with pytest.raises(osmia.InvalidState, match="suspended"):
        client.activate_ad_hoc_elements(pick, ["a"])


FORM = b'{"id": "menu", "components": []}'


def test_deployed_files_and_forms_are_read(client: osmia.SyncClient, unique: str):
    model = bpmn("start(form=menu) > end", id=unique)
    deployed = client.deploy((f"{unique}.bpmn", model), ("menu.form", FORM))
    (process,), (form,) = deployed.processes, deployed.forms
    file = client.deployed_file(process.key)
    assert (file.resource_name, file.content) == (
        f"{unique}.bpmn",
        model if isinstance(model, bytes) else model.encode(),
    )
    assert client.deployed_file(form.key).content == FORM
    found = client.form(form.key)
    assert (found.key, found.form_id, found.schema) == (form.key, "menu", FORM.decode())
    plain = client.deploy((f"{unique}_plain.bpmn", bpmn("start > end", id=f"{unique}_plain"))).processes[0]
    assert client.start_form(plain.key) is None


@pytest.mark.parametrize("name", ["deployed_file", "form", "start_form"])
@pytest.mark.parametrize("key", [0, 99, -1])
def test_an_unknown_file_or_form_is_not_found(client: osmia.SyncClient, name: str, key: int):
    with pytest.raises(osmia.NotFound, match=f"'{key}'"):
        getattr(client, name)(key)
