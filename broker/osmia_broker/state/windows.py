"""The windows of activatable jobs: for each lane of a job type the first jobs in memory, the rest in the store.

The jobs of a type wait in two lanes: those that were never leased, which everybody may be handed, and those that were, which only callers
who ask for leases get. Within a lane the order is that of the ranks: the higher priority first, then the older key. A rank is one number,
so neither an undone command nor a job that becomes activatable again can disturb the order. A rank that leaves (its job was pushed to a
stream, or ended) stays in the heap, is no longer a member, and is skipped when it comes up.
"""

from collections import OrderedDict
from collections.abc import Sequence
from heapq import heapify, heappop, heappush

from osmia_broker.state.rows import Job
from osmia_broker.state.store_protocol import WINDOW_JOBS, Lane

WINDOW_KEYS_MAX = 4 * WINDOW_JOBS  #: beyond it, later keys wait in the store until the window is worked off
WINDOWS_MAX = (
    1_000  #: job types with a window in memory; the least recently used one is dropped and read again when asked for
)

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

    __slots__ = ("_heap", "_late", "_members", "refilling", "through")

    def __init__(self, through: int | None) -> None:
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
        if self.through is None and len(self._members) > WINDOW_KEYS_MAX:
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
        """Add the next ranks from the store, ascending. Fewer than WINDOW_JOBS mean that these are all."""
        self.refilling = False
        self.through = ranks[-1] if len(ranks) >= WINDOW_JOBS else None
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

    def _push(self, rank: int) -> None:
        if rank not in self._members:
            self._members.add(rank)
            heappush(self._heap, rank)


def next_of(windows: Sequence[Window]) -> Window | None:
    """Return the window that has the lowest rank; None if there is none, or if a window must be refilled before one can know."""
    best, lowest = None, 0
    for window in windows:
        first = window.first()
        if first is None:
            if window.through is not None:
                return None
        elif best is None or first < lowest:
            best, lowest = window, first
    return best


class Windows:
    """The windows of all job types that somebody asked for lately."""

    __slots__ = ("_by_type",)

    def __init__(self) -> None:
        self._by_type: OrderedDict[str, dict[Lane, Window]] = OrderedDict()

    def get(self, lane: Lane) -> Window | None:
        """Return the window of *lane*; None means that the store must be asked."""
        lanes = self._by_type.get(lane.type)
        return None if lanes is None else lanes.get(lane)

    def used(self, type: str) -> None:
        """Note that somebody asked for *type*, so that its windows stay longer than others."""
        self._by_type.move_to_end(type)

    def refill_begins(self, lane: Lane) -> None:
        """Note that the next window of *lane* is being loaded: jobs that arrive from now on may not be in it."""
        self._get_or_make(lane).refilling = True

    def refill(self, lane: Lane, ranks: Sequence[int]) -> None:
        """Take in the next window of *lane* and drop the windows of types that nobody used for longest."""
        self._get_or_make(lane).refill(ranks)
        self._by_type.move_to_end(lane.type)
        while len(self._by_type) > WINDOWS_MAX:
            oldest = next((type for type, lanes in self._by_type.items() if not _is_refilling(lanes)), None)
            if oldest is None:
                return
            del self._by_type[oldest]

    def _get_or_make(self, lane: Lane) -> Window:
        lanes = self._by_type.setdefault(lane.type, {})
        window = lanes.get(lane)
        if window is None:
            window = lanes[lane] = Window(through=FIRST)
        return window

    def __len__(self) -> int:
        return len(self._by_type)


def _is_refilling(lanes: dict[Lane, Window]) -> bool:
    return any(window.refilling for window in lanes.values())
