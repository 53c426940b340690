"""Jobs in memory, and the windows of activatable ones."""

from typing import Any

from osmia_broker.state.deadlines import Deadlines
from osmia_broker.state.journal import Journal
from osmia_broker.state.residency import Residency
from osmia_broker.state.rows import Job, JobState
from osmia_broker.state.store_protocol import Lane, Wanted
from osmia_broker.state.table import Table
from osmia_broker.state.windows import FIRST, Window, Windows, key_of, next_of, rank

COLD_JOBS_MAX = 100  #: process instances that one look for jobs may load at a time, whatever their size
COLD_BYTES_MAX = (
    4 * 1024 * 1024
)  #: bytes of resident instances beyond which a look loads no more: an answer holds no more
PLACE = frozenset(
    {"state", "priority", "lease_token", "deadline_ms"}
)  # fields whose change may move a job to another window


class JobTable(Table[Job]):
    """The resident living jobs, with a window of activatable ones per lane."""

    __slots__ = ("_offered", "_waiting", "absent", "windows")

    def __init__(self, journal: Journal, residency: Residency, deadlines: Deadlines) -> None:
        super().__init__(Job, journal, residency, deadlines)
        self.windows = Windows()
        self.absent: set[int] = set()  # keys that a load has just looked for in vain
        # Since the listeners were last notified: ranks of jobs that anybody may be handed, and types that must be asked for.
        self._offered: dict[str, list[int]] = {}
        self._waiting: set[str] = set()

    # --- activatable ones

    def has_activatable(self, type: str, *, leases: bool = False) -> bool:
        """Whether it is worth activating jobs of *type*; of a type without a window it is, until the store has been asked."""
        for lane in _lanes(type, leases):
            window = self.windows.get(lane)
            if window is None or window:
                return True
        return False

    def take_activatable(self, type: str, max_jobs: int, *, leases: bool = False) -> tuple[list[Job], Wanted | None]:
        """Take up to *max_jobs* activatable jobs out of their windows, in order of rank; or return what must be loaded before.

        Jobs that were leased before are taken for a caller who *leases*, too.
        """
        lanes = _lanes(type, leases)
        windows = [window for lane in lanes if (window := self.windows.get(lane)) is not None]
        if len(windows) < len(lanes):
            return [], Wanted(windows=frozenset((lane, FIRST) for lane in lanes if self.windows.get(lane) is None))
        self.windows.used(type)
        taken: list[tuple[Window, int]] = []
        self._journal.note(_put_back, taken)
        jobs: list[Job] = []
        cold: list[int] = []
        while len(jobs) + len(cold) < max_jobs and len(cold) < COLD_JOBS_MAX:
            window = windows[0] if len(windows) == 1 else next_of(windows)
            place = window.pop() if window is not None else None
            if window is None or place is None:
                break
            job = self._rows.get(key_of(place))
            if job is None:
                if key_of(place) in self.absent:
                    continue
                cold.append(place)
            elif job.state is JobState.ACTIVATABLE and rank(job) == place and self.windows.get(_lane(job)) is window:
                jobs.append(job)
            else:
                continue  # it was changed while the store was asked, and stands in its new place too
            taken.append((window, place))
        if cold:
            before = [job for job in jobs if rank(job) < cold[0]]  # they came in order of rank
            if not before or self._bytes_of(before) < COLD_BYTES_MAX:
                return [], Wanted(rows=frozenset((Job, key_of(place)) for place in cold))
            _put_back(taken[len(before) :])
            return before, None
        return jobs, None if jobs else _behind(lanes, windows)

    @property
    def has_offers(self) -> bool:
        """Whether jobs have become activatable since `take_offers`."""
        return bool(self._offered or self._waiting)

    def take_offers(self) -> tuple[dict[str, list[int]], set[str]]:
        """Return what has become activatable since the last call: keys by type in order of rank, and types that must be asked for."""
        if not self.has_offers:
            return {}, set()
        offered = {type: [key_of(one) for one in sorted({*ranks})] for type, ranks in self._offered.items()}
        waiting = self._waiting
        self._offered, self._waiting = {}, set()
        return offered, waiting

    def leave(self, jobs: list[Job]) -> None:
        """Put jobs back into their windows that were taken and are not activated after all."""
        for job in jobs:
            window = self.windows.get(_lane(job))
            if window is not None:
                window.put_back([rank(job)])

    def _bytes_of(self, jobs: list[Job]) -> int:
        return sum(map(self._residency.bytes_of, {job.process_instance_key for job in jobs}))

    # --- changes

    def insert(self, row: Job) -> None:
        """Add a new job."""
        super().insert(row)
        if row.state is JobState.ACTIVATABLE:
            self._enter_window(row)

    def update(self, row: Job, **changes: Any) -> None:
        """Set the fields named in *changes*; the window follows."""
        if row.state is JobState.ACTIVATABLE and not PLACE.isdisjoint(changes):
            self._leave_window(row)
        super().update(row, **changes)
        if row.state is JobState.ACTIVATABLE and not PLACE.isdisjoint(changes):
            self._enter_window(row)

    def _enter_window(self, job: Job) -> None:
        place = rank(job)
        window = self.windows.get(_lane(job))
        if window is not None and window.add(place):
            self._journal.note(window.discard, place)
        if job.lease_token:
            self._waiting.add(job.type)
        else:
            self._offered.setdefault(job.type, []).append(place)

    def _leave_window(self, job: Job) -> None:
        place = rank(job)
        window = self.windows.get(_lane(job))
        if window is not None and window.discard(place):
            self._journal.note(window.put_back, [place])


def _lane(job: Job) -> Lane:
    return Lane(job.type, bool(job.lease_token))


def _lanes(type: str, leases: bool) -> tuple[Lane, ...]:
    """Return the lanes whose jobs a caller may be handed."""
    return (Lane(type), Lane(type, is_leased=True)) if leases else (Lane(type),)


def _behind(lanes: tuple[Lane, ...], windows: list[Window]) -> Wanted | None:
    """Return the parts of lanes behind their windows that must be loaded; None if there are none."""
    pairs = zip(lanes, windows, strict=True)
    behind = frozenset((lane, after) for lane, one in pairs if (after := one.ends_at) is not None)
    return Wanted(windows=behind) if behind else None


def _put_back(taken: list[tuple[Window, int]]) -> None:
    for window, place in taken:
        window.put_back([place])
