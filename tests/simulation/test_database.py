"""The database of the simulation answers as PostgreSQL does: the same statements in any order get the same answers from both."""

import json
import random
from typing import Any

import pytest

from osmia_broker.store.postgres import lease, life, sharing
from tests import postgres
from tests.simulation.database import Tables

PARTITIONS = 3
STEPS = 120
NAMES = ("one", "two", "three")


class Asker:
    """Asks statements at random, of which most can be carried out."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance

    def statement(self) -> tuple[str, tuple[Any, ...]]:
        chance = self.chance
        name, partition = chance.choice(NAMES), chance.randint(1, PARTITIONS)
        incarnation, epoch = chance.randint(1, 3), chance.randint(0, 6)
        return chance.choice(
            [
                (life._BEGIN, (name,)),
                (sharing._NUMBER, (name, chance.choice([0, 0, 100 * NAMES.index(name) + 5]))),
                (sharing._BEAT, (name, incarnation, "", chance.choice(["", "there:1"]))),
                *((lease.CLAIM, (partition, name, incarnation, epoch)),) * 3,
                *((lease._RENEW, (partition, epoch, name, incarnation)),) * 3,
                (lease._RELEASE, (partition, epoch)),
            ]
        )


@pytest.mark.parametrize("seed", range(3))
async def test_both_answer_the_same(seed: int):
    asker = Asker(random.Random(seed))
    tables = Tables.of(PARTITIONS)
    answered = 0
    with postgres.database(partitions=PARTITIONS) as url:
        server = postgres.reached(url)
        connection = await server.connect()
        try:
            for _ in range(STEPS):
                text, values = asker.statement()
                real = text.format(leases=server.table("partition"), brokers=server.table("brokers"))
                found = await connection.row(real, *values)
                expected = tables.run(text.format(leases="partition", brokers="brokers"), values)
                assert _plain(found) == _plain(expected), f"{text} {values}"
                answered += found is not None
        finally:
            await connection.close()
    assert answered > STEPS / 4


def _plain(row: Any) -> dict[str, Any] | None:
    """The values of a row, without its place, which is the server's own. JSON is read, as blanks do not matter; lists are sorted, as rows come in any order."""
    if row is None:
        return None
    read = {"brokers": _read, "leases": _read, "led": sorted}
    return {name: read[name](value) if name in read else value for name, value in dict(row).items() if name != "place"}


def _read(value: str | None) -> Any:
    return None if value is None else sorted(json.loads(value))
