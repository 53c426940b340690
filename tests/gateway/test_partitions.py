"""A broker with several partitions over gRPC: what clients see of them."""

import asyncio
import itertools
import re
import shutil
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import msgspec
import pytest

import osmia
from osmia_broker.base import cluster_id
from osmia_broker.base.errors import StoreFailed
from osmia_broker.partition import Router
from osmia_broker.running.broker import Broker
from osmia_broker.settings.config import ConfigError, Settings
from osmia_broker.state.partitioning import COUNT_FILE, partition_of_key, partition_of_text
from osmia_proto import queries
from osmia_proto.methods import EVENTS
from tests import postgres
from tests.bpmn import bpmn
from tests.gateway.conftest import Wire
from tests.patience import ANSWER_MS, ANSWER_S
from tests.running_broker import RunningBroker, running_broker

MODEL = "start > ask:job > end"
OLDEST = re.compile(r'osmia_outbox_oldest_seconds\{partition="(\d)"\} (\S+)')


PLACES = ["one_process", "two_processes", "postgresql", "two_brokers"]
SECRET = "a secret of brokers"


@contextmanager
def place_of(name: str) -> Iterator[dict[str, Any]]:
    """The settings of a broker whose three partitions are new. Two processes lead them 1 and 3, and 2, by their number or by leases; the tests
    speak to the second one.
    """
    with ExitStack() as held:
        is_shared = name == "two_brokers"
        url = held.enter_context(postgres.database(partitions=3)) if name == "postgresql" or is_shared else ""
        number = 2 if name in ("two_processes", "two_brokers") else 1
        yield {"partitions": 3, "database_url": url, "processes": number, "links_secret": SECRET if is_shared else ""}


@pytest.fixture(scope="module", params=PLACES)
def broker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBroker]:
    with (
        place_of(request.param) as place,
        running_broker(tmp_path_factory.mktemp("several"), **place) as broker,
    ):
        yield broker


@pytest.fixture(params=["one_process", "postgresql"])
def place(request: pytest.FixtureRequest) -> Iterator[dict[str, Any]]:
    with place_of(request.param) as place:
        yield place


@pytest.fixture
async def wire(broker: RunningBroker) -> AsyncIterator[Wire]:
    async with grpc.aio.insecure_channel(broker.address) as channel:
        yield Wire(channel)


@pytest.fixture
def client(broker: RunningBroker) -> osmia.SyncClient:
    return broker.client


def deploy(client: osmia.SyncClient, id: str, model: str = MODEL) -> None:
    client.deploy((f"{id}.bpmn", bpmn(model, id=id)))


def started(client: osmia.SyncClient, id: str, number: int) -> list[int]:
    return [client.create_instance(id).key for _ in range(number)]


def started_everywhere(broker: RunningBroker, id: str, number: int) -> list[int]:
    """Start so many instances through each process: one that may begin anywhere begins where the call arrives."""
    keys = []
    for address in broker.addresses:
        with osmia.SyncClient(address) as client:
            keys += started(client, id, number)
    return keys


# --- what is there


def test_topology_names_every_partition_and_its_leader(client: osmia.SyncClient):
    topology = client.topology()
    assert topology.partitions == 3
    roles = [(partition, role) for one in topology.brokers for partition, role in one.roles.items()]
    assert sorted(roles) == [(1, "LEADER"), (2, "LEADER"), (3, "LEADER")]


def test_each_broker_that_shares_is_named_with_what_it_leads(broker: RunningBroker):
    """Processes that share by their number are one broker for clients. What another one leads is named with it from its next beat on."""
    # Which ones each of two brokers leads depends on who came first.
    share_sizes = [1, 2] if broker.broker.settings.links_secret else [3]
    for address in broker.addresses:
        with osmia.SyncClient(address, call_timeout_ms=ANSWER_MS) as client:
            shares: list[list[int]] = []
            while sorted(map(len, shares)) != share_sizes or sorted(itertools.chain(*shares)) != [1, 2, 3]:
                topology = client.topology()
                shares = [sorted(one.roles) for one in topology.brokers]
        assert topology.cluster_size == len(share_sizes)
        if len(share_sizes) > 1:
            assert [one.node_id for one in topology.brokers] == [1, 2]
            assert {one.address for one in topology.brokers} == {*broker.addresses}


