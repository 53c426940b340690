"""Calls on one link: both ways, many at a time, slow, cancelled, broken off."""

import asyncio
from contextlib import aclosing

import pytest

from osmia_broker.links.limits import Limits
from osmia_broker.links.messages import Answer, Cancel, Credit, End, Failure, Piece, Ping, Request, frame
from osmia_broker.rpc import Refusal
from tests.links.wire import Pair, read_all, refused, turns
from tests.patience import ANSWER_S

KB = 1024


@pytest.fixture
async def it() -> Pair:
    return await Pair().meet()


async def test_both_sides_ask_at_the_same_time(it: Pair):
    calls = [side.link.call("/t.T/Echo", b"%d" % number) for number in range(50) for side in (it.a, it.b)]
    answers = await asyncio.gather(*calls)
    assert answers == [b"%d" % number for number in range(50) for _ in range(2)]
    assert it.a.wire.writes <= 5  # what one turn of the loop sends leaves in one write
    assert (it.a.link._asked, it.b.link._served) == ({}, {})


async def test_a_refusal_keeps_status_details_and_trailers(it: Pair):
    with pytest.raises(Refusal, match="Grüße") as refusal:
        await it.a.link.call("/t.T/Refuse", "Grüße".encode())
    assert refusal.value.status == "FAILED_PRECONDITION"
    assert refusal.value.trailers == (("reason", "held"), ("detail-bin", b"\0\xff"))


async def test_details_that_are_no_unicode_and_endless_ones_still_arrive(it: Pair):
    async def bad(message: bytes, call: object) -> bytes:
        raise Refusal("ABORTED", "\ud800" + "x" * 100_000)

    rpc = it.b.link._rpcs["/t.T/Refuse"]
    it.b.link._rpcs["/t.T/Refuse"] = type(rpc)(rpc.path, rpc.shape, bad)  # type: ignore[index]
    status, details = await refused(it.a.link.call("/t.T/Refuse", b""))
    assert (status, details[:2], len(details)) == ("ABORTED", "?x", 4_096)


async def test_a_defect_over_there_is_an_answer_here(it: Pair):
    status, details = await refused(it.a.link.call("/t.T/Fail", b""))
    assert (status, details) == ("UNKNOWN", "Expected the call to succeed, but found a defect: ZeroDivisionError")


@pytest.mark.parametrize("path", ["/t.T/None", "", "/t.T/Many", "/t.T/Echo/"])
async def test_a_call_that_is_not_there_or_of_another_shape(it: Pair, path):
    assert (await refused(it.a.link.call(path, b"")))[0] == "UNIMPLEMENTED"
    assert it.a.link.is_open


async def test_a_stream_is_not_asked_as_a_single_call(it: Pair):
    with pytest.raises(Refusal, match="Expected a call that this process has"):
        await read_all(it.a.link.stream("/t.T/Echo", b""))


async def test_metadata_and_what_is_left_of_the_deadline_arrive(it: Pair):
    found = await it.a.link.call("/t.T/About", b"", (("authorization", "Bearer ü"), ("x-bin", b"\0\xff")), 3600)
    assert found.startswith(b"((('authorization', 'Bearer \xc3\xbc'), ('x-bin', b'\\x00\\xff')), 3")
    assert await it.a.link.call("/t.T/About", b"") == b"((), None)"


async def test_a_deadline_that_has_passed_cancels_over_there(it: Pair):
    status, _ = await refused(it.a.link.call("/t.T/Hold", b"", None, 0.0))
    assert status == "DEADLINE_EXCEEDED"
    await turns()
    assert (it.b.service.running, it.b.link._served, it.b.link._request_octets) == (0, {}, 0)
    assert it.b.service.cancelled == len(it.b.service.asked)


@pytest.mark.parametrize("timeout_ms", [-1, 0, 2**63])
async def test_any_deadline_is_borne(it: Pair, timeout_ms):
    it.a.link._last_asked = 1
    it.a.link.put(Request(1, "/t.T/Echo", b"x", timeout_ms))
    await turns()
    assert it.b.link.is_open


