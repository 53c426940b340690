"""Requests for lists as questions to the read side: by the same names."""

from inspect import signature
from typing import Any

import pytest

from osmia_broker.base.errors import InvalidArgument
from osmia_broker.gateway.questions import asked
from osmia_broker.store.read import Reader
from osmia_proto import queries

LISTS = {
    "process_instances": queries.SearchProcessInstancesRequest,
    "incidents": queries.SearchIncidentsRequest,
    "process_definitions": queries.SearchProcessDefinitionsRequest,
    "variables": queries.SearchVariablesRequest,
    "timers": queries.SearchTimersRequest,
    "subscriptions": queries.SearchSubscriptionsRequest,
    "messages": queries.SearchMessagesRequest,
    "decision_evaluations": queries.SearchDecisionEvaluationsRequest,
    "batch_operations": queries.SearchBatchOperationsRequest,
    "batch_items": queries.SearchBatchOperationItemsRequest,
    "cluster_variables": queries.SearchClusterVariablesRequest,
}


@pytest.mark.parametrize("name", LISTS)
def test_a_list_can_be_asked_for_all_that_the_read_side_offers_and_nothing_else(name: str):
    _, *parameters = signature(getattr(Reader, name)).parameters
    assert asked(LISTS[name]()).keys() == {*parameters}


@pytest.mark.parametrize(
    ("given", "value"),
    [({}, None), ({"has_incident": False}, False), ({"has_incident": True}, True)],
)
def test_only_an_absent_optional_field_asks_for_nothing(given: dict[str, Any], value: bool | None):
    assert asked(queries.SearchProcessInstancesRequest(**given))["has_incident"] is value


def test_a_field_that_is_no_optional_one_asks_by_its_zero():
    found = asked(queries.SearchTimersRequest())
    assert (found["process_instance_key"], found["element_id"], found["states"]) == (0, "", [])


def test_kinds_and_states_are_named_as_in_the_rows():
    found = asked(queries.SearchSubscriptionsRequest(kinds=[2, 1, 2], states=[1]))
    assert (found["kinds"], found["states"]) == (["SIGNAL", "MESSAGE", "SIGNAL"], ["OPEN"])


@pytest.mark.parametrize("number", [0, -1, 99])
def test_a_number_that_stands_for_nothing_is_refused_with_what_would_do(number: int):
    with pytest.raises(InvalidArgument) as refused:
        asked(queries.SearchBatchOperationsRequest(types=[1, number]))
    assert str(refused.value).startswith("Expected types of BATCH_OPERATION_TYPE_")
    assert str(refused.value).endswith(f", but found [1, {number}]")
