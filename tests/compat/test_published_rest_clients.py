"""Published clients of the REST API, unmodified, play the same scenarios against a fresh broker and must see the same."""

from pathlib import Path

import pytest

from tests.auth.conftest import store
from tests.compat import builds
from tests.compat.programs import REST_PROGRAMS, play
from tests.compat.scenarios import SEEN_BY_REST, write_models
from tests.patience import PROGRAM_S
from tests.running_broker import running_broker

pytestmark = pytest.mark.timeout(builds.BUILD_S + PROGRAM_S)

WITHOUT = {  # calls that a client does not have, or makes in another form
    "orchestration-cluster-api": {"modify"},
    "camunda8-sdk-rest": {"modify", "batch"},
}


@pytest.mark.parametrize("client", REST_PROGRAMS)
def test_a_published_client_of_the_rest_api_sees_what_it_should(client: str, tmp_path: Path):
    write_models(tmp_path)
    expected = {scenario: seen for scenario, seen in SEEN_BY_REST.items() if scenario not in WITHOUT.get(client, ())}
    with running_broker(tmp_path / "data") as broker:
        address = f"http://127.0.0.1:{broker.broker.http_port}"
        said = play(client, address, tmp_path, expected, {})
    assert said == expected


@pytest.mark.parametrize("client", REST_PROGRAMS)
def test_a_published_client_signs_in_with_a_password(client: str, tmp_path: Path):
    write_models(tmp_path)
    store(tmp_path / "data" / "osmia.users.json", anna=("correct horse", ["family"]))
    names = ("deploy", "work", "task")
    sign_in = {"CAMUNDA_AUTH_STRATEGY": "BASIC", "CAMUNDA_BASIC_AUTH_USERNAME": "anna"}
    with running_broker(tmp_path / "data", auth="basic") as broker:
        address = f"http://127.0.0.1:{broker.broker.http_port}"
        said = play(client, address, tmp_path, names, {}, **sign_in, CAMUNDA_BASIC_AUTH_PASSWORD="correct horse")
        assert said == {name: SEEN_BY_REST[name] for name in names}
        refused = play(client, address, tmp_path, ["stranger"], {}, **sign_in, CAMUNDA_BASIC_AUTH_PASSWORD="wrong")
    assert refused == {"stranger": {"code": 401}}