async def test_a_caller_that_leaves_cancels_over_there(it: Pair):
    call = asyncio.ensure_future(it.a.link.call("/t.T/Hold", b"x"))
    await turns()
    assert it.b.service.running == 1
    call.cancel()
    await turns()
    assert (it.b.service.running, it.b.service.cancelled) == (0, 1)
    assert it.b.link._served == {}
    assert await it.a.link.call("/t.T/Echo", b"later") == b"later"


async def test_an_answer_that_crosses_the_cancellation_is_passed_over(it: Pair):
    call = asyncio.ensure_future(it.a.link.call("/t.T/Hold", b"x"))
    await turns()
    it.a.wire.is_stuck = True  # the cancellation does not arrive yet
    call.cancel()
    it.b.service.may_go_on.set()
    await turns()
    it.a.wire.go_on()
    await turns()
    assert it.a.link.is_open
    assert it.b.link.is_open
    assert it.b.service.cancelled == 0


async def test_a_stream_arrives_whole_and_in_order(it: Pair):
    found = await read_all(it.a.link.stream("/t.T/Many", b"500 1000"))
    assert [int(one.partition(b":")[0]) for one in found] == list(range(500))
    assert it.a.link._held == 0
    assert it.b.service.running == 0


async def test_a_stream_that_is_refused_in_the_middle_gives_what_came_before(it: Pair):
    parts = it.a.link.stream("/t.T/Some", b"first")
    assert await anext(parts) == b"first"
    with pytest.raises(Refusal, match="enough") as refusal:
        await anext(parts)
    assert refusal.value.status == "ABORTED"


async def test_a_stream_that_is_closed_here_ends_there(it: Pair):
    async with aclosing(it.a.link.stream("/t.T/Wait", b"x")) as parts:
        assert await anext(parts) == b"x"
        assert it.b.service.running == 1
    await turns()
    assert it.b.service.running == 0
    assert it.a.link._asked == {}
    assert it.a.link._held == 0


async def test_a_reader_that_is_slow_stops_its_own_stream_only(it: Pair):
    slow = it.a.link.stream("/t.T/Many", b"1000 1000")
    await anext(slow)
    await turns(300)
    sent, window = it.b.service.sent, it.a.link.limits.window
    assert sent <= window // 1000 + 1
    assert it.a.link._held <= window + 2 * KB
    assert len(await read_all(it.a.link.stream("/t.T/Many", b"300 1000"))) == 300
    assert await it.a.link.call("/t.T/Echo", b"x") == b"x"
    assert it.b.service.sent == sent + 300  # the slow one has not moved
    assert len(await read_all(slow)) == 999
    assert it.a.link._held == 0


async def test_empty_messages_of_a_stream_count_too(it: Pair):
    slow = it.a.link.stream("/t.T/Many", b"100000 0")
    await anext(slow)
    await turns(300)
    assert it.b.service.sent <= it.a.link.limits.window // 64 + 1
    await slow.aclose()


async def test_a_message_may_be_larger_than_the_window(it: Pair):
    found = await read_all(it.a.link.stream("/t.T/Many", b"5 1000000"))
    assert [len(one) for one in found] == [1_000_002] * 5


async def test_many_slow_readers_take_no_more_than_the_link_may_hold():
    it = await Pair(Limits(held_bytes=200 * KB)).meet()
    streams = [it.a.link.stream("/t.T/Many", b"1000 1000") for _ in range(8)]
    for one in streams:
        await anext(one)
    await turns(300)
    assert it.a.link._held <= 200 * KB
    outcomes = [await refused_or_read(one) for one in streams]
    assert "RESOURCE_EXHAUSTED" in outcomes
    assert 999 in outcomes
    await turns()
    assert (it.a.link._held, it.b.service.running) == (0, 0)


