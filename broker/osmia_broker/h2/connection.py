"""One connection: takes frames apart, and hands what they bring to streams (RFC 9113, sections 3 to 6). `checks` knows their form.

A peer that breaks a rule of one stream loses the stream; other faults end the connection with GOAWAY. Control frames
spend a budget, which refills with time and with answers. When it is empty, the connection ends with ENHANCE_YOUR_CALM.
"""

import asyncio
import logging
from typing import Any, cast

from osmia_broker.h2 import checks, frames
from osmia_broker.h2.early_answers import STOP_S, EarlyAnswers
from osmia_broker.h2.frame_budget import FrameBudget
from osmia_broker.h2.frames import (
    ACK,
    END_HEADERS,
    END_STREAM,
    ENHANCE_YOUR_CALM,
    FLOW_CONTROL_ERROR,
    FRAME_SIZE_ERROR,
    HEADER,
    HEADER_BYTES,
    NO_ERROR,
    PREFACE,
    PROTOCOL_ERROR,
    REFUSED_STREAM,
    STREAM_CLOSED,
    WINDOW_MAX,
    ConnectionFault,
    StreamFault,
    frame,
    rst_stream,
    unpadded,
    window_update,
)
from osmia_broker.h2.hpack import Decoder, Field
from osmia_broker.h2.outbox import Outbox
from osmia_broker.h2.request import check_trailers
from osmia_broker.h2.site import Site
from osmia_broker.h2.stream import Stream

SETTINGS_COST = 10  # a new window size touches every open stream
UPDATES_PER_STREAM = 2  # clients of grpcio widen the window of a stream when they open it
UPDATES_DUE_MAX = 4_000
TOO_LARGE_COST = 50  # headers that unpack to more than is taken: each costs a millisecond or two
LARGE_BYTES = 1_024  # of content in a frame that costs no more than its bytes do
LEFT_MAX = 1_000  # streams that we ended before their peer did: what still arrives for them is no fault
LINGER_S = 0.5  # for a peer to read the last frames and to close; closing with unread data would destroy them
LASTING_S = 1.0  # a call that was open so long held one of the places for calls, which bounds how many are cancelled
WRITE_BUFFER_BYTES = 256 * 1024

log = logging.getLogger(__name__)


