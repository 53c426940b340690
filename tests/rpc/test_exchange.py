"""gRPC over HTTP/2, frame by frame: heads, messages, compression, deadlines, statuses (gRPC, PROTOCOL-HTTP2.md)."""

import asyncio
import gzip
import zlib

import pytest

from osmia_broker.h2 import early_answers, frames
from osmia_broker.h2.frames import END_STREAM
from osmia_broker.rpc import STATUSES, Refusal
from osmia_broker.rpc.encoding import TIMEOUT_S_MAX, escaped, metadata, timeout_s, unpacked, written
from tests.h2.peer import MESSAGE_BYTES_MAX, House, Peer, framed
from tests.patience import ANSWER_S


@pytest.fixture
async def house() -> House:
    return House()


@pytest.fixture
async def peer(house: House) -> Peer:
    return house.peer()


def status(name: str) -> int:
    return STATUSES[name]


async def test_a_refusal_without_a_message_is_one_block_of_trailers(peer: Peer):
    id = peer.call("/t.T/Refuse", "nö, 100%\n".encode())
    answer = await peer.answer(id)
    assert answer.headers == [
        (":status", "200"),
        ("content-type", "application/grpc"),
        ("grpc-status", "5"),
        ("grpc-message", "n%C3%B6, 100%25%0A"),
        ("why-bin", "AP8"),
    ]
    assert peer.count("HEADERS", id) == 1


async def test_a_method_that_is_not_there_is_unimplemented(peer: Peer):
    for path in ("/t.T/Nothing", "/other.T/Echo", "/", "/t.T/"):
        assert (await peer.answer(peer.call(path))).status == status("UNIMPLEMENTED")


async def test_many_answers_come_in_order_and_end_with_a_status(house: House):
    peer = house.peer({frames.INITIAL_WINDOW_SIZE: 1_000_000})
    id = peer.call("/t.T/Many", b"x")
    answer = await peer.answer(id)
    assert (len(answer.messages), answer.status, answer.is_over) == (1_000, 0, True)


async def test_messages_that_were_not_written_when_the_client_left_are_counted(house: House, peer: Peer):
    def leave() -> None:
        peer.send(frames.rst_stream(id, frames.CANCEL))

    house.served.after_some = leave
    id = peer.call("/t.T/Some", b"123")
    await peer.settled()
    assert house.served.undelivered == 3


async def test_messages_that_were_written_when_the_client_left_are_not_counted(house: House, peer: Peer):
    id = peer.call("/t.T/Some", b"123")
    await peer.settled()
    other = peer.call("/t.T/Echo", b"x")
    peer.send(frames.rst_stream(id, frames.CANCEL))
    await peer.answer(other)
    assert house.served.undelivered == 0


async def test_messages_before_the_end_of_the_deadline_reach_the_client_and_are_not_counted(house: House, peer: Peer):
    id = peer.call("/t.T/Some", b"123", [("grpc-timeout", "1n")])
    async with asyncio.timeout(ANSWER_S):
        while not (answer := await peer.answer(id)).is_over:
            pass
    assert (answer.status, house.served.undelivered) == (status("DEADLINE_EXCEEDED"), 0)


async def test_a_dialogue_answers_each_message_before_the_next(peer: Peer):
    id = peer.open("/t.T/Talk")
    for number in range(3):
        peer.data(id, framed(b"%d" % number), 0)
        assert (await peer.answer(id)).messages == [b"%d" % one for one in range(number + 1)]
    peer.data(id, b"")
    assert (await peer.answer(id)).status == 0


@pytest.mark.parametrize(
    ("pieces", "words"),
    [
        ([b""], "Expected a message, but found none"),
        ([framed(b"x"), framed(b"y")], "Expected one message, but found more"),
        ([framed(b"x") + framed(b"y")], "Expected one message, but found more"),
        ([framed(b"xy")[:-1]], "Expected a whole message, but found a part of one"),
        ([b"\0\0"], "Expected a whole message, but found a part of one"),
        ([framed(b"x", mark=2)], "Expected a message to be compressed or not"),
        ([framed(b"x", mark=1)], "Expected grpc-encoding beside a compressed message"),
    ],
)
async def test_a_request_that_is_not_one_message_is_refused(peer: Peer, pieces: list[bytes], words: str):
    id = peer.open("/t.T/Hold")
    for number, piece in enumerate(pieces, 1):
        peer.data(id, piece, END_STREAM if number == len(pieces) else 0)
    answer = await peer.answer(id)
    assert answer.status == status("INTERNAL")
    assert words in answer.details


