"""Searches for process instances, element instances and what they wait for, and views of one instance."""

from typing import Any

from msgspec import convert

from osmia_broker.calls.checks import DEFAULT_TENANT
from osmia_broker.http.operation import Call, operation
from osmia_broker.http.searching import serve_get, serve_search
from osmia_broker.http.seen import Caller, ElementNumbers, SequenceFlow, SequenceFlows, WaitNumber, WaitNumbers
from osmia_broker.http.types import Key
from osmia_broker.store.read import instance_views
from osmia_broker.store.read.entities import ELEMENT_INSTANCES, INCIDENTS, PROCESS_INSTANCES, WAIT_STATES
from osmia_broker.store.read.search.search import get

TAG, ELEMENT_TAG = "Process instance", "Element instance"
INSTANCE = "/process-instances/{processInstanceKey}"
ELEMENT = "/element-instances/{elementInstanceKey}"


async def _known_instance(call: Call, values: dict[str, int]) -> dict[str, Any]:
    await get(call.reader, PROCESS_INSTANCES, values["process_instance_key"], "process instance")
    return {}


async def _known_element(call: Call, values: dict[str, int]) -> dict[str, Any]:
    await get(call.reader, ELEMENT_INSTANCES, values["element_instance_key"], "element instance")
    return {}


serve_search(
    "/process-instances/search",
    PROCESS_INSTANCES,
    name="search_process_instances",
    tag=TAG,
    summary="Search process instances, running and ended.",
)
serve_get(INSTANCE, PROCESS_INSTANCES, name="get_process_instance", tag=TAG, noun="process instance")
serve_search(
    INSTANCE + "/incidents/search",
    INCIDENTS,
    name="search_process_instance_incidents",
    tag=TAG,
    summary="Search the incidents of a process instance and of all that it has called.",
    scope={"process_instance_key": "ofInstance"},
    sees=_known_instance,
)
serve_search(
    "/element-instances/search",
    ELEMENT_INSTANCES,
    name="search_element_instances",
    tag=ELEMENT_TAG,
    summary="Search element instances, running and ended.",
)
serve_get(ELEMENT, ELEMENT_INSTANCES, name="get_element_instance", tag=ELEMENT_TAG, noun="element instance")
serve_search(
    ELEMENT + "/incidents/search",
    INCIDENTS,
    name="search_element_instance_incidents",
    tag=ELEMENT_TAG,
    summary="Search the incidents of an element instance, of all inside it and of all called from there.",
    scope={"element_instance_key": "ofElement"},
    sees=_known_element,
)
serve_search(
    "/element-instances/wait-states/search",
    WAIT_STATES,
    name="search_element_instance_wait_states",
    tag=ELEMENT_TAG,
    summary="Search what element instances wait for.",
)


@operation("GET", INSTANCE + "/call-hierarchy", tag=TAG)
async def get_process_instance_call_hierarchy(call: Call, process_instance_key: Key) -> list[Caller]:
    """List a process instance and all that have called it, the outermost first."""
    return convert(await instance_views.callers(call.reader, process_instance_key), list[Caller])


@operation("GET", INSTANCE + "/sequence-flows", tag=TAG)
async def get_process_instance_sequence_flows(call: Call, process_instance_key: Key) -> SequenceFlows:
    """List the sequence flows that tokens of a process instance have taken."""
    taken = await instance_views.taken_flows(call.reader, process_instance_key)
    return SequenceFlows(
        items=[
            SequenceFlow(
                sequence_flow_id=f"{process_instance_key}_{id}",
                element_id=id,
                process_instance_key=str(process_instance_key),
                root_process_instance_key=str(taken.root_process_instance_key),
                process_definition_key=str(taken.definition.key),
                process_definition_id=taken.definition.bpmn_process_id or None,
                tenant_id=DEFAULT_TENANT,
            )
            for id in taken.ids
        ]
    )


@operation("GET", INSTANCE + "/statistics/element-instances", tag=TAG)
async def get_process_instance_statistics(call: Call, process_instance_key: Key) -> ElementNumbers:
    """Count the element instances of a process instance by element and state."""
    return ElementNumbers.of(await instance_views.element_numbers(call.reader, process_instance_key))


@operation("GET", INSTANCE + "/statistics/wait-states", tag=TAG)
async def get_process_instance_wait_state_statistics(call: Call, process_instance_key: Key) -> WaitNumbers:
    """Count what a process instance waits for, by element."""
    return WaitNumbers(
        items=convert(await instance_views.wait_numbers(call.reader, process_instance_key), list[WaitNumber])
    )
