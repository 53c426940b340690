"""Opens the HTTP door: uvicorn's protocol on a listener of our own, so that the broker starts and stops it with its other parts."""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import SplitResult

import uvicorn
from uvicorn.server import ServerState

from osmia_broker.base.open_files import connections_max
from osmia_broker.http.api import load
from osmia_broker.http.app import App, Receive, Scope, Send
from osmia_broker.http.last_word import LastWord, ends_with_answer
from osmia_broker.http.operation import OPERATIONS, Router, Services, base_of
from osmia_broker.http.origin import is_this_machine, split
from osmia_broker.http.protocol import BoundedProtocol, Connections
from osmia_broker.http.web.live import Live
from osmia_broker.metrics import HttpCounters
from osmia_broker.tls import TlsFiles

if TYPE_CHECKING:
    from osmia_broker.http.web.site import WebApp

KEEP_ALIVE_S = 75  # load balancers and Node's clients keep a connection for 60 s
BACKLOG = 1_024
HANDSHAKE_S = 20.0
FILES_SHARE = 0.25  # of the open files of this process
PATIENCE_S = 0.5  # with a client on whom the end of the broker waits: for the rest of a request, or for any progress with an answer


Answer = Callable[[Scope, Receive, Send], Awaitable[None]]


class HttpServer:
    """The HTTP door of a broker.

    Its calls are those of *services*, which must be stopped before the door; *wrap* puts something around each request.
    Browsers find the door at *public_url*, if a proxy is between.
    """

    def __init__(
        self,
        services: Services,
        counters: HttpCounters,
        live: Live,
        now_ms: Callable[[], int],
        *,
        body_bytes_max: int,
        public_url: str = "",
        tls: TlsFiles | None = None,
        is_open: bool = False,
        wrap: Callable[[Answer], Answer] | None = None,
        shares_port: bool = False,
    ) -> None:
        load()
        self._shares_port = shares_port  # with the other processes of the broker
        self._services, self._counters, self._live, self._now_ms = services, counters, live, now_ms
        self._api = App(Router(OPERATIONS), services, counters, body_bytes_max=body_bytes_max)
        self._page: WebApp | None = None
        self._public = split(public_url)
        self._is_open = is_open  # nothing protects it but that it can be reached from this machine alone
        for name in ("uvicorn.error", "uvicorn.access", "python_multipart"):
            logging.getLogger(name).setLevel(logging.ERROR)  # requests are counted; refusals are answers, not news
        self._config = uvicorn.Config(
            wrap(self._answer) if wrap is not None else self._answer,
            interface="asgi3",
            loop="none",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=KEEP_ALIVE_S,
        )
        self._tls = tls.server_context(asks_clients=tls.asks_clients) if tls is not None else None
        self._state = ServerState()
        self._bounds = Connections(connections_max(FILES_SHARE))
        self._server: asyncio.Server | None = None

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Give a request to the API or to the page, which is loaded for its first visitor."""
        if self._is_open and not all(map(self._is_own_name, _hosts(scope))):
            await _refuse_name(scope, send)
            return
        if self._public.netloc:
            scope = _as_sent(scope, self._public)
        if ends_with_answer(scope):
            last = LastWord(receive, send)
            receive, send = last.receive, last.send
        if base_of(scope["path"]):
            await self._api(scope, receive, send)
            return
        if self._page is None:
            from osmia_broker.http.web.site import WebApp

            self._page = WebApp(self._services, self._counters, self._live, self._now_ms)
        await self._page(scope, receive, send)

    def _is_own_name(self, host: str) -> bool:
        return is_this_machine(host) or host.lower() == self._public.netloc

    async def start(self, host: str, port: int) -> int:
        """Listen at *host* and *port* (0 for a free one), and return the real port.

        Raises:
            OSError: the port cannot be had.

        """
        loop = asyncio.get_running_loop()
        self._config.load()
        self._server = await loop.create_server(
            lambda: BoundedProtocol(self._config, self._state, {}, loop, bounds=self._bounds),
            host.strip("[]"),
            port,
            backlog=BACKLOG,
            ssl=self._tls,
            ssl_handshake_timeout=HANDSHAKE_S if self._tls is not None else None,
            reuse_port=self._shares_port or None,
        )
        listener: socket.socket = self._server.sockets[0]
        return int(listener.getsockname()[1])

    async def stop(self, grace: timedelta) -> None:
        """Take no new requests, let those that are being answered finish within *grace*, and close all connections."""
        if self._server is None:
            return
        self._server.close()
        for connection in self._connections():
            connection.shutdown()
        await self._answered(grace.total_seconds())
        for task in list(self._state.tasks):
            task.cancel()
        for connection in self._connections():
            connection.transport.close()
        self._server = None

    async def _answered(self, within_s: float) -> None:
        """Wait for the answers that are under way. Whoever does not send the rest of a request, or does not take an answer, is cut off."""
        loop = asyncio.get_running_loop()
        end_s = loop.time() + within_s
        stalled: dict[BoundedProtocol, int] = {}
        while (tasks := set(self._state.tasks)) and (left_s := end_s - loop.time()) > 0:
            await asyncio.wait(tasks, timeout=min(PATIENCE_S, left_s))
            stalled = self._cut_off(stalled)

    def _cut_off(self, before: dict[BoundedProtocol, int]) -> dict[BoundedProtocol, int]:
        """Cut clients off that hold an answer up; return the bytes that wait for each of those that take one, to compare them with *before*."""
        stalled: dict[BoundedProtocol, int] = {}
        for connection in self._connections():
            if connection.cycle is not None and connection.cycle.more_body:
                connection.transport.abort()
            elif connection.flow.write_paused:
                stalled[connection] = connection.transport.get_write_buffer_size()
                if before.get(connection) == stalled[connection]:
                    connection.transport.abort()
        return stalled

    def _connections(self) -> list[BoundedProtocol]:
        return [one for one in self._state.connections if isinstance(one, BoundedProtocol)]


def _as_sent(scope: Scope, public: SplitResult) -> Scope:
    """Return a request as the browser has sent it to *public*: a proxy may ask over another scheme, and by another name."""
    others = [(name, value) for name, value in scope["headers"] if name != b"host"]
    return {**scope, "scheme": public.scheme, "headers": [(b"host", public.netloc.encode()), *others]}


def _hosts(scope: Scope) -> list[str]:
    return _values(scope, b"host")


def _values(scope: Scope, header: bytes) -> list[str]:
    return [value.decode("latin-1") for name, value in scope["headers"] if name == header]


OTHER_NAME = (
    "Expected the host localhost or 127.0.0.1, but found another name: without sign-in, this broker answers to this machine alone. "
    "Turn on sign-in, or start it with --insecure if something else protects it; --public-url says by which name a proxy is asked."
)
OTHER_NAME_PAGE = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    "<title>Wrong host · Osmia</title><style>:root{color-scheme:light dark}"
    "body{font:16px/1.5 system-ui;margin:3rem auto;max-width:40rem;padding:0 1rem}</style>"
    f"<main><h1>Wrong host</h1><p>{OTHER_NAME}</p></main></html>"
)


async def _refuse_name(scope: Scope, send: Send) -> None:
    """Answer a request for another name than this machine's (RFC 9110, 15.5.20)."""
    is_browser = any("text/html" in value for value in _values(scope, b"accept"))
    text = (OTHER_NAME_PAGE if is_browser else f"{OTHER_NAME}\n").encode()
    kind = b"text/html" if is_browser else b"text/plain"
    headers = [(b"content-type", kind + b"; charset=utf-8"), (b"content-length", str(len(text)).encode())]
    await send({"type": "http.response.start", "status": 421, "headers": headers})
    await send({"type": "http.response.body", "body": text})