async def test_a_call_without_any_content_is_refused(peer: Peer):
    id = peer.open(flags=END_STREAM)
    assert (await peer.answer(id)).status == status("INTERNAL")


async def test_a_message_may_come_in_any_pieces(peer: Peer):
    message = bytes(range(256)) * 3
    for size in (1, 3, 5, 6, 100):
        id = peer.open()
        whole = framed(message)
        for at in range(0, len(whole), size):
            peer.data(id, whole[at : at + size], END_STREAM if at + size >= len(whole) else 0)
        assert (await peer.answer(id)).messages == [message]


@pytest.mark.parametrize("path", ["/t.T/Hold", "/t.T/Talk"])
async def test_a_broken_message_behind_a_good_one_cancels_the_answer(house: House, peer: Peer, path: str):
    id = peer.open(path)
    peer.data(id, framed(b"wait"), 0)
    await peer.settled()
    assert len(asyncio.all_tasks()) == 2
    peer.data(id, b"\2\0\0\0\0")
    assert (await peer.answer(id)).status == status("INTERNAL")
    assert asyncio.all_tasks() == {asyncio.current_task()}


# --- compression


@pytest.mark.parametrize(("name", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
async def test_a_compressed_message_is_unpacked(peer: Peer, name: str, pack):
    message = b"again " * 1_000
    id = peer.open(more=[("grpc-encoding", name)])
    peer.data(id, framed(pack(message), mark=1))
    assert (await peer.answer(id)).messages == [message]
    id = peer.open(more=[("grpc-encoding", name)])
    peer.data(id, framed(b"plain"))
    assert (await peer.answer(id)).messages == [b"plain"]


async def test_an_unknown_compression_is_unimplemented_and_the_answer_names_those_that_are_known(peer: Peer):
    id = peer.open(more=[("grpc-encoding", "zstd")])
    peer.data(id, framed(b"x", mark=1))
    answer = await peer.answer(id)
    assert answer.status == status("UNIMPLEMENTED")
    assert ("grpc-accept-encoding", "identity,deflate,gzip") in answer.headers


async def test_a_small_message_that_unpacks_to_a_large_one_is_refused(peer: Peer):
    id = peer.open(more=[("grpc-encoding", "gzip")])
    peer.data(id, framed(gzip.compress(b"\0" * 10_000_000, mtime=0)[:16_000], mark=1))
    assert (await peer.answer(id)).status == status("RESOURCE_EXHAUSTED")


@pytest.mark.parametrize(
    "packed", [b"", b"no gzip", gzip.compress(b"x", mtime=0)[:-3], gzip.compress(b"x", mtime=0) + b"more"]
)
def test_bytes_that_are_not_compressed_are_refused(packed: bytes):
    with pytest.raises(Refusal, match="Expected a message in gzip, but found other bytes"):
        unpacked(packed, b"gzip", 100)


def test_a_message_may_unpack_to_the_limit_and_not_beyond():
    assert unpacked(gzip.compress(b"x" * 100, mtime=0), b"gzip", 100) == b"x" * 100
    with pytest.raises(Refusal) as refused:
        unpacked(gzip.compress(b"x" * 101, mtime=0), b"gzip", 100)
    assert refused.value.status == "RESOURCE_EXHAUSTED"


# --- the memory of messages


@pytest.mark.parametrize("path", ["/t.T/Hold", "/g.G/Hold"])
@pytest.mark.parametrize("pack", [True, False])
async def test_messages_that_are_being_answered_count_unpacked(path: str, pack: bool):
    house = House(held_bytes_in_all=3 * MESSAGE_BYTES_MAX)
    house.served.is_admitting.set_result(True)
    message = b"\0" * (MESSAGE_BYTES_MAX - 1_000)
    peers = [house.peer() for _ in range(4)]
    for peer in peers:
        if pack:
            peer.data(peer.open(path, [("grpc-encoding", "gzip")]), framed(gzip.compress(message), mark=1))
        else:
            peer.call(path, message)
        await peer.settled()
    assert house.served.running == 3
    assert (await peers[3].answer(1)).status == status("RESOURCE_EXHAUSTED")
    house.served.may_go_on.set()
    for peer in peers[:3]:
        peer.widen(1, MESSAGE_BYTES_MAX)
        while not (await peer.answer(1)).is_over:
            pass
    assert house.site.held_bytes == 0


async def test_messages_of_a_dialogue_that_are_not_read_count():
    house = House(held_bytes=50_000)
    peer = house.peer()
    id = peer.open("/t.T/Talk")
    peer.data(id, framed(b"wait"), 0)
    for _ in range(4):
        peer.data(id, framed(b"x" * 16_000), 0)
    assert (await peer.answer(id)).status == status("RESOURCE_EXHAUSTED")
    assert house.site.held_bytes == 0


async def test_a_message_of_a_dialogue_is_unpacked_when_it_is_read():
    house = House()
    peer = house.peer()
    id = peer.open("/t.T/Talk", [("grpc-encoding", "gzip")])
    peer.data(id, framed(b"wait"), 0)
    for _ in range(10):
        peer.data(id, framed(gzip.compress(b"\0" * MESSAGE_BYTES_MAX), mark=1), 0)
    await peer.settled()
    assert house.site.held_bytes < MESSAGE_BYTES_MAX
    peer.send(frames.rst_stream(id, frames.CANCEL))
    await peer.settled()
    assert house.site.held_bytes == 0


# --- who is admitted


@pytest.mark.parametrize("path", ["/g.G/Echo", "/g.G/Many", "/g.G/Talk"])
async def test_a_stranger_is_refused_before_the_message_arrives(
    house: House, peer: Peer, monkeypatch: pytest.MonkeyPatch, path: str
):
    monkeypatch.setattr(early_answers, "STOP_S", 0)
    house.served.is_admitting.set_result(False)
    id = peer.open(path)
    answer = await peer.answer(id)
    assert (answer.status, answer.is_over, answer.reset) == (status("UNAUTHENTICATED"), True, frames.NO_ERROR)
    peer.data(id, framed(b"x"))  # which was on its way, and is no fault
    assert (await peer.settled()).goaway is None
    assert house.site.held_bytes == 0


async def test_nobody_sends_more_than_a_window_before_they_are_admitted():
    house = House(stream_window=20_000)
    peer = house.peer()
    id = peer.open("/g.G/Echo")
    whole = framed(b"x" * MESSAGE_BYTES_MAX)
    peer.data(id, whole[:10_000], 0)
    peer.data(id, whole[10_000:20_000], 0)
    await peer.settled()
    assert peer.count("WINDOW_UPDATE", id) == 0
    house.served.is_admitting.set_result(True)
    await peer.settled()
    assert peer.count("WINDOW_UPDATE", id) == 1
    for at in range(20_000, len(whole), 10_000):
        peer.data(id, whole[at : at + 10_000], END_STREAM if at + 10_000 >= len(whole) else 0)
    peer.widen(id, MESSAGE_BYTES_MAX)
    peer.widen(0, MESSAGE_BYTES_MAX)
    assert (await peer.answer(id)).messages == [b"x" * MESSAGE_BYTES_MAX]
    assert house.site.held_bytes == 0


async def test_the_message_of_a_stranger_is_not_unpacked(house: House, peer: Peer):
    id = peer.open("/g.G/Echo", [("grpc-encoding", "gzip")])
    peer.data(id, framed(gzip.compress(b"\0" * MESSAGE_BYTES_MAX), mark=1))
    await peer.settled()
    assert house.site.held_bytes < 1_000
    house.served.is_admitting.set_result(False)
    assert (await peer.answer(id)).status == status("UNAUTHENTICATED")
    assert house.site.held_bytes == 0


async def test_an_admitted_dialogue_answers_all_that_came_before(house: House, peer: Peer):
    id = peer.open("/g.G/Talk")
    peer.data(id, framed(b"1") + framed(b"2"), 0)
    house.served.is_admitting.set_result(True)
    assert (await peer.answer(id)).messages == [b"1", b"2"]


@pytest.mark.parametrize("pieces", [[b""], [framed(b"x"), framed(b"y")], [framed(b"xy")[:-1]]])
async def test_a_request_that_is_not_one_message_is_refused_without_waiting_for_admission(
    peer: Peer, pieces: list[bytes]
):
    id = peer.open("/g.G/Echo")
    for number, piece in enumerate(pieces, 1):
        peer.data(id, piece, END_STREAM if number == len(pieces) else 0)
    assert (await peer.answer(id)).status == status("INTERNAL")
    assert asyncio.all_tasks() == {asyncio.current_task()}


# --- deadlines


async def test_a_call_ends_with_its_deadline(house: House, peer: Peer):
    id = peer.call("/t.T/Hold", more=[("grpc-timeout", "1n")])
    while not (await peer.answer(id)).is_over:
        pass
    answer = await peer.answer(id)
    assert answer.status == status("DEADLINE_EXCEEDED")
    assert house.served.running == 0


async def test_a_stream_that_nobody_reads_ends_with_its_deadline(house: House):
    peer = house.peer({frames.INITIAL_WINDOW_SIZE: 3})
    id = peer.call("/t.T/Many", b"x" * 100, more=[("grpc-timeout", "1m")])
    while (await peer.answer(id)).reset is None:
        pass
    assert (peer.answers[id].reset, house.served.cancelled, house.site.held_bytes) == (frames.CANCEL, 1, 0)


@pytest.mark.parametrize("text", ["", "1", "m", "-1S", "1.5S", "123456789S", "1s", " 1S"])
async def test_a_deadline_that_is_none_is_refused(peer: Peer, text: str):
    with pytest.raises(Refusal, match="Expected grpc-timeout"):
        timeout_s(text.encode())
    if text == text.strip() and text:
        assert (await peer.answer(peer.call(more=[("grpc-timeout", text)]))).status == status("INTERNAL")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("2H", 7200), ("3M", 180), ("10S", 10), ("250m", 0.25), ("9u", 9e-6), ("1n", 1e-9), ("99999999H", TIMEOUT_S_MAX)],
)
def test_a_deadline_is_read_in_its_unit(text: str, seconds: float):
    assert timeout_s(text.encode()) == pytest.approx(seconds)


