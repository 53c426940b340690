"""The gRPC server of grpcio, whose core is written in C."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import aclosing
from typing import Any, NoReturn

import grpc

from osmia_broker.base.system_errors import in_words
from osmia_broker.rpc.face import Refusal, Rpc, Shape
from osmia_broker.tls import Loaded, TlsFiles

STREAMS_PER_CONNECTION = 1_000  # calls that one connection carries at a time


def options(message_bytes_max: int, *, shares_port: bool = False) -> list[tuple[str, int]]:
    """Return channel options. Clients ping every 31-45 s in silent calls, Node also without calls: all must stay connected."""
    return [
        ("grpc.so_reuseport", int(shares_port)),  # else a taken port is an error, not a second broker beside the first
        ("grpc.max_receive_message_length", message_bytes_max),
        ("grpc.max_concurrent_streams", STREAMS_PER_CONNECTION),
        ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
        ("grpc.http2.max_ping_strikes", 0),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.keepalive_time_ms", 60_000),  # finds a worker that vanished without closing its connection
        ("grpc.keepalive_timeout_ms", 20_000),
    ]


class GrpcioServer:
    """Serves *rpcs* by grpcio. See `RpcServer`. With *shares_port* others may listen at the port, too."""

    def __init__(
        self, rpcs: Iterable[Rpc], *, message_bytes_max: int, tls: TlsFiles | None = None, shares_port: bool = False
    ) -> None:
        self._tls = tls
        self._server = grpc.aio.server(options=options(message_bytes_max, shares_port=shares_port))
        by_service: dict[str, dict[str, Any]] = {}
        for rpc in rpcs:
            service, _, method = rpc.path.lstrip("/").partition("/")
            by_service.setdefault(service, {})[method] = _handler(rpc)
        # Generic handlers: for grpcio 1.82.3, asyncio servers take no registered ones (its method for them does nothing).
        self._server.add_generic_rpc_handlers(
            tuple(grpc.method_handlers_generic_handler(service, made) for service, made in by_service.items())
        )

    async def start(self, host: str, port: int) -> int:
        """Listen at *host* and *port*; see `RpcServer.start`."""
        where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            bound: int = (
                self._server.add_secure_port(where, credentials(self._tls))
                if self._tls is not None
                else self._server.add_insecure_port(where)
            )
        except RuntimeError as error:
            raise OSError(f"Expected to listen on port {port} of {host}, but found: {in_words(error)}") from error
        await self._server.start()
        return bound

    async def stop(self, grace_s: float | None) -> None:
        """Take no new calls; see `RpcServer.stop`."""
        await self._server.stop(grace_s)


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


def _handler(rpc: Rpc) -> grpc.RpcMethodHandler:
    if rpc.shape is Shape.UNARY:
        return grpc.unary_unary_rpc_method_handler(_unary(rpc))
    kind = grpc.unary_stream_rpc_method_handler if rpc.shape is Shape.STREAM else grpc.stream_stream_rpc_method_handler
    return kind(_streaming(rpc))


def _unary(rpc: Rpc) -> Callable[[bytes, Any], Awaitable[bytes]]:
    async def carried(message: bytes, context: Any) -> bytes:
        try:
            call = context if rpc.admit is None else await rpc.admit(context)
            answer: bytes = await rpc.answer(message, call)
        except Refusal as refusal:
            await _abort(context, refusal)
        return answer

    return carried


def _streaming(rpc: Rpc) -> Callable[[Any, Any], AsyncIterator[bytes]]:
    async def carried(message: Any, context: Any) -> AsyncIterator[bytes]:
        try:
            call = context if rpc.admit is None else await rpc.admit(context)
            async with aclosing(rpc.answer(message, call)) as answers:
                async for one in answers:
                    yield one
        except Refusal as refusal:
            await _abort(context, refusal)

    return carried


async def _abort(context: Any, refusal: Refusal) -> NoReturn:
    await context.abort(grpc.StatusCode[refusal.status], refusal.details, refusal.trailers)
    raise AssertionError("abort raises")
