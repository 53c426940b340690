"""Searches for process definitions, their files and forms, and numbers over their instances."""

from typing import Annotated, Any

from osmia_broker.base.untrusted_xml import in_utf8
from osmia_broker.http.described import maybe, schema
from osmia_broker.http.operation import XML, Call, Reply, operation
from osmia_broker.http.searching import filter_schema, serve_get, serve_search
from osmia_broker.http.seen import ElementNumbers, FormItem
from osmia_broker.http.types import Body, Key
from osmia_broker.store.read.deployed import files
from osmia_broker.store.read.entities import PROCESS_INSTANCES
from osmia_broker.store.read.search.search import Search

TAG = "Process definition"
DEFINITION = "/process-definitions/{processDefinitionKey}"

serve_search(
    "/process-definitions/search",
    name="search_process_definitions",
    tag=TAG,
    summary="Search deployed processes, in all versions.",
)
serve_get(DEFINITION, name="get_process_definition", tag=TAG)
serve_search(
    "/process-definitions/statistics/process-instances",
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
    return Reply(body=in_utf8(found.content), media_type=XML)


@operation("GET", DEFINITION + "/form", tag=TAG, also=(204,))
async def get_start_process_form(call: Call, process_definition_key: Key) -> FormItem | None:
    """Return the form of the start event; the answer is empty if it has none."""
    return FormItem.of(await files.form_of_start(call.reader, process_definition_key))


@operation("POST", DEFINITION + "/statistics/element-instances", tag=TAG)
async def get_process_definition_statistics(
    call: Call, process_definition_key: Key, body: ElementNumbersQuery | None = None
) -> ElementNumbers:
    """Count the element instances of a definition by element and state."""
    asked = Search(None if body is None else body.filter)
    list_name = "process-definitions/statistics/element-instances"
    found = await call.lists.search(list_name, asked, of=process_definition_key)
    return ElementNumbers.of(found.items)


serve_search(
    "/process-definitions/statistics/process-instances-by-version",
    name="get_process_definition_instance_version_statistics",
    tag=TAG,
    summary="Count the active instances of each version of a process, with and without incidents.",
)
serve_search(
    "/process-definitions/statistics/message-subscriptions",
    name="get_process_definition_message_subscription_statistics",
    tag=TAG,
    summary="Count the open message subscriptions of each definition.",
)
serve_search(
    DEFINITION + "/variable-names/search",
    name="search_process_definition_variable_names",
    tag=TAG,
    summary="Search the names of the variables that instances of a definition have had.",
)
