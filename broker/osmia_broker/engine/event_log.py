"""The event log: begin and stop to record, and drop old events."""

from osmia_broker.engine.answers import EventLogState
from osmia_broker.engine.commands.event_log import DropEvents, RecordEvents, StopRecording
from osmia_broker.engine.engine import handles
from osmia_broker.engine.turn import Turn


@handles(RecordEvents)
def record_events(turn: Turn, command: RecordEvents) -> EventLogState:
    """Record events from now on, unless they are recorded already."""
    log = turn.state.event_log
    if command.begins and not log.is_recording:
        log.record(turn.state.last_key, is_recording=True)
    return _state(turn)


@handles(StopRecording)
def stop_recording(turn: Turn, _command: StopRecording) -> EventLogState:
    """Stop to record events. The log is worth nothing from now on."""
    log = turn.state.event_log
    if log.is_recording:
        log.record(turn.state.last_key, is_recording=False)
    return _state(turn)


def _state(turn: Turn) -> EventLogState:
    """Return the state of the log. While nothing is recorded, what happens next is missing: only the newest position is good."""
    log, last = turn.state.event_log, turn.state.last_key
    return EventLogState(log.is_recording, log.complete_after if log.is_recording else last, last)


@handles(DropEvents)
def drop_events(turn: Turn, command: DropEvents) -> None:
    """Delete old events, and note that the log is complete only after the last of them."""
    log = turn.state.event_log
    log.drop(command.keys)
    log.record(max(log.complete_after, *command.keys), is_recording=log.is_recording)
