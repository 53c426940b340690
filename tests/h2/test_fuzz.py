"""Random frames in random pieces: no exception escapes, memory stays bounded, honest callers are served.

H2_EXAMPLES=5000 looks longer than CI does.
"""

import asyncio
import os

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from osmia_broker.h2 import frames
from osmia_broker.h2.frames import END_HEADERS, END_STREAM, PREFACE, frame
from tests.h2.peer import House, Peer, framed

EXAMPLES = int(os.environ.get("H2_EXAMPLES", "100"))
PATHS = ("/t.T/Echo", "/t.T/Hold", "/t.T/Many", "/t.T/Talk", "/t.T/Refuse", "/t.T/Nothing")
MORE = [
    [],
    [("grpc-timeout", "1n")],
    [("grpc-encoding", "gzip")],
    [("x-bin", "%%%")],
    [("content-length", "7")],
    [("te", "x")],
]

ids = st.sampled_from([0, 1, 2, 3, 5, 7, 9, 2**31 - 1])
flags = st.sampled_from([0, 1, 4, 5, 8, 0x20, 0x25, 0x2D, 0xFF]) | st.integers(0, 255)
numbers = st.sampled_from([0, 1, 65_535, 2**31 - 1, 2**32 - 1]).map(lambda number: number.to_bytes(4, "big"))
wild = st.builds(frame, st.integers(0, 11), flags, ids, st.binary(max_size=40) | numbers)
tame = st.one_of(
    st.builds(frames.window_update, ids, st.integers(0, 2**31 - 1)),
    st.builds(frames.rst_stream, ids, st.integers(0, 13)),
    st.builds(
        frames.settings, st.dictionaries(st.integers(0, 7), st.sampled_from([0, 1, 100, 16_384, 2**31 - 1]), max_size=3)
    ),
    st.builds(frame, st.just(frames.PING), st.just(0), st.just(0), st.just(b"12345678")),
)
calls = st.tuples(
    st.sampled_from(PATHS), st.sampled_from(MORE), st.binary(max_size=30), st.integers(0, 3), st.booleans()
)


def sent(peer: Peer, step: object) -> bytes:
    """A step as bytes: a frame as it is, a call as the next stream of the peer."""
    if isinstance(step, bytes):
        return step
    path, more, message, mark, is_whole = step  # type: ignore[misc]
    id, peer.next_id = peer.next_id, peer.next_id + 2
    head = frame(frames.HEADERS, END_HEADERS, id, peer.head(path, more))
    return head + frame(frames.DATA, END_STREAM if is_whole else 0, id, framed(message, mark))


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(tame | calls | wild, max_size=30), st.lists(st.integers(1, 60), min_size=1, max_size=8), st.booleans())
def test_no_frames_harm_the_server(steps: list[object], pieces: list[int], has_preface: bool):
    failures: list[dict[str, object]] = []

    async def play() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
        house = House(held_bytes=100_000)
        peer, honest = Peer(house.site), house.peer()
        data = (PREFACE + frames.settings({}) if has_preface else b"") + b"".join(sent(peer, step) for step in steps)
        at = turn = 0
        while at < len(data) and not peer.transport.is_closed:
            size = pieces[turn % len(pieces)]
            peer.send(data[at : at + size])
            at, turn = at + size, turn + 1
            if turn % 16 == 0:
                await asyncio.sleep(0)
        await peer.settled()
        assert 0 <= house.site.held_bytes <= 100_000
        assert peer.goaway != frames.INTERNAL_ERROR
        assert (await honest.answer(honest.call(message=b"still"))).messages == [b"still"]
        house.served.may_go_on.set()
        peer.transport.close()
        honest.transport.close()
        await peer.settled()
        assert (house.site.held_bytes, house.site.connections) == (0, set())
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(play())
    assert not failures
