"""A client that is played frame by frame, against the server's side of a connection without a network."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from typing import Any

from osmia_broker.h2 import Connection, Limits, Site, frames
from osmia_broker.h2.frames import END_HEADERS, END_STREAM, HEADER, NUMBER, PREFACE, frame
from osmia_broker.h2.hpack import Decoder, encode
from osmia_broker.rpc import Call, Refusal, Rpc, Shape
from osmia_broker.rpc.exchange import Exchange, Service
from tests.clock import Clock

NAMES = {number: name for name, number in vars(frames).items() if name in (
    "DATA", "HEADERS", "PRIORITY", "RST_STREAM", "SETTINGS", "PUSH_PROMISE", "PING", "GOAWAY", "WINDOW_UPDATE", "CONTINUATION"
)}  # fmt: skip
TURNS = 30  # of the loop, after which everything has happened that can
MESSAGE_BYTES_MAX = 64 * 1024


class Transport:
    """The server's end of a wire. `is_stuck` is a wire whose other end does not read."""

    def __init__(self) -> None:
        self.written = bytearray()
        self.is_reading = True
        self.is_closed = False
        self.writes = 0
        self.connection: Connection | None = None
        self.is_stuck = False
        self.unread = 0

    def set_write_buffer_limits(self, high: int) -> None:
        self.high = high

    def write(self, data: bytes) -> None:
        assert not self.is_closed, "nothing is written to a closed transport"
        self.writes += 1
        self.written += data
        if self.is_stuck:
            self.unread += len(data)
            if self.unread > self.high and self.connection is not None and self.is_reading:
                self.connection.pause_writing()

    def pause_reading(self) -> None:
        self.is_reading = False

    def resume_reading(self) -> None:
        self.is_reading = True

    def close(self) -> None:
        if not self.is_closed:
            self.is_closed = True
            if self.connection is not None:
                asyncio.get_running_loop().call_soon(self.connection.connection_lost, None)

    abort = close


@dataclass
class Answer:
    """What came on one stream."""

    headers: list[tuple[str, str]] = field(default_factory=list)
    data: bytes = b""
    is_over: bool = False
    reset: int | None = None

    @property
    def status(self) -> int:
        return int(dict(self.headers).get("grpc-status", -1))

    @property
    def details(self) -> str:
        return dict(self.headers).get("grpc-message", "")

    @property
    def messages(self) -> list[bytes]:
        found, rest = [], self.data
        while rest:
            end = 5 + int.from_bytes(rest[1:5], "big")
            found.append(rest[5:end])
            rest = rest[end:]
        return found


class Served:
    """The calls that the server has. A test holds some of them open by `may_go_on`."""

    def __init__(self) -> None:
        self.may_go_on = asyncio.Event()
        self.running = self.cancelled = self.written = self.undelivered = 0
        self.is_admitting: asyncio.Future[bool] = asyncio.get_running_loop().create_future()  # what a test decides
        self.after_some = lambda: None  # what happens in the turn in which `some` has sent its messages

    def rpcs(self) -> dict[str, Rpc]:
        shapes = {
            "Echo": Shape.UNARY,
            "Hold": Shape.UNARY,
            "Many": Shape.STREAM,
            "Some": Shape.STREAM,
            "Talk": Shape.DIALOGUE,
            "Refuse": Shape.UNARY,
        }
        guarded = {"Echo", "Hold", "Many", "Talk"}  # these stand below "/g.G", too
        return {
            f"/{service}/{name}": Rpc(f"/{service}/{name}", shape, getattr(self, name.lower()), admit)
            for service, admit in (("t.T", None), ("g.G", self.admit))
            for name, shape in shapes.items()
            if admit is None or name in guarded
        }

    async def admit(self, call: Call) -> Call:
        if not await asyncio.shield(self.is_admitting):
            raise Refusal("UNAUTHENTICATED", "Expected somebody, but found a stranger")
        return call

    async def echo(self, message: bytes, call: Call) -> bytes:
        return message

    async def hold(self, message: bytes, call: Call) -> bytes:
        self.running += 1
        try:
            await self.may_go_on.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.running -= 1
        return message

    async def many(self, message: bytes, call: Call) -> AsyncIterator[bytes]:
        """Send the message a thousand times; `written` counts those that could be sent."""
        try:
            for _ in range(1_000):
                yield message
                self.written += 1
        except GeneratorExit:
            self.cancelled += 1
            raise

    async def some(self, message: bytes, call: Call) -> AsyncIterator[bytes]:
        """Send the message once for each of its octets, let something happen, and wait."""
        for _ in message:
            yield message
        self.after_some()
        try:
            await self.may_go_on.wait()
        except asyncio.CancelledError:
            self.undelivered = getattr(call, "undelivered", 0)
            raise

    async def talk(self, messages: AsyncIterator[bytes], call: Call) -> AsyncIterator[bytes]:
        async for message in messages:
            if message == b"wait":
                await self.may_go_on.wait()
            yield message

    async def refuse(self, message: bytes, call: Call) -> bytes:
        raise Refusal("NOT_FOUND", message.decode(), (("why-bin", b"\0\xff"),))


