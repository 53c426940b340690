"""Traces at a collector: what callers asked for, what came of it, and what workers did, of one process instance together."""

import asyncio
import gzip
import http.server
import json
import logging
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

import osmia
from osmia_broker.base import logs
from osmia_broker.base.errors import NotFound
from osmia_broker.cli import preflight
from osmia_broker.cli.failures import Failure
from osmia_broker.running import open_tracing
from osmia_broker.running.broker import Broker
from osmia_broker.settings.config import ConfigError, Settings
from osmia_proto.methods import GATEWAY
from tests.bpmn import bpmn
from tests.patience import ANSWER_S
from tests.rest.conftest import Rest
from tests.running_broker import RunningBroker, running_broker

ROOT, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{ROOT}-{SPAN}-01"

needs_packages = pytest.mark.skipif(not open_tracing.is_installed(), reason="OpenTelemetry is an extra")


# --- without the packages


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment without the extra."""
    monkeypatch.setattr(open_tracing, "find_spec", lambda _name: None)


def test_the_setting_is_refused_with_the_remedy_if_the_packages_are_missing(bare: None):
    with pytest.raises(Failure, match="otel_endpoint is set, but OpenTelemetry is not installed") as refused:
        preflight.refuse_missing_extras(Settings(otel_endpoint="http://127.0.0.1:4318"))
    assert ".[otel]" in refused.value.mend


async def test_a_broker_that_is_started_without_the_command_refuses_it_too(bare: None, tmp_path: Path):
    broker = Broker(
        Settings(data_dir=tmp_path, grpc_port=0, http_port=0, management_port=0, otel_endpoint="http://there:1")
    )
    with pytest.raises(ConfigError, match="Expected the packages of OpenTelemetry"):
        await broker.start()


def test_nothing_is_missing_while_it_is_off(bare: None):
    preflight.refuse_missing_extras(Settings())


def test_nothing_of_it_is_loaded_while_it_is_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "opentelemetry"]:
        monkeypatch.delitem(sys.modules, name)
    with running_broker(tmp_path) as broker:
        broker.client.topology()
        assert not [name for name in sys.modules if name.partition(".")[0] == "opentelemetry"]


@pytest.mark.parametrize("url", ["there:4318", "ftp://there", "http://", "http://there/?x=1", "collector"])
def test_an_endpoint_that_is_no_url_is_refused(url: str):
    with pytest.raises(ConfigError, match=r"^Expected otel_endpoint to be a URL such as"):
        Settings(otel_endpoint=url)


# --- with them


class Collector:
    """A collector that keeps every span."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.resources: list[dict[str, str]] = []
        self.paths: list[str] = []
        collector = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                collector.take(self.path, gzip.decompress(body) if self.headers["content-encoding"] == "gzip" else body)
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def take(self, path: str, body: bytes) -> None:
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

        self.paths.append(path)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            self.resources.append(plain(resource.resource.attributes))
            for scope in resource.scope_spans:
                self.spans += scope.spans

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def of(self, name: str) -> Any:
        """The one span with this name."""
        (span,) = self.all_of(name)
        return span

    def all_of(self, name: str) -> list[Any]:
        return [span for span in self.spans if span.name == name]


def plain(attributes: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in attributes}


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    for name in ("ENDPOINT", "TRACES_ENDPOINT"):
        monkeypatch.delenv(f"OTEL_EXPORTER_OTLP_{name}", raising=False)
    found = Collector()
    yield found
    found.close()


def played(collector: Collector, data_dir: Path, **settings: Any) -> tuple[int, int]:
    """A job is worked on; the keys of its instance and of itself."""
    with running_broker(data_dir, otel_endpoint=collector.url, **settings) as broker:
        rest = Rest(broker)
        rest.deploy("start > ask:job > end")
        created = rest.post("/process-instances", {"processDefinitionId": "process"}, headers={"traceparent": PARENT})
        key = int(created["processInstanceKey"])
        (job,) = broker.client.activate_jobs("ask", max_jobs=1)
        complete(broker, job.key)
        assert rest.ask("GET", "/user-tasks/7").status_code == 404
        with pytest.raises(osmia.NotFound):
            broker.client.cancel_instance(1)
        rest.http.close()
    return key, job.key


def complete(broker: RunningBroker, key: int) -> None:
    method = GATEWAY["CompleteJob"]
    with grpc.insecure_channel(broker.address) as channel:
        call = channel.unary_unary(method.full_name, method.request.SerializeToString, method.response.FromString)
        call(method.request(jobKey=key), metadata=[("traceparent", PARENT)])


