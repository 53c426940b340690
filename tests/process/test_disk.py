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


def seen_while_full(look):
    """What *look* sees as soon as it finds the broker not ready: it tries again by itself, and a small commit may find room meanwhile."""
    for _ in range(20):
        is_ready, seen = look()
        if not is_ready:
            return seen
    raise AssertionError(f"after each refused start the broker was ready: {seen}")


def test_a_full_disk_makes_the_broker_not_ready_until_there_is_room(broker):
    def ready():
        assert refused_start(broker).returncode == 3
        status, body = asked(broker, "/ready")
        return status == 200, (status, body)

    def told():
        assert refused_start(broker).returncode == 3
        printed = osmia("status", address=broker.address)
        return printed.returncode == 0, printed

    fill_the_disk(broker)
    status, body = seen_while_full(ready)
    assert status == 503
    assert body["reason"].startswith("partition 1: ")
    assert asked(broker, "/health") == (200, {"status": "UP"})

    printed = seen_while_full(told)
    assert printed.returncode == 3
    assert "why: partition 1: " in printed.stderr
    assert osmia("processes", "-o", "key", address=broker.address).returncode == 0

    make_room(broker)
    assert osmia("start", "dinner", address=broker.address).returncode == 0
    assert asked(broker, "/ready") == (200, {"status": "READY"})
    assert osmia("status", address=broker.address).returncode == 0
