"""Two sides of a link without a network: a wire that a test holds up, cuts in pieces, or breaks."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from osmia_broker.links.greeting import Handshake, PeerIdentity
from osmia_broker.links.limits import Limits
from osmia_broker.links.link import Link
from osmia_broker.rpc import Call, Refusal, Rpc, Shape
from tests.clock import Clock
from tests.patience import ANSWER_S

TURNS = 40  # of the loop, after which everything has happened that can
CLUSTER = "8d7f1c0a-4f0e-4e0b-9d5e-2f6f6a1b0c3d"
SECRET = b"sixteen bytes or more of secret"


def identity(process: int = 1, **changed) -> PeerIdentity:
    return PeerIdentity(**({"cluster": CLUSTER, "process": process, "incarnation": 1, "partitions": 4} | changed))


async def turns(count: int = TURNS) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


class Transport:
    """One end of a wire. What is written arrives at the other end a turn later, unless the wire is stuck."""

    def __init__(self, link) -> None:
        self.link = link
        self.other: Transport | None = None
        self.is_stuck = self.is_closed = self.is_paused = False
        self.buffer = bytearray()
        self.written = bytearray()
        self.writes = 0
        self.high = 64 * 1024

    def set_write_buffer_limits(self, high: int) -> None:
        self.high = high

    def get_write_buffer_size(self) -> int:
        return len(self.buffer)

    def write(self, data: bytes) -> None:
        if self.is_closed:
            return
        self.writes += 1
        self.written += data
        self.buffer += data
        if len(self.buffer) > self.high and not self.is_paused:
            self.is_paused = True
            self.link.pause_writing()
        asyncio.get_running_loop().call_soon(self.deliver)

    def deliver(self) -> None:
        if self.is_stuck or not self.buffer:
            return
        data = bytes(self.buffer)
        self.buffer.clear()
        if self.is_paused:
            self.is_paused = False
            self.link.resume_writing()
        if self.other is not None and not self.other.is_closed:
            self.other.link.data_received(data)

    def go_on(self) -> None:
        self.is_stuck = False
        self.deliver()

    def close(self) -> None:
        if not self.is_closed:
            asyncio.get_running_loop().call_soon(self._close)

    def _close(self) -> None:
        if self.is_stuck:
            return
        self.deliver()
        self.abort()

    def abort(self) -> None:
        if not self.is_closed:
            self.is_closed = True
            loop = asyncio.get_running_loop()
            loop.call_soon(self.link.connection_lost, None)
            if self.other is not None:
                loop.call_soon(self.other.abort)


@dataclass
class Owner:
    """Hears what becomes of a link."""

    has_opened: list[Link] = field(default_factory=list)
    has_closed: list[Link] = field(default_factory=list)

    def opened(self, link: Link) -> None:
        self.has_opened.append(link)

    def closed(self, link: Link) -> None:
        self.has_closed.append(link)


class Service:
    """The calls of one side. A test holds some of them open by `may_go_on`."""

    def __init__(self) -> None:
        self.may_go_on = asyncio.Event()
        self.asked: list[bytes] = []
        self.running = self.cancelled = self.sent = 0
        self.calls: list[Call] = []

    def rpcs(self) -> list[Rpc]:
        once = ("echo", "hold", "refuse", "fail", "about", "large")
        return [
            *(Rpc(f"/t.T/{name.title()}", Shape.UNARY, getattr(self, name)) for name in once),
            *(Rpc(f"/t.T/{name.title()}", Shape.STREAM, getattr(self, name)) for name in ("many", "some", "wait")),
        ]

    async def echo(self, message: bytes, call: Call) -> bytes:
        self.asked.append(message)
        return message

    async def about(self, message: bytes, call: Call) -> bytes:
        self.calls.append(call)
        return repr((call.invocation_metadata(), call.time_remaining())).encode()

    async def large(self, message: bytes, call: Call) -> bytes:
        return bytes(int(message))

    async def hold(self, message: bytes, call: Call) -> bytes:
        self.asked.append(message)
        self.running += 1
        try:
            await self.may_go_on.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.running -= 1
        return message

    async def refuse(self, message: bytes, call: Call) -> bytes:
        raise Refusal("FAILED_PRECONDITION", message.decode(), (("reason", "held"), ("detail-bin", b"\0\xff")))

    async def fail(self, message: bytes, call: Call) -> bytes:
        raise ZeroDivisionError

    async def many(self, message: bytes, call: Call) -> AsyncIterator[bytes]:
        """As many messages as are wanted, each of the size that is wanted."""
        count, octets = map(int, message.split())
        self.running += 1
        try:
            for number in range(count):
                self.sent += 1
                yield b"%d:" % number + bytes(octets)
        finally:
            self.running -= 1

    async def some(self, message: bytes, call: Call) -> AsyncIterator[bytes]:
        yield message
        raise Refusal("ABORTED", "enough")

    async def wait(self, message: bytes, call: Call) -> AsyncIterator[bytes]:
        self.running += 1
        try:
            yield message
            await self.may_go_on.wait()
            yield message
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.running -= 1


class Side:
    """A link with its service, its wire and its owner."""

    def __init__(
        self, me: PeerIdentity, secret: bytes | None, *, is_dialler: bool, limits: Limits, clock: Clock
    ) -> None:
        self.service, self.owner = Service(), Owner()
        rpcs = {rpc.path: rpc for rpc in self.service.rpcs()}
        handshake = Handshake(me, secret, is_dialler=is_dialler)
        self.link = Link(handshake, rpcs, self.owner, limits=limits, now_s=clock)
        self.wire = Transport(self.link)

    @property
    def has_ended(self) -> bool:
        """Whether the end of the link was reported to its owner."""
        return self.link in self.owner.has_closed


class Pair:
    """The dialler `a`, process 1, and the listener `b`, process 2."""

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        a: PeerIdentity | None = None,
        b: PeerIdentity | None = None,
        secrets: tuple[bytes | None, bytes | None] = (SECRET, SECRET),
    ) -> None:
        self.clock = Clock()
        limits = limits or Limits()
        self.a = Side(a or identity(1), secrets[0], is_dialler=True, limits=limits, clock=self.clock)
        self.b = Side(b or identity(2), secrets[1], is_dialler=False, limits=limits, clock=self.clock)
        self.a.wire.other, self.b.wire.other = self.b.wire, self.a.wire

    async def meet(self) -> "Pair":
        for side in (self.b, self.a):
            side.link.connection_made(side.wire)  # type: ignore[arg-type]
        await turns()
        return self


async def refused(awaited) -> tuple[str, str]:
    """The status and the details of a call that is refused."""
    try:
        async with asyncio.timeout(ANSWER_S):
            answer = await awaited
    except Refusal as refusal:
        return refusal.status, str(refusal)
    raise AssertionError(f"Expected a refusal, but found {answer!r}")


async def read_all(parts: AsyncIterator[bytes]) -> list[bytes]:
    async with asyncio.timeout(ANSWER_S):
        return [one async for one in parts]
