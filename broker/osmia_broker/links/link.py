"""A link: the one connection between two broker processes, on which both ask and answer many calls at a time.

A call is sent at most once. When the link breaks, what was asked is UNAVAILABLE: it may have taken effect or not, as after any lost answer. What was
being answered is cancelled.

Reading never waits for writing, so two sides that are both behind cannot wait for each other. What would grow is refused instead, see `Limits`.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Protocol, cast

from osmia_broker.links.asked import AskedOnce, AskedStream
from osmia_broker.links.greeting import (
    GREETING_BYTES_MAX,
    PEER_REFUSES,
    REASON_CHARACTERS_MAX,
    Handshake,
    LinkRefused,
    PeerIdentity,
    refusal,
)
from osmia_broker.links.limits import Limits
from osmia_broker.links.messages import (
    Answer,
    Bye,
    Cancel,
    Credit,
    End,
    Failure,
    LinkFault,
    Message,
    Piece,
    Ping,
    Pong,
    Refused,
    Request,
    Splitter,
    frame,
    parted,
    read,
)
from osmia_broker.links.served import Served, is_of_shape
from osmia_broker.rpc import Refusal, Rpc

WRITE_BUFFER_BYTES = 256 * 1024  # in the transport, beyond which streams wait

log = logging.getLogger(__name__)


class Owner(Protocol):
    """Notified of the life of a link."""

    def opened(self, link: "Link") -> None:
        """The greeting is over, and the other side is known."""

    def closed(self, link: "Link") -> None:
        """The link has ended, or has never opened; `reason` says why."""


class Link(asyncio.Protocol):
    """One side of a link. It answers calls of *rpcs*, by path."""

    def __init__(
        self,
        handshake: Handshake,
        rpcs: Mapping[str, Rpc],
        owner: Owner,
        *,
        limits: Limits,
        now_s: Callable[[], float],
    ) -> None:
        self.limits = limits
        self.reason = ""  # why it has ended
        self.is_open = False  # calls may be asked
        self._handshake: Handshake | None = handshake
        self._rpcs, self._owner, self._now_s = rpcs, owner, now_s
        self.peer = PeerIdentity("", -1, 0, 0)  # known when the link opens
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._splitter = Splitter(GREETING_BYTES_MAX)
        self._is_ended = False
        self._has_said_bye = self._has_heard_bye = False
        self._asked: dict[int, AskedOnce | AskedStream] = {}
        self._last_asked = self._last_served = 0
        self._served: dict[int, Served] = {}
        self._ending: set[asyncio.Task[None]] = set()  # cancelled answers; the loop alone would forget them
        self._frames: list[bytes] = []
        self._unsent = 0  # bytes among them
        self._held = self._request_octets = 0
        self._is_full = False
        self._writable: asyncio.Future[None] | None = None
        self._since_s = self._heard_s = now_s()
        self.was_silent = True  #: the other side has never said anything: perhaps it only looks whether anybody listens
        self._pinged_s: float | None = None
        self._closed = asyncio.Event()
        self._take: dict[type, Callable[..., None]] = {
            Request: self._serve,
            Answer: self._replied,
            Piece: self._replied,
            End: self._replied,
            Failure: self._replied,
            Cancel: self._cancel,
            Credit: self._grant,
            Ping: lambda _: self.put(Pong()),
            Pong: lambda _: None,
            Bye: self._hear_bye,
            Refused: self._be_refused,
        }

    # --- asking

    async def call(
        self,
        path: str,
        message: bytes,
        metadata: Sequence[tuple[str, str | bytes]] | None = None,
        timeout_s: float | None = None,
    ) -> bytes:
        """Ask a call that has one answer, and return it. A caller that is cancelled cancels the call on the other side.

        Raises:
            Refusal: the other side refuses; UNAVAILABLE: the link is closed, or breaks; RESOURCE_EXHAUSTED: too much is under way.
        """
        self._admit()
        id = self._last_asked = self._last_asked + 1
        answer: asyncio.Future[bytes] = self._loop.create_future()
        self._asked[id] = AskedOnce(answer)
        self._ask(id, path, message, metadata, timeout_s, window=0)
        try:
            return await answer
        finally:
            self._abandon(id)

    async def stream(
        self,
        path: str,
        message: bytes,
        metadata: Sequence[tuple[str, str | bytes]] | None = None,
        timeout_s: float | None = None,
    ) -> AsyncIterator[bytes]:
        """Ask a call that has many answers, and iterate over them. Closing the iterator cancels the call on the other side.

        Raises:
            Refusal: as of `call`.
        """
        self._admit()
        id = self._last_asked = self._last_asked + 1
        asked = self._asked[id] = AskedStream(self, id)
        self._ask(id, path, message, metadata, timeout_s, window=self.limits.window)
        try:
            while True:
                try:
                    part = await asked.next()
                except StopAsyncIteration:
                    return
                yield part
        finally:
            asked.leave()
            self._abandon(id)

    def _admit(self) -> None:
        if not self.is_open:
            raise Refusal("UNAVAILABLE", f"Expected an open link to process {self.peer.process}, but it is ending")
        if len(self._asked) >= self.limits.calls:
            raise Refusal(
                "RESOURCE_EXHAUSTED",
                f"Expected fewer than {self.limits.calls} calls under way to process {self.peer.process}, but found more",
            )
        unsent = self.unsent
        if unsent >= self.limits.unsent_bytes:
            raise Refusal(
                "RESOURCE_EXHAUSTED",
                f"Expected process {self.peer.process} to read its calls, but found {unsent} bytes that it has not read",
            )

    def _ask(
        self,
        id: int,
        path: str,
        message: bytes,
        metadata: Sequence[tuple[str, str | bytes]] | None,
        timeout_s: float | None,
        *,
        window: int,
    ) -> None:
        texts, octets = parted(metadata)
        timeout_ms = None if timeout_s is None else max(round(timeout_s * 1000), 0)
        framed = frame(Request(id, path, message, timeout_ms, window, texts, octets))
        if len(framed) > self.limits.message_bytes:
            del self._asked[id]
            raise Refusal(
                "RESOURCE_EXHAUSTED", f"Expected a request of at most {self.limits.message_bytes} bytes, but found more"
            )
        self.put_frame(framed)

    def _abandon(self, id: int) -> None:
        """Notify the other side that nobody waits any more, unless the call is over."""
        if self._asked.pop(id, None) is not None:
            self.put(Cancel(id))
            self._end_if_done()

    def _replied(self, reply: Answer | Piece | End | Failure) -> None:
        asked = self._asked.get(reply.id)
        if asked is None:
            if not 0 < reply.id <= self._last_asked:
                raise LinkFault(f"Expected an answer of a call that was asked, but found one of call {reply.id}")
            return  # it was cancelled here meanwhile
        if asked.take(reply):
            del self._asked[reply.id]
            self._end_if_done()

    # --- answering

    def _serve(self, request: Request) -> None:
        if request.id <= self._last_served:
            raise LinkFault(f"Expected a call after {self._last_served}, but found call {request.id}")
        self._last_served = request.id
        rpc = self._rpcs.get(request.path)
        if rpc is None or not is_of_shape(rpc, request):
            self.put(Failure(request.id, "UNIMPLEMENTED", "Expected a call that this process has, but found another"))
        elif len(self._served) >= self.limits.calls or (
            self._request_octets + len(request.message) > self.limits.held_bytes and self._served
        ):
            self.put(Failure(request.id, "RESOURCE_EXHAUSTED", "Expected fewer calls at a time, but found too many"))
        else:
            self._request_octets += len(request.message)
            self._served[request.id] = Served(self, request, rpc)

    def forget(self, served: Served) -> bool:
        """Note that a call is being answered no longer; return whether its asker still waits."""
        if self._served.pop(served.id, None) is None:
            return False
        self._request_octets -= served.octets
        if not self._served and self._has_heard_bye:
            self._loop.call_soon(self._end_if_done)  # behind the last answer
        return True

    def _cancel(self, cancel: Cancel) -> None:
        served = self._served.get(cancel.id)
        if served is not None:
            self.forget(served)
            self._stop(served)

    def _stop(self, served: Served) -> None:
        served.cancel()
        if not served.task.done():
            self._ending.add(served.task)
            served.task.add_done_callback(self._ending.discard)

    def _grant(self, credit: Credit) -> None:
        served = self._served.get(credit.id)
        if served is not None:
            served.grant(credit.octets)

    def judge(self, octets: int) -> Refusal | None:
        """Return why an answer of *octets* cannot be sent; None if it can."""
        if octets > self.limits.message_bytes >> 1:
            return Refusal("RESOURCE_EXHAUSTED", f"Expected an answer that fits a link, but found {octets} bytes")
        if self.unsent > self.limits.held_bytes:
            return Refusal("RESOURCE_EXHAUSTED", "Expected the other process to read its answers, but it does not")
        return None

    # --- memory

    def hold(self, octets: int) -> bool:
        """Count *octets* of answers that nobody has read; return False, and count nothing, if that would be too many."""
        if self._held + octets > self.limits.held_bytes:
            return False
        self._held += octets
        return True

    def release(self, octets: int) -> None:
        """Count *octets* less."""
        self._held -= octets

    # --- the wire

    @property
    def unsent(self) -> int:
        """The bytes that wait to be sent."""
        return self._unsent + (self._transport.get_write_buffer_size() if self._transport is not None else 0)

    def put(self, message: Message) -> None:
        """Send *message* in this turn of the loop."""
        self.put_frame(frame(message))

    def put_frame(self, framed: bytes) -> None:
        """Send a frame in this turn of the loop. What a turn sends leaves in one write."""
        if self._is_ended:
            return
        if not self._frames:
            self._loop.call_soon(self._flush)
        self._frames.append(framed)
        self._unsent += len(framed)
        if self._unsent >= WRITE_BUFFER_BYTES:
            self._flush()  # now, so that the transport can say that it is full

    def _flush(self) -> None:
        frames, self._frames, self._unsent = self._frames, [], 0
        if self._is_ended or self._transport is None or not frames:
            return
        self._transport.write(frames[0] if len(frames) == 1 else b"".join(frames))
        if self._is_full and self.unsent > 2 * self.limits.held_bytes:
            self.cut("Expected the other side to read what it has asked for, but it does not")

    async def writable(self) -> None:
        """Wait until the wire takes more. It is at an end when the link is."""
        while self._is_full:
            if self._writable is None:
                self._writable = self._loop.create_future()
            await asyncio.shield(self._writable)

    def pause_writing(self) -> None:
        """See `asyncio.Protocol`."""
        self._is_full = True

    def resume_writing(self) -> None:
        """See `asyncio.Protocol`."""
        self._is_full = False
        waiting, self._writable = self._writable, None
        if waiting is not None and not waiting.done():
            waiting.set_result(None)

    # --- what arrives

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are no subclass
        if self._is_ended:  # while TLS was agreed on
            self._transport.abort()
            return
        self._transport.set_write_buffer_limits(high=WRITE_BUFFER_BYTES)
        assert self._handshake is not None, "the greeting is ahead"
        hello = self._handshake.begin()
        if hello:
            self._transport.write(hello)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        self._heard_s, self._pinged_s, self.was_silent = self._now_s(), None, False
        take = self._take
        try:
            for body in self._splitter.feed(data):
                if self._is_ended:
                    return
                if self._handshake is not None:
                    self._greet(self._handshake, bytes(body))
                else:
                    message = read(body)
                    take[type(message)](message)
        except LinkFault as fault:
            self.cut(str(fault), is_told=not isinstance(fault, LinkRefused) or fault.is_told)

    def _greet(self, handshake: Handshake, body: bytes) -> None:
        assert self._transport is not None, "something has arrived"
        answer = handshake.take(body)
        if answer:
            self._transport.write(answer)
        if handshake.is_over:
            assert handshake.peer is not None, "it has said hello"
            self.peer = handshake.peer
            self._handshake = None
            self._splitter.bytes_max = self.limits.message_bytes
            self.is_open = True
            self._owner.opened(self)

    # --- is anybody there?

    def look(self) -> None:
        """Ping a side that is silent, and end the link if it stays so. To be called once a second or so."""
        if self._is_ended:
            return
        now_s = self._now_s()
        if self._handshake is not None:  # and perhaps no connection yet: TLS comes first
            if now_s - self._since_s >= self.limits.hello_s:
                self.cut(f"Expected a greeting within {self.limits.hello_s:g} s, but found none")
        elif self._pinged_s is not None:
            if now_s - self._pinged_s >= self.limits.pong_within_s:
                self.cut(f"Expected a sign of life within {self.limits.pong_within_s:g} s, but found none")
        elif now_s - self._heard_s >= self.limits.ping_after_s:
            self._pinged_s = now_s
            self.put(Ping())

    # --- the end

    def leave(self) -> None:
        """Ask no more calls. The other side answers by the same, so nothing is under way when the last call has ended, and the link ends then."""
        if self._has_said_bye:
            return
        if self._handshake is not None:
            self.cut("the link was left before it was open")
            return
        self.is_open, self._has_said_bye = False, True
        self.put(Bye())
        self._end_if_done()

    def _hear_bye(self, _bye: Bye) -> None:
        self._has_heard_bye = True
        self.leave()
        self._end_if_done()

    def _end_if_done(self) -> None:
        if self._has_heard_bye and not self._asked and not self._served and not self._is_ended:
            self._flush()
            self._finish("it was left in good order")
            self._close()

    def _close(self) -> None:
        """Close the connection when everything was sent, or soon."""
        assert self._transport is not None, "the link was connected"
        self._transport.close()
        self._loop.call_later(self.limits.last_words_s, self._transport.abort)

    def _be_refused(self, refused: Refused) -> None:
        raise LinkRefused(f"{PEER_REFUSES}: {refused.reason[:REASON_CHARACTERS_MAX]}", is_told=False)

    def cut(self, reason: str, *, is_told: bool = True) -> None:
        """End the link now. The other side gets the reason if it still reads."""
        if self._is_ended:
            return
        self._finish(reason)
        if self._transport is not None:
            if is_told:
                self._transport.write(refusal(reason))
            self._close()

    def eof_received(self) -> bool:
        """See `asyncio.Protocol`. A side that sends nothing more has gone."""
        return False

    def connection_lost(self, error: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._finish(f"the connection was lost: {error}" if error else "the connection was closed")

    def _finish(self, reason: str) -> None:
        """End all calls; nothing is sent or taken any more."""
        if self._is_ended:
            return
        self.reason = reason
        self.is_open, self._is_ended = False, True
        lost = f"Expected an answer of process {self.peer.process}, but its link has ended ({reason}); whether the call took effect is unknown"
        asked, self._asked = self._asked, {}
        for one in asked.values():
            one.fail(Refusal("UNAVAILABLE", lost))
        served, self._served, self._request_octets = self._served, {}, 0
        for call in served.values():
            self._stop(call)
        self.resume_writing()
        self._closed.set()
        self._owner.closed(self)

    async def closed(self) -> None:
        """Wait until the link has ended."""
        await self._closed.wait()

    @property
    def is_greeting(self) -> bool:
        """Whether the other side is still a stranger."""
        return self._handshake is not None

    @property
    def was_connected(self) -> bool:
        """Whether there was a connection, with TLS if it is asked for."""
        return self._transport is not None
