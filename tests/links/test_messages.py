"""Frames, as they arrive in any pieces and from anybody."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from osmia_broker.links.messages import Answer, Ping, Request, Splitter, frame, joined, parted, read
from osmia_broker.links.messages import LinkFault as Fault


@given(st.lists(st.binary(min_size=1, max_size=200), max_size=20), st.data())
@settings(max_examples=80, deadline=None)
def test_what_arrives_in_any_pieces_is_the_same(bodies, data):
    stream = b"".join(len(one).to_bytes(4, "big") + one for one in bodies)
    splitter, found, begin = Splitter(1_000), [], 0
    while begin < len(stream):
        size = data.draw(st.integers(1, len(stream) - begin))
        found += [bytes(one) for one in splitter.feed(stream[begin : begin + size])]
        begin += size
    assert found == bodies


@pytest.mark.parametrize("length", [b"\0\0\0\0", b"\0\0\x03\xe9", b"\xff\xff\xff\xff", b"GET "])
def test_a_length_that_cannot_be_is_refused_before_anything_is_kept(length):
    splitter = Splitter(1_000)
    with pytest.raises(Fault, match="Expected a message of 1 to 1000 bytes, but found one of"):
        list(splitter.feed(length))
    assert not splitter._partial


def test_a_half_frame_waits_and_is_not_copied_again_and_again():
    splitter = Splitter(10_000_000)
    framed = frame(Answer(1, bytes(5_000_000)))
    assert list(splitter.feed(framed[:1_000])) == []
    for begin in range(1_000, len(framed) - 1_000, 100_000):
        assert list(splitter.feed(framed[begin : begin + min(100_000, len(framed) - 1_000 - begin)])) == []
        assert splitter._wanted == len(framed)
    (found,) = splitter.feed(framed[-1_000:])
    assert read(found) == Answer(1, bytes(5_000_000))


@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_bytes_are_a_message_or_a_fault(data):
    try:
        found = read(data)
    except Fault:
        return
    assert read(frame(found)[4:]) == found


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x90",
        b"\x91\x63",
        frame(Answer(1, b"x"))[4:-1],
        frame(Answer(1, b"x"))[4:] + b"\0",
        b"\x93\x03\xffx",
        b"\xc1",
        b"\x91" * 5_000,
        b"\x98\x03\x00\xa9/t.T/Echo\xc4\x00\xc0\x00\x91\x92\xa5\x00\x00\x00H\x92\xa1x\x90",  # metadata that are no UTF-8
    ],
)
def test_what_is_no_message(body):
    with pytest.raises(Fault, match="Expected a message of the link, but found other bytes"):
        read(body)


def test_metadata_keep_texts_and_bytes_apart():
    texts, octets = parted((("a", "1"), ("b-bin", b"\0"), ("a", "2")))
    assert joined(Request(1, "/t", b"", None, 0, texts, octets)) == (("a", "1"), ("a", "2"), ("b-bin", b"\0"))
    assert parted(None) == ((), ())


def test_the_smallest_message_is_a_few_bytes():
    assert len(frame(Ping())) == 6
