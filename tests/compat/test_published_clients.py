"""Published clients, unmodified, play the same scenarios against a fresh broker and must see the same."""

from pathlib import Path

import pytest

from tests.auth import certificates
from tests.compat import builds
from tests.compat.programs import PROGRAMS, play
from tests.compat.scenarios import SEEN, write_models
from tests.patience import PROGRAM_S
from tests.running_broker import running_broker

pytestmark = pytest.mark.timeout(builds.BUILD_S + PROGRAM_S)

WITHOUT = {  # calls that a client does not have
    "go": {"modify", "migrate"},
    "zeebe-rs": {"stream", "migrate"},  # its plan of a migration cannot be filled from outside
    "zeebe-node": {"stream", "migrate", "delete"},
}


@pytest.mark.parametrize("client", PROGRAMS)
def test_a_published_client_sees_what_it_should(client: str, tmp_path: Path):
    write_models(tmp_path)
    expected = {scenario: seen for scenario, seen in SEEN.items() if scenario not in WITHOUT.get(client, ())}
    with running_broker(tmp_path / "data") as broker:

        def incident_of(process_instance: str) -> int:
            [incident] = broker.client.search_incidents(process_instance_key=int(process_instance)).items
            return int(incident.key)

        said = play(client, broker.address, tmp_path, expected, {"incident": incident_of})
    assert said == expected


@pytest.mark.parametrize(
    ("client", "grpc_server"),
    [*((client, "python") for client in PROGRAMS), ("go", "grpcio"), ("zeebe-node", "grpcio")],
)
def test_a_published_client_polls_and_streams_over_tls(client: str, grpc_server: str, tmp_path: Path):
    write_models(tmp_path)
    files = certificates.write(tmp_path / "certificates")
    names = {"topology", "deploy", "poll", "stream", "refused"} - WITHOUT.get(client, set())
    with running_broker(tmp_path / "data", grpc_server=grpc_server, **files) as broker:
        ca = str(tmp_path / "certificates" / "ours.ca.pem")
        said = play(client, broker.address, tmp_path, sorted(names), {}, TEST_CA=ca)
    assert said == {name: SEEN[name] for name in names}
