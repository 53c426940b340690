"""The registry of workers: who asks for jobs, how, since when; bounded."""

import pytest

from osmia_broker.calls.jobs import workers as workers_module
from osmia_broker.calls.jobs.workers import Asks, Workers


class Times:
    ms = 1_000

    def __call__(self) -> int:
        return self.ms


def test_a_worker_is_present_while_it_asks_and_remembered_after():
    times = Times()
    registry = Workers(times)
    with registry.asking("a", "ada", Asks.POLL, lambda: "client/1.0"):
        times.ms = 2_000
        with registry.asking("a", "ada", Asks.STREAM, lambda: "never asked for"):
            assert registry.counts() == {("a", "poll"): 1, ("a", "stream"): 1}
            times.ms = 3_000
    [(place, one)] = registry.present.items()
    assert place == ("a", "ada")
    assert (one.since_ms, one.last_seen_ms, one.polls, one.streams, one.user_agent) == (
        1_000,
        3_000,
        0,
        0,
        "client/1.0",
    )
    assert registry.counts() == {}


def test_a_worker_whose_call_fails_is_present_no_longer():
    registry = Workers(Times())
    with pytest.raises(ValueError, match="gone"), registry.asking("a", "ada", Asks.POLL):
        raise ValueError("gone")
    assert registry.counts() == {}


def test_the_longest_unseen_worker_is_forgotten_but_none_that_asks(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(workers_module, "WORKERS_MAX", 3)
    registry = Workers(Times())
    with registry.asking("a", "stays", Asks.STREAM):
        for name in ("one", "two", "one", "three", "four"):
            with registry.asking("a", name, Asks.POLL):
                pass
        assert [name for _, name in registry.present] == ["stays", "three", "four"]
