"""The numbers of what waits for people and workers, as a scrape shows them."""

from typing import Any

from osmia_broker.running.standing import people_counters
from osmia_broker.store.read.standing import Standing

NOW_MS = 100_000


def standing(**fields: Any) -> Standing:
    """What a store with two partitions has counted: nothing but *fields*."""
    of_instances: dict[str, Any] = {"incidents_open": {}, "instances_active": {}, "jobs_waiting": {}}
    of_partitions = {"messages_buffered": (0, 0), "sent": ({}, {}), "sent_since_ms": ({}, {}), "oldest_end_ms": (0, 0)}
    return Standing(**{"tasks_open": {}, "tasks_overdue": {}, **of_instances, **of_partitions, **fields})


def test_tasks_are_counted_by_whether_somebody_has_them():
    found = people_counters(standing(tasks_open={True: 3, False: 1}, tasks_overdue={False: 1}), NOW_MS)
    assert found.tasks_open == {("yes",): 3, ("no",): 1}
    assert found.tasks_overdue == {("no",): 1}


def test_messages_that_a_partition_has_left_for_itself_are_not_in_its_outbox():
    found = people_counters(standing(sent=({1: 4, 2: 2}, {1: 3, 2: 9})), NOW_MS)
    assert found.outbox_rows == {("1",): 2, ("2",): 3}


def test_the_oldest_message_of_each_partition_has_an_age_and_an_empty_outbox_has_none():
    found = people_counters(standing(sent_since_ms=({2: 70_000, 3: 40_000}, {})), NOW_MS)
    assert found.outbox_oldest_seconds == {("1",): 60.0, ("2",): 0.0}


def test_a_partition_without_ended_instances_has_no_age_of_its_history():
    found = people_counters(standing(oldest_end_ms=(0, 25_000)), NOW_MS)
    assert found.history_oldest_seconds == {("2",): 75.0}


def test_no_age_is_below_zero_when_a_clock_was_set_back():
    found = people_counters(standing(sent_since_ms=({2: NOW_MS + 5}, {}), oldest_end_ms=(NOW_MS + 5, 0)), NOW_MS)
    assert (found.outbox_oldest_seconds["1",], found.history_oldest_seconds["1",]) == (0.0, 0.0)
