"""Opens the gRPC door: the services, health and reflection, on the gRPC server that the settings name."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta

from osmia_broker.auth import Guard
from osmia_broker.base.whole_numbers import whole_number
from osmia_broker.calls import Calls
from osmia_broker.calls.broker_identity import BrokerIdentity
from osmia_broker.calls.stored_documents import StoredDocuments
from osmia_broker.gateway.door import Door
from osmia_broker.gateway.events_service import Events
from osmia_broker.gateway.gateway_service import Gateway
from osmia_broker.gateway.health_service import HEALTH_SERVICE, Health
from osmia_broker.gateway.queries_service import Queries
from osmia_broker.gateway.reflection_service import REFLECTION_SERVICE, Reflection
from osmia_broker.gateway.services import services_of
from osmia_broker.gateway.user_tasks_service import UserTasks
from osmia_broker.metrics import GatewayCounters
from osmia_broker.rpc import Rpc, RpcServer
from osmia_broker.tls import TlsFiles
from osmia_proto.methods import SERVICES

LAST_WORDS_S = 0.5  # for the last answers to reach their clients; streams without an end of their own are cut then


class Server:
    """The gRPC door of a broker. Its calls are those of *calls*, which must be stopped before the door; *wrap* puts something around each."""

    def __init__(
        self,
        calls: Calls,
        queries: Queries,
        events: Events,
        counters: GatewayCounters,
        identity: BrokerIdentity,
        *,
        user_tasks: UserTasks,
        documents: StoredDocuments,
        message_bytes_max: int,
        guard: Guard | None = None,
        tls: TlsFiles | None = None,
        grpc_server: str = "python",
        wrap: Callable[[Rpc], Rpc] | None = None,
        shares_port: bool = False,
    ) -> None:
        self._gateway = Gateway(calls, identity, ("", 0))
        self._door = Door(counters, guard)
        self._health = Health(SERVICES)
        reflection = Reflection((*SERVICES, HEALTH_SERVICE, REFLECTION_SERVICE))
        rpcs = [
            rpc
            for methods, servicer in services_of(self._gateway, calls, queries, events, user_tasks, documents=documents)
            for rpc in self._door.rpcs(methods, servicer)
        ]
        rpcs += [*self._health.rpcs(), *reflection.rpcs()]
        if wrap is not None:
            rpcs = [wrap(rpc) for rpc in rpcs]
        self._server = rpc_server(
            grpc_server, rpcs, message_bytes_max=message_bytes_max, tls=tls, shares_port=shares_port
        )

    async def start(self, host: str, port: int, advertised: str = "") -> int:
        """Open the door at *host* and *port* (0 for a free one) and return its real port.

        Topology names *advertised*, HOST or HOST:PORT; a missing part is that of the door.

        Raises:
            OSError: the port cannot be had.
            ValueError: *advertised* is no address.

        """
        named_host, named_port = parse_address(advertised)
        bound = await self._server.start(host, port)
        self._gateway.address = (named_host or host, named_port or bound)
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


def rpc_server(
    name: str, rpcs: Sequence[Rpc], *, message_bytes_max: int, tls: TlsFiles | None = None, shares_port: bool = False
) -> RpcServer:
    """Make the gRPC server *name*, python or grpcio, that carries *rpcs*. Only this one is loaded."""
    if name == "python":
        from osmia_broker.rpc.python_server import PythonServer

        return PythonServer(rpcs, message_bytes_max=message_bytes_max, tls=tls, shares_port=shares_port)
    from osmia_broker.rpc.grpcio_server import GrpcioServer

    return GrpcioServer(rpcs, message_bytes_max=message_bytes_max, tls=tls, shares_port=shares_port)


def parse_address(text: str) -> tuple[str, int]:
    """Read HOST, HOST:PORT or [IPV6]:PORT; a part that is not given is empty or 0.

    Raises:
        ValueError: *text* is none of these.

    """
    host, colon, port = text.rpartition(":")
    if not colon or port.endswith("]") or (":" in host and not host.endswith("]")):  # no port, or a bare IPv6 address
        host, port = text, "0"
    number = whole_number(port, most=65535)
    if number is None:
        raise ValueError(f"Expected an address such as HOST or HOST:PORT, but found '{text}'")
    return host.removeprefix("[").removesuffix("]"), number
