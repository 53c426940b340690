"""A scripted gateway and a client of it."""

from collections.abc import AsyncIterator

import pytest
from scripted_gateway import ScriptedGateway

from osmia import Client


@pytest.fixture
async def gateway() -> AsyncIterator[ScriptedGateway]:
    scripted = ScriptedGateway()
    await scripted.start()
    yield scripted
    await scripted.stop()


@pytest.fixture
async def client(gateway: ScriptedGateway) -> AsyncIterator[Client]:
    async with Client(gateway.address) as client:
        yield client
