"""Searches for process definitions, their files and forms, and numbers over their instances."""

from typing import Annotated, Any

from osmia_broker.http.described import maybe, schema
from osmia_broker.http.operation import XML, Call, Reply, operation
from osmia_broker.http.problem import invalid
from osmia_broker.http.searching import asked_by, filter_schema, results, serve, serve_get, serve_search
from osmia_broker.http.seen import ElementNumbers, FormItem
from osmia_broker.http.types import Body, Key
from osmia_broker.store.read import files, instance_views
from osmia_broker.store.read.entities import MESSAGE_SUBSCRIPTIONS, PROCESS_DEFINITIONS, PROCESS_INSTANCES
from osmia_broker.store.read.entities.statistics import (
    DEFINITION_KEY,
    INSTANCES_BY_PROCESS,
    INSTANCES_BY_VERSION,
    VARIABLE_NAMES,
    subscriptions_by_definition,
)
from osmia_broker.store.read.search import filters
from osmia_broker.store.read.search.search import Search, get, search

TAG = "Process definition"
DEFINITION = "/process-definitions/{processDefinitionKey}"

serve_search(
    "/process-definitions/search",
    PROCESS_DEFINITIONS,
    name="search_process_definitions",
    tag=TAG,
    summary="Search deployed processes, in all versions.",
)
serve_get(DEFINITION, PROCESS_DEFINITIONS, name="get_process_definition", tag=TAG, noun="process definition")
serve_search(
    "/process-definitions/statistics/process-instances",
    INSTANCES_BY_PROCESS,
    name="get_process_definition_instance_statistics",
    tag=TAG,
    summary="Count the active instances of each process, with and without incidents.",
)


class ElementNumbersQuery(Body):
    """The process instances whose elements are counted."""

    filter: Annotated[Any, schema(**maybe(filter_schema(PROCESS_INSTANCES)))] = None


@operation("GET", DEFINITION + "/xml", tag=TAG, gives=XML)
async def get_process_definition_xml(call: Call, process_definition_key: Key) -> Reply:
    """Return the BPMN file of a definition."""
    found = await files.content_of(call.reader, "process definition", process_definition_key)
    return Reply(body=found.content, media_type=XML)


@operation("GET", DEFINITION + "/form", tag=TAG, also=(204,))
async def get_start_process_form(call: Call, process_definition_key: Key) -> FormItem | None:
    """Return the form of the start event; the answer is empty if it has none."""
    return FormItem.of(await files.form_of_start(call.reader, process_definition_key))


@operation("POST", DEFINITION + "/statistics/element-instances", tag=TAG)
async def get_process_definition_statistics(
    call: Call, process_definition_key: Key, body: ElementNumbersQuery | None = None
) -> ElementNumbers:
    """Count the element instances of a definition by element and state."""
    await get(call.reader, PROCESS_DEFINITIONS, process_definition_key, "process definition")
    filter = None if body is None else body.filter
    found = await instance_views.element_numbers_of_definition(call.reader, process_definition_key, filter)
    return ElementNumbers.of(found)


async def _by_version(call: Call, body: Any) -> Any:
    if not isinstance(body.filter, dict) or not body.filter.get("processDefinitionId"):
        raise invalid("Expected filter.processDefinitionId to be a process id, but found none")
    return results(await search(call.reader, INSTANCES_BY_VERSION, asked_by(body)))


async def _subscriptions(call: Call, body: Any = None) -> Any:
    asked = asked_by(body)
    parsed = filters.parse(MESSAGE_SUBSCRIPTIONS.fields, asked.filter)
    entity = subscriptions_by_definition(parsed.shape)
    return results(await search(call.reader, entity, Search(None, asked.sort, asked.page), given=parsed.parameters))


async def _variable_names(call: Call, process_definition_key: int, body: Any = None) -> Any:
    await get(call.reader, PROCESS_DEFINITIONS, process_definition_key, "process definition")
    asked = asked_by(body)
    given = {DEFINITION_KEY: process_definition_key}
    return results(await search(call.reader, VARIABLE_NAMES, asked, given=given))


for _handle, _name, _path, _entity, _summary in (
    (
        _by_version,
        "get_process_definition_instance_version_statistics",
        "/process-definitions/statistics/process-instances-by-version",
        INSTANCES_BY_VERSION,
        "Count the active instances of each version of a process, with and without incidents.",
    ),
    (
        _subscriptions,
        "get_process_definition_message_subscription_statistics",
        "/process-definitions/statistics/message-subscriptions",
        MESSAGE_SUBSCRIPTIONS,
        "Count the open message subscriptions of each definition.",
    ),
    (
        _variable_names,
        "search_process_definition_variable_names",
        DEFINITION + "/variable-names/search",
        VARIABLE_NAMES,
        "Search the names of the variables that instances of a definition have had.",
    ),
):
    _answers = subscriptions_by_definition(filters.NOTHING) if _entity is MESSAGE_SUBSCRIPTIONS else None
    serve(_handle, _entity, _path, name=_name, tag=TAG, summary=_summary, answers=_answers)
