"""The descriptor pool of this package, private so that other packages may hold the same message names.

`gateway_protocol` is also compiled into pyzeebe; both live in one process because only one of them is in protobuf's default pool.
"""

from google.protobuf import descriptor_pb2, message_factory
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper

POOL = DescriptorPool()
"""Every descriptor of `osmia_proto`. gRPC reflection wants it: `enable_server_reflection(names, server, pool=POOL)`."""


def load(compiled: bytes, module: dict[str, object]) -> FileDescriptor:
    """Add one compiled .proto file to the pool and its messages and enums to *module*, as generated code would.

    *compiled* is a serialised FileDescriptorSet of that one file, *module* the namespace of the module that calls.
    """
    (file,) = descriptor_pb2.FileDescriptorSet.FromString(compiled).file
    POOL.Add(file)
    descriptor = POOL.FindFileByName(file.name)
    for name, message in descriptor.message_types_by_name.items():
        module[name] = message_factory.GetMessageClass(message)
    for name, enum in descriptor.enum_types_by_name.items():
        module[name] = EnumTypeWrapper(enum)
        module.update({value.name: value.number for value in enum.values})
    return descriptor