def test_the_status_has_every_partition(client: osmia.SyncClient):
    assert [(one.id, one.role, one.failure) for one in client.status().partitions] == [
        (number, "LEADER", "") for number in (1, 2, 3)
    ]


def metrics(broker: RunningBroker) -> str:
    """The metrics of all processes."""
    texts = []
    for process in broker.brokers:
        with urllib.request.urlopen(f"http://127.0.0.1:{process.management_port}/metrics") as answer:
            texts.append(str(answer.read().decode()))
    return "".join(texts)


def test_every_partition_is_measured(broker: RunningBroker):
    """By one of the processes; another one that may lead it says 0."""
    led = [line for line in metrics(broker).splitlines() if re.match(r"osmia_partition_leader\{.* 1\.0$", line)]
    assert sorted(led) == [f'osmia_partition_leader{{partition="{number}"}} 1.0' for number in (1, 2, 3)]


# --- jobs


async def test_jobs_of_all_partitions_are_handed_out(
    wire: Wire, broker: RunningBroker, client: osmia.SyncClient, unique: str
):
    deploy(client, unique, f"start > ask:job(type={unique}) > end")
    keys = started_everywhere(broker, unique, 6)
    polled: list[Any] = []
    while jobs := await wire.activate(unique, maxJobsToActivate=1):
        polled += jobs
    assert sorted(job.processInstanceKey for job in polled) == sorted(keys)
    assert sorted(Counter(partition_of_key(job.key) for job in polled)) == [1, 2, 3]


async def test_one_poll_brings_the_jobs_of_all_partitions(
    wire: Wire, broker: RunningBroker, client: osmia.SyncClient, unique: str
):
    deploy(client, unique, f"start > ask:job(type={unique}) > end")
    keys = started_everywhere(broker, unique, 6)
    jobs = await wire.activate(unique, maxJobsToActivate=100)
    assert sorted(job.processInstanceKey for job in jobs) == sorted(keys)


async def test_a_poll_that_does_not_wait_finds_the_only_job_wherever_it_is(
    wire: Wire, client: osmia.SyncClient, unique: str
):
    deploy(client, unique, f"start > ask:job(type={unique}) > end")
    found = set()
    for number in range(12):
        (key,) = [client.create_instance(unique, idempotency_key=f"{unique}{number}").key]
        (job,) = await wire.activate(unique)
        assert job.processInstanceKey == key
        found.add(partition_of_key(key))
    assert found == {1, 2, 3}


async def test_a_waiting_poll_gets_a_job_of_any_partition(wire: Wire, client: osmia.SyncClient, unique: str):
    deploy(client, unique, f"start > ask:job(type={unique}) > end")
    found = set()
    for number in range(12):
        waiting = asyncio.ensure_future(wire.activate(unique, requestTimeout=60_000))
        create = partial(client.create_instance, unique, idempotency_key=f"{unique}{number}")
        created = await asyncio.to_thread(create)
        (job,) = await waiting
        assert job.processInstanceKey == created.key
        found.add(partition_of_key(created.key))
    assert found == {1, 2, 3}


async def test_a_stream_is_given_the_jobs_of_all_partitions(
    wire: Wire, broker: RunningBroker, client: osmia.SyncClient, unique: str
):
    deploy(client, unique, f"start > ask:job(type={unique}) > end")
    stream = wire.call("StreamActivatedJobs", type=unique, worker="w", timeout=60_000)
    keys = await asyncio.to_thread(started_everywhere, broker, unique, 6)
    polled: list[Any] = []  # what came before the stream was open
    while jobs := await wire.activate(unique):
        polled += jobs
    streamed = [(await stream.read()).processInstanceKey for _ in range(len(keys) - len(polled))]
    assert sorted([*streamed, *(job.processInstanceKey for job in polled)]) == sorted(keys)
    stream.cancel()


async def test_a_result_comes_from_any_partition(client: osmia.SyncClient, unique: str):
    deploy(client, unique, "start > end")
    keys = [f"{unique}{number}" for number in range(8)]  # each belongs to the partition of its hash
    results = [client.create_instance_with_result(unique, {"x": key}, idempotency_key=key) for key in keys]
    assert [one.variables for one in results] == [{"x": key} for key in keys]
    assert {partition_of_key(one.key) for one in results} == {1, 2, 3}


