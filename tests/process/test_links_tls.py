"""Real brokers with secrets and certificates for their links: who has a wrong one is linked to nobody, says so, and leads nothing that nobody can reach."""

import asyncio
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from osmia_broker.running.child import LOG, ChildBroker
from tests import postgres
from tests.auth import certificates
from tests.process.cluster import PARTITIONS, Cluster
from tests.process.program import osmia

pytestmark = pytest.mark.process

LEADS_NOTHING = (
    "no link to any other broker, so nothing is led here: do links_secret and the certificates of the links fit?"
)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with postgres.database(partitions=PARTITIONS) as url:
        made = Cluster(tmp_path, url)
        yield made
        made.stop()


def with_certificate(
    folder: Path, *, of: str = "ours", trusts: str = "ours", not_after: datetime | None = None
) -> tuple[str, ...]:
    """The options of a broker that has a certificate of one authority, and trusts those of another."""
    files = certificates.write(folder, of=of, not_after=not_after)
    options = {
        "--links-cert": files["tls_cert"],
        "--links-key": files["tls_key"],
        "--links-ca": certificates.authority_file(folder, trusts),
    }
    return tuple(str(word) for pair in options.items() for word in pair)


def expired(folder: Path) -> tuple[str, ...]:
    return with_certificate(folder, not_after=datetime.now(UTC) - timedelta(days=1))


def said(broker: ChildBroker, message: str) -> list[dict[str, str]]:
    """What the log says of this kind."""
    lines = (broker.data_dir / LOG).read_text().splitlines()
    whole = [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]
    return [one for one in whole if one["message"] == message]


def why_no_link(broker: ChildBroker) -> str:
    return " ".join(one.get("error", "") + one.get("reason", "") for one in said(broker, "no link"))


async def test_brokers_with_certificates_of_one_authority_share(cluster: Cluster, tmp_path: Path):
    await cluster.start("one", *with_certificate(tmp_path / "1"))
    await cluster.start("two", *with_certificate(tmp_path / "2"))
    await cluster.until(lambda: cluster.shares == [2, 2])


#: The options of a broker, and why there is no link to it: as the other one says, and as it says itself if it is the one that refuses.
STRANGERS: dict[str, tuple[Callable[[Path], tuple[str, ...]], str, str]] = {
    "a certificate of others": (lambda folder: with_certificate(folder, of="others"), "unable to get local issuer", ""),
    "it trusts others": (
        lambda folder: with_certificate(folder, trusts="others"),
        "the connection was closed",
        "certificate verify failed",
    ),
    "an expired certificate": (expired, "certificate has expired", ""),
    "no certificate": (lambda _: (), "SSL", ""),
}


@pytest.mark.parametrize(("more", "reason", "own_reason"), STRANGERS.values(), ids=STRANGERS)
async def test_a_broker_whose_certificate_does_not_fit_leads_nothing(
    cluster: Cluster, tmp_path: Path, more: Callable[[Path], tuple[str, ...]], reason: str, own_reason: str
):
    """It has the secret, so the certificate alone decides. The broker with the lower number dials; whoever refuses says why."""
    one = await cluster.start("one", *with_certificate(tmp_path / "1"))
    stranger = cluster.make("two", *more(tmp_path / "2"))
    await asyncio.to_thread(stranger.launch)
    await asyncio.to_thread(stranger.wait_until, lambda: bool(said(stranger, LEADS_NOTHING)))
    assert reason in why_no_link(one)
    assert own_reason in why_no_link(stranger)
    assert said(one, "link open") == said(stranger, "link open") == []
    assert set(cluster.owners().values()) == {cluster.sql("SELECT id FROM brokers WHERE process = 1")}


async def test_a_broker_with_another_secret_says_who_leads_and_leads_when_it_is_alone(cluster: Cluster, tmp_path: Path):
    """The certificates fit, and the proofs do not."""
    one = await cluster.start("one", *with_certificate(tmp_path / "1"))
    secret = str(cluster.secret("the secret of others"))
    stranger = cluster.make("two", *with_certificate(tmp_path / "2"), "--links-secret-file", secret)
    await asyncio.to_thread(stranger.launch)
    await asyncio.to_thread(stranger.wait_until, stranger.has_doors)
    leader = cluster.sql("SELECT id FROM brokers WHERE process = 1")
    assert set(cluster.owners().values()) == {leader}
    assert said(stranger, LEADS_NOTHING)
    assert "proof" in why_no_link(one) + why_no_link(stranger)
    status = await asyncio.to_thread(osmia, "status", address=stranger.address)
    assert status.returncode == 3
    for partition in range(1, PARTITIONS + 1):
        found = f"found that broker '{leader}' leads it; elsewhere, no link to a process that leads it"
        assert f"partition {partition}: Expected to lead partition {partition}, but {found}" in status.stderr
    await asyncio.to_thread(one.kill)
    other = cluster.sql("SELECT id FROM brokers WHERE process = 2")
    await cluster.until(lambda: set(cluster.owners().values()) == {other})
    await asyncio.to_thread(stranger.wait_until, stranger._is_ready)
