"""Two brokers meet, or do not."""

import re

import pytest

from osmia_broker.links import messages
from osmia_broker.links.greeting import Handshake, LinkRefused
from osmia_broker.links.messages import PROTOCOL, Hello, LinkFault, Ping, Proof, Refused, Splitter, frame
from tests.links.wire import SECRET, Pair, identity

OTHER = b"another secret of the same length"


def body(framed: bytes) -> bytes:
    (found,) = Splitter(10_000).feed(framed)
    return bytes(found)


def bodies(stream: bytes) -> list[bytes]:
    return [bytes(one) for one in Splitter(10_000).feed(stream)]


async def test_two_that_know_the_secret_meet_and_know_each_other():
    it = await Pair(a=identity(3, incarnation=7)).meet()
    assert (it.a.link.is_open, it.b.link.is_open) == (True, True)
    assert it.b.link.peer == identity(3, incarnation=7)
    assert it.a.link.peer == identity(2)
    assert it.a.owner.has_opened == [it.a.link]


@pytest.mark.parametrize(
    ("a", "b", "reason"),
    [
        ({"cluster": "another"}, {}, "Expected a broker of cluster .*, but found one of another"),
        ({}, {"cluster": "x" * 300}, "Expected a broker of cluster x{300}, but found one of 8d7f"),
        ({"partitions": 8}, {}, "Expected a cluster of 4 partitions, but found 8 at process 1"),
        ({}, {"partitions": 64}, "Expected a cluster of 64 partitions, but found 4 at process 1"),
        ({"process": 2}, {}, "Expected another process, but found process 2, which is this one"),
    ],
)
async def test_two_that_do_not_belong_together_part_and_both_know_why(a, b, reason):
    it = await Pair(a=identity(**{"process": 1} | a), b=identity(**{"process": 2} | b)).meet()
    assert (it.a.link.is_open, it.b.link.is_open) == (False, False)
    for side in (it.a, it.b):
        assert re.search(reason, side.link.reason), side.link.reason
        assert side.owner.has_opened == []
    assert "the other side refuses" in it.a.link.reason


@pytest.mark.parametrize("secrets", [(OTHER, SECRET), (SECRET, OTHER), (None, SECRET), (SECRET, None)])
async def test_a_wrong_secret_or_none_is_refused_and_nobody_learns_more(secrets):
    it = await Pair(a=identity(1, partitions=8), secrets=secrets).meet()
    assert (it.a.link.is_open, it.b.link.is_open) == (False, False)
    assert "Expected a proof that the other side knows the secret" in it.b.link.reason
    assert "partitions" not in it.a.link.reason  # a stranger is not told what else is wrong


async def test_a_link_without_a_secret_opens_when_neither_side_has_one():
    it = await Pair(secrets=(None, None)).meet()
    assert it.a.link.is_open
    assert it.b.link.is_open


def hello(process: int = 1, protocol: int = PROTOCOL, nonce: bytes = bytes(32)) -> bytes:
    me = identity(process)
    return body(frame(Hello(protocol, me.cluster, process, 1, me.partitions, nonce)))


def listener() -> Handshake:
    return Handshake(identity(2), SECRET, is_dialler=False)


def dialler(**more) -> Handshake:
    return Handshake(identity(1), SECRET, is_dialler=True, **more)


@pytest.mark.parametrize("protocol", [PROTOCOL - 1, PROTOCOL + 1])
def test_a_broker_of_another_protocol_version_is_refused_before_anything_else(protocol):
    with pytest.raises(LinkRefused, match=f"Expected version {PROTOCOL} of the link protocol, but found {protocol}"):
        listener().take(hello(protocol=protocol))


def test_a_later_version_may_add_fields():
    longer = messages._encoder.encode([0, PROTOCOL, "c", 1, 1, 4, bytes(32), "new"])
    assert listener().take(longer)


def test_the_process_that_was_dialled_must_answer():
    mine, other = dialler(expected=3), listener()
    proof = mine.take(body(other.take(body(mine.begin()))))
    with pytest.raises(LinkRefused, match="Expected process 3, but found process 2"):
        mine.take(body(other.take(body(proof))))


def test_what_was_said_on_another_link_is_worth_nothing():
    mine, other = dialler(), listener()
    first = mine.begin()
    recorded = mine.take(body(other.take(body(first))))
    again = listener()
    again.take(body(first))
    with pytest.raises(LinkRefused, match="Expected a proof"):
        again.take(body(recorded))


def test_a_proof_that_comes_back_to_its_speaker_is_worth_nothing():
    mine, other = dialler(), listener()
    proof = mine.take(body(other.take(body(mine.begin()))))
    with pytest.raises(LinkRefused, match="Expected a proof"):
        mine.take(body(proof))


def test_claims_that_were_changed_on_the_way_spoil_the_proof():
    mine, other = dialler(), listener()
    forged = hello(process=9, nonce=messages.read_greeting(body(mine.begin())).nonce)
    proof = mine.take(body(other.take(forged)))
    with pytest.raises(LinkRefused, match="Expected a proof"):
        other.take(body(proof))


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ([b"GET / HTTP/1.1"], "Expected a greeting of a broker, but found other bytes"),
        ([body(frame(Ping()))], "Expected a greeting of a broker"),
        ([body(frame(Proof(b"")))], "Expected Hello, but found Proof"),
        ([hello(), hello()], "Expected Proof, but found Hello"),
        ([hello(nonce=b"short")], "Expected a nonce of 32 bytes, but found 5"),
        ([body(frame(Refused("go away")))], "the other side refuses: go away"),
    ],
)
def test_what_a_stranger_may_not_say(said, fault):
    it = listener()
    for one in said[:-1]:
        it.take(one)
    with pytest.raises(LinkFault, match=fault):
        it.take(said[-1])
    assert not it.is_over


def test_a_listener_proves_nothing_to_a_stranger():
    said = bodies(listener().take(hello()))
    assert [type(messages.read_greeting(one)) for one in said] == [Hello]
