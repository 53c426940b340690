"""Process definitions whose steps take long: their walks go on as due work, so that callers who start many of them are paced too.

Due work rests after each slow step as long as the step took. The walk that follows a caller's own command would not: a few callers who start
instances with a slow script in a loop would leave no time for others.
"""

SLOW_STEP_S = 0.05  # of processor time: a step beyond it is slow; an ordinary one takes a hundredth of a millisecond
FAST_TURNS = 8  # so many turns without a slow step in a row, and the definition is an ordinary one again
DEFINITIONS_MAX = 1_000  # that are remembered; the oldest is forgotten first


class SlowDefinitions:
    """Remembers definitions by key, in memory only: what is forgotten is learnt again with the next slow step."""

    __slots__ = ("_fast_turns_left",)

    def __init__(self) -> None:
        self._fast_turns_left: dict[int, int] = {}

    def is_slow(self, definition_key: int) -> bool:
        """Return whether a step of this definition took long lately."""
        return definition_key in self._fast_turns_left

    def note_slow(self, definition_key: int) -> None:
        """Note a slow step."""
        self._fast_turns_left[definition_key] = FAST_TURNS
        while len(self._fast_turns_left) > DEFINITIONS_MAX:
            del self._fast_turns_left[next(iter(self._fast_turns_left))]

    def note_fast(self, definition_key: int) -> None:
        """Note a turn without a slow step."""
        left = self._fast_turns_left.get(definition_key, 0) - 1
        if left > 0:
            self._fast_turns_left[definition_key] = left
        else:
            self._fast_turns_left.pop(definition_key, None)
