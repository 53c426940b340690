"""Between gRPC and the services: counts every call, sends every refusal with its documented status, lets no defect out.

Below it there are bytes, which any `RpcServer` carries; above it there are messages and callers.
"""

import asyncio
import inspect
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from time import perf_counter
from typing import Any

from google.protobuf.message import DecodeError, Message

from osmia_broker.auth import Guard
from osmia_broker.base.errors import OsmiaError, Unsupported, framed
from osmia_broker.calls import Caller
from osmia_broker.calls.caller import AS_BYTES, OWN, decoded, joined
from osmia_broker.calls.checks import QUOTED_CHARACTERS, quoted
from osmia_broker.metrics import GatewayCounters
from osmia_broker.rpc import Call, Refusal, Rpc, Shape
from osmia_broker.state.rows.tasks import Channel
from osmia_proto.methods import Method

DETAILS_CHARACTERS_MAX = 1_000  # no person reads more
DETAILS_BYTES_MAX = 2_000  # of text that is not ASCII: each travels as three, and clients refuse headers above 8 KiB
REQUEST_ID = "osmia-request-id"
REQUEST_ID_CHARACTERS_MAX = 64  # a UUID has 36

log = logging.getLogger(__name__)


class GrpcCaller(Caller):
    """The caller of a gRPC call. Metadata are read when they are first asked for; the door reports a cancelled call by `leave`."""

    __slots__ = ("_call", "_is_read")
    door = Channel.GRPC

    def __init__(self, call: Call) -> None:
        super().__init__()
        self._call = call
        self._is_read = False

    @property
    def metadata(self) -> Mapping[str, str]:
        """The texts that came with the call. Of binary values only our own are texts: they stand under their name without `-bin`."""
        if not self._is_read:
            self._is_read = True
            pairs = self._call.invocation_metadata() or ()
            texts = {name: value for name, value in pairs if isinstance(value, str)}
            self._metadata = texts if len(texts) == len(pairs) else joined(_texts_of(pairs))
        return self._metadata

    @property
    def undelivered(self) -> int:
        """The number of messages that had not left; see `Caller`. grpcio does not report it: it writes one after the other."""
        return getattr(self._call, "undelivered", 0)

    def invocation_metadata(self) -> Sequence[tuple[str, str | bytes]] | None:
        """Return what the call brought: an admitted caller is the `Call` of its answer."""
        return self._call.invocation_metadata()

    def time_remaining(self) -> float | None:
        """Return the seconds until the deadline of the call; None if it has none."""
        return self._call.time_remaining()


def _texts_of(metadata: Iterable[tuple[str, str | bytes]]) -> Iterator[tuple[str, str]]:
    for name, value in metadata:
        if isinstance(value, str):
            yield name, value
        elif name.startswith(OWN):
            yield name.removesuffix(AS_BYTES), decoded(value)


