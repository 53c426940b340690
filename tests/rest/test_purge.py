"""A broker that is for tests is emptied between two of them, as Camunda's tools for tests of processes do."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from osmia_broker.calls import purge
from tests.patience import until
from tests.rest.conftest import Rest
from tests.running_broker import running_broker

DECISION = b"""<definitions xmlns="https://www.omg.org/spec/DMN/20191111/MODEL/" id="graph" name="graph" namespace="n">
  <decision id="price" name="Price"><variable name="price" /><literalExpression><text>21</text></literalExpression></decision>
</definitions>"""
SEARCHES = (
    *("process-instances", "process-definitions", "decision-instances", "decision-definitions", "resources"),
    *("user-tasks", "jobs", "incidents", "element-instances", "variables", "cluster-variables"),
    *("message-subscriptions", "global-task-listeners"),
)


@pytest.fixture(params=[1, 3], ids=["one partition", "three partitions"])
def rest(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rest]:
    """A broker of this test alone, which may be emptied."""
    with running_broker(tmp_path, purge_allowed=True, partitions=request.param) as broker:
        rest = Rest(broker)
        yield rest
        rest.http.close()


def manage(rest: Rest, method: str, path: str) -> httpx.Response:
    port = rest.broker.broker.management_port
    return httpx.request(method, f"http://127.0.0.1:{port}/actuator/cluster{path}")


def purged(rest: Rest) -> dict[str, Any]:
    """Empty the broker, and return the change as it was when it had ended."""
    begun = manage(rest, "POST", "/purge")
    assert begun.status_code == 202
    change = f"/changes/{begun.json()['changeId']}"
    until(lambda: manage(rest, "GET", change).json()["status"] != "IN_PROGRESS")
    return dict(manage(rest, "GET", change).json())


def left(rest: Rest) -> dict[str, int]:
    """How many items each search still finds, without those that find none. Deleted processes and their subscriptions are shown as that."""
    there = {
        "process-definitions": {"filter": {"state": {"$neq": "DELETED"}}},
        "message-subscriptions": {"filter": {"messageSubscriptionState": {"$neq": "DELETED"}}},
    }
    totals = {name: rest.post(f"/{name}/search", there.get(name, {}))["page"]["totalItems"] for name in SEARCHES}
    return {name: total for name, total in totals.items() if total}


def fill(rest: Rest) -> None:
    """Leave something of each kind."""
    rest.broker.client.deploy(("price.dmn", DECISION), ("ask.form", b'{"id": "ask", "components": []}'))
    rest.deploy('start > work:user(native=yes) > wait:catch(message=paid, key="=k") > end', "called")
    rest.deploy("start > call:call(process=called) & soon:boundary(on=call, timer=P1D) > late:end", "caller")
    rest.deploy("start > charge:job(type=charge) > end", "charging")
    rest.deploy("start > end", "short")
    rest.deploy("start > step:task > end", "short")
    for id in ("caller", "charging", "short"):
        for _ in range(3):
            rest.create(id, k="1")
    rest.broker.client.evaluate_decision("price")
    rest.broker.client.publish_message("kept", "1", time_to_live_ms=3_600_000)
    rest.post("/cluster-variables/global", {"name": "limit", "value": 7})
    rest.post("/global-task-listeners", {"id": "l", "type": "t", "eventTypes": ["creating"]})


def test_a_purge_deletes_all_that_was_deployed_started_and_kept(rest: Rest):
    fill(rest)
    assert {"process-instances", "user-tasks", "jobs", "resources", "decision-instances"} <= left(rest).keys()
    assert len(rest.broker.client.search_messages().items) == 1
    change = purged(rest)
    assert (change["status"], left(rest)) == ("COMPLETED", {})
    assert rest.broker.client.search_messages().items == []
    assert rest.get("/topology")["lastCompletedChangeId"] == str(change["id"])
    topology = manage(rest, "GET", "").json()
    assert topology["lastChange"] == change
    partitions = [one["id"] for broker in topology["brokers"] for one in broker["partitions"]]
    assert partitions == list(range(1, rest.get("/topology")["partitionsCount"] + 1))


def test_a_broker_that_was_emptied_works_as_a_new_one(rest: Rest):
    fill(rest)
    first = purged(rest)["id"]
    rest.deploy("start(message=kept) > work:user(native=yes) > end", "called")
    assert left(rest) == {
        "process-definitions": 1,
        "resources": 1,
        "message-subscriptions": 1,
    }  # no old message starts it
    rest.broker.client.publish_message("kept", "1", time_to_live_ms=3_600_000)
    assert left(rest)["process-instances"] == 1
    again = purged(rest)
    assert (again["status"], left(rest)) == ("COMPLETED", {})
    assert again["id"] > first


def test_jobs_that_were_paused_or_limited_before_a_purge_are_handed_out_after_it(rest: Rest):
    client, job = rest.broker.client, {"type": "charge", "timeout": 60_000, "maxJobsToActivate": 10}
    paused = rest.deploy("start > charge:job(type=charge) > end", "charging")
    client.pause_jobs(process_definition_key=paused)
    client.pause_jobs("charge")
    client.limit_jobs("charge", held_max=3)
    assert (purged(rest)["status"], left(rest)) == ("COMPLETED", {})
    assert [one for one in client.job_flow() if one.paused_ms or one.held_max] == []
    rest.deploy("start > charge:job(type=charge) > end", "charging")
    for _ in range(4):
        rest.create("charging")
    assert len(rest.post("/jobs/activation", job)["jobs"]) == 4


def test_an_instance_that_a_listener_holds_fails_the_purge(rest: Rest, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(purge, "LOOKS", 2)
    rest.deploy("start > ask:user(native=yes, canceling=check) > end", "held")
    rest.create("held")
    assert purged(rest)["status"] == "FAILED"
    assert left(rest)["process-instances"] == 1
    assert rest.get("/topology")["lastCompletedChangeId"] == "-1"
    [job] = rest.post("/jobs/activation", {"type": "check", "timeout": 60_000, "maxJobsToActivate": 1})["jobs"]
    rest.post(f"/jobs/{job['jobKey']}/completion", {})
    assert (purged(rest)["status"], left(rest)) == ("COMPLETED", {})


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/purge", 405),
        ("DELETE", "/purge", 405),
        ("POST", "", 405),
        ("GET", "/changes/7", 404),
        ("GET", "/x", 404),
    ],
)
def test_what_is_asked_otherwise_is_refused(rest: Rest, method: str, path: str, status: int):
    rest.deploy("start > end")
    answer = manage(rest, method, path)
    assert (answer.status_code, answer.json()["error"][:9]) == (status, "Expected ")
    assert left(rest)["resources"] == 1


def test_a_dry_run_deletes_nothing(rest: Rest):
    rest.deploy("start > end")
    planned = manage(rest, "POST", "/purge?dryRun=true")
    assert (planned.status_code, planned.json()["changeId"]) == (202, 1)
    assert planned.json()["plannedChanges"][0] == {"operation": "PURGE", "partitionId": 1}
    assert "lastChange" not in manage(rest, "GET", "").json()
    assert left(rest)["resources"] == 1


@pytest.mark.parametrize(("method", "path"), [("POST", "/purge"), ("GET", ""), ("GET", "/changes/1")])
def test_no_broker_is_emptied_without_the_setting(http_broker: Any, method: str, path: str):
    port = http_broker.broker.management_port
    assert httpx.request(method, f"http://127.0.0.1:{port}/actuator/cluster{path}").status_code == 404
