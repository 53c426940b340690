"""Whatever the weather: what brokers of one cluster have acknowledged is there, exactly once; and in fair weather all goes on.

The brokers are real from the router down to the leases: only their machines, their network, their clocks and their database are imagined. A run comes from
its seed alone; `run.py` plays more of them.
"""

import os
import subprocess
import sys
from typing import Any

import pytest

from osmia_broker.base.errors import NotFound
from osmia_broker.partition import OutboxDelivery
from tests.simulation.run import Run, Size, main, play


@pytest.mark.parametrize("seed", range(3))
def test_what_is_acknowledged_is_there_once(seed: int, monkeypatch: pytest.MonkeyPatch):
    run = play(seed, Size(), monkeypatch)
    assert run.history.workers.jobs


@pytest.mark.parametrize(
    "size", [Size(registers=1), Size(orders=0, registers=1, deeds=("isolate",))], ids=["any", "alone"]
)
@pytest.mark.parametrize("seed", range(2))
def test_what_is_read_is_as_new_as_what_was_acknowledged(seed: int, size: Size, monkeypatch: pytest.MonkeyPatch):
    """A read commits nothing, so the fence does not keep a leader that was replaced from answering it."""
    run = play(seed, size, monkeypatch)
    assert run.registers.reads > 100


@pytest.mark.parametrize("seed", range(3))
def test_clients_do_not_see_that_partitions_move(seed: int, monkeypatch: pytest.MonkeyPatch):
    """Brokers join, so most partitions move: no call fails, and no poll."""
    run = play(seed, Size(partitions=12, orders=100, rage_s=6.0), monkeypatch, Run.grow)
    assert run.history.clients.failed == []


@pytest.mark.parametrize("seed", [12, 13])
def test_a_job_that_timed_out_by_the_clock_of_one_leader_is_given_out_by_another(
    seed: int, monkeypatch: pytest.MonkeyPatch
):
    """The clocks differ by half a minute, and leaders take turns: who gives the job out again may be far behind its deadline."""
    play(seed, Size(deeds=("set_clock", "steal", "leave", "kill")), monkeypatch)


@pytest.mark.parametrize("seed", [2, 11])
def test_what_was_deployed_is_known_although_a_partition_was_taken_from_a_broker_that_lives(
    seed: int, monkeypatch: pytest.MonkeyPatch
):
    """A call that comes to the former leader must not be refused for what that has missed."""
    play(seed, Size(deeds=("kill", "steal")), monkeypatch)


def test_a_hundred_partitions_are_shared_by_thirty_brokers_in_any_weather(monkeypatch: pytest.MonkeyPatch):
    """Leases, balance and moves alone: no orders, and no routes for messages, which are most of the memory."""
    monkeypatch.setattr(
        "osmia_broker.running.partitions.OutboxDelivery",
        lambda _, parts, following: OutboxDelivery((), parts, following),
    )
    play(1, Size(partitions=100, brokers=30, orders=0, rage_s=8), monkeypatch)


def test_a_seed_plays_the_same_run_in_every_process():
    """All that was said, and a checksum over every step that any machine has made."""
    one, other = (_logged(hash_seed) for hash_seed in ("1", "77"))
    assert one == other


def test_a_run_that_ends_with_a_refusal_is_counted_and_the_next_seed_is_played(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def played(seed: int, *_: Any) -> None:
        if seed == 4:
            raise NotFound("Expected to find it, but found nothing")
        if seed == 5:
            raise AssertionError("it is lost")

    monkeypatch.setattr("tests.simulation.run.play", played)
    assert main(["seeds=3-6"]) == 2
    assert capsys.readouterr().out.splitlines() == [
        "seed 3 is good",
        "seed 4 failed: NotFound: Expected to find it, but found nothing",
        "seed 5 failed: AssertionError: it is lost",
        "seed 6 is good",
    ]


def _logged(hash_seed: str) -> list[str]:
    words = [sys.executable, "-m", "tests.simulation.run", "seeds=5", "log=1"]
    played = subprocess.run(
        words, env={**os.environ, "PYTHONHASHSEED": hash_seed}, capture_output=True, text=True, check=True
    )
    return played.stdout.splitlines()
