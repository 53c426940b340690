"""A broker of its own per test process, and a bare channel to it: no client library in between."""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import grpc
import pytest

from osmia_proto import gateway
from osmia_proto.methods import GATEWAY, QUERIES
from tests.bpmn import bpmn
from tests.running_broker import RunningBroker, running_broker


class Wire:
    """Calls by name, with the messages of the contract."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._channel = channel

    def call(self, call: str, /, **fields: Any) -> Any:
        method = GATEWAY[call]
        kind = self._channel.unary_stream if method.server_streaming else self._channel.unary_unary
        stub = kind(method.full_name, method.request.SerializeToString, method.response.FromString)
        return stub(method.request(**fields))

    async def deploy(self, line: str, id: str = "process") -> int:
        resource = gateway.Resource(name=f"{id}.bpmn", content=bpmn(line, id=id))
        answer = await self.call("DeployResource", resources=[resource])
        return int(answer.deployments[0].process.processDefinitionKey)

    async def create(self, id: str = "process", variables: str = "") -> int:
        answer = await self.call("CreateProcessInstance", bpmnProcessId=id, version=-1, variables=variables)
        return int(answer.processInstanceKey)

    async def activate(self, type: str, **fields: Any) -> list[Any]:
        given = {"timeout": 60_000, "maxJobsToActivate": 10, "requestTimeout": -1, "worker": "w"} | fields
        call = self.call("ActivateJobs", type=type, **given)
        return [job async for answer in call for job in answer.jobs]

    async def refusal(self, name: str, /, **fields: Any) -> grpc.aio.AioRpcError:
        """The error of a call that must be refused."""
        call = self.call(name, **fields)
        answer = call.read() if GATEWAY[name].server_streaming else call
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await answer
        return refused.value


@pytest.fixture(scope="session")
def gateway_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBroker]:
    with running_broker(tmp_path_factory.mktemp("gateway")) as broker:
        yield broker


@pytest.fixture
async def wire(gateway_broker: RunningBroker) -> AsyncIterator[Wire]:
    async with grpc.aio.insecure_channel(gateway_broker.address) as channel:
        yield Wire(channel)


@pytest.fixture
def unique(request: pytest.FixtureRequest) -> str:
    """A job type and process id of this test's own."""
    return "t_" + "".join(c if c.isalnum() else "_" for c in request.node.name)


Deploy = Callable[..., Any]


class Asking:
    """The calls by name, at the door of a broker."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._channel = channel

    async def __call__(self, name: str, /, **fields: Any) -> Any:
        method = QUERIES[name]
        stub = self._channel.unary_unary(method.full_name, method.request.SerializeToString, method.response.FromString)
        return await stub(method.request(**fields))

    async def refusal(self, name: str, /, **fields: Any) -> tuple[grpc.StatusCode, str]:
        """Status and text of a question that must be refused."""
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await self(name, **fields)
        return refused.value.code(), refused.value.details() or ""

    async def everything(self, name: str, /, **fields: Any) -> list[Any]:
        """The items of all pages."""
        page = await self(name, **fields)
        items = [*page.items]
        while page.next:
            page = await self(name, after=page.next, **fields)
            items += page.items
        return items


@pytest.fixture
async def ask(gateway_broker: RunningBroker) -> AsyncIterator[Asking]:
    async with grpc.aio.insecure_channel(gateway_broker.address) as channel:
        yield Asking(channel)
