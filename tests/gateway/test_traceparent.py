"""The trace context of a caller, from either door, through a restart, to the worker."""

from pathlib import Path
from typing import Any

import grpc
import pytest

from osmia_proto import gateway
from osmia_proto.methods import GATEWAY
from tests.bpmn import bpmn
from tests.rest.conftest import Rest
from tests.running_broker import RunningBroker, running_broker

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
HEADERS = {"traceparent": PARENT}


def call(broker: RunningBroker, name: str, value: str, /, **fields: Any) -> Any:
    """Make a gRPC call with this value of `traceparent`."""
    method = GATEWAY[name]
    with grpc.insecure_channel(broker.address) as channel:
        found = channel.unary_unary(method.full_name, method.request.SerializeToString, method.response.FromString)
        return found(method.request(**fields), metadata=[("traceparent", value)])


def headers(broker: RunningBroker) -> dict[str, str]:
    """The headers of the one job that waits."""
    (job,) = broker.client.activate_jobs("ask", max_jobs=2)
    return job.headers


@pytest.mark.parametrize("grpc_server", ["python", "grpcio"])
def test_it_survives_a_restart_and_comes_with_the_job(tmp_path: Path, grpc_server: str):
    with running_broker(tmp_path, grpc_server=grpc_server) as broker:
        broker.client.deploy(("process.bpmn", bpmn("start > first:job > ask:job > end")))
        call(broker, "CreateProcessInstance", PARENT, bpmnProcessId="process", version=-1)
    with running_broker(tmp_path, grpc_server=grpc_server) as broker:
        (job,) = broker.client.activate_jobs("first", max_jobs=2)
        broker.client.complete_job(job.key)
        assert headers(broker) == HEADERS


def test_a_kept_message_keeps_it_over_a_restart(tmp_path: Path):
    with running_broker(tmp_path) as broker:
        call(broker, "PublishMessage", PARENT, name="go", correlationKey="1", timeToLive=600_000)
    with running_broker(tmp_path) as broker:
        broker.client.deploy(("process.bpmn", bpmn('start > m:catch(message=go, key="=k") > ask:job > end')))
        broker.client.create_instance("process", {"k": "1"})
        assert headers(broker) == HEADERS


def test_an_instance_whose_result_is_awaited_has_it_too(tmp_path: Path):
    with running_broker(tmp_path) as broker:
        broker.client.deploy(("process.bpmn", bpmn("start > ask:job > end")))
        creation = gateway.CreateProcessInstanceRequest(bpmnProcessId="process", version=-1)
        with pytest.raises(grpc.RpcError, match=r"within 0\.01 s"):
            call(broker, "CreateProcessInstanceWithResult", PARENT, request=creation, requestTimeout=10)
        assert headers(broker) == HEADERS


@pytest.mark.parametrize("value", ["nonsense", PARENT.upper()])
def test_what_is_not_valid_is_passed_over_and_never_refused(tmp_path: Path, value: str):
    with running_broker(tmp_path) as broker:
        broker.client.deploy(("process.bpmn", bpmn("start > ask:job > end")))
        call(broker, "CreateProcessInstance", value, bpmnProcessId="process", version=-1)
        assert headers(broker) == {}


def test_two_are_as_good_as_none(tmp_path: Path):
    """Over HTTP; a gRPC client sends the last one alone."""
    with running_broker(tmp_path) as broker:
        rest = Rest(broker)
        rest.deploy("start > ask:job > end")
        rest.post(
            "/process-instances", {"processDefinitionId": "process"}, headers=[*HEADERS.items(), *HEADERS.items()]
        )
        assert headers(broker) == {}
        rest.http.close()


def test_rest_takes_it_at_creations_and_messages(tmp_path: Path):
    with running_broker(tmp_path) as broker:
        rest = Rest(broker)
        rest.deploy("start > ask:job > end")
        rest.deploy("s:start(message=go) > ask:job > end", id="started")
        rest.deploy('start > m:catch(message=paid, key="=k") > ask:job > end', id="waiting")
        rest.post("/process-instances", {"processDefinitionId": "process"}, headers=HEADERS)
        assert headers(broker) == HEADERS
        rest.post("/messages/publication", {"name": "go", "correlationKey": "1"}, headers=HEADERS)
        assert headers(broker) == HEADERS
        rest.post("/process-instances", {"processDefinitionId": "waiting", "variables": {"k": "1"}})
        rest.post("/messages/correlation", {"name": "paid", "correlationKey": "1"}, headers=HEADERS)
        assert headers(broker) == HEADERS
        (found, *_) = rest.post("/jobs/search", {"filter": {"type": "ask"}})["items"]
        assert found["customHeaders"] == HEADERS
        rest.http.close()
