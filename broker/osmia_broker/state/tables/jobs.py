"""Jobs in memory, and the windows of activatable ones."""

from functools import lru_cache
from typing import Any

from osmia_broker.state.memory.deadlines import Deadlines
from osmia_broker.state.memory.journal import Journal
from osmia_broker.state.memory.residency import Residency
from osmia_broker.state.memory.table import Table
from osmia_broker.state.rows import Job, JobState
from osmia_broker.state.rows.job_flow import JobFlow
from osmia_broker.state.store_protocol import Lane, Wanted
from osmia_broker.state.tables.job_flow import FlowControl
from osmia_broker.state.tables.windows import (
    FIRST,
    ByTurns,
    InOrder,
    Place,
    Window,
    Windows,
    ends_of,
    key_of,
    put_back,
    rank,
)

COLD_JOBS_MAX = 100  #: process instances that one look for jobs may load at a time, however small they are
#: Bytes of resident instances beyond which a look loads no more: an answer holds no more.
COLD_BYTES_MAX = 4 * 1024 * 1024
LANES_KEPT = 1_000  # that were asked for lately: to make one costs a microsecond
# The fields whose change may move a job to another window.
PLACE = frozenset({"state", "priority", "lease_token", "deadline_ms"})


# As names of their own, because they are asked for at each change: Python 3.11 finds a member in an enum slowly.
_ACTIVATABLE, _ACTIVATED = JobState.ACTIVATABLE, JobState.ACTIVATED


