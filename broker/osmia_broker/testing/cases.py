"""Test cases in JSON: play the cases of Camunda Process Test at a broker under test.

A case is a list of instructions; each one acts or expects something, and is judged when the broker is quiet, so that no case waits.
`case_format` tells which instructions there are, `case_acts` and `case_expectations` what they do.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from osmia.errors import InvalidState
from osmia_broker.base import text_files
from osmia_broker.state.rows.tasks import UserTask, UserTaskState
from osmia_broker.testing.case_acts import ACTS, complete_task
from osmia_broker.testing.case_behaviors import Behavior
from osmia_broker.testing.case_expectations import EXPECTATIONS
from osmia_broker.testing.case_format import check
from osmia_broker.testing.case_selectors import task_of

if TYPE_CHECKING:
    from osmia_broker.testing.broker import Broker

Instruction = Mapping[str, Any]
LOOK_S = 0.002  # between two looks at a completion that may wait for a listener; nobody reports that it waits
REACTIONS_MAX = 1000  # of the behaviors of a case, in all
_SETTLED = frozenset({UserTaskState.CREATED, UserTaskState.COMPLETED, UserTaskState.CANCELED})


@dataclass(frozen=True)
class Case:
    """One test case. Its text is its name, for the ids of parametrised tests."""

    name: str
    instructions: tuple[Instruction, ...]
    description: str = ""

    def __str__(self) -> str:
        return self.name


def read_cases(path: str | Path) -> list[Case]:
    """Read the test cases of a file.

    Raises:
        ValueError: it is no file of test cases, or it has an instruction that is not played here; the text names the place.

    """
    try:
        document = json.loads(text_files.decoded(Path(path).read_bytes()))
    except ValueError as fault:
        raise ValueError(f"Expected JSON in {path}, but found: {fault}") from fault
    cases = document.get("testCases") if isinstance(document, dict) else None
    if not isinstance(cases, list):
        raise ValueError(f"Expected 'testCases' in {path}, a list, but found {type(cases).__name__}")  # noqa: TRY004 - of the file
    return [_case(one, f"case {number} of {path}") for number, one in enumerate(cases, 1)]


def _case(one: Any, place: str) -> Case:
    if not isinstance(one, dict) or not isinstance(one.get("name"), str):
        raise ValueError(f"Expected {place} to have a name, but found none")  # noqa: TRY004 - of the file
    instructions = one.get("instructions")
    if not isinstance(instructions, list):
        raise ValueError(f"Expected {place} to have instructions, a list, but found {type(instructions).__name__}")  # noqa: TRY004 - of the file
    for number, instruction in enumerate(instructions, 1):
        check(instruction, f"instruction {number} of {place}")
    return Case(one["name"], tuple(instructions), one.get("description", ""))


async def play(broker: "Broker", case: Case) -> None:
    """Carry out the instructions of *case*, one after the other.

    Raises:
        AssertionError: one of them fails; the text names it.

    """
    __tracebackhide__ = True
    playing = _Playing(broker)
    try:
        for number, instruction in enumerate(case.instructions, 1):
            try:
                await playing.carry_out(instruction)
            except Exception as failed:
                place = f"instruction {number} of '{case.name}', {instruction['type']}"
                raise AssertionError(f"{place}: {failed}{playing.complaints()}") from failed
        playing.check_end(case)
    finally:
        playing.stop()


class _Playing:
    """One play of a case: the behaviors that it has registered, and the completions that wait for a listener."""

    def __init__(self, broker: "Broker") -> None:
        self._broker = broker
        self._behaviors: list[Behavior] = []
        self._waiting: dict[asyncio.Future[None], str] = {}  # to the id of the user task's element
        self._reactions = 0

    async def carry_out(self, it: Instruction) -> None:
        """Carry out an instruction, and then what the behaviors make of it."""
        if it["type"] == "CONDITIONAL_BEHAVIOR":
            self._behaviors.append(Behavior(it))
        else:
            await self._act(it)
        await self._react()

    async def _act(self, it: Instruction) -> None:
        if it["type"] == "COMPLETE_USER_TASK":
            await self._complete_task(it)
        else:
            await _act_of(it["type"])(self._broker, it)

    async def _react(self) -> None:
        """Let the behaviors act until none of them has anything to do."""
        has_acted = True
        while has_acted:
            has_acted = False
            for behavior in self._behaviors:
                if await behavior.act(self._broker, self._act):
                    has_acted = True
                    self._reactions += 1
            if self._reactions > REACTIONS_MAX:
                raise AssertionError(f"Expected at most {REACTIONS_MAX} reactions of behaviors, but found more")

    async def _complete_task(self, it: Instruction) -> None:
        """Complete a user task. If that waits for a listener whose job nobody takes, go on: a later instruction takes it."""
        task = task_of(self._broker, it["userTaskSelector"], is_open=True)
        answer = asyncio.ensure_future(complete_task(self._broker, it, task))
        self._waiting[answer] = task.element_id
        while not (await asyncio.wait([answer], timeout=LOOK_S))[0]:
            await self._broker.settle()
            await self._react()
            [row] = self._broker.view.rows(UserTask, key=task.key)
            if not answer.done() and row.state not in _SETTLED:
                return
        del self._waiting[answer]
        answer.result()
        await self._broker.settle()

    def complaints(self) -> str:
        """Return which behaviors wanted to act last and could not, as lines of text."""
        return "".join(
            f"\n  behavior '{one.name}' could not act: {one.failed}" for one in self._behaviors if one.failed
        )

    def check_end(self, case: Case) -> None:
        """Expect that no completion waits any more. That a listener has denied one is no failure: the case itself says so."""
        for answer, element in self._waiting.items():
            if not answer.done():
                raise AssertionError(
                    f"the end of '{case.name}': Expected user task '{element}' to be completed, but it waits for the job of a listener"
                )
            if (failed := answer.exception()) is not None and not isinstance(failed, InvalidState):
                raise AssertionError(f"the end of '{case.name}': {failed}") from failed

    def stop(self) -> None:
        """Give up the completions that still wait."""
        for answer in self._waiting:
            answer.cancel()


def _act_of(type: str) -> Callable[["Broker", Instruction], Awaitable[None]]:
    return EXPECTATIONS[type] if type in EXPECTATIONS else ACTS[type]
