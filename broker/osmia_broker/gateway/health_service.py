"""Answers `grpc.health.v1.Health`: probes by Check, load balancers by Watch.

The servicer that grpcio ships keeps its watches open while the server stops, so that a stop takes its whole grace. This one ends them.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

HEALTH_SERVICE = "grpc.health.v1.Health"

_Status = health_pb2.HealthCheckResponse


class Health(health_pb2_grpc.HealthServicer):  # type: ignore[misc]  # ships no types
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

    async def Check(self, request: Any, context: Any) -> Any:
        """Report the state of a service; NOT_FOUND for an unknown one."""
        if request.service not in self._services:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"Expected one of {sorted(self._services)}")
        return _Status(status=self._status)

    async def Watch(self, request: Any, context: Any) -> AsyncIterator[Any]:
        """Report the state of a service now and at every change; SERVICE_UNKNOWN for an unknown one."""
        reported = None
        while True:
            changed = self._changed
            status = self._status if request.service in self._services else _Status.SERVICE_UNKNOWN
            if status != reported:
                yield _Status(status=status)
                reported = status
            elif self._is_over:
                await context.abort(grpc.StatusCode.UNAVAILABLE, "Expected the broker to be open, but it is stopping")
            else:
                await changed.wait()

    def _change(self, status: int) -> None:
        self._status = status
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