class JobTable(Table[Job]):
    """The resident living jobs, with a window of activatable ones per lane."""

    __slots__ = ("_offered", "_waiting", "absent", "flow", "is_waiting_of_all", "windows")

    def __init__(self, journal: Journal, residency: Residency, deadlines: Deadlines) -> None:
        super().__init__(Job, journal, residency, deadlines)
        self.windows = Windows()
        self.flow = FlowControl(journal)
        self.absent: set[int] = set()  # keys that a load has just looked for in vain
        # Since the listeners were last notified: ranks of jobs that anybody may be handed, and types that must be asked for.
        self._offered: dict[str, list[int]] = {}
        self._waiting: set[str] = set()
        self.is_waiting_of_all = False  # whether every type must be asked for

    # --- activatable ones

    def has_activatable(self, type: str, now_ms: int, *, leases: bool = False, waits: bool = False) -> bool:
        """Whether it is worth activating jobs of *type*; of a type without a window it is, until the store has been asked.

        For a caller who *waits*, jobs that are offered when the open batch closes do not count: one question takes them all then.
        """
        if type not in self.flow.types:
            offered = self._offered.get(type, ()) if waits else ()
            return any(
                (window := self.windows.get(lane)) is None or not window.is_within(offered)
                for lane in _lanes(type, leases)
            )
        if not self.flow.room(type, now_ms):
            return False
        if self.windows.turns(type).through is not None:
            return True
        lanes = self._open_lanes(type, leases)
        return any((window := self.windows.get(lane)) is None or window for lane in lanes)

    def take_activatable(
        self, type: str, max_jobs: int, now_ms: int, *, leases: bool = False
    ) -> tuple[list[Job], Wanted | None]:
        """Take up to *max_jobs* activatable jobs out of their windows, in order; or return what must be loaded before.

        The order is that of the ranks. In a type with flow control, jobs of the same priority come by the turns of their keys. Jobs that
        were leased before are taken for a caller who *leases*, too.
        """
        if type in self.flow.types:
            return self._take_controlled(type, min(max_jobs, self.flow.room(type, now_ms)), leases=leases)
        windows, wanted = self._windows_of(_lanes(type, leases))
        return ([], wanted) if wanted else self._take(InOrder(windows), max_jobs)

    def _take_controlled(self, type: str, max_jobs: int, *, leases: bool) -> tuple[list[Job], Wanted | None]:
        """Take jobs of a type with flow control."""
        if not max_jobs:
            return [], None
        turns = self.windows.turns(type)
        if turns.through != "":
            windows, wanted = self._windows_of(self._open_lanes(type, leases))
            behind = ends_of(windows)
            if wanted or behind:
                return [], wanted or Wanted(windows=behind)
            jobs, wanted = self._take(ByTurns(windows, turns, self._free(type), self._journal), max_jobs)
            if jobs or wanted or turns.through is None:
                return jobs, wanted
        return [], Wanted(fair_keys=frozenset({(type, turns.through)}))

    def _windows_of(self, lanes: tuple[Lane, ...]) -> tuple[dict[Lane, Window], Wanted | None]:
        """Return the windows of *lanes*, and the question for those that are not in memory."""
        windows = {lane: window for lane in lanes if (window := self.windows.get(lane)) is not None}
        if len(windows) < len(lanes):
            return windows, Wanted(windows=frozenset((lane, FIRST) for lane in lanes if lane not in windows))
        if lanes:
            self.windows.used(lanes[0].type)
        return windows, None

    def _take(self, source: InOrder | ByTurns, max_jobs: int) -> tuple[list[Job], Wanted | None]:
        taken: list[Place] = []
        self._journal.note(put_back, taken)
        jobs: list[Job] = []
        before = 0  # jobs taken before the first one that is not resident
        cold: list[int] = []
        cold_max = min(COLD_JOBS_MAX, self._residency.loads_within(COLD_BYTES_MAX))
        while len(jobs) + len(cold) < max_jobs and len(cold) < cold_max:
            place = source.pop()
            if place is None:
                break
            key = key_of(place[2])
            job = self._rows.get(key)
            if job is None:
                if key in self.absent:
                    continue
                before = before if cold else len(taken)
                cold.append(key)
            elif not self._stands_at(job, place):
                continue  # it was changed while the store was asked, and stands in its new place too
            elif job.process_definition_key in self.flow.paused_definitions:
                pass  # it leaves the window, and comes back when its definition is resumed
            else:
                jobs.append(job)
            taken.append(place)
        if cold:
            found = {job.key for job in jobs}
            ready = [self._rows[key] for _, _, place in taken[:before] if (key := key_of(place)) in found]
            if not ready or self._bytes_of(ready) < COLD_BYTES_MAX:
                return [], Wanted(rows=frozenset((Job, key) for key in cold))
            put_back(taken[before:])
            self._waiting.update(lane.type for lane, _, _ in taken[before:])
            return ready, None
        if not jobs and (behind := source.ends()):
            return [], Wanted(windows=behind)
        return jobs, None

    def _stands_at(self, job: Job, place: Place) -> bool:
        return job.state is _ACTIVATABLE and rank(job) == place[2] and _lane(job) == place[0]

    def _open_lanes(self, type: str, leases: bool) -> tuple[Lane, ...]:
        """Return the lanes of a type with flow control whose key has not reached its limit."""
        free = self._free(type)
        modes = (False, True) if leases else (False,)
        keys = [key for key in self.windows.turns(type).taken if free.get(key, 1) > 0]
        return tuple(Lane(type, is_leased, key) for key in keys for is_leased in modes)

    def _free(self, type: str) -> dict[str, int]:
        """Return how many more jobs of each key may be held; empty without a limit."""
        limit = self.flow.share(self.flow.types[type].held_per_key_max)
        if not limit:
            return {}
        held = self.flow.held_by_key(type)
        return {key: limit - held.get(key, 0) for key in self.windows.turns(type).taken}

    def take_offers(self, now_ms: int) -> tuple[dict[str, list[int]], set[str] | None]:
        """Return what has become activatable since the last call: keys by type in order of rank, and types that must be asked for.

        None for the types means all of them.
        """
        if not self.wake(now_ms):
            return {}, set()
        self._waiting.update(type for type in self._offered if type in self.flow.types)
        offered = {
            type: [key_of(one) for one in sorted({*ranks})]
            for type, ranks in self._offered.items()
            if type not in self._waiting
        }
        waiting = None if self.is_waiting_of_all else self._waiting
        self._offered, self._waiting, self.is_waiting_of_all = {}, set(), False
        return offered, waiting

    def leave(self, jobs: list[Job]) -> None:
        """Put jobs back into their windows that were taken and are not activated after all; others may have them."""
        for job in jobs:
            self._waiting.add(job.type)
            window = self.windows.get(_lane(job))
            if window is not None:
                window.put_back([rank(job)])

    def ask_for(self, type: str) -> None:
        """Let jobs of *type* be asked for when the batch closes: some that were offered are not activated, and may still be so."""
        self._waiting.add(type)

    def _bytes_of(self, jobs: list[Job]) -> int:
        return sum(map(self._residency.bytes_of, {job.process_instance_key for job in jobs}))

    # --- changes

    def insert(self, row: Job) -> None:
        """Add a new job."""
        super().insert(row)
        if row.state is _ACTIVATABLE:
            self._enter_window(row)

    def update(self, row: Job, **changes: Any) -> None:
        """Set the fields named in *changes*; the window and the count of held jobs follow."""
        if PLACE.isdisjoint(changes):
            super().update(row, **changes)
            return
        self._leave_place(row)
        super().update(row, **changes)
        if row.state is _ACTIVATABLE:
            self._enter_window(row)
        elif _counts(row):
            self.flow.count_held(row.type, row.fair_key, row.worker, 1)

    def end(self, row: Job, ended_ms: int, **changes: Any) -> None:
        """Set the fields named in *changes* and the end of the job, which nobody can be handed any more."""
        self._leave_place(row)
        super().end(row, ended_ms, **changes)

    def _leave_place(self, job: Job) -> None:
        if job.state is _ACTIVATABLE:
            self._leave_window(job)
        elif _counts(job):
            self._released(job)

    def _released(self, job: Job) -> None:
        self.flow.count_held(job.type, job.fair_key, job.worker, -1)
        if job.type in self.flow.types:
            self._waiting.add(job.type)  # a limit may have held others back

    def _enter_window(self, job: Job) -> None:
        place, lane = rank(job), _lane(job)
        has_flow = job.type in self.flow.types
        window = self.windows.get(lane)
        if has_flow and not window:
            self.windows.turns(job.type).add(job.fair_key, self.windows.fewest_turns(job.type))
        if job.process_definition_key in self.flow.paused_definitions:
            return
        if window is not None and window.add(place):
            self._journal.note(window.discard, place)
        if has_flow or job.lease_token:
            self._waiting.add(job.type)
        else:
            self._offered.setdefault(job.type, []).append(place)

    def _leave_window(self, job: Job) -> None:
        place = rank(job)
        window = self.windows.get(_lane(job))
        if window is not None and window.discard(place):
            self._journal.note(window.put_back, [place])

    # --- flow control

    def set_flow(self, row: JobFlow) -> None:
        """Set a row of flow control. The jobs that it lets go are asked for at once."""
        self.flow.put(row)
        if row.job_type:
            self._waiting.add(row.job_type)
        else:
            self.windows.drop_all()
            self.is_waiting_of_all = True

    def wake(self, now_ms: int) -> bool:
        """Let types be asked for whose limit per second allows jobs again, and wake up for the others. Never called inside a command.

        Return whether there are offers to take.
        """
        for type in self.flow.types:
            self.windows.prune(type)
        self._waiting.update(self.flow.take_awake(now_ms))
        if (next_ms := self.flow.next_wake_ms) is not None:
            self._deadlines.add(next_ms)
        return bool(self._offered or self._waiting or self.is_waiting_of_all)


def _counts(job: Job) -> bool:
    """Whether a worker holds the job. In a suspended process instance, whose deadlines are below 0, nobody does: it takes no report of a worker."""
    return job.state is _ACTIVATED and job.deadline_ms > 0


def _lane(job: Job) -> Lane:
    return _made_lane(job.type, bool(job.lease_token), job.fair_key)


_made_lane = lru_cache(LANES_KEPT)(Lane)


@lru_cache(LANES_KEPT)
def _lanes(type: str, leases: bool) -> tuple[Lane, ...]:
    """Return the lanes of a type without flow control whose jobs a caller may be handed."""
    return (Lane(type), Lane(type, is_leased=True)) if leases else (Lane(type),)
