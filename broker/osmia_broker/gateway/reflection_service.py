"""Answers `grpc.reflection.v1alpha.ServerReflection`: tools such as grpcurl learn from it what can be called."""

from collections.abc import AsyncIterator, Iterable

from google.protobuf.message import DecodeError

from osmia_broker.rpc import Call, Refusal, Rpc, Shape
from osmia_proto import POOL

REFLECTION_SERVICE = "grpc.reflection.v1alpha.ServerReflection"


class Reflection:
    """Describes *services*. The answers are those of grpcio's servicer, which is loaded for its first visitor."""

    def __init__(self, services: Iterable[str]) -> None:
        self._services = tuple(services)

    def rpcs(self) -> list[Rpc]:
        """Return the calls of the service."""
        return [Rpc(f"/{REFLECTION_SERVICE}/ServerReflectionInfo", Shape.DIALOGUE, self._answer)]

    async def _answer(self, messages: AsyncIterator[bytes], call: Call) -> AsyncIterator[bytes]:
        from grpc_reflection.v1alpha import reflection, reflection_pb2

        async def requests() -> AsyncIterator[object]:
            async for message in messages:
                try:
                    yield reflection_pb2.ServerReflectionRequest.FromString(message)
                except DecodeError:
                    raise Refusal("INTERNAL", "Expected a ServerReflectionRequest, but found other bytes") from None

        servicer = reflection.aio.ReflectionServicer(self._services, pool=POOL)
        async for response in servicer.ServerReflectionInfo(requests(), call):
            yield response.SerializeToString()
