"""Count what happens in the broker, and render the counts for `/metrics`.

The parts keep plain numbers: one addition to a dictionary per event (about 0.1 µs), no lock, no label object. Only a
scrape turns them into Prometheus families; prometheus-client is imported then, not at start. What waits for people is
counted in the store before a scrape. Everything is counted and
read on the event loop, except a partition's commit times, which its writer thread alone writes.
"""

import platform
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from osmia_broker import __version__

if TYPE_CHECKING:
    from prometheus_client import Metric

# Values of a label taken from a model (process id, job type). Beyond these it becomes `other`.
NAMES_MAX = 200
OTHER = "other"

Labels = tuple[str, ...]  #: the values of a family's labels, in their order
Value = TypeVar("Value")

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
    # Gauges are asked for when somebody scrapes.
    held_jobs: Callable[[], Mapping[Labels, int]] = dict  #: (type): jobs that workers hold
    queue_commands: Callable[[], float] = _zero
    resident_instances: Callable[[], float] = _zero
    passed_over: Callable[[], float] = _zero  #: due rows that cannot be worked off; a start tries them again
    store_bytes: Callable[[], float] = _zero
    free_disk_bytes: Callable[[], float] = _zero
    held_snapshot_seconds: Callable[[], float] = _zero
    is_leading: Callable[[], bool] = bool  #: whether the partition takes commands here, and can store them
    epoch: Callable[[], float] = _zero  #: of the store; it grows with each take-over

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

    def follow(
        self,
        queued: Callable[[], float],
        resident: Callable[[], float],
        held: Callable[[], Mapping[Labels, int]],
        passed_over: Callable[[], float],
    ) -> None:
        """Take the gauges of a partition: its queue, its process instances in memory, the jobs that workers hold, and due work that stands still."""
        self.queue_commands, self.resident_instances, self.held_jobs = queued, resident, held
        self.passed_over = passed_over


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

    def render(self, accept: str = "") -> tuple[bytes, str]:
        """Return the exposition and its content type: OpenMetrics when *accept* asks for it, else the Prometheus text."""
        from prometheus_client import CollectorRegistry
        from prometheus_client.exposition import choose_encoder

        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Families(self))
        encode, content_type = choose_encoder(accept)
        return encode(registry), content_type


