"""The commands of a partition that wait to be decided.

Most wait because the open batch is full, or because the store is being read again.

Others are suspects. If a commit fails because of one value, nothing was written, and one of the commands that it had accepted has brought
that value. They are decided again in two halves, each in a commit of its own; the half that fails is halved again, until the command with
the value is alone, and is refused. One among a thousand takes twenty commits. All other commands wait meanwhile, so the search ends soon:
with the last of these groups, however many commands arrive.
"""

from collections import deque
from collections.abc import Sequence

from osmia_broker.engine.commands import Command
from osmia_broker.partition.batch import Waiter, Waiting


class Backlog:
    """First the groups of suspects, then all others in the order in which they came."""

    __slots__ = ("_groups", "_others", "is_searching")

    def __init__(self) -> None:
        self._others: deque[Waiting] = deque()
        self._groups: deque[Sequence[Waiting]] = deque()
        #: Whether groups are left, or the last one is being decided. Nothing else may be decided then.
        self.is_searching = False

    def must_wait(self) -> bool:
        """Whether a command that arrives now has to wait, so that it overtakes no other one."""
        return self.is_searching or bool(self._others)

    def add(self, command: Command, waiter: Waiter) -> None:
        """Let a command wait."""
        self._others.append((command, waiter))

    def has_others(self) -> bool:
        """Return whether a command waits that is no suspect."""
        return bool(self._others)

    def take(self) -> Waiting:
        """Return the first command that is no suspect; it waits no longer."""
        return self._others.popleft()

    def search(self, suspects: Sequence[Waiting], others: Sequence[Waiting]) -> None:
        """Search the value among at least two *suspects*, before anything else; *others* are decided first thereafter.

        A lone suspect has been found: its caller refuses it, and gives none.
        """
        half = len(suspects) // 2
        self._groups.extendleft(group for group in (suspects[half:], suspects[:half]) if group)
        self._others.extendleft(reversed(others))
        self.is_searching = bool(self._groups)

    def next_group(self) -> Sequence[Waiting]:
        """Return the next group of suspects, now that the one before is answered; an empty one if none is left, which ends the search."""
        self.is_searching = bool(self._groups)
        return self._groups.popleft() if self._groups else ()

    def clear(self) -> list[Waiting]:
        """Forget all commands, and return them."""
        left = [one for group in self._groups for one in group] + [*self._others]
        self._groups.clear()
        self._others.clear()
        self.is_searching = False
        return left

    def __len__(self) -> int:
        others = len(self._others)
        return others + sum(map(len, self._groups)) if self._groups else others  # nearly always there is none
