"""Doors with TLS: what they show, when the files change, and whom they turn away."""

import asyncio
import socket
import ssl
import warnings
from collections.abc import Iterator
from pathlib import Path

import grpc
import httpx
import pytest

import osmia
from osmia_broker.tls import TlsError, TlsFiles
from tests.auth import certificates
from tests.running_broker import RunningBroker, running_broker


def open_door(tmp_path: Path, **settings: object) -> "RunningBroker":
    return running_broker(tmp_path / "data", **certificates.write(tmp_path), **settings)  # type: ignore[return-value]


@pytest.fixture
def broker(tmp_path: Path, grpc_server: str) -> Iterator[RunningBroker]:
    with open_door(tmp_path, grpc_server=grpc_server) as broker:
        yield broker


def shown(port: int, ca: Path, client: dict[str, Path] | None = None) -> bytes:
    """The certificate that the door at *port* shows."""
    context = ssl.create_default_context(cafile=str(ca))
    context.set_alpn_protocols(["h2", "http/1.1"])
    if client:
        context.load_cert_chain(client["tls_cert"], client["tls_key"])
    with (
        socket.create_connection(("127.0.0.1", port), 10) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as door,
    ):
        found = door.getpeercert(binary_form=True)
        assert found
        return found


def topology(broker: RunningBroker, ca: Path, client: dict[str, Path] | None = None) -> object:
    """Ask over gRPC."""
    pair = (client["tls_key"].read_bytes(), client["tls_cert"].read_bytes()) if client else (None, None)
    with osmia.SyncClient(
        broker.address, credentials=grpc.ssl_channel_credentials(ca.read_bytes(), *pair), call_timeout_ms=10_000
    ) as one:
        return one.topology()


def ports(broker: RunningBroker) -> dict[str, int]:
    it = broker.broker
    return {"grpc": it.grpc_port, "http": it.http_port, "management": it.management_port}


def test_all_doors_speak_tls(broker, tmp_path):
    ca = tmp_path / "ours.ca.pem"
    assert topology(broker, ca)
    with httpx.Client(verify=ssl.create_default_context(cafile=str(ca))) as http:
        assert http.get(f"https://127.0.0.1:{broker.broker.http_port}/v2/topology").status_code == 200
        assert http.get(f"https://127.0.0.1:{broker.broker.management_port}/ready").status_code == 200


def test_a_link_to_a_document_leads_through_the_same_door(broker, tmp_path):
    base = f"https://127.0.0.1:{broker.broker.http_port}"
    with httpx.Client(base_url=base, verify=ssl.create_default_context(cafile=str(tmp_path / "ours.ca.pem"))) as http:
        made = http.post("/v2/documents", files={"file": ("a.txt", b"hello", "text/plain")}).json()
        link = http.post(f"/v2/documents/{made['documentId']}/links", json={}).json()["url"]
        assert link.startswith(f"{base}/v2/documents/")
        assert http.get(link).content == b"hello"


def test_a_caller_who_speaks_plain_text_gets_no_answer(broker):
    with pytest.raises(httpx.TransportError):
        httpx.get(f"http://127.0.0.1:{broker.broker.http_port}/v2/topology")
    with osmia.SyncClient(broker.address, call_timeout_ms=10_000) as client, pytest.raises(osmia.Unavailable):
        client.topology()


def test_a_caller_who_trusts_another_authority_leaves(broker, tmp_path):
    other = certificates.write(tmp_path / "other", of="theirs")
    for port in ports(broker).values():
        with pytest.raises(ssl.SSLCertVerificationError):
            shown(port, tmp_path / "other" / "theirs.ca.pem")
    assert other


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_old_versions_of_tls_are_refused(broker, version):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = version
    for port in ports(broker).values():
        with socket.create_connection(("127.0.0.1", port), 10) as plain, pytest.raises((ssl.SSLError, OSError)):
            context.wrap_socket(plain, server_hostname="127.0.0.1")


def test_new_connections_see_a_new_certificate(broker, tmp_path):
    ca = tmp_path / "ours.ca.pem"
    before = {door: shown(port, ca) for door, port in ports(broker).items()}
    certificates.write(tmp_path, number=2)
    after = {door: shown(port, ca) for door, port in ports(broker).items()}
    assert all(len(set(found.values())) == 1 for found in (before, after))
    assert before["grpc"] != after["grpc"]
    assert topology(broker, ca)


def test_an_open_connection_stays_when_the_certificate_changes(broker, tmp_path):
    ca = tmp_path / "ours.ca.pem"
    with httpx.Client(verify=ssl.create_default_context(cafile=str(ca))) as http:
        url = f"https://127.0.0.1:{broker.broker.http_port}/v2/topology"
        assert http.get(url).status_code == 200
        certificates.write(tmp_path, of="theirs", number=2)
        assert http.get(url).status_code == 200


