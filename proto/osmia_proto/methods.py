"""The calls of each service, as a server or a client needs them to speak gRPC without generated service classes.

protoc's service classes would pull the messages into the default descriptor pool, so the tables are read off the descriptors.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message

from osmia_proto import gateway_pb2, osmia_pb2


@dataclass(frozen=True, slots=True)
class Method:
    """One call of a service."""

    name: str  # CompleteJob
    full_name: str  # /gateway_protocol.Gateway/CompleteJob, as it travels
    request: type[Message]
    response: type[Message]
    server_streaming: bool  # the answer is a stream of responses; requests never are


def _method(method: MethodDescriptor) -> Method:
    return Method(
        name=method.name,
        full_name=f"/{method.containing_service.full_name}/{method.name}",
        request=message_factory.GetMessageClass(method.input_type),
        response=message_factory.GetMessageClass(method.output_type),
        server_streaming=method.server_streaming,
    )


GATEWAY_SERVICE = "gateway_protocol.Gateway"
QUERIES_SERVICE = "osmia.v1.Queries"
JOB_FLOW_SERVICE = "osmia.v1.JobFlow"

#: The calls of each service, by their names. A service that is added to a contract is here without more.
SERVICES: Mapping[str, Mapping[str, Method]] = MappingProxyType(
    {
        service.full_name: MappingProxyType({method.name: _method(method) for method in service.methods})
        for file in (gateway_pb2.DESCRIPTOR, osmia_pb2.DESCRIPTOR)
        for service in file.services_by_name.values()
    }
)
#: The calls of all services by their names: no two have one name.
METHODS: Mapping[str, Method] = MappingProxyType(
    {name: method for methods in SERVICES.values() for name, method in methods.items()}
)

GATEWAY = SERVICES[GATEWAY_SERVICE]
QUERIES = SERVICES[QUERIES_SERVICE]
JOB_FLOW = SERVICES[JOB_FLOW_SERVICE]
EVENTS = SERVICES["osmia.v1.Events"]
USER_TASKS = SERVICES["osmia.v1.UserTasks"]
MESSAGES = SERVICES["osmia.v1.Messages"]
INSTANCES = SERVICES["osmia.v1.Instances"]
DECISIONS = SERVICES["osmia.v1.Decisions"]
BATCH_OPERATIONS = SERVICES["osmia.v1.BatchOperations"]
CLUSTER_VARIABLES = SERVICES["osmia.v1.ClusterVariables"]
GLOBAL_TASK_LISTENERS = SERVICES["osmia.v1.GlobalTaskListeners"]
EXPRESSIONS = SERVICES["osmia.v1.Expressions"]
DOCUMENTS = SERVICES["osmia.v1.Documents"]
