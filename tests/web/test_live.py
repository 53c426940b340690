"""Live updates: open pages are told which topics have changed, and none is ever missed."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

import osmia
from osmia_broker.http.web.live import EVERY_INSTANCE, INSTANCES_MAX, topics_of
from osmia_broker.state.partitioning import partition_of_key
from osmia_broker.state.rows import InstanceOrigin, Job
from osmia_broker.state.rows.tasks import TaskComment, UserTask
from osmia_broker.state.store_protocol import Changes
from tests.bpmn import bpmn
from tests.patience import ANSWER_S
from tests.running_broker import RunningBroker, running_broker


def values(row_type: type, **given: int) -> tuple[object, ...]:
    return tuple(given.get(name, 0) for name in row_type.__struct_fields__)


@pytest.mark.parametrize(
    ("changes", "topics"),
    [
        ({}, set()),
        ({Job: [values(Job, key=1, process_instance_key=7)]}, {"instances", "processes", "instance-7"}),
        (
            {UserTask: [values(UserTask, key=5, process_instance_key=7)]},
            {"tasks", "task-5", "instances", "processes", "instance-7"},
        ),
        (
            {InstanceOrigin: [values(InstanceOrigin, process_instance_key=7)]},
            {"tasks", "instances", "processes", "instance-7"},
        ),
        ({Job: [values(Job, key=n, process_instance_key=7) for n in (1, 2)]}, {"instances", "processes", "instance-7"}),
    ],
)
def test_a_row_has_the_topics_of_its_table_and_its_instance(changes, topics):
    assert topics_of(Changes(1, changes)) == topics


def test_a_comment_changes_its_task():
    assert "task-5" in topics_of(Changes(1, {TaskComment: [values(TaskComment, user_task_key=5)]}))


def test_an_instance_that_is_erased_has_changed():
    assert "instance-7" in topics_of(Changes(1, {}, {}, [7]))


def test_a_commit_of_very_many_instances_changes_every_instance():
    jobs = [values(Job, key=n, process_instance_key=n) for n in range(INSTANCES_MAX + 1)]
    assert topics_of(Changes(1, {Job: jobs})) == {"instances", "processes", EVERY_INSTANCE}


class Stream:
    """An open stream of server-sent events."""

    def __init__(self, response: httpx.Response) -> None:
        self._lines = response.iter_lines()

    def next(self) -> dict[str, str]:
        """The next event; beats are passed over."""
        event: dict[str, str] = {}
        for line in self._lines:
            if not line and event:
                return event
            name, _, value = line.partition(": ")
            if name:
                event[name] = value
        raise AssertionError("Expected an event, but found the end of the stream")


@pytest.fixture
def follow(site: str) -> Iterator[object]:
    opened = []

    def open_stream(topics: str, after: str = "") -> Stream:
        client = httpx.Client(timeout=ANSWER_S)
        request = client.build_request("GET", f"{site}/events", params={"topics": topics, "after": after})
        response = client.send(request, stream=True)
        opened.append((response, client))
        return Stream(response)

    yield open_stream
    for response, client in opened:
        response.close()
        client.close()


def test_a_page_hears_of_its_topics(follow, work, unique):
    work.deploy("start > ask:user > end", unique)
    stream = follow("tasks")
    assert stream.next()["event"] == "ready"
    work.create(unique)
    event = stream.next()
    assert event["event"] == "changed"
    assert event["data"] == "tasks"


def test_a_page_that_missed_a_change_is_told_to_ask_again(follow, work, unique):
    position = follow("tasks").next()["id"]
    work.deploy("start > ask:user > end", unique)
    assert follow("tasks", after=position).next()["event"] == "again"


def test_a_position_of_another_process_counts_as_missed(follow):
    assert follow("tasks", after="0badcafe-1").next()["event"] == "again"


def test_open_pages_do_not_hold_up_the_end_of_a_broker(tmp_path):
    with running_broker(tmp_path) as broker:
        address = f"http://127.0.0.1:{broker.broker.http_port}/events?topics=tasks"
        client = httpx.Client(timeout=ANSWER_S)
        response = client.send(client.build_request("GET", address), stream=True)
        stream = Stream(response)
        assert stream.next()["event"] == "ready"
    with pytest.raises(AssertionError, match="the end of the stream"):
        stream.next()
    client.close()


@pytest.fixture
def two(tmp_path: Path, unique: str) -> Iterator[RunningBroker]:
    """A broker of two processes. The page is open at the second one, which leads partition 2."""
    with running_broker(tmp_path, partitions=2, processes=2) as broker:
        broker.client.deploy(("p.bpmn", bpmn("start > ask:user > end", id=unique)))
        yield broker


def at_second(two: RunningBroker, client: httpx.Client, topics: str, after: str = "") -> Stream:
    address = f"http://127.0.0.1:{two.broker.http_port}/events"
    request = client.build_request("GET", address, params={"topics": topics, "after": after})
    return Stream(client.send(request, stream=True))


def test_a_page_hears_of_what_another_process_has_committed(two: RunningBroker, unique: str):
    with httpx.Client(timeout=ANSWER_S) as client, osmia.SyncClient(two.addresses[0]) as first:
        stream = at_second(two, client, "tasks")
        assert stream.next()["event"] == "ready"
        assert stream.next()["data"] == "tasks"  # it begins to hear of the other process: anything may have changed
        created = first.create_instance(unique)
        assert partition_of_key(created.key) == 1
        assert stream.next()["data"] == "tasks"


def test_a_page_that_comes_back_asks_again_because_it_may_have_missed_changes_elsewhere(
    two: RunningBroker, unique: str
):
    with httpx.Client(timeout=ANSWER_S) as client, osmia.SyncClient(two.addresses[0]) as first:
        stream = at_second(two, client, "tasks")
        stream.next()
        position = stream.next()["id"]
        first.create_instance(unique)
        stream.next()
    with httpx.Client(timeout=ANSWER_S) as client:
        assert at_second(two, client, "tasks", after=position).next()["event"] == "again"
