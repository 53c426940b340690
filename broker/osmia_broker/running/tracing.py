"""Send traces by OpenTelemetry, if the setting `otel_endpoint` says where to: what callers ask for, commands, and jobs.

Nothing here is loaded while it is off, and nothing elsewhere asks whether it is on: the doors are given calls that are wrapped. The packages
are an extra (`osmia[otel]`).

A process instance has one trace, whoever works on it and whenever: its id is `osmia` in ASCII and the key (`trace_of`). What a call does to an
instance stands in the trace of the call, with a link to that of the instance.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, MutableMapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from threading import Thread
from time import time_ns
from typing import TYPE_CHECKING, Any, cast

from opentelemetry import propagate, trace
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, SpanKind, StatusCode, TraceFlags

from osmia_broker import __version__
from osmia_broker.base import logs
from osmia_broker.base.errors import OsmiaError
from osmia_broker.engine.audit import name_of
from osmia_broker.engine.commands import Command
from osmia_broker.engine.domain_events import JOB, DomainEvent
from osmia_broker.metrics import HttpCounters
from osmia_broker.partition import Listener, Partitions
from osmia_broker.rpc import STATUSES, Call, Refusal, Rpc, Shape
from osmia_broker.state.partitioning import partition_of_key
from osmia_broker.state.rows import ElementInstance, Incident, Job
from osmia_broker.state.rows.kinds import KINDS
from osmia_broker.state.rows.tasks import UserTask
from osmia_broker.state.store_protocol import Changes

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider

OUR_FAULT = ("UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS")
# The kind of span by what happened to the job.
OPERATIONS = {"activated": "receive", "completed": "settle", "failed": "settle", "error": "settle"}
NAME_PART = 0x6F736D6961 << 88  # `osmia`, the upper five of the sixteen octets of a trace's id
NAMED = ("process_instance_key", "element_id", "element_instance_key", "job_key", "user_task_key", "incident_key")
ABOUT: dict[str, type] = {  # the field by which a command names a row of an element
    "job_key": Job,
    "user_task_key": UserTask,
    "incident_key": Incident,
    "element_instance_key": ElementInstance,
    "ad_hoc_key": ElementInstance,
}
_ELEMENT_ID = {row_type: KINDS[row_type].columns.index("element_id") for row_type in ABOUT.values()}
ALWAYS = TraceFlags(TraceFlags.SAMPLED)

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
Receive = Callable[[], Awaitable[Message]]
App = Callable[[Message, Receive, Send], Awaitable[None]]


def trace_of(process_instance_key: int) -> SpanContext:
    """Return the root of the trace of a process instance. It is no span itself."""
    return SpanContext(NAME_PART | process_instance_key, process_instance_key, is_remote=True, trace_flags=ALWAYS)


def provider_for(endpoint: str) -> "TracerProvider":
    """Return a provider that sends to the collector at *endpoint*, from a thread of its own; without one, to where the variables say."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    ours = Resource({"service.name": "osmia", "service.version": __version__})
    provider = TracerProvider(resource=ours.merge(OTELResourceDetector().detect()), shutdown_on_exit=False)
    url = f"{endpoint.rstrip('/')}/v1/traces" if endpoint else None
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=url)))
    return provider


