"""A gRPC call on an HTTP/2 stream: its head, its messages, its deadline, its answer and its status (gRPC, PROTOCOL-HTTP2.md)."""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import aclosing
from typing import Any

from osmia_broker.h2 import Connection, Stream
from osmia_broker.h2.frames import CANCEL
from osmia_broker.h2.hpack import Field, encode
from osmia_broker.h2.request import content_length, head
from osmia_broker.h2.stream import prepared
from osmia_broker.rpc.deadlines import Deadlines
from osmia_broker.rpc.encoding import escaped, metadata, timeout_s, too_large, unpacked, written
from osmia_broker.rpc.face import STATUSES, Call, Metadata, Refusal, Rpc, Shape

PREFIX_BYTES = 5  # of a message: whether it is compressed, and its length
UNCOUNTED_BYTES = 1_024  # of a message that costs less memory than its stream does; counting costs 1 µs
CONTENT_TYPE = b"application/grpc"
NO_GRPC = b"Expected a call of gRPC, but found another request.\n"  # for a person who opens the port in a browser
_BEGINNING = [(b":status", b"200"), (b"content-type", CONTENT_TYPE)]
BEGINNING = prepared(encode(_BEGINNING), is_last=False)
OK = prepared(encode([(b"grpc-status", b"0")]), is_last=True)

# As names of their own, because each call asks for them: Python 3.11 finds a member in an enum slowly.
_UNARY, _DIALOGUE = Shape.UNARY, Shape.DIALOGUE

log = logging.getLogger(__name__)


class Service:
    """The things that all calls of a server share: its methods by path, and the largest message that it takes."""

    def __init__(self, rpcs: Mapping[str, Rpc], message_bytes_max: int) -> None:
        self.rpcs = {path.encode(): rpc for path, rpc in rpcs.items()}
        self.message_bytes_max = message_bytes_max
        self.deadlines = Deadlines()
        # Answers that have not ended yet. The loop alone would forget them.
        self.cancelled: set[asyncio.Task[None]] = set()


