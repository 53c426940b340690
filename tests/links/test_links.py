"""Links over real sockets: who may come in, what comes back, what is orderly."""

import asyncio
import gc
import os
import socket
import ssl
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
import trustme

from osmia_broker.links import Limits, Links, TcpPlace, UnixPlace
from osmia_broker.links.greeting import Handshake
from osmia_broker.links.links import LONGEST_DELAY_S, STRANGERS_MAX, delay_s
from osmia_broker.rpc import Refusal
from osmia_broker.tls import TlsFiles
from tests.links.wire import SECRET, Service, Transport, identity, read_all, refused, turns
from tests.patience import ANSWER_S

LOOPBACK = TcpPlace("127.0.0.1", 0)


@asynccontextmanager
async def process(number: int, *, place=None, service: Service | None = None, **more) -> AsyncIterator[Links]:
    """A process that listens at *place*; `links.at` is where."""
    identity_of = more.pop("me", identity(number))
    links = Links(identity_of, (service or Service()).rpcs(), **more)
    links.at = await links.listen(place) if place else None  # type: ignore[attr-defined]
    try:
        yield links
    finally:
        await links.stop(0)
        await turns(5)


async def within(awaited):
    async with asyncio.timeout(ANSWER_S):
        return await awaited


async def ended(links: Links, process: int) -> None:
    """Wait until there is no link to *process*."""
    while process in links.processes:
        links._changed.clear()
        await within(links._changed.wait())


@pytest.mark.parametrize("kind", ["unix", "tcp"])
async def test_two_processes_call_each_other(kind, tmp_path: Path):
    place = UnixPlace(tmp_path / "2.sock") if kind == "unix" else LOOPBACK
    secret = None if kind == "unix" else SECRET
    async with process(1, secret=secret) as one, process(2, place=place, secret=secret) as two:
        one.dial(2, two.at)
        await within(asyncio.gather(one.wait_for([2]), two.wait_for([1])))
        assert await within(one.call(2, "/t.T/Echo", b"x")) == b"x"
        assert await within(two.call(1, "/t.T/Echo", b"y")) == b"y"
        large = bytes(4 * 1024 * 1024)
        assert await within(one.call(2, "/t.T/Echo", large)) == large
        assert len(await read_all(one.stream(2, "/t.T/Many", b"300 10000"))) == 300


async def test_a_socket_is_for_its_owner_alone_and_goes_with_its_process(tmp_path: Path):
    place = UnixPlace(tmp_path / "2.sock")
    async with process(2, place=place):
        assert stat.S_IMODE(place.path.stat().st_mode) == 0o600
    assert not place.path.exists()


async def test_the_socket_of_a_dead_process_is_replaced_and_that_of_a_living_one_is_not(tmp_path: Path):
    place = UnixPlace(tmp_path / "2.sock")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(place.path))
    async with process(2, place=place):
        links = Links(identity(3), [])
        with pytest.raises(OSError, match=r"Expected to listen at .*2\.sock, but found that another process does"):
            await links.listen(place)
        assert place.path.exists()


async def test_a_long_path_is_no_obstacle(tmp_path: Path):
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    place = UnixPlace(folder / "2.sock")
    async with process(1) as one, process(2, place=place):
        one.dial(2, place)
        await within(one.wait_for([2]))
    assert not place.path.exists()


def test_a_place_that_others_reach_needs_protection():
    for act in (lambda links: links.dial(2, LOOPBACK), lambda links: links._check(TcpPlace("::1", 1))):
        with pytest.raises(
            ValueError, match=r"Expected a secret or TLS for links at .*, which others reach, but found neither"
        ):
            act(Links(identity(1), []))
    with pytest.raises(ValueError, match="Expected a secret of at least 16 bytes, but found 5"):
        Links(identity(1), [], secret=b"short")


@pytest.mark.parametrize(
    ("other", "secret", "reason"),
    [
        ({}, b"another secret of enough bytes", "Expected a proof that the other side knows the secret"),
        ({"partitions": 8}, SECRET, "Expected a cluster of 8 partitions, but found 4 at process 1"),
        ({"cluster": "another"}, SECRET, "Expected a broker of cluster another, but found one of"),
        ({"process": 3}, SECRET, "Expected process 2, but found process 3"),
    ],
)
async def test_a_process_of_another_kind_is_refused_and_the_log_says_why(other, secret, reason, caplog):
    async with (
        process(1, secret=SECRET) as one,
        process(2, place=LOOPBACK, secret=secret, me=identity(**{"process": 2} | other)) as two,
    ):
        one.dial(2, two.at)
        while sum(reason in str(getattr(record, "reason", "")) for record in caplog.records) < 2:
            await within(asyncio.sleep(0))
        assert one.processes == set()
        status, details = await refused(one.call(2, "/t.T/Echo", b""))
        assert (status, details) == ("UNAVAILABLE", "Expected a link to process 2, but found none at the moment")


