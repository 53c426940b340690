"""What the engine's state and a store say to each other: changes to commit, rows wanted, rows loaded.

A store is asked by one thread, one call at a time, in the order of the calls, so a load always sees every commit before it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from osmia_broker.state.rows import (
    Decision,
    DecisionRequirements,
    ElementInstance,
    Form,
    Incident,
    Job,
    ProcessDefinition,
    Row,
    Variable,
    WaitingToken,
)

RowValues = tuple[Any, ...]  #: a row's fields in the order of its dataclass


@dataclass(slots=True)
class Changes:
    """All that a batch of commands changed, as values: the rows may change again while this is written."""

    next_key: int  #: the partition's counter after the batch
    written: Mapping[type[Row], Sequence[RowValues]] = field(
        default_factory=dict
    )  #: to insert, or to replace by primary key
    deleted: Mapping[type[Row], Sequence[RowValues]] = field(default_factory=dict)  #: primary keys to delete


@dataclass(frozen=True, slots=True)
class Wanted:
    """Rows that a decision needs and that are not resident. Keys that name nothing are simply not found."""

    instances: frozenset[int] = frozenset()  #: process instances by their own key
    elements: frozenset[int] = frozenset()  #: the process instances these element instances belong to
    jobs: frozenset[int] = frozenset()  #: the process instances these jobs belong to
    incidents: frozenset[int] = frozenset()  #: the process instances these incidents belong to
    resources: frozenset[str] = frozenset()  #: contents by checksum
    job_types: frozenset[tuple[str, int]] = frozenset()  #: (type, after this key): the next window of activatable jobs
    due_jobs: tuple[int, int] | None = None  #: (above, up to) in epoch milliseconds: jobs whose deadline lies between

    def rows(self) -> "Wanted":
        """Only what belongs to process instances."""
        return Wanted(instances=self.instances, elements=self.elements, jobs=self.jobs, incidents=self.incidents)

    def __or__(self, other: "Wanted") -> "Wanted":
        """Both wishes in one load."""
        return Wanted(
            instances=self.instances | other.instances,
            elements=self.elements | other.elements,
            jobs=self.jobs | other.jobs,
            incidents=self.incidents | other.incidents,
            resources=self.resources | other.resources,
            job_types=self.job_types | other.job_types,
            due_jobs=_spanning(self.due_jobs, other.due_jobs),
        )


def _spanning(one: tuple[int, int] | None, other: tuple[int, int] | None) -> tuple[int, int] | None:
    """The time that covers both."""
    if one is None or other is None:
        return one or other
    return min(one[0], other[0]), max(one[1], other[1])


@dataclass(slots=True)
class InstanceRows:
    """All living rows of one process instance (`ended_ms` 0), and the variables of its living scopes."""

    elements: list[ElementInstance] = field(default_factory=list)
    tokens: list[WaitingToken] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)
    variables: list[Variable] = field(default_factory=list)
    incidents: list[Incident] = field(default_factory=list)


@dataclass(slots=True)
class Loaded:
    """The answer to `Wanted`. Instances that are over, and keys that name nothing, are absent."""

    instances: dict[int, InstanceRows] = field(default_factory=dict)
    unreadable: dict[int, str] = field(
        default_factory=dict
    )  #: every key of an instance with a row that no broker wrote, and why
    resources: dict[str, bytes] = field(default_factory=dict)
    windows: dict[str, list[int]] = field(
        default_factory=dict
    )  #: keys of activatable jobs, ascending, at most WINDOW_JOBS
    due_jobs: list[tuple[int, int]] = field(default_factory=list)  #: (deadline_ms, job key), ascending


@dataclass(slots=True)
class Start:
    """What a partition reads when it opens: little, however many instances wait."""

    next_key: int  #: 0 when the store is new
    processes: list[ProcessDefinition] = field(default_factory=list)
    requirements: list[DecisionRequirements] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    forms: list[Form] = field(default_factory=list)


PARTITION_BITS = 51  #: a key is partition << 51 | counter (gateway-rpc.md, section 1)
WINDOW_JOBS = 2_000  #: activatable keys of one type in memory; a refill costs about a millisecond


class Store(Protocol):
    """Durable rows of one partition. Every method blocks; all are called from the partition's one writer thread.

    Raises:
        StoreFailed: nothing of the call took effect, and the store must be opened again before its next use.
        StoreFull: the same, because the disk is full.
    """

    def open(self) -> Start:
        """Connect, bring the schema up to date, and read what a start needs. May be called again after a failure."""

    def commit(self, changes: Changes) -> None:
        """Write *changes* in one transaction; durable when this returns."""

    def load(self, wanted: Wanted) -> Loaded:
        """Read the rows that are *wanted*, as of the last commit."""

    def close(self) -> None:
        """Give the connection back; further calls need `open` first."""
