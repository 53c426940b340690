"""A broker whose disk takes no more says that it is not ready, stays alive, can be read, and recovers by itself.

A limit on the size of its files stands for the full disk: the parent can set and lift it while the broker runs.
"""

import http.client
import json
import resource
from contextlib import suppress

import pytest

from osmia import OsmiaError, SyncClient
from osmia_broker.running.child import ChildBroker
from tests.patience import ANSWER_S
from tests.process.program import osmia

pytestmark = [
    pytest.mark.process,
]

LARGE = "x" * 100_000


@pytest.fixture(params=["python", "grpcio"])
def broker(tmp_path, request):
    """A broker whose callers speak to it through either gRPC server."""
    with ChildBroker(tmp_path, flags=["--grpc-server", request.param]) as one:
        assert osmia("deploy", "examples/dinner.bpmn", address=one.address).returncode == 0
        yield one


def asked(broker, path):
    """The status and the body of the management door's answer."""
    connection = http.client.HTTPConnection("127.0.0.1", broker.ports.management, timeout=ANSWER_S)
    connection.request("GET", path)
    answer = connection.getresponse()
    body = json.loads(answer.read())
    connection.close()
    return answer.status, body


def fill_the_disk(broker):
    largest = max(file.stat().st_size for file in broker.data_dir.iterdir())
    resource.prlimit(broker.pid, resource.RLIMIT_FSIZE, (largest, resource.RLIM_INFINITY))


def make_room(broker):
    resource.prlimit(broker.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def refused_start(broker):
    """Start large instances until one is refused, because the log of the database may have a little room left."""
    with suppress(OsmiaError), SyncClient(broker.address) as client:
        for _ in range(1000):
            client.create_instance("dinner", {"wish": LARGE})
    for _ in range(100):
        done = osmia("start", "dinner", "--var", f"wish={LARGE}", address=broker.address)
        if done.returncode:
            return done
    raise AssertionError("the disk never got full")


def test_a_full_disk_makes_the_broker_not_ready_until_there_is_room(broker):
    fill_the_disk(broker)
    assert refused_start(broker).returncode == 3
    status, body = asked(broker, "/ready")
    assert status == 503
    assert body["reason"].startswith("partition 1: ")
    assert asked(broker, "/health") == (200, {"status": "UP"})

    refused_start(broker)  # the broker tries again by itself, and a small commit may find room
    printed = osmia("status", address=broker.address)
    assert printed.returncode == 3
    assert "why: partition 1: " in printed.stderr
    assert osmia("processes", "-o", "key", address=broker.address).returncode == 0

    make_room(broker)
    assert osmia("start", "dinner", address=broker.address).returncode == 0
    assert asked(broker, "/ready") == (200, {"status": "READY"})
    assert osmia("status", address=broker.address).returncode == 0
