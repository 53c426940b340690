"""The calls of `osmia.v1.ClusterVariables`: message to call, answer to message."""

from osmia_broker.calls import Caller, Calls
from osmia_broker.gateway import query_messages
from osmia_broker.gateway.json_fields import object_of
from osmia_proto import queries


class ClusterVariables:
    """Answers the calls."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def CreateClusterVariable(
        self, request: queries.CreateClusterVariableRequest, caller: Caller
    ) -> queries.ClusterVariable:
        """Create a cluster variable."""
        metadata = object_of("metadata", request.metadata)
        calls = self._calls.by(caller)
        row = await calls.create_cluster_variable(request.name, request.value, metadata=metadata)
        return query_messages.cluster_variable(row)

    async def UpdateClusterVariable(
        self, request: queries.UpdateClusterVariableRequest, caller: Caller
    ) -> queries.ClusterVariable:
        """Give a cluster variable another value."""
        metadata = object_of("metadata", request.metadata)
        calls = self._calls.by(caller)
        row = await calls.update_cluster_variable(request.name, request.value, metadata=metadata)
        return query_messages.cluster_variable(row)

    async def DeleteClusterVariable(
        self, request: queries.DeleteClusterVariableRequest, caller: Caller
    ) -> queries.DeleteClusterVariableResponse:
        """Delete a cluster variable."""
        await self._calls.by(caller).delete_cluster_variable(request.name)
        return queries.DeleteClusterVariableResponse()
