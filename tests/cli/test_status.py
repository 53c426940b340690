import json

import pytest

import osmia
from osmia.results import Broker, PartitionStatus, Status, Topology
from osmia_broker.cli.app import run


class Client:
    """A client of a broker that answers as the test says."""

    address = "127.0.0.1:26500"

    def __init__(self, topology, status):
        self.topology = lambda: topology
        self.status = lambda: status

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None


@pytest.fixture
def status_of(monkeypatch, capsys):
    """Run `osmia status` against partitions with the given failures; a partition that is `None` has no leader."""

    def status(*failures, output="table"):
        roles = {number: "LEADER" for number, failure in enumerate(failures, 1) if failure is not None}
        node = Broker(0, "x:1", "8", roles, [])
        topology = Topology("8", 1, len(failures), 1, [node])
        partitions = [
            PartitionStatus(number, "LEADER", 0, 0, 0, failure or "") for number, failure in enumerate(failures, 1)
        ]
        answer = Status("0.1.0", "sqlite d1", 5000, partitions, 1, 2, 3)
        monkeypatch.setattr(osmia, "SyncClient", lambda *_, **__: Client(topology, answer))
        code = run(["status", "-o", output])
        return code, *capsys.readouterr()

    return status


def test_a_broker_whose_partitions_work_is_healthy(status_of):
    code, out, err = status_of("", "")
    assert (code, err) == (0, "")
    assert "Osmia 0.1.0  healthy" in out


@pytest.mark.parametrize(
    ("failures", "why"),
    [
        (["database or disk is full"], "partition 1: database or disk is full"),
        (["", "disk I/O error"], "partition 2: disk I/O error"),
        (["a", "b"], "partition 1: a; partition 2: b"),
        ([None], "partition 1: no healthy broker leads it"),
        ([], "there is no partition"),
    ],
)
def test_a_partition_that_cannot_work_makes_the_broker_not_ready_and_says_why(status_of, failures, why):
    code, out, err = status_of(*failures)
    assert code == 3
    assert "NOT healthy" in out
    mend = "when there is room on its disk" if "full" in why else "the log of the broker says more"
    assert (
        err
        == f"Error: The broker at 127.0.0.1:26500 is not ready.\n  why: {why}\n  try: osmia status   (again{',' if 'full' in why else ';'} {mend})\n"
    )


def test_a_program_reads_the_failure_of_each_partition(status_of):
    code, out, err = status_of("", "disk full", output="json")
    assert code == 3
    assert json.loads(out)["isHealthy"] is False
    assert [one["failure"] for one in json.loads(out)["partitions"]] == ["", "disk full"]
    assert json.loads(err)["error"]["code"] == "NOT_READY"


@pytest.mark.parametrize("brokers", [1, 2])
def test_each_partition_names_its_leader_where_several_brokers_could_be_it(brokers, monkeypatch, capsys):
    roles = (
        [{1: "LEADER", 2: "INACTIVE"}, {1: "INACTIVE", 2: "LEADER"}] if brokers == 2 else [{1: "LEADER", 2: "LEADER"}]
    )
    nodes = [Broker(number, f"b{number}:1", "8", own, []) for number, own in enumerate(roles)]
    partitions = [PartitionStatus(number, "LEADER", 0, 0, 0, "") for number in (1, 2)]
    client = Client(Topology("8", brokers, 2, 1, nodes), Status("0.1.0", "postgresql", 5000, partitions, 1, 2, 3))
    monkeypatch.setattr(osmia, "SyncClient", lambda *_, **__: client)
    assert run(["status"]) == 0
    lines = [line.split("  ") for line in capsys.readouterr().out.splitlines() if "LEADER" in line]
    assert [line[3:5] for line in lines] == (
        [["LEADER", "b0:1"], ["LEADER", "b1:1"]]
        if brokers == 2
        else [["LEADER", "0 queued, 0 instances in memory"]] * 2
    )
    assert run(["status", "-o", "json"]) == 0
    found = json.loads(capsys.readouterr().out)["partitions"]
    assert [one["leader"] for one in found] == ["b0:1", f"b{brokers - 1}:1"]
