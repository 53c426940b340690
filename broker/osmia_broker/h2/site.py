"""The things that all connections of one server share: bounds, the memory that peers take, and the look at silent connections."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from osmia_broker.h2.connection import Connection
    from osmia_broker.h2.stream import Stream


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The bounds of a server. Each holds memory or CPU that a peer could take otherwise."""

    connections: int = 10_000
    streams: int = 1_000  # that are open on a connection
    header_block_bytes: int = 32 * 1024  # with its CONTINUATION frames, compressed
    header_list_bytes: int = 16 * 1024  # of one request, uncompressed
    stream_window: int = 256 * 1024  # octets that a peer may send on a stream before we say that they were read
    connection_window: int = 1024 * 1024
    # Of messages that are incomplete, and of answers that their peer does not read: room for 16 of the largest on a connection.
    held_bytes: int = 64 * 1024**2
    held_bytes_in_all: int = 256 * 1024**2
    odd_frames: int = 1_000  # frames that bring no work forward, in a burst: PING, SETTINGS, RST_STREAM, empty DATA, …
    odd_frames_per_s: int = 100  # that are forgiven; an answer forgives some, too
    odd_frames_per_answer: int = 2
    hello_s: float = 20  # until the first frame, and for one header block
    ping_after_s: float = 60  # of silence
    pong_within_s: float = 20


class Site:
    """The shared part of a server's connections. *open_stream* makes the stream of a request; *now_s* is a clock that only grows."""

    def __init__(
        self,
        open_stream: "Callable[[Connection, int], Stream]",
        now_s: Callable[[], float],
        limits: Limits | None = None,
    ) -> None:
        self.open_stream = open_stream
        self.now_s = now_s
        self.limits = limits or Limits()
        self.connections: set[Connection] = set()
        self._strangers: dict[Connection, None] = {}  # those that have said nothing yet, oldest first
        self.held_bytes = 0
        self.is_draining = False
        self.when_empty: Callable[[], None] | None = None

    def admit(self, connection: "Connection") -> bool:
        """Take a new connection, unless there are too many. One that has said nothing yet makes room for it, the oldest first."""
        if self.is_draining:
            return False
        if len(self.connections) >= self.limits.connections:
            if not self._strangers:
                return False
            oldest = next(iter(self._strangers))
            oldest.cut()
            self.remove(oldest)  # it counts no more, though its transport closes later
        self.connections.add(connection)
        self._strangers[connection] = None
        return True

    def greeted(self, connection: "Connection") -> None:
        """Note that *connection* speaks HTTP/2."""
        self._strangers.pop(connection, None)

    def sweep(self) -> None:
        """Look at every connection: ping the silent, close the dead. To be called every few seconds."""
        now_s = self.now_s()
        for connection in list(self.connections):
            connection.look(now_s)

    def drain(self) -> None:
        """Take no new streams. Each connection closes when its last stream has ended."""
        self.is_draining = True
        for connection in list(self.connections):
            connection.drain()

    def cut(self) -> None:
        """Close all connections now."""
        self.is_draining = True
        for connection in list(self.connections):
            connection.cut()

    def remove(self, connection: "Connection") -> None:
        """Forget a connection that is closed."""
        self.connections.discard(connection)
        self._strangers.pop(connection, None)
        if not self.connections and self.when_empty is not None:
            self.when_empty()
