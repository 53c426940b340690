import pytest
from prometheus_client.parser import text_string_to_metric_families

from osmia_broker.metrics import NAMES_MAX, Histogram, Metrics, NameHistograms, NameTally
from osmia_broker.running.exposition import exposition

CONTRACT = {  # web-and-cli.md, section 5: the families that a broker of this state fills
    "osmia_build_info",
    "osmia_grpc_requests",
    "osmia_grpc_request_seconds",
    "osmia_grpc_streams_open",
    "osmia_http_requests",
    "osmia_http_request_seconds",
    "osmia_page_listeners",
    "osmia_jobs_held",
    "osmia_workers",
    "osmia_commands",
    "osmia_commit_seconds",
    "osmia_commit_batch_commands",
    "osmia_commit_failures",
    "osmia_queue_commands",
    "osmia_refused_busy",
    "osmia_process_instances",
    "osmia_jobs",
    "osmia_incidents",
    "osmia_resident_instances",
    "osmia_due_rows_passed_over",
    "osmia_store_bytes",
    "osmia_free_disk_bytes",
    "osmia_held_snapshot_seconds",
    "osmia_partition_leader",
    "osmia_user_tasks_open",
    "osmia_user_tasks_overdue",
    "osmia_incidents_open",
    "osmia_command_seconds",
    "osmia_queue_seconds",
    "osmia_decide_seconds",
    "osmia_partition_epoch",
    "osmia_process_instances_active",
    "osmia_process_instance_seconds",
    "osmia_jobs_waiting",
    "osmia_job_wait_seconds",
    "osmia_job_seconds",
    "osmia_user_task_wait_seconds",
    "osmia_user_task_seconds",
    "osmia_timer_lag_seconds",
    "osmia_messages_buffered",
    "osmia_history_removed",
    "osmia_outbox_rows",
    "osmia_outbox_oldest_seconds",
    "osmia_history_oldest_seconds",
}


def samples(metrics):
    families = text_string_to_metric_families(exposition(metrics)[0].decode())
    return {(one.name, *sorted(one.labels.values())): one.value for family in families for one in family.samples}


def test_every_family_of_the_contract_is_there_from_the_start():
    text = exposition(Metrics())[0].decode()
    assert {family.name for family in text_string_to_metric_families(text)} == CONTRACT


def test_what_was_counted_is_what_is_told():
    metrics = Metrics()
    one, two = metrics.partition(1), metrics.partition(2)
    one.commands.add("CREATE", "accepted", amount=3)
    two.commands.add("CREATE", "rejected")
    one.refused_busy += 5
    two.gauges.queue_commands = lambda: 7
    metrics.gateway.answered("Topology", "OK", 0.002)
    metrics.gateway.streams_open.add("ActivateJobs", amount=2)
    metrics.gateway.streams_open.add("ActivateJobs", amount=-1)
    told = samples(metrics)
    assert told["osmia_commands_total", "1", "CREATE", "accepted"] == 3
    assert told["osmia_commands_total", "2", "CREATE", "rejected"] == 1
    assert told["osmia_refused_busy_total", "1"] == 5
    assert told["osmia_refused_busy_total", "2"] == 0
    assert told["osmia_queue_commands", "2"] == 7
    assert told["osmia_grpc_requests_total", "OK", "Topology"] == 1
    assert told["osmia_grpc_request_seconds_count", "OK", "Topology"] == 1
    assert told["osmia_grpc_streams_open", "ActivateJobs"] == 1


def test_what_is_said_of_the_whole_broker_is_the_sum_of_its_partitions():
    metrics = Metrics()
    for number in (1, 2):
        counters = metrics.partition(number)
        counters.jobs.add("ask", "created", amount=number)
        counters.process_instances.add("dinner", "completed")
        counters.incidents.add("CONDITION_ERROR")
    told = samples(metrics)
    assert told["osmia_jobs_total", "ask", "created"] == 3
    assert told["osmia_process_instances_total", "completed", "dinner"] == 2
    assert told["osmia_incidents_total", "CONDITION_ERROR"] == 2


def test_the_durations_of_a_name_are_those_of_all_partitions():
    metrics = Metrics()
    for number in (1, 2):
        metrics.partition(number).took["job", "completed"]["ask"].observe(20.0 * number)
    told = samples(metrics)
    assert told["osmia_job_seconds_sum", "ask"] == 60
    assert told["osmia_job_seconds_count", "ask"] == 2
    assert told["osmia_job_seconds_bucket", "30.0", "ask"] == 1


def test_names_with_durations_are_bounded():
    histograms = NameHistograms((1.0,))
    for number in range(NAMES_MAX + 50):
        histograms[f"type-{number}"].observe(0.5)
    histograms["type-0"].observe(0.5)
    assert len(histograms) == NAMES_MAX + 1
    assert histograms["other"].count == 50
    assert histograms["type-0"].count == 2


def test_many_observations_at_once_are_those_one_by_one():
    at_once, one_by_one = Histogram((1, 2)), Histogram((1, 2))
    at_once.observe_since([0.0, 0.5, 8.0, 9.0], now=10.0)
    for value in (10.0, 9.5, 2.0, 1.0):
        one_by_one.observe(value)
    assert at_once.counts == one_by_one.counts == [1, 1, 2]
    assert at_once.total == one_by_one.total


@pytest.mark.parametrize(
    ("value", "bucket"),
    [(0, "1"), (1, "1"), (1.5, "2"), (2, "2"), (99, "+Inf")],
)
def test_an_observation_counts_in_every_bucket_that_reaches_it(value, bucket):
    histogram = Histogram((1, 2))
    histogram.observe(value)
    counted = dict(histogram.cumulative())
    assert next(bound for bound in counted if counted[bound]) == bucket
    assert counted["+Inf"] == histogram.count == 1
    assert histogram.total == value


def test_names_from_outside_are_bounded():
    tally = NameTally()
    for number in range(NAMES_MAX + 50):
        tally.add(f"type-{number}", "created")
        tally.add(f"type-{number}", "completed")
    assert len(tally) == 2 * (NAMES_MAX + 1)
    assert tally["other", "created"] == 50
    assert tally["type-0", "completed"] == 1


def test_a_scraper_that_asks_for_openmetrics_gets_it():
    body, content_type = exposition(Metrics(), "application/openmetrics-text; version=1.0.0")
    assert content_type.startswith("application/openmetrics-text")
    assert body.endswith(b"# EOF\n")


def test_a_label_from_a_model_cannot_break_the_exposition():
    metrics = Metrics()
    metrics.partition(1).jobs.add('a"b\n\\c', "created")
    assert samples(metrics)["osmia_jobs_total", 'a"b\n\\c', "created"] == 1
