"""Serve `/health`, `/ready` and `/metrics` to probes and scrapers: the management door, HTTP/1.1 on its own port.

Of a broker under test it serves the clock, too, and the way to empty it.

A few fixed answers need no web framework: h11 parses the protocol, asyncio transports the bytes. Measured beside grpc.aio,
they add under 1 ms and 0.4 MB to a start; Starlette with uvicorn adds 50 ms and 8 MB.
"""

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import cast

import h11
import msgspec

from osmia_broker.base.errors import OsmiaError
from osmia_broker.calls.clock import ClockControl
from osmia_broker.calls.purge import Purge
from osmia_broker.metrics import Metrics
from osmia_broker.partition import AnyPartition
from osmia_broker.running import clock_endpoint, purge_endpoint
from osmia_broker.running.exposition import exposition

IDLE_S = 75.0  # a scraper comes every 15 to 60 s and reuses its connection
BODY_BYTES_MAX = 1_024
CONNECTIONS_MAX = 64  # probes and scrapers are few; more is a mistake that must not cost memory

log = logging.getLogger(__name__)

Ready = Callable[[], tuple[bool, str]]  #: returns whether the broker can do its work now, and if not, the reason
Clock = Callable[[], ClockControl | None]  #: returns the clock that callers may move, if there is one
#: Returns the purges, if they are allowed, and the partitions that are open.
Purging = Callable[[], tuple[Purge, list[int]] | None]
Refresh = Callable[[], Awaitable[None]]  #: brings numbers of the metrics up to date that are counted elsewhere


def readiness(partitions: Iterable[AnyPartition]) -> tuple[bool, str]:
    """Return whether every partition takes commands and can store them. If not, name the partitions and the reasons.

    A partition is not ready after a failed commit until one succeeds, so a full disk takes the broker out of rotation
    although the partition is open and can still be read.
    """
    reasons = [
        f"partition {one.id}: {reason}"
        for one in partitions
        if (reason := one.write_failure or one.why_away or ("" if one.is_open else "it is not open"))
    ]
    return not reasons, "; ".join(reasons)


@dataclass(frozen=True, slots=True)
class _Answer:
    status: HTTPStatus
    body: bytes
    content_type: str = "application/json"
    allow: str = ""


class ManagementServer:
    """The door on *host* and *port* (0 takes a free one).

    Each `/ready` calls *ready*, which must not block. Each `/metrics` waits for *refresh*; while that fails, the rest is answered.
    Callers may move what *clock* returns, and begin what *purging* returns.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        ready: Ready,
        metrics: Metrics,
        refresh: Refresh | None = None,
        tls: ssl.SSLContext | None = None,
        clock: Clock = lambda: None,
        purging: Purging = lambda: None,
    ) -> None:
        self._host = host
        self._port = port
        self._ready = ready
        self._metrics = metrics
        self._refresh = refresh
        self._tls = tls
        self._clock = clock
        self._purging = purging
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()

    async def start(self) -> int:
        """Listen, and return the real port.

        Raises:
            OSError: the address is taken, not allowed or not on this machine.
        """
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), self._host, self._port, ssl=self._tls)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Close the door and its connections. Safe to call twice, and before `start`."""
        if self._server is None:
            return
        self._server.close()
        for connection in list(self._connections):
            connection.close()
        await self._server.wait_closed()
        self._server = None

    def opened(self, connection: "_Connection") -> bool:
        """Register *connection*. Return false when there are too many."""
        if len(self._connections) >= CONNECTIONS_MAX:
            return False
        self._connections.add(connection)
        return True

    def closed(self, connection: "_Connection") -> None:
        """Forget *connection*."""
        self._connections.discard(connection)

    def wait_for(self, target: str) -> Awaitable[None] | None:
        """Return what to wait for before the request for *target* is answered; `None` if nothing."""
        return self._refresh() if self._refresh and target.partition("?")[0] == "/metrics" else None

    def answer(self, method: str, target: str, accept: str, body: bytes) -> _Answer:
        """Return the answer to one request."""
        path, _, query = target.partition("?")
        methods = dict.fromkeys(("/health", "/ready", "/metrics"), "GET, HEAD")
        clock = self._clock()
        methods |= clock_endpoint.METHODS if clock else {}
        purging = self._purging()
        if purging and (allowed := purge_endpoint.methods_of(path)):
            methods[path] = allowed
        if path not in methods:
            return _json(HTTPStatus.NOT_FOUND, {"error": "Expected /health, /ready or /metrics"})
        if method not in methods[path].split(", "):
            expected = methods[path].replace(", ", " or ")
            answer = _json(HTTPStatus.METHOD_NOT_ALLOWED, {"error": f"Expected {expected}, but found {method}"})
            return _Answer(answer.status, answer.body, allow=methods[path])
        if clock and path in clock_endpoint.METHODS:
            return _json(*clock_endpoint.answer(clock, method, path, body))
        if purging and purge_endpoint.methods_of(path):
            return _json(*purge_endpoint.answer(purging[0], path, query, purging[1]))
        if path == "/metrics":
            text, content_type = exposition(self._metrics, accept)
            return _Answer(HTTPStatus.OK, text, content_type)
        return _json(HTTPStatus.OK, {"status": "UP"}) if path == "/health" else self._readiness()

    def _readiness(self) -> _Answer:
        is_ready, reason = self._ready()
        if is_ready:
            return _json(HTTPStatus.OK, {"status": "READY"})
        return _json(HTTPStatus.SERVICE_UNAVAILABLE, {"status": "NOT_READY", "reason": reason})


