"""The rules of a connection: what is answered, what ends a stream, what ends the connection (RFC 9113)."""

import pytest

from osmia_broker.h2 import early_answers, frames
from osmia_broker.h2.frames import (
    ACK,
    END_HEADERS,
    END_STREAM,
    FLOW_CONTROL_ERROR,
    FRAME_SIZE_ERROR,
    NO_ERROR,
    NUMBER,
    PADDED,
    PREFACE,
    PROTOCOL_ERROR,
    REFUSED_STREAM,
    STREAM_CLOSED,
    WITH_PRIORITY,
    frame,
)
from osmia_broker.h2.hpack import encode
from tests.h2.peer import House, Peer, framed


@pytest.fixture
async def house() -> House:
    return House()


@pytest.fixture
async def peer(house: House) -> Peer:
    return house.peer()


async def test_a_call_is_answered_in_one_write(peer: Peer):
    await peer.settled()
    writes = peer.transport.writes
    ids = [peer.call(message=b"hi %d" % number) for number in range(5)]
    for number, id in enumerate(ids):
        answer = await peer.answer(id)
        assert (answer.messages, answer.status, answer.is_over) == ([b"hi %d" % number], 0, True)
    assert peer.transport.writes == writes + 1
    assert not peer.connection.streams


async def test_frames_may_arrive_octet_by_octet(house: House):
    peer = Peer(house.site)
    id = 1
    sent = PREFACE + frames.settings({}) + frame(frames.HEADERS, END_HEADERS, id, peer.head())
    for octet in sent + frame(frames.DATA, END_STREAM, id, framed(b"slow")):
        peer.send(bytes((octet,)))
    assert (await peer.answer(id)).messages == [b"slow"]


async def test_padding_priority_and_continuation_are_taken_off(peer: Peer):
    head = peer.head()
    id = peer.next_id
    padded = bytes((3,)) + NUMBER.pack(0) + b"\x10" + head[:10] + b"\0\0\0"
    peer.send(frame(frames.HEADERS, PADDED | WITH_PRIORITY, id, padded))
    peer.send(frame(frames.CONTINUATION, 0, id, head[10:20]))
    peer.send(frame(frames.CONTINUATION, END_HEADERS, id, head[20:]))
    peer.data(id, bytes((4,)) + framed(b"x") + b"\0" * 4, END_STREAM | PADDED)
    assert (await peer.answer(id)).messages == [b"x"]


async def test_settings_and_pings_are_acknowledged(peer: Peer):
    peer.send(frame(frames.PING, 0, 0, b"12345678"))
    await peer.settled()
    assert ("PING", ACK, 0, b"12345678") in peer.frames
    assert ("SETTINGS", ACK, 0, b"") in peer.frames


async def test_unknown_frames_and_settings_are_passed_over(peer: Peer):
    peer.send(frame(0xEE, 0xFF, 7, b"what") + frames.settings({0xAAAA: 5}))
    assert (await peer.answer(peer.call(message=b"on"))).messages == [b"on"]


