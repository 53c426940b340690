"""Which cases of a test are played at which place."""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest

from tests import turns
from tests.turns import left_out


@pytest.fixture(autouse=True)
def not_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "EVERYWHERE", False)


@dataclass(frozen=True, eq=False)
class Item:
    """A case of a test at a place of *fixture*."""

    fixture: str
    case: str
    place: str
    is_marked: bool = False

    @property
    def nodeid(self) -> str:
        return f"test_it[{self.place}-{self.case}]"

    @property
    def callspec(self) -> Any:
        return SimpleNamespace(params={self.fixture: self.place, "case": self.case})

    def get_closest_marker(self, name: str) -> Any:
        return SimpleNamespace(args=(self.fixture,)) if self.is_marked and name == "in_turn" else None


def played(fixture: str, cases: str, places: list[str], **more: Any) -> dict[str, list[str]]:
    """The places of each case."""
    items: list[Any] = [Item(fixture, case, place, **more) for case in cases for place in places]
    out = left_out(items)
    return {case: [one.place for one in items if one.case == case and one not in out] for case in cases}


def test_the_first_case_is_played_everywhere_and_the_others_at_marked_places_in_turn():
    found = played("searched", "abcd", ["one file", "three files"], is_marked=True)
    assert found == {"a": ["one file", "three files"], "b": ["one file"], "c": ["three files"], "d": ["one file"]}


def test_every_second_case_is_played_in_memory_and_the_others_at_the_other_doors_in_turn():
    found = played("door", "abcdef", ["engine", "restarts", "grpc"])
    assert found.pop("a") == ["engine", "restarts", "grpc"]
    assert found == {"b": ["engine"], "c": ["restarts"], "d": ["engine"], "e": ["grpc"], "f": ["engine"]}


def test_places_that_are_not_marked_are_all_played():
    assert played("searched", "ab", ["one file", "three files"]) == {key: ["one file", "three files"] for key in "ab"}


def test_all_is_played_on_demand(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(turns, "EVERYWHERE", True)
    assert played("door", "ab", ["engine", "grpc"]) == {key: ["engine", "grpc"] for key in "ab"}