@needs_packages
@pytest.mark.parametrize("grpc_server", ["python", "grpcio"])
def test_the_calls_and_commands_of_a_process_instance_are_traced(
    collector: Collector, tmp_path: Path, grpc_server: str
):
    instance, job = played(collector, tmp_path, grpc_server=grpc_server)
    assert set(collector.paths) == {"/v1/traces"}
    assert all(one["service.name"] == "osmia" for one in collector.resources)

    call = collector.of("gateway_protocol.Gateway/CompleteJob")
    assert (call.trace_id.hex(), call.parent_span_id.hex()) == (ROOT, SPAN), "the caller's trace goes on"
    assert call.kind == call.SPAN_KIND_SERVER
    assert plain(call.attributes) == {
        "rpc.system": "grpc",
        "rpc.service": "gateway_protocol.Gateway",
        "rpc.method": "CompleteJob",
        "rpc.grpc.status_code": 0,
    }
    command = collector.of("command CompleteJob")
    assert (command.trace_id, command.parent_span_id) == (call.trace_id, call.span_id)
    assert plain(command.attributes) == {
        "osmia.job_key": job,
        "osmia.process_instance_key": instance,
        "osmia.element_id": "ask",
        "osmia.outcome": "accepted",
    }

    request = collector.of("POST /v2/process-instances")
    assert (request.trace_id.hex(), request.parent_span_id.hex()) == (ROOT, SPAN)
    assert plain(request.attributes)["http.response.status_code"] == 200
    created = collector.of("command CreateProcessInstance")
    assert created.parent_span_id == request.span_id
    assert plain(created.attributes)["osmia.process_instance_key"] == instance
    assert [int.from_bytes(link.span_id) for link in created.links] == [instance]


@needs_packages
def test_jobs_are_in_the_trace_of_their_process_instance(collector: Collector, tmp_path: Path):
    instance, job = played(collector, tmp_path)
    received, settled = collector.of("receive ask"), collector.of("settle ask")
    assert received.trace_id == settled.trace_id
    assert received.trace_id.startswith(b"osmia")
    assert int.from_bytes(received.trace_id[8:]) == instance, "whoever knows the key finds the trace"
    found = plain(settled.attributes)
    assert (found["messaging.system"], found["messaging.destination.name"]) == ("osmia", "ask")
    assert (found["messaging.operation.type"], found["osmia.job_key"]) == ("settle", job)
    assert plain(received.attributes)["messaging.operation.type"] == "receive"
    assert {plain(one.attributes)["osmia.element_id"] for one in (received, settled)} == {"ask"}


@needs_packages
@pytest.mark.parametrize(
    "settings", [{}, {"memory_limit": "1B"}, {"partitions": 3}], ids=["memory", "none", "partitions"]
)
def test_the_span_of_a_command_names_the_element_that_it_is_about(
    collector: Collector, tmp_path: Path, settings: dict[str, Any]
):
    with running_broker(tmp_path, otel_endpoint=collector.url, **settings) as broker:
        rest = Rest(broker)
        rest.deploy("start > ask:job > check:user(native=yes) > end")
        instance = int(rest.create())
        (job,) = broker.client.activate_jobs("ask", max_jobs=1)
        with pytest.raises(osmia.NotFound):
            broker.client.set_variables(job.key, {"x": 1})
        broker.client.set_variables(job.element_instance_key, {"x": 1}, local=True)
        broker.client.fail_job(job.key, retries=0, message="no")
        (incident,) = rest.post("/incidents/search")["items"]
        broker.client.update_job_retries(job.key, 1)
        broker.client.resolve_incident(int(incident["incidentKey"]))
        (job,) = broker.client.activate_jobs("ask", max_jobs=1)
        broker.client.complete_job(job.key)
        (task,) = rest.post("/user-tasks/search")["items"]
        rest.post(f"/user-tasks/{task['userTaskKey']}/assignment", {"assignee": "ada"})
        with pytest.raises(osmia.NotFound):
            broker.client.complete_job(job.key)
        rest.http.close()
    found = {
        span.name: (
            plain(span.attributes).get("osmia.element_id"),
            plain(span.attributes).get("osmia.process_instance_key"),
        )
        for span in collector.spans
        if span.name.startswith("command") and plain(span.attributes)["osmia.outcome"] == "accepted"
    }
    ours = {name: place for name, place in found.items() if place[0]}
    if "memory_limit" in settings:  # only variables are written, and the element has left the memory before the answer
        ours.setdefault("command SetVariables", ("ask", instance))
    assert ours == {
        "command SetVariables": ("ask", instance),
        "command FailJob": ("ask", instance),
        "command UpdateJobRetries": ("ask", instance),
        "command ResolveIncident": ("ask", instance),
        "command CompleteJob": ("ask", instance),
        "command AssignUserTask": ("check", instance),
    }
    refused = [
        plain(span.attributes) for span in collector.spans if plain(span.attributes).get("osmia.outcome") == "rejected"
    ]
    assert len(refused) == 2
    assert not [one for one in refused if "osmia.element_id" in one], "there is no such element any more"


