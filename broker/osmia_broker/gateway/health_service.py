"""Answers `grpc.health.v1.Health`: probes by Check, load balancers by Watch.

The servicer that grpcio ships keeps its watches open while the server stops, so that a stop takes its whole grace. This one ends them.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable

from google.protobuf.message import DecodeError
from grpc_health.v1 import health_pb2

from osmia_broker.calls.checks import quoted
from osmia_broker.rpc import Call, Refusal, Rpc, Shape

HEALTH_SERVICE = "grpc.health.v1.Health"

_Status = health_pb2.HealthCheckResponse


class Health:
    """The health of *services*, all of the same state. The empty name stands for the server."""

    def __init__(self, services: Iterable[str]) -> None:
        self._services = {"", *services}
        self._status = _Status.NOT_SERVING
        self._is_over = False
        self._changed = asyncio.Event()

    def serve(self) -> None:
        """Report SERVING from now on."""
        self._change(_Status.SERVING)

    def stop(self) -> None:
        """Report NOT_SERVING from now on, and end all watches with it."""
        self._is_over = True
        self._change(_Status.NOT_SERVING)

    def rpcs(self) -> list[Rpc]:
        """Return the calls of the service."""
        return [
            Rpc(f"/{HEALTH_SERVICE}/Check", Shape.UNARY, self._check),
            Rpc(f"/{HEALTH_SERVICE}/Watch", Shape.STREAM, self._watch),
        ]

    async def _check(self, message: bytes, _call: Call) -> bytes:
        """Report the state of a service; NOT_FOUND for an unknown one."""
        service = _asked(message)
        if service not in self._services:
            known = ", ".join(f"'{one}'" for one in sorted(self._services))
            raise Refusal("NOT_FOUND", f"unknown service {quoted(service)}: expected one of {known}")
        return _reported(self._status)

    async def _watch(self, message: bytes, _call: Call) -> AsyncIterator[bytes]:
        """Report the state of a service now and at every change; SERVICE_UNKNOWN for an unknown one."""
        service, reported = _asked(message), None
        while True:
            changed = self._changed
            status = self._status if service in self._services else _Status.SERVICE_UNKNOWN
            if status != reported:
                yield _reported(status)
                reported = status
            elif self._is_over:
                raise Refusal("UNAVAILABLE", "Expected the broker to be open, but it is stopping")
            else:
                await changed.wait()

    def _change(self, status: int) -> None:
        self._status = status
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


def _asked(message: bytes) -> str:
    try:
        return str(health_pb2.HealthCheckRequest.FromString(message).service)
    except DecodeError:
        raise Refusal("INTERNAL", "Expected a HealthCheckRequest, but found other bytes") from None


def _reported(status: int) -> bytes:
    return bytes(_Status(status=status).SerializeToString())
