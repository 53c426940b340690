"""Answers that are views of the read side and no searches: forms, and the numbers, flows and callers of process instances."""

from typing import Any, Self

from msgspec import convert

from osmia_broker.http.types import Item


class FormItem(Item):
    """A form; *schema* is its JSON text."""

    form_key: str
    form_id: str
    version: int
    schema: str
    tenant_id: str

    @classmethod
    def of(cls, found: dict[str, Any] | None) -> Self | None:
        """Return the form that was found; None if there is none."""
        return None if found is None else convert(found, cls)


class ElementNumber(Item):
    """The numbers of the element instances of an element, by their states."""

    element_id: str
    active: int
    canceled: int
    incidents: int
    completed: int


class WaitNumber(Item):
    """The number of the element instances of an element that wait."""

    element_id: str
    waiting_count: int


class SequenceFlow(Item):
    """A sequence flow that tokens of a process instance have taken."""

    sequence_flow_id: str
    element_id: str
    process_instance_key: str
    root_process_instance_key: str
    process_definition_key: str
    process_definition_id: str | None
    tenant_id: str


class Caller(Item):
    """A process instance that has called another one, or that one itself."""

    process_instance_key: str
    process_definition_key: str
    process_definition_name: str


class ElementNumbers(Item):
    """The numbers of element instances by element."""

    items: list[ElementNumber]

    @classmethod
    def of(cls, found: list[dict[str, Any]]) -> Self:
        """Write what was counted."""
        return cls(items=convert(found, list[ElementNumber]))


class WaitNumbers(Item):
    """The numbers of waiting element instances by element."""

    items: list[WaitNumber]


class SequenceFlows(Item):
    """The sequence flows that were taken, in the order in which each was taken first."""

    items: list[SequenceFlow]