@needs_packages
def test_the_log_names_the_span_in_which_something_was_logged(
    collector: Collector, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    lines: list[tuple[str, dict[str, Any]]] = []

    class Written(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append((logs.TextFormatter().format(record), json.loads(logs.JsonFormatter().format(record))))

    handler = Written()
    logging.getLogger("osmia_broker").addHandler(handler)
    try:
        with caplog.at_level("INFO"), running_broker(tmp_path, otel_endpoint=collector.url) as broker:
            broker.client.deploy(("process.bpmn", bpmn("start > ask:job > end")))
        logging.getLogger("osmia_broker").warning("after the end")
    finally:
        logging.getLogger("osmia_broker").removeHandler(handler)
    call = collector.of("gateway_protocol.Gateway/DeployResource")
    ((text, document),) = [line for line in lines if line[1]["message"] == "deployed"]
    assert (document["trace_id"], document["span_id"]) == (call.trace_id.hex(), call.span_id.hex())
    assert f"trace_id={call.trace_id.hex()} span_id={call.span_id.hex()}" in text
    others = [document for _, document in lines if document["message"] in ("broker ready", "after the end")]
    assert len(others) == 2
    assert not [one for one in others if "trace_id" in one]


@needs_packages
def test_refusals_have_their_status_and_are_no_faults_of_the_broker(collector: Collector, tmp_path: Path):
    played(collector, tmp_path)
    refused = collector.of("gateway_protocol.Gateway/CancelProcessInstance")
    assert plain(refused.attributes)["rpc.grpc.status_code"] == grpc.StatusCode.NOT_FOUND.value[0]
    assert refused.status.code != refused.status.STATUS_CODE_ERROR
    command = collector.of("command CancelProcessInstance")
    assert plain(command.attributes)["osmia.outcome"] == "rejected"
    assert command.status.message == NotFound.status
    missing = collector.of("GET /v2/user-tasks/{userTaskKey}")
    assert plain(missing.attributes)["http.response.status_code"] == 404


@needs_packages
def test_the_standard_variables_win(collector: Collector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    other = Collector()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", other.url)
    monkeypatch.setenv("OTEL_SERVICE_NAME", "ours")
    played(collector, tmp_path)
    other.close()
    assert collector.spans == []
    assert other.all_of("settle ask")
    assert {one["service.name"] for one in other.resources} == {"ours"}


@needs_packages
def test_no_value_of_a_variable_is_in_a_trace(collector: Collector, tmp_path: Path):
    with running_broker(tmp_path, otel_endpoint=collector.url) as broker:
        broker.client.deploy(("process.bpmn", bpmn("start > ask:job > end")))
        broker.client.create_instance("process", {"iban": "DE89-secret"})
        broker.client.publish_message("paid", "secret-key", {"iban": "DE89-secret"})
    assert collector.spans
    assert "secret" not in str(collector.spans)


@needs_packages
def test_a_collector_that_is_not_there_holds_up_no_stop(tmp_path: Path):
    with running_broker(tmp_path, otel_endpoint="http://127.0.0.1:9", shutdown_grace="100ms") as broker:
        assert broker.client.topology().partitions == 1


@needs_packages
def test_a_collector_that_hangs_beyond_the_end_of_the_broker_is_no_defect(monkeypatch: pytest.MonkeyPatch):
    from osmia_broker.running import tracing

    before, answers, defects = threading.enumerate(), threading.Event(), []
    monkeypatch.setattr(threading, "excepthook", defects.append)

    class Provider:
        def get_tracer(self, *_: Any) -> None:
            return None

        def shutdown(self) -> None:
            answers.wait(ANSWER_S)

    asyncio.run(tracing.Tracing(Provider()).stop(0))
    (sending,) = [one for one in threading.enumerate() if one.name == "osmia-traces" and one not in before]
    answers.set()
    sending.join(ANSWER_S)
    assert defects == []
