"""How long a message takes to an instance of its own partition, and to one of another: from the call to the job behind the message.

    python -m bench publish [--messages 400] [--rounds 3]

An instance waits for one message, and a job follows; a worker has a stream open. One message is on its way at a time. A message meets its instance in the
partition of the correlation key; an instance of another partition hears of it through the outbox, which is one commit more. Half of the instances are in each.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
import uuid
from pathlib import Path

import osmia
from osmia_broker.running.child import ChildBroker
from osmia_broker.state.partitioning import partition_of_key, partition_of_message
from tests.bpmn import bpmn

KINDS = {
    "one process": ("--partitions", "2"),
    "two processes": ("--partitions", "2", "--processes", "2"),
}
MESSAGE = "paid"


async def times(broker: ChildBroker, messages: int) -> dict[bool, list[float]]:
    """Return the milliseconds of each message, by whether its instance is in its own partition."""
    found: dict[bool, list[float]] = {True: [], False: []}
    async with osmia.Client(broker.address) as client:
        await client.deploy(("p.bpmn", bpmn('start > wait:catch(message=paid, key="=order") > ship:job > end')))
        orders = [uuid.uuid4().hex for _ in range(messages)]
        keys = {order: (await client.create_instance("process", {"order": order})).key for order in orders}
        stream = client.stream_jobs("ship", timeout_ms=60_000)
        next_job = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0.2)  # until the stream is registered everywhere
        for order in orders:
            begun = time.perf_counter()
            await client.publish_message(MESSAGE, order)
            job = await next_job
            took_ms = (time.perf_counter() - begun) * 1000
            assert job.process_instance_key == keys[order], "one message at a time"
            is_own = partition_of_key(keys[order]) == partition_of_message(MESSAGE, order, 2)
            found[is_own].append(took_ms)
            next_job = asyncio.ensure_future(anext(stream))
        next_job.cancel()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    rounds: dict[str, list[dict[bool, list[float]]]] = {kind: [] for kind in KINDS}
    for _ in range(given.rounds):
        for kind, flags in KINDS.items():
            with tempfile.TemporaryDirectory() as folder, ChildBroker(Path(folder) / "data", flags=flags) as broker:
                rounds[kind].append(asyncio.run(times(broker, given.messages)))
    for kind, several in rounds.items():
        own, other = (statistics.median(statistics.median(one[is_own]) for one in several) for is_own in (True, False))
        print(f"{kind:<16}own partition p50 {own:6.2f} ms   another p50 {other:6.2f} ms   {other / own:.2f} x")


if __name__ == "__main__":
    main()