class _Connection(asyncio.Protocol):
    """One client of the door: requests in, answers out, in order."""

    def __init__(self, server: ManagementServer) -> None:
        self._server = server
        self._http = h11.Connection(h11.SERVER)
        self._transport: asyncio.Transport
        self._request: h11.Request | None = None
        self._body = b""  # of that request; what is too large for any of them is cut off
        self._idle: asyncio.TimerHandle | None = None
        self._waiting: asyncio.Task[None] | None = None  # for numbers that are counted elsewhere

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one without being a subclass
        if self._server.opened(self):
            self._wait()
        else:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.closed(self)
        if self._idle is not None:
            self._idle.cancel()
        if self._waiting is not None:
            self._waiting.cancel()

    def data_received(self, data: bytes) -> None:
        self._http.receive_data(data)
        self._serve()

    def eof_received(self) -> bool:
        self._http.receive_data(b"")
        self._serve()
        return self._waiting is not None  # an answer that is still to come needs our half of the connection

    def close(self) -> None:
        """Close the connection."""
        self._transport.close()

    def _wait(self) -> None:
        """Start the idle time again."""
        if self._idle is not None:
            self._idle.cancel()
        self._idle = asyncio.get_running_loop().call_later(IDLE_S, self.close)

    def _serve(self) -> None:
        """Answer every request that is complete."""
        try:
            while self._waiting is None and not self._transport.is_closing():
                event = self._http.next_event()
                if isinstance(event, h11.Request):
                    self._request, self._body = event, b""
                elif isinstance(event, h11.Data):
                    self._body = (self._body + bytes(event.data))[:BODY_BYTES_MAX]
                elif isinstance(event, h11.EndOfMessage) and self._request:
                    self._prepare(self._request)
                elif isinstance(event, h11.ConnectionClosed):
                    self.close()
                else:
                    return
        except h11.RemoteProtocolError as error:
            if self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
                refusal = _json(HTTPStatus(error.error_status_hint), {"error": "Expected an HTTP/1.1 request"})
                self._send(refusal, ("connection", "close"))
            self.close()

    def _prepare(self, request: h11.Request) -> None:
        """Answer *request* now, or when the numbers for it are there. Meanwhile no other request of this connection is read."""
        wait = self._server.wait_for(request.target.decode())
        if wait is None:
            self._respond(request)
        else:
            self._waiting = asyncio.ensure_future(self._respond_after(wait, request))

    async def _respond_after(self, wait: Awaitable[None], request: h11.Request) -> None:
        try:
            await wait
        except OsmiaError as error:
            log.warning("metrics of the store are missing", extra={"error": str(error)})
        self._waiting = None
        if not self._transport.is_closing():
            self._respond(request)
            self._serve()

    def _respond(self, request: h11.Request) -> None:
        accept = next((value for name, value in request.headers if name == b"accept"), b"")
        method, target = request.method.decode(), request.target.decode()
        self._send(self._server.answer(method, target, accept.decode("latin-1"), self._body))
        if self._http.our_state is h11.MUST_CLOSE:
            self.close()
        else:
            self._http.start_next_cycle()
            self._wait()

    def _send(self, answer: _Answer, *more: tuple[str, str]) -> None:
        headers = [("content-type", answer.content_type), ("content-length", str(len(answer.body))), *more]
        headers += [("allow", answer.allow)] if answer.allow else []
        response = h11.Response(status_code=answer.status, headers=headers, reason=answer.status.phrase.encode())
        self._transport.write(self._http.send(response) or b"")
        if self._request is None or self._request.method != b"HEAD":
            self._transport.write(self._http.send(h11.Data(data=answer.body)) or b"")
        self._transport.write(self._http.send(h11.EndOfMessage()) or b"")


def _json(status: HTTPStatus, body: Mapping[str, object]) -> _Answer:
    return _Answer(status, msgspec.json.encode(body) + b"\n")
