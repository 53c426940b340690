"""What needs a broker of its own: a batch operation over a restart, and a clock that may be pinned."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.rest.conftest import Rest
from tests.running_broker import RunningBroker, running_broker

HOUR_MS = 3_600_000


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Rest]:
    """A broker of this test alone, whose clock may be pinned."""
    with running_broker(tmp_path, clock_control=True) as broker:
        rest = Rest(broker)
        yield rest
        rest.http.close()


def clock(broker: RunningBroker, method: str, path: str = "", body: Any = None) -> httpx.Response:
    """Ask the management port about the clock."""
    return httpx.request(method, f"http://127.0.0.1:{broker.broker.management_port}/actuator/clock{path}", json=body)


def after_restart(rest: Rest) -> Rest:
    rest.http.close()
    rest.broker.restart()
    rest.broker.client.close()
    return Rest(rest.broker)


def test_a_batch_goes_on_after_a_restart_and_does_nothing_twice(own: Rest):
    own.deploy("start > b:user > end")
    for _ in range(130):
        own.create()
    created = own.post("/process-instances/cancellation", {"filter": {"processDefinitionId": "process"}})
    again = after_restart(own)  # some slices may be done, the others are rows
    again.broker.look_at_clock()
    batch = again.get(f"/batch-operations/{created['batchOperationKey']}")
    assert (batch["state"], batch["operationsCompletedCount"], batch["operationsFailedCount"]) == ("COMPLETED", 130, 0)
    again.http.close()


def test_cluster_variables_survive_a_restart(own: Rest):
    own.post("/cluster-variables/global", {"name": "limit", "value": 7})
    own.post("/cluster-variables/global", {"name": "gone", "value": 1})
    own.ask("DELETE", "/cluster-variables/global/gone")
    again = after_restart(own)
    asked = {"expression": "=[camunda.vars.cluster.limit, camunda.vars.cluster.gone]"}
    assert again.post("/expression/evaluation", asked)["result"] == [7, None]
    again.http.close()


def test_a_pinned_clock_lets_timers_fire_and_is_reset(own: Rest):
    own.deploy("start > wait:catch(timer=P1D) > end")
    key = own.create()
    started = own.broker.clock.now_ms()
    assert own.ask("PUT", "/clock", {"timestamp": started + 25 * HOUR_MS}).status_code == 204
    own.broker.look_at_clock()
    assert own.get(f"/process-instances/{key}")["state"] == "COMPLETED"
    assert own.ask("POST", "/clock/reset").status_code == 204
    for timestamp in (-1, 10**18):
        assert own.refusal("PUT", "/clock", {"timestamp": timestamp})["status"] == 400


def test_a_clock_that_is_moved_lets_timers_fire_and_runs_on(own: Rest):
    own.deploy("start > wait:catch(timer=P1D) > end")
    key = own.create()
    started = own.broker.clock.now_ms()
    instant = datetime.fromtimestamp(started / 1_000, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    assert clock(own.broker, "GET").json() == {"epochMilli": started, "instant": instant}
    for hours in (20, 40):
        assert (
            clock(own.broker, "POST", "/add", {"offsetMilli": 20 * HOUR_MS}).json()["epochMilli"]
            == started + hours * HOUR_MS
        )
        own.broker.look_at_clock()
        assert own.get(f"/process-instances/{key}")["state"] == ("ACTIVE" if hours == 20 else "COMPLETED")
    own.broker.clock.ms += 5
    assert clock(own.broker, "GET").json()["epochMilli"] == started + 40 * HOUR_MS + 5
    assert clock(own.broker, "DELETE").json()["epochMilli"] == started + 5


def test_a_clock_that_is_pinned_and_moved_stands(own: Rest):
    pinned = clock(own.broker, "POST", "/pin", {"epochMilli": 5_000})
    assert pinned.json() == {"epochMilli": 5_000, "instant": "1970-01-01T00:00:05.000Z"}
    assert clock(own.broker, "POST", "/add", {"offsetMilli": -1_000}).json()["epochMilli"] == 4_000
    own.broker.clock.ms += 5
    assert clock(own.broker, "GET").json()["epochMilli"] == 4_000
    own.ask("POST", "/clock/reset")
    assert clock(own.broker, "GET").json()["epochMilli"] == own.broker.clock.now_ms()


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        ("/add", None, "Expected a JSON object with offsetMilli, but found another body"),
        ("/add", {"epochMilli": 1}, "Expected a JSON object with offsetMilli"),
        ("/add", {"offsetMilli": "1"}, "Expected a JSON object with offsetMilli"),
        ("/add", {"offsetMilli": 10**18}, "Expected a clock from 0 to 253402300799000, but found 100000"),
        ("/add", {"offsetMilli": 1, "more": "x" * 2_000}, "Expected a JSON object with offsetMilli"),
        ("/pin", {"epochMilli": -1}, "Expected a timestamp from 0 to 253402300799000, but found -1"),
        ("/pin", [], "Expected a JSON object with epochMilli"),
    ],
)
def test_a_clock_is_not_moved_by_a_wrong_request(own: Rest, path: str, body: Any, expected: str):
    refused = clock(own.broker, "POST", path, body)
    assert refused.status_code == 400
    assert refused.json()["error"].startswith(expected)
    assert clock(own.broker, "GET").json()["epochMilli"] == own.broker.clock.now_ms()


def test_a_clock_has_no_other_methods(own: Rest):
    refused = clock(own.broker, "PUT")
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD, DELETE")
    assert refused.json() == {"error": "Expected GET or HEAD or DELETE, but found PUT"}
    assert clock(own.broker, "GET", "/add").status_code == 405


def test_the_management_port_moves_no_clock_without_the_setting(rest: Rest):
    assert clock(rest.broker, "GET").status_code == 404
    assert clock(rest.broker, "POST", "/add", {"offsetMilli": 1}).status_code == 404
