"""Jobs in memory, and the windows of activatable ones."""

from typing import Any

from osmia_broker.state.deadlines import Deadlines
from osmia_broker.state.journal import Journal
from osmia_broker.state.residency import Residency
from osmia_broker.state.rows import Job, JobState
from osmia_broker.state.store_protocol import Wanted
from osmia_broker.state.table import Table
from osmia_broker.state.windows import Windows

COLD_JOBS_MAX = 100  #: process instances that one look for jobs may load at a time, whatever their size
COLD_BYTES_MAX = (
    4 * 1024 * 1024
)  #: bytes of resident instances beyond which a look loads no more: an answer holds no more


class JobTable(Table[Job]):
    """The resident living jobs, with a window of activatable keys per type."""

    __slots__ = ("absent", "became_activatable", "windows")

    def __init__(self, journal: Journal, residency: Residency, deadlines: Deadlines) -> None:
        super().__init__(Job, journal, residency, deadlines)
        self.windows = Windows()
        self.absent: set[int] = set()  # keys that a load has just looked for in vain
        self.became_activatable: dict[str, list[int]] = {}  # since the listeners were last notified

    # --- activatable ones

    def has_activatable(self, type: str) -> bool:
        """Whether it is worth activating jobs of *type*; of a type without a window it is, until the store has been asked."""
        window = self.windows.get(type)
        return window is None or bool(window)

    def take_activatable(self, type: str, max_jobs: int) -> tuple[list[Job], Wanted | None]:
        """Take up to *max_jobs* activatable jobs, oldest first, out of their window; or return what must be loaded before."""
        window = self.windows.get(type)
        if window is None:
            return [], Wanted(job_types=frozenset({(type, 0)}))
        self.windows.used(type)
        popped: list[int] = []
        jobs: list[Job] = []
        cold: list[int] = []
        while len(jobs) + len(cold) < max_jobs and len(cold) < COLD_JOBS_MAX:
            key = window.pop()
            if key is None:
                break
            job = self._rows.get(key)
            if job is None:
                if key in self.absent:
                    continue
                cold.append(key)
            elif job.state is JobState.ACTIVATABLE:
                jobs.append(job)
            else:
                continue
            popped.append(key)
        self._journal.note(window.put_back, popped)
        if cold:
            before = [job for job in jobs if job.key < cold[0]]  # the keys came in ascending order
            if not before or self._bytes_of(before) < COLD_BYTES_MAX:
                return [], Wanted(rows=frozenset((Job, key) for key in cold))
            self.leave(type, popped[len(before) :])
            return before, None
        if not jobs and window.needs_refill:
            assert window.through is not None
            return [], Wanted(job_types=frozenset({(type, window.through)}))
        return jobs, None

    def leave(self, type: str, keys: list[int]) -> None:
        """Put jobs back into their window that were taken and are not activated after all."""
        window = self.windows.get(type)
        if window is not None:
            window.put_back(keys)

    def _bytes_of(self, jobs: list[Job]) -> int:
        return sum(map(self._residency.bytes_of, {job.process_instance_key for job in jobs}))

    # --- changes

    def insert(self, row: Job) -> None:
        """Add a new job."""
        super().insert(row)
        self._order(row)

    def update(self, row: Job, **changes: Any) -> None:
        """Set the fields named in *changes*; the window follows."""
        super().update(row, **changes)
        if "state" in changes or "deadline_ms" in changes:
            self._order(row)

    def _order(self, job: Job) -> None:
        """Take the job into, or out of, its window."""
        if job.state is JobState.ACTIVATABLE:
            window = self.windows.get(job.type)
            if window is not None:
                window.add(job.key)
                self._journal.note(window.discard, job.key)
            self.became_activatable.setdefault(job.type, []).append(job.key)
            return
        window = self.windows.get(job.type)
        if window is not None and window.discard(job.key):
            self._journal.note(window.put_back, [job.key])
