"""Peers that mean harm: each attack ends, takes bounded memory, and leaves honest callers undisturbed."""

import sys
from collections.abc import Callable

import pytest

from osmia_broker.h2 import frames
from osmia_broker.h2.frames import ACK, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, PROTOCOL_ERROR, frame
from osmia_broker.h2.hpack import encode
from tests.h2.peer import House, Peer, framed

FLOOD = 5_000


def rapid_reset(peer: Peer) -> None:
    """CVE-2023-44487."""
    id = peer.open("/t.T/Hold", flags=0)
    peer.data(id, framed(b""), 0)
    peer.send(frames.rst_stream(id, frames.CANCEL))


def faults_of_streams(peer: Peer) -> None:
    """The server resets each stream: the same attack from the other side."""
    id, peer.next_id = peer.next_id, peer.next_id + 2
    peer.send(frame(frames.HEADERS, END_HEADERS | END_STREAM, id, encode([(b":method", b"POST")])))


def refused_streams(peer: Peer) -> None:
    """More than may be open, again and again."""
    peer.open("/t.T/Hold")


def window_updates_that_overflow(peer: Peer) -> None:
    peer.widen(peer.call("/t.T/Hold"), 2**31 - 1)


def data_for_closed_streams(peer: Peer) -> None:
    id = peer.next_id - 2 if peer.next_id > 1 else peer.call("/t.T/Nothing")
    peer.data(id, b"x")


def header_bombs(peer: Peer) -> None:
    """A few bytes that unpack to a megabyte."""
    id, peer.next_id = peer.next_id, peer.next_id + 2
    peer.send(frame(frames.HEADERS, END_HEADERS | END_STREAM, id, b"\x86" * 16_000))


ATTACKS: dict[str, Callable[[Peer], None]] = {
    "pings": lambda peer: peer.send(frame(frames.PING, 0, 0, b"12345678")),
    "answers to pings that nobody sent": lambda peer: peer.send(frame(frames.PING, ACK, 0, b"12345678")),
    "settings": lambda peer: peer.send(frames.settings({frames.INITIAL_WINDOW_SIZE: 5})),
    "acknowledged settings": lambda peer: peer.send(frame(frames.SETTINGS, ACK, 0)),
    "priorities": lambda peer: peer.send(frame(frames.PRIORITY, 0, 1, b"\0\0\0\3\0")),
    "unknown frames": lambda peer: peer.send(frame(99, 0, 0, b"")),
    "window updates": lambda peer: peer.send(frames.window_update(0, 1)),
    "rapid reset": rapid_reset,
    "faults of streams": faults_of_streams,
    "refused streams": refused_streams,
    "window updates that overflow": window_updates_that_overflow,
    "header bombs": header_bombs,
    "data for closed streams": data_for_closed_streams,
}


@pytest.mark.parametrize("attack", ATTACKS)
async def test_a_flood_ends_its_connection_and_nobody_elses(attack: str):
    house = House()
    attacker, honest = house.peer(), house.peer()
    for sent in range(FLOOD):
        ATTACKS[attack](attacker)
        if sent % 500 == 0:
            await attacker.settled()
            assert (await honest.answer(honest.call(message=b"still"))).messages == [b"still"]
        if attacker.transport.is_closed:
            break
    await attacker.settled()
    assert attacker.goaway == ENHANCE_YOUR_CALM
    assert sent < 2_500
    assert house.served.running == 0
    assert (await honest.answer(honest.call(message=b"still"))).messages == [b"still"]


async def test_empty_data_ends_the_connection():
    peer = House().peer()
    id = peer.open("/t.T/Talk")
    for _ in range(FLOOD):
        peer.data(id, b"", 0)
    await peer.settled()
    assert peer.goaway == ENHANCE_YOUR_CALM


@pytest.mark.parametrize(("piece", "enough"), [(b"", 1_100), (b"\0\1a\1b" * 100, 80)])
async def test_headers_that_never_end_end_the_connection(piece: bytes, enough: int):
    """The CONTINUATION flood, with and without content."""
    peer = House().peer()
    peer.send(frame(frames.HEADERS, 0, 1, b"\x82"))
    for _ in range(enough):
        peer.send(frame(frames.CONTINUATION, 0, 1, piece))
    await peer.settled()
    assert peer.goaway == ENHANCE_YOUR_CALM
    assert len(peer.connection._block) < 64 * 1024


async def test_trailers_without_end_end_their_stream():
    peer = House().peer()
    id = peer.open("/t.T/Talk")
    peer.send(frame(frames.HEADERS, END_HEADERS, id, encode([(b"x-again", b"1")])))
    assert (await peer.answer(id)).reset == PROTOCOL_ERROR


