"""Flow control: the job types and definitions that are paused, the limits of job types, and the turns of keys that share a type.

The jobs that workers hold are counted for every type, from the start of the partition on.
"""

from collections import deque
from collections.abc import Iterable

from osmia_broker.state.memory.journal import Journal
from osmia_broker.state.memory.whole_table import WholeTable
from osmia_broker.state.rows.job_flow import JobFlow
from osmia_broker.state.store_protocol import LANES_MAX

SECOND_MS = 1_000
UNLIMITED = 2**31


class Turns:
    """The keys that share the jobs of one type, with the number of times that each had its turn.

    The key with the fewest turns comes next. One that appears gets as many as the fewest have, so it neither waits for others to end nor
    makes up for the time before. Keys are loaded LANES_MAX at a time; the others follow when none of these has a job that may be handed out.
    """

    __slots__ = ("is_loading", "late", "prune_at", "taken", "through")

    def __init__(self) -> None:
        self.taken: dict[str, int] = {}
        self.through: str | None = ""  # keys behind it are in the store only; None: all are known
        self.prune_at = LANES_MAX  # so many keys are looked through for those without jobs
        self.is_loading = False
        self.late: set[str] = set()  # came during a load, which may not have seen them

    def add(self, key: str, fewest: int) -> None:
        """Take in the key of a job that waits; *fewest* is the number of turns that the others have had at least."""
        if self.is_loading:
            self.late.add(key)
        if key in self.taken or self.through is None or key <= self.through:
            self.taken[key] = max(self.taken.get(key, 0), fewest)

    def loaded(self, keys: list[str], fewest: int) -> None:
        """Take in the next keys from the store, ascending. Fewer than LANES_MAX mean that these are all."""
        self.is_loading = False
        self.through = keys[-1] if len(keys) >= LANES_MAX else None
        late, self.late = self.late, set()
        for key in (*keys, *sorted(late)):
            self.add(key, fewest)


class FlowControl(WholeTable[JobFlow]):
    """The rows of flow control, the counts of held jobs, and the times of the last activations of types with a limit per second."""

    __slots__ = ("_partition_id", "_partitions", "_recent", "_wake_ms", "held", "paused_definitions", "types")

    def __init__(self, journal: Journal) -> None:
        super().__init__(JobFlow, journal)
        self.types: dict[str, JobFlow] = {}
        self.paused_definitions: set[int] = set()
        self.held: dict[tuple[str, str, str], int] = {}  # by type, key and worker
        self._recent: dict[str, deque[list[int]]] = {}  # by type: [time, jobs] of the last second
        self._wake_ms: dict[str, int] = {}  # by type: when its limit per second allows the next job
        self._partition_id = self._partitions = 1

    def divide(self, partition_id: int, partitions: int) -> None:
        """Let this partition have a share of each limit: the shares of all partitions add up to it."""
        self._partition_id, self._partitions = partition_id, partitions

    def share(self, limit: int) -> int:
        """Return the share of this partition in a limit."""
        return limit // self._partitions + (self._partition_id <= limit % self._partitions)

    # --- rows

    def all(self) -> list[JobFlow]:
        """Return all rows, in order of their keys."""
        return [self._rows[key] for key in sorted(self._rows)]

    def of_definition(self, process_definition_key: int) -> JobFlow | None:
        """Return the row of a process definition."""
        return next((row for row in self._rows.values() if row.process_definition_key == process_definition_key), None)

    def _entered(self, row: JobFlow) -> None:
        if row.job_type:
            self.types[row.job_type] = row
        elif row.paused_ms:
            self.paused_definitions.add(row.process_definition_key)

    def _left(self, row: JobFlow) -> None:
        self.types.pop(row.job_type, None)
        self.paused_definitions.discard(row.process_definition_key)

    # --- held jobs

    def admit_held(self, held: Iterable[tuple[str, str, str, int]]) -> None:
        """Take in the numbers of held jobs, as they were stored."""
        self.held = {(type, key, worker): number for type, key, worker, number in held}

    def count_held(self, type: str, key: str, worker: str, number: int) -> None:
        """Count *number* more held jobs, undone with the command."""
        self._add_held((type, key, worker), number)
        self._journal.append((self._add_held, ((type, key, worker), -number)))

    def _add_held(self, place: tuple[str, str, str], number: int) -> None:
        total = self.held.get(place, 0) + number
        if total:
            self.held[place] = total
        else:
            del self.held[place]

    def held_by_key(self, type: str) -> dict[str, int]:
        """Return the numbers of held jobs of *type* by key."""
        found: dict[str, int] = {}
        for (of_type, key, _), number in self.held.items():
            if of_type == type:
                found[key] = found.get(key, 0) + number
        return found

    @property
    def held_by_type(self) -> dict[tuple[str, ...], int]:
        """The numbers of held jobs by type, each as a tuple of one."""
        found: dict[tuple[str, ...], int] = {}
        for (type, _, _), number in self.held.items():
            found[type,] = found.get((type,), 0) + number
        return found

    # --- limits

    def room(self, type: str, now_ms: int) -> int:
        """Return how many jobs of *type* may be handed out now. If its limit per second allows none, it is noted when it does."""
        row = self.types.get(type)
        if row is None:
            return UNLIMITED
        if row.paused_ms:
            return 0
        room = UNLIMITED
        if row.held_max:
            room = self.share(row.held_max) - sum(self.held_by_key(type).values())
        if row.per_second_max and room > 0:
            recent = self._recent.setdefault(type, deque())
            while recent and recent[0][0] + SECOND_MS <= now_ms:
                recent.popleft()
            left = self.share(row.per_second_max) - sum(number for _, number in recent)
            if left <= 0:
                self._wake_ms[type] = recent[0][0] + SECOND_MS
            room = min(room, left)
        return max(room, 0)

    def handed_out(self, type: str, now_ms: int) -> None:
        """Note that one job of *type* is handed out now, undone with the command."""
        row = self.types.get(type)
        if row is not None and row.per_second_max:
            self._recent.setdefault(type, deque()).append([now_ms, 1])
            self._journal.note(self._recent[type].pop)

    @property
    def next_wake_ms(self) -> int | None:
        """The next moment at which a limit per second allows a job again."""
        return min(self._wake_ms.values(), default=None)

    def take_awake(self, now_ms: int) -> list[str]:
        """Return the types whose limit per second allows jobs again."""
        awake = [type for type, ms in self._wake_ms.items() if ms <= now_ms]
        for type in awake:
            del self._wake_ms[type]
        return awake
