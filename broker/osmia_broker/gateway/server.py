"""Opens the gRPC door: the services, health, reflection, and the options that clients' keepalive needs."""

import asyncio
from contextlib import suppress
from datetime import timedelta

import grpc
from grpc_health.v1 import health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from osmia_broker.auth import Guard
from osmia_broker.calls import Calls
from osmia_broker.gateway.door import Door
from osmia_broker.gateway.events_service import Events
from osmia_broker.gateway.gateway_service import Gateway, Identity
from osmia_broker.gateway.health_service import HEALTH_SERVICE, Health
from osmia_broker.gateway.job_flow_service import JobFlow
from osmia_broker.gateway.queries_service import Queries
from osmia_broker.gateway.user_tasks_service import UserTasks
from osmia_broker.metrics import GatewayCounters
from osmia_broker.tls import Loaded, TlsFiles
from osmia_proto import POOL
from osmia_proto.methods import (
    EVENTS,
    EVENTS_SERVICE,
    GATEWAY,
    GATEWAY_SERVICE,
    JOB_FLOW,
    JOB_FLOW_SERVICE,
    QUERIES,
    QUERIES_SERVICE,
    USER_TASKS,
    USER_TASKS_SERVICE,
)

OWN_SERVICES = (GATEWAY_SERVICE, QUERIES_SERVICE, EVENTS_SERVICE, USER_TASKS_SERVICE, JOB_FLOW_SERVICE)
STREAMS_PER_CONNECTION = 1_000  # reliability.md, section 6
LAST_WORDS_S = 0.5  # for the last answers to reach their clients; streams without an end of their own are cut then


def options(message_bytes_max: int) -> list[tuple[str, int]]:
    """Return channel options. Clients ping every 31-45 s in silent calls, Node also without calls: all must stay connected (clients.md, 3)."""
    return [
        ("grpc.so_reuseport", 0),  # a taken port is an error, not a second broker beside the first
        ("grpc.max_receive_message_length", message_bytes_max),
        ("grpc.max_concurrent_streams", STREAMS_PER_CONNECTION),
        ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
        ("grpc.http2.max_ping_strikes", 0),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.keepalive_time_ms", 60_000),  # finds a worker that vanished without closing its connection
        ("grpc.keepalive_timeout_ms", 20_000),
    ]


class Server:
    """The gRPC door of a broker. Its calls are those of *calls*, which must be stopped before the door."""

    def __init__(
        self,
        calls: Calls,
        queries: Queries,
        events: Events,
        counters: GatewayCounters,
        identity: Identity,
        *,
        user_tasks: UserTasks,
        message_bytes_max: int,
        guard: Guard | None = None,
        tls: TlsFiles | None = None,
    ) -> None:
        self._gateway = Gateway(calls, identity, ("", 0))
        self._door = Door(counters, guard)
        self._tls = tls
        self._server = grpc.aio.server(options=options(message_bytes_max))
        self._health = Health(OWN_SERVICES)
        # Generic handlers: for grpcio 1.82.3, asyncio servers take no registered ones (its method for them does nothing).
        self._server.add_generic_rpc_handlers(
            (
                self._door.handlers(GATEWAY_SERVICE, GATEWAY, self._gateway),
                self._door.handlers(QUERIES_SERVICE, QUERIES, queries),
                self._door.handlers(EVENTS_SERVICE, EVENTS, events),
                self._door.handlers(USER_TASKS_SERVICE, USER_TASKS, user_tasks),
                self._door.handlers(JOB_FLOW_SERVICE, JOB_FLOW, JobFlow(calls.job_flow)),
            )
        )
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        names = (*OWN_SERVICES, HEALTH_SERVICE, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, self._server, pool=POOL)

    async def start(self, host: str, port: int, advertised: str = "") -> int:
        """Open the door at *host* and *port* (0 for a free one) and return its real port.

        Topology names *advertised*, HOST or HOST:PORT; a missing part is that of the door.

        Raises:
            OSError: the port cannot be had.
            ValueError: *advertised* is no address.

        """
        named_host, named_port = parse_address(advertised)
        address = f"[{host}]" if ":" in host else host
        try:
            where = f"{address}:{port}"
            bound: int = (
                self._server.add_secure_port(where, credentials(self._tls))
                if self._tls is not None
                else self._server.add_insecure_port(where)
            )
        except RuntimeError as error:
            raise OSError(f"Expected to listen on port {port} of {host}, but found: {error}") from error
        self._gateway.address = (named_host or host, named_port or bound)
        await self._server.start()
        self._health.serve()
        return bound

    async def stop(self, grace: timedelta) -> None:
        """Take no new calls, and let the calls that are being answered finish within *grace*."""
        self._health.stop()
        closing = asyncio.ensure_future(self._server.stop(grace.total_seconds()))
        with suppress(TimeoutError):
            async with asyncio.timeout(grace.total_seconds()):
                await self._door.idle()
                await asyncio.wait({closing}, timeout=LAST_WORDS_S)
                await self._door.idle()
        await self._server.stop(None)
        await closing


def credentials(tls: TlsFiles) -> grpc.ServerCredentials:
    """Return the credentials of the door. gRPC asks for each connection, in a thread of its own, whether there are newer ones."""
    given = tls.current()

    def configuration(loaded: Loaded) -> grpc.ServerCertificateConfiguration:
        return grpc.ssl_server_certificate_configuration([(loaded.key, loaded.cert)], loaded.client_ca)

    def newer() -> grpc.ServerCertificateConfiguration | None:
        nonlocal given
        loaded = tls.current()
        if loaded is given:
            return None
        given = loaded
        return configuration(loaded)

    return grpc.dynamic_ssl_server_credentials(configuration(given), newer, tls.asks_clients)


def parse_address(text: str) -> tuple[str, int]:
    """Read HOST, HOST:PORT or [IPV6]:PORT; a part that is not given is empty or 0.

    Raises:
        ValueError: *text* is none of these.

    """
    host, colon, port = text.rpartition(":")
    if not colon or port.endswith("]") or (":" in host and not host.endswith("]")):  # no port, or a bare IPv6 address
        host, port = text, "0"
    if not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"Expected an address such as HOST or HOST:PORT, but found '{text}'")
    return host.removeprefix("[").removesuffix("]"), int(port)
