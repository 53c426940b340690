"""Show the counts of the broker to a scraper: as families of Prometheus, in its text or as OpenMetrics.

prometheus-client is imported by the first scrape, not at start.
"""

import platform
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, TypeVar

from osmia_broker import __version__
from osmia_broker.metrics import (
    GatewayCounters,
    Histogram,
    HttpCounters,
    Labels,
    Metrics,
    NameHistograms,
    NameTally,
    PartitionCounters,
    PartitionGauges,
    PeopleCounters,
    Tally,
)

if TYPE_CHECKING:
    from prometheus_client import Metric

Value = TypeVar("Value")


def exposition(metrics: Metrics, accept: str = "") -> tuple[bytes, str]:
    """Return the counts and the type of that content: OpenMetrics when *accept* asks for it, else the Prometheus text."""
    from prometheus_client import CollectorRegistry
    from prometheus_client.exposition import choose_encoder

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Families(metrics))
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type


class Families:
    """The counted numbers as families."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> "Iterator[Metric]":
        """Yield every family, also those in which nothing has been counted."""
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


#: The families with the label `partition`: (name, text, what is read of a partition).
_TIMES_AND_SIZES: tuple[tuple[str, str, Callable[[PartitionCounters], Histogram]], ...] = (
    ("osmia_command_seconds", "From a command's arrival to its answer.", lambda one: one.command_seconds),
    ("osmia_queue_seconds", "From a command's arrival until its commit begins.", lambda one: one.queue_seconds),
    ("osmia_decide_seconds", "Time in which the engine decided a command.", lambda one: one.decide_seconds),
    ("osmia_commit_seconds", "Time of one commit in the store.", lambda one: one.commit_seconds),
    ("osmia_commit_batch_commands", "Commands that shared a commit.", lambda one: one.commit_batch_commands),
    ("osmia_timer_lag_seconds", "From the moment of a timer until it fired.", lambda one: one.timer_lag_seconds),
)
_COUNTS: tuple[tuple[str, str, Callable[[PartitionCounters], float]], ...] = (
    ("osmia_refused_busy", "Commands refused because the queue was full.", lambda one: one.refused_busy),
    ("osmia_history_removed", "Ended process instances that were removed.", lambda one: one.history_removed),
)
_GAUGES: tuple[tuple[str, str, Callable[[PartitionGauges], float]], ...] = (
    ("osmia_queue_commands", "Commands waiting for their batch.", lambda one: one.queue_commands()),
    ("osmia_resident_instances", "Process instances in memory.", lambda one: one.resident_instances()),
    (
        "osmia_due_rows_passed_over",
        "Due rows that cannot be worked off; the log has why.",
        lambda one: one.passed_over(),
    ),
    ("osmia_store_bytes", "Size of the partition's store.", lambda one: one.store_bytes()),
    ("osmia_free_disk_bytes", "Room on the disk of the partition's store.", lambda one: one.free_disk_bytes()),
    (
        "osmia_held_snapshot_seconds",
        "For how long a reader has held an old state of the store.",
        lambda one: one.held_snapshot_seconds(),
    ),
    (
        "osmia_partition_epoch",
        "Grows each time that a broker takes the partition over.",
        lambda one: one.epoch(),
    ),
    (
        "osmia_partition_leader",
        "1 while the partition takes and stores commands here.",
        lambda one: int(one.is_leading()),
    ),
)


def _partition_families(partitions: list[PartitionCounters]) -> "Iterator[Metric]":
    label = ["partition"]
    commands = _by_partition(partitions, lambda one: one.commands)
    yield _counter("osmia_commands", "Commands decided.", [*label, "command", "outcome"], commands)
    failures = _by_partition(partitions, lambda one: one.commit_failures)
    yield _counter("osmia_commit_failures", "Commits that did not happen.", [*label, "reason"], failures)
    for name, text, histogram in _TIMES_AND_SIZES:
        yield _histogram(name, text, label, _each(partitions, histogram))
    for name, text, count in _COUNTS:
        yield _counter(name, text, label, _each(partitions, count))
    for name, text, gauge in _GAUGES:
        yield _gauge(name, text, label, {(str(one.partition),): gauge(one.gauges) for one in partitions})


def _summed_families(partitions: list[PartitionCounters]) -> "Iterator[Metric]":
    """The families of the whole broker, without a partition label: the numbers of the partitions added up."""
    instances = _sum(one.process_instances for one in partitions)
    yield _counter("osmia_process_instances", "Process instances by event.", ["process", "event"], instances)
    jobs = _sum(one.jobs for one in partitions)
    yield _counter("osmia_jobs", "Jobs by event.", ["type", "event"], jobs)
    held = _sum(one.gauges.held_jobs() for one in partitions)
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
