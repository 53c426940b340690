"""The windows of activatable jobs: for each lane of a job type the first jobs in memory, the rest in the store.

The jobs of a type wait in lanes: those that were never leased, which everybody may be handed, apart from those that were, which only callers
who ask for leases get; and of each, those of one fair key apart from those of another. Within a lane the order is that of the ranks: the
higher priority first, then the older key. A rank is one number, so neither an undone command nor a job that becomes activatable again can
disturb the order. A rank that leaves (its job was pushed to a stream, or ended) stays in the heap, is no longer a member, and is skipped when
it comes up.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from heapq import heapify, heappop, heappush

from osmia_broker.state.memory.journal import Journal
from osmia_broker.state.rows import Job
from osmia_broker.state.store_protocol import LANES_MAX, WINDOW_JOBS, Lane, Wanted
from osmia_broker.state.tables.job_flow import Turns

#: Beyond so many times the size of a load, later jobs wait in the store until the window is worked off.
WINDOW_LOADS = 4
#: Job types with a window in memory. The least recently used one is dropped and read again when asked for.
WINDOWS_MAX = 1_000

_KEY_BITS = 63  # a key is positive and below 2^63
_KEY = (1 << _KEY_BITS) - 1
NO_PRIORITY = -(2**31) - 1  #: below every priority
FIRST = -(1 << (_KEY_BITS + 31))  #: below every rank


def rank(job: Job) -> int:
    """Return the place of *job* in its lane as a number; the lowest comes first. With priority 0 it is the key."""
    return job.key - (job.priority << _KEY_BITS)


def rank_of(priority: int, key: int) -> int:
    """Return the rank of a job with this *priority* and *key*."""
    return key - (priority << _KEY_BITS)


def key_of(rank: int) -> int:
    """Return the key of the job with this *rank*."""
    return rank & _KEY


def priority_of(rank: int) -> int:
    """Return the priority of the job with this *rank*."""
    return -(rank >> _KEY_BITS)


class Window:
    """The ranks of the activatable jobs of one lane up to and including `through`; None means that there are no others."""

    __slots__ = ("_heap", "_late", "_members", "is_stale", "jobs_max", "refilling", "through")

    def __init__(self, through: int | None, jobs_max: int = WINDOW_JOBS) -> None:
        self.jobs_max = jobs_max  # of one load
        self.is_stale = False  # what is being loaded is not wanted any more
        self._heap: list[int] = []
        self._members: set[int] = set()
        self._late: list[int] = []  # beyond `through`, arrived during a refill, which may not have seen them
        self.through = through
        self.refilling = False

    def add(self, rank: int) -> bool:
        """Add a job that has become activatable; return whether it is new here."""
        if rank in self._members:
            return False
        if self.through is not None and rank > self.through:
            if self.refilling:
                self._late.append(rank)
            return False
        self._push(rank)
        if self.through is None and len(self._members) > WINDOW_LOADS * self.jobs_max:
            self.through = max(self._members)
        return True

    def first(self) -> int | None:
        """Return the lowest rank; None when the window is empty."""
        heap, members = self._heap, self._members
        while heap:
            if heap[0] in members:
                return heap[0]
            heappop(heap)
        return None

    def pop(self) -> int | None:
        """Remove and return the lowest rank; None when the window is empty."""
        while self._heap:
            rank = heappop(self._heap)
            if rank in self._members:
                self._members.remove(rank)
                return rank
        return None

    def discard(self, rank: int) -> bool:
        """Remove *rank* if it is here; return whether it was."""
        if rank not in self._members:
            return False
        self._members.remove(rank)
        if len(self._heap) > 2 * len(self._members) + 64:
            self._heap = sorted(self._members)
        return True

    def put_back(self, ranks: list[int]) -> None:
        """Return ranks that were popped or discarded."""
        for rank in ranks:
            self._push(rank)

    def refill(self, ranks: Sequence[int]) -> None:
        """Add the next ranks from the store, ascending. Fewer than `jobs_max` mean that these are all."""
        self.refilling = False
        self.through = ranks[-1] if len(ranks) >= self.jobs_max else None
        new = [rank for rank in ranks if rank not in self._members]
        self._members.update(new)
        self._heap.extend(new)
        heapify(self._heap)
        late, self._late = self._late, []
        for rank in late:
            self.add(rank)

    @property
    def ends_at(self) -> int | None:
        """The rank behind which the store has more jobs, if the window is empty and must be refilled; else None."""
        return None if self._members else self.through

    def __bool__(self) -> bool:
        """Whether a job may be found here or behind the window."""
        return bool(self._members) or self.through is not None

    def is_within(self, ranks: Sequence[int]) -> bool:
        """Whether no job but those of *ranks* may be found here or behind the window."""
        members = self._members
        return self.through is None and len(members) <= len(ranks) and members.issubset(ranks)

    def _push(self, rank: int) -> None:
        if rank not in self._members:
            self._members.add(rank)
            heappush(self._heap, rank)


Place = tuple[Lane, Window, int]  #: a job that was taken out of a window: the lane, its window, and the rank


def ends_of(windows: Mapping[Lane, Window]) -> frozenset[tuple[Lane, int]]:
    """Return the lanes whose window is empty although the store has more, with the rank behind which it has."""
    return frozenset((lane, after) for lane, window in windows.items() if (after := window.ends_at) is not None)


def put_back(taken: list[Place]) -> None:
    """Return jobs to the windows that they were taken out of."""
    for _, window, place in taken:
        window.put_back([place])


class InOrder:
    """The jobs of a few lanes in order of their ranks. It ends before a window that must be refilled first."""

    __slots__ = ("_windows",)

    def __init__(self, windows: dict[Lane, Window]) -> None:
        self._windows = windows

    def pop(self) -> Place | None:
        """Take the next job out of its window; None when there is none."""
        best: tuple[Lane, Window] | None = None
        lowest = 0
        for lane, window in self._windows.items():
            first = window.first()
            if first is None:
                if window.through is not None:
                    return None
            elif best is None or first < lowest:
                best, lowest = (lane, window), first
        if best is None:
            return None
        best[1].pop()
        return (*best, lowest)

    def ends(self) -> frozenset[tuple[Lane, int]]:
        """Return the windows that must be refilled."""
        return ends_of(self._windows)


class ByTurns:
    """The jobs of many lanes: the highest priority first, then that of the key that had the fewest turns, then the oldest.

    *free* is how many more jobs of each key may be held; empty without a limit. No window may have to be refilled at the beginning.
    """

    __slots__ = ("_free", "_heap", "_journal", "_turns", "_windows")

    def __init__(self, windows: dict[Lane, Window], turns: Turns, free: dict[str, int], journal: Journal) -> None:
        self._windows, self._turns, self._free, self._journal = windows, turns, free, journal
        self._heap: list[tuple[int, int, int, Lane]] = []
        for lane in windows:
            self._push(lane)

    def pop(self) -> Place | None:
        """Take the next job out of its window; None when there is none."""
        taken = self._turns.taken
        while self._heap:
            _, turn, first, lane = heappop(self._heap)
            window = self._windows[lane]
            if turn != taken[lane.fair_key] or window.first() != first:  # its key had another turn meanwhile
                self._push(lane)
                continue
            if self._free and self._free[lane.fair_key] <= 0:
                continue
            window.pop()
            self._set_turns(lane.fair_key, turn + 1)
            if self._free:
                self._free[lane.fair_key] -= 1
            if window.ends_at is not None:  # the order is not known any further
                self._heap.clear()
            self._push(lane)
            return lane, window, first
        return None

    def ends(self) -> frozenset[tuple[Lane, int]]:
        """Return the windows that must be refilled."""
        return ends_of(self._windows)

    def _push(self, lane: Lane) -> None:
        first = self._windows[lane].first()
        if first is not None:
            heappush(self._heap, (-priority_of(first), self._turns.taken[lane.fair_key], first, lane))

    def _set_turns(self, key: str, number: int) -> None:
        self._journal.note(self._turns.taken.__setitem__, key, self._turns.taken[key])
        self._turns.taken[key] = number


class Windows:
    """The windows of all job types that somebody asked for lately."""

    __slots__ = ("_by_type", "_turns")

    def __init__(self) -> None:
        self._by_type: OrderedDict[str, dict[Lane, Window]] = OrderedDict()
        self._turns: dict[str, Turns] = {}  # of types with flow control

    def get(self, lane: Lane) -> Window | None:
        """Return the window of *lane*; None means that the store must be asked."""
        lanes = self._by_type.get(lane.type)
        return None if lanes is None else lanes.get(lane)

    def used(self, type: str) -> None:
        """Note that somebody asked for *type*, so that its windows stay longer than others."""
        if type in self._by_type:
            self._by_type.move_to_end(type)

    def as_they_are(self, wanted: Wanted) -> tuple[frozenset[tuple[Lane, int]], frozenset[tuple[str, str]]]:
        """Return which windows and keys are to be loaded for *wanted*, each from where it ends now.

        One may have been dropped since it was asked for. What it had is to be read again, not only what lies behind it.
        """
        found = {lane: self.get(lane) for lane, _ in wanted.windows}
        throughs = {lane: FIRST if window is None else window.through for lane, window in found.items()}
        windows = frozenset((lane, after) for lane, after in throughs.items() if after is not None)
        keys = {type: self.turns(type).through for type, _ in wanted.fair_keys}
        return windows, frozenset((type, key) for type, key in keys.items() if key is not None)

    def load_begins(self, wanted: Wanted) -> None:
        """Note that windows and keys are being loaded: what arrives from now on may not be among them."""
        for lane, _ in wanted.windows:
            self.refill_begins(lane)
        for type, _ in wanted.fair_keys:
            self.turns(type).is_loading = True

    def refill_begins(self, lane: Lane) -> None:
        """Note that the next window of *lane* is being loaded: jobs that arrive from now on may not be in it."""
        self._get_or_make(lane).refilling = True

    def refill(self, lane: Lane, ranks: Sequence[int]) -> None:
        """Take in the next window of *lane* and drop the windows of types that nobody used for longest."""
        window = self._get_or_make(lane)
        if window.is_stale:
            del self._by_type[lane.type][lane]
            return
        window.refill(ranks)
        self.used(lane.type)
        while len(self._by_type) > WINDOWS_MAX:
            oldest = next((type for type in self._by_type if not self._is_loading(type)), None)
            if oldest is None:
                return
            del self._by_type[oldest]
            self._turns.pop(oldest, None)

    def turns(self, type: str) -> Turns:
        """Return the turns of the keys that share the jobs of *type*."""
        return self._turns.setdefault(type, Turns())

    def fewest_turns(self, type: str) -> int:
        """Return how many turns each key of *type* with jobs in memory has had at least; if there is none, the most that any has had."""
        taken, lanes = self.turns(type).taken, self._by_type.get(type, {})
        waiting = {lane.fair_key for lane, window in lanes.items() if window}
        return min((taken[key] for key in waiting if key in taken), default=max(taken.values(), default=0))

    def prune(self, type: str) -> None:
        """Forget the keys of *type* that have no jobs left, once there are many; not inside a command, which may be undone."""
        turns = self._turns.get(type)
        if turns is None or len(turns.taken) < turns.prune_at:
            return
        lanes = self._by_type.get(type, {})
        for key in [key for key in turns.taken if key]:
            both = [Lane(type, is_leased, key) for is_leased in (False, True)]
            found = [window for lane in both if (window := lanes.get(lane)) is not None]
            if found and not any(window or window.refilling for window in found):
                del turns.taken[key]
                for lane in both:
                    lanes.pop(lane, None)
        turns.prune_at = max(LANES_MAX, 2 * len(turns.taken))

    def drop_all(self) -> None:
        """Forget all windows: their lanes have other jobs than they thought."""
        for lanes in self._by_type.values():
            for lane, window in list(lanes.items()):
                if window.refilling:
                    window.is_stale = True
                else:
                    del lanes[lane]
        self._turns = {type: turns for type, turns in self._turns.items() if turns.is_loading}

    def _is_loading(self, type: str) -> bool:
        turns = self._turns.get(type)
        is_refilling = any(window.refilling for window in self._by_type.get(type, {}).values())
        return is_refilling or (turns is not None and turns.is_loading)

    def _get_or_make(self, lane: Lane) -> Window:
        lanes = self._by_type.setdefault(lane.type, {})
        window = lanes.get(lane)
        if window is None:
            window = lanes[lane] = Window(FIRST, lane.jobs_max)
        return window

    def __len__(self) -> int:
        return len(self._by_type)
