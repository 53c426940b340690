"""Rows that somebody changed by hand, at the door: each list answers, and shows them as near to themselves as it can."""

import logging

import msgspec
import pytest
from msgspec.structs import replace

from osmia_broker.gateway import query_messages
from osmia_broker.model import RESERVED_HEADERS, USER_TASK_JOB_TYPE
from osmia_broker.state.rows import InstanceOrigin, Job
from osmia_broker.store.read import SeenInstance, SeenJob, SeenSubscription, SeenTimer
from tests.store import rows


@pytest.mark.parametrize("value", ["pizza", "", "{", "{'a': 1}", "nan", "[1,]", '"\\ud800"', "[" * 5_000 + "]" * 5_000])
def test_a_variable_that_is_no_json_is_shown_as_a_text(value: str, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.WARNING):
        message = query_messages.variable(replace(rows.variable, value=value, name="dinner"))
    assert msgspec.json.decode(message.value) == value
    assert "variable 'dinner'" in caplog.text


@pytest.mark.parametrize("value", ["null", "1e999", '"pizza"', '{"a": [1, 2.50]}', "9007199254740993"])
def test_json_is_shown_as_it_is(value: str, caplog: pytest.LogCaptureFixture):
    assert query_messages.variable(replace(rows.variable, value=value)).value == value
    assert caplog.text == ""


def job(headers: str, **rest: object) -> SeenJob:
    row: Job = replace(rows.job, type=USER_TASK_JOB_TYPE, headers=headers, **rest)
    return SeenJob(row, rows.definition, "")


@pytest.mark.parametrize("headers", ["", "pizza", "[1]", "7", '{"a": 1}', '{"a": null}'])
def test_headers_that_are_none_are_left_out(headers: str, caplog: pytest.LogCaptureFixture):
    message = query_messages.job(job(headers))
    assert (message.custom_headers, message.assignee) == ("{}", "")
    assert f"in table jobs, key {rows.job.key}" in caplog.text


def test_groups_that_are_no_list_are_left_out_and_the_assignee_is_shown():
    own = {"assignee": "ada", "candidateGroups": "cooks", "candidateUsers": '["bob"]'}
    headers = {f"{RESERVED_HEADERS}{name}": value for name, value in own.items()}
    message = query_messages.job(job(msgspec.json.encode(headers).decode()))
    assert (message.assignee, list(message.candidate_groups), list(message.candidate_users)) == ("ada", [], ["bob"])


@pytest.mark.parametrize(("stored", "shown"), [(2**40, 2**31 - 1), (-(2**40), -(2**31)), (7, 7)])
def test_a_number_that_the_wire_cannot_carry_is_the_nearest_one(stored: int, shown: int):
    definition = replace(rows.definition, version=stored)
    assert query_messages.definition(definition).version == shown
    assert query_messages.job(SeenJob(replace(rows.job, retries=stored), definition, "")).retries == shown
    assert query_messages.timer(SeenTimer(rows.timer, definition, "")).process_definition_version == shown
    message = query_messages.subscription(SeenSubscription(rows.subscription, definition, ""))
    assert message.process_definition_version == shown


@pytest.mark.parametrize("tags", ["vip", "{}", "[1]"])
def test_tags_that_are_no_list_are_left_out(tags: str):
    origin: InstanceOrigin = replace(rows.origin, tags=tags, parent_process_instance_key=5)
    message = query_messages.instance(SeenInstance(rows.process, rows.definition, "ACTIVE", False, [], origin, ""))
    assert (message.parent_process_instance_key, list(message.tags)) == (5, [])


def test_the_variables_of_a_message_that_are_no_json_are_left_out():
    assert query_messages.message(replace(rows.message, variables="pizza")).variables == "{}"
