"""The deadlines of all calls of a server, behind one timer. Most calls are answered long before theirs, so noting one must cost next to nothing."""

import asyncio
from typing import Protocol

STEP_S = 0.02  # calls whose deadlines lie in one step end together, at its end


class Timed(Protocol):
    """A call with a deadline."""

    def miss_deadline(self) -> None:
        """End: the deadline has passed."""


class Deadlines:
    """Calls by the step in which their deadline lies. All times are those of the event loop."""

    def __init__(self) -> None:
        self._steps: dict[int, set[Timed]] = {}  # none is empty
        self._timer: asyncio.TimerHandle | None = None
        self._next = 0  # the step at whose end the timer goes off

    def add(self, call: Timed, deadline_s: float, loop: asyncio.AbstractEventLoop) -> None:
        """End *call* soon after *deadline_s*."""
        step = int(deadline_s / STEP_S)
        calls = self._steps.get(step)
        if calls is None:
            self._steps[step] = {call}
        else:
            calls.add(call)
        if self._timer is None or step < self._next:
            self._set_timer(step, loop)

    def remove(self, call: Timed, deadline_s: float) -> None:
        """Forget *call*, if it is known: it is over."""
        step = int(deadline_s / STEP_S)
        calls = self._steps.get(step)
        if calls is not None:
            calls.discard(call)
            if not calls:
                del self._steps[step]

    def __len__(self) -> int:
        return sum(map(len, self._steps.values()))

    def _set_timer(self, step: int, loop: asyncio.AbstractEventLoop) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._next = step
        self._timer = loop.call_at((step + 1) * STEP_S, self._pass, loop)

    def _pass(self, loop: asyncio.AbstractEventLoop) -> None:
        """End the calls of all steps that are over."""
        self._timer = None
        over = max(self._next, int(loop.time() / STEP_S) - 1)
        for step in sorted(one for one in self._steps if one <= over):
            for call in self._steps.pop(step):
                try:
                    call.miss_deadline()
                except Exception as error:  # noqa: BLE001 - the other calls must end at their deadlines
                    loop.call_exception_handler({"message": "a call could not be ended", "exception": error})
        if self._steps and self._timer is None:
            self._set_timer(min(self._steps), loop)
