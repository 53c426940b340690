"""What needs a broker of its own: a batch operation over a restart, and a clock that may be pinned."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.doors import running_broker
from tests.rest.conftest import Rest


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Rest]:
    """A broker of this test alone, whose clock may be pinned."""
    with running_broker(tmp_path, clock_control=True) as broker:
        rest = Rest(broker)
        yield rest
        rest.http.close()


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
    assert own.ask("PUT", "/clock", {"timestamp": started + 25 * 3_600_000}).status_code == 204
    own.broker.look_at_clock()
    assert own.get(f"/process-instances/{key}")["state"] == "COMPLETED"
    assert own.ask("POST", "/clock/reset").status_code == 204
    for timestamp in (-1, 10**18):
        assert own.refusal("PUT", "/clock", {"timestamp": timestamp})["status"] == 400
