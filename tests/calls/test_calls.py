"""The checks that every door shares: refused before any effect, with the field's name."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from msgspec import structs

from osmia_broker.base.errors import InvalidArgument
from osmia_broker.calls import Caller, Calls, checks
from osmia_broker.calls.processes.new_instance import NewInstance
from osmia_broker.engine.commands import (
    ActivateJobs,
    CompleteJob,
    CreateProcessInstance,
    FailJob,
    SetVariables,
    UpdateJobTimeout,
)
from tests.calls.scripted import ScriptedPartition

TOO_LARGE, LARGEST, SMALLEST = 2**63, 2**63 - 1, -(2**63)
POLL = {"type": "ask", "worker": "w", "timeout_ms": 1, "max_jobs": 1, "wait_ms": -1}
STREAM = {"type": "ask", "worker": "w", "timeout_ms": 1}
FAIL = {"retries": 1, "error_message": "", "back_off_ms": 0, "variables": ""}


@pytest.fixture
async def partition() -> ScriptedPartition:
    return ScriptedPartition()


@pytest.fixture
async def calls(partition: ScriptedPartition) -> Calls:
    return Calls(partition)  # type: ignore[arg-type]


REFUSED: list[tuple[Callable[[Calls], Any], str]] = [
    (lambda calls: calls.activate_jobs(**POLL | {"type": ""}), "type to be present, but it was blank"),
    (lambda calls: calls.activate_jobs(**POLL | {"type": "a\0"}), "'type' without NUL"),
    (lambda calls: calls.activate_jobs(**POLL | {"type": "\ud800"}), "'type' to be Unicode text"),
    (lambda calls: calls.activate_jobs(**POLL | {"worker": "\0"}), "'worker' without NUL"),
    (lambda calls: calls.activate_jobs(**POLL | {"timeout_ms": 0}), "greater than zero, but it was '0'"),
    (lambda calls: calls.activate_jobs(**POLL | {"timeout_ms": SMALLEST}), "greater than zero"),
    (lambda calls: calls.activate_jobs(**POLL | {"timeout_ms": TOO_LARGE}), "'timeout' to be an integer of 64 bits"),
    (lambda calls: calls.activate_jobs(**POLL | {"max_jobs": 0}), "max jobs to activate to be greater than zero"),
    (lambda calls: calls.activate_jobs(**POLL | {"max_jobs": 2**31}), "'maxJobsToActivate' to be an integer of 32 bits"),
    (lambda calls: calls.stream_jobs(**STREAM | {"type": " "}), "type to be present, but it was blank"),
    (lambda calls: calls.stream_jobs(**STREAM | {"timeout_ms": -1}), "greater than zero, but it was -1"),
    (lambda calls: calls.stream_jobs(**STREAM | {"timeout_ms": TOO_LARGE}), "'timeout'"),
    (lambda calls: calls.stream_jobs(**STREAM | {"worker": "a\0b"}), "'worker'"),
    (
        lambda calls: calls.complete_job(TOO_LARGE, ""),
        "'jobKey' to be an integer of 64 bits, but found 9223372036854775808",
    ),
    (
        lambda calls: calls.complete_job(10**6_000, ""),
        "'jobKey' to be an integer of 64 bits, but found one of 19932 bits",
    ),
    (lambda calls: calls.complete_job(1, "[]"), "but was 'ARRAY'"),
    (lambda calls: calls.fail_job(1, **FAIL | {"retries": 2**31}), "'retries' to be an integer of 32 bits, but found 2147483648"),
    (lambda calls: calls.fail_job(1, **FAIL | {"back_off_ms": TOO_LARGE}), "'retryBackOff'"),
    (lambda calls: calls.fail_job(1, **FAIL | {"error_message": "\0"}), "'errorMessage'"),
    (lambda calls: calls.throw_error(1, error_code="\0", error_message="", variables=""), "'errorCode'"),
    (lambda calls: calls.throw_error(1, error_code="", error_message="x\udfff", variables=""), "at character 1"),
    (lambda calls: calls.update_retries(1, -(2**31) - 1), "32 bits, but found -2147483649"),
    (lambda calls: calls.update_timeout(1, TOO_LARGE), "'timeout'"),
    (lambda calls: calls.update_timeout(SMALLEST - 1, 1), "'jobKey'"),
    (lambda calls: calls.set_variables(TOO_LARGE, "", local=True), "'elementInstanceKey'"),
    (lambda calls: calls.resolve_incident(TOO_LARGE), "'incidentKey'"),
    (lambda calls: calls.cancel_instance(TOO_LARGE), "'processInstanceKey'"),
    (lambda calls: calls.create_instance(NewInstance(version=2**31)), "'version'"),
    (lambda calls: calls.create_instance(NewInstance(process_definition_key=TOO_LARGE)), "'processDefinitionKey'"),
    (lambda calls: calls.create_instance(NewInstance(variables="{")), "Invalid JSON"),
    (lambda calls: calls.evaluate_decision("d", TOO_LARGE, ""), "'decisionKey'"),
    (lambda calls: calls.deploy([("a\0.bpmn", b"")]), "'name'"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "words"), REFUSED, ids=range(len(REFUSED)))
async def test_what_is_refused_before_any_effect(
    calls: Calls, partition: ScriptedPartition, call: Callable[[Calls], Any], words: str
):
    with pytest.raises(InvalidArgument) as refused:
        await call(calls)
    assert words in str(refused.value)
    assert partition.commands == []


async def test_the_ends_of_a_range_are_taken(calls: Calls, partition: ScriptedPartition):
    partition.waiting["ask"] = [1]
    poll = calls.activate_jobs(**POLL | {"timeout_ms": LARGEST, "max_jobs": 2**31 - 1})
    poll.send(None)
    calls.complete_job(SMALLEST, "")
    calls.fail_job(LARGEST, **FAIL | {"retries": -(2**31), "back_off_ms": LARGEST})
    calls.update_timeout(1, SMALLEST)
    assert partition.commands == [
        ActivateJobs("ask", "w", LARGEST, 2**31 - 1),
        CompleteJob(SMALLEST, {}),
        FailJob(LARGEST, -(2**31), "", LARGEST, {}),
        UpdateJobTimeout(1, SMALLEST),
    ]
    poll.close()


async def test_texts_become_variables(calls: Calls, partition: ScriptedPartition):
    setting = asyncio.ensure_future(calls.set_variables(3, '{"a": [1, 2]}', local=True))
    await asyncio.sleep(0)
    calls.create_instance(NewInstance(bpmn_process_id="p", variables='{"b":"x"}', start_elements=("one",)))
    [set_, created] = partition.commands
    assert structs.replace(set_, ticket=0) == SetVariables(3, {"a": "[1,2]"}, True)
    assert created == CreateProcessInstance("p", -1, 0, {"b": '"x"'}, ("one",))
    setting.cancel()


@pytest.mark.parametrize("wait_ms", [1, 60_000, 2**63 - 1])
async def test_a_poll_waits_for_any_time_and_is_answered_when_jobs_come(
    calls: Calls, partition: ScriptedPartition, wait_ms: int
):
    partition.waiting["ask"] = [1]
    poll = calls.activate_jobs(**POLL | {"wait_ms": wait_ms})
    poll.send(None)
    partition.answer()
    with pytest.raises(StopIteration) as ended:
        poll.send(None)
    assert [job.key for job in ended.value.value] == [1]


@pytest.mark.parametrize("wait_ms", [-1, SMALLEST])
async def test_a_negative_time_is_no_wait(calls: Calls, wait_ms: int):
    assert await calls.activate_jobs(**POLL | {"wait_ms": wait_ms}) == []


async def test_a_partition_that_is_away_leads_nothing(calls: Calls, partition: ScriptedPartition):
    assert calls.leaders() == [1]
    partition.is_open = False
    assert calls.leaders() == []


@pytest.mark.parametrize("tenants", [[], [""], ["<default>"], ["", "<default>"]])
def test_the_default_tenant_may_be_named(tenants: list[str]):
    checks.default_tenant("ActivateJobs", tenants)


def test_another_tenant_is_refused_with_a_part_of_its_name():
    with pytest.raises(InvalidArgument) as refused:
        checks.default_tenant("ActivateJobs", ["", "x" * 500])
    assert "gRPC request ActivateJobs with tenant identifier 'xxx" in str(refused.value)
    assert len(str(refused.value)) < 400


# --- callers


def test_a_caller_names_their_user():
    assert Caller().user == ""
    assert Caller({"osmia-user": "ada", "other": "x"}).user == "ada"


def test_a_caller_is_gone_once_they_have_left():
    caller = Caller()
    assert not caller.is_gone
    caller.leave()
    assert caller.is_gone
