"""The face of everybody who follows a partition: doors, metrics, the event stream."""

from collections.abc import Collection, Mapping, Sequence

from osmia_broker.base.errors import OsmiaError
from osmia_broker.engine.domain_events import DomainEvent
from osmia_broker.state.store_protocol import Changes, RowValues


class Listener:
    """Is notified by a partition, on its event loop. A listener overrides what it needs; every method here does nothing.

    An exception in a listener is logged and hurts nobody else.
    """

    def jobs_activatable(self, keys: Mapping[str, list[int]]) -> None:
        """Jobs have become activatable and their batch is about to close. Commands decided here join the batch.

        *keys* are by type, the job of the highest priority first, then the oldest.
        """

    def jobs_waiting(self, types: Collection[str] | None) -> None:
        """Jobs of these types (None: of all) wait that must be asked for in their order, or that something has held back until now.

        As `jobs_activatable`.
        """

    def events_committed(self, events: Sequence[DomainEvent]) -> None:
        """A batch is durable in which these things happened."""

    def events_logged(self, events: Sequence[RowValues]) -> None:
        """A batch is durable with these events in the log: values of LoggedEvent rows, by ascending position."""

    def changes_committed(self, changes: Changes) -> None:
        """A batch is durable with these rows. A listener that has no use for them returns at once: this is the hot path."""

    def result_ready(self, ticket: int, variables: str) -> None:
        """A process instance has completed durably; the caller with *ticket* waits for its *variables*, a JSON object."""

    def result_lost(self, ticket: int, error: OsmiaError) -> None:
        """The partition dropped its memory, so the caller with *ticket* will not get its result from here."""

    def partition_opened(self) -> None:
        """The partition serves, for the first time or again."""

    def partition_away(self, why: str) -> None:
        """The partition serves no longer, for the reason *why*; it will be opened again."""
