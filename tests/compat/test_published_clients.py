"""Published clients, unmodified, play the same scenarios against a fresh broker and must see the same."""

from pathlib import Path

import pytest

from tests.compat import builds
from tests.compat.programs import PLAY_S, PROGRAMS, play
from tests.compat.scenarios import SEEN, write_models
from tests.doors import running_broker

pytestmark = pytest.mark.timeout(builds.BUILD_S + PLAY_S)

WITHOUT = {  # calls that a client does not have
    "go": {"modify", "migrate"},
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
