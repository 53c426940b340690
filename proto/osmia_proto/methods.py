"""The calls of each service, as a server or a client needs them to speak gRPC without generated service classes.

protoc's service classes would pull the messages into the default descriptor pool, so the tables are read off the descriptors.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from google.protobuf import message_factory
from google.protobuf.descriptor import FileDescriptor, MethodDescriptor
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


def _methods(file: FileDescriptor, service: str) -> Mapping[str, Method]:
    methods = file.services_by_name[service].methods
    return MappingProxyType({method.name: _method(method) for method in methods})


def _method(method: MethodDescriptor) -> Method:
    return Method(
        name=method.name,
        full_name=f"/{method.containing_service.full_name}/{method.name}",
        request=message_factory.GetMessageClass(method.input_type),
        response=message_factory.GetMessageClass(method.output_type),
        server_streaming=method.server_streaming,
    )


GATEWAY_SERVICE = "gateway_protocol.Gateway"
GATEWAY = _methods(gateway_pb2.DESCRIPTOR, "Gateway")
"""The 24 calls of gateway.proto by name."""

QUERIES_SERVICE = "osmia.v1.Queries"
QUERIES = _methods(osmia_pb2.DESCRIPTOR, "Queries")
"""The calls of `osmia.v1.Queries` by name."""

EVENTS_SERVICE = "osmia.v1.Events"
EVENTS = _methods(osmia_pb2.DESCRIPTOR, "Events")
"""The calls of `osmia.v1.Events` by name."""

USER_TASKS_SERVICE = "osmia.v1.UserTasks"
USER_TASKS = _methods(osmia_pb2.DESCRIPTOR, "UserTasks")
"""The calls of `osmia.v1.UserTasks` by name."""

JOB_FLOW_SERVICE = "osmia.v1.JobFlow"
JOB_FLOW = _methods(osmia_pb2.DESCRIPTOR, "JobFlow")
"""The calls of `osmia.v1.JobFlow` by name."""

MESSAGES_SERVICE = "osmia.v1.Messages"
MESSAGES = _methods(osmia_pb2.DESCRIPTOR, "Messages")
"""The calls of `osmia.v1.Messages` by name."""

INSTANCES_SERVICE = "osmia.v1.Instances"
INSTANCES = _methods(osmia_pb2.DESCRIPTOR, "Instances")
"""The calls of `osmia.v1.Instances` by name."""
