"""The Huffman code of HPACK (RFC 7541, section 5.2 and appendix B).

The code is canonical: the lengths of its words determine them. So this table holds, by length, the octets whose words have that length.
"""

from functools import cache

# The end mark takes the last word of 30 bits, all ones.
WORDS = {
    5: b"012aceiost",
    6: b" %-./3456789=A_bdfghlmnpru",
    7: b":BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz",
    8: b"&*,;XZ",
    10: b'!"()?',
    11: b"'+|",
    12: b"#>",
    13: b"\x00$@[]~",
    14: b"^}",
    15: b"<`{",
    19: b"\\\xc3\xd0",
    20: b"\x80\x82\x83\xa2\xb8\xc2\xe0\xe2",
    21: b"\x99\xa1\xa7\xac\xb0\xb1\xb3\xd1\xd8\xd9\xe3\xe5\xe6",
    22: b"\x81\x84\x85\x86\x88\x92\x9a\x9c\xa0\xa3\xa4\xa9\xaa\xad\xb2\xb5\xb9\xba\xbb\xbd\xbe\xc4\xc6\xe4\xe8\xe9",
    23: b"\x01\x87\x89\x8a\x8b\x8c\x8d\x8f\x93\x95\x96\x97\x98\x9b\x9d\x9e\xa5\xa6\xa8\xae\xaf\xb4\xb6\xb7\xbc\xbf\xc5\xe7\xef",
    24: b"\x09\x8e\x90\x91\x94\x9f\xab\xce\xd7\xe1\xec\xed",
    25: b"\xc7\xcf\xea\xeb",
    26: b"\xc0\xc1\xc8\xc9\xca\xcd\xd2\xd5\xda\xdb\xee\xf0\xf2\xf3\xff",
    27: b"\xcb\xcc\xd3\xd4\xd6\xdd\xde\xdf\xf1\xf4\xf5\xf6\xf7\xf8\xfa\xfb\xfc\xfd\xfe",
    28: b"\x02\x03\x04\x05\x06\x07\x08\x0b\x0c\x0e\x0f\x10\x11\x12\x13\x14\x15\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f\x7f\xdc\xf9",
    30: b"\x0a\x0d\x16",
}
PADDING_BITS_MAX = 7


def words() -> dict[int, tuple[int, int]]:
    """Return word and length of every octet."""
    found, word, before = {}, 0, 0
    for length, octets in WORDS.items():
        word <<= length - before
        before = length
        for octet in octets:
            found[octet] = (word, length)
            word += 1
    return found


# A state is a prefix of a word. A step reads four bits and leads to (next state, the octet that ended on the way or -1).
# Every word has more than four bits, so a step ends one at most.
Steps = list[tuple[int, int] | None]


@cache
def _machine() -> tuple[list[Steps], frozenset[int]]:
    """Return the steps of each state by the four bits that are read, and the states in which a text may end."""
    by_word = {(length, word): octet for octet, (word, length) in words().items()}
    prefixes: dict[tuple[int, int], int] = {(0, 0): 0}
    for length, word in by_word:
        for bits in range(1, length):
            prefixes.setdefault((bits, word >> (length - bits)), len(prefixes))
    machine: list[Steps] = [[_step(prefix, nibble, prefixes, by_word) for nibble in range(16)] for prefix in prefixes]
    may_end = [
        state
        for (bits, prefix), state in prefixes.items()
        if bits <= PADDING_BITS_MAX and prefix == (1 << bits) - 1  # padding is the beginning of the end mark
    ]
    return machine, frozenset(may_end)


def _step(
    prefix: tuple[int, int], nibble: int, prefixes: dict[tuple[int, int], int], by_word: dict[tuple[int, int], int]
) -> tuple[int, int] | None:
    """Return where *nibble* leads from *prefix*; None if no word begins so."""
    ended = -1
    for shift in (3, 2, 1, 0):
        prefix = (prefix[0] + 1, prefix[1] << 1 | nibble >> shift & 1)
        if prefix in by_word:
            ended, prefix = by_word[prefix], (0, 0)
        elif prefix not in prefixes:
            return None
    return prefixes[prefix], ended


def decode(coded: bytes) -> bytes:
    """Return the text that *coded* stands for.

    Raises:
        ValueError: it is no text of this code: it holds the end mark, or is padded with other bits than its first ones.
    """
    machine, may_end = _machine()
    text = bytearray()
    state = 0
    for octet in coded:
        for nibble in (octet >> 4, octet & 15):
            step = machine[state][nibble]
            if step is None:
                raise ValueError("Expected a text in Huffman code, but found its end mark")
            state, ended = step
            if ended >= 0:
                text.append(ended)
    if state not in may_end:
        raise ValueError("Expected a text in Huffman code, but found an end within a word")
    return bytes(text)
