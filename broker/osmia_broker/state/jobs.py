"""Jobs, and the two orders they are looked up by: activatable ones by type and key, held ones by deadline."""

from heapq import heappop, heappush
from typing import Any

from osmia_broker.state.activatable import Window
from osmia_broker.state.exchange import Wanted
from osmia_broker.state.journal import Journal
from osmia_broker.state.rows import Job, JobState
from osmia_broker.state.table import Table

DUE_HORIZON_MS = 30_000  #: deadlines further ahead are not in memory; most jobs are done before theirs comes near


class JobTable(Table[Job]):
    """The resident living jobs, with a window of activatable keys per type and the deadlines of the near future."""

    __slots__ = ("_due", "_windows", "absent", "became_activatable", "due_horizon_ms")

    def __init__(self, journal: Journal) -> None:
        super().__init__(Job, journal)
        self._windows: dict[str, Window] = {}
        self._due: list[tuple[int, int]] = []
        self.due_horizon_ms = 0
        self.absent: set[int] = set()  # keys that a load has just looked for in vain
        self.became_activatable: dict[str, list[int]] = {}  # since the streams and polls were last offered jobs

    # --- activatable ones

    def has_activatable(self, type: str) -> bool:
        """Whether it is worth activating jobs of *type*; a type never asked for is, until the store has been asked."""
        window = self._windows.get(type)
        return window is None or bool(window)

    def take_activatable(self, type: str, max_jobs: int) -> tuple[list[Job], Wanted | None]:
        """Up to *max_jobs* activatable jobs, oldest first; or what must be loaded before they can be told."""
        window = self._windows.get(type)
        if window is None:
            return [], Wanted(job_types=frozenset({(type, 0)}))
        popped: list[int] = []
        jobs: dict[int, Job] = {}
        cold: set[int] = set()
        while len(jobs) + len(cold) < max_jobs:
            key = window.pop()
            if key is None:
                break
            job = self._rows.get(key)
            if job is None:
                if key in self.absent:
                    continue
                cold.add(key)
            elif job.state is JobState.ACTIVATABLE:
                jobs[key] = job
            else:
                continue
            popped.append(key)
        self._journal.note(window.put_back, popped)
        if cold:
            return [], Wanted(jobs=frozenset(cold))
        if not jobs and window.needs_refill:
            assert window.through is not None
            return [], Wanted(job_types=frozenset({(type, window.through)}))
        return list(jobs.values()), None

    def refill(self, type: str, keys: list[int]) -> None:
        """The next window of *type*, from the store."""
        window = self._windows.get(type)
        if window is None:
            window = self._windows[type] = Window(through=0)
        window.refill(keys)

    def refill_begins(self, type: str) -> None:
        """A load of the next window has been asked for: what becomes activatable from now on it may not have seen."""
        window = self._windows.get(type)
        if window is None:
            window = self._windows[type] = Window(through=0)
        window.refilling = True

    # --- deadlines

    def pop_due(self, now_ms: int) -> list[int]:
        """The keys of jobs whose deadline may have passed, earliest first; each may be stale."""
        keys = []
        while self._due and self._due[0][0] <= now_ms:
            keys.append(heappop(self._due)[1])
        return keys

    @property
    def next_due_ms(self) -> int | None:
        """The earliest deadline in memory."""
        return self._due[0][0] if self._due else None

    def add_due(self, due: list[tuple[int, int]]) -> None:
        """Deadlines from the store, as (deadline_ms, key)."""
        for entry in due:
            heappush(self._due, entry)

    # --- changes

    def update(self, row: Job, **changes: Any) -> None:
        """Set the fields named in *changes*; the orders follow."""
        super().update(row, **changes)
        if "state" in changes or "deadline_ms" in changes:
            self._order(row)

    def insert(self, row: Job) -> None:
        """Add a new job."""
        super().insert(row)
        self._order(row)

    def _order(self, job: Job) -> None:
        """Take the job into the order it belongs to. What no longer holds is skipped when it comes up, so undo needs nothing."""
        if job.state is JobState.ACTIVATABLE:
            window = self._windows.get(job.type)
            if window is not None:
                window.add(job.key)
            self.became_activatable.setdefault(job.type, []).append(job.key)
        elif job.deadline_ms and job.deadline_ms <= self.due_horizon_ms:
            heappush(self._due, (job.deadline_ms, job.key))
