"""Count what happens in the broker.

The parts keep plain numbers: one addition to a dictionary per event (about 0.1 µs), no lock, no label object. Only a scrape turns them into
the families of Prometheus (`running/exposition.py`). What waits for people is counted in the store before a scrape. Everything is counted
and read on the event loop, except a partition's commit times, which its writer thread alone writes.
"""

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

# Values of a label taken from a model (process id, job type). Beyond these it becomes `other`.
NAMES_MAX = 200
OTHER = "other"

Labels = tuple[str, ...]  #: the values of a family's labels, in their order

MINUTE, HOUR, DAY = 60.0, 3_600.0, 86_400.0
SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
WORK_SECONDS = (0.005, 0.025, 0.1, 0.5, 1.0, 5.0, 30.0, 2 * MINUTE, 10 * MINUTE, HOUR, 6 * HOUR, DAY, 7 * DAY)
PEOPLE_SECONDS = (
    1.0,
    10.0,
    MINUTE,
    5 * MINUTE,
    30 * MINUTE,
    HOUR,
    4 * HOUR,
    12 * HOUR,
    DAY,
    2 * DAY,
    7 * DAY,
    30 * DAY,
)
COMMANDS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0)


class Histogram:
    """Observations sorted into buckets by upper bound, with their sum. *bounds* ascend; the last bucket has no bound."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count one *value*, in the unit of the bounds."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def observe_all(self, values: Sequence[float]) -> None:
        """Count each of *values*, in the unit of the bounds."""
        bounds, counts = self.bounds, self.counts
        for value in values:
            counts[bisect_left(bounds, value)] += 1
        self.total += sum(values)

    def observe_since(self, moments: Sequence[float], now: float) -> None:
        """Count the time that has passed at *now* since each of *moments*."""
        bounds, counts = self.bounds, self.counts
        for moment in moments:
            counts[bisect_left(bounds, now - moment)] += 1
        self.total += now * len(moments) - sum(moments)

    def add(self, other: "Histogram") -> None:
        """Count everything that *other* has counted; its bounds are the same."""
        self.counts = [one + more for one, more in zip(self.counts, other.counts, strict=True)]
        self.total += other.total

    @property
    def count(self) -> int:
        """The number of values that were observed."""
        return sum(self.counts)

    def cumulative(self) -> list[tuple[str, float]]:
        """Each bound as text and how many values were at or below it; ends with `+Inf`, which holds them all."""
        buckets, seen = [], 0
        for bound, count in zip((*map(str, self.bounds), "+Inf"), self.counts, strict=True):
            seen += count
            buckets.append((bound, float(seen)))
        return buckets


class Tally(dict[Labels, int]):
    """Count how often each combination of labels occurred. The labels must come from a fixed set."""

    def __missing__(self, _labels: Labels) -> int:
        return 0

    def add(self, *labels: str, amount: int = 1) -> None:
        """Count *amount* more under *labels*."""
        self[labels] += amount


class Times(dict[Labels, Histogram]):
    """A histogram of times in seconds for each combination of labels. The labels must come from a fixed set."""

    def __missing__(self, labels: Labels) -> Histogram:
        histogram = self[labels] = Histogram(SECONDS)
        return histogram


class NameTally(Tally):
    """A tally whose first label is a name from outside: after `NAMES_MAX` different ones the rest counts as `other`."""

    def __init__(self) -> None:
        super().__init__()
        self._names: set[str] = set()

    def add(self, *labels: str, amount: int = 1) -> None:
        """Count *amount* more under *labels*, the first of which may be any text."""
        if labels not in self:
            labels = (self._bounded(labels[0]), *labels[1:])
        self[labels] += amount

    def _bounded(self, name: str) -> str:
        if name not in self._names:
            if len(self._names) >= NAMES_MAX:
                return OTHER
            self._names.add(name)
        return name


class NameHistograms(dict[str, Histogram]):
    """A histogram for each name from outside: after `NAMES_MAX` of them the rest is observed as `other`."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        super().__init__()
        self.bounds = bounds

    def __missing__(self, name: str) -> Histogram:
        if len(self) >= NAMES_MAX and name != OTHER:
            return self[OTHER]
        histogram = self[name] = Histogram(self.bounds)
        return histogram


def _durations() -> dict[Labels, NameHistograms]:
    """Return the histograms of what takes its time, by the kind and the intent of the domain event that ends it."""
    return {
        ("instance", "completed"): NameHistograms(PEOPLE_SECONDS),
        ("job", "activated"): NameHistograms(WORK_SECONDS),
        ("job", "completed"): NameHistograms(WORK_SECONDS),
        ("task", "claimed"): NameHistograms(PEOPLE_SECONDS),
        ("task", "completed"): NameHistograms(PEOPLE_SECONDS),
    }


def _zero() -> float:
    return 0.0


@dataclass(slots=True)
class PartitionGauges:
    """The state of one partition now: each number is asked for when somebody scrapes. Its parts give their own; the rest stays 0."""

    queue_commands: Callable[[], float] = _zero
    resident_instances: Callable[[], float] = _zero
    held_jobs: Callable[[], Mapping[Labels, int]] = dict  #: (type): jobs that workers hold
    passed_over: Callable[[], float] = _zero  #: due rows that cannot be worked off; a start tries them again
    store_bytes: Callable[[], float] = _zero
    free_disk_bytes: Callable[[], float] = _zero
    held_snapshot_seconds: Callable[[], float] = _zero
    is_leading: Callable[[], bool] = bool  #: whether the partition takes commands here, and can store them
    epoch: Callable[[], float] = _zero  #: of the store; it grows with each take-over


