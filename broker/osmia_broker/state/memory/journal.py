"""Undo a command: each change notes its inverse; rolling back calls the notes in reverse.

A refused command is rolled back whole; a step that ends in an incident, to where the step began (a savepoint).
"""

from collections.abc import Callable, Sequence
from typing import Any


class Journal:
    """The undo notes of the command being decided, oldest first."""

    __slots__ = ("_undo", "append")

    def __init__(self) -> None:
        self._undo: list[tuple[Callable[..., object], tuple[Any, ...]]] = []  # always the same object
        self.append = self._undo.append  #: `note` for tables, in the form (undo, args): a third of its cost

    def note(self, undo: Callable[..., object], *args: Any) -> None:
        """Call `undo(*args)` if what has just been done is to be taken back."""
        self._undo.append((undo, args))

    def roll_back(self, mark: int = 0) -> None:
        """Undo what was noted after the first *mark* notes, newest first."""
        notes = self._undo
        while len(notes) > mark:
            undo, args = notes.pop()
            undo(*args)

    def notes(self) -> Sequence[tuple[Callable[..., object], tuple[Any, ...]]]:
        """Return the notes, oldest first."""
        return self._undo

    def clear(self) -> None:
        """Forget the notes: the command stands."""
        self._undo.clear()