async def test_workers_of_all_processes_are_listed_once(
    wire: Wire, broker: RunningBroker, client: osmia.SyncClient, unique: str
):
    deploy(client, unique, f"start > ask:job(type={unique}) > end")
    waiting = []
    for address in broker.addresses:
        channel = await asyncio.to_thread(osmia.SyncClient, address)
        ask = partial(channel.activate_jobs, unique, worker="ada", max_jobs=1, wait_ms=60_000)
        waiting.append((channel, asyncio.ensure_future(asyncio.to_thread(ask))))
    while True:
        found = await asyncio.to_thread(client.workers, unique)
        if [one.polls for one in found if one.name == "ada"] == [len(broker.addresses)]:
            break
    for _ in waiting:
        await asyncio.to_thread(client.create_instance, unique)
    for channel, asked in waiting:
        assert len(await asked) == 1
        channel.close()


@pytest.fixture
def unique(request: pytest.FixtureRequest) -> str:
    return str(request.node.name).split("[")[0]


# --- lists


def test_a_list_has_the_rows_of_all_partitions_newest_first_over_its_pages(
    broker: RunningBroker, client: osmia.SyncClient, unique: str
):
    deploy(client, unique)
    keys = started_everywhere(broker, unique, 8 // len(broker.brokers))
    found: list[int] = []
    cursor = ""
    while True:
        page = client.search_instances(bpmn_process_id=unique, limit=3, after=cursor)
        found += [one.key for one in page.items]
        cursor = page.next
        if not cursor:
            break
    assert found == sorted(keys, reverse=True)


def test_jobs_and_definitions_are_listed_once(client: osmia.SyncClient, unique: str):
    deploy(client, unique, f"start > ask:job > end & s2:start(message={unique}) > b:job > e2:end")
    keys = started(client, unique, 4)
    jobs = [job for key in keys for job in client.search_jobs(process_instance_key=key).items]
    assert [job.process_instance_key for job in jobs] == keys
    assert len(client.search_definitions(bpmn_process_id=unique).items) == 1
    assert len(client.search_subscriptions(bpmn_process_id=unique).items) == 1


def test_one_thing_is_found_by_its_key(client: osmia.SyncClient, unique: str):
    deploy(client, unique)
    for key in started(client, unique, 3):
        assert client.get_instance(key).key == key
    with pytest.raises(osmia.NotFound):
        client.get_instance(9 << 51)


def rest(broker: RunningBroker, path: str, body: Any) -> Any:
    """The answer to a POST."""
    url = f"http://127.0.0.1:{broker.broker.http_port}/v2{path}"
    request = urllib.request.Request(
        url, msgspec.json.encode(body), {"Content-Type": "application/json"}, method="POST"
    )
    with urllib.request.urlopen(request) as answer:
        return msgspec.json.decode(answer.read())


def test_numbers_of_groups_are_those_of_all_partitions(broker: RunningBroker, client: osmia.SyncClient, unique: str):
    deploy(client, unique, f"start > ask:job(type={unique}) > end")
    keys = started(client, unique, 5)
    found = rest(broker, "/process-definitions/statistics/process-instances", {"page": {"limit": 1_000}})["items"]
    (item,) = [one for one in found if one["processDefinitionId"] == unique]
    assert item["activeInstancesWithoutIncidentCount"] == 5
    assert not item["hasMultipleVersions"]
    for key in keys:
        (job,) = client.search_jobs(process_instance_key=key).items
        client.fail_job(job.key, retries=0, message=f"boom {unique}")
    groups = rest(broker, "/incidents/statistics/process-instances-by-error", {"page": {"limit": 1_000}})["items"]
    (group,) = [one for one in groups if one["errorMessage"].startswith(f"boom {unique}")]
    assert group["activeInstancesWithErrorCount"] == 5


def test_a_search_counts_and_pages_over_all_partitions(broker: RunningBroker, client: osmia.SyncClient, unique: str):
    deploy(client, unique)
    keys = started_everywhere(broker, unique, 7)
    asked = {"filter": {"processDefinitionId": unique}, "sort": [{"field": "processInstanceKey"}]}
    found: list[str] = []
    page: dict[str, Any] = {"limit": 3}
    while True:
        answer = rest(broker, "/process-instances/search", {**asked, "page": page})
        assert answer["page"]["totalItems"] == len(keys)
        if not answer["items"]:
            break
        found += [one["processInstanceKey"] for one in answer["items"]]
        page = {"limit": 3, "after": answer["page"]["endCursor"]}
    assert [*map(int, found)] == sorted(keys)


# --- messages


def test_a_message_reaches_instances_of_every_partition(client: osmia.SyncClient, unique: str):
    deploy(client, unique, f'start > w:catch(message={unique}, key="=k") > end')
    results = []
    for number in range(4):
        key = f"{unique}{number}"
        client.publish_message(unique, key, {"paid": number}, time_to_live_ms=60_000)
        results.append(client.create_instance_with_result(unique, {"k": key}))
    assert [one.variables["paid"] for one in results] == [0, 1, 2, 3]


def test_the_metrics_say_how_old_the_oldest_message_between_partitions_is(tmp_path: Path):
    with running_broker(tmp_path, partitions=3) as broker:
        deploy(broker.client, "old", 'start > w:catch(message=old, key="=k") > end')
        for _ in range(3):
            broker.client.create_instance("old", {"k": "7"})
        broker.look_at_clock()
        assert isinstance(broker.broker.partitions, Router)
        broker.broker.partitions._delivery.stop()
        broker.client.publish_message("old", "7")
        broker.clock.ms += 5_000
        oldest = {number: float(seconds) for number, seconds in OLDEST.findall(metrics(broker))}
        assert sorted(oldest.values()) == [0, 0, 5], "the partition of the correlation key has two to tell"
        broker.restart()
        broker.look_at_clock()
        oldest = {number: float(seconds) for number, seconds in OLDEST.findall(metrics(broker))}
        assert set(oldest.values()) == {0}, "after the start they were delivered"


# --- events


async def followed(broker: RunningBroker, **fields: Any) -> list[Any]:
    """All slices of the stream that has told everything so far."""
    method = EVENTS["FollowEvents"]
    async with grpc.aio.insecure_channel(broker.address) as channel:
        stub = channel.unary_stream(method.full_name, method.request.SerializeToString, method.response.FromString)
        return [one async for one in stub(method.request(until_now=True, **fields))]


def through(slices: list[Any]) -> dict[int, int]:
    """The last position of each partition."""
    return {partition_of_key(one.position): one.position for one in slices if one.position}


async def test_the_events_of_all_partitions_are_followed_and_gone_on_with(tmp_path: Path):
    with running_broker(tmp_path, partitions=3, event_log="always") as broker:
        await asyncio.to_thread(deploy, broker.client, "process")
        first = await asyncio.to_thread(started, broker.client, "process", 3)
        slices = await followed(broker, from_oldest=True)
        created = [
            event.process_instance_key
            for one in slices
            for event in one.events
            if event.kind == queries.EVENT_KIND_PROCESS_INSTANCE and event.intent == "created"
        ]
        assert sorted(created) == sorted(first)
        positions = through(slices)
        assert sorted(positions) == [1, 2, 3]
        later = await asyncio.to_thread(started, broker.client, "process", 3)
        slices = await followed(broker, after=[*positions.values()])
        told = {event.process_instance_key for one in slices for event in one.events}
        assert told == {*later}


async def test_a_stream_of_the_sdk_comes_back_over_all_partitions(tmp_path: Path):
    with running_broker(tmp_path, partitions=3, event_log="always") as broker:
        await asyncio.to_thread(deploy, broker.client, "process")
        async with osmia.Client(broker.address) as client:
            stream = client.events(kinds=["PROCESS_INSTANCE"])
            asking = asyncio.ensure_future(anext(stream))
            while len(stream._through) < 3:
                await asyncio.sleep(0)
            assert stream.position is None
            keys = await asyncio.to_thread(started, broker.client, "process", 4)
            seen = [(await asking).key, (await anext(stream)).key]
            positions = stream.positions
            assert [*map(partition_of_key, positions)] == [1, 2, 3]
            await asyncio.to_thread(broker.restart)
            keys += await asyncio.to_thread(started, broker.client, "process", 3)
            rest = [(await anext(stream)).key for _ in range(5)]
            await stream.aclose()
            assert sorted([*seen, *rest]) == sorted(keys)
            again = [one.key async for one in client.events(kinds=["PROCESS_INSTANCE"], after=positions, follow=False)]
            assert sorted(again) == sorted(rest)


@pytest.mark.parametrize(
    ("after", "text"),
    [
        ([(1 << 51) + 5], "a position for each of 3 partitions, but found 1"),
        ([(1 << 51) + 5, (2 << 51) + 5, (2 << 51) + 6], "but found none of partition 3"),
        ([0, 0, 0], "but found none of partition 1"),
    ],
)
async def test_positions_of_other_partitions_are_refused(broker: RunningBroker, after: list[int], text: str):
    with pytest.raises(grpc.aio.AioRpcError, match=text):
        await followed(broker, after=after)


async def test_a_reader_who_leaves_leaves_all_partitions(broker: RunningBroker, client: osmia.SyncClient, unique: str):
    method = EVENTS["FollowEvents"]
    async with grpc.aio.insecure_channel(broker.address) as channel:
        stub = channel.unary_stream(method.full_name, method.request.SerializeToString, method.response.FromString)
        for _ in range(2):
            stream = stub(method.request())
            for _ in range(3):
                await stream.read()  # one for each partition, at once
            stream.cancel()
    await asyncio.to_thread(deploy, client, unique)


def test_the_log_has_a_position_for_each_partition_and_none_for_all(broker: RunningBroker, client: osmia.SyncClient):
    log = client.event_log()
    assert (log.oldest_position, log.newest_position) == (0, 0)
    assert [*map(partition_of_key, log.newest_positions)] == [1, 2, 3]
    assert [*map(partition_of_key, log.oldest_positions)] == [1, 2, 3]


async def test_the_stream_goes_on_from_the_newest_positions_of_the_log(tmp_path: Path):
    with running_broker(tmp_path, partitions=3, event_log="always") as broker:
        await asyncio.to_thread(deploy, broker.client, "process")
        log = await asyncio.to_thread(broker.client.event_log)
        assert log.is_recording
        keys = await asyncio.to_thread(started, broker.client, "process", 3)
        slices = await followed(broker, after=log.newest_positions)
        assert {event.process_instance_key for one in slices for event in one.events} == {*keys}


# --- batch operations


def ended(broker: RunningBroker, created: dict[str, Any]) -> dict[str, Any]:
    """The batch operation when it has ended."""
    found: dict[str, Any] = {}
    while found.get("state") not in ("COMPLETED", "CANCELED"):
        broker.look_at_clock()
        wanted = {"filter": {"batchOperationKey": created["batchOperationKey"]}}
        (found,) = rest(broker, "/batch-operations/search", wanted)["items"]
    return found


def test_a_batch_operation_over_a_filter_reaches_all_partitions(
    broker: RunningBroker, client: osmia.SyncClient, unique: str
):
    deploy(client, unique)
    keys = started_everywhere(broker, unique, 9)
    created = rest(broker, "/process-instances/cancellation", {"filter": {"processDefinitionId": unique}})
    found = ended(broker, created)
    numbers = [found[f"operations{one}Count"] for one in ("Total", "Completed", "Failed")]
    assert (found["state"], numbers) == ("COMPLETED", [len(keys), len(keys), 0])
    batch = {"batchOperationKey": created["batchOperationKey"]}
    cancelled = {**batch, "operationType": "CANCEL_PROCESS_INSTANCE"}
    items = rest(broker, "/batch-operation-items/search", {"filter": cancelled})
    assert sorted(int(one["itemKey"]) for one in items["items"]) == sorted(keys)
    assert {one["operationType"] for one in items["items"]} == {"CANCEL_PROCESS_INSTANCE"}
    assert {one["state"] for one in items["items"]} == {"COMPLETED"}
    instances = rest(broker, "/process-instances/search", {"filter": {"batchOperationId": batch["batchOperationKey"]}})
    assert sorted(int(one["processInstanceKey"]) for one in instances["items"]) == sorted(keys)


# --- what is kept


def test_everything_is_there_after_a_restart(tmp_path: Path, place: dict[str, Any]):
    with running_broker(tmp_path, **place) as broker:
        deploy(broker.client, "process")
        keys = started(broker.client, "process", 6)
        broker.restart()
        with osmia.SyncClient(f"127.0.0.1:{broker.broker.grpc_port}") as client:
            found = client.search_instances(bpmn_process_id="process").items
            assert sorted(one.key for one in found) == sorted(keys)
            jobs = client.activate_jobs("ask", max_jobs=10, wait_ms=-1)
            while more := client.activate_jobs("ask", max_jobs=10, wait_ms=-1):
                jobs = [*jobs, *more]
            assert len(jobs) == 6
            assert len({partition_of_key(key) for key in started(client, "process", 3)}) == 3


def settings(data_dir: Path, partitions: int) -> Settings:
    return Settings(data_dir=data_dir, partitions=partitions, grpc_port=0, http_port=0, management_port=0)


async def once(data_dir: Path, partitions: int) -> None:
    broker = Broker(settings(data_dir, partitions))
    await broker.start()
    await broker.stop()


@pytest.mark.parametrize(("before", "now"), [(1, 3), (3, 1), (3, 2), (2, 3)])
async def test_the_number_of_partitions_is_fixed(tmp_path: Path, before: int, now: int):
    await once(tmp_path, before)
    with pytest.raises(StoreFailed, match=f"to have {now} partitions?, but found {before}"):
        await once(tmp_path, now)
    await once(tmp_path, before)


async def test_a_directory_of_one_partition_is_as_it_was(tmp_path: Path):
    await once(tmp_path, 1)
    assert not (tmp_path / COUNT_FILE).exists()
    assert [one.name for one in tmp_path.glob("*.db")] == ["partition-1.db"]


async def test_a_lost_partition_is_missed(tmp_path: Path):
    await once(tmp_path, 3)
    (tmp_path / "partition-2.db").unlink()
    with pytest.raises(StoreFailed, match=r"Expected partition-2\.db in .*, but found none"):
        await once(tmp_path, 3)


async def test_a_first_start_that_was_interrupted_goes_on(tmp_path: Path):
    await once(tmp_path, 3)
    for lost in ("partition-1.db", "partition-2.db", cluster_id.FILE):  # a broker that has been ready has an id
        (tmp_path / lost).unlink()
    await once(tmp_path, 3)


@pytest.mark.parametrize("partitions", [1, 2])
@pytest.mark.parametrize("found", ["none", "an empty file"])
async def test_a_directory_that_has_lost_its_data_is_not_begun_anew(tmp_path: Path, partitions: int, found: str):
    """Nobody would notice until the morning: an empty broker is ready, and takes work."""
    await once(tmp_path, partitions)
    for file in tmp_path.glob("partition-*.db"):
        file.unlink()
        if found != "none":
            file.touch()
    with pytest.raises(
        StoreFailed, match=f"Expected partition-1.db with the data of an earlier start in .*, but found {found}"
    ):
        await once(tmp_path, partitions)


async def test_partitions_of_two_directories_do_not_start_together(tmp_path: Path):
    await once(tmp_path / "a", 2)
    await once(tmp_path / "b", 2)
    shutil.copy(tmp_path / "b" / "partition-1.db", tmp_path / "a" / "partition-2.db")
    with pytest.raises(StoreFailed, match="Expected partition 2"):
        await once(tmp_path / "a", 2)


@pytest.mark.parametrize("text", ["", "many", "3.5"])
async def test_a_number_that_cannot_be_read_is_no_number(tmp_path: Path, text: str):
    await once(tmp_path, 2)
    (tmp_path / COUNT_FILE).write_text(text)
    with pytest.raises(StoreFailed, match=f"Expected {COUNT_FILE} to have the number of partitions"):
        await once(tmp_path, 2)


@pytest.mark.parametrize("number", [0, -1, 65, "many"])
def test_a_number_out_of_range_is_refused(tmp_path: Path, number: Any):
    with pytest.raises(ConfigError, match="from 1 to 64"):
        settings(tmp_path, number)


@pytest.mark.parametrize("processes", [1, 2])
def test_business_ids_are_unique_over_all_partitions(tmp_path: Path, processes: int):
    with running_broker(tmp_path, partitions=3, processes=processes, unique_business_ids=True) as broker:
        deploy(broker.client, "process")
        for number in range(6):
            broker.client.create_instance("process", business_id=f"order-{number}")
        for number in range(6):
            with pytest.raises(osmia.AlreadyExists):
                broker.client.create_instance("process", business_id=f"order-{number}")


@pytest.mark.parametrize("name", PLACES)
def test_instances_from_before_business_ids_were_unique_keep_theirs(tmp_path: Path, name: str):
    with place_of(name) as place, running_broker(tmp_path, **place) as broker:
        deploy(broker.client, "parent", "start > c:call(process=process) > end")
        deploy(broker.client, "process")
        of_parents = {f"order-{n}": create_with(broker.client, "parent", f"order-{n}") for n in range(6)}
        keys = {f"job-{n}": create_with(broker.client, "process", f"job-{n}") for n in range(6)}
        both = {**of_parents, **keys}
        assert len({partition_of_key(key) == partition_of_text(id, 3) for id, key in both.items()}) == 2
        broker.restart(unique_business_ids=True)
        with osmia.SyncClient(broker.addresses[-1]) as client:
            for id, key in keys.items():
                with pytest.raises(osmia.AlreadyExists, match=f"'{key}' has it"):
                    create_with(client, "process", id)
            for id, key in of_parents.items():
                with pytest.raises(osmia.AlreadyExists, match=f"'{key}' has it"):
                    create_with(client, "parent", id)
                create_with(client, "process", id)  # the one that was called has it from its caller, and does not count
            definition = client.create_instance("process").process_definition_key
            with pytest.raises(osmia.AlreadyExists, match=f"'{keys['job-0']}' has it"):
                client.create_instance(process_definition_key=definition, business_id="job-0")
            client.cancel_instance(keys["job-0"])
            create_with(client, "process", "job-0")


def create_with(client: osmia.SyncClient, process: str, business_id: str) -> int:
    return client.create_instance(process, business_id=business_id).key


def test_a_clock_that_callers_control_needs_one_process(tmp_path: Path):
    Settings(data_dir=tmp_path, partitions=2, clock_control=True)
    with pytest.raises(ConfigError, match="because clock_control is set, but found 2"):
        Settings(data_dir=tmp_path, partitions=2, processes=2, clock_control=True)


# --- brokers that share


@pytest.fixture
def sharing(tmp_path: Path) -> Iterator[RunningBroker]:
    with place_of("two_brokers") as place, running_broker(tmp_path, **place) as broker:
        deploy(broker.client, "process")
        yield broker


def move_away(broker: RunningBroker) -> None:
    """Stop the first of two brokers, so that the other one leads all."""
    broker.run(broker.brokers[0].stop())
    while {partition for one in broker.client.topology().brokers for partition in one.roles} != {1, 2, 3}:
        pass  # asks the broker again
    broker.brokers = broker.brokers[1:]


def test_a_poll_that_waits_gets_jobs_of_partitions_that_have_moved(sharing: RunningBroker):
    with ThreadPoolExecutor(1) as elsewhere:
        waiting = elsewhere.submit(lambda: sharing.client.activate_jobs("ask", max_jobs=9, wait_ms=60_000))
        while not sharing.client.workers():
            pass  # asks the broker again
        move_away(sharing)
        with osmia.SyncClient(sharing.address) as client:
            keys = {client.create_instance("process").key for _ in range(3)}
        found = {job.process_instance_key for job in waiting.result(60)}
    assert found
    assert found <= keys


def test_events_of_a_partition_that_moves_are_followed_on(sharing: RunningBroker):
    """The stream ends, and its reader goes on from its positions."""

    async def played() -> None:
        async with osmia.Client(sharing.address) as client:
            seen: set[int] = set()
            changed = asyncio.Event()

            async def follow() -> None:
                async for event in client.events(kinds=["PROCESS_INSTANCE"]):
                    seen.add(event.key)
                    changed.set()

            following = asyncio.ensure_future(follow())
            async with asyncio.timeout(ANSWER_S):
                while not seen:
                    await client.create_instance("process")
                await asyncio.to_thread(move_away, sharing)
                keys = {(await client.create_instance("process", idempotency_key=str(n))).key for n in range(9)}
                while not keys <= seen:
                    changed.clear()
                    await changed.wait()
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
            assert {partition_of_key(key) for key in keys} == {1, 2, 3}

    asyncio.run(played())