class Peer:
    """A client on a connection of its own. It reads everything that the server has written, when it is asked for an answer."""

    def __init__(self, site: Site) -> None:
        self.transport = Transport()
        self.connection = Connection(site)
        self.transport.connection = self.connection
        self.connection.connection_made(self.transport)  # type: ignore[arg-type]
        self.next_id = 1
        self.frames: list[tuple[str, int, int, bytes]] = []  #: name, flags, stream, payload, as they came
        self.answers: dict[int, Answer] = {}
        self.goaway: int | None = None
        self._decoder = Decoder()
        self._read = 0

    def greet(self, settings: dict[int, int] | None = None) -> "Peer":
        self.send(PREFACE + frames.settings(settings or {}))
        return self

    def send(self, data: bytes) -> None:
        """Send bytes, unless the server does not read or is gone."""
        if self.transport.is_reading and not self.transport.is_closed:
            self.connection.data_received(data)

    def head(self, path: str = "/t.T/Echo", more: Iterable[tuple[str, str]] = ()) -> bytes:
        fields = [(":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "t"), ("te", "trailers"),
                  ("content-type", "application/grpc"), *more]  # fmt: skip
        return encode([(name.encode(), value.encode("latin-1")) for name, value in fields])

    def open(self, path: str = "/t.T/Echo", more: Iterable[tuple[str, str]] = (), flags: int = 0) -> int:
        """Send the head of a call."""
        id, self.next_id = self.next_id, self.next_id + 2
        self.send(frame(frames.HEADERS, END_HEADERS | flags, id, self.head(path, more)))
        return id

    def data(self, id: int, data: bytes, flags: int = END_STREAM) -> None:
        self.send(frame(frames.DATA, flags, id, data))

    def call(self, path: str = "/t.T/Echo", message: bytes = b"", more: Iterable[tuple[str, str]] = ()) -> int:
        """Send a whole call in frames that fit."""
        id = self.open(path, more)
        rest = framed(message)
        while len(rest) > frames.FRAME_BYTES_MAX:
            self.data(id, rest[: frames.FRAME_BYTES_MAX], 0)
            rest = rest[frames.FRAME_BYTES_MAX :]
        self.data(id, rest)
        return id

    def widen(self, id: int, octets: int) -> None:
        self.send(frames.window_update(id, octets))

    async def settled(self) -> "Peer":
        """Let the server do all that it can now, and read what it sent."""
        for _ in range(TURNS):
            await asyncio.sleep(0)
        self._take_apart()
        return self

    async def answer(self, id: int) -> Answer:
        await self.settled()
        return self.answers.get(id, Answer())

    def count(self, name: str, id: int | None = None) -> int:
        return sum(one[0] == name and (id is None or one[2] == id) for one in self.frames)

    def _take_apart(self) -> None:
        data = bytes(self.transport.written[self._read :])
        while len(data) >= 9:
            high, low, kind, flags, id = HEADER.unpack_from(data)
            end = 9 + (high << 8 | low)
            payload, data = data[9:end], data[end:]
            self._read += end
            self.frames.append((NAMES[kind], flags, id, payload))
            answer = self.answers.setdefault(id, Answer())
            if kind == frames.HEADERS:
                fields = self._decoder.decode(payload, 1 << 20) or []
                answer.headers += [(name.decode(), value.decode("latin-1")) for name, value, _ in fields]
            elif kind == frames.DATA:
                answer.data += payload
            elif kind == frames.RST_STREAM:
                answer.reset = NUMBER.unpack(payload)[0]
            elif kind == frames.GOAWAY:
                self.goaway = NUMBER.unpack_from(payload, 4)[0]
            answer.is_over |= kind in (frames.HEADERS, frames.DATA) and bool(flags & END_STREAM)


def framed(message: bytes, mark: int = 0) -> bytes:
    """A message with the prefix of gRPC."""
    return bytes((mark,)) + len(message).to_bytes(4, "big") + message


class House:
    """A server without a network: its site, what it serves, and its clock."""

    def __init__(self, **limits: Any) -> None:
        self.served = Served()
        self.clock = Clock()
        service = Service(self.served.rpcs(), MESSAGE_BYTES_MAX)
        self.site = Site(lambda *stream: Exchange(*stream, service), self.clock, Limits(**limits))

    def peer(self, settings: dict[int, int] | None = None) -> Peer:
        return Peer(self.site).greet(settings)
