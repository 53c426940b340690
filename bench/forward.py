"""What a command for a partition of another process costs beside one for a partition of the own: CPU of both processes together.

    python -m bench forward [--in-flight 64 8] [--commands 4000] [--rounds 5]

Two brokers stand in one event loop, each leads one of two partitions in memory, and a real link (a unix socket) is between them. So the CPU of this process is that of
both, without doors and without a disk. The commands go to the partition here and to the one elsewhere by turns; what is told are medians of the rounds.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from osmia_broker.engine.commands import SetVariables
from tests.partition.moving import Sharers, sharers
from tests.partition.opened import create, deploy

KINDS = {"here": 1, "elsewhere": 2}  # the partition, by where it is


async def turn(it: Sharers, key: int, commands: int, in_flight: int) -> float:
    """Send so many commands about one instance through broker 1; return the microseconds of CPU for each."""
    submit = it.all[1].router.submit
    left = commands

    async def lane() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            await submit(SetVariables(key, {"n": str(left)}, False))

    begun = time.process_time()
    await asyncio.gather(*(lane() for _ in range(in_flight)))
    return (time.process_time() - begun) * 1e6 / commands


async def measure(folder: Path, in_flight: list[int], commands: int, rounds: int) -> None:
    async with sharers(folder, [1, 2]) as it:
        await it.all[1].router.submit(deploy("start > ask:job > end"))
        await it.until(it.all_know)
        made: dict[str, Any] = {name: await it.all[n].own[n].submit(create()) for name, n in KINDS.items()}
        print(f"{'in flight':>9}{'here us':>10}{'elsewhere us':>14}{'dearer by us':>14}")
        for number in in_flight:
            taken: dict[str, list[float]] = {name: [] for name in KINDS}
            for one in range(rounds + 1):
                for name, created in made.items():
                    cost = await turn(it, created.process_instance_key, commands, number)
                    if one:
                        taken[name].append(cost)
            here, elsewhere = (statistics.median(several) for several in taken.values())
            print(f"{number:>9}{here:>10.0f}{elsewhere:>14.0f}{elsewhere - here:>14.0f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--in-flight", type=int, nargs="+", default=[64, 8])
    parser.add_argument("--commands", type=int, default=4_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="osmia-") as folder:
        asyncio.run(measure(Path(folder), options.in_flight, options.commands, options.rounds))


if __name__ == "__main__":
    main()
