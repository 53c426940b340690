"""Header compression: the examples of RFC 7541, the table's bounds, and blocks that cannot be read."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osmia_broker.h2 import huffman
from osmia_broker.h2.frames import COMPRESSION_ERROR, ConnectionFault
from osmia_broker.h2.hpack import MALFORMED, STATIC, Decoder, encode

ROOM = 1 << 20


def read(decoder: Decoder, block: str) -> list[tuple[str, str]]:
    fields = decoder.decode(bytes.fromhex(block), ROOM)
    assert fields is not None
    return [(name.decode(), value.decode()) for name, value, _ in fields]


REQUESTS = [
    [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "www.example.com")],
    [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "www.example.com"), ("cache-control", "no-cache")],
    [(":method", "GET"), (":scheme", "https"), (":path", "/index.html"), (":authority", "www.example.com"), ("custom-key", "custom-value")],
]  # fmt: skip


@pytest.mark.parametrize(
    "blocks",
    [
        (
            "828684410f7777772e6578616d706c652e636f6d",
            "828684be58086e6f2d6361636865",
            "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565",
        ),  # RFC 7541, C.3
        (
            "828684418cf1e3c2e5f23a6ba0ab90f4ff",
            "828684be5886a8eb10649cbf",
            "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf",
        ),  # C.4: the same with Huffman code
    ],
)
def test_the_examples_of_the_standard_are_read(blocks: tuple[str, ...]):
    decoder = Decoder()
    assert [read(decoder, block) for block in blocks] == REQUESTS


def test_the_static_table_is_that_of_the_standard():
    assert len(STATIC) == 62
    known = {
        1: b":authority",
        2: b":method",
        8: b":status",
        28: b"content-length",
        31: b"content-type",
        58: b"user-agent",
        61: b"www-authenticate",
    }
    assert {index: STATIC[index][0] for index in known} == known


def test_the_oldest_field_makes_room_in_the_table():
    decoder = Decoder()
    name = "40" + "01" + "61"
    for number in range(200):
        read(decoder, name + "04" + f"{number:04}".encode().hex())  # each takes 37 of 4096 bytes
    assert read(decoder, "be") == [("a", "0199")]
    assert read(decoder, "ff2c") == [("a", "0090")]  # the 110th newest is the last that fits
    with pytest.raises(ConnectionFault, match="a reference to nothing"):
        read(decoder, "ff2d")


def test_a_field_that_is_larger_than_the_table_empties_it():
    decoder = Decoder()
    read(decoder, "40016101" + "62")
    read(decoder, "400162" + "7f821f" + "63" * 4097)
    with pytest.raises(ConnectionFault, match="a reference to nothing"):
        read(decoder, "be")


def test_a_smaller_table_forgets_at_once():
    decoder = Decoder()
    read(decoder, "4001610162")
    assert read(decoder, "20" + "3fe11f" + "82") == [(":method", "GET")]
    with pytest.raises(ConnectionFault, match="a reference to nothing"):
        read(decoder, "be")


@pytest.mark.parametrize(
    ("block", "words"),
    [
        ("80", "index 0"),
        ("be", "a reference to nothing"),
        ("ffffffffff7f", "beyond all bounds"),
        ("ff", "a reference to nothing"),
        ("40", "a reference to nothing"),
        ("4003616", "cut off"),
        ("400361", "cut off"),
        ("407fffffffff7f61", "beyond all bounds"),
        ("40016181ff", None),  # a Huffman text of padding alone is empty, but this is eight bits of it
        ("400161820000", None),
        ("8220", "a new size of the table behind a field"),
        ("3fe21f", "which were not offered"),
    ],
)
def test_a_block_that_cannot_be_read_ends_the_connection(block: str, words: str | None):
    with pytest.raises(ConnectionFault, match=words) as fault:
        read(Decoder(), block if len(block) % 2 == 0 else block + "1")
    assert fault.value.code == COMPRESSION_ERROR


@pytest.mark.parametrize(
    ("name", "value"),
    [(b"Upper", b"x"), (b"", b"x"), (b"a b", b"x"), (b"a", b"x\0"), (b"a", b"x\ny"), (b":other", b"x")],
)  # fmt: skip
def test_a_field_that_http_does_not_allow_is_marked_and_keeps_its_place(name: bytes, value: bytes):
    decoder = Decoder()
    block = b"\x40" + bytes((len(name),)) + name + bytes((len(value),)) + value
    for sent in (block, b"\xbe"):
        assert decoder.decode(sent, ROOM) == [(MALFORMED, b"", len(name) + len(value) + 32)]


@pytest.mark.parametrize("value", [b" x", b"x\t", b" \t x y  ", b"  "])
def test_blanks_around_a_value_do_not_count_but_for_the_table(value: bytes):
    decoder = Decoder()
    block = b"\x40\x01a" + bytes((len(value),)) + value
    for sent in (block, b"\xbe"):
        assert decoder.decode(sent, ROOM) == [(b"a", value.strip(), 1 + len(value) + 32)]


def test_a_list_that_grows_too_large_is_read_to_its_end_and_forgotten():
    decoder = Decoder()
    bomb = bytes.fromhex("400161") + b"\x7f\xa1\x1e" + b"x" * 4_000 + b"\xbe" * 1_000  # 5 KB that stand for 4 MB
    assert decoder.decode(bomb + bytes.fromhex("4001630164"), 16_384) is None
    assert read(decoder, "be") == [("c", "d")]


def test_a_block_of_references_alone_is_bound_by_its_size_too():
    decoder = Decoder()
    read(decoder, "400161" + "7fd907" + "62" * 1_112)
    assert decoder.decode(b"\xbe" * 3, 3 * 1_145) == [(b"a", b"b" * 1_112, 1_145)] * 3
    assert decoder.decode(b"\xbe" * 3, 3 * 1_145 - 1) is None


@pytest.mark.parametrize(("block", "words"), [("8280", "index 0"), ("82be", "a reference to nothing")])
def test_a_bad_reference_behind_good_ones_ends_the_connection(block: str, words: str):
    with pytest.raises(ConnectionFault, match=words):
        read(Decoder(), block)


@given(st.lists(st.integers(1, 70)))
def test_references_alone_stand_for_what_they_do_among_literals(indexes: list[int]):
    """The usual block is read by a way of its own."""
    added = "".join(f"400161{1:02x}{0x61 + number:02x}" for number in range(9))
    alone, among = Decoder(), Decoder()
    for decoder in (alone, among):
        read(decoder, added)
    block = "".join(f"{0x80 + index:02x}" for index in indexes)
    assert read(alone, block) == read(among, block + "000178" + "0179")[:-1]


def test_every_octet_has_a_word_of_its_own_and_none_begins_another():
    words = huffman.words()
    assert len(words) == 256
    texts = sorted(format(word, f"0{length}b") for word, length in words.values())
    assert not any(after.startswith(before) for before, after in pairwise(texts))


def huffman_coded(text: bytes) -> bytes:
    words = huffman.words()
    bits = "".join(format(words[octet][0], f"0{words[octet][1]}b") for octet in text)
    bits += "1" * (-len(bits) % 8)
    return bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits), 8))


@given(st.binary(max_size=60))
def test_huffman_code_is_read_as_it_was_written(text: bytes):
    assert huffman.decode(huffman_coded(text)) == text


@pytest.mark.parametrize("coded", ["ff", "ffffffff", "ffffffffff", "00", "07ff"])
def test_huffman_code_with_an_end_mark_or_wrong_padding_is_refused(coded: str):
    with pytest.raises(ValueError, match="Expected a text in Huffman code"):
        huffman.decode(bytes.fromhex(coded))


@given(st.lists(st.tuples(st.from_regex(rb"[a-z][a-z0-9-]{0,40}", fullmatch=True), st.from_regex(rb"([!-~]{0,200})?", fullmatch=True)), max_size=10))  # fmt: skip
def test_what_we_write_is_read_back(fields: list[tuple[bytes, bytes]]):
    found = Decoder().decode(encode(fields), ROOM)
    assert found is not None
    assert [(name, value) for name, value, _ in found] == fields


@given(st.binary(max_size=300))
def test_random_bytes_are_read_or_refused(block: bytes):
    decoder = Decoder()
    try:
        fields = decoder.decode(block, 1_000)
    except ConnectionFault:
        return
    assert fields is None or sum(size for _, _, size in fields) <= 1_000
    added = decoder._fields[: 1 - len(STATIC)]
    assert decoder._size == sum(size for _, _, size in added) <= 4_096
