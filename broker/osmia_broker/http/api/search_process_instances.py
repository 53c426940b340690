"""Searches for process instances, element instances and what they wait for, and views of one instance."""

from msgspec import convert

from osmia_broker.http.operation import Call, operation
from osmia_broker.http.searching import serve_get, serve_search
from osmia_broker.http.seen import Caller, ElementNumbers, SequenceFlow, SequenceFlows, WaitNumber, WaitNumbers
from osmia_broker.http.types import Key
from osmia_broker.store.read.search.search import ALL

TAG, ELEMENT_TAG = "Process instance", "Element instance"
INSTANCE = "/process-instances/{processInstanceKey}"
ELEMENT = "/element-instances/{elementInstanceKey}"


serve_search(
    "/process-instances/search",
    name="search_process_instances",
    tag=TAG,
    summary="Search process instances, running and ended.",
)
serve_get(INSTANCE, name="get_process_instance", tag=TAG)
serve_search(
    INSTANCE + "/incidents/search",
    name="search_process_instance_incidents",
    tag=TAG,
    summary="Search the incidents of a process instance and of all that it has called.",
)
serve_search(
    "/element-instances/search",
    name="search_element_instances",
    tag=ELEMENT_TAG,
    summary="Search element instances, running and ended.",
)
serve_get(ELEMENT, name="get_element_instance", tag=ELEMENT_TAG)
serve_search(
    ELEMENT + "/incidents/search",
    name="search_element_instance_incidents",
    tag=ELEMENT_TAG,
    summary="Search the incidents of an element instance, of all inside it and of all called from there.",
)
serve_search(
    "/element-instances/wait-states/search",
    name="search_element_instance_wait_states",
    tag=ELEMENT_TAG,
    summary="Search what element instances wait for.",
)


@operation("GET", INSTANCE + "/call-hierarchy", tag=TAG)
async def get_process_instance_call_hierarchy(call: Call, process_instance_key: Key) -> list[Caller]:
    """List a process instance and all that have called it, the outermost first."""
    found = await call.lists.search("process-instances/call-hierarchy", ALL, of=process_instance_key)
    return convert(found.items, list[Caller])


@operation("GET", INSTANCE + "/sequence-flows", tag=TAG)
async def get_process_instance_sequence_flows(call: Call, process_instance_key: Key) -> SequenceFlows:
    """List the sequence flows that tokens of a process instance have taken."""
    found = await call.lists.search("process-instances/sequence-flows", ALL, of=process_instance_key)
    return SequenceFlows(items=convert(found.items, list[SequenceFlow]))


@operation("GET", INSTANCE + "/statistics/element-instances", tag=TAG)
async def get_process_instance_statistics(call: Call, process_instance_key: Key) -> ElementNumbers:
    """Count the element instances of a process instance by element and state."""
    found = await call.lists.search("process-instances/statistics/element-instances", ALL, of=process_instance_key)
    return ElementNumbers.of(found.items)


@operation("GET", INSTANCE + "/statistics/wait-states", tag=TAG)
async def get_process_instance_wait_state_statistics(call: Call, process_instance_key: Key) -> WaitNumbers:
    """Count what a process instance waits for, by element."""
    found = await call.lists.search("process-instances/statistics/wait-states", ALL, of=process_instance_key)
    return WaitNumbers(items=convert(found.items, list[WaitNumber]))
