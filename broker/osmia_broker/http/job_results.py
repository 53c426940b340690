"""The result that a worker gives with the completion of a job: for an ad-hoc subprocess, or for a user task."""

from msgspec import Raw, field

from osmia_broker.calls import checks
from osmia_broker.calls.documents import parse_variables
from osmia_broker.engine.commands import AdHocResult, ElementToActivate
from osmia_broker.http.types import Body, Text, variables_text


class ActivateElement(Body):
    """An element of an ad-hoc subprocess to activate."""

    element_id: Text = Text("")
    variables: Raw = field(default_factory=Raw)


class JobResult(Body):
    """The decision of a worker."""

    type: Text | None = None
    activate_elements: list[ActivateElement] | None = None
    is_completion_condition_fulfilled: bool | None = None
    is_cancel_remaining_instances: bool | None = None
    denied: bool | None = None
    denied_reason: Text | None = None
    corrections: Raw = field(default_factory=Raw)


def result_of(given: JobResult | None) -> AdHocResult | None:
    """Translate a result; None if nothing is decided by it.

    Raises:
        Unsupported: the result is that of a task listener.

    """
    if given is None:
        return None
    checks.unused("result.denied", given=bool(given.denied))
    checks.unused("result.corrections", given=bytes(given.corrections) not in (b"", b"null", b"{}"))
    activate = tuple(
        ElementToActivate(one.element_id, parse_variables(variables_text(one.variables)))
        for one in given.activate_elements or ()
    )
    is_fulfilled = bool(given.is_completion_condition_fulfilled)
    cancels = bool(given.is_cancel_remaining_instances)
    return AdHocResult(activate, is_fulfilled, cancels) if activate or is_fulfilled or cancels else None
