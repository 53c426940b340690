"""The signature of a handler: the variables that it asks for, and the arguments that a job gives it.

    def handle(job: Job, amount: int, note: str = "")     the job, and variables by name
    def handle(order: Order)                              the variable `order`, as a dataclass, Struct or pydantic model
    def handle(order: AllVariables[Order])                all variables together, as one Order
    def handle(**variables)                               all variables as they are

A parameter has the same meaning with any other parameters beside it.
"""

import inspect
import re
from collections.abc import Callable
from typing import Annotated, Any, TypeVar, get_args, get_origin

from osmia import variables
from osmia.job import Job

Model = TypeVar("Model")


class _AllVariablesMark:
    """Marks a parameter that takes all variables of the job as one value."""


AllVariables = Annotated[Model, _AllVariablesMark()]
"""The type of a parameter that takes all variables as one model: `order: AllVariables[Order]`."""

_ANYTHING = (inspect.Parameter.empty, Any, object)


class Unfit(Exception):
    """The variables do not fit the handler, or its result cannot be sent. Another try would not change that."""


class Signature:
    """The parameters of a handler. They are read once, when the handler is registered.

    `fetch_variables` names the variables to ask the broker for, or is None for all of them. A handler that takes the job
    gets all of them, because it may read any of them from `job.variables`.

    Raises:
        TypeError: a parameter cannot be given by name, its type is not there at run time, or `AllVariables` holds no model and no dict.
    """

    def __init__(self, function: Callable[..., Any], name: str) -> None:
        self.name = name
        self._job_names: list[str] = []
        self._whole: dict[str, Any] = {}  # parameters that take all variables, with their type
        self._named: dict[str, inspect.Parameter] = {}
        self._takes_rest = False
        for parameter in _signature(function).parameters.values():
            self._read(parameter)
        self.fetch_variables = self._fetch_variables()

    def arguments(self, job: Job) -> dict[str, Any]:
        """Return the arguments for *job*, by parameter name.

        Raises:
            Unfit: a variable is missing or has a value of another type.
        """
        arguments: dict[str, Any] = dict.fromkeys(self._job_names, job)
        for name, type_ in self._whole.items():
            arguments[name] = self._fit(job, job.variables, type_, f"all variables, read as parameter '{name}',")
        for name, parameter in self._named.items():
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
        elif _is_marked(parameter.annotation):
            self._whole[parameter.name] = self._whole_type(parameter)
        else:
            self._named[parameter.name] = parameter

    def _whole_type(self, parameter: inspect.Parameter) -> Any:
        type_ = parameter.annotation.__origin__
        if type_ is Any or get_origin(type_) is dict or type_ is dict or variables.is_model(type_):
            return type_
        raise TypeError(
            f"Expected AllVariables of a dataclass, a model or a dict in handler '{self.name}', but found '{parameter}'"
        )

    def _fetch_variables(self) -> list[str] | None:
        if self._takes_rest or self._job_names or not (self._named or self._whole):
            return None
        names = dict.fromkeys(self._named)
        for type_ in self._whole.values():
            fields = variables.field_names(type_) if variables.is_model(type_) else None
            if fields is None:
                return None
            names.update(dict.fromkeys(fields))
        return list(names)

    def _fit(self, job: Job, value: object, type_: Any, what: str) -> Any:
        if type_ in _ANYTHING:
            return value
        try:
            return variables.convert(value, type_)
        except (ValueError, TypeError) as error:
            raise Unfit(
                f"Expected {what} of job type '{job.type}' to fit handler '{self.name}', but found {_in_words(error)}"
            ) from None

    def _expect_nullable(self, job: Job, parameter: inspect.Parameter) -> None:
        """Let a variable that is missing be null if the type allows null.

        Raises:
            Unfit: it does not.
        """
        if parameter.annotation not in _ANYTHING:
            try:
                variables.convert(None, parameter.annotation)
            except (ValueError, TypeError):
                pass
            else:
                return
        raise Unfit(
            f"Expected variable '{parameter.name}' for handler '{self.name}' of job type '{job.type}', but found none"
            + _advice(parameter)
        )


def _signature(function: Callable[..., Any]) -> inspect.Signature:
    try:
        return inspect.signature(function, eval_str=True)
    except NameError as error:
        name = getattr(function, "__qualname__", str(function))
        raise TypeError(
            f"Expected to find the types of the parameters of '{name}' at run time, but found: {error}; "
            "an import below TYPE_CHECKING or inside of a function is not seen"
        ) from error


_MISFIT = re.compile(r"^Expected `(?P<wanted>[^`]+)`, got `(?P<found>[^`]+)`(?: - at `\$\.?(?P<place>.+)`)?$")
_TYPES = {
    "int": "a whole number",
    "float": "a number",
    "str": "a text",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
}


def _in_words(error: Exception) -> str:
    """Say in our words what msgspec says of a value that does not fit: it is what a person reads at the incident."""
    misfit = _MISFIT.match(str(error))
    if misfit is None:
        return f"this: {error}"
    wanted = " or ".join(_TYPES.get(one, one) for one in misfit["wanted"].split(" | "))
    return f"that {misfit['place'] or 'it'} is {_TYPES.get(misfit['found'], misfit['found'])} and not {wanted}"


def _is_marked(annotation: Any) -> bool:
    return get_origin(annotation) is Annotated and any(
        isinstance(mark, _AllVariablesMark) for mark in get_args(annotation)
    )


def _advice(parameter: inspect.Parameter) -> str:
    """Say how to read all variables as one model, as that may be the intention of a parameter with a model type."""
    if not variables.is_model(parameter.annotation):
        return ""
    name = parameter.annotation.__name__
    return f"; to read all variables as one {name}, write '{parameter.name}: AllVariables[{name}]'"
