"""The partitions that brokers share by their leases.

What `store/postgres/shares.py` decides is joined here with the partitions and the links of this broker.
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress

from osmia_broker.calls.broker_identity import Member
from osmia_broker.links import Links, TcpPlace
from osmia_broker.partition import Listener, MovingPartition
from osmia_broker.running.databases import Sharers
from osmia_broker.store.postgres.census import Census
from osmia_broker.store.postgres.shares import Sharing

START_S = 10.0  # a start waits so long until all partitions are led, here or elsewhere

log = logging.getLogger(__name__)


class SharedPartitions(Listener):
    """Takes and gives *parts*, and keeps links to the brokers that lead the others."""

    def __init__(self, parts: Sequence[MovingPartition], sharers: Sharers, links: Links) -> None:
        self._parts, self._sharers, self._links = parts, sharers, links
        self._dialled: set[int] = set()
        self._changed = asyncio.Event()
        by_number = {one.id: one.own for one in parts}
        self._sharing = Sharing(
            sharers.life,
            sharers.leases,
            take=lambda partition: by_number[partition].look(),
            give=lambda partition: by_number[partition].hand_over(),
            met=self._met,
            is_linked=lambda process: process in links.processes,
        )
        for one in parts:
            one.add_listener(self)

    @property
    def process(self) -> int:
        """The number by which other brokers know this one."""
        return self._sharers.life.process

    def others(self) -> list[Member]:
        """Return the other brokers that live, with the partitions that each leads."""
        led: dict[int, list[int]] = {}
        for one in self._parts:
            if one.elsewhere.is_open and not one.is_here:
                led.setdefault(one.elsewhere.process, []).append(one.id)
        found: list[Member] = []
        for broker in self._sharers.life.census.brokers:
            if broker.process in self._links.processes and broker.address:
                host, _, port = broker.address.rpartition(":")
                found.append(Member(broker.process, host.strip("[]"), int(port), led.get(broker.process, ())))
        return found

    async def start(self) -> None:
        """Take a share, and wait until all partitions are led by somebody.

        A cluster that has just begun, or is ill, is no reason to wait for long.
        """
        await self._sharing.start()
        with suppress(TimeoutError):
            async with asyncio.timeout(START_S):
                while not all(one.is_open for one in self._parts):
                    self._changed.clear()
                    await self._changed.wait()

    async def rest(self) -> None:
        """Take nothing any more: the broker is stopping."""
        await self._sharing.rest()

    async def stop(self) -> None:
        """Let others take this broker for gone."""
        await self._sharing.stop()

    def partition_opened(self) -> None:
        """Let the start go on."""
        self._changed.set()

    def partition_away(self, why: str) -> None:
        """Look at once who is there: what another broker leads no longer may be for this one."""
        del why
        self._sharing.wake()

    def _met(self, census: Census) -> None:
        """Dial those brokers that do not dial this one: of two, the lower number dials."""
        there = {one.process: one.links for one in census.brokers if one.links and one.process > self.process}
        for process, address in there.items():
            host, _, port = address.rpartition(":")
            self._links.dial(process, TcpPlace(host.strip("[]"), int(port)))
        for process in self._dialled - there.keys():
            self._links.leave(process)
        self._dialled = {*there}
