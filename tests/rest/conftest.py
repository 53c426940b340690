"""A broker of its own per test process, and an HTTP client at its door: no client library of the contract in between."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.bpmn import bpmn
from tests.patience import ANSWER_S
from tests.running_broker import RunningBroker, running_broker


class Rest:
    """Requests below `/v2`, or another base, over a real socket."""

    def __init__(self, broker: RunningBroker, base: str = "/v2") -> None:
        self.broker = broker
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{broker.broker.http_port}{base}", timeout=ANSWER_S)

    def ask(self, method: str, path: str, body: Any = None, **options: Any) -> httpx.Response:
        """The answer to a request, refused or not. A *body* is sent as JSON."""
        return self.http.request(method, path, **({} if body is None else {"json": body}), **options)

    def get(self, path: str, **options: Any) -> Any:
        """The JSON of a request that must succeed."""
        return _answer(self.ask("GET", path, **options))

    def post(self, path: str, body: Any = None, **options: Any) -> Any:
        """The JSON of a request that must succeed; None for an empty answer."""
        return _answer(self.ask("POST", path, body, **options))

    def refusal(self, method: str, path: str, body: Any = None, **options: Any) -> dict[str, Any]:
        """The problem details of a request that must be refused."""
        response = self.ask(method, path, body, **options)
        assert response.status_code >= 400, response.text
        assert response.headers["content-type"] == "application/problem+json"
        problem = response.json()
        assert problem["status"] == response.status_code
        assert problem["instance"] == response.request.url.path
        return dict(problem)

    def deploy(self, line: str, id: str = "process", **model: Any) -> int:
        """Deploy a process that is written as a line, and return the key of its definition."""
        deployed = self.broker.client.deploy((f"{id}.bpmn", bpmn(line, id=id, **model)))
        return int(deployed.processes[0].key)

    def create(self, id: str = "process", **variables: Any) -> str:
        """Create an instance and return its key, as REST writes it."""
        created = self.post("/process-instances", {"processDefinitionId": id, "variables": variables})
        return str(created["processInstanceKey"])


def _answer(response: httpx.Response) -> Any:
    assert response.status_code < 300, response.text
    return response.json() if response.content else None


@pytest.fixture(scope="session")
def http_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBroker]:
    with running_broker(tmp_path_factory.mktemp("http")) as broker:
        yield broker


@pytest.fixture
def rest(http_broker: RunningBroker) -> Iterator[Rest]:
    rest = Rest(http_broker)
    yield rest
    rest.http.close()


@pytest.fixture
def own(http_broker: RunningBroker) -> Iterator[Rest]:
    """Requests below the base of Osmia's own operations."""
    rest = Rest(http_broker, "/osmia/v1")
    yield rest
    rest.http.close()


@pytest.fixture
def unique(request: pytest.FixtureRequest) -> str:
    """A process id that no other test has: the broker is shared."""
    return "p" + format(abs(hash(request.node.nodeid)), "x")