class _Families:
    """The counted numbers as families."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> "Iterator[Metric]":
        yield _build_info()
        yield from _gateway_families(self._metrics.gateway)
        yield from _http_families(self._metrics.http)
        yield from _partition_families(self._metrics.partitions)
        yield from _summed_families(self._metrics.partitions)
        yield from _people_families(self._metrics.people)


def _build_info() -> "Metric":
    from prometheus_client.core import GaugeMetricFamily

    family = GaugeMetricFamily("osmia_build_info", "Always 1; the labels say what runs.", labels=["version", "python"])
    family.add_metric([__version__, platform.python_version()], 1)
    return family


def _gateway_families(gateway: GatewayCounters) -> "Iterator[Metric]":
    yield _counter("osmia_grpc_requests", "Answers given.", ["method", "code"], gateway.requests)
    yield _histogram("osmia_grpc_request_seconds", "From request to answer.", ["method", "code"], gateway.seconds)
    yield _gauge("osmia_grpc_streams_open", "Polls and job streams open now.", ["method"], gateway.streams_open)
    workers = NameTally()
    for labels, number in gateway.workers().items():
        workers.add(*labels, amount=number)
    yield _gauge("osmia_workers", "Workers that ask for jobs now.", ["type", "asks"], workers)


def _http_families(http: HttpCounters) -> "Iterator[Metric]":
    labels = ["route", "method", "status"]
    yield _counter("osmia_http_requests", "Answers given.", labels, http.requests)
    yield _histogram("osmia_http_request_seconds", "From request to answer.", labels, http.seconds)
    pages = Tally()
    pages.add(amount=http.page_listeners())
    yield _gauge("osmia_page_listeners", "Pages that are open in browsers.", [], pages)


def _partition_families(partitions: list[PartitionCounters]) -> "Iterator[Metric]":
    label = ["partition"]
    commands = _by_partition(partitions, lambda one: one.commands)
    yield _counter("osmia_commands", "Commands decided.", [*label, "command", "outcome"], commands)
    seconds = _each(partitions, lambda one: one.command_seconds)
    yield _histogram("osmia_command_seconds", "From a command's arrival to its answer.", label, seconds)
    seconds = _each(partitions, lambda one: one.queue_seconds)
    yield _histogram("osmia_queue_seconds", "From a command's arrival until its commit begins.", label, seconds)
    seconds = _each(partitions, lambda one: one.decide_seconds)
    yield _histogram("osmia_decide_seconds", "Time in which the engine decided a command.", label, seconds)
    seconds = _each(partitions, lambda one: one.commit_seconds)
    yield _histogram("osmia_commit_seconds", "Time of one commit in the store.", label, seconds)
    batches = _each(partitions, lambda one: one.commit_batch_commands)
    yield _histogram("osmia_commit_batch_commands", "Commands that shared a commit.", label, batches)
    failures = _by_partition(partitions, lambda one: one.commit_failures)
    yield _counter("osmia_commit_failures", "Commits that did not happen.", [*label, "reason"], failures)
    refused = _each(partitions, lambda one: one.refused_busy)
    yield _counter("osmia_refused_busy", "Commands refused because the queue was full.", label, refused)
    removed = _each(partitions, lambda one: one.history_removed)
    yield _counter("osmia_history_removed", "Ended process instances that were removed.", label, removed)
    queued = _each(partitions, lambda one: one.queue_commands())
    yield _gauge("osmia_queue_commands", "Commands waiting for their batch.", label, queued)
    resident = _each(partitions, lambda one: one.resident_instances())
    yield _gauge("osmia_resident_instances", "Process instances in memory.", label, resident)
    passed = _each(partitions, lambda one: one.passed_over())
    yield _gauge("osmia_due_rows_passed_over", "Due rows that cannot be worked off; the log has why.", label, passed)
    stored = _each(partitions, lambda one: one.store_bytes())
    yield _gauge("osmia_store_bytes", "Size of the partition's store.", label, stored)
    free = _each(partitions, lambda one: one.free_disk_bytes())
    yield _gauge("osmia_free_disk_bytes", "Room on the disk of the partition's store.", label, free)
    held = _each(partitions, lambda one: one.held_snapshot_seconds())
    yield _gauge(
        "osmia_held_snapshot_seconds", "For how long a reader has held an old state of the store.", label, held
    )
    lags = _each(partitions, lambda one: one.timer_lag_seconds)
    yield _histogram("osmia_timer_lag_seconds", "From the moment of a timer until it fired.", label, lags)
    epochs = _each(partitions, lambda one: one.epoch())
    yield _gauge("osmia_partition_epoch", "Grows each time that a broker takes the partition over.", label, epochs)
    leading = _each(partitions, lambda one: int(one.is_leading()))
    yield _gauge("osmia_partition_leader", "1 while the partition takes and stores commands here.", label, leading)


def _summed_families(partitions: list[PartitionCounters]) -> "Iterator[Metric]":
    """The families of the whole broker, without a partition label: the numbers of the partitions added up."""
    instances = _sum(one.process_instances for one in partitions)
    yield _counter("osmia_process_instances", "Process instances by event.", ["process", "event"], instances)
    jobs = _sum(one.jobs for one in partitions)
    yield _counter("osmia_jobs", "Jobs by event.", ["type", "event"], jobs)
    held = _sum(one.held_jobs() for one in partitions)
    yield _gauge("osmia_jobs_held", "Jobs that workers hold now.", ["type"], held)
    incidents = _sum(one.incidents for one in partitions)
    yield _counter("osmia_incidents", "Incidents raised.", ["error_type"], incidents)
    for ends, (name, text, label) in _DURATIONS.items():
        yield _histogram(name, text, [label], _merged(one.took[ends] for one in partitions))


#: The families of what takes its time, by the kind and the intent of the domain event that ends it.
_DURATIONS = {
    ("instance", "completed"): ("osmia_process_instance_seconds", "From creation to completion.", "process"),
    ("job", "activated"): ("osmia_job_wait_seconds", "From creation until a worker got the job first.", "type"),
    ("job", "completed"): ("osmia_job_seconds", "From creation to completion.", "type"),
    ("task", "claimed"): ("osmia_user_task_wait_seconds", "From creation until a person got the task.", "process"),
    ("task", "completed"): ("osmia_user_task_seconds", "From creation to completion.", "process"),
}


def _people_families(people: PeopleCounters) -> "Iterator[Metric]":
    yield _gauge("osmia_user_tasks_open", "User tasks that wait for a person.", ["assigned"], people.tasks_open)
    yield _gauge("osmia_user_tasks_overdue", "Those past their due date.", ["assigned"], people.tasks_overdue)
    yield _gauge("osmia_incidents_open", "Incidents that nobody has resolved.", ["error_type"], people.incidents_open)
    active = _sum([people.instances_active])
    yield _gauge("osmia_process_instances_active", "Process instances that run.", ["process"], active)
    waiting = _sum([people.jobs_waiting])
    yield _gauge("osmia_jobs_waiting", "Jobs that a worker could have now.", ["type"], waiting)
    yield _gauge("osmia_messages_buffered", "Messages kept for later.", ["partition"], people.messages_buffered)
    outbox = people.outbox_rows
    yield _gauge("osmia_outbox_rows", "Messages for other partitions, not confirmed yet.", ["partition"], outbox)
    oldest = people.outbox_oldest_seconds
    yield _gauge("osmia_outbox_oldest_seconds", "Age of the oldest of these messages.", ["partition"], oldest)
    ended = people.history_oldest_seconds
    yield _gauge(
        "osmia_history_oldest_seconds", "Since the oldest instance in the history ended.", ["partition"], ended
    )


def _each(partitions: list[PartitionCounters], read: Callable[[PartitionCounters], Value]) -> dict[Labels, Value]:
    return {(str(one.partition),): read(one) for one in partitions}


def _by_partition(partitions: list[PartitionCounters], read: Callable[[PartitionCounters], Tally]) -> dict[Labels, int]:
    return {(str(one.partition), *labels): count for one in partitions for labels, count in read(one).items()}


def _sum(tallies: Iterable[Mapping[Labels, int]]) -> Tally:
    total = NameTally()  # the bound holds for the sum as well
    for tally in tallies:
        for labels, count in tally.items():
            total.add(*labels, amount=count)
    return total


def _merged(partitions: Iterable[NameHistograms]) -> dict[Labels, Histogram]:
    """Add up the histograms of the partitions by name; the bound of names holds for the sum as well."""
    total: NameHistograms | None = None
    for histograms in partitions:
        total = total or NameHistograms(histograms.bounds)
        for name, histogram in histograms.items():
            total[name].add(histogram)
    return {(name,): histogram for name, histogram in (total or {}).items()}


def _counter(name: str, text: str, labels: list[str], values: Mapping[Labels, float]) -> "Metric":
    from prometheus_client.core import CounterMetricFamily

    family = CounterMetricFamily(name, text, labels=labels)
    for key, value in values.items():
        family.add_metric(list(key), value)
    return family


def _gauge(name: str, text: str, labels: list[str], values: Mapping[Labels, float]) -> "Metric":
    from prometheus_client.core import GaugeMetricFamily

    family = GaugeMetricFamily(name, text, labels=labels)
    for key, value in values.items():
        family.add_metric(list(key), value)
    return family


def _histogram(name: str, text: str, labels: list[str], values: Mapping[Labels, Histogram]) -> "Metric":
    from prometheus_client.core import HistogramMetricFamily

    family = HistogramMetricFamily(name, text, labels=labels)
    for key, histogram in values.items():
        family.add_metric(list(key), buckets=histogram.cumulative(), sum_value=histogram.total)
    return family
