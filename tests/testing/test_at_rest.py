"""A broker that nobody asks for anything changes nothing by itself: no time deletes what was deployed."""

from pathlib import Path

import pytest

from osmia_broker.testing import Broker

DINNER = Path(__file__).parents[2] / "examples" / "dinner.bpmn"


@pytest.mark.parametrize("minutes", [15, 60 * 24 * 40])  # 40 days: the history of ended instances goes after 30
async def test_a_process_is_deployed_for_as_long_as_nobody_deletes_it(tmp_path, minutes):
    async with Broker(data_dir=tmp_path, ports=True) as broker:
        deployed = (await broker.deploy(DINNER)).processes[0]
        await broker.start("dinner", {"guests": 4})
        ended = await broker.start("dinner", {"guests": 2})
        await ended.complete_task("decide", {"dinner": "soup"})
        await ended.complete_task("eat")
        for _ in range(15):
            await broker.advance(minutes=minutes / 15)
        [still] = (await broker.client.search_definitions(bpmn_process_id="dinner", with_draining=True)).items
        assert (still.key, still.version, still.deleted_ms) == (deployed.key, 1, 0)
        again = (await broker.deploy(DINNER)).processes[0]
        assert (again.key, again.version) == (deployed.key, 1)
        await broker.client.delete_resource(deployed.key)
        assert (await broker.client.search_definitions(key=deployed.key, with_draining=True)).items[0].deleted_ms
