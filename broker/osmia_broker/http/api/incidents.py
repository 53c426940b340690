"""Commands for incidents."""

from osmia_broker.http.described import Referenced
from osmia_broker.http.operation import Call, operation
from osmia_broker.http.types import Key

TAG = "Incident"


@operation("POST", "/incidents/{incidentKey}/resolution", tag=TAG, status=204)
async def resolve_incident(call: Call, incident_key: Key, body: Referenced | None = None) -> None:
    """Resolve an incident: the step that it stopped is tried again."""
    del body
    await call.calls.resolve_incident(incident_key)