class Tracing:
    """Makes the spans of one broker, whose log names them."""

    def __init__(self, provider: "TracerProvider") -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("osmia", __version__)
        self._forget = logs.add_context(_current)

    async def stop(self, grace_s: float) -> None:
        """Send what is left; a collector that does not answer is given up after *grace_s*."""
        self._forget()
        loop, sent = asyncio.get_running_loop(), asyncio.Event()

        def send() -> None:
            self._provider.shutdown()
            with suppress(RuntimeError):  # it was given up, and the loop has ended
                loop.call_soon_threadsafe(sent.set)

        Thread(target=send, name="osmia-traces", daemon=True).start()
        try:
            async with asyncio.timeout(grace_s):
                await sent.wait()
        except TimeoutError:
            pass

    # --- gRPC

    def rpc(self, rpc: Rpc) -> Rpc:
        """Return the same call with a span around each answer."""
        service, _, method = rpc.path[1:].partition("/")
        attributes = {"rpc.system": "grpc", "rpc.service": service, "rpc.method": method}

        def begin(call: Call) -> Span:
            given = {name: value for name, value in call.invocation_metadata() or () if isinstance(value, str)}
            return self._begin(rpc.path[1:], SpanKind.SERVER, attributes, propagate.extract(given))

        async def answer(message: bytes, call: Call) -> bytes:
            span = begin(call)
            with _answering(span), trace.use_span(span, record_exception=False, set_status_on_exception=False):
                written: bytes = await rpc.answer(message, call)
            return written

        async def answers(messages: Any, call: Call) -> AsyncIterator[bytes]:
            with _answering(begin(call)):  # which is not the current span: others of the task run between two messages
                responses = rpc.answer(messages, call)
                try:
                    async for response in responses:
                        yield response
                finally:
                    await responses.aclose()

        return replace(rpc, answer=answer if rpc.shape is Shape.UNARY else answers)

    # --- HTTP

    def app(self, app: App) -> App:
        """Return the same HTTP application with a span around each answer."""

        async def answer(scope: Message, receive: Receive, send: Send) -> None:
            given = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
            attributes = {
                "http.request.method": scope["method"],
                "url.path": scope["path"],
                "url.scheme": scope["scheme"],
            }
            span = self._begin(scope["method"], SpanKind.SERVER, attributes, propagate.extract(given))

            async def sent(message: Message) -> None:
                if message["type"] == "http.response.start":
                    _note_http(span, message["status"])
                await send(message)

            with trace.use_span(span, end_on_exit=True):
                await app(scope, receive, sent)

        return answer

    # --- commands

    def traced(self, partitions: Partitions) -> Partitions:
        """Return the same partitions with a span around each command that is submitted, until its commit."""
        return cast("Partitions", _TracedPartitions(partitions, self.begin_command))

    def begin_command(self, command: Command) -> Span:
        """Begin the span of a command, below that of the call which submits it."""
        inner = command.inner
        attributes = {f"osmia.{name}": value for name in NAMED if (value := getattr(inner, name, None))}
        return self._tracer.start_span(f"command {name_of(command)}", kind=SpanKind.INTERNAL, attributes=attributes)

    # --- what the broker is notified of and counts

    def http_counters(self) -> HttpCounters:
        """Return counters that name the spans of requests."""
        return TracedHttpCounters()

    def job_spans(self) -> Listener:
        """Return a listener that makes the spans of jobs."""
        return JobSpans(self)

    def job(self, event: DomainEvent, element_id: str) -> None:
        """Make the span of what happened to a job of an element."""
        operation = OPERATIONS.get(event.intent)
        if operation is None:
            return
        attributes: dict[str, str | int] = {
            "messaging.system": "osmia",
            "messaging.destination.name": event.name,
            "messaging.operation.type": operation,
            "messaging.operation.name": event.intent,
            "messaging.message.id": str(event.key),
            "osmia.job_key": event.key,
            "osmia.process_instance_key": event.process_instance_key,
            "osmia.element_id": element_id,
        }
        context = trace.set_span_in_context(NonRecordingSpan(trace_of(event.process_instance_key)))
        since_ms = event.since_ms if operation == "receive" and event.since_ms else event.at_ms
        span = self._tracer.start_span(
            f"{operation} {event.name}", context, SpanKind.CONSUMER, attributes, start_time=since_ms * 1_000_000
        )
        if event.intent in ("failed", "error"):
            span.set_status(StatusCode.ERROR, event.intent)
        span.end(event.at_ms * 1_000_000)

    def _begin(self, name: str, kind: SpanKind, attributes: dict[str, str], context: "Context | None") -> Span:
        return self._tracer.start_span(name, context, kind, attributes, start_time=time_ns())


def _current() -> dict[str, str]:
    """Return what the log says of the current span; nothing without one."""
    span = trace.get_current_span().get_span_context()
    return {"trace_id": f"{span.trace_id:032x}", "span_id": f"{span.span_id:016x}"} if span.is_valid else {}


class JobSpans(Listener):
    """Makes the spans of jobs once their commit is durable."""

    def __init__(self, tracing: Tracing) -> None:
        self._tracing = tracing
        self._events: list[DomainEvent] = []  # of the batch whose rows come next

    def events_committed(self, events: Sequence[DomainEvent]) -> None:
        """Keep what happened to jobs, until their rows come."""
        self._events = [event for event in events if event.kind == JOB]

    def changes_committed(self, changes: Changes) -> None:
        """Make a span of what happened to each job."""
        events, self._events = self._events, []
        if events:
            elements = {values[0]: values[_ELEMENT_ID[Job]] for values in changes.written.get(Job, ())}
            for event in events:
                self._tracing.job(event, elements.get(event.key, ""))


