"""The contract between the engine's state and a store: changes to commit, rows wanted, rows loaded.

The partition calls a store from its event loop, one call at a time and in order, so a load always sees every commit before it. How a
store does its work (a thread, a pipeline of statements) is its own affair.
"""

from collections.abc import Awaitable, Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from osmia_broker.base.errors import StoreFailed
from osmia_broker.state.memory.filter import Filter

RowValues = tuple[Any, ...]  #: a row's fields in the order of its dataclass
InstanceRows = dict[type, list[Any]]  #: the living rows of one process instance, by row class

PARTITION_BITS = 51  #: a key is partition << 51 | counter
MATCHES_MAX = 100  #: keys in one answer to `MatchWanted`; their process instances are loaded with it
LANES_MAX = 500  #: keys that share the jobs of one type, in memory
LANE_JOBS = 100  #: activatable jobs of a lane with a key that are loaded at a time
WINDOW_JOBS = 2_000  #: activatable jobs of one lane that are loaded at a time; a refill costs about a millisecond


@dataclass(slots=True)
class Changes:
    """All that a batch of commands changed, as values: the rows may change again while they are written."""

    next_key: int  #: the partition's key counter after the batch
    #: To insert, or to replace by primary key.
    written: Mapping[type, Sequence[RowValues]] = field(default_factory=dict)
    deleted: Mapping[type, Sequence[RowValues]] = field(default_factory=dict)  #: primary keys of rows to delete
    erased: Sequence[int] = ()  #: process instances of which all rows are to be deleted, after the others are written
    #: Of rows of some classes that the store has, by their keys: the only columns that differ from those that are stored.
    changed: Mapping[type, Mapping[int, frozenset[str]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DueWanted:
    """The question for rows that have become due: up to *now_ms* (inclusive), the earliest *rows_max* of them."""

    now_ms: int
    rows_max: int


@dataclass(frozen=True, slots=True)
class MatchWanted:
    """The question for living rows of *row_type* whose *columns* (one of its `matches`) have these *values*, after a key.

    The answer lists at most MATCHES_MAX keys, ascending.
    """

    row_type: type
    columns: tuple[str, ...]
    values: tuple[str | int, ...]
    after: int = 0


class Lane(NamedTuple):
    """The activatable jobs that wait in one row: those of a type and a key that were leased before, or those that were not."""

    type: str
    is_leased: bool = False
    fair_key: str = ""

    @property
    def jobs_max(self) -> int:
        """The number of jobs that are loaded at a time: there may be many lanes with a key."""
        return LANE_JOBS if self.fair_key else WINDOW_JOBS


@dataclass(frozen=True, slots=True)
class Wanted:
    """Rows that a decision needs and that are not in memory. A key that names nothing is simply not found."""

    rows: frozenset[tuple[type, int]] = frozenset()  #: (row class, key): the whole process instance of each is loaded
    resources: frozenset[str] = frozenset()  #: contents by checksum
    #: (lane, after this rank): the next activatable jobs of the lane.
    windows: frozenset[tuple[Lane, int]] = frozenset()
    due: DueWanted | None = None
    matches: frozenset[MatchWanted] = frozenset()
    #: (type, after this key): the next keys that share the jobs of the type.
    fair_keys: frozenset[tuple[str, str]] = frozenset()
    #: Process instances of which memory is newer, so that none of their rows is loaded. A store asks from its own thread.
    newer: Container[int] = field(default=frozenset(), compare=False)

    def __or__(self, other: "Wanted") -> "Wanted":
        """Both in one load."""
        return Wanted(
            rows=self.rows | other.rows,
            resources=self.resources | other.resources,
            windows=self.windows | other.windows,
            due=other.due or self.due,
            matches=self.matches | other.matches,
            fair_keys=self.fair_keys | other.fair_keys,
        )

    @classmethod
    def all_of(cls, several: Iterable["Wanted"]) -> "Wanted":
        """Return all of them in one load."""
        parts = [*several]
        if len(parts) == 1:
            return parts[0]
        return cls(
            rows=frozenset().union(*(one.rows for one in parts)),
            resources=frozenset().union(*(one.resources for one in parts)),
            windows=frozenset().union(*(one.windows for one in parts)),
            due=next((one.due for one in parts if one.due), None),
            matches=frozenset().union(*(one.matches for one in parts)),
            fair_keys=frozenset().union(*(one.fair_keys for one in parts)),
        )

    def to_keep(self) -> "Wanted":
        """Return the part that a blocked command wants again, should it be blocked once more."""
        return Wanted(self.rows, self.resources, matches=self.matches)

    def __bool__(self) -> bool:
        """Whether there is anything to load."""
        return bool(self.rows or self.resources or self.windows or self.due or self.matches or self.fair_keys)


@dataclass(slots=True)
class Due:
    """The answer to `DueWanted`."""

    #: (due_ms, row class, key), ascending by (due_ms, key).
    rows: list[tuple[int, type, int]] = field(default_factory=list)
    next_ms: int | None = None  #: the earliest time of any other living row with a due time; None if there is none


@dataclass(slots=True)
class Loaded:
    """The answer to `Wanted`. Instances that have ended, and keys that name nothing, are absent."""

    instances: dict[int, InstanceRows] = field(default_factory=dict)  #: by the key of the process instance
    #: The reason by the key, of corrupt rows and of all rows of their instance.
    unreadable: dict[int, str] = field(default_factory=dict)
    resources: dict[str, bytes] = field(default_factory=dict)  #: those that were found
    #: Ranks of activatable jobs by lane, ascending, at most `Lane.jobs_max`.
    windows: dict[Lane, list[int]] = field(default_factory=dict)
    due: Due | None = None
    matches: dict[MatchWanted, list[int]] = field(default_factory=dict)  #: keys of the rows found, ascending
    fair_keys: dict[str, list[str]] = field(default_factory=dict)  #: by type, ascending, at most LANES_MAX


@dataclass(slots=True)
class Written:
    """The outcome of one `Store.write`."""

    loaded: Loaded | None = None  #: None if nothing was wanted
    commit_s: float = 0.0  #: how long the commit took, in seconds


@dataclass(slots=True)
class Start:
    """The little that a partition reads when it opens, however many instances wait."""

    next_key: int  #: 0 when the store is new
    definitions: dict[type, list[Any]] = field(default_factory=dict)  #: all rows of rows.DEFINITION_TYPES
    next_due_ms: int | None = None  #: the earliest due time of any living row
    #: (type, key, worker, number) of jobs that workers hold.
    held: list[tuple[str, str, str, int]] = field(default_factory=list)
    #: (name, correlation key) of every living message; None if there is none.
    kept_messages: Filter | None = field(default=None, compare=False)


class Leadership(Protocol):
    """Whether this broker is the one that leads the partition."""

    when_lost: Callable[[StoreFailed], None] | None  #: is called when another broker leads, or may lead

    @property
    def epoch(self) -> int:
        """The epoch in which this broker leads; it grows with each change of the leader."""

    def leads(self) -> bool:
        """Whether no other broker can lead now. A commit that succeeded has proved it; ask before an answer without a commit."""


class Alone:
    """The leadership of a broker whose database no other broker can use."""

    when_lost: Callable[[StoreFailed], None] | None = None
    epoch = 0

    def leads(self) -> bool:
        """Return True."""
        return True


class Store(Protocol):
    """Durable rows of one partition. The calls return awaitables; the partition makes one at a time."""

    def open(self) -> Awaitable[Start]:
        """Connect, take the partition over, and read what a start needs. May be called again after a failure.

        Raises:
            StoreFailed: the database cannot be opened; the text gives the reason.

        """

    def write(self, changes: Changes | None, wanted: Wanted | None) -> Awaitable[Written]:
        """Write *changes* in one durable transaction, then read the rows that are *wanted*, as of that commit.

        Raises:
            ValueRefused: a value cannot be stored (an integer beyond 64 bits, half a surrogate pair); nothing was written.
            StoreFull: there is no room; nothing was written.
            StoreFailed: any other failure. Whether the transaction took effect is unknown. The store must be opened again.

        After each of these the store must be opened again before the next write.
        """

    def close(self) -> Awaitable[None]:
        """Give the connection back; further calls need `open` first. Safe to call twice."""
