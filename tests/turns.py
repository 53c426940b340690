"""Places at which a test is played: the first case of a test at each of them, and each further case at one, in turn.

A place adds a way of its own, which one case shows. The others show the rule, which is the same everywhere. OSMIA_EVERY_DOOR=1 plays all
cases at all places.
"""

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

DOORS = ("door", "alone_door")  # fixtures with these names play a test at several doors
IN_MEMORY = "engine"  # the cheapest door: every second case is played there
EVERYWHERE = bool(os.environ.get("OSMIA_EVERY_DOOR"))


def in_turn(fixture: str, places: Iterable[str]) -> list[Any]:
    """The parameters of a *fixture* that plays tests at these *places*."""
    return [pytest.param(one, marks=pytest.mark.in_turn(fixture)) for one in places]


def left_out(items: list[pytest.Item]) -> set[pytest.Item]:
    """What is not played."""
    tests: dict[str, dict[tuple[tuple[str, int], ...], dict[str, pytest.Item]]] = defaultdict(lambda: defaultdict(dict))
    for item in [] if EVERYWHERE else items:
        played_at = getattr(item, "callspec", None)
        name = _fixture(item) if played_at is not None else None
        if played_at is not None and name is not None:
            case = tuple((one, id(value)) for one, value in played_at.params.items() if one != name)
            tests[item.nodeid.partition("[")[0]][case][str(played_at.params[name])] = item
    return {item for cases in tests.values() for item in _out_of_turn(list(cases.values()))}


def _fixture(item: pytest.Item) -> str | None:
    """The name of the fixture that has the places; None if there is none."""
    mark = item.get_closest_marker("in_turn")
    names = (mark.args[0],) if mark is not None else DOORS
    return next((one for one in names if one in item.callspec.params), None)  # type: ignore[attr-defined]


def _out_of_turn(cases: list[dict[str, pytest.Item]]) -> Iterator[pytest.Item]:
    """Yield, of each case but the first, all places but the one whose turn it is."""
    for number, places in enumerate(cases[1:]):
        others = [one for one in places if one != IN_MEMORY]
        is_in_memory = IN_MEMORY in places and (number % 2 == 0 or not others)
        turn = IN_MEMORY if is_in_memory else others[(number // 2 if IN_MEMORY in places else number) % len(others)]
        yield from (item for place, item in places.items() if place != turn)
