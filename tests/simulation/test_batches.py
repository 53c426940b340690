"""The clients of batch operations know which refusals are right."""

from collections.abc import Sequence
from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest

from osmia_broker.base.errors import InvalidState, NotFound
from osmia_broker.state.rows.batches import BatchOperation, BatchType
from tests.simulation.batches import Batches
from tests.simulation.clients import Unknown

KEY = 7
GONE, AT_WORK = NotFound("Expected it to be there, but it is not"), InvalidState("Expected it to wait, but it works")


async def started(answers: Sequence[Any], *, lives: bool = False) -> int:
    """Start a batch operation that is answered so; return how often it was asked for."""
    row = BatchOperation(KEY, KEY, BatchType.CANCEL_PROCESS_INSTANCE, "{}", "", 0)
    clients = Mock(send=AsyncMock(side_effect=answers), pause=AsyncMock(), living=Mock(return_value=[row] * lives))
    await Batches(clients).start(KEY)
    return clients.send.await_count


@pytest.mark.parametrize(
    ("answers", "lives"),
    [((None,), True), ((Unknown(), None), True), ((Unknown(), Unknown(), AT_WORK), True), ((Unknown(), GONE), False)],
    ids=["at once", "the second time", "it was at work", "it had ended"],
)
async def test_a_client_asks_until_it_knows_that_the_batch_operation_was_started(answers: Sequence[Any], lives: bool):
    assert await started(answers, lives=lives) == len(answers)


@pytest.mark.parametrize(
    ("answers", "lives", "reason"),
    [
        ((GONE,), False, "7 was not started, but: Expected it to be there"),
        ((AT_WORK,), True, "7 was not started, but: Expected it to wait"),
        ((Unknown(), GONE), True, "7 lives, but: Expected it to be there"),
    ],
    ids=["lost", "started by nobody", "not found although it is there"],
)
async def test_a_refusal_that_nothing_explains_is_a_fault(answers: Sequence[Any], lives: bool, reason: str):
    with pytest.raises(AssertionError, match=reason):
        await started(answers, lives=lives)
