"""A handler: a registered function, and how its return value or exception becomes an outcome of the job.

Each failure is logged here, because the broker keeps only one line of it: a WARNING with the traceback while the job has
retries left, an ERROR when it has none, and an INFO for a BPMN error, which the process model expects.
"""

import asyncio
import contextvars
import functools
import inspect
import logging
import traceback
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from dataclasses import replace
from typing import Any

from osmia import errors, variables
from osmia.backoff import RetryPauses
from osmia.job import (
    AdHocResult,
    BpmnError,
    Completed,
    ErrorThrown,
    Failed,
    Job,
    JobFailure,
    Outcome,
    TaskListenerResult,
)
from osmia.signature import Signature, Unfit
from osmia.tracing import span_of

log = logging.getLogger("osmia.worker")

MESSAGE_CHARS_MAX = 4_000  # of an error message: enough to find the place, small enough to list many


class TooLate(Exception):
    """The lease of the job ended before its handler could begin."""


def _never() -> bool:
    return False


class Handler:
    """A function that works on jobs, async or not.

    `fetch_variables` names the variables that its signature asks for, or is None if it takes all.

    Raises:
        TypeError: the signature has a parameter that no variable can be given to.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.name: str = getattr(function, "__qualname__", repr(function))
        self.is_async = inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
            getattr(function, "__call__", None)  # noqa: B004 - an object with an async __call__ is meant
        )
        self._function = function
        self._signature = Signature(function, self.name)
        self._file = _file_of(function)
        self.fetch_variables = self._signature.fetch_variables
        self.arguments = self._signature.arguments

    async def run(
        self,
        job: Job,
        pauses: RetryPauses,
        threads: Executor | None = None,
        *,
        is_over: Callable[[], bool] = _never,
        limit_ms: int | None = None,
    ) -> Outcome:
        """Work on *job* and return the outcome. If the task of this call is cancelled, so is an async handler.

        An async handler that works for longer than *limit_ms* is cancelled too, and the job has failed.

        A function that is not async runs in *threads* (None: the event loop's own). It may wait there for a free thread.
        `sys.exit` in a handler fails the job like any other exception; it ends neither the worker nor its thread.

        Raises:
            TooLate: *is_over* was true when the function was to begin.
        """
        with span_of(job) as span:
            try:
                arguments = self.arguments(job)
                outcome = self._completed(await self._call(arguments, threads, is_over, limit_ms))
                span.ends(outcome)
            except (TooLate, GeneratorExit):
                raise
            except BaseException as error:
                if isinstance(error, asyncio.CancelledError) and _is_being_cancelled():
                    raise
                outcome = self._outcome_of(error, job, pauses)
                span.ends(outcome, error)
                self._log(job, outcome, error)
        if isinstance(outcome, Completed):
            pauses.forget(job.key)
        return outcome

    async def _call(
        self, arguments: dict[str, Any], threads: Executor | None, is_over: Callable[[], bool], limit_ms: int | None
    ) -> object:
        if self.is_async:
            if is_over():
                raise TooLate
            return await self._within(limit_ms, self._function(**arguments))
        context = contextvars.copy_context()
        call = functools.partial(context.run, _begin, is_over, functools.partial(self._function, **arguments))
        return await asyncio.get_running_loop().run_in_executor(threads, call)

    async def _within(self, limit_ms: int | None, work: Coroutine[Any, Any, object]) -> object:
        try:
            async with asyncio.timeout(None if limit_ms is None else limit_ms / 1000) as limit:
                return await work
        except TimeoutError as error:
            if not limit.expired():  # the handler's own
                raise
            raise TimeoutError(
                f"Expected handler '{self.name}' to end within {limit_ms} ms, but it was cancelled"
            ) from error

    def _completed(self, result: object) -> Outcome:
        if isinstance(result, AdHocResult):
            activate = {id: _encoded(values) for id, values in result.activate.items()}
            return Completed(_encoded(result.variables), replace(result, activate=activate, variables=None))
        if isinstance(result, TaskListenerResult):
            return Completed(result=result)
        if result is not None and not variables.is_object(result):
            raise Unfit(
                f"Expected handler '{self.name}' to return None, a mapping or a model, but found {type(result).__name__}"
            )
        return Completed(_encoded(result))

    def _outcome_of(self, error: BaseException, job: Job, pauses: RetryPauses) -> Outcome:
        """Return the outcome for a handler that raised *error*."""
        try:
            match error:
                case BpmnError(code=code, message=message):
                    return ErrorThrown(code, message, _encoded(error.variables))
                case JobFailure(message=message):
                    retries = job.retries - 1 if error.retries is None else error.retries
                    pause_ms = pauses.next_ms(job.key) if error.back_off_ms is None else error.back_off_ms
                    return _failed(message, retries, pause_ms, _encoded(error.variables))
                case Unfit():
                    return _failed(str(error), 0)
                case _:
                    return _failed(self._described(error), job.retries - 1, pauses.next_ms(job.key))
        except Unfit as unfit:
            return _failed(str(unfit), 0)

    def _described(self, error: BaseException) -> str:
        """Return the error in one line, with the last place in the handler's own file that it passed through."""
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame for frame in frames if frame.filename == self._file] or frames[-1:]
        place = f" ({own[-1].filename}:{own[-1].lineno} in {own[-1].name})" if own else ""
        return f"{type(error).__name__}: {error}{place}"

    def _log(self, job: Job, outcome: Outcome, error: BaseException) -> None:
        if isinstance(outcome, ErrorThrown):
            text = f"{outcome.code}: {outcome.message}" if outcome.message else outcome.code
            log.info("job %d (%s) threw BPMN error %s", job.key, job.type, text)
        elif isinstance(outcome, Failed):
            level = logging.WARNING if outcome.retries else logging.ERROR
            # The text says it all, and no line of the handler is at fault.
            trace = None if isinstance(error, Unfit) else error
            noun = "retry" if outcome.retries == 1 else "retries"
            log.log(
                level,
                "job %d (%s) failed, %d %s left: %s",
                job.key,
                job.type,
                outcome.retries,
                noun,
                outcome.message,
                exc_info=trace,
            )


def _begin(is_over: Callable[[], bool], function: Callable[[], object]) -> object:
    """Call *function* in the thread that is free for it, unless the lease of the job has ended meanwhile."""
    if is_over():
        raise TooLate
    return function()


def _encoded(values: object) -> str:
    """Write variables of an outcome as text.

    Raises:
        Unfit: they cannot be sent. The work is done, so it must not be done again for that.
    """
    try:
        return variables.encode(values)
    except (TypeError, ValueError, RecursionError) as error:
        raise Unfit(str(error)) from None
    except errors.InvalidArgument as error:
        raise Unfit(error.details) from None


def _failed(message: str, retries: int, back_off_ms: int = 0, text: str = "") -> Failed:
    left = max(retries, 0)
    return Failed(message[:MESSAGE_CHARS_MAX], left, back_off_ms if left else 0, text)


def _is_being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _file_of(function: Callable[..., Any]) -> str:
    """Return the source file of a function, also behind decorators, `functools.partial` and a callable object."""
    while isinstance(function, functools.partial):
        function = function.func
    function = inspect.unwrap(function)
    code = getattr(function, "__code__", None) or getattr(getattr(function, "__call__", None), "__code__", None)  # noqa: B004
    return code.co_filename if code else ""
