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
from threading import Thread
from time import time_ns
from typing import TYPE_CHECKING, Any, cast

from opentelemetry import propagate, trace
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, SpanKind, StatusCode, TraceFlags

from osmia_broker import __version__
from osmia_broker.engine.audit import ByPerson, name_of
from osmia_broker.engine.commands import Command
from osmia_broker.engine.domain_events import JOB, DomainEvent
from osmia_broker.errors import OsmiaError
from osmia_broker.metrics import HttpCounters
from osmia_broker.partition import Face, Listener
from osmia_broker.rpc import STATUSES, Call, Refusal, Rpc, Shape

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider

OUR_FAULT = ("UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS")
OPERATIONS = {
    "activated": "receive",
    "completed": "settle",
    "failed": "settle",
    "error": "settle",
}  # of a job, by what happened to it
NAME_PART = 0x6F736D6961 << 88  # `osmia`, the upper five of the sixteen octets of a trace's id
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
    """Makes the spans of one broker."""

    def __init__(self, provider: "TracerProvider") -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("osmia", __version__)

    async def stop(self, grace_s: float) -> None:
        """Send what is left; a collector that does not answer is given up after *grace_s*."""
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

    def face(self, face: Face) -> Face:
        """Return the same partitions with a span around each command that is submitted, until its commit."""
        return cast("Face", _TracedFace(face, self.begin_command))

    def begin_command(self, command: Command) -> Span:
        """Begin the span of a command, below that of the call which submits it."""
        inner = command.command if isinstance(command, ByPerson) else command
        attributes = {
            f"osmia.{name}": value
            for name in ("process_instance_key", "element_id", "job_key", "user_task_key", "incident_key")
            if (value := getattr(inner, name, None))
        }
        return self._tracer.start_span(f"command {name_of(command)}", kind=SpanKind.INTERNAL, attributes=attributes)

    # --- what the broker hears and counts

    def http_counters(self) -> HttpCounters:
        """Return counters that name the spans of requests."""
        return TracedHttpCounters()

    def job_spans(self) -> Listener:
        """Return a listener that makes the spans of jobs."""
        return JobSpans(self)

    def job(self, event: DomainEvent) -> None:
        """Make the span of what happened to a job."""
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


class JobSpans(Listener):
    """Makes the spans of jobs once their commit is durable."""

    def __init__(self, tracing: Tracing) -> None:
        self._tracing = tracing

    def events_committed(self, events: Sequence[DomainEvent]) -> None:
        """Make a span of what happened to each job."""
        for event in events:
            if event.kind == JOB:
                self._tracing.job(event)


class TracedHttpCounters(HttpCounters):
    """Names the span of a request after its route, which is known when it is counted."""

    def answered(self, route: str, method: str, status: str, seconds: float) -> None:
        """Count one answer."""
        HttpCounters.answered(self, route, method, status, seconds)
        span = trace.get_current_span()
        span.update_name(f"{method} {route}")
        span.set_attribute("http.route", route)


class _TracedFace:
    """The partitions of a broker; only what is submitted differs."""

    def __init__(self, face: Face, begin: Callable[[Command], Span]) -> None:
        self._face, self._begin = face, begin

    def __getattr__(self, name: str) -> Any:
        return getattr(self._face, name)

    def submit(self, command: Command) -> "asyncio.Future[Any]":
        """Submit a command, as `Partition.submit` does."""
        span = self._begin(command)
        try:
            with trace.use_span(span, record_exception=False, set_status_on_exception=False):
                answer = self._face.submit(command)
        except OsmiaError as refusal:
            _end_command(span, None, refusal)
            raise
        answer.add_done_callback(lambda done: _answered(span, done))
        return answer


def _answered(span: Span, done: "asyncio.Future[Any]") -> None:
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
