"""Two real brokers on one database of PostgreSQL: what was acknowledged outlives the one that leads, and a failure of the server."""

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import osmia
from osmia_broker.running.child import ChildBroker
from tests import postgres
from tests.bpmn import bpmn
from tests.patience import ANSWER_S

pytestmark = pytest.mark.process

INSTANCES = 5


class Pair:
    """A leader, and a broker that waits for its turn."""

    def __init__(self, path: Path, url: str, partitions: int) -> None:
        flags = ("--database-url", url, "--partitions", str(partitions))
        self.leader, self.other = (ChildBroker(path / name, flags=flags) for name in ("one", "two"))
        self.leader.start()
        self._is_ready, self._is_over = threading.Event(), threading.Event()
        self._starting = threading.Thread(target=self._start_other)
        self._starting.start()

    def _start_other(self) -> None:
        """Start it, and stay: a child broker ends with the thread that has started it."""
        self.other.start()
        self._is_ready.set()
        self._is_over.wait()

    def wait_for_other(self) -> None:
        """Return when the other broker is ready: it leads."""
        assert self._is_ready.wait(ANSWER_S)

    def close(self) -> None:
        self.leader.kill()
        self._is_ready.wait(ANSWER_S)
        self.other.kill()
        self._is_over.set()
        self._starting.join()


@pytest.fixture(params=[1, 3])
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Pair]:
    with postgres.database(partitions=request.param) as url:
        made = Pair(tmp_path, url, request.param)
        yield made
        made.close()


def begin(broker: ChildBroker) -> list[int]:
    """Start instances, and hand their jobs out for a moment."""
    with osmia.SyncClient(broker.address) as client:
        client.deploy(("process.bpmn", bpmn("start > ask:job > end")))
        return [client.create_instance("process", {"n": number}).key for number in range(INSTANCES)]


def finish(broker: ChildBroker) -> list[int]:
    """Complete all jobs, and return their instances. An answer has those of one partition."""
    found: list[int] = []
    with osmia.SyncClient(broker.address) as client:
        while len(found) < INSTANCES:
            jobs = client.activate_jobs("ask", max_jobs=100, timeout_ms=60_000, wait_ms=20_000)
            assert jobs
            for job in jobs:
                client.complete_job(job.key)
            found += [job.process_instance_key for job in jobs]
        assert client.activate_jobs("ask", max_jobs=100, wait_ms=-1) == []
    return sorted(found)


def test_nothing_is_lost_when_the_leader_is_killed(pair: Pair):
    created = begin(pair.leader)
    pair.leader.kill()
    pair.wait_for_other()
    assert finish(pair.other) == sorted(created)


def test_a_leader_that_was_stopped_for_long_answers_nothing_when_it_goes_on(pair: Pair):
    created = begin(pair.leader)
    stopped = pair.leader.pid
    os.kill(stopped, signal.SIGSTOP)
    pair.wait_for_other()
    assert finish(pair.other) == sorted(created)
    os.kill(stopped, signal.SIGCONT)
    with osmia.SyncClient(pair.leader.address) as client:
        for key in created:
            with pytest.raises(osmia.Unavailable):
                client.set_variables(key, {"n": 7})
