"""Commands for incidents."""

from osmia_broker.http.operation import Call, operation
from osmia_broker.http.types import Body, Key

TAG = "Incident"


class Resolution(Body):
    """How to resolve an incident; it needs no more than its key."""


@operation("POST", "/incidents/{incidentKey}/resolution", tag=TAG, status=204)
async def resolve_incident(call: Call, incident_key: Key, body: Resolution | None = None) -> None:
    """Resolve an incident: the step that it stopped is tried again."""
    del body
    await call.calls.resolve_incident(incident_key)
