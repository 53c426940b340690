"""The connection to a gateway: where it is, how it is kept alive, and how a call that fails becomes an `OsmiaError`."""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from importlib.metadata import version
from typing import Any
from urllib.parse import urlsplit

import grpc
import grpc.aio
from google.protobuf.message import Message

from osmia import errors
from osmia_proto.methods import GATEWAY, QUERIES, Method

DEFAULT_ADDRESS = "127.0.0.1:26500"
DEFAULT_PORT = 26500
MESSAGE_BYTES_MAX = 4 * 1024 * 1024  # what a gateway accepts, and keeps its answers below
KEEPALIVE_MS = 45_000  # as every Zeebe client; servers cut off pings that come faster than every 30 s
RECONNECT_FIRST_MS = 100
RECONNECT_MAX_MS = 5_000  # gRPC's own is 2 minutes: a worker would sleep that long after the broker is back
SECURE_SCHEMES = {"https", "grpcs"}
PLAIN_SCHEMES = {"", "http", "grpc"}


def parse_address(address: str | None) -> tuple[str, bool]:
    """Where the gateway is, as `host:port`, and whether it is reached by TLS.

    Without *address* the environment tells: OSMIA_ADDRESS, then ZEEBE_ADDRESS, else 127.0.0.1:26500. A scheme may stand in
    front (`https://` and `grpcs://` mean TLS, `http://` and `grpc://` none), and a missing port is 26500.

    Raises:
        ValueError: it is no such address.
    """
    given = address or os.environ.get("OSMIA_ADDRESS") or os.environ.get("ZEEBE_ADDRESS") or DEFAULT_ADDRESS
    parts = urlsplit(given if "://" in given else f"//{given}")
    if parts.scheme not in SECURE_SCHEMES | PLAIN_SCHEMES or not parts.hostname or parts.path.strip("/"):
        raise ValueError(f"Expected an address like host:port or https://host:port, but found '{given}'")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{host}:{parts.port or DEFAULT_PORT}", parts.scheme in SECURE_SCHEMES


class Channel:
    """Calls by name over one connection, opened with the first call in the event loop that makes it."""

    def __init__(
        self,
        address: str | None = None,
        *,
        credentials: grpc.ChannelCredentials | None = None,
        metadata: Sequence[tuple[str, str]] = (),
        options: Sequence[tuple[str, Any]] = (),
    ) -> None:
        self.address, secure = parse_address(address)
        self._credentials = credentials or (grpc.ssl_channel_credentials() if secure else None)
        self._metadata = tuple(metadata) or None
        self._options = (
            ("grpc.primary_user_agent", f"osmia-python/{version('osmia')}"),
            ("grpc.keepalive_time_ms", KEEPALIVE_MS),
            ("grpc.keepalive_timeout_ms", 20_000),
            ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
            ("grpc.max_send_message_length", MESSAGE_BYTES_MAX),
            ("grpc.initial_reconnect_backoff_ms", RECONNECT_FIRST_MS),
            ("grpc.min_reconnect_backoff_ms", RECONNECT_FIRST_MS),
            ("grpc.max_reconnect_backoff_ms", RECONNECT_MAX_MS),
            # gRPC repeats a call by itself only if it surely never left this machine, which is safe for a create, too;
            # a service config from the resolver could ask for more.
            ("grpc.enable_retries", 1),
            ("grpc.service_config_disable_resolution", 1),
            *options,
        )
        self._channel: grpc.aio.Channel | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._calls: dict[str, Any] = {}

    async def unary(self, name: str, request: Message, *, timeout_s: float | None) -> Any:
        """The response of a call that has one.

        Raises:
            OsmiaError: the call failed.
        """
        call = self._calls.get(name) or self._open(name)
        try:
            return await call(request, timeout=timeout_s, metadata=self._metadata)
        except grpc.aio.AioRpcError as error:
            raise errors.from_rpc(error) from None

    async def stream(self, name: str, request: Message, *, timeout_s: float | None) -> AsyncIterator[Any]:
        """The responses of a call that has many. Closing the iterator ends the call.

        Raises:
            OsmiaError: the call failed, perhaps after some responses.
        """
        start = self._calls.get(name) or self._open(name)
        call = start(request, timeout=timeout_s, metadata=self._metadata)
        try:
            async for response in call:
                yield response
        except grpc.aio.AioRpcError as error:
            raise errors.from_rpc(error) from None
        finally:
            call.cancel()  # no effect on a call that is over

    async def close(self) -> None:
        """End what is open. The next call opens the connection again."""
        channel, self._channel, self._loop = self._channel, None, None
        self._calls.clear()
        if channel is not None:
            await channel.close()

    def _open(self, name: str) -> Any:
        method = GATEWAY.get(name) or QUERIES[name]
        call = self._callable(self._connection(), method)
        self._calls[name] = call
        return call

    def _connection(self) -> grpc.aio.Channel:
        loop = asyncio.get_running_loop()
        if self._channel is None:
            self._channel, self._loop = self._connect(), loop
        if self._loop is not loop:
            raise RuntimeError(
                "Expected a client to be used in one event loop only, but found another; "
                "make one client per loop, or use SyncClient, which any thread may call"
            )
        return self._channel

    def _connect(self) -> grpc.aio.Channel:
        if self._credentials is None:
            return grpc.aio.insecure_channel(self.address, options=self._options)
        return grpc.aio.secure_channel(self.address, self._credentials, options=self._options)

    @staticmethod
    def _callable(channel: grpc.aio.Channel, method: Method) -> Any:
        kind = channel.unary_stream if method.server_streaming else channel.unary_unary
        return kind(
            method.full_name,
            request_serializer=method.request.SerializeToString,
            response_deserializer=method.response.FromString,
        )
