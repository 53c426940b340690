import asyncio
import json
from dataclasses import dataclass

import pytest

from osmia_broker.base.errors import TimedOut
from osmia_broker.metrics import Metrics, PeopleCounters
from osmia_broker.running.management import CONNECTIONS_MAX, ManagementServer, readiness


class Door:
    """A running management door and a raw client for it."""

    def __init__(self):
        self.ready = (True, "")
        self.metrics = Metrics()
        self.counted = asyncio.Event()
        self.counted.set()
        self.failure = None
        self.server = ManagementServer(
            "127.0.0.1", 0, ready=lambda: self.ready, metrics=self.metrics, refresh=self.refresh
        )

    async def refresh(self):
        """Count what the store knows: three open tasks, unless that fails."""
        self.metrics.people = PeopleCounters()
        await self.counted.wait()
        if self.failure:
            raise self.failure
        self.metrics.people.tasks_open = {("no",): 3}

    async def open(self):
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def ask(self, request):
        """Send the bytes, close our side, and read to the end."""
        reader, writer = await self.open()
        writer.write(request)
        writer.write_eof()
        answer = await asyncio.wait_for(reader.read(), 10)
        writer.close()
        head, _, body = answer.partition(b"\r\n\r\n")
        return int(head.split()[1]), head.decode().lower(), body

    async def get(self, target, method="GET"):
        return await self.ask(f"{method} {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())


@pytest.fixture
async def door():
    one = Door()
    one.port = await one.server.start()
    yield one
    await one.server.stop()


async def test_a_live_broker_is_healthy_even_when_it_is_not_ready(door):
    door.ready = (False, "partition 1 reloads")
    status, _, body = await door.get("/health")
    assert (status, json.loads(body)) == (200, {"status": "UP"})


@dataclass
class Partition:
    """The part of a partition that readiness depends on."""

    id: int = 1
    is_open: bool = True
    why_away: str = ""
    write_failure: str = ""


@pytest.mark.parametrize(
    ("partitions", "reason"),
    [
        ([Partition(write_failure="database or disk is full")], "partition 1: database or disk is full"),
        ([Partition(is_open=False, why_away="it is starting")], "partition 1: it is starting"),
        ([Partition(is_open=False)], "partition 1: it is not open"),
        ([Partition(), Partition(2, write_failure="disk I/O error")], "partition 2: disk I/O error"),
        ([Partition(write_failure="a"), Partition(2, write_failure="b")], "partition 1: a; partition 2: b"),
        ([Partition(is_open=False, why_away="it reloads", write_failure="disk full")], "partition 1: disk full"),
    ],
)
async def test_a_partition_that_cannot_work_makes_the_broker_not_ready_and_leaves_it_alive(door, partitions, reason):
    door.ready = readiness(partitions)
    status, _, body = await door.get("/ready")
    assert (status, json.loads(body)) == (503, {"status": "NOT_READY", "reason": reason})
    assert (await door.get("/health"))[0] == 200


async def test_a_partition_that_stores_again_makes_the_broker_ready_again(door):
    partition = Partition(write_failure="database or disk is full")
    door.ready = readiness([partition])
    assert (await door.get("/ready"))[0] == 503
    partition.write_failure = ""
    door.ready = readiness([partition])
    assert (await door.get("/ready"))[0] == 200


async def test_ready_says_yes(door):
    status, head, body = await door.get("/ready?verbose=1")
    assert (status, json.loads(body)) == (200, {"status": "READY"})
    assert "content-type: application/json" in head


async def test_not_ready_says_why(door):
    door.ready = (False, "partition 1 reloads")
    status, _, body = await door.get("/ready")
    assert (status, json.loads(body)) == (503, {"status": "NOT_READY", "reason": "partition 1 reloads"})


async def test_metrics_are_prometheus_text(door):
    status, head, body = await door.get("/metrics")
    assert status == 200
    assert "content-type: text/plain; version=" in head
    assert b"osmia_build_info{" in body


async def test_metrics_follow_the_accept_header(door):
    request = b"GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: application/openmetrics-text\r\n\r\n"
    _, head, body = await door.ask(request)
    assert "application/openmetrics-text" in head
    assert body.endswith(b"# EOF\n")


OPEN_TASKS = b'osmia_user_tasks_open{assigned="no"} 3'


async def test_metrics_have_what_waits_for_people_now(door):
    assert OPEN_TASKS in (await door.get("/metrics"))[2]


async def test_metrics_without_an_answer_of_the_store_leave_its_numbers_out(door):
    await door.get("/metrics")
    door.failure = TimedOut("too slow")
    status, _, body = await door.get("/metrics")
    assert status == 200
    assert b"osmia_user_tasks_open{" not in body
    assert b"osmia_build_info{" in body


async def test_a_probe_is_answered_while_metrics_wait_and_one_connection_keeps_its_order(door):
    door.counted.clear()
    request = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\nGET /ready HTTP/1.1\r\nHost: x\r\n\r\n"
    both = asyncio.ensure_future(door.ask(request))
    assert (await door.get("/ready"))[0] == 200  # another connection
    assert not both.done()
    door.counted.set()
    status, _, rest = await both
    assert status == 200
    assert rest.index(OPEN_TASKS) < rest.index(b'{"status":"READY"}')


async def test_a_scraper_that_leaves_while_metrics_wait_is_forgotten(door):
    door.counted.clear()
    _, writer = await door.open()
    writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (await door.get("/ready"))[0] == 200
    writer.close()
    await writer.wait_closed()
    door.counted.set()
    assert OPEN_TASKS in (await door.get("/metrics"))[2]


async def test_head_has_the_length_and_no_body(door):
    _, _, body = await door.get("/ready")
    status, head, nothing = await door.get("/ready", "HEAD")
    assert (status, nothing) == (200, b"")
    assert f"content-length: {len(body)}" in head


@pytest.mark.parametrize("target", ["/", "/readyz", "/metrics/", "/../ready", "*"])
async def test_another_path_is_not_found(door, target):
    assert (await door.get(target))[0] == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "BREW"])
