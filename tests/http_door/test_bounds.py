"""The HTTP door bounds what it keeps of a request before somebody is known: the head in bytes and time, the body of a stranger."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from osmia_broker.base import open_files
from osmia_broker.http.api import load
from osmia_broker.http.app import App
from osmia_broker.http.operation import OPERATIONS, Router
from osmia_broker.http.protocol import HEAD_BYTES_MAX, Connections
from osmia_broker.http.server import HttpServer
from osmia_broker.http.web.live import Live
from osmia_broker.metrics import HttpCounters
from tests.patience import ANSWER_S

START = b"GET / HTTP/1.1\r\nhost: x\r\n"
ENDLESS = 100 * HEAD_BYTES_MAX


async def echo(_scope: Any, receive: Any, send: Any) -> None:
    """Answers with the number of bytes of the body."""
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size, more = size + len(message["body"]), message["more_body"]
    text = str(size).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(text))]})
    await send({"type": "http.response.body", "body": text})


@pytest.fixture
async def server() -> AsyncIterator[HttpServer]:
    server = HttpServer(object(), HttpCounters(), Live(), lambda: 0, body_bytes_max=100)  # type: ignore[arg-type]
    server._config.app = echo
    yield server
    await server.stop(timedelta(0))


@pytest.fixture
async def port(server: HttpServer) -> int:
    return await server.start("127.0.0.1", 0)


async def answer_to(port: int, pieces: list[bytes]) -> bytes:
    """All that the door sends until it closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
    except ConnectionError:
        pass  # the door has closed it already
    answer = b""
    try:
        while part := await asyncio.wait_for(reader.read(65_536), ANSWER_S):
            answer += part
    except ConnectionError:
        pass
    writer.close()
    return answer


