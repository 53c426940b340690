"""A broker of several processes, and what a test sees of each."""

import asyncio
import os
from contextlib import suppress

import osmia
from osmia_broker.base import ports
from osmia_broker.running.child import ChildBroker
from tests.patience import ANSWER_S, until
from tests.process.books import AWAY

FLAGS = ("--partitions", "3", "--processes", "2")


def pid_of(broker: ChildBroker, process: int) -> int:
    found = ports.read(broker.data_dir / f"process-{process}")
    assert found is not None
    return found.pid


def watched(pid: int) -> int:
    """Return a descriptor of the process *pid*, which becomes readable when it ends."""
    return os.pidfd_open(pid)


async def ended(descriptor: int) -> None:
    """Wait until a process that is `watched` has ended."""
    has_ended, loop = asyncio.Event(), asyncio.get_running_loop()
    loop.add_reader(descriptor, has_ended.set)
    try:
        await asyncio.wait_for(has_ended.wait(), ANSWER_S)
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


async def all_lead(broker: ChildBroker) -> None:
    """Wait until the broker reaches all partitions from the process that answers."""

    def they_lead() -> bool:
        with osmia.SyncClient(broker.address) as client, suppress(*AWAY):
            return set(client.topology().brokers[0].roles.values()) == {"LEADER"}
        return False

    await asyncio.to_thread(until, they_lead)
