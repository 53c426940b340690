"""A handler: what its signature asks for, and how its return value or exception becomes an outcome.

    def handle(job: Job, amount: int, note: str = "")     the job, and variables by name
    def handle(order: Order)                              all variables as one dataclass, Struct or pydantic model
    def handle(**variables)                               all variables as they are

The signature is read once, when the handler is registered. What it names is what the broker is asked for.
"""

import asyncio
import contextvars
import functools
import inspect
import traceback
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any

from osmia import variables
from osmia._channel import MESSAGE_BYTES_MAX
from osmia.backoff import RetryPauses
from osmia.job import BpmnError, Completed, ErrorThrown, Failed, Job, JobFailure, Outcome

MESSAGE_CHARS_MAX = 4_000  # of an error message: enough to find the place, small enough to list many
VARIABLES_BYTES_MAX = MESSAGE_BYTES_MAX - 64 * 1024  # leaves room for the rest of the message

_ANYTHING = (inspect.Parameter.empty, Any, object)


class Unfit(Exception):
    """The variables are not what the handler asks for, and trying again would not change that."""


class Handler:
    """A function that works on jobs, async or not.

    `fetch_variables` names the variables its signature asks for, or is None if it takes all.

    Raises:
        TypeError: the signature has a parameter that no variable can be given to.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.name: str = getattr(function, "__qualname__", repr(function))
        self.is_async = inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
            getattr(function, "__call__", None)  # noqa: B004 - an object with an async __call__ is meant
        )
        self._function = function
        self._job_names: list[str] = []
        self._wanted: dict[str, inspect.Parameter] = {}
        self._takes_rest = False
        for parameter in inspect.signature(function, eval_str=True).parameters.values():
            self._read(parameter)
        self._model = self._lone_model()
        self.fetch_variables = self._fetch_variables()

    async def run(self, job: Job, pauses: RetryPauses, threads: Executor | None = None) -> Outcome:
        """Work on *job* and tell the outcome. Never raises an Exception; cancelling goes through to an async handler.

        A function that is not async runs in *threads* (None: the event loop's own).
        """
        try:
            arguments = self.arguments(job)
            outcome = self._completed(await self._call(arguments, threads))
        except asyncio.CancelledError as error:
            if _is_being_cancelled():
                raise
            outcome = _outcome_of(error, job, pauses)  # only something inside the handler was cancelled
        except Exception as error:  # noqa: BLE001 - the one door: whatever a handler raises is told to the broker
            outcome = _outcome_of(error, job, pauses)
        if isinstance(outcome, Completed):
            pauses.forget(job.key)
        return outcome

    def arguments(self, job: Job) -> dict[str, Any]:
        """What the function is called with, by parameter name.

        Raises:
            Unfit: a variable is missing or has a value of another type.
        """
        arguments: dict[str, Any] = dict.fromkeys(self._job_names, job)
        if self._model:
            arguments[self._model.name] = self._fit(job, job.variables, self._model.annotation, "the variables")
            return arguments
        for name, parameter in self._wanted.items():
            if name in job.variables:
                value = job.variables[name]
                arguments[name] = self._fit(job, value, parameter.annotation, f"variable '{name}'")
            elif parameter.default is parameter.empty:
                arguments[name] = None
                self._expect_nullable(job, parameter)
        if self._takes_rest:
            arguments = job.variables | arguments
        return arguments

    def _read(self, parameter: inspect.Parameter) -> None:
        """Sort one parameter in."""
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.VAR_POSITIONAL):
            raise TypeError(
                f"Expected parameters of handler '{self.name}' that can be given by name, but found '{parameter}'"
            )
        if parameter.kind is parameter.VAR_KEYWORD:
            self._takes_rest = True
        elif parameter.annotation is Job or (parameter.annotation is parameter.empty and parameter.name == "job"):
            self._job_names.append(parameter.name)
        else:
            self._wanted[parameter.name] = parameter

    def _lone_model(self) -> inspect.Parameter | None:
        """The parameter that takes all variables, if it is the only one and its type has fields."""
        if len(self._wanted) != 1 or self._takes_rest:
            return None
        (parameter,) = self._wanted.values()
        return parameter if variables.is_model(parameter.annotation) else None

    def _fetch_variables(self) -> list[str] | None:
        if self._model:
            return variables.field_names(self._model.annotation)
        return None if self._takes_rest or not self._wanted else list(self._wanted)

    def _fit(self, job: Job, value: object, type_: Any, what: str) -> Any:
        if type_ in _ANYTHING:
            return value
        try:
            return variables.convert(value, type_)
        except (ValueError, TypeError) as error:
            raise Unfit(
                f"Expected {what} of job type '{job.type}' to fit handler '{self.name}', but found: {error}"
            ) from None

    def _expect_nullable(self, job: Job, parameter: inspect.Parameter) -> None:
        """A variable that is not there is null if the type allows that."""
        if parameter.annotation not in _ANYTHING:
            try:
                variables.convert(None, parameter.annotation)
            except (ValueError, TypeError):
                pass
            else:
                return
        raise Unfit(
            f"Expected variable '{parameter.name}' for handler '{self.name}' of job type '{job.type}', but found none"
        )

    async def _call(self, arguments: dict[str, Any], threads: Executor | None) -> object:
        if self.is_async:
            return await self._function(**arguments)
        context = contextvars.copy_context()
        call = functools.partial(context.run, self._function, **arguments)
        return await asyncio.get_running_loop().run_in_executor(threads, call)

    def _completed(self, result: object) -> Outcome:
        if result is not None and not variables.is_object(result):
            raise Unfit(
                f"Expected handler '{self.name}' to return None, a mapping or a model, but found {type(result).__name__}"
            )
        return _encoded(result, Completed)


def _encoded(values: object, outcome: Callable[[str], Outcome]) -> Outcome:
    """The outcome with its variables as text; a failure at once if they cannot be sent, as the work is not to be repeated."""
    try:
        text = variables.encode(values)
    except (TypeError, ValueError) as error:
        return Failed(str(error)[:MESSAGE_CHARS_MAX], retries=0)
    size = len(text.encode())
    if size > VARIABLES_BYTES_MAX:
        return Failed(f"Expected variables of at most {VARIABLES_BYTES_MAX} bytes, but found {size}", retries=0)
    return outcome(text)


def _outcome_of(error: BaseException, job: Job, pauses: RetryPauses) -> Outcome:
    """What a handler that raised *error* has said about its job."""
    match error:
        case BpmnError(code=code, message=message):
            return _encoded(error.variables, lambda text: ErrorThrown(code, message, text))
        case JobFailure(message=message):
            retries = job.retries - 1 if error.retries is None else error.retries
            pause_ms = pauses.next_ms(job.key) if error.back_off_ms is None else error.back_off_ms
            return _encoded(error.variables, lambda text: _failed(message, retries, pause_ms, text))
        case Unfit():
            return Failed(str(error)[:MESSAGE_CHARS_MAX], retries=0)
        case _:
            return _failed(_told(error), job.retries - 1, pauses.next_ms(job.key))


def _is_being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _failed(message: str, retries: int, back_off_ms: int, text: str = "") -> Failed:
    left = max(retries, 0)
    return Failed(message[:MESSAGE_CHARS_MAX], left, back_off_ms if left else 0, text)


def _told(error: BaseException) -> str:
    """The error in one line and where in the handler it came from."""
    *_, last = traceback.extract_tb(error.__traceback__) or [None]
    place = f" ({last.filename}:{last.lineno} in {last.name})" if last else ""
    return f"{type(error).__name__}: {error}{place}"
