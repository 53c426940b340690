"""Bytes of anybody: a link ends cleanly, or goes on; nothing else happens."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from osmia_broker.links.limits import Limits
from osmia_broker.links.messages import (
    Answer,
    Bye,
    Cancel,
    Credit,
    End,
    Failure,
    Hello,
    Piece,
    Ping,
    Pong,
    Proof,
    Refused,
    Request,
    frame,
)
from tests.links.wire import Pair, turns

numbers = st.integers(-2, 5) | st.integers(-(2**63), 2**64 - 1)
paths = st.sampled_from(["/t.T/Echo", "/t.T/Hold", "/t.T/Many", "/t.T/Wait", "/t.T/Refuse", "/t.T/Fail", "/", ""])
octets = st.binary(max_size=100) | st.sampled_from([b"3 10", b"20 1000"])
texts = st.lists(st.tuples(st.text(max_size=5), st.text(max_size=5)), max_size=2).map(tuple)
messages = st.one_of(
    st.builds(Request, numbers, paths, octets, st.none() | numbers, numbers, texts),
    st.builds(Answer, numbers, octets),
    st.builds(Piece, numbers, octets),
    st.builds(End, numbers),
    st.builds(Failure, numbers, st.text(max_size=20), st.text(max_size=20), texts),
    st.builds(Cancel, numbers),
    st.builds(Credit, numbers, numbers),
    st.sampled_from([Ping(), Pong(), Bye()]),
    st.builds(Refused, st.text(max_size=2_000)),
    st.builds(Hello, numbers, st.text(max_size=5), numbers, numbers, numbers, octets),
    st.builds(Proof, octets),
)
frames = (
    messages.map(frame) | st.binary(max_size=60) | st.binary(max_size=60).map(lambda b: len(b).to_bytes(4, "big") + b)
)


async def play(stream: bytes, sizes: list[int], *, is_greeted: bool) -> None:
    loop = asyncio.get_running_loop()
    defects: list[dict[str, object]] = []
    loop.set_exception_handler(lambda _, context: defects.append(context))
    it = Pair(Limits(window=2_000, held_bytes=50_000, calls=5))
    if is_greeted:
        await it.meet()
    else:
        it.b.wire.other = None
        it.b.link.connection_made(it.b.wire)  # type: ignore[arg-type]
    mine = [asyncio.ensure_future(it.b.link.call("/t.T/Hold", b"x"))] if is_greeted else []
    begin = 0
    for size in [*sizes, len(stream)]:
        if begin < len(stream) and not it.b.wire.is_closed:
            it.b.link.data_received(stream[begin : begin + size])
            begin += size
            await turns(3)
    await turns()
    it.b.service.may_go_on.set()
    await turns()
    it.b.link.cut("the test is over")
    await asyncio.gather(*mine, return_exceptions=True)
    await turns()
    link = it.b.link
    assert (link._asked, link._served, link._request_octets, link._held) == ({}, {}, 0, 0)
    assert (link._ending, it.b.service.running) == (set(), 0)
    assert it.b.owner.has_closed == [link]
    assert defects == []


@pytest.mark.parametrize("is_greeted", [True, False])
@given(st.lists(frames, max_size=12), st.lists(st.integers(1, 200), max_size=10))
@settings(max_examples=100, deadline=None)
def test_whatever_a_peer_sends_the_link_ends_cleanly(is_greeted, frames, sizes):
    asyncio.run(play(b"".join(frames), sizes, is_greeted=is_greeted))
