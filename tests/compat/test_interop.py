"""grpc-go's interop client plays its cases against both gRPC servers. It ends with 0 if it saw what it expects.

Of its cases without credentials `custom_metadata` alone is missing: an answer that is OK carries no metadata here.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from osmia_broker.gateway.server import rpc_server
from osmia_broker.rpc import STATUSES, Call, Refusal, Rpc, Shape
from tests.compat import builds
from tests.patience import ANSWER_S

CASES = (
    *("empty_unary", "large_unary", "client_streaming", "server_streaming", "ping_pong", "empty_stream"),
    *("timeout_on_sleeping_server", "cancel_after_begin", "cancel_after_first_response"),
    *("status_code_and_message", "special_status_message", "unimplemented_method", "unimplemented_service"),
)

pytestmark = pytest.mark.timeout(builds.BUILD_S + ANSWER_S)

_BYTES, _INT32, _STRING = (
    getattr(descriptor_pb2.FieldDescriptorProto, f"TYPE_{one}") for one in ("BYTES", "INT32", "STRING")
)
_FIELDS: dict[str, dict[str, tuple[int, int | str]]] = {  # the parts of the service's messages that these cases use
    "Payload": {"body": (2, _BYTES)},
    "EchoStatus": {"code": (1, _INT32), "message": (2, _STRING)},
    "ResponseParameters": {"size": (1, _INT32)},
    "Request": {"response_size": (2, _INT32), "payload": (3, "Payload"), "response_status": (7, "EchoStatus")},
    "StreamRequest": {"sizes*": (2, "ResponseParameters"), "payload": (3, "Payload"), "response_status": (7, "EchoStatus")},
    "InputRequest": {"payload": (1, "Payload")},
    "InputResponse": {"aggregated": (1, _INT32)},
    "Response": {"payload": (1, "Payload")},
}  # fmt: skip


def _messages() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="interop.proto", package="interop", syntax="proto3")
    for name, fields in _FIELDS.items():
        message = file.message_type.add(name=name)
        for field, (number, kind) in fields.items():
            one = message.field.add(name=field.removesuffix("*"), number=number, label=3 if field.endswith("*") else 1)
            if isinstance(kind, str):
                one.type, one.type_name = descriptor_pb2.FieldDescriptorProto.TYPE_MESSAGE, f".interop.{kind}"
            else:
                one.type = kind  # type: ignore[assignment]
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"interop.{name}")) for name in _FIELDS}


M = _messages()


def _answer(octets: int) -> bytes:
    answer: bytes = M["Response"](payload=M["Payload"](body=bytes(octets))).SerializeToString()
    return answer


def _refuse_if_asked(request: Any) -> None:
    if request.response_status.code:
        names = {number: name for name, number in STATUSES.items()}
        raise Refusal(names[request.response_status.code], request.response_status.message)


async def _empty(_message: bytes, _call: Call) -> bytes:
    return b""


async def _unary(message: bytes, _call: Call) -> bytes:
    request = M["Request"].FromString(message)
    _refuse_if_asked(request)
    return _answer(request.response_size)


async def _output(message: bytes, _call: Call) -> AsyncIterator[bytes]:
    request = M["StreamRequest"].FromString(message)
    _refuse_if_asked(request)
    for one in request.sizes:
        yield _answer(one.size)


async def _input(messages: AsyncIterator[bytes], _call: Call) -> AsyncIterator[bytes]:
    """Answer with the sum of the sizes; without a message wait to be cancelled.

    The client of `cancel_after_begin` cancels before it sends a message, and then closes its half: an answer to that may outrun
    its own cancel, and it takes the answer then.
    """
    sizes = [len(M["InputRequest"].FromString(message).payload.body) async for message in messages]
    if not sizes:
        await asyncio.Event().wait()
    yield M["InputResponse"](aggregated=sum(sizes)).SerializeToString()


async def _duplex(messages: AsyncIterator[bytes], call: Call) -> AsyncIterator[bytes]:
    async for message in messages:
        async for answer in _output(message, call):
            yield answer


def _rpcs() -> list[Rpc]:
    calls = {
        "EmptyCall": (Shape.UNARY, _empty),
        "UnaryCall": (Shape.UNARY, _unary),
        "StreamingOutputCall": (Shape.STREAM, _output),
        "StreamingInputCall": (Shape.DIALOGUE, _input),
        "FullDuplexCall": (Shape.DIALOGUE, _duplex),
    }
    return [Rpc(f"/grpc.testing.TestService/{name}", *call) for name, call in calls.items()]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("grpc_server", ["python", "grpcio"])
async def test_the_interop_client_sees_what_it_expects(grpc_server: str, case: str):
    program = builds.interop()
    server = rpc_server(grpc_server, _rpcs(), message_bytes_max=4 * 1024**2)
    port = await server.start("127.0.0.1", 0)
    try:
        command = [program, "--server_host=127.0.0.1", f"--server_port={port}", f"--test_case={case}"]
        playing = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
        async with asyncio.timeout(ANSWER_S):
            _, said = await playing.communicate()
        assert playing.returncode == 0, said.decode()[-2_000:]
    finally:
        await server.stop(None)