async def refused_or_read(parts) -> int | str:
    try:
        return len(await read_all(parts))
    except Refusal as refusal:
        return refusal.status


# --- bounds


async def test_more_calls_than_a_link_may_have_are_refused_at_once():
    it = await Pair(Limits(calls=3)).meet()
    held = [asyncio.ensure_future(it.a.link.call("/t.T/Hold", b"x")) for _ in range(3)]
    await turns()
    assert (await refused(it.a.link.call("/t.T/Echo", b"y")))[0] == "RESOURCE_EXHAUSTED"
    it.b.service.may_go_on.set()
    assert await asyncio.gather(*held) == [b"x"] * 3
    assert await it.a.link.call("/t.T/Echo", b"y") == b"y"


async def test_an_asker_that_knows_no_bound_is_refused_over_there():
    it = await Pair(Limits(calls=3, held_bytes=100)).meet()
    for number in range(1, 6):
        it.a.link.put(Request(number, "/t.T/Hold", b"x"))
    it.a.link._last_asked = 10
    await turns()
    assert it.b.service.running == 3
    it.b.service.may_go_on.set()
    await turns()
    it.b.service.may_go_on.clear()
    it.a.link.put(Request(6, "/t.T/Hold", bytes(60)))
    it.a.link.put(Request(7, "/t.T/Hold", bytes(60)))
    await turns()
    assert it.b.service.running == 1


async def test_calls_to_a_side_that_does_not_read_are_refused(it: Pair):
    it.a.wire.is_stuck = True
    calls = [asyncio.ensure_future(it.a.link.call("/t.T/Echo", bytes(512 * KB))) for _ in range(20)]
    await turns()
    assert sum(one.done() for one in calls) == 12, "those beyond 4 MiB"
    status, details = await refused(it.a.link.call("/t.T/Echo", b"x"))
    assert status == "RESOURCE_EXHAUSTED"
    assert "Expected process 2 to read its calls" in details
    it.a.wire.go_on()
    assert len(await asyncio.gather(*calls, return_exceptions=True)) == 20
    assert await it.a.link.call("/t.T/Echo", b"x") == b"x"


async def test_a_request_that_does_not_fit_is_refused_here():
    it = await Pair(Limits(message_bytes=10 * KB)).meet()
    assert (await refused(it.a.link.call("/t.T/Echo", bytes(10 * KB))))[0] == "RESOURCE_EXHAUSTED"
    assert it.a.link._asked == {}
    assert len(await it.a.link.call("/t.T/Echo", bytes(4 * KB))) == 4 * KB


async def test_an_answer_that_does_not_fit_is_refused_there():
    it = await Pair(Limits(message_bytes=10 * KB)).meet()
    assert (await refused(it.a.link.call("/t.T/Large", b"20000")))[0] == "RESOURCE_EXHAUSTED"
    with pytest.raises(Refusal, match="Expected an answer that fits a link"):
        await read_all(it.a.link.stream("/t.T/Many", b"1 20000"))
    assert it.a.link.is_open


async def test_answers_that_nobody_reads_are_refused_and_at_last_the_link_is_cut():
    it = await Pair(Limits(held_bytes=100 * KB)).meet()
    it.b.wire.is_stuck = True
    for number in range(1, 200):
        it.a.link.put(Request(number, "/t.T/Large", b"5000"))
        it.a.link._last_asked = number
        await turns(5)
    assert len(it.b.wire.buffer) <= 130 * KB  # answers up to the bound, then refusals
    for number in range(200, 5_000):
        it.a.link.put(Request(number, "/t.T/Large", b"5000"))
        it.a.link._last_asked = number
        if number % 50 == 0:
            await turns(5)
    assert it.b.has_ended
    assert "Expected the other side to read" in it.b.link.reason


async def test_a_stream_waits_for_a_wire_that_is_full():
    it = await Pair(Limits(window=64 * 1024 * KB)).meet()
    it.b.wire.is_stuck = True
    reading = asyncio.ensure_future(read_all(it.a.link.stream("/t.T/Many", b"100 20000")))
    await turns(300)
    assert len(it.b.wire.buffer) < 256 * KB + 40 * KB
    it.b.wire.go_on()
    assert len(await reading) == 100