@pytest.mark.parametrize(
    "said", [b"GET / HTTP/1.1\r\n\r\n", b"PRI * HTTP/2.0", b"\0\0\0\x05hello", b"\xff" * 5_000, b""]
)
async def test_a_stranger_is_shown_out_and_the_others_notice_nothing(said):
    async with process(1, secret=SECRET) as one, process(2, place=LOOPBACK, secret=SECRET) as two:
        one.dial(2, two.at)
        await within(one.wait_for([2]))
        reader, writer = await asyncio.open_connection("127.0.0.1", two.at.port)
        writer.write(said)
        if not said:
            writer.write_eof()
        found = await within(reader.read(100_000))
        assert b"partition" not in found
        writer.close()
        assert await within(one.call(2, "/t.T/Echo", b"x")) == b"x"


async def test_strangers_that_say_nothing_make_room_the_oldest_first():
    async with process(1, secret=SECRET) as one, process(2, place=LOOPBACK, secret=SECRET) as two:
        mute = [await asyncio.open_connection("127.0.0.1", two.at.port) for _ in range(STRANGERS_MAX + 5)]
        assert await within(mute[0][0].read(1_000))  # the reason
        one.dial(2, two.at)
        await within(one.wait_for([2]))
        assert sum(link.is_greeting for link in two._all) <= STRANGERS_MAX
        for _, writer in mute:
            writer.close()


async def test_a_link_that_broke_comes_back_by_itself(tmp_path: Path):
    place = UnixPlace(tmp_path / "2.sock")
    async with process(1) as one:
        one.dial(2, place)  # nobody is there yet
        for _ in range(2):
            async with process(2, place=place) as two:
                await within(one.wait_for([2]))
                assert await within(one.call(2, "/t.T/Echo", b"x")) == b"x"
                two.to(1)._transport.abort()  # type: ignore[union-attr]
                await ended(one, 2)
                await within(one.wait_for([2]))
            await ended(one, 2)


def test_tries_come_less_and_less_often():
    assert [round(delay_s(failures, 1), 2) for failures in range(8)] == [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0]
    assert delay_s(10_000, 0) == LONGEST_DELAY_S / 2


async def test_a_later_life_of_a_process_takes_the_place_of_the_former(tmp_path: Path, caplog):
    caplog.set_level("INFO")
    place = UnixPlace(tmp_path / "2.sock")
    async with process(2, place=place) as two, process(1, me=identity(1, incarnation=5)) as former:
        former.dial(2, place)
        await within(two.wait_for([1]))
        held = asyncio.ensure_future(two.call(1, "/t.T/Hold", b"x"))
        first = two.to(1)
        async with process(1, me=identity(1, incarnation=6)) as later:
            later.dial(2, place)
            await within(first.closed())
            assert two.to(1).peer.incarnation == 6
            assert (await refused(held))[0] == "UNAVAILABLE"
            assert "another link to process 1 has taken its place" in first.reason
            async with process(1, me=identity(1, incarnation=4)) as earlier:
                earlier.dial(2, place)
                reason = "Expected a later life of process 1, but found an earlier one"
                while reason not in str([getattr(record, "reason", "") for record in caplog.records]):
                    await within(asyncio.sleep(0))
                assert two.to(1).peer.incarnation == 6


async def test_a_stop_with_grace_waits_for_the_answer_and_one_without_does_not(tmp_path: Path):
    place, service = UnixPlace(tmp_path / "2.sock"), Service()
    async with process(1) as one, process(2, place=place, service=service) as two:
        one.dial(2, place)
        await within(one.wait_for([2]))
        call = asyncio.ensure_future(one.call(2, "/t.T/Hold", b"kept"))
        while not service.running:
            await within(asyncio.sleep(0))
        link = one.to(2)
        stopping = asyncio.ensure_future(two.stop(3_600))
        while link.is_open:
            await within(asyncio.sleep(0))
        assert (await refused(one.call(2, "/t.T/Echo", b"")))[0] == "UNAVAILABLE"
        service.may_go_on.set()
        assert await within(call) == b"kept"
        await within(stopping)


async def test_a_stop_cuts_off_what_does_not_end(tmp_path: Path):
    place, service = UnixPlace(tmp_path / "2.sock"), Service()
    async with process(1) as one, process(2, place=place, service=service) as two:
        one.dial(2, place)
        await within(one.wait_for([2]))
        call = asyncio.ensure_future(one.call(2, "/t.T/Hold", b"lost"))
        while not service.running:
            await within(asyncio.sleep(0))
        await within(two.stop(0))
        assert (await refused(call))[0] == "UNAVAILABLE"
        assert service.cancelled == 1