async def test_a_header_bomb_is_refused_and_its_connection_lives():
    """5 KB that would unpack to 4 MB."""
    peer = House().peer()
    bomb = peer.head() + b"\x40\x01a\x7f\xa1\x1e" + b"x" * 4_000 + b"\xbe" * 1_000
    peer.send(frame(frames.HEADERS, END_HEADERS, 1, bomb))
    peer.next_id = 3
    answer = await peer.answer(1)
    assert (answer.status, answer.is_over) == (8, True)
    assert (await peer.answer(peer.call(message=b"on"))).messages == [b"on"]


async def test_a_flood_is_forgiven_in_time():
    house = House(odd_frames=100, odd_frames_per_s=10)
    peer = house.peer()
    for _ in range(50):
        for _ in range(10):
            peer.send(frame(frames.PING, 0, 0, b"12345678"))
        house.clock.s += 1
    assert (await peer.settled()).goaway is None


async def test_a_client_may_ping_once_an_answer_and_widen_two_windows():
    """As grpc-go does, to measure its line."""
    peer = House(odd_frames=20, odd_frames_per_s=0).peer()
    for _ in range(500):
        id = peer.call(message=b"x")
        await peer.settled()
        peer.send(frame(frames.PING, 0, 0, b"12345678"))
        peer.widen(0, 6)
        peer.widen(id, 6)
    assert (await peer.settled()).goaway is None
    assert len(peer.answers) == 501


async def test_a_client_may_open_all_its_streams_before_it_reads():
    """As grpcio does: it widens the window of each stream that it opens."""
    peer = House(odd_frames=20, odd_frames_per_s=0).peer()
    ids = []
    for _ in range(1_000):
        ids.append(peer.open())
        peer.widen(ids[-1], 5)
        peer.data(ids[-1], framed(b"x"))
    await peer.settled()
    assert [peer.answers[id].status for id in ids] == [0] * 1_000


async def polls_of_many(peer: Peer, house: House, *, age_s: float) -> None:
    """Open as many calls as a proxy may, wait, and cancel them all."""
    held = [peer.open("/t.T/Hold") for _ in range(1_000)]
    for id in held:
        peer.data(id, framed(b""))
    await peer.settled()
    house.clock.s += age_s
    for id in held:
        peer.send(frames.rst_stream(id, frames.CANCEL))


async def test_calls_that_have_lasted_may_all_be_cancelled_at_once():
    """Behind a proxy, the polls of many clients share a connection."""
    house = House(odd_frames=20, odd_frames_per_s=0)
    peer = house.peer()
    for _ in range(3):
        await polls_of_many(peer, house, age_s=1)
    assert (await peer.settled()).goaway is None
    assert house.served.cancelled == 3_000
    assert (await peer.answer(peer.call(message=b"on"))).messages == [b"on"]


async def test_calls_that_are_cancelled_sooner_are_a_flood():
    house = House(odd_frames=20, odd_frames_per_s=0)
    peer = house.peer()
    await polls_of_many(peer, house, age_s=0.99)
    assert (await peer.settled()).goaway == ENHANCE_YOUR_CALM


async def test_a_call_that_has_lasted_may_be_cancelled_once():
    house = House(odd_frames=20, odd_frames_per_s=0)
    peer = house.peer()
    id = peer.call("/t.T/Hold")
    await peer.settled()
    house.clock.s += 10
    for _ in range(30):
        peer.send(frames.rst_stream(id, frames.CANCEL))
    assert (await peer.settled()).goaway == ENHANCE_YOUR_CALM


@pytest.mark.parametrize(
    ("answers", "cancelled", "goaway"),
    [(10, 30, None), (10, 31, ENHANCE_YOUR_CALM), (500, 80, None), (500, 82, ENHANCE_YOUR_CALM)],
)
async def test_answers_save_up_for_calls_that_are_cancelled_soon_but_not_without_end(
    answers: int, cancelled: int, goaway: int | None
):
    peer = House(odd_frames=20, odd_frames_per_s=0).peer()  # 10 of them for its greeting
    for _ in range(answers):
        peer.call("/t.T/Refuse")
    await peer.settled()
    for _ in range(cancelled):
        rapid_reset(peer)
    assert (await peer.settled()).goaway == goaway


