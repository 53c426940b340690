"""uvicorn's protocol with bounds that it has not: on the size of a request's head, and on the time until it is there.

Without them a stranger fills the memory with header lines, or keeps connections for ever.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES_MAX = 65_536  # request line and headers; one piece of the network may be larger
HEAD_S = 75.0  # until the head is there; as long as a connection that has answered a request waits for the next one

_TOO_LARGE = f"Expected a request line and headers of at most {HEAD_BYTES_MAX} bytes, but found more"
_REFUSAL = (
    "HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: text/plain; charset=utf-8\r\n"
    f"content-length: {len(_TOO_LARGE)}\r\nconnection: close\r\n\r\n{_TOO_LARGE}"
).encode()


class BoundedProtocol(HttpToolsProtocol):
    """One connection of a client."""

    _is_head = True  # the bytes that come now belong to the head of a request
    _heads = 0  # that have come as a whole
    _head_bytes = 0  # of the head that comes now
    _too_late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Wait for the head of the first request."""
        super().connection_made(transport)
        self._too_late = self.loop.call_later(HEAD_S, self._cut_off)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the head."""
        self._in_time()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read bytes of the client."""
        was_head, heads = self._is_head, self._heads
        super().data_received(data)
        if not (was_head and self._is_head and heads == self._heads):
            self._head_bytes = 0
            return
        self._head_bytes += len(data)
        if self._too_late is None:
            self._too_late = self.loop.call_later(HEAD_S, self._cut_off)
        if self._head_bytes > HEAD_BYTES_MAX and not self.transport.is_closing():
            self.transport.write(_REFUSAL)
            self.transport.close()

    def on_headers_complete(self) -> None:
        """Begin to answer."""
        self._is_head = False
        self._heads += 1
        self._in_time()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Expect the next head."""
        self._is_head = True
        super().on_message_complete()

    def _in_time(self) -> None:
        if self._too_late is not None:
            self._too_late.cancel()
            self._too_late = None

    def _cut_off(self) -> None:
        self._too_late = None
        if not self.transport.is_closing():
            self.transport.close()
