"""The plain values that every door gives: jobs, incidents and refusals; and the notation that every door reads."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from osmia_broker.base.errors import OsmiaError


class Refused(Exception):
    """A call was refused with this status."""

    def __init__(self, status: str, text: str) -> None:
        super().__init__(f"{status}: {text}")
        self.status = status
        self.text = text


@contextmanager
def refusals() -> Iterator[None]:
    """Turn a refusal of the broker into one of a door."""
    try:
        yield
    except OsmiaError as refusal:
        raise Refused(refusal.status, str(refusal)) from refusal


@dataclass
class SeenJob:
    """A living job as a scenario looks at it."""

    key: int
    element_id: str
    type: str
    state: str
    retries: int
    headers: dict[str, str] = field(default_factory=dict)
    variables: dict[str, Any] = field(default_factory=dict)
    worker: str = ""


@dataclass
class SeenIncident:
    """An open incident."""

    key: int
    element_id: str
    error_type: str
    message: str


def with_ancestor(element: str) -> tuple[str, int]:
    """`b@123` is the element b in the scope with key 123; without a key the scope is found."""
    id, _, key = element.partition("@")
    return id, int(key or 0)
