"""Opens the gRPC door: the services, health, reflection, and the options that clients' keepalive needs."""

from datetime import timedelta

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from osmia_broker.errors import Unavailable
from osmia_broker.gateway import door
from osmia_broker.gateway.job_stream import Dispatcher
from osmia_broker.gateway.queries_service import Queries
from osmia_broker.gateway.service import Gateway
from osmia_broker.metrics import GatewayCounters
from osmia_broker.partition import Partition
from osmia_proto import POOL
from osmia_proto.methods import GATEWAY, GATEWAY_SERVICE, QUERIES, QUERIES_SERVICE

STREAMS_PER_CONNECTION = 1_000  # reliability.md, section 6


def options(message_bytes_max: int) -> list[tuple[str, int]]:
    """Channel options. Clients ping every 31-45 s during silent calls, Node also without calls: none may be cut off (clients.md, 3)."""
    return [
        ("grpc.so_reuseport", 0),  # a taken port is an error, not a second broker beside the first
        ("grpc.max_receive_message_length", message_bytes_max),
        ("grpc.max_concurrent_streams", STREAMS_PER_CONNECTION),
        ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
        ("grpc.http2.max_ping_strikes", 0),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.keepalive_time_ms", 60_000),  # a worker that vanished without a word is noticed
        ("grpc.keepalive_timeout_ms", 20_000),
    ]


class Server:
    """The gRPC door of a broker."""

    def __init__(
        self,
        partition: Partition,
        queries: Queries,
        counters: GatewayCounters,
        *,
        message_bytes_max: int,
    ) -> None:
        self._dispatcher = Dispatcher(partition)
        self._gateway = Gateway(partition, self._dispatcher, ("", 0))
        self._server = grpc.aio.server(options=options(message_bytes_max))
        self._health = health.aio.HealthServicer()
        self._server.add_generic_rpc_handlers(
            (
                door.handlers(GATEWAY_SERVICE, GATEWAY, self._gateway, counters),
                door.handlers(QUERIES_SERVICE, QUERIES, queries, counters),
            )
        )
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        names = (GATEWAY_SERVICE, QUERIES_SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, self._server, pool=POOL)

    async def start(self, host: str, port: int, advertised: str = "") -> int:
        """Open the door at *host* and *port* (0 for a free one) and return its real port; Topology tells *advertised*, HOST:PORT.

        Raises:
            OSError: the port cannot be had.

        """
        address = f"[{host}]" if ":" in host else host
        try:
            bound: int = self._server.add_insecure_port(f"{address}:{port}")
        except RuntimeError as error:
            raise OSError(f"Expected to listen on port {port} of {host}, but found: {error}") from error
        told_host, _, told_port = (advertised or f"{host}:{bound}").rpartition(":")
        self._gateway.address = (told_host, int(told_port))
        await self._server.start()
        await self._set_health(health_pb2.HealthCheckResponse.SERVING)
        return bound

    async def stop(self, grace: timedelta) -> None:
        """Take no new calls, end parked polls and streams at once, and let the other calls finish within *grace*."""
        await self._set_health(health_pb2.HealthCheckResponse.NOT_SERVING)
        self._dispatcher.stop(Unavailable("Expected the broker to be open, but it is stopping"))
        await self._server.stop(grace.total_seconds())

    async def _set_health(self, status: int) -> None:
        for service in ("", GATEWAY_SERVICE, QUERIES_SERVICE):
            await self._health.set(service, status)
