"""Traces by OpenTelemetry, if the program uses it: each call says from which span it comes, and each job is worked on in a span of its own.

Nothing here imports OpenTelemetry. A program that does not has no spans, and then a call and a job ask one question that costs nothing.
"""

import sys
from functools import cache
from importlib.metadata import version
from types import TracebackType
from typing import Any, Self

from osmia.job import Failed, Job, Outcome

TRACEPARENT = "traceparent"  # the name of the metadata, and of a job's header (W3C Trace Context)
_API = "opentelemetry.trace"


@cache
def _version() -> str:
    return version("osmia")


def _api() -> Any:
    """Return the module of OpenTelemetry, if the program has imported it."""
    api = sys.modules.get(_API)
    return api if hasattr(api, "get_current_span") else None  # it may just be being imported


def caused_by() -> tuple[tuple[str, str], ...]:
    """Return the metadata that name the current span; none without one."""
    api = _api()
    if api is None:
        return ()
    span = api.get_current_span().get_span_context()
    if not span.is_valid:
        return ()
    return ((TRACEPARENT, f"00-{span.trace_id:032x}-{span.span_id:016x}-{span.trace_flags:02x}"),)


class NoSpan:
    """Stands for the span of a job where there are no traces."""

    def __enter__(self) -> Self:
        """Do nothing."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Do nothing."""

    def ends(self, outcome: Outcome, error: BaseException | None = None) -> None:
        """Do nothing."""


class JobSpan(NoSpan):
    """The current span while a handler works. Its parent is the span that has caused the process instance, with a link to it."""

    def __init__(self, api: Any, job: Job) -> None:
        self._api = api
        cause = _cause(api, job.headers.get(TRACEPARENT, ""))
        tracer = api.get_tracer("osmia", _version())
        self._span = tracer.start_span(
            f"process {job.type}",
            context=api.set_span_in_context(api.NonRecordingSpan(cause or api.INVALID_SPAN_CONTEXT)),
            kind=api.SpanKind.CONSUMER,
            links=[api.Link(cause)] if cause is not None else [],
            attributes={
                "messaging.system": "osmia",
                "messaging.destination.name": job.type,
                "messaging.operation.type": "process",
                "messaging.operation.name": "process",
                "messaging.message.id": str(job.key),
                "osmia.job_key": job.key,
                "osmia.process_instance_key": job.process_instance_key,
                "osmia.element_id": job.element_id,
            },
        )
        self._use = api.use_span(self._span, end_on_exit=True, record_exception=False, set_status_on_exception=False)

    def __enter__(self) -> Self:
        """Make the span the current one."""
        self._use.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the span."""
        self._use.__exit__(kind, error, trace)

    def ends(self, outcome: Outcome, error: BaseException | None = None) -> None:
        """Note how the job ends. A BPMN error is expected by the model, so only a failure is one of the span."""
        self._span.set_attribute("osmia.outcome", _OUTCOMES.get(type(outcome).__name__, ""))
        if isinstance(outcome, Failed):
            if error is not None:
                self._span.record_exception(error)
            self._span.set_status(self._api.StatusCode.ERROR, outcome.message)


_OUTCOMES = {"Completed": "completed", "Failed": "failed", "ErrorThrown": "error"}
_NO_SPAN = NoSpan()


def span_of(job: Job) -> NoSpan:
    """Return a new span for the work on *job*, which begins with `with`."""
    api = _api()
    return _NO_SPAN if api is None else JobSpan(api, job)


def _cause(api: Any, traceparent: str) -> Any:
    """Return the span that the header of a job names; None if it names none."""
    try:
        _version, trace_id, span_id, flags = traceparent.split("-")
        found = api.SpanContext(int(trace_id, 16), int(span_id, 16), True, api.TraceFlags(int(flags, 16)))
    except ValueError:
        return None
    return found if found.is_valid else None
