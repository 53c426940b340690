"""Random models in one partition or several: whatever is done to one at random, its rows fit together, and in the end no instance is left.

A failing seed prints its model and what was done, as lines of a scenario where the scenarios have such a line. Many seeds, from the command line:

    python -m tests.simulation.played_models seeds=0-2000 dialect=activiti
    python -m tests.simulation.played_models seeds=0-200 store=postgres partitions=3
"""

import asyncio
import sys
from contextlib import AsyncExitStack
from unittest import mock

from osmia_broker.engine import commands
from osmia_broker.engine.lifecycle import scopes
from tests.partition.opened import WatchedStore, steps_only
from tests.simulation import operators  # noqa: F401 - its acts are entered
from tests.simulation.acts import create, step
from tests.simulation.last_acts import to_the_end
from tests.simulation.mirrored import mirrored
from tests.simulation.model_files import deployed
from tests.simulation.parts import random_model
from tests.simulation.played import Played
from tests.simulation.stage import staged

STEPS = 25
MEMORY = [1, 20_000, 1 << 40]


async def play(seed: int, dialect: str, steps: int = STEPS, *, partitions: int = 1, store: str = "memory") -> None:
    """Play the model of a seed. With every second one, large scopes end in slices."""
    async with AsyncExitStack() as stack:
        if seed % 2:
            stack.enter_context(mock.patch.multiple(scopes, TERMINATED_AT_ONCE=1, TERMINATED_PER_SLICE=1))
        stores = await stack.enter_async_context(mirrored(store, partitions))
        await _play(seed, dialect, steps, stores)


async def _play(seed: int, dialect: str, steps: int, stores: list[WatchedStore]) -> None:
    model, said = random_model(seed, dialect), list[str]()
    chance, files = model.chance, deployed(model)
    options = {"memory_bytes": chance.choice(MEMORY), "budget": steps_only(chance.choice([3, 1_000]))}
    options["unique_business_ids"] = chance.random() < 0.3
    try:
        async with staged(stores, **options) as stage:
            played = Played(stage, model, files, said)
            await played.do("deploy", commands.DeployResources(files))
            await create(played)
            for _ in range(steps):
                await step(played)
        for one in stores:
            one.is_open, one.fails = False, None
        async with staged(stores, **options) as stage:  # a restart
            await stage.settled()
            await to_the_end(Played(stage, model, files, said))
    except AssertionError as wrong:
        raise AssertionError("\n".join([f"seed {seed} {dialect}", model.line, *said[-60:], str(wrong)])) from wrong


def main(words: list[str]) -> int:
    """Play the seeds that *words* name; return how many have failed."""
    given = dict(one.split("=") for one in words)
    first, _, last = given.get("seeds", "0").partition("-")
    dialects = given.get("dialect", "zeebe,activiti").split(",")
    options = {"partitions": int(given.get("partitions", 1)), "store": given.get("store", "memory")}
    failed = 0
    for seed in range(int(first), int(last or first) + 1):
        for dialect in dialects:
            try:
                asyncio.run(play(seed, dialect, int(given.get("steps", STEPS)), **options))
            except Exception as fault:  # noqa: BLE001 - a model that is refused, too
                failed += 1
                print(f"--- {type(fault).__name__}: {fault}", flush=True)
    print(f"{failed} have failed")
    return failed


if __name__ == "__main__":
    sys.exit(min(main(sys.argv[1:]), 100))
