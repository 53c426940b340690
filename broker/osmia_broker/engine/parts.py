"""The signal that a command goes on in parts."""


class GoesOn(Exception):
    """A command has come a part of its way, and is decided again after others.

    What it did stays in memory. No row may have changed: if the commit fails, the command counts as one that did nothing.
    """
