"""The ASGI application of the HTTP door: reads requests, carries operations out, sends answers and refusals."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from time import perf_counter
from typing import Any
from urllib.parse import unquote

import msgspec

from osmia_broker.base.errors import Unauthenticated
from osmia_broker.base.whole_numbers import whole_number
from osmia_broker.calls import Caller
from osmia_broker.calls.caller import OWN, decoded, joined
from osmia_broker.http.multipart import read_parts
from osmia_broker.http.operation import BASE, MULTIPART, Call, Operation, Reply, Router, Services, base_of
from osmia_broker.http.origin import is_foreign
from osmia_broker.http.problem import MEDIA_TYPE, HttpRefusal, problem_of
from osmia_broker.metrics import HttpCounters
from osmia_broker.state.rows.tasks import Channel

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

LARGE_BODY_BYTES = 65_536  # a larger body is read in a thread, as its items may be a million: others go on meanwhile
OPEN_BODY_BYTES_MAX = 65_536  # of an operation that is open to strangers, who must not fill the memory
UNKNOWN = ("unknown", "unknown")  # the route and method of a request without an operation, in the counts
_encode = msgspec.json.Encoder().encode

log = logging.getLogger(__name__)


class RestCaller(Caller):
    """The caller of an operation of the REST API."""

    __slots__ = ()
    door = Channel.REST


class CallerLeft(Exception):
    """The caller closed the connection before its request was read."""


class App:
    """Serves the operations of *router*. A body may have *body_bytes_max*."""

    def __init__(self, router: Router, services: Services, counters: HttpCounters, *, body_bytes_max: int) -> None:
        self._router = router
        self._services = services
        self._counters = counters
        self._body_bytes_max = body_bytes_max

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Carry one request out."""
        assert scope["type"] == "http", "the server speaks HTTP alone"
        begun = perf_counter()
        route, method = UNKNOWN
        try:
            operation, values = self._find(scope)
            route, method = operation.base + operation.path, operation.method
            reply = await self._reply(operation, values, scope, receive)
        except CallerLeft:
            self._counters.answered(route, method, "cancelled", perf_counter() - begun)
            return
        except asyncio.CancelledError:
            self._counters.answered(route, method, "cancelled", perf_counter() - begun)
            raise
        except Exception as error:  # noqa: BLE001 - nothing unexpected leaves the broker
            reply = self._refusal(error, scope, route)
        self._counters.answered(route, method, str(reply.status), perf_counter() - begun)
        await _send(reply, send, without_body=scope["method"] == "HEAD")

    def _find(self, scope: Scope) -> tuple[Operation, dict[str, str]]:
        # The raw path keeps an encoded slash inside of a value apart from the slashes between the parts.
        path = scope["raw_path"].decode("latin-1")
        if not base_of(path):
            raise HttpRefusal(
                404, "Not Found", f"Expected a path below {BASE}, but found another; {BASE}/docs lists all"
            )
        operation, values = self._router.find(scope["method"], path)
        return operation, {name: unquote(value) for name, value in values.items()}

    async def _reply(self, operation: Operation, values: dict[str, str], scope: Scope, receive: Receive) -> Reply:
        headers = joined(map(_text, scope["headers"]))
        if is_foreign(operation.method, headers):
            raise HttpRefusal(
                403, "FORBIDDEN", "Expected a request of this site or of a program, but found one of another site"
            )
        caller = RestCaller(headers)
        call = Call(self._services, caller, scope["query_string"].decode("latin-1"), scheme=scope["scheme"])
        if not operation.is_open:  # before the body: a stranger must not fill the memory
            await call.require_caller()
        arguments = operation.arguments(values)
        most = min(self._body_bytes_max, OPEN_BODY_BYTES_MAX) if operation.is_open else self._body_bytes_max
        content = await self._content(headers, receive, most)
        await self._take_body(operation, content, headers, call, arguments)
        carried_out = operation.handler(call, **arguments)
        answer = await (_while_connected(carried_out, caller, receive) if operation.waits else carried_out)
        if isinstance(answer, Reply):
            if caller.is_gone and answer.undelivered is not None:
                answer.undelivered()
            return answer
        return Reply(204) if answer is None else Reply(operation.status, _encode(answer))

    async def _content(self, headers: dict[str, str], receive: Receive, most: int) -> bytes:
        """Read the body of the request, of at most so many bytes."""
        announced = headers.get("content-length", "0")
        if announced.isdigit() and whole_number(announced, most) is None:
            raise _too_large(most, announced)
        parts: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise CallerLeft
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > most:
                raise _too_large(most, "more")
            if not message.get("more_body", False):
                return b"".join(parts)

    @staticmethod
    async def _take_body(
        operation: Operation, content: bytes, headers: dict[str, str], call: Call, arguments: dict[str, Any]
    ) -> None:
        """Add the body to the call, or to the arguments of the operation."""
        if operation.body_type is None and operation.takes != MULTIPART:
            return
        if not operation.needs_body and content.strip() in (b"", b"null"):
            return
        media_type = headers.get("content-type", "")
        found = media_type.partition(";")[0].strip().lower()
        if found != operation.takes:
            raise _unsupported(f"the content type '{operation.takes}', but found '{found or 'none'}'")
        coding = headers.get("content-encoding", "").strip().lower()
        if coding not in ("", "identity"):
            raise _unsupported(f"a body without a content encoding, but found '{coding}'")
        if operation.takes == MULTIPART:
            call.uploads = read_parts(content, media_type)
        elif len(content) > LARGE_BODY_BYTES:
            arguments["body"] = await asyncio.to_thread(operation.read_body, content)
        else:
            arguments["body"] = operation.read_body(content)

    def _refusal(self, error: Exception, scope: Scope, route: str) -> Reply:
        problem = problem_of(error, scope["path"])
        if problem.title == "INTERNAL":
            log.error("request failed", exc_info=error, extra={"route": route})
        headers: tuple[tuple[str, str], ...] = ()
        if isinstance(error, HttpRefusal) and error.allow:
            headers = (("allow", error.allow),)
        elif isinstance(error, Unauthenticated) and self._services.guard is not None:
            headers = (("www-authenticate", self._services.guard.challenge),)
        return Reply(problem.status, _encode(problem), MEDIA_TYPE, headers)


