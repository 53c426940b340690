"""The port of a server of one's own."""

import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from osmia_broker.base import embedded_postgres
from osmia_broker.base.embedded_postgres import PORTS, NotStarted, free_port

GIVEN_BY_THE_SYSTEM = Path("/proc/sys/net/ipv4/ip_local_port_range")


@pytest.fixture
def three(monkeypatch: pytest.MonkeyPatch) -> Iterator[range]:
    """The only ports of a choice: the first two are taken, the last is free."""
    with ExitStack() as held:
        while True:
            first = free_port()
            ports = range(first, first + 3)
            try:
                for port in ports:
                    one = held.enter_context(socket.socket())
                    one.bind(("127.0.0.1", port))
                    one.listen()
            except OSError:
                continue
            break
        one.close()
        monkeypatch.setattr(embedded_postgres, "PORTS", ports)
        yield ports


def test_a_taken_port_is_passed_over(three: range):
    assert free_port() == three[2]


def test_no_free_port_is_told(three: range):
    with socket.socket() as last:
        last.bind(("127.0.0.1", three[2]))
        last.listen()
        text = f"Expected a free port from {three[0]} to {three[2]}, but found none"
        with pytest.raises(NotStarted, match=re.escape(text)):
            free_port()


def test_a_port_is_not_one_that_the_system_gives_to_whoever_asks():
    if not GIVEN_BY_THE_SYSTEM.exists():
        pytest.skip("this system does not tell which ports it gives")
    first = int(GIVEN_BY_THE_SYSTEM.read_text().split()[0])
    assert PORTS[-1] < first
    assert free_port() in PORTS