class Door:
    """Makes the handlers of services and counts the calls that are being answered. *guard* checks who calls, if sign-in is on."""

    def __init__(self, counters: GatewayCounters, guard: Guard | None = None) -> None:
        self._counters = counters
        self._guard = guard
        self._busy = 0  # calls that are being answered; a call whose message is being written is not
        self._idle: asyncio.Event | None = None

    def rpcs(self, methods: Mapping[str, Method], servicer: object) -> list[Rpc]:
        """Make an `Rpc` of every call of *methods*: the method of *servicer* with its name, or a refusal as UNIMPLEMENTED.

        A method takes the request, and the `Caller` too if it has a second parameter.
        """
        return [self._rpc(method, getattr(servicer, name, None)) for name, method in methods.items()]

    async def idle(self) -> None:
        """Wait until no call is being answered. One that has just been admitted is about to be."""
        while self._busy:
            self._idle = asyncio.Event()
            await self._idle.wait()

    def _rpc(self, method: Method, call: Callable[..., Any] | None) -> Rpc:
        carry_out: Callable[..., Any] = call or _unsupported(method)
        takes_caller = len(inspect.signature(carry_out).parameters) > 1
        admit = None if self._guard is None else self._admitting(method.name, self._guard)
        if method.server_streaming:
            return Rpc(method.full_name, Shape.STREAM, self._streaming(method, carry_out, takes_caller), admit)
        return Rpc(method.full_name, Shape.UNARY, self._unary(method, carry_out, takes_caller), admit)

    def _admitting(self, name: str, guard: Guard) -> Callable[[Call], Awaitable[Call]]:
        """Return the check of who calls *name*. The caller that it returns is the `Call` of the answer."""

        async def admit(call: Call) -> Call:
            begun = perf_counter()
            self._busy += 1
            caller = GrpcCaller(call)
            try:
                caller.signed_in = await guard.identify(caller.authorization)
            except asyncio.CancelledError:
                self._counters.answered(name, "CANCELLED", perf_counter() - begun)
                raise
            except Exception as error:  # noqa: BLE001 - nothing unexpected leaves the broker
                raise self._refusal(name, error, begun, None, caller) from None
            finally:
                self._left()
            return caller

        return admit

    def _unary(
        self, method: Method, carry_out: Callable[..., Any], takes_caller: bool
    ) -> Callable[[bytes, Call], Awaitable[bytes]]:
        answered, name, parse = self._counters.answered, method.name, method.request.FromString

        async def answer(message: bytes, call: Call) -> bytes:
            begun = perf_counter()
            self._busy += 1
            request = caller = None
            try:
                request = parse(message)
                if takes_caller:
                    caller = call if isinstance(call, GrpcCaller) else GrpcCaller(call)
                    response: Message = await carry_out(request, caller)
                else:
                    response = await carry_out(request)
                written = response.SerializeToString()
            except asyncio.CancelledError:
                if caller is not None:
                    caller.leave()
                answered(name, "CANCELLED", perf_counter() - begun)
                raise
            except Exception as error:  # noqa: BLE001 - nothing unexpected leaves the broker
                raise self._refusal(name, error, begun, request, call) from None
            finally:
                self._left()
            answered(name, "OK", perf_counter() - begun)
            return written

        return answer

    def _streaming(
        self, method: Method, carry_out: Callable[..., AsyncIterator[Any]], takes_caller: bool
    ) -> Callable[[bytes, Call], AsyncIterator[bytes]]:
        counters, name, parse = self._counters, method.name, method.request.FromString

        async def answer(message: bytes, call: Call) -> AsyncIterator[bytes]:
            begun = perf_counter()
            counters.streams_open.add(name)
            self._busy += 1
            request = responses = None
            caller = call if isinstance(call, GrpcCaller) else GrpcCaller(call)
            try:
                request = parse(message)
                responses = carry_out(request, caller) if takes_caller else carry_out(request)
                async for response in responses:
                    written = response.SerializeToString()
                    self._left()
                    try:
                        yield written
                    finally:
                        self._busy += 1
            except (asyncio.CancelledError, GeneratorExit):
                caller.leave()
                counters.answered(name, "CANCELLED", perf_counter() - begun)
                raise
            except Exception as error:  # noqa: BLE001 - nothing unexpected leaves the broker
                raise self._refusal(name, error, begun, request, call) from None
            else:
                counters.answered(name, "OK", perf_counter() - begun)
            finally:
                counters.streams_open.add(name, amount=-1)
                self._left()
                if responses is not None:
                    await responses.aclose()  # type: ignore[attr-defined]  # an async generator, whose finally must run now

        return answer

    def _left(self) -> None:
        self._busy -= 1
        if not self._busy and self._idle is not None:
            self._idle.set()

    def _refusal(self, name: str, error: Exception, begun: float, request: Message | None, call: Call) -> Refusal:
        """Count the failed *call* and say how it is answered. *request* is None when the call brought no such message."""
        if isinstance(error, OsmiaError):
            status, text = error.status, framed(error)
        elif isinstance(error, DecodeError) and request is None:
            status, text = "INTERNAL", f"Expected a message that {name} takes, but found other bytes"
        else:
            log.error("call failed", exc_info=error, extra={"method": name, "request_id": request_id(call)})
            status, text = "INTERNAL", f"Expected {name} to succeed, but found a defect: {type(error).__name__}"
        if log.isEnabledFor(logging.DEBUG):
            log.debug("call refused", extra={"method": name, "status": status, "request_id": request_id(call)})
        self._counters.answered(name, status, perf_counter() - begun)
        return Refusal(status, _cut(text if request is None else _without_long_texts(text, request)))


def request_id(call: Call) -> str:
    """Return the name that the caller gave to *call*, so that it can be found in the log; empty if there is none that can be printed."""
    name = dict(call.invocation_metadata() or ()).get(REQUEST_ID, "")
    return name if isinstance(name, str) and name.isprintable() and len(name) <= REQUEST_ID_CHARACTERS_MAX else ""


def _without_long_texts(text: str, request: Message) -> str:
    """Shorten each text of *request* that an error repeats in full: the reasons come from everywhere, and none needs to care."""
    for given in _texts(request):
        if len(given) > QUOTED_CHARACTERS and given in text:
            text = text.replace(given, quoted(given))
    return text


def _texts(message: Message) -> Iterator[str]:
    """Yield the text fields of a message, and of the messages in it."""
    for _, value in message.ListFields():
        for one in (value,) if isinstance(value, (str, bytes, int, Message)) else value:
            if isinstance(one, str):
                yield one
            elif isinstance(one, Message):
                yield from _texts(one)


def _cut(text: str) -> str:
    """Shorten *text* so that it fits a header: the details of a status travel as one."""
    text = text[:DETAILS_CHARACTERS_MAX]
    if text.isascii():
        return text
    return text.encode("utf-8", "replace")[:DETAILS_BYTES_MAX].decode("utf-8", "ignore")


def _unsupported(method: Method) -> Callable[[Any], Any]:
    """Make a handler for a call of the contract that this broker does not carry out yet."""
    text = f"Expected a call that this broker carries out, but found {method.name}, which is not built yet"

    async def refuse(_request: Any) -> Any:
        raise Unsupported(text)

    async def refuse_stream(request: Any) -> AsyncIterator[Any]:
        yield await refuse(request)

    return refuse_stream if method.server_streaming else refuse
