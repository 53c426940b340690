"""The events of all partitions of a broker, wherever those are led."""

from osmia_broker.calls.events.moving import MovingEventStream
from osmia_broker.calls.events.remote import RemoteEventStream, sending
from osmia_broker.calls.events.stream import EventStream
from osmia_broker.calls.events.streams import EventStreams, OneStream
from osmia_broker.partition import AnyPartition, Clock, MovingPartition, Partition, RemotePartition
from osmia_broker.running.partitions import OpenedPartitions
from osmia_broker.settings.config import Settings
from osmia_broker.store.read import Reader


def event_streams(settings: Settings, made: OpenedPartitions, reader: Reader, clock: Clock) -> EventStreams:
    """Return the events of all partitions, and let other processes read those of this one."""
    own = {number: _own(settings, one, reader.parts[number - 1], clock) for number, one in made.own.items()}
    if made.links is not None:
        made.links.serve([sending(own)])
    return EventStreams([_of(one, own, made) for one in made.partitions.parts])


def _of(part: AnyPartition, own: dict[int, EventStream], made: OpenedPartitions) -> OneStream:
    if isinstance(part, MovingPartition):
        assert made.links is not None, "other brokers may lead it"
        return MovingEventStream(part, own[part.id], RemoteEventStream(part.elsewhere, made.links))
    if isinstance(part, RemotePartition):
        assert made.links is not None, "another process leads it"
        return RemoteEventStream(part, made.links)
    return own[part.id]


def _own(settings: Settings, partition: Partition, reader: Reader, clock: Clock) -> EventStream:
    return EventStream(
        partition,
        reader,
        clock,
        retention_ms=int(settings.event_retention.total_seconds() * 1000),
        events_max=settings.event_limit,
        is_always_on=settings.event_log == "always",
    )