@pytest.mark.parametrize(
    "pieces",
    [
        [START, *[b"a: b\r\n" * 1_000] * (ENDLESS // 6_000)],
        [START, b"a: ", *[b"x" * 10_000] * (ENDLESS // 10_000)],
        [b"GET /", *[b"x" * 10_000] * (ENDLESS // 10_000)],
        [START + b"\r\n" + START, *[b"a: b\r\n" * 1_000] * (ENDLESS // 6_000)],
    ],
    ids=["lines", "value", "address", "second request"],
)
async def test_an_endless_head_is_cut_off(port: int, pieces: list[bytes]):
    answer = await answer_to(port, pieces)
    assert not answer or b"HTTP/1.1 431 Request Header Fields Too Large" in answer  # TCP may lose it on the way
    assert answer.count(b"HTTP/1.1 200") <= 1


async def test_an_endless_head_is_refused_with_the_reason(port: int):
    answer = await answer_to(port, [START, b"a: " + b"x" * (HEAD_BYTES_MAX - len(START)), b"y"])
    assert answer.startswith(b"HTTP/1.1 431 Request Header Fields Too Large")
    assert b"Expected a request line and headers of at most 65536 bytes, but found more" in answer


async def test_large_bodies_and_heads_in_pieces_are_no_endless_heads(port: int):
    head = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n"
    body = [b"x" * 100_000] * 10
    last = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    pieces = [*[bytes([one]) for one in head], b"\r\n", *body, head, b"a: b\r\n\r\n" + body[0], *body[1:], last]
    answer = await answer_to(port, pieces)
    assert answer.count(b"HTTP/1.1 200") == 3
    assert answer.count(b"1000000") == 2


CHUNKED = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "pieces",
    [
        [b"0\r\n", *[b"a: b\r\n" * 1_000] * (ENDLESS // 6_000)],
        [b"0\r\na: ", *[b"x" * 10_000] * (ENDLESS // 10_000)],
        [b"1;a=", *[b"x" * 10_000] * (ENDLESS // 10_000)],
    ],
    ids=["lines", "value", "chunk"],
)
async def test_what_follows_a_body_without_end_is_cut_off(port: int, pieces: list[bytes]):
    assert await answer_to(port, [CHUNKED, *pieces]) == b""


async def test_lines_after_a_body_are_passed_over(server: HttpServer, port: int):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(CHUNKED + b"1\r\nx\r\n0\r\na: b\r\n")
    writer.write(b"c: d\r\n\r\n")
    assert (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n1"), ANSWER_S)).startswith(b"HTTP/1.1 200")
    [connection] = server._connections()
    assert [name for name, _ in connection.headers] == [b"host", b"transfer-encoding"]
    writer.close()


UPGRADE = b"POST /a?b=c HTTP/1.1\r\nhost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAA\r\n"
SIZED = UPGRADE + b"content-length: 7\r\n\r\n" + b"abcdefg"
IN_CHUNKS = UPGRADE + b"transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n"
LAST = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"


@pytest.mark.parametrize(
    ("pieces", "sizes"),
    [
        ([SIZED + LAST], [7, 0]),
        ([SIZED[:-7], SIZED[-7:], LAST], [7, 0]),
        ([*[bytes([one]) for one in SIZED + LAST]], [7, 0]),
        ([IN_CHUNKS + SIZED + LAST], [7, 7, 0]),
        ([START + b"Connection: upgrade\r\nUpgrade: websocket\r\n\r\n" + SIZED + LAST], [0, 7, 0]),
        ([START + b"Connection: upgrade\r\nUpgrade: h2c\r\n\r\n" + (SIZED * 2_000) + LAST], [0, *[7] * 2_000, 0]),
        ([SIZED.replace(b"Upgrade, HTTP2-Settings", b"close, upgrade")], [7]),
    ],
    ids=["one piece", "body later", "byte by byte", "chunks", "websocket", "many", "close"],
)
async def test_a_wish_for_another_protocol_is_passed_over(port: int, pieces: list[bytes], sizes: list[int]):
    answer = await answer_to(port, pieces)
    assert [int(one.rsplit(b"\r\n", 1)[1]) for one in answer.split(b"HTTP/1.1 200")[1:]] == sizes


async def test_a_wish_for_another_protocol_keeps_the_rest_of_the_head(server: HttpServer, port: int):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(SIZED)
    assert (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n7"), ANSWER_S)).startswith(b"HTTP/1.1 200")
    [connection] = server._connections()
    assert connection.url == b"/a?b=c"
    assert [name for name, _ in connection.headers] == [b"host", b"connection", b"http2-settings", b"content-length"]
    writer.close()


@pytest.mark.parametrize("wish", [b"", b"connection: upgrade\r\nupgrade: h2c\r\n"])
async def test_a_tunnel_is_refused(port: int, wish: bytes):
    answer = await answer_to(port, [b"CONNECT x:1 HTTP/1.1\r\nhost: x\r\n" + wish + b"\r\n"])
    assert answer.startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize("piece", [b"a: b\r\n" * 1_000, b"x" * 10_000])
async def test_an_endless_head_with_a_wish_is_cut_off(port: int, piece: bytes):
    answer = await answer_to(port, [SIZED[:-7] + SIZED[-7:] + UPGRADE + b"a: ", *[piece] * (ENDLESS // len(piece))])
    assert answer.count(b"HTTP/1.1 200") <= 1


@pytest.mark.parametrize("sent", [b"", b"GET", START])
async def test_a_head_that_does_not_come_is_not_waited_for(port: int, monkeypatch: pytest.MonkeyPatch, sent: bytes):
    monkeypatch.setattr("osmia_broker.http.protocol.HEAD_S", 0.05)
    assert await answer_to(port, [sent]) == b""


async def test_a_body_may_take_its_time(port: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("osmia_broker.http.protocol.HEAD_S", 0.05)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\nconnection: close\r\n\r\nab")
    assert await answer_to(port, [b""]) == b""  # another one was cut off meanwhile
    writer.write(b"cd")
    assert (await asyncio.wait_for(reader.read(), ANSWER_S)).endswith(b"4")
    writer.close()


POST = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\nconnection: close\r\n\r\n"


@pytest.mark.parametrize("sent", [[POST], [POST, b"x"], [POST.replace(b"POST", b"PUT"), b"x" * 99]])
async def test_a_body_that_does_not_come_is_not_waited_for(
    port: int, monkeypatch: pytest.MonkeyPatch, sent: list[bytes]
):
    monkeypatch.setattr("osmia_broker.http.protocol.BODY_S", 0.05)
    assert await answer_to(port, sent) == b""


async def test_a_body_that_comes_octet_by_octet_is_not_waited_for(port: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("osmia_broker.http.protocol.BODY_S", 0.2)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(POST.replace(b"100", b"1000000"))
    async with asyncio.timeout(ANSWER_S):
        while not reader.at_eof():
            writer.write(b"x")
            with suppress(TimeoutError):
                assert await asyncio.wait_for(reader.read(1), 0.02) == b""
    writer.close()


async def test_each_piece_of_a_body_gives_time_for_the_next(port: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("osmia_broker.http.protocol.BODY_S", 0.2)
    monkeypatch.setattr("osmia_broker.http.protocol.BODY_BYTES", 10)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(POST)
    for _ in range(10):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.05)
        writer.write(b"x" * 10)
    assert (await asyncio.wait_for(reader.read(), ANSWER_S)).endswith(b"100")
    writer.close()


# --- an answer that comes before the rest of its request


async def refuse(_scope: Any, _receive: Any, send: Any) -> None:
    """Answers without reading the body, as a refusal does."""
    await send({"type": "http.response.start", "status": 404, "headers": [(b"content-length", b"1")]})
    await send({"type": "http.response.body", "body": b"0"})


RESTS = [(b"content-length: 1\r\n\r\n", b"x"), (b"transfer-encoding: chunked\r\n\r\n", b"1\r\nx\r\n0\r\n\r\n")]
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def answered_early(server: HttpServer, port: int, head: bytes) -> Streams:
    """A connection whose request is answered, though its body has not come."""
    server._config.loaded_app = refuse  # type: ignore[assignment]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST / HTTP/1.1\r\nhost: x\r\n" + head)
    await asyncio.wait_for(reader.readuntil(b"\r\n\r\n0"), ANSWER_S)
    return reader, writer


@pytest.mark.parametrize(("head", "rest"), RESTS)
async def test_a_body_that_comes_after_its_answer_does_not_keep_the_connection(
    server: HttpServer, port: int, monkeypatch: pytest.MonkeyPatch, head: bytes, rest: bytes
):
    monkeypatch.setattr("osmia_broker.http.protocol.HEAD_S", 0.05)
    reader, writer = await answered_early(server, port, head)
    writer.write(rest)
    assert await asyncio.wait_for(reader.read(), ANSWER_S) == b""
    writer.close()


@pytest.mark.parametrize(("head", "rest"), RESTS)
async def test_who_has_sent_a_body_after_its_answer_makes_room(server: HttpServer, port: int, head: bytes, rest: bytes):
    server._bounds = Connections(1)
    _, writer = await answered_early(server, port, head)
    writer.write(rest)
    [connection] = server._connections()
    async with asyncio.timeout(ANSWER_S):
        while not connection._is_head:
            await asyncio.sleep(0)
    assert (await answer_to(port, [START + b"connection: close\r\n\r\n"])).endswith(b"0")
    writer.close()


async def test_the_next_request_after_such_a_body_has_all_its_time(
    server: HttpServer, port: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("osmia_broker.http.protocol.HEAD_S", 0.05)
    reader, writer = await answered_early(server, port, RESTS[0][0])
    entered, may_go_on = asyncio.Event(), asyncio.Event()

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        entered.set()
        await may_go_on.wait()
        await refuse(scope, receive, send)

    [connection] = server._connections()
    connection.app = slow  # type: ignore[assignment]
    writer.write(b"x" + START + b"\r\n")
    await asyncio.wait_for(entered.wait(), ANSWER_S)
    assert await answer_to(port, [b""]) == b""  # another one was cut off meanwhile
    may_go_on.set()
    await asyncio.wait_for(reader.readuntil(b"\r\n\r\n0"), ANSWER_S)
    writer.close()


async def test_who_does_not_read_and_sends_another_request_makes_room(server: HttpServer, port: int):
    async def endless(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while True:
            await send({"type": "http.response.body", "body": b"x" * 100_000, "more_body": True})
            await asyncio.sleep(0)

    server._config.loaded_app = endless  # type: ignore[assignment]
    server._bounds = Connections(1)
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(START + b"\r\n")
    [connection] = await connections_of(server, 1)
    async with asyncio.timeout(ANSWER_S):
        while connection.flow is None or not connection.flow.write_paused:
            await asyncio.sleep(0)
        writer.write(START + b"\r\n")
        while not connection.pipeline:
            await asyncio.sleep(0)
    server._config.loaded_app = echo  # type: ignore[assignment]
    assert (await answer_to(port, [START + b"connection: close\r\n\r\n"])).endswith(b"0")
    writer.close()


async def connections_of(server: HttpServer, count: int) -> list[Any]:
    async with asyncio.timeout(ANSWER_S):
        while len(server._connections()) < count:
            await asyncio.sleep(0)
    return server._connections()


# --- too many connections


@pytest.mark.parametrize("sent", [b"", START, POST, b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"])
async def test_the_one_that_waits_longest_for_its_client_makes_room(server: HttpServer, port: int, sent: bytes):
    server._bounds = Connections(3)
    opened = []
    for _ in range(3):
        opened.append(await asyncio.open_connection("127.0.0.1", port))
        opened[-1][1].write(sent)
        if sent.startswith(b"GET") and sent.endswith(b"\r\n\r\n"):
            await asyncio.wait_for(opened[-1][0].readuntil(b"\r\n\r\n0"), ANSWER_S)
    answer = await answer_to(port, [POST, b"x" * 100])
    assert answer.endswith(b"100")
    with suppress(ConnectionError):
        await asyncio.wait_for(opened[0][0].read(), ANSWER_S)  # closed
    assert server._bounds.count == 2
    for _, writer in opened:
        writer.close()


async def test_who_is_being_answered_makes_no_room(server: HttpServer, port: int):
    may_go_on, entered = asyncio.Event(), asyncio.Event()

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        entered.set()
        await may_go_on.wait()
        await echo(scope, receive, send)

    server._config.loaded_app = slow  # type: ignore[assignment]
    server._bounds = Connections(1)
    answering = asyncio.ensure_future(answer_to(port, [POST, b"x" * 100]))
    await asyncio.wait_for(entered.wait(), ANSWER_S)
    assert await answer_to(port, [START]) == b""
    may_go_on.set()
    assert (await answering).endswith(b"100")


@pytest.mark.parametrize(("limit", "most"), [(1_024, 512), (1, 1), (10**6, 10_000), (-1, 10_000)])
def test_a_door_takes_its_share_of_the_open_files(monkeypatch: pytest.MonkeyPatch, limit: int, most: int):
    monkeypatch.setattr("resource.getrlimit", lambda _: (limit, limit))
    assert open_files.connections_max(0.5) == most


async def test_a_request_that_is_damaged_is_no_news_for_the_log(port: int):
    assert port  # a door is open
    for name in ("uvicorn.error", "python_multipart.multipart"):
        assert not logging.getLogger(name).isEnabledFor(logging.WARNING)
        assert logging.getLogger(name).isEnabledFor(logging.ERROR)


async def test_a_caller_who_leaves_before_the_request_is_read_is_counted():
    load()
    counters = HttpCounters()
    app = App(Router(OPERATIONS), object(), counters, body_bytes_max=100)  # type: ignore[arg-type]

    async def leave() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(_message: Any) -> None:
        raise AssertionError("nobody is there")

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/v2/status",
        "raw_path": b"/v2/status",
        "query_string": b"",
        "scheme": "http",
        "headers": [],
    }
    await app(scope, leave, send)
    assert counters.requests[("/v2/status", "GET", "cancelled")] == 1