@pytest.mark.parametrize("path", ["/t.T/Echo", "/t.T/Refuse"])
async def test_an_answered_call_has_no_deadline_to_miss(peer: Peer, path: str):
    id = peer.call(path, more=[("grpc-timeout", "1H")])
    deadlines = peer.connection.streams[id]._service.deadlines  # type: ignore[attr-defined]
    assert len(deadlines) == 1
    await peer.answer(id)
    assert len(deadlines) == 0


async def test_a_call_that_is_cancelled_has_no_deadline_to_miss(peer: Peer):
    id = peer.call("/t.T/Hold", more=[("grpc-timeout", "1H")])
    deadlines = peer.connection.streams[id]._service.deadlines  # type: ignore[attr-defined]
    peer.send(frames.rst_stream(id, frames.CANCEL))
    await peer.settled()
    assert len(deadlines) == 0


# --- metadata and texts


def fields(*pairs: tuple[str, str]) -> list[tuple[bytes, bytes, int]]:
    return [(name.encode(), value.encode(), 0) for name, value in pairs]


def test_metadata_are_what_does_not_belong_to_the_protocol():
    given = fields(
        (":path", "/"),
        ("te", "trailers"),
        ("content-type", "x"),
        ("grpc-timeout", "1S"),
        ("user-agent", "u"),
        ("a", "b"),
        ("a", "c"),
    )
    assert metadata(given) == (("user-agent", "u"), ("a", "b"), ("a", "c"))


