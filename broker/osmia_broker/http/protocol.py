"""uvicorn's protocol with bounds that it has not: on the size of a request's head, on the time for a request, on connections.

Without them a stranger fills the memory with header lines, or keeps connections for ever until the process has no open file left.

An `Upgrade` is passed over, as HTTP allows: many clients offer HTTP/2 so (Java's own with every request). The parser takes what follows such a
head for the other protocol, and would lose the body.
"""

import asyncio
from typing import Any

from httptools import HttpParserUpgrade, HttpRequestParser
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES_MAX = 65_536  # request line and headers; one piece of the network may be larger
HEAD_S = 75.0  # until the head is there; as long as a connection that has answered a request waits for the next one
BODY_S = 75.0  # for each piece of a body of BODY_BYTES
BODY_BYTES = 65_536

_TOO_LARGE = f"Expected a request line and headers of at most {HEAD_BYTES_MAX} bytes, but found more"
_REFUSAL = (
    "HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: text/plain; charset=utf-8\r\n"
    f"content-length: {len(_TOO_LARGE)}\r\nconnection: close\r\n\r\n{_TOO_LARGE}"
).encode()


class Connections:
    """The connections of a door, at most *most*. Beyond that the one that has waited longest for its client makes room."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._all: set[BoundedProtocol] = set()
        # Connections that wait for the rest of a request, for the next one, or for their client to read.
        self._waiting: dict[BoundedProtocol, None] = {}

    @property
    def count(self) -> int:
        """The number of connections."""
        return len(self._all)

    def admit(self, connection: "BoundedProtocol") -> bool:
        """Take a new connection, unless there are too many and all are being answered."""
        if len(self._all) >= self._most:
            if not self._waiting:
                return False
            oldest = next(iter(self._waiting))
            self.remove(oldest)  # it counts no more, though its transport closes later
            oldest.transport.abort()
        self._all.add(connection)
        return True

    def note(self, connection: "BoundedProtocol", *, waits: bool) -> None:
        """Note whether an admitted connection waits for its client."""
        if not waits:
            self._waiting.pop(connection, None)
        elif connection in self._all:
            self._waiting.setdefault(connection)

    def remove(self, connection: "BoundedProtocol") -> None:
        """Forget a connection that is closed."""
        self._all.discard(connection)
        self._waiting.pop(connection, None)


class _Parser(HttpRequestParser):
    """Reads the requests of a connection. A head that asks for another protocol is read again as one that does not."""

    def __init__(self, connection: "BoundedProtocol") -> None:
        super().__init__(connection)
        self.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn's
        self._connection = connection

    def feed_data(self, data: Any) -> None:
        """Read bytes of the client."""
        while data:
            try:
                HttpRequestParser.feed_data(self._connection.parser, data)
            except HttpParserUpgrade as found:
                if not self._connection.asks_upgrade:
                    raise
                [end_of_head] = found.args
                head = self._connection.head_without_upgrade()
                self._connection.parser = _Parser(self._connection)  # this one may have come to its end
                HttpRequestParser.feed_data(self._connection.parser, head)
                data = memoryview(data)[end_of_head:]
            else:
                return


class BoundedProtocol(HttpToolsProtocol):
    """One connection of a client."""

    _is_head = True  # the bytes that come now belong to the head of a request
    _heads = 0  # that have come as a whole
    _head_bytes = 0  # of the head that comes now, or of what comes between the pieces of a body and after it
    _pieces = 0  # of bodies that have come
    _body_bytes = 0  # of the piece of a body that comes now
    _too_late: asyncio.TimerHandle | None = None

    def __init__(self, *args: Any, bounds: Connections) -> None:
        super().__init__(*args)
        self.parser = _Parser(self)
        self._bounds = bounds

    def connection_made(self, transport: Any) -> None:
        """Wait for the head of the first request."""
        super().connection_made(transport)
        if not self._bounds.admit(self):
            transport.abort()
            return
        self._bounds.note(self, waits=True)
        self._wait(HEAD_S)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the head."""
        self._in_time()
        self._bounds.remove(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read bytes of the client."""
        before = self._is_head, self._heads, self._pieces
        super().data_received(data)
        if before != (self._is_head, self._heads, self._pieces):
            self._head_bytes = 0
            return
        self._head_bytes += len(data)
        if self._too_late is None:
            self._wait(HEAD_S)
        if self._head_bytes > HEAD_BYTES_MAX and not self.transport.is_closing():
            if self._is_head:
                self.transport.write(_REFUSAL)
            self.transport.close()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a line of the head. Those after a body are read by nobody."""
        if self._is_head:
            super().on_header(name, value)

    @property
    def asks_upgrade(self) -> bool:
        """Whether the head that has come asks for another protocol; `CONNECT` is no such wish."""
        return self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT"

    def head_without_upgrade(self) -> bytes:
        """Return the head that has come, without the wish for another protocol."""
        request = b"%s %s HTTP/%s" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        lines = [b"%s: %s" % header for header in self.headers if header[0] != b"upgrade"]
        return b"\r\n".join([request, *lines, b"", b""])

    def on_headers_complete(self) -> None:
        """Begin to answer, and expect the body."""
        if self.asks_upgrade:
            return
        self._is_head = False
        self._heads += 1
        self._body_bytes = 0
        self._wait(BODY_S)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Give a client that sends its body more time."""
        self._pieces += 1
        self._body_bytes += len(body)
        if self._body_bytes >= BODY_BYTES:
            self._body_bytes = 0
            self._wait(BODY_S)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Expect the next head: from now on if the answer came before the rest of the request, else after it."""
        if self.asks_upgrade:
            return
        self._is_head = True
        if self.cycle.response_complete:
            self._wait(HEAD_S)  # uvicorn's own timer has ended with the first byte after the answer
        else:
            self._in_time()
        super().on_message_complete()
        self._note()

    def on_response_complete(self) -> None:
        """Wait for the next request, or for the rest of this one, which nobody reads."""
        super().on_response_complete()
        self._note()

    def pause_writing(self) -> None:
        """Wait for a client that does not read its answer."""
        super().pause_writing()
        self._note()

    def resume_writing(self) -> None:
        """Go on with the answer."""
        super().resume_writing()
        self._note()

    def _note(self) -> None:
        """Note whether this connection waits for its client now: for the rest of a request, for the next one, or for it to read an answer."""
        is_answered = self.cycle is None or self.cycle.response_complete
        self._bounds.note(self, waits=is_answered or not self._is_head or self.flow.write_paused)

    def _wait(self, for_s: float) -> None:
        self._in_time()
        self._too_late = self.loop.call_later(for_s, self._cut_off)

    def _in_time(self) -> None:
        if self._too_late is not None:
            self._too_late.cancel()
            self._too_late = None

    def _cut_off(self) -> None:
        self._too_late = None
        if not self._is_head and self.flow.read_paused:  # the body waits for us, not for its client
            self._wait(BODY_S)
        elif not self.transport.is_closing():
            self.transport.close()
