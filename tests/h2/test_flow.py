"""Flow control both ways, and the memory that a peer can take by it."""

import asyncio
import random

import pytest

from osmia_broker.h2 import frames
from osmia_broker.h2.frames import FLOW_CONTROL_ERROR, INITIAL_WINDOW_SIZE
from tests.h2.peer import MESSAGE_BYTES_MAX, House, framed

KB = 1024


@pytest.fixture
async def house() -> House:
    return House()


async def test_an_answer_goes_only_as_far_as_the_windows_reach(house: House):
    peer = house.peer({INITIAL_WINDOW_SIZE: 10})
    id = peer.call(message=b"x" * 100)
    assert (await peer.answer(id)).data == framed(b"x" * 100)[:10]
    peer.widen(id, 60)
    assert len((await peer.answer(id)).data) == 70
    peer.widen(id, 1_000)
    answer = await peer.answer(id)
    assert (answer.messages, answer.status) == ([b"x" * 100], 0)
    assert house.site.held_bytes == 0


async def test_the_window_of_the_connection_bounds_all_streams_together(house: House):
    peer = house.peer({INITIAL_WINDOW_SIZE: 1_000_000})
    ids = [peer.call(message=b"x" * 40_000) for _ in range(3)]
    await peer.settled()
    sent = [len(peer.answers[id].data) for id in ids]
    assert sum(sent) == 65_535
    peer.widen(0, 1_000_000)
    assert [len((await peer.answer(id)).messages[0]) for id in ids] == [40_000] * 3


async def test_streams_share_a_narrow_connection_in_turn(house: House):
    peer = house.peer({INITIAL_WINDOW_SIZE: 1_000_000})
    await peer.answer(peer.call(message=b"x" * 65_530))  # the window of the connection is used up
    ids = [peer.call(message=b"x" * 40_000) for _ in range(2)]
    await peer.settled()
    peer.widen(0, 40_000)
    await peer.settled()
    assert all(len(peer.answers[id].data) >= 16_384 for id in ids)


async def test_a_new_size_of_windows_counts_for_open_streams_and_may_make_them_negative(house: House):
    peer = house.peer({INITIAL_WINDOW_SIZE: 50})
    id = peer.call(message=b"x" * 100)
    assert len((await peer.answer(id)).data) == 50
    peer.send(frames.settings({INITIAL_WINDOW_SIZE: 0}))  # now it is 50 below nothing
    peer.widen(id, 50)
    assert len((await peer.answer(id)).data) == 50
    peer.widen(id, 5)
    assert len((await peer.answer(id)).data) == 55
    seen = len(peer.frames)
    peer.send(frames.settings({INITIAL_WINDOW_SIZE: 500}))
    assert (await peer.answer(id)).messages == [b"x" * 100]
    assert [name for name, *_ in peer.frames[seen:]] == ["SETTINGS", "DATA", "HEADERS"]


async def test_windows_beyond_all_bounds_end_the_stream_or_the_connection(house: House):
    peer = house.peer()
    id = peer.call("/t.T/Hold")
    peer.widen(id, 2**31 - 1)
    assert (await peer.answer(id)).reset == FLOW_CONTROL_ERROR
    peer.call("/t.T/Hold")
    peer.widen(peer.next_id - 2, 2**31 - 1 - 65_535)
    peer.send(frames.settings({INITIAL_WINDOW_SIZE: 65_536}))
    await peer.settled()
    assert peer.goaway == FLOW_CONTROL_ERROR


async def test_a_stream_of_answers_waits_for_its_reader(house: House):
    peer = house.peer()
    id = peer.call("/t.T/Many", b"x" * 10_000)
    await peer.settled()
    assert house.served.written <= 6  # 65,535 octets are six messages and a part
    peer.widen(0, 10_000_000)
    peer.widen(id, 30_000)
    await peer.settled()
    assert 8 <= house.served.written <= 9
    peer.send(frames.rst_stream(id, frames.CANCEL))
    await peer.settled()
    assert house.served.cancelled == 1
    assert house.site.held_bytes == 0


async def test_a_slow_reader_does_not_delay_others_on_its_connection(house: House):
    peer = house.peer()
    peer.widen(0, 10_000_000)
    slow = peer.call("/t.T/Many", b"x" * 10_000)
    await peer.settled()
    quick = peer.call(message=b"quick")
    assert (await peer.answer(quick)).messages == [b"quick"]
    assert not (await peer.answer(slow)).is_over


async def test_a_wire_that_is_full_stops_reading_until_it_is_empty_again(house: House):
    peer = house.peer({INITIAL_WINDOW_SIZE: 10_000_000})
    peer.widen(0, 10_000_000)
    peer.transport.is_stuck = True
    id = peer.call("/t.T/Many", b"x" * 60_000)
    await peer.settled()
    assert not peer.transport.is_reading
    sent = len(peer.answers[id].data)
    assert sent < 2 * 256 * KB
    await peer.settled()
    assert len(peer.answers[id].data) == sent
    peer.transport.is_stuck = False
    peer.connection.resume_writing()
    await peer.settled()
    assert peer.transport.is_reading
    assert len(peer.answers[id].data) > sent


async def test_answers_that_nobody_reads_take_bounded_memory():
    house = House(held_bytes=200 * KB)
    peer = house.peer({INITIAL_WINDOW_SIZE: 0})
    ids = [peer.call(message=b"x" * 50_000) for _ in range(20)]
    await peer.settled()
    refused = [id for id in ids if peer.answers[id].is_over]
    assert len(refused) == 16
    assert {peer.answers[id].status for id in refused} == {8}
    assert house.site.held_bytes <= 200 * KB
    for id in set(ids) - set(refused):
        peer.widen(id, 60_000)
        peer.widen(0, 60_000)
        assert (await peer.answer(id)).messages == [b"x" * 50_000]
    assert house.site.held_bytes == 0