# --- TLS


def certificates(folder: Path, authority: trustme.CA, name: str = "localhost") -> TlsFiles:
    folder.mkdir()
    issued = authority.issue_cert(name)
    issued.private_key_pem.write_to_path(folder / "key.pem")
    for blob in issued.cert_chain_pems:
        blob.write_to_path(folder / "cert.pem", append=True)
    authority.cert_pem.write_to_path(folder / "ca.pem")
    tls = TlsFiles(folder / "cert.pem", folder / "key.pem", folder / "ca.pem")
    tls.load()
    return tls


def trusting(folder: Path, authority: trustme.CA, trusted: trustme.CA) -> TlsFiles:
    """A certificate of one authority, for a process that trusts another one."""
    certificates(folder / "4", authority)
    trusted.cert_pem.write_to_path(folder / "4" / "ca.pem")
    tls = TlsFiles(*(folder / "4" / name for name in ("cert.pem", "key.pem", "ca.pem")))
    tls.load()
    return tls


async def test_two_with_certificates_of_one_authority_meet(tmp_path: Path):
    authority = trustme.CA()
    mine, other = certificates(tmp_path / "1", authority), certificates(tmp_path / "2", authority)
    async with process(1, tls=mine) as one, process(2, place=TcpPlace("localhost", 0), tls=other) as two:
        one.dial(2, two.at)
        await within(one.wait_for([2]))
        large = os.urandom(1_000_000)
        assert await within(one.call(2, "/t.T/Echo", large)) == large


async def test_a_certificate_of_another_authority_another_host_or_none_is_refused(tmp_path: Path, caplog):
    caplog.set_level("DEBUG")
    authority = trustme.CA()
    served = certificates(tmp_path / "2", authority)
    tried = {
        "another authority": {"tls": certificates(tmp_path / "1", trustme.CA())},
        "no TLS at all": {"secret": SECRET},
        "the listener refuses its certificate": {"tls": trusting(tmp_path, trustme.CA(), authority)},
    }
    whys: dict[str, str] = {}
    async with process(2, place=TcpPlace("localhost", 0), tls=served) as two:
        for name, mine in tried.items():
            caplog.clear()
            async with process(1, **mine) as one:
                one.dial(2, two.at)
                while not (said := [record for record in caplog.records if record.getMessage() == "no link"]):
                    await within(asyncio.sleep(0))
                assert (one.processes, two.processes) == (set(), set())
            whys[name] = getattr(said[0], "reason", "") or getattr(said[0], "error", "")
        by_whom = {
            name: "listener" if why.startswith("the two do not agree on TLS") else "dialler"
            for name, why in whys.items()
        }
        assert by_whom == dict(zip(tried, ("dialler", "listener", "listener"), strict=True))
        assert "certificate verify failed: self-signed" in whys["another authority"]
        assert "certificate verify failed: unable to get" in whys["the listener refuses its certificate"]
        named = certificates(tmp_path / "3", authority, "elsewhere.example.org")
        async with process(3, place=TcpPlace("localhost", 0), tls=named) as three, process(1, tls=served) as one:
            with pytest.raises(OSError, match="certificate"):
                await within(three.at.dial(lambda: one._make(handshake(one)), served))


async def test_connections_whose_certificates_do_not_fit_leave_nothing_behind(tmp_path: Path, caplog):
    now = [1_000.0]
    served = certificates(tmp_path / "2", trustme.CA())
    mine = certificates(tmp_path / "1", trustme.CA())
    async with (
        process(2, place=TcpPlace("localhost", 0), tls=served, now_s=lambda: now[0]) as two,
        process(1, tls=mine, now_s=lambda: now[0]) as one,
    ):
        one.dial(2, two.at)
        while sum(record.getMessage() == "no link" for record in caplog.records) < 3:
            await within(asyncio.sleep(0))
        assert {record.levelname for record in caplog.records if record.getMessage() == "no link"} == {"WARNING"}
        assert len(one._all) <= 1
        now[0] += 5
        two.look()
        assert [link for link in two._all if link._since_s < now[0]] == []


async def test_a_connection_that_comes_after_its_link_was_cut_is_closed(tmp_path: Path):
    async with process(2) as two:
        link = two._stranger()
        link.cut("too late")
        connection = Transport(link)
        link.connection_made(connection)  # type: ignore[arg-type]
        assert connection.is_closed
        assert two._all == {}