async def test_another_method_is_not_allowed(door, method):
    status, head, _ = await door.get("/ready", method)
    assert status == 405
    assert "allow: get, head" in head


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"nonsense\r\n\r\n",
        b"GET /ready HTTP/1.1\r\n\r\n",  # no Host
        b"GET /ready HTTP/1.1\r\nHost: x\r\n" + b"A: " + b"a" * 40_000,
        b"POST /ready HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    ],
)
async def test_a_request_that_is_no_http_is_refused_and_the_door_stays_open(door, request_bytes):
    assert (await door.ask(request_bytes))[0] in (400, 431)
    assert (await door.get("/ready"))[0] == 200


async def test_half_a_request_gets_no_answer_and_the_door_stays_open(door):
    _, writer = await door.open()
    writer.write(b"GET /rea")
    writer.close()
    await writer.wait_closed()
    assert (await door.get("/ready"))[0] == 200


async def test_a_connection_serves_one_request_after_the_other(door):
    request = b"GET /ready HTTP/1.1\r\nHost: x\r\n\r\n"
    _, _, rest = await door.ask(request + b"POST /ready HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}" + request)
    assert rest.count(b"HTTP/1.1 405") == 1
    assert rest.count(b"HTTP/1.1 200") == 1


async def test_too_many_connections_are_cut_off_and_the_rest_is_served(door):
    held = [await door.open() for _ in range(CONNECTIONS_MAX)]
    for _, writer in held:
        writer.write(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
    assert all([(await reader.readline()).startswith(b"HTTP/1.1 200") for reader, _ in held])
    reader, writer = await door.open()
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await reader.readexactly(1)
    writer.close()
    for _, one in held:
        one.close()


async def test_a_stop_closes_what_is_open_and_frees_the_port(door):
    reader, writer = await door.open()
    writer.write(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
    await reader.readline()
    await door.server.stop()
    await door.server.stop()
    await reader.read()
    writer.close()
    with pytest.raises(OSError):
        await door.open()