def test_metadata_that_are_no_utf_8_stay_as_they_were():
    assert metadata([(b"x", b"J\xfcrgen", 0), (b"y", "Jürgen".encode(), 0)]) == (("x", b"J\xfcrgen"), ("y", "Jürgen"))


def test_binary_metadata_come_with_and_without_padding_and_several_at_a_time():
    assert metadata(fields(("x-bin", "AP8"), ("y-bin", "AP8="), ("z-bin", "AA,/w"))) == (
        ("x-bin", b"\0\xff"), ("y-bin", b"\0\xff"), ("z-bin", b"\0"), ("z-bin", b"\xff"),
    )  # fmt: skip


def test_binary_metadata_that_are_no_base64_are_left_out():
    assert metadata(fields(("x-bin", "%%"), ("y-bin", "A"), ("z", "kept"))) == (("z", "kept"),)


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("plain ~", b"plain ~"),
        ("100%", b"100%25"),
        ("ö字\n\0", b"%C3%B6%E5%AD%97%0A%00"),
        ("\ud800", b"%3F".replace(b"%3F", b"?")),
    ],
)
def test_details_travel_as_printable_text(text: str, sent: bytes):
    assert escaped(text) == sent


def test_trailers_are_written_as_they_are_read():
    pairs = (("x-bin", b"\0\1\2"), ("x", "text"))
    assert metadata((name, value, 0) for name, value in written(pairs)) == pairs


async def test_a_defect_is_unknown_and_says_nothing_of_the_inside(
    house: House, peer: Peer, caplog: pytest.LogCaptureFixture
):
    id = peer.call("/t.T/Refuse", b"\xff")  # no text
    answer = await peer.answer(id)
    assert (answer.status, answer.details) == (
        status("UNKNOWN"),
        "Expected the call to succeed, but found a defect: UnicodeDecodeError",
    )
    assert "UnicodeDecodeError" in caplog.text


async def test_the_largest_message_is_taken(house: House):
    peer = house.peer({frames.INITIAL_WINDOW_SIZE: 1_000_000})
    peer.widen(0, 1_000_000)
    message = b"x" * MESSAGE_BYTES_MAX
    assert (await peer.answer(peer.call(message=message))).messages == [message]