@pytest.mark.parametrize("content", ["", "no certificate", None])
def test_a_certificate_that_cannot_be_used_changes_nothing(broker, tmp_path, content):
    ca = tmp_path / "ours.ca.pem"
    before = shown(broker.broker.http_port, ca)
    if content is None:
        (tmp_path / "door.pem").unlink()
    else:
        (tmp_path / "door.pem").write_text(content)
    assert {shown(port, ca) for port in ports(broker).values()} == {before}
    certificates.write(tmp_path, number=2)
    assert {shown(port, ca) for port in ports(broker).values()} != {before}


def test_a_key_of_another_certificate_waits_for_its_own(tmp_path):
    files = certificates.write(tmp_path)
    tls = TlsFiles(files["tls_cert"], files["tls_key"])
    first = tls.load()
    certificates.certificate("ours", 2, "127.0.0.1").private_key_pem.write_to_path(files["tls_key"])
    assert tls.current() is first
    certificates.write(tmp_path, number=2)
    assert tls.current().cert != first.cert


@pytest.mark.parametrize(
    ("cert", "key", "refusal"),
    [
        ("door.pem", "other/door.key", "a key that is not of this certificate"),
        ("door.key", "door.key", "Expected a certificate and its key in"),
        ("door.pem", "nowhere.key", "Expected to read '.*nowhere.key', but found: No such file or directory"),
        ("other", "door.key", "Expected a certificate and its key|Is a directory"),
    ],
)
def test_a_broker_does_not_start_with_files_that_cannot_be_used(tmp_path, cert, key, refusal):
    certificates.write(tmp_path)
    certificates.write(tmp_path / "other", number=2)
    with pytest.raises(TlsError, match=refusal):
        TlsFiles(tmp_path / cert, tmp_path / key).load()


@pytest.fixture
def mutual(tmp_path: Path, grpc_server: str) -> Iterator[RunningBroker]:
    certificates.write(tmp_path / "clients", of="clients")
    with open_door(tmp_path, tls_client_ca=tmp_path / "clients" / "clients.ca.pem", grpc_server=grpc_server) as broker:
        yield broker


def test_a_client_shows_a_certificate_of_its_authority(mutual, tmp_path):
    ca, client = tmp_path / "ours.ca.pem", certificates.write(tmp_path / "clients", of="clients")
    assert topology(mutual, ca, client)
    context = ssl.create_default_context(cafile=str(ca))
    context.load_cert_chain(client["tls_cert"], client["tls_key"])
    with httpx.Client(verify=context) as http:
        assert http.get(f"https://127.0.0.1:{mutual.broker.http_port}/v2/topology").status_code == 200


@pytest.mark.parametrize("of", [None, "theirs", "ours"])
def test_a_client_without_such_a_certificate_is_turned_away(mutual, tmp_path, of):
    ca, client = tmp_path / "ours.ca.pem", certificates.write(tmp_path / str(of), of=of) if of else None
    with pytest.raises((osmia.Unavailable, osmia.Timeout)):
        topology(mutual, ca, client)
    context = ssl.create_default_context(cafile=str(ca))
    if client:
        context.load_cert_chain(client["tls_cert"], client["tls_key"])
    with httpx.Client(verify=context) as http, pytest.raises(httpx.TransportError):
        http.get(f"https://127.0.0.1:{mutual.broker.http_port}/v2/topology")


def test_a_new_authority_of_clients_counts_for_new_connections(mutual, tmp_path):
    ca, old = tmp_path / "ours.ca.pem", certificates.write(tmp_path / "clients", of="clients")
    new = certificates.write(tmp_path / "new", of="others")
    assert topology(mutual, ca, old)
    (tmp_path / "clients" / "clients.ca.pem").write_bytes((tmp_path / "new" / "others.ca.pem").read_bytes())
    assert topology(mutual, ca, new)
    for client, is_known in ((new, True), (old, False)):
        context = ssl.create_default_context(cafile=str(ca))
        context.load_cert_chain(client["tls_cert"], client["tls_key"])
        with httpx.Client(verify=context) as http:
            url = f"https://127.0.0.1:{mutual.broker.http_port}/v2/topology"
            if is_known:
                assert http.get(url).status_code == 200
            else:
                with pytest.raises(httpx.TransportError):
                    http.get(url)


def test_probes_need_no_certificate(mutual, tmp_path):
    with httpx.Client(verify=ssl.create_default_context(cafile=str(tmp_path / "ours.ca.pem"))) as http:
        assert http.get(f"https://127.0.0.1:{mutual.broker.management_port}/health").status_code == 200


def test_the_quicker_event_loop_takes_new_certificates_too(tmp_path):
    uvloop = pytest.importorskip("uvloop")
    files = certificates.write(tmp_path)
    tls = TlsFiles(files["tls_cert"], files["tls_key"])
    tls.load()
    found = []

    async def look() -> None:
        server = await asyncio.get_running_loop().create_server(
            asyncio.Protocol, "127.0.0.1", 0, ssl=tls.server_context(asks_clients=False)
        )
        for number in (1, 2):
            certificates.write(tmp_path, number=number)
            port = server.sockets[0].getsockname()[1]
            found.append(await asyncio.to_thread(shown, port, tmp_path / "ours.ca.pem"))
        server.close()
        await server.wait_closed()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(look())
    assert len(set(found)) == 2