class Connection(asyncio.Protocol):
    """The server's side of a connection."""

    def __init__(self, site: Site) -> None:
        self.limits = site.limits
        self.streams: dict[int, Stream] = {}
        self._site = site
        self._decoder = Decoder()
        self._rest = b""  # of a frame that is incomplete
        self._is_greeted = False
        self._last_id = 0  # the highest stream that the peer has opened
        self._left: dict[int, int] = {}  # and what their peer may still send; oldest first
        self._block = b""  # of headers that are incomplete
        self._block_id = 0  # their stream; 0 if there are none
        self._block_flags = 0
        self._window = site.limits.connection_window  # what the peer may send
        self._updates_due = 0  # WINDOW_UPDATE frames that open streams explain
        self._held = 0
        self._budget = FrameBudget(site.limits.odd_frames, site.limits.odd_frames_per_s, site.now_s)
        self._is_heard = True  # since the last look
        self._heard_s = self._begun_s = self._block_s = site.now_s()
        self._pinged_s = 0.0  # when a ping was sent that has no answer; 0 if none was
        self._is_draining = self._is_closing = False
        self._writers: list[asyncio.Future[None]] = []  # wait until the transport takes more

    # --- the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet the peer."""
        self._transport = transport = cast("asyncio.Transport", transport)  # uvloop's are none by their class
        self.loop = asyncio.get_running_loop()
        self.outbox = Outbox(transport, self.loop, self._budget)
        self.early = EarlyAnswers(self.loop, self.outbox)
        site = self._site
        if not site.admit(self):
            self.cut()
            return
        transport.set_write_buffer_limits(WRITE_BUFFER_BYTES)
        greeting = {
            frames.MAX_CONCURRENT_STREAMS: self.limits.streams,
            frames.INITIAL_WINDOW_SIZE: self.limits.stream_window,
            frames.MAX_HEADER_LIST_SIZE: self.limits.header_list_bytes,
        }
        more = self.limits.connection_window - frames.WINDOW
        self.outbox.put(frames.settings(greeting) + (window_update(0, more) if more > 0 else b""))

    def connection_lost(self, exc: Exception | None) -> None:
        """End all streams: nobody waits for them any more."""
        self._is_closing = self.outbox.is_closed = True
        for stream in list(self.streams.values()):
            self._lose(stream)
        self.early.forget()
        self._wake_writers()
        self._site.remove(self)

    def pause_writing(self) -> None:
        """Read nothing either while the peer does not read: what it sends would only make more answers."""
        self.outbox.is_full = True
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Go on."""
        self.outbox.is_full = False
        if not self._is_closing:
            self._transport.resume_reading()
            self.outbox.go_on()
        self._wake_writers()

    def wake_when_writable(self, writer: "asyncio.Future[None]") -> None:
        """Complete *writer* when the transport takes more."""
        self._writers.append(writer)

    def _wake_writers(self) -> None:
        writers, self._writers = self._writers, []
        for writer in writers:
            if not writer.done():
                writer.set_result(None)

    def data_received(self, data: bytes) -> None:
        """Take frames apart, and keep what is left of the last."""
        self._is_heard = True
        if self._is_closing:
            return
        data, self._rest = self._rest + data, b""
        try:
            begin = 0 if self._is_greeted else self._greeted(data)
            if self._is_greeted:
                self._take(data, begin)
            else:
                self._rest = data
        except ConnectionFault as fault:
            self._fail(fault.code, str(fault))
        except Exception:  # a defect must not take the other connections with it
            log.exception("connection failed")
            self._fail(frames.INTERNAL_ERROR, "Expected to serve this connection, but found a defect")

    def _greeted(self, data: bytes) -> int:
        """Check the preface; return where the frames begin."""
        if not data.startswith(PREFACE):
            if PREFACE.startswith(data):
                return 0
            raise ConnectionFault(PROTOCOL_ERROR, "Expected HTTP/2, but found another protocol")
        first = len(PREFACE) + 3
        if len(data) > first and data[first] != frames.SETTINGS:
            raise ConnectionFault(PROTOCOL_ERROR, "Expected SETTINGS first, but found another frame")
        if len(data) > first:
            self._is_greeted = True
            self._site.greeted(self)
        return len(PREFACE)

    def _take(self, data: bytes, at: int) -> None:
        size = len(data)
        unpack, taking = HEADER.unpack_from, self._TAKING
        while size - at >= HEADER_BYTES:
            high, low, kind, flags, stream_id = unpack(data, at)
            begin = at + HEADER_BYTES
            end = begin + (high << 8 | low)
            if end - begin > frames.FRAME_BYTES_MAX:
                raise ConnectionFault(
                    FRAME_SIZE_ERROR, "Expected frames of at most 16384 octets, but found a larger one"
                )
            if end > size:
                break
            if self._block_id and (kind != frames.CONTINUATION or stream_id & WINDOW_MAX != self._block_id):
                raise ConnectionFault(PROTOCOL_ERROR, "Expected the rest of a header block, but found another frame")
            taking[kind if kind < len(taking) else -1](self, data, begin, end, flags, stream_id & WINDOW_MAX)
            if self._is_closing:
                return
            at = end
        self._rest = data[at:] if at else data

    # --- frames with work

    def _take_data(self, data: bytes, begin: int, end: int, flags: int, stream_id: int) -> None:
        octets = end - begin  # padding counts for the windows
        self._window -= octets
        if self._window < 0:
            raise ConnectionFault(
                FLOW_CONTROL_ERROR, "Expected DATA within the window of the connection, but found more"
            )
        if self._window < self.limits.connection_window >> 1:
            self.outbox.put(window_update(0, self.limits.connection_window - self._window))
            self._window = self.limits.connection_window
        begin, end = unpadded(data, begin, end, flags)
        stream = self.streams.get(stream_id)
        if stream is None or stream.is_whole:
            self._take_stray(stream_id, stream, flags, octets)
            return
        if begin == end and not flags & END_STREAM:
            self._budget.spend()
        stream.receive_window -= octets
        if stream.receive_window < 0:
            self._lose(stream, FLOW_CONTROL_ERROR)
            return
        if stream.expected is not None:
            stream.expected -= end - begin
            if stream.expected < 0 or (flags & END_STREAM and stream.expected):
                self._lose(stream, PROTOCOL_ERROR)
                return
        stream.is_whole = bool(flags & END_STREAM)
        try:
            stream.received(data[begin:end])
        except StreamFault as fault:
            self._lose(stream, fault.code)
            return
        padding = octets - (end - begin)
        if padding and not stream.is_over:
            stream.read(padding)

    def _take_headers(self, data: bytes, begin: int, end: int, flags: int, stream_id: int) -> None:
        if not stream_id & 1:
            raise ConnectionFault(PROTOCOL_ERROR, "Expected a stream of a client, but found an even number or 0")
        begin, end = unpadded(data, begin, end, flags)
        if flags & frames.WITH_PRIORITY:
            begin = checks.after_priority(data, begin, end, stream_id)
        if flags & END_HEADERS:
            self._take_block(data[begin:end], stream_id, flags)
        else:
            self._block, self._block_id, self._block_flags = data[begin:end], stream_id, flags
            self._block_s = self._site.now_s()
            self._budget.spend()

    def _take_continuation(self, data: bytes, begin: int, end: int, flags: int, stream_id: int) -> None:
        if not self._block_id:
            raise ConnectionFault(PROTOCOL_ERROR, "Expected HEADERS before CONTINUATION, but found none")
        self._budget.spend()
        self._block += data[begin:end]
        if len(self._block) > self.limits.header_block_bytes:
            raise ConnectionFault(ENHANCE_YOUR_CALM, "Expected a smaller header block")
        if flags & END_HEADERS:
            block, self._block, self._block_id = self._block, b"", 0
            self._take_block(block, stream_id, self._block_flags)

    def _take_block(self, block: bytes, stream_id: int, flags: int) -> None:
        """Take a header block: the head of a new request, or the trailers of one that is open."""
        fields = self._decoder.decode(block, self.limits.header_list_bytes)
        if fields is None:
            self._budget.spend(TOO_LARGE_COST)
        stream = self.streams.get(stream_id)
        is_whole = bool(flags & END_STREAM)
        try:
            if stream_id > self._last_id:
                stream = self._admit(stream_id)
                if stream is not None:
                    stream.is_whole = is_whole
                    self._open(stream, fields)
            elif stream is None or stream.is_whole:
                self._take_stray(stream_id, stream, flags, is_headers=True)
            else:
                self._take_trailers(stream, fields or [], is_whole)
        except StreamFault as fault:
            assert stream is not None, "a fault of a stream has one"
            self._lose(stream, fault.code)

    def _admit(self, stream_id: int) -> Stream | None:
        """Make the stream of a new request; None if there are too many."""
        self._last_id = stream_id
        if self._is_draining or len(self.streams) >= self.limits.streams:
            self._budget.spend()
            self.outbox.put(rst_stream(stream_id, REFUSED_STREAM))
            self._leave(stream_id, self.limits.stream_window)
            return None
        self._updates_due = min(self._updates_due + UPDATES_PER_STREAM, UPDATES_DUE_MAX)
        stream = self.streams[stream_id] = self._site.open_stream(self, stream_id)
        stream.begun_s = self._site.now_s()
        return stream

    def _open(self, stream: Stream, fields: list[Field] | None) -> None:
        stream.opened(fields)
        if stream.is_whole and stream.expected:
            raise StreamFault(PROTOCOL_ERROR, "Expected the content that was announced, but found none")

    def _take_trailers(self, stream: Stream, fields: list[Any], is_whole: bool) -> None:
        if not is_whole or stream.expected:
            raise StreamFault(PROTOCOL_ERROR, "Expected the end of a request, but found headers in the middle")
        check_trailers(fields)
        stream.is_whole = True
        stream.received(b"")

    def _take_stray(
        self, stream_id: int, stream: Stream | None, flags: int, octets: int = 0, *, is_headers: bool = False
    ) -> None:
        """Judge content or headers of a stream that has none to come: late ones of a stream that we ended are no fault.

        Content that was allowed before our answer spends no budget: some clients send it all.
        """
        self._check_not_idle(stream_id)
        if LARGE_BYTES <= octets <= self._left.get(stream_id, 0):
            self._left[stream_id] -= octets
        else:
            self._budget.spend()
        if flags & END_STREAM:
            self.early.stopped(stream_id)
        if stream_id in self._left:
            return
        if is_headers:
            raise ConnectionFault(STREAM_CLOSED, "Expected a new stream, but found one that has ended")
        if stream is not None:
            self._lose(stream, STREAM_CLOSED)
        else:
            self.outbox.put(rst_stream(stream_id, STREAM_CLOSED))

    # --- frames about the connection

    def _take_settings(self, data: bytes, begin: int, end: int, flags: int, stream_id: int) -> None:
        found = checks.settings_of(data, begin, end, flags, stream_id)
        if flags & ACK:
            self._budget.spend()
            return
        self._budget.spend(SETTINGS_COST)
        self.outbox.put(frame(frames.SETTINGS, ACK, 0))  # before content that a wider window lets through
        for name, value in found:
            if name == frames.INITIAL_WINDOW_SIZE:
                self._set_window(value)

    def _set_window(self, octets: int) -> None:
        """Let each stream send up to *octets* at first; those that are open, too."""
        more, self.outbox.stream_window = octets - self.outbox.stream_window, octets
        if more and not all(stream.widen(more) for stream in list(self.streams.values())):
            raise ConnectionFault(FLOW_CONTROL_ERROR, "Expected windows below 2^31, but found a larger one")

    def _take_ping(self, data: bytes, begin: int, end: int, flags: int, stream_id: int) -> None:
        checks.check_ping(begin, end, stream_id)
        self._budget.spend()
        if flags & ACK:
            self._pinged_s = 0
        else:
            self.outbox.put(frame(frames.PING, ACK, 0, data[begin:end]))

    def _take_window_update(self, data: bytes, begin: int, end: int, _flags: int, stream_id: int) -> None:
        more = checks.step_of(data, begin, end)
        if self._updates_due > 0:
            self._updates_due -= 1
        else:
            self._budget.spend()
        if not stream_id:
            self.outbox.window += more
            if not more or self.outbox.window > WINDOW_MAX:
                code = FLOW_CONTROL_ERROR if more else PROTOCOL_ERROR
                raise ConnectionFault(code, "Expected to widen the window to at most 2^31 - 1, but found another step")
            self.outbox.go_on()
            return
        self._check_not_idle(stream_id)
        stream = self.streams.get(stream_id)
        if stream is not None and (not more or not stream.widen(more)):
            self._lose(stream, FLOW_CONTROL_ERROR if more else PROTOCOL_ERROR)

    def _take_rst_stream(self, _data: bytes, begin: int, end: int, _flags: int, stream_id: int) -> None:
        checks.check_rst_stream(begin, end)
        self._check_not_idle(stream_id)
        self.early.stopped(stream_id)
        stream = self.streams.get(stream_id)
        if stream is None or self._site.now_s() - stream.begun_s < LASTING_S:
            self._budget.spend()
        if stream is not None:
            stream.is_whole = True
            self._lose(stream)

    def _take_priority(self, data: bytes, begin: int, end: int, _flags: int, stream_id: int) -> None:
        self._budget.spend()
        if not stream_id:
            raise ConnectionFault(PROTOCOL_ERROR, "Expected the priority of a stream, but found none")
        stream = self.streams.get(stream_id)
        fault = checks.priority_fault(data, begin, end, stream_id)
        if fault and stream is not None:
            self._lose(stream, fault)
        elif fault:
            raise ConnectionFault(fault, "Expected a priority, but found another frame")

    def _take_goaway(self, _data: bytes, begin: int, end: int, _flags: int, stream_id: int) -> None:
        checks.check_goaway(begin, end, stream_id)
        self.drain()

    def _take_push_promise(self, *_: object) -> None:
        raise ConnectionFault(PROTOCOL_ERROR, "Expected no PUSH_PROMISE of a client, but found one")

    def _take_unknown(self, *_: object) -> None:
        self._budget.spend()

    # --- bounds

    def hold(self, octets: int) -> bool:
        """Count *octets* that are kept for the peer; return False, and count nothing, if that would be too many."""
        held, in_all = self._held + octets, self._site.held_bytes + octets
        if held > self.limits.held_bytes or in_all > self.limits.held_bytes_in_all:
            return False
        self._held, self._site.held_bytes = held, in_all
        return True

    def release(self, octets: int) -> None:
        """Count *octets* less."""
        self._held -= octets
        self._site.held_bytes -= octets

    def look(self, now_s: float) -> None:
        """Ping the peer if it has been silent for long. Close the connection if the ping has no answer, or a greeting takes too long."""
        if self._is_heard:
            self._is_heard, self._heard_s = False, now_s
        begun_s = self._block_s if self._block_id else self._begun_s
        is_slow = (self._block_id or not self._is_greeted) and now_s - begun_s > self.limits.hello_s
        if is_slow or (self._pinged_s and now_s - self._pinged_s > self.limits.pong_within_s):
            self.cut()
        elif not self._pinged_s and now_s - self._heard_s >= self.limits.ping_after_s:
            self._pinged_s = now_s
            self.outbox.put(frame(frames.PING, 0, 0, b"are you?"))

    # --- the end of streams, and of the connection

    def answered(self, stream: Stream) -> None:
        """Note that *stream* has its whole answer."""
        self._budget.earn(self.limits.odd_frames_per_answer)
        self.forget(stream)

    def forget(self, stream: Stream) -> None:
        """Note that *stream* is over."""
        self.streams.pop(stream.id, None)
        if not stream.is_whole:
            self._leave(stream.id, stream.receive_window)
        if self._is_draining and not self.streams:
            self._close_soon()

    def _leave(self, stream_id: int, window: int) -> None:
        self._left[stream_id] = window
        if len(self._left) > LEFT_MAX:
            del self._left[next(iter(self._left))]

    def _lose(self, stream: Stream, code: int | None = None) -> None:
        """End *stream* because of its peer, who is told *code*."""
        if code is not None:
            self._budget.spend()
            self.outbox.put(rst_stream(stream.id, code))
        was_over = stream.is_over
        stream.give_up()
        if not was_over:
            stream.lost()

    def _check_not_idle(self, stream_id: int) -> None:
        if stream_id > self._last_id or not stream_id & 1:
            raise ConnectionFault(PROTOCOL_ERROR, "Expected a stream that was opened, but found an idle one")

    def drain(self) -> None:
        """Take no new streams, and close when the last has ended."""
        if not self._is_draining and not self._is_closing:
            self._is_draining = True
            self.outbox.put(frames.goaway(self._last_id, NO_ERROR))
            if not self.streams:
                self._close_soon()

    def _close_soon(self) -> None:
        self.loop.call_soon(self.outbox.flush)
        self.loop.call_later(LINGER_S + (STOP_S if self.early else 0), self._transport.close)

    def cut(self) -> None:
        """Close now."""
        self._is_closing = self.outbox.is_closed = True
        self._transport.abort()

    def _fail(self, code: int, text: str) -> None:
        """End the connection because of its peer. Not news: whoever floods a port shall not flood the log, too."""
        log.debug("connection ended", extra={"code": code, "reason": text})
        self._is_closing = True
        self.outbox.put(frames.goaway(self._last_id, code, text))
        self.outbox.flush()
        self.outbox.is_closed = True
        self._transport.close()
        for stream in list(self.streams.values()):
            self._lose(stream)

    _TAKING = (  # in the order of the numbers of frames; the last one for all others
        _take_data,
        _take_headers,
        _take_priority,
        _take_rst_stream,
        _take_settings,
        _take_push_promise,
        _take_ping,
        _take_goaway,
        _take_window_update,
        _take_continuation,
        _take_unknown,
    )
