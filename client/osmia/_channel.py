"""The connection to a gateway: its address, its keep-alive, and the error that a failed call raises."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import Any

import grpc
import grpc.aio
from google.protobuf.message import Message

from osmia import errors
from osmia._address import parse_address
from osmia.access import ClientCredentials, Password, RenewableToken, SignIn, Token, Tokens, access, ask_provider
from osmia.tracing import caused_by
from osmia_proto.methods import METHODS, Method

MESSAGE_BYTES_MAX = 4 * 1024 * 1024  # a gateway sends no larger message
SEND_LIMIT = "grpc.max_send_message_length"
KEEPALIVE_MS = 45_000  # as every Zeebe client; servers cut off pings that come faster than every 30 s
# A handshake over TLS and a slow line takes 1 s and more. It is less than CALL_TIMEOUT_MS, so that the caller gets the reason of the failure and
# not only a timeout.
CONNECT_TIMEOUT_MS = 10_000
RECONNECT_FIRST_MS = 100
RECONNECT_MAX_MS = 5_000  # gRPC's own is 2 minutes: a worker would sleep that long after the broker is back
log = logging.getLogger("osmia.calls")  # at level debug, each call with its outcome; never what it carries

Metadata = tuple[tuple[str, str | bytes], ...]
OWN = "osmia-"  # how the names of the broker's own metadata begin; their texts are UTF-8
AS_BYTES = "-bin"  # how gRPC names metadata whose values are bytes
BUILT_IN_OPTIONS = {
    "grpc.primary_user_agent": f"osmia-python/{version('osmia')}",
    "grpc.keepalive_time_ms": KEEPALIVE_MS,
    "grpc.keepalive_timeout_ms": 20_000,
    "grpc.max_receive_message_length": MESSAGE_BYTES_MAX,
    SEND_LIMIT: -1,  # none: each broker has its own (`max_message_size`), and names it when it refuses a message
    "grpc.initial_reconnect_backoff_ms": RECONNECT_FIRST_MS,
    "grpc.min_reconnect_backoff_ms": CONNECT_TIMEOUT_MS,  # despite its name gRPC's deadline for one attempt to connect
    "grpc.max_reconnect_backoff_ms": RECONNECT_MAX_MS,
    # gRPC repeats a call by itself only if the call surely never left this machine, which is safe for a create, too;
    # a service config from the resolver could ask for more.
    "grpc.enable_retries": 1,
    "grpc.service_config_disable_resolution": 1,
}


def _with(metadata: Metadata | None, authorization: str) -> Metadata | None:
    return (*(metadata or ()), ("authorization", authorization)) if authorization else metadata


def on_wire(metadata: Metadata) -> Metadata:
    """Return *metadata* as gRPC carries them: ASCII alone, so other texts under the broker's own names travel as bytes, named `…-bin`.

    Raises:
        InvalidArgument: another name has such a text, or a text holds a character that is not printable.
    """
    return tuple((name, value) if _is_carried(value) else _as_bytes(name, str(value)) for name, value in metadata)


def _is_carried(value: str | bytes) -> bool:
    return isinstance(value, bytes) or (value.isascii() and value.isprintable())


def _as_bytes(name: str, value: str) -> tuple[str, bytes]:
    if not name.lower().startswith(OWN) or not value.isprintable():
        only = "printable" if name.lower().startswith(OWN) else "printable ASCII"
        text = f"Expected the metadata '{name}' to have {only} characters only, but found {value!a}"
        raise errors.InvalidArgument(grpc.StatusCode.INVALID_ARGUMENT, text)
    return name + AS_BYTES, value.encode()


def _merged(metadata: Metadata, extra: Metadata) -> Metadata:
    """Return *metadata* with those of one call, *extra*. A name that both have counts as the call gives it."""
    given = {_plain(name) for name, _ in extra}
    return (*(pair for pair in metadata if _plain(pair[0]) not in given), *extra)


def _plain(name: str) -> str:
    return name.lower().removesuffix(AS_BYTES)


class Channel:
    """Calls by name over one connection. The first call opens it, in the event loop that makes this call."""

    def __init__(
        self,
        address: str | None = None,
        *,
        credentials: grpc.ChannelCredentials | None = None,
        metadata: Sequence[tuple[str, str]] = (),
        options: Sequence[tuple[str, Any]] = (),
        sign_in: SignIn | None = None,
        ca_cert: str | Path | None = None,
    ) -> None:
        parsed = parse_address(address)
        self.address = parsed.target
        found = access(parsed, sign_in=sign_in, ca_cert=ca_cert, credentials=credentials)
        self._credentials = found.credentials
        self._tokens: Tokens | None = None
        has_own = any(name.lower() == "authorization" for name, _ in metadata)  # it goes before the environment's
        if isinstance(found.sign_in, ClientCredentials) and not has_own:
            self._tokens = Tokens(partial(ask_provider, found.sign_in))
        elif isinstance(found.sign_in, RenewableToken) and not has_own:
            self._tokens = Tokens(found.sign_in.ask)
        elif isinstance(found.sign_in, (Token, Password)) and not has_own:
            metadata = (*metadata, ("authorization", found.sign_in.authorization))
        self._metadata = on_wire(tuple(metadata)) or None
        # gRPC would take the first of two options with the same name.
        merged: dict[str, Any] = BUILT_IN_OPTIONS | dict(options)
        self._options = tuple(merged.items())
        self._send_bytes_max: int = merged[SEND_LIMIT]
        self._channel: grpc.aio.Channel | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._calls: dict[str, Any] = {}

    async def unary(
        self,
        name: str,
        request: Message,
        *,
        timeout_s: float | None,
        extra_metadata: Metadata = (),
    ) -> Any:
        """Return the response of a call that has one response. *extra_metadata* are sent with this call only.

        Raises:
            OsmiaError: the call failed.
        """
        call = self._calls.get(name) or self._open(name)
        self._check_size(name, request)
        begun_s = perf_counter()
        try:
            metadata = self._with((*extra_metadata, *caused_by()))
            if self._tokens is not None:
                response = await self._with_token(self._tokens, call, request, timeout_s, metadata)
            else:
                response = await call(request, timeout=timeout_s, metadata=metadata)
        except grpc.aio.AioRpcError as error:
            log.debug("%s: %s after %.1f ms", name, error.code().name, (perf_counter() - begun_s) * 1000)
            raise self._failure(error, timeout_s) from None
        log.debug("%s: OK after %.1f ms", name, (perf_counter() - begun_s) * 1000)
        return response

    async def stream(
        self,
        name: str,
        request: Message,
        *,
        timeout_s: float | None,
        extra_metadata: Metadata = (),
    ) -> AsyncIterator[Any]:
        """Iterate over the responses of a call that has many. Closing the iterator ends the call. *extra_metadata* are as those of `unary`.

        Raises:
            OsmiaError: the call failed, perhaps after some responses.
        """
        start = self._calls.get(name) or self._open(name)
        metadata = self._with(extra_metadata)
        authorization = await self._tokens.authorization() if self._tokens is not None else ""
        is_renewed = self._tokens is None
        log.debug("%s: begins", name)
        while True:
            call = start(request, timeout=timeout_s, metadata=_with(metadata, authorization))
            try:
                async for response in call:
                    is_renewed = True  # it was taken
                    yield response
            except grpc.aio.AioRpcError as error:
                if is_renewed or self._tokens is None or error.code() is not grpc.StatusCode.UNAUTHENTICATED:
                    raise self._failure(error, timeout_s) from None
                authorization, is_renewed = await self._tokens.authorization(refused=authorization), True
            else:
                return
            finally:
                call.cancel()  # no effect on a call that is over

    @staticmethod
    async def _with_token(
        tokens: Tokens, call: Any, request: Message, timeout_s: float | None, metadata: Metadata | None
    ) -> Any:
        """Make a call with the present token; if the broker refuses it, once more with a new one."""
        authorization = await tokens.authorization()
        try:
            return await call(request, timeout=timeout_s, metadata=_with(metadata, authorization))
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.UNAUTHENTICATED:
                raise
        authorization = await tokens.authorization(refused=authorization)
        return await call(request, timeout=timeout_s, metadata=_with(metadata, authorization))

    def _with(self, extra: Metadata) -> Metadata | None:
        return _merged(self._metadata or (), on_wire(extra)) if extra else self._metadata

    async def close(self) -> None:
        """End open calls and close the connection. The next call opens it again."""
        channel, self._channel, self._loop = self._channel, None, None
        self._calls.clear()
        if channel is not None:
            await channel.close()

    def _open(self, name: str) -> Any:
        method = METHODS[name]
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

    def _check_size(self, name: str, request: Message) -> None:
        """Refuse a message that gRPC would refuse as RESOURCE_EXHAUSTED, which means "repeat it later" to callers."""
        if 0 <= self._send_bytes_max < request.ByteSize():
            raise errors.InvalidArgument(
                grpc.StatusCode.INVALID_ARGUMENT,
                f"Expected a {name} request of at most {self._send_bytes_max} bytes, but found {request.ByteSize()}",
            )

    def _failure(self, error: grpc.aio.AioRpcError, timeout_s: float | None) -> errors.OsmiaError:
        """Return the error for a failed call; a timeout before the connection was there says so."""
        failure = errors.from_rpc(error, self.address, speaks_tls=self._credentials is not None)
        if isinstance(failure, errors.Timeout) and self._channel and not self._is_connected():
            text = f"Expected a connection to {self.address} within {timeout_s} s, but found none ({failure.details})"
            return errors.Timeout(failure.code, text)
        return failure

    def _is_connected(self) -> bool:
        return self._channel is not None and self._channel.get_state() is grpc.ChannelConnectivity.READY

    @staticmethod
    def _callable(channel: grpc.aio.Channel, method: Method) -> Any:
        kind = channel.unary_stream if method.server_streaming else channel.unary_unary
        return kind(
            method.full_name,
            request_serializer=method.request.SerializeToString,
            response_deserializer=method.response.FromString,
        )
