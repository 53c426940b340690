import errno
import os
import socket

import pytest

from osmia_broker.base import ports
from osmia_broker.base.ports import Ports


@pytest.fixture
def taken():
    """A port that somebody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_ports_are_published_in_the_data_directory(tmp_path):
    written = Ports(grpc=1, http=2, management=3, pid=4)
    written.write(tmp_path)
    assert ports.read(tmp_path) == written
    assert [file.name for file in tmp_path.iterdir()] == [ports.FILE]


@pytest.mark.parametrize("content", [None, b"", b"{", b"[1]", b'{"grpc": "x"}'])
def test_without_a_whole_file_nothing_is_known(tmp_path, content):
    if content is not None:
        (tmp_path / ports.FILE).write_bytes(content)
    assert ports.read(tmp_path) is None


def test_a_taken_port_is_not_free_and_the_next_one_is_found(taken):
    assert not ports.is_free("127.0.0.1", taken)
    assert ports.next_free("127.0.0.1", taken) > taken


@pytest.mark.parametrize(
    ("host", "number"),
    [("203.0.113.7", errno.EADDRNOTAVAIL), ("no.such.host.invalid", socket.EAI_NONAME), ("[2001:db8::7]", None)],
)
def test_an_address_of_another_machine_is_an_obstacle(host, number):
    error = ports.obstacle(host, 0)
    assert isinstance(error, OSError)
    assert number in (None, error.errno)


def test_a_port_that_could_be_taken_has_no_obstacle():
    assert ports.obstacle("127.0.0.1", 0) is None


def used_until_now() -> int:
    """A port on which a server has just closed a connection, which the system keeps for a minute."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        with socket.create_connection(listener.getsockname()) as client:
            server, _ = listener.accept()
            server.close()
            assert client.recv(1) == b""
        return int(listener.getsockname()[1])


def stranger(port: int, *options: int, host: str = "127.0.0.1") -> socket.socket:
    it = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        for one in options:
            it.setsockopt(socket.SOL_SOCKET, one, 1)
        it.bind((host, port))
        it.listen()
    except OSError:
        it.close()
        raise
    return it


SHARING = (socket.SO_REUSEADDR, getattr(socket, "SO_REUSEPORT", 0))
shares_ports = pytest.mark.skipif(not ports.SHARED_PORTS, reason="this system does not spread connections")
holds_ports = pytest.mark.skipif(not ports.CAN_HOLD, reason="this system gives a port to one socket alone")


@shares_ports
def test_a_port_that_one_process_has_just_used_is_kept_for_several():
    port = used_until_now()
    with pytest.raises(OSError, match="in use"):
        stranger(port)  # so the system does keep the connection
    held, number = ports.reserve("127.0.0.1", port)
    with held, stranger(port, *SHARING), stranger(port, *SHARING):
        assert number == port


@shares_ports
@pytest.mark.parametrize("find", [lambda: 0, used_until_now], ids=["free", "just used"])
@pytest.mark.parametrize("options", [(), (socket.SO_REUSEADDR,)])
def test_a_port_that_is_kept_is_for_nobody_else(find, options):
    held, port = ports.reserve("127.0.0.1", find())
    with held:
        with pytest.raises(OSError, match="in use"):
            stranger(port, *options)
        stranger(port, *SHARING).close()
        with pytest.raises(OSError, match="in use"):
            stranger(port, *options)


@shares_ports
def test_a_port_that_somebody_listens_on_is_not_kept(taken):
    with pytest.raises(OSError, match="in use"):
        ports.reserve("127.0.0.1", taken)


@holds_ports
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_port_that_is_held_is_for_one_broker_as_often_as_it_starts(host):
    held, port = ports.hold(host)
    with held:
        for _ in range(2):
            assert ports.is_free(host, port)
            with stranger(port, socket.SO_REUSEADDR, host=host), pytest.raises(OSError, match="in use"):
                stranger(port, socket.SO_REUSEADDR, host=host)


@holds_ports
def test_a_port_that_is_held_can_be_kept_for_several_processes():
    held, port = ports.hold("127.0.0.1")
    with held:
        kept, number = ports.reserve("127.0.0.1", port)
        with kept, stranger(port, *SHARING), stranger(port, *SHARING):
            assert number == port


@holds_ports
def test_nobody_listens_at_a_port_that_is_held_nor_gets_it_without_asking_for_it():
    held, port = ports.hold("127.0.0.1")
    with held:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))
        with pytest.raises(OSError, match="in use"):
            stranger(port)
        another, number = ports.hold("127.0.0.1")
        with another:
            assert number != port


@pytest.mark.parametrize("host", ["203.0.113.7", "no.such.host.invalid"])
def test_no_port_of_another_machine_is_held(host):
    with pytest.raises(OSError):
        ports.hold(host)


def test_there_is_no_free_port_behind_the_last():
    with pytest.raises(OSError, match="Expected a free port from 65536 upwards"):
        ports.next_free("127.0.0.1", 65536)


def test_a_process_is_named_and_a_missing_one_is_not():
    assert ports.process(os.getpid()).startswith(f"process {os.getpid()}, ")
    assert ports.process(2**22 + 1) == ""
    assert ports.process(2**70) == ""


def test_the_holder_of_a_port_is_named(taken):
    assert ports.holder(taken).startswith(f"process {os.getpid()}, ")


def test_nobody_holds_a_free_port(taken):
    assert ports.holder(ports.next_free("127.0.0.1", taken)) == ""
