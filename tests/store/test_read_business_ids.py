"""Business ids of instances that are in another partition than the one that decides about them."""

import pytest

from osmia_broker.state.partitioning import partition_of_text
from osmia_broker.state.rows import BusinessId, InstanceOrigin
from osmia_broker.store.read import Reader
from osmia_broker.store.read.instances import business_ids
from tests.store.conftest import Written
from tests.store.reading import BASE

HERE, ELSEWHERE = "c", "b"  # partition 1 of 3 decides about the first


def holder(number: int, business_id: str, *, ended_ms: int = 0, process: str = "p") -> BusinessId:
    key = BASE + 1_000 + number
    return BusinessId(key, key, key, process, business_id, ended_ms)


async def asked(reader: Reader, business_id: str = ELSEWHERE, process: str = "p") -> tuple[str, int] | None:
    return await reader.misplaced_holder(
        bpmn_process_id=process, process_definition_key=0, business_id=business_id, partitions=3
    )


async def test_a_living_root_instance_in_another_partition_is_found(written: Written):
    assert (partition_of_text(HERE, 3), partition_of_text(ELSEWHERE, 3)) == (1, 3)
    reader = await written(holder(1, HERE), holder(2, ELSEWHERE))
    assert await reader.has_misplaced_ids(partitions=3)
    assert await asked(reader) == ("p", BASE + 1_002)
    assert await asked(reader, HERE) is None, "its own partition decides"
    assert await asked(reader, process="q") is None
    assert await asked(reader, "a") is None


async def test_what_has_ended_and_what_was_called_has_no_id_of_its_own(written: Written):
    called = holder(2, ELSEWHERE)
    origin = InstanceOrigin(BASE + 2_000, called.key, called.key, "p", parent_process_instance_key=BASE + 5)
    reader = await written(holder(1, ELSEWHERE, ended_ms=7), called, origin)
    assert await asked(reader) is None


@pytest.mark.parametrize("place", [0, 4, 5, 9, None])
async def test_all_living_ids_are_looked_through_page_by_page(
    written: Written, monkeypatch: pytest.MonkeyPatch, place: int | None
):
    monkeypatch.setattr(business_ids, "_FIRST_PAGE", business_ids._FIRST_PAGE.limit(5))
    monkeypatch.setattr(business_ids, "_NEXT_PAGE", business_ids._NEXT_PAGE.limit(5))
    monkeypatch.setattr(business_ids, "PAGE_ROWS", 5)
    rows = [holder(number, HERE, process=f"p{number}") for number in range(10)]
    if place is not None:
        rows[place] = holder(place, ELSEWHERE, process=f"p{place}")
    reader = await written(*rows, holder(50, ELSEWHERE, ended_ms=7, process="p0"))
    assert await reader.has_misplaced_ids(partitions=3) is (place is not None)