async def test_all_connections_together_take_bounded_memory():
    house = House(held_bytes_in_all=100 * KB)
    peers = [house.peer({INITIAL_WINDOW_SIZE: 0}) for _ in range(4)]
    ids = [peer.call(message=b"x" * 50_000) for peer in peers]
    statuses = [(await peer.answer(id)).status for peer, id in zip(peers, ids, strict=True)]
    assert statuses == [-1, -1, 8, 8]
    peers[0].transport.close()
    await peers[0].settled()
    assert (await peers[2].answer(peers[2].call(message=b"x" * 50_000))).status == -1


async def test_messages_that_are_never_finished_take_bounded_memory():
    house = House(held_bytes=100 * KB)
    peer = house.peer()
    ids = []
    for _ in range(10):
        ids.append(peer.open())
        peer.data(ids[-1], framed(b"x" * 60_000)[:16_384], 0)
    await peer.settled()
    refused = [id for id in ids if peer.answers.get(id) and peer.answers[id].status == 8]
    assert len(refused) == 4
    for id in ids:
        peer.send(frames.rst_stream(id, frames.CANCEL))
    await peer.settled()
    assert house.site.held_bytes == 0
    assert (await peer.answer(peer.call(message=b"x" * 60_000))).messages == [b"x" * 60_000]


async def test_a_client_may_send_as_much_as_is_read_and_no_more():
    house = House(stream_window=32 * KB, connection_window=64 * KB)
    peer = house.peer()
    peer.widen(0, 10_000_000)
    for _ in range(5):  # more than every window, in messages of one call each
        assert (await peer.answer(peer.call(message=b"x" * 60_000))).messages == [b"x" * 60_000]
    talk = peer.open("/t.T/Talk")
    peer.data(talk, framed(b"wait"), 0)
    await peer.settled()
    for _ in range(2):  # the dialogue waits, and nothing is read
        peer.data(talk, framed(b"x" * 16_000), 0)
    await peer.settled()
    assert (peer.goaway, (await peer.answer(talk)).reset) == (None, None)
    peer.data(talk, framed(b"x" * 16_000), 0)
    assert (await peer.answer(talk)).reset == FLOW_CONTROL_ERROR


async def test_a_dialogue_of_many_messages_never_runs_dry():
    house = House(stream_window=32 * KB, connection_window=64 * KB)
    peer = house.peer({INITIAL_WINDOW_SIZE: 10_000_000})
    peer.widen(0, 10_000_000)
    id = peer.open("/t.T/Talk")
    windows = {0: 64 * KB, id: 32 * KB}
    numbers = random.Random(7)
    sent = [numbers.randbytes(numbers.choice((0, 10, 9_000, 40_000))) for _ in range(60)]
    rest = b"".join(framed(message) for message in sent)
    seen = 0
    while rest:
        size = min(windows[0], windows[id], numbers.randint(1, 16_384), len(rest))
        assert size > 0, "the server lets nothing more come, though it has read everything"
        peer.data(id, rest[:size], 0)
        rest = rest[size:]
        for stream in windows:
            windows[stream] -= size
        await peer.settled()
        for name, _, stream, payload in peer.frames[seen:]:
            if name == "WINDOW_UPDATE":
                windows[stream] += frames.NUMBER.unpack(payload)[0]
        seen = len(peer.frames)
    peer.data(id, b"")
    answer = await peer.answer(id)
    assert (answer.messages, answer.status) == (sent, 0)


async def test_a_message_that_is_too_large_is_refused_by_its_length(house: House):
    peer = house.peer()
    id = peer.open()
    peer.data(id, (b"\0" + (MESSAGE_BYTES_MAX + 1).to_bytes(4, "big")), 0)
    answer = await peer.answer(id)
    assert (answer.status, answer.is_over) == (8, True)
    assert answer.details == f"gRPC message exceeds maximum size {MESSAGE_BYTES_MAX}: {MESSAGE_BYTES_MAX + 1}"


async def test_what_arrives_and_leaves_is_whole_whatever_the_pieces(house: House):
    """Random windows, frame sizes and orders of two hundred calls on one connection."""
    numbers = random.Random(11)
    peer = house.peer({INITIAL_WINDOW_SIZE: 1_000})
    sent: dict[int, bytes] = {}
    for _ in range(200):
        message = numbers.randbytes(numbers.choice((0, 5, 1_000, 20_000)))
        id = peer.open()
        sent[id] = message
        rest = framed(message)
        while len(rest) > 16_384:
            peer.data(id, rest[:5_000], 0)
            rest = rest[5_000:]
        peer.data(id, rest)
        if numbers.random() < 0.3:
            peer.widen(0, numbers.randint(1, 50_000))
    open_ones = set(sent)
    while open_ones:
        await peer.settled()
        open_ones = {id for id in open_ones if not peer.answers[id].is_over}
        for id in numbers.sample(sorted(open_ones), len(open_ones) // 2 + 1) if open_ones else ():
            peer.widen(id, numbers.randint(1, 9_000))
        peer.widen(0, 100_000)
    assert {id: peer.answers[id].messages for id in sent} == {id: [message] for id, message in sent.items()}
    assert house.site.held_bytes == 0
    assert asyncio.all_tasks() == {asyncio.current_task()}
