"""Cluster variables, which every expression can read as `camunda.vars.cluster.name`."""

from math import isfinite
from typing import Annotated, Any

import msgspec
from msgspec import Raw, field

from osmia_broker.calls import checks
from osmia_broker.calls.operators import CLUSTER_VARIABLE_CHARACTERS
from osmia_broker.http.described import AnyJson, one_of, schema
from osmia_broker.http.faults import Faults
from osmia_broker.http.operation import Call, operation
from osmia_broker.http.searching import item_type, serve_search
from osmia_broker.http.types import Body, Item, Text, json_text, kind_of, raw
from osmia_broker.state.batch_rows import ClusterVariable
from osmia_broker.state.storable import NUL
from osmia_broker.store.read.entities import CLUSTER_VARIABLES
from osmia_broker.store.read.entities.cluster_variables import WHOLE_CLUSTER_VARIABLES
from osmia_broker.store.read.search.search import get

TAG = "Cluster variable"
VARIABLE = "/cluster-variables/global/{name}"
METADATA_MAX = 100  # members, as the contract has it
KIND = "JSON"  # the only kind of cluster variables; the contract has references to secrets, too
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

    name: Annotated[Text, schema(minLength=1, maxLength=CLUSTER_VARIABLE_CHARACTERS)] | None = None
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
    faults = Faults()
    faults.require("name", body.name)
    _check(body, faults)
    if body.kind is not None and body.kind.upper() != KIND:
        faults.add(f"The value for kind is '{checks.quoted(body.kind or '')}' but must be JSON.")
    faults.refuse()
    return _item(
        await call.calls.put_cluster_variable(body.name or "", json_text(body.value), metadata=_metadata(body))
    )


@operation("PUT", VARIABLE, tag=TAG)
async def update_global_cluster_variable(call: Call, name: str, body: Value) -> VariableItem:
    """Give a cluster variable another value."""
    faults = Faults()
    _check(body, faults)
    faults.refuse()
    text = json_text(body.value)
    return _item(await call.calls.put_cluster_variable(name, text, metadata=_metadata(body), updates=True))


@operation("DELETE", VARIABLE, tag=TAG, status=204)
async def delete_global_cluster_variable(call: Call, name: str) -> None:
    """Delete a cluster variable."""
    await call.calls.delete_cluster_variable(name)


@operation("GET", VARIABLE, tag=TAG)
async def get_global_cluster_variable(call: Call, name: str) -> _FOUND:  # type: ignore[valid-type]  # made at run time
    """Return one cluster variable."""
    return await get(call.reader, WHOLE_CLUSTER_VARIABLES, (name,), "cluster variable")


serve_search(
    "/cluster-variables/search",
    CLUSTER_VARIABLES,
    name="search_cluster_variables",
    tag=TAG,
    summary="Search cluster variables.",
    whole=WHOLE_CLUSTER_VARIABLES,
)


def _check(body: Value, faults: Faults) -> None:
    """Add the faults of the value and of the metadata, whose filters compare texts and numbers."""
    if not bytes(body.value):
        faults.require("value", None)
    metadata = body.metadata or {}
    if len(metadata) > METADATA_MAX:
        faults.add(f"Expected metadata to have at most {METADATA_MAX} members, but found {len(metadata)}.")
    for name, value in metadata.items():
        if NUL in name:
            faults.add("Expected the names of metadata without NUL characters, but found one.")
            continue
        place, kind = f"metadata.{checks.quoted(name)}", kind_of(value)
        if kind not in ("a text", "a number"):
            faults.add(f"Expected {place} to be a text or a number, but found {kind}.")
        elif kind == "a text" and NUL in value:
            faults.add(f"Expected {place} without NUL characters, but found one.")
        elif kind == "a number" and not _is_finite(value):
            faults.add(f"Expected {place} to be a number below 1.8e308, but found a larger one.")


def _is_finite(number: float) -> bool:
    """Whether a filter, and a reader of the answer, can take *number*."""
    try:
        return isfinite(number)
    except OverflowError:  # an integer
        return False


def _metadata(body: Value) -> str | None:
    return None if body.metadata is None else msgspec.json.encode(body.metadata, enc_hook=raw).decode()


def _item(row: ClusterVariable) -> VariableItem:
    return VariableItem(name=row.name, value=row.value, metadata=Raw(row.metadata.encode()))
