"""A behavior of a test case in JSON: actions that are carried out whenever its conditions are met."""

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from osmia_broker.testing.case_expectations import EXPECTATIONS, subject

if TYPE_CHECKING:
    from osmia_broker.testing.broker import Broker

Instruction = Mapping[str, Any]


class Behavior:
    """The first match carries out the first action, the second match the second; the last action is repeated.

    A match is a new one if the conditions did not hold in between, or if they now hold of something else: the same element, visited
    again. An action that fails is tried again at the next look (both as the reference has it).
    """

    def __init__(self, instruction: Instruction) -> None:
        self._conditions: list[Instruction] = instruction["conditions"]
        self._actions: list[Instruction] = instruction["actions"]
        self._done = 0  # actions
        self._is_acting = False  # a completion that waits for a listener looks at the behaviors meanwhile
        self._met: object = None  # the subjects of the last match, until the conditions no longer hold
        self.name: str = instruction.get("name", self._actions[0]["type"])
        self.failed = ""  # why the last action was not carried out

    async def act(self, broker: "Broker", carry_out: Callable[[Instruction], Awaitable[None]]) -> bool:
        """Carry out the next action if the conditions are newly met; return whether it was carried out."""
        if self._is_acting:
            return False
        if not await self._holds(broker):
            self._met = None
            return False
        met = [subject(broker, one) for one in self._conditions]
        if met == self._met:
            return False
        before, self._met, self._is_acting = self._met, met, True
        try:
            await carry_out(self._actions[min(self._done, len(self._actions) - 1)])
        except Exception as failed:  # noqa: BLE001 - each failure is kept for the text of a later one
            self._met, self.failed = before, str(failed)
            return False
        finally:
            self._is_acting = False
        self._done += 1
        self.failed = ""
        return True

    async def _holds(self, broker: "Broker") -> bool:
        try:
            for one in self._conditions:
                await EXPECTATIONS[one["type"]](broker, one)
        except (AssertionError, LookupError):
            return False
        return True
