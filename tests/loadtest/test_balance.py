import os
from array import array

import pytest

from osmia_broker.loadtest import machine
from osmia_broker.loadtest.books import check
from osmia_broker.loadtest.plan import Books, Plan
from osmia_broker.loadtest.run import percentile


def books(created, completed, **more):
    return Books(created=array("q", created), completed=array("q", completed), **more)


DONE = {1: "COMPLETED", 2: "COMPLETED"}


def test_books_that_balance():
    assert check([books([1], [1]), books([2], [2])], DONE).holds


@pytest.mark.parametrize(
    ("lanes", "states", "fault"),
    [
        ([books([1, 2], [1])], DONE, "were not completed: 2"),
        ([books([1, 2], [1, 2, 2])], DONE, "were completed twice: 2"),
        ([books([1], [1]), books([1, 2], [2])], DONE, "were given out twice: 1"),
        ([books([1, 2], [1, 2])], {1: "COMPLETED"}, "are not listed by the broker: 2"),
        ([books([1, 2], [1, 2])], {1: "COMPLETED", 2: "ACTIVE"}, "are not COMPLETED in the broker's list: 2"),
        ([books([1, 2], [1, 2])], {**DONE, 3: "ACTIVE"}, "whose creation was not acknowledged: 3"),
        ([books([1, 2], [1, 2, 3])], DONE, "whose creation was not acknowledged: 3"),
        ([books([1, 2], [1, 2], twice=1)], DONE, "1 jobs were handed out again"),
    ],
)
def test_every_fault_is_found(lanes, states, fault):
    balance = check(lanes, states)
    assert not balance.holds
    assert fault in "; ".join(balance.faults)


def test_a_create_without_an_answer_may_have_taken_effect():
    assert check([books([1, 2], [1, 2], unknown_creates=1)], {**DONE, 3: "ACTIVE"}).holds


def test_many_keys_are_counted_and_a_few_named():
    fault = check([books(range(100), [])], dict.fromkeys(range(100), "ACTIVE")).faults[0]
    assert fault.startswith("100 acknowledged instances were not completed: 0, 1, 2, 3, 4, …")


@pytest.mark.parametrize(("share", "value"), [(0.5, 50), (0.99, 99), (1.0, 100), (0.001, 1)])
def test_percentiles_by_nearest_rank(share, value):
    assert percentile([float(one) for one in range(1, 101)], share) == value


def test_no_values_have_no_percentile():
    assert percentile([], 0.5) == 0


@pytest.mark.parametrize(("in_flight", "lanes"), [(64, 2), (7, 3), (1, 1), (3, 3)])
def test_the_load_is_shared_out_whole(in_flight, lanes):
    plan = Plan(address="", run="r", seconds=1, lanes=lanes, in_flight=in_flight)
    shares = [plan.share(lane) for lane in range(lanes)]
    assert sum(shares) == in_flight
    assert max(shares) - min(shares) <= 1


def test_every_lane_has_a_worker():
    assert [Plan(address="", run="r", seconds=1, lanes=3, workers=1).lane_workers(lane) for lane in range(3)] == [
        1,
        1,
        1,
    ]


def test_this_process_uses_something():
    used = machine.usage(os.getpid())
    assert used.rss_bytes > 1_000_000
    assert used.cpu_s > 0


def test_a_missing_process_uses_nothing():
    assert machine.usage(2**22 + 1) == machine.Usage()


def test_files_are_summed_up(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "a").write_bytes(b"123")
    (tmp_path / "sub" / "b").write_bytes(b"4567")
    assert machine.bytes_on_disk(tmp_path) == 7