class Exchange(Stream):
    """One call. It is the `Call` that its answer sees."""

    __slots__ = (
        "_deadline_s",
        "_encoding",
        "_fields",
        "_has_begun",
        "_inbox",
        "_is_admitted",
        "_kept",
        "_messages",
        "_partial",
        "_refused_by_http",
        "_rpc",
        "_service",
        "_unread",
        "_unwritten",
        "_wake",
        "_write",
        "task",
        "undelivered",
    )

    def __init__(self, connection: Connection, id: int, service: Service) -> None:
        super().__init__(connection, id)
        self._service = service
        self._rpc: Rpc | None = None
        self._fields: list[Field] = []
        self._encoding = b"identity"
        self._partial: bytearray | None = None  # of a message that is incomplete
        self._messages = 0  # that have arrived
        self._inbox: deque[tuple[bytes, int]] | None = None  # messages that the answer has not read, and their octets
        self._wake: asyncio.Event | None = None
        self._kept = 0  # bytes that are counted for the message that is being answered
        self._is_admitted = True
        self._unread = 0  # octets that arrived before the call was admitted
        self.task: asyncio.Task[None] | None = None
        self._deadline_s = 0.0  # by the loop's clock; 0 if the call has none
        self._has_begun = False  # the answer
        self._write = 0  # of the outbox, with the last message of a stream
        self._unwritten = 0  # messages of this stream in it
        self.undelivered = 0
        self._refused_by_http = 0  # the status of a request that is none of gRPC

    def invocation_metadata(self) -> Metadata:
        """Return what the caller sent beside the message."""
        return metadata(self._fields)

    def time_remaining(self) -> float | None:
        """Return the seconds until the deadline of the call; None if it has none."""
        if not self._deadline_s:
            return None
        return max(self._deadline_s - self._connection.loop.time(), 0)

    # --- the request

    def opened(self, fields: list[Field] | None) -> None:
        """Find the method, and start the deadline."""
        if fields is None:
            self._break_off(Refusal("RESOURCE_EXHAUSTED", "Expected less metadata"))
            return
        found = head(fields)
        self.expected = content_length(found)
        if found[b":method"] != b"POST":
            self._refused_by_http = 405
        elif not found.get(b"content-type", b"").startswith(CONTENT_TYPE):
            self._refused_by_http = 415
        if self._refused_by_http:
            if self.is_whole:
                self.received(b"")
            return
        self._fields = fields
        try:
            self._begin(found)
        except Refusal as refusal:
            self._break_off(refusal)

    def _begin(self, found: dict[bytes, bytes]) -> None:
        rpc = self._rpc = self._service.rpcs.get(found[b":path"])
        if rpc is None:
            raise Refusal("UNIMPLEMENTED", "Expected a method that this server has, but found another")
        timeout = found.get(b"grpc-timeout")
        if timeout is not None:
            loop = self._connection.loop
            self._deadline_s = loop.time() + timeout_s(timeout)
            self._service.deadlines.add(self, self._deadline_s, loop)
        encoding = found.get(b"grpc-encoding")
        if encoding is not None:
            self._encoding = encoding
        if rpc.shape is not _DIALOGUE and self.is_whole:
            raise Refusal("INTERNAL", "Expected a message, but found none")
        if rpc.admit is not None:
            self._is_admitted = False
            self._inbox, self._wake = deque(), asyncio.Event()
            self._start(self._admit(rpc, rpc.admit))
        elif rpc.shape is _DIALOGUE:
            self._inbox, self._wake = deque(), asyncio.Event()
            self._start(self._stream(rpc, None, self))

    def received(self, data: bytes) -> None:
        """Put messages together."""
        if self.is_ending():
            return
        if self._rpc is None:
            self._pass_over(data)
            return
        size = len(data)
        if self._partial is None and size >= PREFIX_BYTES and size == PREFIX_BYTES + int.from_bytes(data[1:5], "big"):
            message, data = data, b""  # the usual case: one message in one frame
            try:
                self._complete(message, size)
            except Refusal as refusal:
                self._break_off(refusal)
                return
        try:
            if data:
                self._gather(data)
            if self.is_whole:
                self._finish_request()
        except Refusal as refusal:
            self._break_off(refusal)

    def _pass_over(self, data: bytes) -> None:
        """Read what belongs to no call; answer at its end."""
        if self.is_whole:
            status = [(b":status", b"%d" % self._refused_by_http), (b"content-type", b"text/plain")]
            self.send_head(prepared(encode(status), is_last=False))
            self.send_content(NO_GRPC)
            self.send_last(prepared(b"", is_last=True))
        elif data:
            self.read(len(data))

    def _gather(self, data: bytes) -> None:
        """Add *data* to the message that is incomplete, and take out all that are complete."""
        if not self.hold(len(data)):
            raise _too_many()
        if self._partial is None:
            self._partial = bytearray()
        partial = self._partial
        partial += data
        while len(partial) >= PREFIX_BYTES:
            end = PREFIX_BYTES + int.from_bytes(partial[1:PREFIX_BYTES], "big")
            self._check_size(end - PREFIX_BYTES)
            if len(partial) < end:
                break
            message = bytes(partial[:end])
            del partial[:end]
            self.release(end)
            self._complete(message, 0)
            if self.is_ending():
                return
        if self._inbox:
            self._inbox[-1] = (self._inbox[-1][0], self._inbox[-1][1] + len(data))  # read when that message is
        elif self._is_admitted:
            self.read(len(data))
        else:
            self._unread += len(data)

    def _check_size(self, octets: int) -> None:
        if octets > self._service.message_bytes_max:
            raise too_large(self._service.message_bytes_max, octets)

    def _complete(self, framed: bytes, octets: int) -> None:
        """Take a message with its prefix, whose *octets* are to be read when it is."""
        self._check_size(len(framed) - PREFIX_BYTES)
        if framed[0] > 1:
            raise Refusal("INTERNAL", "Expected a message to be compressed or not, but found another mark")
        rpc = self._rpc
        assert rpc is not None, "its head has been read"
        self._messages += 1
        if self._messages > 1 and rpc.shape is not _DIALOGUE:
            raise Refusal("INTERNAL", "Expected one message, but found more")
        size = len(framed)
        if (size > UNCOUNTED_BYTES or self._inbox is not None) and not self.hold(size):
            raise _too_many()
        if self._inbox is not None:
            assert self._wake is not None, "who reads one waits for the other"
            self._inbox.append((framed, octets))
            self._wake.set()
            return
        if size > UNCOUNTED_BYTES:
            self._kept = size
        if octets and not self.is_whole:
            self.read(octets)
        self._start(self._unary(rpc, framed, self) if rpc.shape is _UNARY else self._stream(rpc, framed, self))

    def _content(self, framed: bytes) -> bytes:
        """Return a message without its prefix and its compression. Unpacked, it counts for the memory of the connection."""
        if not framed[0]:
            return framed[PREFIX_BYTES:]
        message = unpacked(framed[PREFIX_BYTES:], self._encoding, self._service.message_bytes_max)
        if not self.hold(len(message)):
            raise _too_many()
        self._kept += len(message)
        return message

    def _drop(self) -> None:
        """Count the message that was answered no longer. At the end of a stream all that it holds is released anyway."""
        if self._kept and not self.is_over:
            self.release(self._kept)
            self._kept = 0

    def _finish_request(self) -> None:
        if self._partial:
            raise Refusal("INTERNAL", "Expected a whole message, but found a part of one")
        assert self._rpc is not None, "its head has been read"
        if not self._messages and self._rpc.shape is not _DIALOGUE:
            raise Refusal("INTERNAL", "Expected a message, but found none")
        if self._wake is not None:
            self._wake.set()

    async def _next(self) -> bytes | None:
        """Return the next message with its prefix; None if there is no other. The caller may send more then."""
        assert self._inbox is not None, "the answer reads one"
        assert self._wake is not None, "the answer waits for it"
        while not self._inbox:
            if self.is_whole:
                return None
            self._wake.clear()
            await self._wake.wait()
        framed, octets = self._inbox.popleft()
        self._kept = len(framed)
        if octets and not self.is_over:
            self.read(octets)
        return framed

    async def _dialogue(self) -> AsyncIterator[bytes]:
        """Yield the messages of a dialogue."""
        while (framed := await self._next()) is not None:
            yield self._content(framed)
            self._drop()

    # --- the answer

    def _start(self, answering: Coroutine[Any, Any, None]) -> None:
        assert self._rpc is not None, "its head has been read"
        loop, name = self._connection.loop, self._rpc.path  # without a name one is made up, which costs more
        self.task = asyncio.Task(answering, loop=loop, name=name)

    async def _admit(self, rpc: Rpc, admit: Callable[[Call], Awaitable[Call]]) -> None:
        """Answer a call that *admit* may refuse, while its message arrives."""
        try:
            call = await admit(self)
            self._is_admitted = True
            self.read(self._unread)
            framed = None if rpc.shape is _DIALOGUE else await self._next()
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - nothing unexpected leaves the server
            self._refuse(_refusal_of(error))
            return
        if rpc.shape is _UNARY:
            assert framed is not None, "a request without a message is refused when it ends"
            await self._unary(rpc, framed, call)
        else:
            await self._stream(rpc, framed, call)

    async def _unary(self, rpc: Rpc, framed: bytes, call: Call) -> None:
        try:
            message = await rpc.answer(self._content(framed), call)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - nothing unexpected leaves the server
            self._refuse(_refusal_of(error))
        else:
            if self.is_ending():
                return
            self._drop()
            if not self.send_whole(BEGINNING, _framed(message), OK):
                self._has_begun = True
                self._refuse(_not_read())

    async def _stream(self, rpc: Rpc, framed: bytes | None, call: Call) -> None:
        """Answer the message *framed*, or all messages of a dialogue."""
        try:
            given = self._dialogue() if framed is None else self._content(framed)
            async with aclosing(rpc.answer(given, call)) as answers:
                async for message in answers:
                    await self._send(message)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - nothing unexpected leaves the server
            self._refuse(_refusal_of(error))
        else:
            if self.is_ending():
                return
            if not self._has_begun:
                self.send_head(BEGINNING)
            self.send_last(OK)

    async def _send(self, message: bytes) -> None:
        """Send one message of many. Return when the next may be made: the peer's window has let this one through."""
        if self.is_ending():
            raise asyncio.CancelledError
        if not self._has_begun:
            self._has_begun = True
            self.send_head(BEGINNING)
        if not self.send_content(_framed(message)):
            raise _not_read()
        if self._write == self._outbox.gathering:
            self._unwritten += 1
        else:
            self._write, self._unwritten = self._outbox.gathering, 1
        if not self.is_drained():
            await self.drained()

    def _refuse(self, refusal: Refusal) -> None:
        """Answer with a status other than OK; the call is over."""
        if self.is_ending():
            return
        status = [(b"grpc-status", b"%d" % STATUSES[refusal.status]), (b"grpc-message", escaped(refusal.details))]
        block = encode([*([] if self._has_begun else _BEGINNING), *status, *written(refusal.trailers)])
        self.send_last(prepared(block, is_last=True))

    # --- the end

    def end(self) -> None:
        """Note that the answer is complete."""
        if self._deadline_s:
            self._service.deadlines.remove(self, self._deadline_s)
        super().end()

    def give_up(self) -> None:
        """Forget the stream. What the outbox has not written yet comes too late for a peer that has gone."""
        if self._write == self._outbox.gathering:
            self.undelivered = self._unwritten
        super().give_up()

    def lost(self) -> None:
        """Cancel the answer: nobody waits for it."""
        if self._deadline_s:
            self._service.deadlines.remove(self, self._deadline_s)
        task = self.task
        if task is not None and not task.done():
            task.cancel()
            cancelled = self._service.cancelled
            cancelled.add(task)
            task.add_done_callback(cancelled.discard)

    def miss_deadline(self) -> None:
        """Answer that time is over, and cancel what has been begun."""
        if self.is_stuck:
            self.reset(CANCEL)
        self._break_off(
            Refusal("DEADLINE_EXCEEDED", "Expected to answer within the deadline of the call, but it has passed")
        )

    def _break_off(self, refusal: Refusal) -> None:
        """Answer with *refusal*, and cancel what has been begun."""
        self._refuse(refusal)
        self.lost()


def _framed(message: bytes) -> bytes:
    return b"\0" + len(message).to_bytes(4, "big") + message


def _refusal_of(error: BaseException) -> Refusal:
    """Return the status of a call whose answer has failed or was cancelled."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, asyncio.CancelledError):
        return Refusal("CANCELLED", "Expected to answer the call, but it was cancelled")
    log.error("call failed", exc_info=error)
    return Refusal("UNKNOWN", f"Expected the call to succeed, but found a defect: {type(error).__name__}")


def _too_many() -> Refusal:
    return Refusal("RESOURCE_EXHAUSTED", "Expected fewer messages at a time that are large, but found too many")


def _not_read() -> Refusal:
    return Refusal(
        "RESOURCE_EXHAUSTED", "Expected the client to read its answers, but found too many that it has not read"
    )
