"""Cluster variables, which every expression can read as `camunda.vars.cluster.name`."""

from typing import Annotated, Any

from msgspec import Raw, field

from osmia_broker.calls.checks import IDENTIFIER
from osmia_broker.calls.cluster_variables import KIND, METADATA_MAX, NAME_CHARACTERS
from osmia_broker.http.described import AnyJson, one_of, schema
from osmia_broker.http.operation import Call, operation
from osmia_broker.http.searching import item_type, serve_search
from osmia_broker.http.types import Body, Item, Text, json_text
from osmia_broker.state.rows.batches import ClusterVariable
from osmia_broker.store.read.entities.cluster_variables import WHOLE_CLUSTER_VARIABLES

TAG = "Cluster variable"
VARIABLE = "/cluster-variables/global/{name}"
_METADATA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": {"type": ["string", "number"]},
    "maxProperties": METADATA_MAX,
}


_FOUND = item_type(WHOLE_CLUSTER_VARIABLES, "get_global_cluster_variable")


class Value(Body):
    """A new value."""

    value: AnyJson = field(default_factory=Raw)
    metadata: Annotated[dict[str, Any], schema(**_METADATA)] | None = None


class NewVariable(Value):
    """A cluster variable to create."""

    name: Annotated[Text, schema(minLength=1, maxLength=NAME_CHARACTERS, pattern=IDENTIFIER)] | None = None
    kind: Annotated[Text, one_of(KIND)] | None = None


class VariableItem(Item):
    """A cluster variable; the value is JSON text."""

    name: str
    value: str
    metadata: Annotated[Raw, schema(**_METADATA)]
    scope: Annotated[str, one_of("GLOBAL")] = "GLOBAL"
    tenant_id: str | None = None
    kind: Annotated[str, one_of(KIND)] = KIND


@operation("POST", "/cluster-variables/global", tag=TAG)
async def create_global_cluster_variable(call: Call, body: NewVariable) -> VariableItem:
    """Create a cluster variable."""
    text = json_text(body.value)
    created = call.calls.create_cluster_variable(body.name or "", text, metadata=body.metadata, kind=body.kind)
    return _item(await created)


@operation("PUT", VARIABLE, tag=TAG)
async def update_global_cluster_variable(call: Call, name: str, body: Value) -> VariableItem:
    """Give a cluster variable another value."""
    text = json_text(body.value)
    return _item(await call.calls.update_cluster_variable(name, text, metadata=body.metadata))


@operation("DELETE", VARIABLE, tag=TAG, status=204)
async def delete_global_cluster_variable(call: Call, name: str) -> None:
    """Delete a cluster variable."""
    await call.calls.delete_cluster_variable(name)


@operation("GET", VARIABLE, tag=TAG)
async def get_global_cluster_variable(call: Call, name: str) -> _FOUND:  # type: ignore[valid-type]  # made at run time
    """Return one cluster variable."""
    return await call.lists.get("cluster-variables", name)


serve_search(
    "/cluster-variables/search",
    name="search_cluster_variables",
    tag=TAG,
    summary="Search cluster variables.",
)


def _item(row: ClusterVariable) -> VariableItem:
    return VariableItem(name=row.name, value=row.value, metadata=Raw(row.metadata.encode()))
