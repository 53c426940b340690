"""Traces of the SDK: a call says from which span it comes, and a handler works in a span with a link to it."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from osmia import BpmnError, Client, Job, JobFailure, SyncClient, Worker
from osmia.testing import Completed, ErrorThrown, Failed
from tests.bpmn import bpmn
from tests.running_broker import running_broker

needs_packages = pytest.mark.skipif(find_spec("opentelemetry.sdk") is None, reason="OpenTelemetry is an extra")
CAUSE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
ALONE = """
import asyncio, sys
import osmia
from osmia.testing import Completed

worker = osmia.Worker(osmia.Client("127.0.0.1:1"))

@worker.job("t")
async def handle():
    return None

headers = '{"traceparent": "%s"}'
assert isinstance(asyncio.run(worker.handle(osmia.Job(key=1, type="t", headers_json=headers))), Completed)
found = [name for name in sys.modules if name.startswith("opentelemetry")]
assert not found, found
"""


def test_a_program_without_traces_loads_nothing_of_it():
    subprocess.run([sys.executable, "-c", ALONE % CAUSE], check=True)


class Traces:
    """The spans of a program that uses OpenTelemetry."""

    def __init__(self, provider: Any, exporter: Any) -> None:
        self.tracer = provider.get_tracer("program")
        self._exporter = exporter

    def of(self, name: str) -> Any:
        (span,) = [span for span in self._exporter.get_finished_spans() if span.name == name]
        return span


@pytest.fixture
def traces(monkeypatch: pytest.MonkeyPatch) -> Iterator[Traces]:
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
    yield Traces(provider, exporter)
    provider.shutdown()


def job(**values: Any) -> Job:
    return Job(key=7, type="charge", process_instance_key=5, element_id="pay", **values)


def caused(traceparent: str = CAUSE) -> Job:
    return job(headers_json=f'{{"traceparent": "{traceparent}"}}')


async def handled(function: Any, one: Job) -> Any:
    async with Client("127.0.0.1:1") as client:
        worker = Worker(client)
        worker.job("charge")(function)
        return await worker.handle(one)


@needs_packages
async def test_a_handler_works_in_a_span_below_its_cause_with_a_link_to_it(traces: Traces):
    async def handle() -> None:
        with traces.tracer.start_as_current_span("inner"):
            pass

    assert isinstance(await handled(handle, caused()), Completed)
    span, inner = traces.of("process charge"), traces.of("inner")
    assert f"00-{span.parent.trace_id:032x}-{span.parent.span_id:016x}-01" == CAUSE
    assert [link.context.span_id for link in span.links] == [span.parent.span_id]
    assert span.kind.name == "CONSUMER"
    assert inner.parent.span_id == span.context.span_id, "what the handler does is below it"
    assert dict(span.attributes) == {
        "messaging.system": "osmia",
        "messaging.destination.name": "charge",
        "messaging.operation.type": "process",
        "messaging.operation.name": "process",
        "messaging.message.id": "7",
        "osmia.job_key": 7,
        "osmia.process_instance_key": 5,
        "osmia.element_id": "pay",
        "osmia.outcome": "completed",
    }


@needs_packages
async def test_a_handler_in_a_thread_works_in_it_too(traces: Traces):
    def handle() -> None:
        with traces.tracer.start_as_current_span("inner"):
            pass

    await handled(handle, caused())
    assert traces.of("inner").parent.span_id == traces.of("process charge").context.span_id


@needs_packages
@pytest.mark.parametrize(
    "one",
    [job(), caused("mine"), caused("00-x-y-01"), caused(f"00-{'0' * 32}-b7ad6b7169203331-01")],
    ids=["none", "a word", "no numbers", "zeros"],
)
async def test_without_a_cause_it_begins_a_trace_whatever_the_worker_was_started_in(traces: Traces, one: Job):
    async def handle() -> None:
        pass

    with traces.tracer.start_as_current_span("start-up"):
        assert isinstance(await handled(handle, one), Completed)
    span = traces.of("process charge")
    assert (span.parent, list(span.links)) == (None, [])
    assert span.context.trace_id != traces.of("start-up").context.trace_id


@needs_packages
@pytest.mark.parametrize(
    ("raised", "outcome", "noted", "status"),
    [
        (RuntimeError("no line"), Failed, "failed", "ERROR"),
        (JobFailure("later", retries=2), Failed, "failed", "ERROR"),
        (BpmnError("no-card"), ErrorThrown, "error", "UNSET"),
    ],
)
async def test_a_failure_is_one_of_the_span_but_a_bpmn_error_is_not(
    traces: Traces, raised: Exception, outcome: type, noted: str, status: str
):
    async def handle() -> None:
        raise raised

    assert isinstance(await handled(handle, caused()), outcome)
    span = traces.of("process charge")
    assert (span.attributes["osmia.outcome"], span.status.status_code.name) == (noted, status)
    assert [event.name for event in span.events] == (["exception"] if status == "ERROR" else [])


@needs_packages
async def test_a_handler_that_is_cut_off_ends_its_span(traces: Traces):
    begun = asyncio.Event()

    async def handle() -> None:
        begun.set()
        await asyncio.Event().wait()

    working = asyncio.create_task(handled(handle, caused()))
    await begun.wait()
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    assert "osmia.outcome" not in traces.of("process charge").attributes


# --- both ends, with a broker between


@needs_packages
def test_a_worker_finds_the_span_that_the_creation_came_from(traces: Traces, tmp_path: Path):
    with running_broker(tmp_path) as broker, SyncClient(broker.address) as client:
        client.deploy(("process.bpmn", bpmn("start > charge:job > end")))
        client.deploy(("started.bpmn", bpmn("s:start(message=go) > charge:job > end", id="started")))
        with traces.tracer.start_as_current_span("order") as span:
            client.create_instance("process")
            client.publish_message("go", "1")
        with traces.tracer.start_as_current_span("other"):
            pass
        client.create_instance("process")
        context = span.get_span_context()
        found = [job.headers.get("traceparent") for job in client.activate_jobs("charge", max_jobs=5)]
    ours = f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
    assert found == [ours, ours, None]


@needs_packages
def test_a_span_that_is_not_sampled_is_told_as_such(traces: Traces, tmp_path: Path):
    from opentelemetry import trace

    quiet = trace.SpanContext(0x11, 0x22, is_remote=False, trace_flags=trace.TraceFlags(0))
    with running_broker(tmp_path) as broker, SyncClient(broker.address) as client:
        client.deploy(("process.bpmn", bpmn("start > charge:job > end")))
        with trace.use_span(trace.NonRecordingSpan(quiet)):
            client.create_instance("process")
        (job,) = client.activate_jobs("charge", max_jobs=5)
    assert job.headers == {"traceparent": f"00-{0x11:032x}-{0x22:016x}-00"}
