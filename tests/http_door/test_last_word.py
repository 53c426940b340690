"""An answer that comes before the rest of the request reaches a client that asks for the end of the connection, as proxies do."""

import asyncio
import json
from pathlib import Path

import pytest

from osmia_broker.http import last_word
from osmia_broker.http.last_word import LastWord
from tests.auth.conftest import ANNA, store
from tests.patience import ANSWER_S
from tests.running_broker import running_broker

MOST = 256 * 1024
BODY = 64 * MOST  # more than the sockets between the two hold


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory):
    folder: Path = tmp_path_factory.mktemp("small")
    store(folder / "osmia.users.json", anna=(ANNA, ["family"]))
    with running_broker(folder, auth="basic", max_message_size=MOST) as broker:
        yield broker.broker.http_port


async def told(port: int, path: str, *lines: str) -> tuple[int, bytes]:
    """Send a whole request as a proxy does, which reads nothing before that; return the answer up to the end of the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = (f"POST {path} HTTP/1.1", "host: localhost", f"content-length: {BODY}", "connection: close", *lines, "", "")
    async with asyncio.timeout(ANSWER_S):
        writer.write("\r\n".join(head).encode())
        for _ in range(64):
            writer.write(b"a" * MOST)
            await writer.drain()
        answer = await reader.read()
    writer.close()
    head_of_answer, _, content = answer.partition(b"\r\n\r\n")
    return int(head_of_answer.split()[1]), content


async def test_a_body_that_is_too_large_is_refused_in_words(port: int):
    status, content = await told(port, "/v2/documents", "authorization: Basic YW5uYTpjb3JyZWN0IGhvcnNl")
    assert (status, json.loads(content)["title"]) == (413, "Payload Too Large")


async def test_a_stranger_with_a_large_body_is_refused_in_words(port: int):
    status, content = await told(port, "/v2/documents")
    assert (status, json.loads(content)["status"]) == (401, 401)


async def test_the_page_says_it_too(port: int):
    status, content = await told(port, "/login", "content-type: application/x-www-form-urlencoded")
    assert status == 413
    assert b"</html>" in content


class Line:
    """A client that sends *pieces* and then nothing more; what it is sent."""

    def __init__(self, *pieces: bytes, ends: bool) -> None:
        self.sent: list[dict] = []
        self._pieces, self._ends = [*pieces], ends

    async def receive(self) -> dict:
        if not self._pieces:
            await asyncio.Event().wait()
        piece = self._pieces.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(self._pieces) or not self._ends}

    async def send(self, message: dict) -> None:
        self.sent.append(message)


@pytest.fixture
async def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(last_word, "QUIET_S", 0)


async def test_who_sends_no_rest_is_not_waited_for(quick: None):
    line = Line(b"a", ends=False)
    await LastWord(line.receive, line.send).send({"type": "http.response.body", "body": b"no"})
    assert [(one["body"], one.get("more_body", False)) for one in line.sent] == [(b"no", True), (b"", False)]


async def test_a_request_that_has_come_is_answered_in_one_piece():
    line = Line(b"a", b"b", ends=True)
    last = LastWord(line.receive, line.send)
    assert [(await last.receive())["body"] for _ in range(2)] == [b"a", b"b"]
    await last.send({"type": "http.response.body", "body": b"yes"})
    assert line.sent == [{"type": "http.response.body", "body": b"yes"}]