# --- faults of the other side


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (Answer(99, b""), "Expected an answer of a call that was asked, but found one of call 99"),
        (End(0), "Expected an answer of a call that was asked"),
        (Piece(-5, b""), "Expected an answer of a call that was asked"),
        (Request(0, "/t.T/Echo", b""), "Expected a call after 0, but found call 0"),
        (Request(-1, "/t.T/Echo", b""), "Expected a call after 0, but found call -1"),
    ],
)
async def test_a_side_that_breaks_the_rules_is_cut_off_and_hears_why(it: Pair, said, reason):
    it.b.link.put(said)
    await turns()
    assert it.a.has_ended
    assert reason in it.a.link.reason
    assert reason in it.b.link.reason
    assert it.a.owner.has_closed == [it.a.link]


async def test_a_call_is_never_taken_twice(it: Pair):
    assert await it.a.link.call("/t.T/Echo", b"once") == b"once"
    it.a.link.put(Request(1, "/t.T/Echo", b"once"))
    await turns()
    assert it.b.service.asked == [b"once"]
    assert "Expected a call after 1, but found call 1" in it.b.link.reason


@pytest.mark.parametrize(
    ("ask", "reply"),
    [
        ("call", Piece(1, b"")),
        ("call", End(1)),
        ("stream", Answer(1, b"")),
    ],
)
async def test_a_reply_of_the_wrong_kind_ends_the_link(it: Pair, ask, reply):
    if ask == "call":
        asked = asyncio.ensure_future(it.a.link.call("/t.T/Hold", b""))
    else:
        asked = asyncio.ensure_future(read_all(it.a.link.stream("/t.T/Wait", b"")))
    await turns()
    it.b.link.put(reply)
    await turns()
    assert it.a.has_ended
    assert (await refused(asked))[0] == "UNAVAILABLE"


async def test_a_side_that_sends_more_than_was_granted_is_cut_off():
    it = await Pair(Limits(window=1 * KB)).meet()
    stream = it.a.link.stream("/t.T/Wait", b"x")
    await anext(stream)
    for _ in range(3):
        it.b.link.put(Piece(1, bytes(KB)))
    await turns()
    assert "Expected no more of call 1 than was granted" in it.a.link.reason
    await stream.aclose()


@pytest.mark.parametrize("octets", [0, -1, 2**40, 2**63])
async def test_credit_that_nobody_grants_ends_the_link(it: Pair, octets):
    stream = it.a.link.stream("/t.T/Wait", b"x")
    await anext(stream)
    it.a.link.put(Credit(1, octets))
    await turns()
    assert it.b.has_ended
    assert "of credit for call 1" in it.b.link.reason
    await stream.aclose()


async def test_words_about_calls_that_are_over_are_passed_over(it: Pair):
    for message in (Cancel(7), Credit(7, 100), Credit(7, -100), Cancel(-1)):
        it.a.link.put(message)
    assert await it.a.link.call("/t.T/Echo", b"x") == b"x"
    it.b.link.put(Answer(1, b"again"))
    await turns()
    assert it.a.link.is_open


async def test_a_status_that_grpc_does_not_know_is_unknown(it: Pair):
    for status in ("OK", "", "NO_SUCH", "\0"):
        asked = asyncio.ensure_future(it.a.link.call("/t.T/Hold", b""))
        await turns()
        it.b.link.put(Failure(it.a.link._last_asked, status, "words"))
        assert await refused(asked) == ("UNKNOWN", "words")


# --- the end