async def test_a_client_of_another_protocol_is_sent_away(house: House):
    peer = Peer(house.site)
    peer.send(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
    await peer.settled()
    assert peer.goaway == PROTOCOL_ERROR
    assert peer.transport.is_closed
    assert not house.site.connections


@pytest.mark.parametrize("request_fields", [[], [("content-length", "3")]])
async def test_a_request_that_is_none_of_grpc_gets_a_status_of_http(peer: Peer, request_fields: list[tuple[str, str]]):
    fields = [
        (b":method", b"GET"),
        (b":scheme", b"http"),
        (b":path", b"/"),
        *((n.encode(), v.encode()) for n, v in request_fields),
    ]
    block = frames_of(fields)
    has_content = bool(request_fields)
    peer.send(frame(frames.HEADERS, END_HEADERS | (0 if has_content else END_STREAM), 1, block))
    if has_content:
        peer.data(1, b"abc")
    answer = await peer.answer(1)
    assert (":status", "405") in answer.headers
    assert (answer.is_over, answer.reset) == (True, None)


def frames_of(fields: list[tuple[bytes, bytes]]) -> bytes:
    from osmia_broker.h2.hpack import encode

    return encode(fields)


# --- faults of a stream: the others go on

GOOD = [(b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/t.T/Echo"), (b"content-type", b"application/grpc")]


@pytest.mark.parametrize(
    "fields",
    [
        GOOD[1:],
        [GOOD[0], *GOOD[2:]],
        [*GOOD[:2], GOOD[3]],
        [*GOOD[:2], (b":path", b""), GOOD[3]],
        [*GOOD, (b":authority", b"late")],
        [GOOD[0], *GOOD],
        [*GOOD, (b"connection", b"close")],
        [*GOOD, (b"transfer-encoding", b"chunked")],
        [*GOOD, (b"te", b"gzip")],
        [*GOOD, (b"Upper", b"x")],
        [*GOOD, (b"x", b"a\r\nb")],
        [(b":status", b"200"), *GOOD],
        [(b":unknown", b"x"), *GOOD],
        [*GOOD, (b"content-length", b"many")],
        [*GOOD, (b"content-length", b"5")],  # but no content
    ],
)
async def test_a_malformed_request_ends_its_stream_alone(peer: Peer, fields: list[tuple[bytes, bytes]]):
    peer.send(frame(frames.HEADERS, END_HEADERS | END_STREAM, 1, frames_of(fields)))
    peer.next_id = 3
    good = peer.call(message=b"good")
    assert (await peer.answer(1)).reset == PROTOCOL_ERROR
    assert (await peer.answer(good)).messages == [b"good"]


async def test_content_beyond_its_announced_length_ends_the_stream(peer: Peer):
    id = peer.open(more=[("content-length", "5")])
    peer.data(id, framed(b"x"))
    assert (await peer.answer(id)).reset == PROTOCOL_ERROR


async def test_content_behind_the_end_of_a_request_ends_the_stream(peer: Peer):
    id = peer.call("/t.T/Hold")
    peer.data(id, b"more")
    assert (await peer.answer(id)).reset == STREAM_CLOSED


async def test_trailers_end_a_request_and_headers_in_the_middle_are_a_fault(peer: Peer):
    id = peer.open()
    peer.data(id, framed(b"x"), 0)
    peer.send(frame(frames.HEADERS, END_HEADERS | END_STREAM, id, frames_of([(b"x-late", b"1")])))
    assert (await peer.answer(id)).messages == [b"x"]
    id = peer.open("/t.T/Talk")
    peer.send(frame(frames.HEADERS, END_HEADERS, id, frames_of([(b"x-late", b"1")])))
    assert (await peer.answer(id)).reset == PROTOCOL_ERROR
    id = peer.open("/t.T/Talk")
    peer.send(frame(frames.HEADERS, END_HEADERS | END_STREAM, id, frames_of([(b":path", b"/")])))
    assert (await peer.answer(id)).reset == PROTOCOL_ERROR


async def test_more_streams_than_are_allowed_are_refused_and_may_be_tried_again():
    house = House(streams=2)
    peer = house.peer()
    held = [peer.call("/t.T/Hold") for _ in range(2)]
    third = peer.call("/t.T/Hold")
    answer = await peer.answer(third)
    assert (answer.reset, peer.goaway) == (REFUSED_STREAM, None)
    house.served.may_go_on.set()
    assert [(await peer.answer(id)).status for id in held] == [0, 0]
    assert (await peer.answer(peer.call())).status == 0


async def test_a_stream_that_is_reset_is_cancelled_and_late_frames_are_no_fault(house: House, peer: Peer):
    id = peer.open("/t.T/Hold")
    peer.data(id, framed(b""), 0)
    await peer.settled()
    assert house.served.running == 1
    peer.send(frames.rst_stream(id, frames.CANCEL))
    await peer.settled()
    assert (house.served.running, house.served.cancelled) == (0, 1)
    assert not peer.connection.streams


async def test_an_answer_before_the_end_of_a_request_asks_the_client_to_stop(
    peer: Peer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(early_answers, "STOP_S", 0)
    id = peer.open("/t.T/Nothing")
    answer = await peer.answer(id)
    assert (answer.status, answer.is_over, answer.reset) == (12, True, NO_ERROR)
    peer.data(id, framed(b"on its way"), 0)
    peer.data(id, framed(b"and more"))
    await peer.settled()
    assert peer.goaway is None


async def test_a_client_that_stops_by_itself_is_not_asked(peer: Peer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(early_answers, "STOP_S", 60)
    id = peer.open("/t.T/Nothing")
    answer = await peer.answer(id)
    assert (answer.status, answer.is_over, answer.reset) == (12, True, None)
    assert len(peer.connection.early) == 1
    peer.data(id, framed(b"on its way"), 0)
    peer.send(frames.rst_stream(id, frames.CANCEL))
    await peer.settled()
    assert (answer.reset, peer.goaway, len(peer.connection.early)) == (None, None, 0)


@pytest.mark.parametrize("end", [frames.DATA, frames.HEADERS], ids=["content", "trailers"])
async def test_a_client_that_ends_its_request_in_the_meantime_is_not_asked(peer: Peer, end: int):
    id = peer.open("/t.T/Nothing")
    answer = await peer.answer(id)
    peer.data(id, framed(b"on its way"), 0)
    assert len(peer.connection.early) == 1
    peer.send(frame(end, END_HEADERS | END_STREAM, id, encode([(b"x-last", b"1")]) if end == frames.HEADERS else b""))
    await peer.settled()
    assert (answer.reset, peer.goaway, len(peer.connection.early)) == (None, None, 0)


async def test_a_connection_that_is_closed_asks_nobody_and_is_not_kept(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(early_answers, "STOP_S", 60)
    peer = House().peer()
    await peer.answer(peer.open("/t.T/Nothing"))
    (waits,) = peer.connection.early._waiting.values()
    peer.transport.close()
    await peer.settled()
    assert (len(peer.connection.early), waits.cancelled()) == (0, True)


async def test_a_server_that_drains_gives_early_answers_their_time_too(house: House, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(early_answers, "STOP_S", 60)
    peer = house.peer()
    refused = peer.open("/t.T/Nothing")
    await peer.settled()
    house.site.drain()
    assert ((await peer.answer(refused)).status, peer.answers[refused].reset) == (12, None)
    assert len(peer.connection.early) == 1


async def test_many_early_answers_do_not_wait_for_their_clients(peer: Peer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(early_answers, "STOP_S", 60)
    monkeypatch.setattr(early_answers, "STOPS_MAX", 2)
    answers = [await peer.answer(peer.open("/t.T/Nothing")) for _ in range(3)]
    await peer.settled()
    assert [one.reset for one in answers] == [None, None, NO_ERROR]


# --- faults of a connection


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (frame(frames.DATA, 0, 0, b"x"), PROTOCOL_ERROR),
        (frame(frames.DATA, 0, 5, b"x"), PROTOCOL_ERROR),  # idle
        (frame(frames.DATA, PADDED, 1, b"\x05abc"), PROTOCOL_ERROR),
        (frame(frames.HEADERS, END_HEADERS, 0, b"\x82"), PROTOCOL_ERROR),
        (frame(frames.HEADERS, END_HEADERS, 2, b"\x82"), PROTOCOL_ERROR),
        (frame(frames.HEADERS, END_HEADERS, 5, b"\xbe"), frames.COMPRESSION_ERROR),
        (frame(frames.HEADERS, END_HEADERS | WITH_PRIORITY, 5, b"\0\0"), FRAME_SIZE_ERROR),
        (frame(frames.HEADERS, END_HEADERS | WITH_PRIORITY, 5, NUMBER.pack(5) + b"\0\x82"), PROTOCOL_ERROR),
        (frame(frames.HEADERS, 0, 5, b"\x82") + frame(frames.PING, 0, 0, b"12345678"), PROTOCOL_ERROR),
        (frame(frames.HEADERS, 0, 5, b"\x82") + frame(frames.CONTINUATION, END_HEADERS, 7, b"\x82"), PROTOCOL_ERROR),
        (frame(frames.CONTINUATION, END_HEADERS, 1, b"\x82"), PROTOCOL_ERROR),
        (frame(frames.RST_STREAM, 0, 5, NUMBER.pack(0)), PROTOCOL_ERROR),
        (frame(frames.RST_STREAM, 0, 1, b"\0"), FRAME_SIZE_ERROR),
        (frame(frames.SETTINGS, 0, 1), PROTOCOL_ERROR),
        (frame(frames.SETTINGS, 0, 0, b"\0"), FRAME_SIZE_ERROR),
        (frame(frames.SETTINGS, ACK, 0, b"\0" * 6), FRAME_SIZE_ERROR),
        (frames.settings({frames.ENABLE_PUSH: 2}), PROTOCOL_ERROR),
        (frames.settings({frames.INITIAL_WINDOW_SIZE: 2**31}), FLOW_CONTROL_ERROR),
        (frames.settings({frames.MAX_FRAME_SIZE: 16_383}), PROTOCOL_ERROR),
        (frame(frames.PUSH_PROMISE, END_HEADERS, 1, b"\0" * 4), PROTOCOL_ERROR),
        (frame(frames.PING, 0, 1, b"12345678"), PROTOCOL_ERROR),
        (frame(frames.PING, 0, 0, b"1234567"), FRAME_SIZE_ERROR),
        (frame(frames.GOAWAY, 0, 1, b"\0" * 8), PROTOCOL_ERROR),
        (frame(frames.GOAWAY, 0, 0, b"\0" * 7), FRAME_SIZE_ERROR),
        (frames.window_update(0, 0), PROTOCOL_ERROR),
        (frames.window_update(5, 1), PROTOCOL_ERROR),  # idle
        (frames.window_update(0, 2**31 - 1), FLOW_CONTROL_ERROR),
        (frame(frames.WINDOW_UPDATE, 0, 0, b"\0\0\0"), FRAME_SIZE_ERROR),
        (frame(frames.PRIORITY, 0, 0, b"\0" * 5), PROTOCOL_ERROR),
        (frame(frames.DATA, 0, 1, b"x" * 16_385), FRAME_SIZE_ERROR),
    ],
)
async def test_a_peer_that_breaks_the_rules_of_the_connection_is_sent_away(
    house: House, peer: Peer, sent: bytes, code: int
):
    peer.open("/t.T/Hold")
    neighbour = house.peer()
    peer.send(sent)
    await peer.settled()
    assert peer.goaway == code
    assert peer.transport.is_closed
    assert (await neighbour.answer(neighbour.call(message=b"good"))).messages == [b"good"]


async def test_headers_of_a_stream_that_has_ended_end_the_connection(peer: Peer):
    id = peer.call()
    await peer.answer(id)
    peer.send(frame(frames.HEADERS, END_HEADERS | END_STREAM, id, peer.head()))
    await peer.settled()
    assert peer.goaway == STREAM_CLOSED


async def test_a_window_update_of_nothing_ends_its_stream(peer: Peer):
    id = peer.call("/t.T/Hold")
    peer.widen(id, 0)
    assert (await peer.answer(id)).reset == PROTOCOL_ERROR


# --- leaving


async def test_a_server_that_drains_finishes_what_was_begun_and_refuses_the_rest(house: House, peer: Peer):
    held = peer.call("/t.T/Hold", b"kept")
    idle = house.peer()
    await peer.settled()
    house.site.drain()
    late = peer.call()
    assert (await peer.answer(late)).reset == REFUSED_STREAM
    assert peer.goaway == NO_ERROR
    house.served.may_go_on.set()
    assert (await peer.answer(held)).messages == [b"kept"]
    await idle.settled()
    assert idle.goaway == NO_ERROR
    newcomer = Peer(house.site)
    await newcomer.settled()
    assert newcomer.transport.is_closed


async def test_a_peer_that_says_goodbye_gets_its_answers_first(house: House, peer: Peer):
    held = peer.call("/t.T/Hold", b"kept")
    await peer.settled()
    peer.send(frame(frames.GOAWAY, 0, 0, b"\0" * 8))
    house.served.may_go_on.set()
    assert (await peer.answer(held)).messages == [b"kept"]


async def test_a_connection_that_breaks_cancels_its_calls(house: House, peer: Peer):
    peer.call("/t.T/Hold")
    await peer.settled()
    peer.transport.close()
    await peer.settled()
    assert (house.served.cancelled, house.site.connections) == (1, set())
