"""Read-only properties of a partition, for doors, metrics and probes."""

from collections import deque
from typing import Self

from osmia_broker.base.errors import OsmiaError, Unavailable
from osmia_broker.partition.backlog import Backlog
from osmia_broker.partition.batch import Batch, Blocked
from osmia_broker.partition.due_work import DueWork
from osmia_broker.partition.face import PartitionStatus
from osmia_broker.partition.models import Compilations
from osmia_broker.partition.phase import Phase
from osmia_broker.state.cluster_tables import CLUSTER_TYPES, cluster_tables
from osmia_broker.state.definitions import Compiled
from osmia_broker.state.rows import Row
from osmia_broker.state.state import State
from osmia_broker.state.store_protocol import Leadership


class Facts:
    """The read-only side of a `Partition`."""

    is_here = True
    may_move = False
    id: int
    write_failure: str

    _backlog: Backlog
    _batch: Batch
    _compilations: Compilations
    _due: DueWork
    _in_flight: Batch | None
    _leadership: Leadership
    _phase: Phase
    _retry: deque[Blocked]
    _state: State
    _why_away: OsmiaError

    @property
    def parts(self) -> tuple[Self, ...]:
        """The partitions behind this face: itself alone. A `Router` has several."""
        return (self,)

    @property
    def state(self) -> State:
        """The rows in memory, which may be ahead of the disk; begun anew after a failure. Others only read them."""
        return self._state

    @property
    def is_open(self) -> bool:
        """Whether commands are taken now."""
        return self._phase.takes_commands

    @property
    def is_ending(self) -> bool:
        """Whether it finishes what it has taken, and takes only commands of the broker itself."""
        return self._phase.is_ending

    @property
    def epoch(self) -> int:
        """The epoch in which this broker leads it; 0 where no other one can."""
        return self._leadership.epoch

    @property
    def leads(self) -> bool:
        """Whether no other broker can lead it now."""
        return self.is_open and self._leadership.leads()

    @property
    def why_away(self) -> str:
        """The reason why no commands are taken; empty when they are."""
        return "" if self.is_open else str(self._why_away)

    @property
    def queued(self) -> int:
        """The number of commands that wait for their answer."""
        waiting = len(self._batch) + len(self._backlog) + len(self._compilations)
        return waiting + (0 if self._in_flight is None else len(self._in_flight))

    @property
    def resident_instances(self) -> int:
        """The number of process instances in memory."""
        return len(self._state.residency)

    @property
    def resident_bytes(self) -> int:
        """About how many bytes they take."""
        return self._state.residency.total_bytes

    @property
    def key_counter(self) -> int:
        """The last counter given out as the lower bits of a key."""
        return self._state.key_counter

    async def status(self) -> PartitionStatus:
        """Return its state, for people."""
        failure = self.write_failure or self.why_away
        return PartitionStatus(self.queued, self.resident_instances, self.key_counter, failure)

    async def cluster_rows(self) -> list[Row]:
        """Return the living rows that partition 1 decides for all.

        Raises:
            Unavailable: memory holds none, because the store is not open.

        """
        if not self._phase.has_memory:
            raise Unavailable(f"Expected partition {self.id} to be open, but its store is being opened")
        tables = cluster_tables(self._state)
        return [row for kind in CLUSTER_TYPES for row in tables[kind].living()]

    def keep_model(self, checksum: str, model: Compiled) -> None:
        """Use what another partition has compiled from a deployed file: it never changes."""
        self._state.definitions.keep_model(checksum, model)

    def hear_of_jobs(self, type: str) -> None:
        """Do nothing: listeners in the same process are notified of all jobs."""

    @property
    def _is_busy(self) -> bool:
        counts = (len(self._batch), len(self._backlog), len(self._retry), len(self._compilations))
        return any(counts) or self._in_flight is not None

    @property
    def is_at_rest(self) -> bool:
        """Whether nothing waits to be decided, written or carried out now."""
        return self._phase is Phase.SERVING and not self._is_busy and self._due.is_at_rest