async def test_a_client_without_a_certificate_is_shown_out(tmp_path: Path):
    authority = trustme.CA()
    context = ssl.create_default_context()
    authority.configure_trust(context)
    async with process(2, place=TcpPlace("localhost", 0), tls=certificates(tmp_path / "2", authority)) as two:
        reader, writer = await asyncio.open_connection("localhost", two.at.port, ssl=context)
        with suppress(ssl.SSLError):  # which comes first, the alert or the end, is up to the system
            assert await within(reader.read(100)) == b""
        assert two.processes == set()
        writer.transport.abort()


def handshake(links: Links) -> Handshake:
    return Handshake(links.me, None, is_dialler=True)


def test_tls_without_authorities_would_let_everybody_in(tmp_path: Path):
    certificates(tmp_path / "1", trustme.CA())
    tls = TlsFiles(tmp_path / "1" / "cert.pem", tmp_path / "1" / "key.pem")
    with pytest.raises(ValueError, match="Expected the authorities of the other processes beside the certificate"):
        Links(identity(1), [], tls=tls)


# --- a slow wire


class Proxy:
    """Passes bytes on between a dialler and a listener, a few at a time and only while it may."""

    def __init__(self, target: UnixPlace, octets: int) -> None:
        self.target, self.octets = target, octets
        self.may_pass = asyncio.Event()
        self.may_pass.set()
        self.passed = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_unix_connection(str(self.target.path))
        for source, sink in ((reader, back), (there, writer)):
            task = asyncio.ensure_future(self._pass(source, sink))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(self.octets):
                await self.may_pass.wait()
                self.passed += len(data)
                sink.write(data)
                await sink.drain()
        except OSError:
            pass
        finally:
            sink.close()

    async def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        gc.collect()


async def test_a_link_that_is_slow_loses_nothing(tmp_path: Path):
    place, slow = UnixPlace(tmp_path / "2.sock"), UnixPlace(tmp_path / "slow.sock")
    proxy = Proxy(place, 7)
    server = await asyncio.start_unix_server(proxy.connected, str(slow.path))
    async with process(1) as one, process(2, place=place):
        one.dial(2, slow)
        await within(one.wait_for([2]))
        answers = await within(asyncio.gather(*(one.call(2, "/t.T/Echo", b"%d" % n * 9) for n in range(100))))
        assert answers == [b"%d" % n * 9 for n in range(100)]
        assert len(await read_all(one.stream(2, "/t.T/Many", b"20 100"))) == 20
    await proxy.close()
    server.close()


async def test_a_link_that_stops_passing_anything_refuses_calls_and_is_given_up(tmp_path: Path):
    place, slow = UnixPlace(tmp_path / "2.sock"), UnixPlace(tmp_path / "slow.sock")
    proxy = Proxy(place, 65_536)
    server = await asyncio.start_unix_server(proxy.connected, str(slow.path))
    now = [1_000.0]
    limits = Limits(unsent_bytes=100_000)
    async with process(1, limits=limits, now_s=lambda: now[0]) as one, process(2, place=place):
        one.dial(2, slow)
        await within(one.wait_for([2]))
        link = one.to(2)
        proxy.may_pass.clear()
        calls = [asyncio.ensure_future(one.call(2, "/t.T/Echo", bytes(60_000))) for _ in range(200)]
        while not any(one.done() for one in calls):
            await within(asyncio.sleep(0))
        outcomes = {one.exception().status for one in calls if one.done()}  # type: ignore[union-attr]
        assert outcomes == {"RESOURCE_EXHAUSTED"}
        assert link.unsent <= limits.unsent_bytes + 61_000
        now[0] += 3
        one.look()
        now[0] += 4
        one.look()
        rest = await within(asyncio.gather(*calls, return_exceptions=True))
        assert {one.status for one in rest if isinstance(one, Refusal)} == {"RESOURCE_EXHAUSTED", "UNAVAILABLE"}
        assert "sign of life" in link.reason
        proxy.may_pass.set()
        await within(one.wait_for([2]))  # and comes back
        assert await within(one.call(2, "/t.T/Echo", b"x")) == b"x"
    await proxy.close()
    server.close()


async def test_dials_of_its_own_are_no_strangers():
    """However many others connect and say nothing, they take no place of a link that this process is making."""
    async with process(1, secret=SECRET) as one:
        own = one._make(Handshake(one.me, SECRET, expected=2, is_dialler=True))
        strangers = [one._stranger() for _ in range(STRANGERS_MAX + 1)]
        assert not own.reason, "an own dial was cut"
        assert [bool(link.reason) for link in strangers] == [True, *[False] * STRANGERS_MAX]
