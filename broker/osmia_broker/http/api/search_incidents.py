"""Searches for incidents and variables, and numbers over incidents."""

from typing import Any

from osmia_broker.http.operation import Call, operation
from osmia_broker.http.problem import invalid
from osmia_broker.http.searching import item_type, results, serve, serve_get, serve_search
from osmia_broker.http.types import Key
from osmia_broker.store.read.entities import INCIDENTS, VARIABLES
from osmia_broker.store.read.entities.statistics import ERROR_HASH, INSTANCES_BY_DEFINITION, INSTANCES_BY_ERROR
from osmia_broker.store.read.entities.variables import WHOLE_VARIABLES, variable
from osmia_broker.store.read.search import values
from osmia_broker.store.read.search.fields import Kind
from osmia_broker.store.read.search.search import Search, search

TAG, VARIABLE_TAG = "Incident", "Variable"
_FOUND = item_type(WHOLE_VARIABLES, "get_variable")

serve_search("/incidents/search", INCIDENTS, name="search_incidents", tag=TAG, summary="Search incidents.")
serve_get("/incidents/{incidentKey}", INCIDENTS, name="get_incident", tag=TAG, noun="incident")
serve_search(
    "/incidents/statistics/process-instances-by-error",
    INSTANCES_BY_ERROR,
    name="get_process_instance_statistics_by_error",
    tag=TAG,
    summary="Count the process instances with open incidents by error message.",
)
serve_search(
    "/variables/search",
    VARIABLES,
    name="search_variables",
    tag=VARIABLE_TAG,
    summary="Search variables of all scopes.",
    whole=WHOLE_VARIABLES,
)


@operation("GET", "/variables/{variableKey}", tag=VARIABLE_TAG)
async def get_variable(call: Call, variable_key: Key) -> _FOUND:  # type: ignore[valid-type]  # made at run time
    """Return one variable with its whole value."""
    return await variable(call.reader, variable_key)


async def _by_definition(call: Call, body: Any) -> Any:
    filter = dict(body.filter) if isinstance(body.filter, dict) else {}
    asked = filter.pop("errorHashCode", None)
    if asked is None:
        raise invalid("Expected filter.errorHashCode to be given, but found none")
    given = {ERROR_HASH: values.read(Kind.INTEGER, "filter.errorHashCode", asked)}
    question = Search(filter, body.sort, body.page)
    return results(await search(call.reader, INSTANCES_BY_DEFINITION, question, given=given))


_NAME = "get_process_instance_statistics_by_definition"
_PATH = "/incidents/statistics/process-instances-by-definition"
serve(
    _by_definition,
    INSTANCES_BY_DEFINITION,
    _PATH,
    name=_NAME,
    tag=TAG,
    summary="Count the process instances with open incidents of one error by definition.",
    more={"errorHashCode": {"type": "integer", "format": "int32"}},
)
