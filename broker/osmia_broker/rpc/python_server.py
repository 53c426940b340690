"""The gRPC server of our own: HTTP/2 in Python on the broker's event loop, in its one thread."""

import asyncio
import socket
from collections.abc import Iterable, Iterator
from dataclasses import replace

from osmia_broker.base.open_files import connections_max
from osmia_broker.base.system_errors import in_words
from osmia_broker.h2 import Connection, Limits, Site
from osmia_broker.rpc.exchange import Exchange, Service
from osmia_broker.rpc.face import Rpc
from osmia_broker.tls import HTTP_2, TlsFiles

BACKLOG = 1_024
HANDSHAKE_S = 20.0
LAST_S = 1.0  # for calls that are cancelled to end
LARGEST_PER_CONNECTION, LARGEST_IN_ALL = 4, 16
FILES_SHARE = 0.5  # of the open files of this process: workers connect here, and each keeps its connection
SWEEP_S = 5.0  # between two looks at silent connections


class PythonServer:
    """Serves *rpcs*. See `RpcServer`."""

    def __init__(
        self,
        rpcs: Iterable[Rpc],
        *,
        message_bytes_max: int,
        tls: TlsFiles | None = None,
        limits: Limits | None = None,
        shares_port: bool = False,
    ) -> None:
        """Make the server. With *shares_port* others of the same user may listen at the port, too; the system spreads connections over them."""
        self._service = Service({rpc.path: rpc for rpc in rpcs}, message_bytes_max)
        self._tls = tls
        self._limits = limits or limits_for(message_bytes_max)
        self._shares_port = shares_port
        self._listeners: list[asyncio.Server] = []
        self._site: Site | None = None
        self._sweeping: asyncio.TimerHandle | None = None
        self._closed = asyncio.Event()

    async def start(self, host: str, port: int) -> int:
        """Listen at *host* and *port*; see `RpcServer.start`."""
        loop = asyncio.get_running_loop()
        service = self._service

        def open_stream(connection: Connection, stream_id: int) -> Exchange:
            return Exchange(connection, stream_id, service)

        site = self._site = Site(open_stream, loop.time, self._limits)
        site.when_empty = self._closed_all
        context = self._tls.server_context(asks_clients=self._tls.asks_clients, protocol=HTTP_2) if self._tls else None
        try:
            for listening in await _sockets(host, port, shares_port=self._shares_port):
                server = await loop.create_server(
                    lambda: Connection(site),
                    sock=listening,
                    backlog=BACKLOG,
                    ssl=context,
                    ssl_handshake_timeout=HANDSHAKE_S if context else None,
                )
                self._listeners.append(server)
        except OSError as error:
            raise OSError(f"Expected to listen on port {port} of {host}, but found: {in_words(error)}") from error
        self._sweep()
        return int(self._listeners[0].sockets[0].getsockname()[1])

    async def stop(self, grace_s: float | None) -> None:
        """Take no new calls; see `RpcServer.stop`."""
        if self._site is None:
            return
        for listener in self._listeners:
            listener.close()
        self._site.drain()
        if self._site.connections and grace_s is not None:
            try:
                async with asyncio.timeout(grace_s):
                    await self._closed.wait()
            except TimeoutError:
                pass
        tasks = [exchange.task for exchange in self._exchanges() if exchange.task is not None]
        self._site.cut()
        if tasks:
            await asyncio.wait(tasks, timeout=LAST_S)  # they are cancelled now
        if self._sweeping is not None:
            self._sweeping.cancel()

    def _exchanges(self) -> Iterator[Exchange]:
        assert self._site is not None, "the server is started"
        for connection in self._site.connections:
            for stream in connection.streams.values():
                assert isinstance(stream, Exchange), "the site opens no others"
                yield stream

    def _sweep(self) -> None:
        assert self._site is not None, "the server is started"
        self._site.sweep()
        self._sweeping = asyncio.get_running_loop().call_later(SWEEP_S, self._sweep)

    def _closed_all(self) -> None:
        if self._site is not None and self._site.is_draining:
            self._closed.set()


def limits_for(message_bytes_max: int) -> Limits:
    """Return the bounds of a server whose largest message has *message_bytes_max*: some of them must fit on a connection at a time."""
    usual = Limits()
    return replace(
        usual,
        connections=connections_max(FILES_SHARE),
        held_bytes=max(usual.held_bytes, LARGEST_PER_CONNECTION * message_bytes_max),
        held_bytes_in_all=max(usual.held_bytes_in_all, LARGEST_IN_ALL * message_bytes_max),
    )


async def _sockets(host: str, port: int, *, shares_port: bool) -> list[socket.socket]:
    """Bind every address of *host*, all at the same port.

    Raises:
        OSError: an address cannot be had.
    """
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    bound: list[socket.socket] = []
    try:
        for family, address in dict.fromkeys((family, address[:2]) for family, _, _, _, address in found):
            one = socket.socket(family, socket.SOCK_STREAM)
            bound.append(one)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if shares_port:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if family == socket.AF_INET6:
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if address[0] == "::" else 1)
            one.bind((address[0], bound[0].getsockname()[1] if len(bound) > 1 else port))
    except OSError:
        for one in bound:
            one.close()
        raise
    return bound