class TracedHttpCounters(HttpCounters):
    """Names the span of a request after its route, which is known when it is counted."""

    def answered(self, route: str, method: str, status: str, seconds: float) -> None:
        """Count one answer."""
        HttpCounters.answered(self, route, method, status, seconds)
        span = trace.get_current_span()
        span.update_name(f"{method} {route}")
        span.set_attribute("http.route", route)


class _Elements(Listener):
    """Notes in the span of a command the element that it is about, which is that of the row whose key the command names.

    The row is in memory when the command begins, or it is among the rows of the commit, or it stays in memory. Nothing is noted of a
    row in a partition that another process leads, or of one that was read for a moment only because the memory is full.
    """

    def __init__(self, partitions: Partitions) -> None:
        self._partitions = partitions
        self._asked: dict[int, list[Span]] = {}  # commands under way about rows that were not in memory, by their keys

    def begin(self, command: Command, span: Span) -> Callable[[], None]:
        """Note the element of a command that begins; return what to do when it has ended."""
        named = next(((row_type, key) for name, row_type in ABOUT.items() if (key := getattr(command, name, 0))), None)
        if named is None or self._note_resident(*named, span):
            return _nothing
        self._asked.setdefault(named[1], []).append(span)
        return partial(self._end, *named, span)

    def changes_committed(self, changes: Changes) -> None:
        """Look for the rows that were asked for."""
        if not self._asked:
            return
        for row_type, place in _ELEMENT_ID.items():
            for values in changes.written.get(row_type, ()):
                for span in self._asked.get(values[0], ()):
                    _note_element(span, values[1], values[place])

    def _end(self, row_type: type, key: int, span: Span) -> None:
        self._note_resident(row_type, key, span)
        spans = self._asked[key]
        spans.remove(span)
        if not spans:
            del self._asked[key]

    def _note_resident(self, row_type: type, key: int, span: Span) -> bool:
        number = partition_of_key(key)
        part: Any = self._partitions.parts[number - 1] if 1 <= number <= len(self._partitions.parts) else None
        row = part.state.tables[row_type].get(key) if part is not None and part.is_here else None
        if row is not None:
            _note_element(span, row.process_instance_key, row.element_id)
        return row is not None


def _note_element(span: Span, process_instance_key: int, element_id: str) -> None:
    span.set_attributes({"osmia.process_instance_key": process_instance_key, "osmia.element_id": element_id})


def _nothing() -> None:
    pass


class _TracedPartitions:
    """The partitions of a broker; only what is submitted differs."""

    def __init__(self, partitions: Partitions, begin: Callable[[Command], Span]) -> None:
        self._partitions, self._begin = partitions, begin
        self._elements = _Elements(partitions)
        partitions.add_listener(self._elements)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._partitions, name)

    def submit(self, command: Command) -> "asyncio.Future[Any]":
        """Submit a command, as `Partition.submit` does."""
        span = self._begin(command)
        end = self._elements.begin(command.inner, span)
        try:
            with trace.use_span(span, record_exception=False, set_status_on_exception=False):
                answer = self._partitions.submit(command)
        except OsmiaError as refusal:
            end()
            _end_command(span, None, refusal)
            raise
        answer.add_done_callback(lambda done: _answered(span, end, done))
        return answer


def _answered(span: Span, end: Callable[[], None], done: "asyncio.Future[Any]") -> None:
    end()
    if done.cancelled():
        span.add_event("the caller left")
        span.end()
    else:
        error = done.exception()  # it is raised for the caller all the same
        _end_command(span, None if error else done.result(), error)


def _end_command(span: Span, answer: Any, error: BaseException | None) -> None:
    key = getattr(answer, "process_instance_key", 0)
    if key:
        span.set_attribute("osmia.process_instance_key", key)
        span.add_link(trace_of(key))
    span.set_attribute("osmia.outcome", "rejected" if error else "accepted")
    if error is not None:
        span.set_status(StatusCode.ERROR, getattr(error, "status", type(error).__name__))
    span.end()


@contextmanager
def _answering(span: Span) -> Iterator[None]:
    """End the span of a gRPC call with the status that it is answered with."""
    status = "OK"
    try:
        yield
    except Refusal as refusal:
        status = refusal.status
        raise
    except (asyncio.CancelledError, GeneratorExit):
        status = "CANCELLED"
        raise
    except BaseException:
        status = "UNKNOWN"
        raise
    finally:
        span.set_attribute("rpc.grpc.status_code", STATUSES[status])
        if status in OUR_FAULT:
            span.set_status(StatusCode.ERROR, status)
        span.end()


def _note_http(span: Span, status: int) -> None:
    span.set_attribute("http.response.status_code", status)
    if status >= 500:
        span.set_status(StatusCode.ERROR)