@dataclass(slots=True)
class PartitionCounters:
    """The counts of one partition. Times are seconds; a refused or undone command counts as rejected, nothing else."""

    partition: int
    commands: Tally = field(default_factory=Tally)  #: (name of the command, `accepted` or `rejected`)
    #: Of accepted commands, as the next two.
    command_seconds: Histogram = field(default_factory=lambda: Histogram(SECONDS))
    queue_seconds: Histogram = field(default_factory=lambda: Histogram(SECONDS))
    decide_seconds: Histogram = field(default_factory=lambda: Histogram(SECONDS))
    commit_seconds: Histogram = field(default_factory=lambda: Histogram(SECONDS))
    commit_batch_commands: Histogram = field(default_factory=lambda: Histogram(COMMANDS))
    commit_failures: Tally = field(default_factory=Tally)  #: (reason: `disk_full`, `store`)
    refused_busy: int = 0
    history_removed: int = 0  #: process instances that were old enough
    process_instances: NameTally = field(default_factory=NameTally)  #: (process id, created | completed | canceled)
    #: (type, created | activated | completed | failed | error | timed_out | canceled)
    jobs: NameTally = field(default_factory=NameTally)
    incidents: Tally = field(default_factory=Tally)  #: (error type)
    took: dict[Labels, NameHistograms] = field(default_factory=_durations)
    timer_lag_seconds: Histogram = field(default_factory=lambda: Histogram(SECONDS))
    gauges: PartitionGauges = field(default_factory=PartitionGauges)

    def accepted(self, command: str, seconds: float) -> None:
        """Count a command that took effect, and that took *seconds* to decide."""
        self.commands[command, "accepted"] += 1
        self.decide_seconds.observe(seconds)

    def committed(self, commands: int, seconds: float) -> None:
        """Count a commit of so many commands that took *seconds*."""
        self.commit_seconds.observe(seconds)
        self.commit_batch_commands.observe(commands)

    def answered(self, arrivals: Sequence[float], closed_s: float, now_s: float) -> None:
        """Count the times of one batch of commands: from each arrival until the batch was closed, and until the answer."""
        if arrivals:
            self.queue_seconds.observe_since(arrivals, closed_s)
            self.command_seconds.observe_since(arrivals, now_s)


@dataclass(slots=True)
class GatewayCounters:
    """The counts of the gRPC door, by method (without the service) and status name (`OK`, `NOT_FOUND`, …)."""

    requests: Tally = field(default_factory=Tally)  #: (method, code)
    seconds: Times = field(default_factory=Times)
    streams_open: Tally = field(default_factory=Tally)  #: (method); parked polls and open job streams
    workers: Callable[[], Mapping[Labels, int]] = dict  #: (job type, `poll` or `stream`): those that ask now

    def answered(self, method: str, code: str, seconds: float) -> None:
        """Count one answer that took *seconds* since its request arrived."""
        self.requests[method, code] += 1
        self.seconds[method, code].observe(seconds)


@dataclass(slots=True)
class HttpCounters:
    """The counts of the HTTP door, by route (a path with {placeholders}), method and status."""

    requests: Tally = field(default_factory=Tally)  #: (route, method, status)
    seconds: Times = field(default_factory=Times)
    page_listeners: Callable[[], int] = int  #: how many pages are open

    def answered(self, route: str, method: str, status: str, seconds: float) -> None:
        """Count one answer that took *seconds* since its request arrived."""
        self.requests[route, method, status] += 1
        self.seconds[route, method, status].observe(seconds)


@dataclass(slots=True)
class PeopleCounters:
    """The work that waits for people and workers, as it was when the store was asked last."""

    tasks_open: Mapping[Labels, int] = field(default_factory=dict)  #: (assigned: yes | no)
    tasks_overdue: Mapping[Labels, int] = field(default_factory=dict)  #: (assigned: yes | no)
    incidents_open: Mapping[Labels, int] = field(default_factory=dict)  #: (error type)
    instances_active: Mapping[Labels, int] = field(default_factory=dict)  #: (process id)
    jobs_waiting: Mapping[Labels, int] = field(default_factory=dict)  #: (type)
    messages_buffered: Mapping[Labels, int] = field(default_factory=dict)  #: (partition)
    outbox_rows: Mapping[Labels, int] = field(default_factory=dict)  #: (partition)
    outbox_oldest_seconds: Mapping[Labels, float] = field(default_factory=dict)  #: (partition)
    history_oldest_seconds: Mapping[Labels, float] = field(default_factory=dict)  #: (partition)


@dataclass(slots=True)
class Metrics:
    """All counts of one broker process. Its parts share the members and increment them."""

    gateway: GatewayCounters = field(default_factory=GatewayCounters)
    http: HttpCounters = field(default_factory=HttpCounters)
    people: PeopleCounters = field(default_factory=PeopleCounters)
    partitions: list[PartitionCounters] = field(default_factory=list)

    def partition(self, partition: int) -> PartitionCounters:
        """Make and remember the counters of *partition*."""
        counters = PartitionCounters(partition)
        self.partitions.append(counters)
        return counters