def _too_large(most: int, found: str) -> HttpRefusal:
    return HttpRefusal(413, "Payload Too Large", f"Expected a body of at most {most} bytes, but found {found}")


def _unsupported(expected: str) -> HttpRefusal:
    return HttpRefusal(415, "Unsupported Media Type", f"Expected {expected}")


def _text(header: tuple[bytes, bytes]) -> tuple[str, str]:
    name, value = header[0].decode("latin-1"), header[1]
    return name, decoded(value) if name.startswith(OWN) else value.decode("latin-1")


async def _while_connected(carried_out: Awaitable[Any], caller: Caller, receive: Receive) -> Any:
    """Wait for an operation that may take long, and cancel it if the caller leaves."""
    work = asyncio.ensure_future(carried_out)
    left = asyncio.ensure_future(_disconnected(receive))
    try:
        await asyncio.wait({work, left}, return_when=asyncio.FIRST_COMPLETED)
        if left.done():
            caller.leave()
        if work.done():
            return work.result()
        work.cancel()
        with suppress(asyncio.CancelledError):
            await work
        raise CallerLeft
    finally:
        left.cancel()
        if not work.done():
            work.cancel()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _send(reply: Reply, send: Send, *, without_body: bool) -> None:
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in reply.headers]
    if reply.status != 204:
        headers.append((b"content-type", reply.media_type.encode("latin-1")))
        headers.append((b"content-length", str(len(reply.body)).encode()))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if without_body else reply.body})
