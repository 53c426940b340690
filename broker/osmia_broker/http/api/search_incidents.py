"""Searches for incidents and variables, and numbers over incidents."""

from osmia_broker.http.operation import Call, operation
from osmia_broker.http.searching import item_type, serve_get, serve_search
from osmia_broker.http.types import Key
from osmia_broker.store.read.entities.variables import WHOLE_VARIABLES

TAG, VARIABLE_TAG = "Incident", "Variable"
_FOUND = item_type(WHOLE_VARIABLES, "get_variable", without=("isTruncated",))

serve_search("/incidents/search", name="search_incidents", tag=TAG, summary="Search incidents.")
serve_get("/incidents/{incidentKey}", name="get_incident", tag=TAG)
serve_search(
    "/incidents/statistics/process-instances-by-error",
    name="get_process_instance_statistics_by_error",
    tag=TAG,
    summary="Count the process instances with open incidents by error message.",
)
serve_search(
    "/variables/search",
    name="search_variables",
    tag=VARIABLE_TAG,
    summary="Search variables of all scopes.",
)


@operation("GET", "/variables/{variableKey}", tag=VARIABLE_TAG)
async def get_variable(call: Call, variable_key: Key) -> _FOUND:  # type: ignore[valid-type]  # made at run time
    """Return one variable with its whole value."""
    return await call.lists.get("variables", str(variable_key))


serve_search(
    "/incidents/statistics/process-instances-by-definition",
    name="get_process_instance_statistics_by_definition",
    tag=TAG,
    summary="Count the process instances with open incidents of one error by definition.",
)