def upload_behind_an_answer(peer: Peer, octets: int, frame_octets: int) -> None:
    """Go on with a request that has its answer, as h2load and curl do until the window ends."""
    id = peer.next_id - 2
    for _ in range(octets // frame_octets):
        peer.data(id, bytes(frame_octets), 0)


@pytest.mark.parametrize(
    ("octets", "frame_octets", "goaway"),
    [
        (256 * 1024, 16 * 1024, None),  # a whole window
        (256 * 1024, 1024, None),
        (64 * 1024, 512, ENHANCE_YOUR_CALM),
        (320 * 1024, 16 * 1024, ENHANCE_YOUR_CALM),
    ],
)
async def test_content_on_its_way_behind_an_early_answer_is_no_flood_within_its_window(
    octets: int, frame_octets: int, goaway: int | None
):
    house = House(odd_frames=50, odd_frames_per_s=0)
    peer = house.peer()
    for _ in range(30):
        peer.open("/t.T/Nothing")
        upload_behind_an_answer(peer, octets, frame_octets)
    assert (await peer.settled()).goaway == goaway
    assert house.site.held_bytes == 0


# --- silence


async def test_a_connection_that_says_nothing_is_closed():
    house = House()
    silent, half = Peer(house.site), Peer(house.site)
    half.send(frames.PREFACE[:10])
    greeted = house.peer()
    house.clock.s += 21
    house.site.sweep()
    await silent.settled()
    assert (silent.transport.is_closed, half.transport.is_closed, greeted.transport.is_closed) == (True, True, False)


async def test_headers_that_are_not_finished_are_not_waited_for():
    house = House()
    peer = house.peer()
    house.site.sweep()
    house.clock.s += 15
    peer.send(frame(frames.HEADERS, 0, 1, b"\x82"))
    house.site.sweep()
    house.clock.s += 19
    house.site.sweep()
    assert not peer.transport.is_closed
    house.clock.s += 2
    house.site.sweep()
    assert peer.transport.is_closed


async def test_a_silent_client_is_pinged_and_stays_while_it_answers():
    house = House()
    peer = house.peer()
    for _ in range(5):
        house.site.sweep()
        house.clock.s += 61
        house.site.sweep()
        await peer.settled()
        peer.send(frame(frames.PING, ACK, 0, b"are you?"))
    assert peer.count("PING") == 5
    assert not peer.transport.is_closed


async def test_a_client_that_vanished_is_found_and_its_calls_are_cancelled():
    house = House()
    peer = house.peer()
    peer.call("/t.T/Hold")
    await peer.settled()
    for seconds in (1, 61, 21):
        house.clock.s += seconds
        house.site.sweep()
    await peer.settled()
    assert peer.transport.is_closed
    assert house.served.cancelled == 1


async def test_more_connections_than_are_allowed_are_closed_at_once():
    house = House(connections=3)
    peers = [house.peer() for _ in range(5)]
    await peers[0].settled()
    assert [peer.transport.is_closed for peer in peers] == [False, False, False, True, True]
    peers[0].transport.close()
    await peers[0].settled()
    assert not house.peer().transport.is_closed


async def test_connections_that_have_said_nothing_make_room_for_others():
    house = House(connections=4)
    first = house.peer()
    silent = [Peer(house.site) for _ in range(3)]
    newcomers = [house.peer() for _ in range(2)]  # in one turn of the loop
    await first.settled()
    assert [peer.transport.is_closed for peer in silent] == [True, True, False]
    for peer in (first, *newcomers):
        assert (await peer.answer(peer.call(message=b"on"))).messages == [b"on"]
    assert len(house.site.connections) == 4


async def test_ten_thousand_connections_that_say_nothing_keep_nobody_out_and_are_closed():
    house = House()
    first = house.peer()
    silent = [Peer(house.site) for _ in range(10_000)]  # with the first, one more than the bound
    assert (await first.answer(first.call(message=b"before"))).messages == [b"before"]
    newcomer = house.peer()
    assert (await newcomer.answer(newcomer.call(message=b"beside"))).messages == [b"beside"]
    assert [peer.transport.is_closed for peer in silent[:4]] == [True, True, False, False], "the oldest made room"
    house.clock.s += house.site.limits.hello_s + 1
    house.site.sweep()
    await first.settled()
    assert len(house.site.connections) == 2
    assert all(peer.transport.is_closed for peer in silent)
    for peer in (first, newcomer):
        assert (await peer.answer(peer.call(message=b"after"))).messages == [b"after"]


async def test_an_idle_connection_takes_little_memory():
    house = House()
    peers = [house.peer() for _ in range(50)]
    await peers[0].settled()
    for peer in peers:
        connection = peer.connection
        parts = [
            connection,
            connection.__dict__,
            connection._decoder,
            connection.outbox,
            connection.streams,
            connection._budget,
        ]
        assert sum(map(sys.getsizeof, parts)) < 3_000
        assert [connection._rest, connection._block, connection.streams, connection._left] == [b"", b"", {}, {}]
