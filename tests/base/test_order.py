"""The order in which several processes play the tests."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest

from tests.order import EARLY, spread


@dataclass(frozen=True)
class Played:
    """A test of a file; it *waits* for other programs or computes."""

    path: Path
    number: int
    waits: bool = False

    def get_closest_marker(self, name: str) -> object:
        return "marked" if self.waits and name == "process" else None


def played(*files: tuple[str, int, bool]) -> list[Any]:
    return [Played(Path("tests") / name, number, waits) for name, count, waits in files for number in range(count)]


FILES = (
    ("a/one", 50, False),
    ("p/two", 3, True),
    ("p/three", 2, True),
    ("compat/four", 4, False),
    ("z/five", 50, False),
)


@pytest.mark.parametrize("processes", [1, 2, 3, 50])
def test_everything_is_played_once_and_each_file_in_its_own_order(processes: int):
    items = played(*FILES)
    found = cast("list[Any]", spread(items, processes))
    assert sorted(found, key=items.index) == items
    for name, count, _ in FILES:
        assert [one.number for one in found if one.path == Path("tests") / name] == list(range(count))


def test_files_that_wait_stand_apart_and_none_of_them_late():
    found = [(one.path.name, one.number) for one in cast("list[Any]", spread(played(*FILES), 2))]
    assert found[0] == ("two", 0)
    assert found[3] == ("one", 0), "what computes follows"
    assert found.index(("four", 0)) == 3 + int(50 * EARLY / 2), "in the same stretch, half of its early part later"
    assert found.index(("three", 0)) == 3 + 4 + 50, "the second stretch begins with one, too"


@pytest.mark.parametrize("files", [(), FILES[:1], FILES[1:2]], ids=["nothing", "what computes", "what waits"])
def test_of_one_sort_alone_the_order_stays(files: tuple[tuple[str, int, bool], ...]):
    assert spread(played(*files), 2) == played(*files)
