"""The commands about the event log, which the event stream sends."""

from osmia_broker.engine.commands import Command


class RecordEvents(Command, frozen=True, gc=False):
    """Record events for those who follow them, if that is not done already; without *begins* only say whether it is done."""

    begins: bool = True


class StopRecording(Command, frozen=True, gc=False):
    """Stop to record events, because nobody follows them any longer."""


class DropEvents(Command, frozen=True, gc=False):
    """Delete these logged events, of which there is at least one. They are the oldest."""

    keys: tuple[int, ...]