async def test_a_link_that_breaks_leaves_its_calls_unavailable_and_sends_none_again(it: Pair):
    calls = [asyncio.ensure_future(it.a.link.call("/t.T/Hold", b"%d" % number)) for number in range(3)]
    stream = asyncio.ensure_future(read_all(it.a.link.stream("/t.T/Wait", b"x")))
    await turns()
    it.a.wire.abort()
    for one in (*calls, stream):
        status, details = await refused(one)
        assert status == "UNAVAILABLE"
        assert "whether the call took effect is unknown" in details
    await turns()
    assert it.b.service.asked == [b"0", b"1", b"2"]
    assert (it.b.service.running, it.b.service.cancelled) == (0, 4)
    assert (await refused(it.a.link.call("/t.T/Echo", b"")))[0] == "UNAVAILABLE"
    assert it.b.service.asked == [b"0", b"1", b"2"]


async def test_a_request_that_was_not_yet_written_when_the_link_broke_is_not_sent(it: Pair):
    it.a.wire.is_stuck = True
    call = asyncio.ensure_future(it.a.link.call("/t.T/Echo", b"x"))
    await turns()
    it.a.wire.abort()
    assert (await refused(call))[0] == "UNAVAILABLE"
    assert it.b.service.asked == []


async def test_a_link_that_is_left_answers_what_is_under_way_and_then_ends(it: Pair):
    first = asyncio.ensure_future(it.a.link.call("/t.T/Hold", b"mine"))
    other = asyncio.ensure_future(it.b.link.call("/t.T/Hold", b"yours"))
    await turns()
    it.b.link.leave()
    crossing = asyncio.ensure_future(it.a.link.call("/t.T/Echo", b"crossing"))  # the goodbye has not arrived yet
    await turns()
    assert await crossing == b"crossing"
    assert (await refused(it.a.link.call("/t.T/Echo", b"")))[0] == "UNAVAILABLE"
    assert not it.a.has_ended
    it.a.service.may_go_on.set()
    await turns()
    assert await other == b"yours"
    assert not it.a.has_ended
    it.b.service.may_go_on.set()
    assert await first == b"mine"
    await turns()
    assert (it.a.has_ended, it.b.has_ended) == (True, True)
    assert "good order" in it.a.link.reason + it.b.link.reason


async def test_a_link_without_calls_ends_as_soon_as_it_is_left(it: Pair):
    it.a.link.leave()
    it.b.link.leave()
    await turns()
    assert (it.a.has_ended, it.b.has_ended) == (True, True)
    async with asyncio.timeout(ANSWER_S):
        await it.a.link.closed()


# --- is anybody there?


async def test_a_silent_side_is_pinged_and_one_that_answers_stays(it: Pair):
    for _ in range(5):
        it.clock.s += 2.5
        it.a.link.look()
        await turns()
    assert it.a.link.is_open
    assert it.a.wire.written.count(frame(Ping())) == 5


async def test_a_side_that_does_not_answer_is_given_up(it: Pair):
    call = asyncio.ensure_future(it.a.link.call("/t.T/Hold", b"x"))
    await turns()
    it.b.wire.is_stuck = True  # a machine that has vanished: nothing comes, not even an end
    it.clock.s += 2.5
    it.a.link.look()
    await turns()
    it.clock.s += 2.9
    it.a.link.look()
    assert it.a.link.is_open
    it.clock.s += 0.2
    it.a.link.look()
    assert it.a.has_ended
    assert (await refused(call))[0] == "UNAVAILABLE"
    assert "Expected a sign of life within 3 s" in it.a.link.reason


async def test_a_side_that_was_stopped_itself_asks_before_it_gives_up(it: Pair):
    it.clock.s += 3_600
    it.a.link.look()
    await turns()
    it.a.link.look()
    assert it.a.link.is_open


async def test_a_stranger_that_says_nothing_is_cut_off():
    it = Pair()
    it.b.link.connection_made(it.b.wire)  # type: ignore[arg-type]
    it.clock.s += 4.9
    it.b.link.look()
    assert not it.b.has_ended
    it.clock.s += 0.2
    it.b.link.look()
    assert "Expected a greeting within 5 s" in it.b.link.reason
