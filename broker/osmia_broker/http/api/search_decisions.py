"""Searches for decisions, their graphs and their evaluations."""

from osmia_broker.base.untrusted_xml import in_utf8
from osmia_broker.http.operation import XML, Call, Reply, operation
from osmia_broker.http.searching import item_type, serve_get, serve_search
from osmia_broker.http.types import Key
from osmia_broker.store.read.deployed import files
from osmia_broker.store.read.entities.decision_instances import WHOLE_DECISION_INSTANCES

TAG, INSTANCE_TAG, GRAPH_TAG = "Decision definition", "Decision instance", "Decision requirements"
DEFINITION = "/decision-definitions/{decisionDefinitionKey}"
GRAPH = "/decision-requirements/{decisionRequirementsKey}"
_FOUND = item_type(WHOLE_DECISION_INSTANCES, "get_decision_instance")

serve_search(
    "/decision-definitions/search",
    name="search_decision_definitions",
    tag=TAG,
    summary="Search deployed decisions, in all versions.",
)
serve_get(DEFINITION, name="get_decision_definition", tag=TAG)
serve_search(
    "/decision-requirements/search",
    name="search_decision_requirements",
    tag=GRAPH_TAG,
    summary="Search deployed decision graphs, in all versions.",
)
serve_get(GRAPH, name="get_decision_requirements", tag=GRAPH_TAG)
serve_search(
    "/decision-instances/search",
    name="search_decision_instances",
    tag=INSTANCE_TAG,
    summary="Search decisions that were evaluated.",
)


@operation("GET", DEFINITION + "/xml", tag=TAG, gives=XML)
async def get_decision_definition_xml(call: Call, decision_definition_key: Key) -> Reply:
    """Return the DMN file of a decision."""
    found = await files.content_of(call.reader, "decision definition", decision_definition_key)
    return Reply(body=in_utf8(found.content), media_type=XML)


@operation("GET", GRAPH + "/xml", tag=GRAPH_TAG, gives=XML)
async def get_decision_requirements_xml(call: Call, decision_requirements_key: Key) -> Reply:
    """Return the DMN file of a decision graph."""
    found = await files.content_of(call.reader, "decision requirements", decision_requirements_key)
    return Reply(body=in_utf8(found.content), media_type=XML)


@operation("GET", "/decision-instances/{decisionEvaluationInstanceKey}", tag=INSTANCE_TAG)
async def get_decision_instance(call: Call, decision_evaluation_instance_key: str) -> _FOUND:  # type: ignore[valid-type]  # made at run time
    """Return one decision that was evaluated, with what it has read and which rules it has matched."""
    return await call.lists.get("decision-instances", decision_evaluation_instance_key)
