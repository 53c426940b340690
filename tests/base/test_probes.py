"""The probe of a process: what it makes of an answer that is none."""

import http.client
import socket
import threading

import pytest

from osmia_broker.running.child import status_of
from tests.patience import ANSWER_S


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", 200),
        (b"HTTP/1.1 503 Later\r\ncontent-length: 0\r\n\r\n", 503),
        (b"", 0),  # it went in the middle
        (b"HTTP/1.1 2", 0),
        (b"SSH-2.0-x\r\n", 0),
        (b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 1_000, 0),
        (b"x" * 100_000, 0),
    ],
)
def test_an_answer_that_is_none_is_no_status(answer: bytes, status: int):
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            accepted, _ = listening.accept()
            with accepted:
                accepted.recv(65_536)
                accepted.sendall(answer)

        serving = threading.Thread(target=serve)
        serving.start()
        port = listening.getsockname()[1]
        assert status_of(http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_S), "/ready") == status
        serving.join()
