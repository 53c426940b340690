"""Open the partitions of a broker: those that this process leads, or may lead, and the ways to those that other processes lead."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from osmia_broker.base import cluster_id
from osmia_broker.links import Links, PeerIdentity, TcpPlace, UnixPlace, limits_for
from osmia_broker.metrics import PartitionCounters
from osmia_broker.partition import (
    AnyPartition,
    Clock,
    Following,
    FollowingAnywhere,
    FollowingElsewhere,
    Follows,
    MovingPartition,
    OlderIds,
    OutboxDelivery,
    Partition,
    Partitions,
    Peers,
    RemotePartition,
    Router,
    Serving,
)
from osmia_broker.running.databases import Database, Sharers
from osmia_broker.running.limits import budget_of
from osmia_broker.running.management import readiness
from osmia_broker.running.share import Share
from osmia_broker.settings.config import Settings
from osmia_broker.store.read.deployed.files import contents_of
from osmia_broker.tls import TlsFiles

if TYPE_CHECKING:
    from osmia_broker.calls.broker_identity import Member
    from osmia_broker.running.shared_partitions import SharedPartitions

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OpenedPartitions:
    """All partitions; and, if other processes lead some of them, the links to those and what is served over them."""

    partitions: Partitions
    own: Mapping[int, Partition]  #: those that this process leads, or may lead
    process: int = 0  #: the number by which other processes know this one; 0 if there is none
    links: Links | None = None
    serving: Serving | None = None
    siblings: Sequence[int] = ()  #: the other processes, if they are fixed
    sharing: "SharedPartitions | None" = None  #: if leases decide what this process leads

    @property
    def others(self) -> "Callable[[], list[Member]] | None":
        """A call that returns the other brokers that live; None unless leases decide."""
        return None if self.sharing is None else self.sharing.others

    def offer_jobs(self) -> None:
        """Let other processes have the jobs of this one, now that its own calls are there to take theirs."""
        if self.serving is not None:
            self.serving.offer_jobs()


async def open_partitions(
    settings: Settings,
    share: Share,
    clock: Clock,
    database: Database,
    *,
    counters: Mapping[int, PartitionCounters],
    opened: AsyncExitStack,
) -> OpenedPartitions:
    """Open the partitions of *counters*, in the order of their database. *opened* closes them."""
    own = {
        number: Partition(
            database.stores[number],
            clock,
            counted,
            partition_id=number,
            partitions=settings.partitions,
            queue_max=settings.queue_limit,
            batch_max=settings.batch_limit,
            budget=budget_of(settings),
            memory_bytes=settings.memory_limit // settings.partitions,
            unique_business_ids=settings.unique_business_ids,
            leadership=database.leaderships.get(number),
        )
        for number, counted in counters.items()
    }
    if database.sharers is not None:
        made = await _shared(settings, database.sharers, clock, database, own=own, opened=opened)
    elif share.is_whole:
        made = _alone(settings, own, database, clock)
    else:
        made = await _together(settings, share, clock, database, own=own, opened=opened)
    for number in database.opening_order:
        opened.push_async_callback(own[number].close)
        counters[number].gauges.is_leading = partial(_is_ready, own[number])
        await own[number].open()
    # The reader closes before the stores, which tidy their files when they are the last.
    opened.push_async_callback(database.reader.close)
    if isinstance(made.partitions, Router):
        opened.push_async_callback(made.partitions.close)
        if made.sharing is not None:
            opened.push_async_callback(made.sharing.rest)
            await made.sharing.start()
        await made.partitions.opened()
    return made


def _alone(settings: Settings, own: Mapping[int, Partition], database: Database, clock: Clock) -> OpenedPartitions:
    first, *others = parts = [own[number] for number in sorted(own)]
    if not others:
        return OpenedPartitions(first, own)
    following = Following(first, others, clock, partial(contents_of, database.reader))
    return OpenedPartitions(_router(settings, database, own, parts, following), own)


def _router(
    settings: Settings,
    database: Database,
    own: Mapping[int, Partition],
    parts: Sequence[AnyPartition],
    following: Follows,
) -> Router:
    """Return the router to all *parts*, with the messages that go out from those of this process."""
    older_ids = OlderIds(database.reader, settings.partitions) if settings.unique_business_ids else None
    return Router(parts, following, OutboxDelivery(own.values(), parts, following), older_ids=older_ids)


async def _together(
    settings: Settings,
    share: Share,
    clock: Clock,
    database: Database,
    *,
    own: Mapping[int, Partition],
    opened: AsyncExitStack,
) -> OpenedPartitions:
    """Reach the partitions of the other processes, and let those reach the partitions of this one."""
    serving = Serving()
    me = PeerIdentity(cluster_id.read_or_make(settings.data_dir), share.process, time.time_ns(), settings.partitions)
    links = Links(me, serving.rpcs(), limits=limits_for(settings.max_message_size))
    remotes = {
        number: RemotePartition(number, share.process_of(number), links, queue_max=settings.queue_limit)
        for number in range(1, settings.partitions + 1)
        if number not in own
    }
    parts: list[AnyPartition] = [own.get(number) or remotes[number] for number in range(1, settings.partitions + 1)]
    if 1 in own:
        following = Following(own[1], parts[1:], clock, partial(contents_of, database.reader))
        router = _router(settings, database, own, parts, following)
        serving.begin(own.values(), router, following)
        peers = Peers(links, remotes.values())
    else:
        elsewhere = FollowingElsewhere(own)
        router = _router(settings, database, own, parts, elsewhere)
        serving.begin(own.values(), router)
        peers = Peers(links, remotes.values(), elsewhere)
    _stop_at_the_end(opened, settings, links, serving, peers)
    place = share.socket(settings.data_dir, share.process)
    place.parent.mkdir(mode=0o700, exist_ok=True)
    await links.listen(UnixPlace(place))
    for process in share.others():
        if process > share.process:  # of two, the lower one dials
            links.dial(process, UnixPlace(share.socket(settings.data_dir, process)))
    peers.start()
    return OpenedPartitions(router, own, share.number, links, serving, siblings=share.others())


async def _shared(
    settings: Settings,
    sharers: Sharers,
    clock: Clock,
    database: Database,
    *,
    own: Mapping[int, Partition],
    opened: AsyncExitStack,
) -> OpenedPartitions:
    """Lead what the leases say, and reach the other partitions where other brokers lead them."""
    # It brings the dialect of PostgreSQL, which no other start needs.
    from osmia_broker.running.shared_partitions import SharedPartitions

    await sharers.prepare()
    life = sharers.life
    opened.callback(life.leave)
    await life.join()
    serving = Serving()
    me = PeerIdentity(database.cluster_id(), life.process, time.time_ns(), settings.partitions)
    links = Links(
        me,
        serving.rpcs(),
        secret=settings.links_secret.encode(),
        tls=_tls_of_links(settings),
        limits=limits_for(settings.max_message_size),
    )
    remotes = [RemotePartition(number, 0, links, queue_max=settings.queue_limit) for number in sorted(own)]
    parts = [MovingPartition(own[remote.id], remote) for remote in remotes]
    here = Following(own[1], parts[1:], clock, partial(contents_of, database.reader))
    reported = FollowingElsewhere(own)
    following = FollowingAnywhere(own[1], here, reported)
    router = _router(settings, database, own, parts, following)
    serving.begin(own.values(), router, here)
    peers = Peers(links, remotes, reported)
    sharing = SharedPartitions(parts, sharers, links)
    opened.push_async_callback(sharing.stop)
    _stop_at_the_end(opened, settings, links, serving, peers)
    place = await links.listen(TcpPlace(settings.links_host, settings.links_port))
    life.links = settings.links_address or str(place)
    peers.start()
    return OpenedPartitions(router, own, life.process, links, serving, sharing=sharing)


def _stop_at_the_end(opened: AsyncExitStack, settings: Settings, links: Links, serving: Serving, peers: Peers) -> None:
    """Stop to ask the other processes when the broker closes, then to answer them, then leave them."""
    opened.push_async_callback(links.stop, settings.shutdown_grace.total_seconds())
    opened.callback(serving.end)
    opened.push_async_callback(peers.stop)


def _tls_of_links(settings: Settings) -> TlsFiles | None:
    if settings.links_cert is None or settings.links_key is None:
        return None
    tls = TlsFiles(settings.links_cert, settings.links_key, settings.links_ca)
    tls.load()
    return tls


def _is_ready(partition: Partition) -> bool:
    return readiness([partition])[0]
