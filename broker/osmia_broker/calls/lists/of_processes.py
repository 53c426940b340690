"""Lists of what belongs to process definitions, process instances and element instances, and numbers over them."""

from typing import Any

from osmia_broker.base.errors import InvalidArgument
from osmia_broker.calls.checks import DEFAULT_TENANT
from osmia_broker.calls.lists.listing import Asker, Listing, Question, of_entity, short
from osmia_broker.store.read.entities import (
    ELEMENT_INSTANCES,
    INCIDENTS,
    MESSAGE_SUBSCRIPTIONS,
    PROCESS_DEFINITIONS,
    PROCESS_INSTANCES,
)
from osmia_broker.store.read.entities.statistics import (
    DEFINITION_KEY,
    ERROR_HASH,
    INSTANCES_BY_DEFINITION,
    INSTANCES_BY_ERROR,
    INSTANCES_BY_PROCESS,
    INSTANCES_BY_VERSION,
    VARIABLE_NAMES,
    subscriptions_by_definition,
)
from osmia_broker.store.read.instances import instance_views
from osmia_broker.store.read.search import filters, values
from osmia_broker.store.read.search.entity import Item
from osmia_broker.store.read.search.fields import Kind
from osmia_broker.store.read.search.search import Found, Search, get, search

INSTANCE, ELEMENT, DEFINITION = "process instance", "element instance", "process definition"


async def _of_instance(asker: Asker, key: int) -> dict[str, Any]:
    await get(asker.reader, PROCESS_INSTANCES, key, INSTANCE)
    return {"ofInstance": key}


async def _of_element(asker: Asker, key: int) -> dict[str, Any]:
    await get(asker.reader, ELEMENT_INSTANCES, key, ELEMENT)
    return {"ofElement": key}


async def _callers(asker: Asker, key: int, _filter: Any) -> list[Item]:
    return await instance_views.callers(asker.reader, key)


async def _sequence_flows(asker: Asker, key: int, _filter: Any) -> list[Item]:
    taken = await instance_views.taken_flows(asker.reader, key)
    return [
        {
            "sequenceFlowId": f"{key}_{id}",
            "elementId": id,
            "processInstanceKey": str(key),
            "rootProcessInstanceKey": str(taken.root_process_instance_key),
            "processDefinitionKey": str(taken.definition.key),
            "processDefinitionId": taken.definition.bpmn_process_id or None,
            "tenantId": DEFAULT_TENANT,
        }
        for id in taken.ids
    ]


async def _elements_of_instance(asker: Asker, key: int, _filter: Any) -> list[Item]:
    return await instance_views.element_numbers(asker.reader, key)


async def _waits_of_instance(asker: Asker, key: int, _filter: Any) -> list[Item]:
    return await instance_views.wait_numbers(asker.reader, key)


async def _elements_of_definition(asker: Asker, key: int, filter: Any) -> list[Item]:
    await get(asker.reader, PROCESS_DEFINITIONS, key, DEFINITION)
    return await instance_views.element_numbers_of_definition(asker.reader, key, filter)


async def _variable_names(asker: Asker, question: Question) -> Found:
    await get(asker.reader, PROCESS_DEFINITIONS, question.of, DEFINITION)
    return await search(
        asker.reader,
        VARIABLE_NAMES,
        question.asked,
        given={DEFINITION_KEY: question.of},
        bytes_max=question.bytes_max,
    )


async def _by_version(asker: Asker, question: Question) -> Found:
    filter = question.asked.filter
    if not isinstance(filter, dict) or not filter.get("processDefinitionId"):
        raise InvalidArgument("Expected filter.processDefinitionId to be a process id, but found none")
    return await search(asker.reader, INSTANCES_BY_VERSION, question.asked, bytes_max=question.bytes_max)


async def _with_error(asker: Asker, question: Question) -> Found:
    filter = dict(question.asked.filter) if isinstance(question.asked.filter, dict) else {}
    error = filter.pop("errorHashCode", None)
    if error is None:
        raise InvalidArgument("Expected filter.errorHashCode to be given, but found none")
    given = {ERROR_HASH: values.read(Kind.INTEGER, "filter.errorHashCode", error)}
    asked = Search(filter, question.asked.sort, question.asked.page)
    return await search(asker.reader, INSTANCES_BY_DEFINITION, asked, given=given, bytes_max=question.bytes_max)


async def _subscriptions(asker: Asker, question: Question) -> Found:
    asked = question.asked
    parsed = filters.parse(MESSAGE_SUBSCRIPTIONS.fields, asked.filter)
    return await search(
        asker.reader,
        subscriptions_by_definition(parsed.shape),
        Search(None, asked.sort, asked.page),
        given=parsed.parameters,
        bytes_max=question.bytes_max,
    )


PROCESS_LISTS = {
    "process-instances/incidents": of_entity(INCIDENTS, owner=INSTANCE, scope=_of_instance),
    "process-instances/call-hierarchy": short(_callers, owner=INSTANCE),
    "process-instances/sequence-flows": short(_sequence_flows, owner=INSTANCE),
    "process-instances/statistics/element-instances": short(_elements_of_instance, owner=INSTANCE),
    "process-instances/statistics/wait-states": short(_waits_of_instance, owner=INSTANCE),
    "element-instances/incidents": of_entity(INCIDENTS, owner=ELEMENT, scope=_of_element),
    "process-definitions/variable-names": Listing(VARIABLE_NAMES, _variable_names, owner=DEFINITION),
    "process-definitions/statistics/element-instances": short(
        _elements_of_definition, owner=DEFINITION, filter_of=PROCESS_INSTANCES
    ),
    "process-definitions/statistics/process-instances": of_entity(INSTANCES_BY_PROCESS),
    "process-definitions/statistics/process-instances-by-version": Listing(
        INSTANCES_BY_VERSION, _by_version, needs_filter=True
    ),
    "process-definitions/statistics/message-subscriptions": Listing(
        MESSAGE_SUBSCRIPTIONS, _subscriptions, answers=subscriptions_by_definition(filters.NOTHING)
    ),
    "incidents/statistics/process-instances-by-error": of_entity(INSTANCES_BY_ERROR),
    "incidents/statistics/process-instances-by-definition": Listing(
        INSTANCES_BY_DEFINITION,
        _with_error,
        needs_filter=True,
        more={"errorHashCode": {"type": "integer", "format": "int32"}},
    ),
}
