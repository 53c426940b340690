"""The part of the event log that is not committed yet, and whether events are recorded.

Logged events are never read here: they are written with the commit that made them true, and only the read side knows them afterwards.
"""

from collections.abc import Iterable, Sequence

from msgspec.structs import astuple

from osmia_broker.state.memory.journal import Journal
from osmia_broker.state.rows.event_log import EventRecording, LoggedEvent
from osmia_broker.state.store_protocol import RowValues


class EventLog:
    """Events of one partition to be logged. *complete_after* is the position after which none is missing in the log."""

    __slots__ = ("_dropped", "_events", "_is_changed", "_journal", "complete_after", "is_recording")

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._events: list[RowValues] = []
        self._dropped: list[int] = []
        self._is_changed = False
        self.is_recording = False
        self.complete_after = 0

    def admit(self, rows: Iterable[EventRecording]) -> None:
        """Take in the stored row, if there is one."""
        for row in rows:
            self.is_recording, self.complete_after = bool(row.is_recording), row.complete_after

    def extend(self, events: Iterable[LoggedEvent]) -> None:
        """Log the events of a command that stands."""
        self._events += map(astuple, events)

    def record(self, complete_after: int, *, is_recording: bool) -> None:
        """Record events, or stop it. Events up to *complete_after* are missing from now on, or may be."""
        self._journal.note(self._undo_record, self.is_recording, self.complete_after, self._is_changed)
        self.is_recording, self.complete_after, self._is_changed = is_recording, complete_after, True

    def drop(self, keys: Sequence[int]) -> None:
        """Delete logged events."""
        self._journal.note(self._undo_drop, len(self._dropped))
        self._dropped += keys

    def take_events(self) -> list[RowValues]:
        """Return the values of the events since the last call."""
        events, self._events = self._events, []
        return events

    def take_recording(self) -> list[RowValues]:
        """Return the values of the recording row if it has changed since the last call."""
        if not self._is_changed:
            return []
        self._is_changed = False
        return [astuple(EventRecording(1, int(self.is_recording), self.complete_after))]

    def take_deleted(self) -> dict[type, list[RowValues]]:
        """Return the keys of the events dropped since the last call, under their row class."""
        if not self._dropped:
            return {}
        dropped, self._dropped = self._dropped, []
        return {LoggedEvent: [(key,) for key in dropped]}

    def _undo_record(self, is_recording: bool, complete_after: int, was_changed: bool) -> None:
        self.is_recording, self.complete_after, self._is_changed = is_recording, complete_after, was_changed

    def _undo_drop(self, length: int) -> None:
        del self._dropped[length:]
