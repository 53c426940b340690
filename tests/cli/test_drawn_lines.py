"""Lines of a drawing: each way can be followed from its beginning to its end."""

import re

import pytest

from osmia_broker.cli.drawing import draw
from osmia_broker.cli.drawn_lines import CELLS_MAX, HEADS, LOOKS_MAX, WAY_CELLS_MAX, Cell, Lines, Way, rectangular
from tests.bpmn import bpmn

SIDES = {
    "─": "LR",
    "│": "UD",
    "┌": "RD",
    "┐": "LD",
    "└": "RU",
    "┘": "LU",
    "├": "RUD",
    "┤": "LUD",
    "┬": "LRD",
    "┴": "LRU",
}
SIDES |= {"┼": "LRUD", **dict.fromkeys(HEADS.values(), "LRUD")}
STEPS = {"L": (-1, 0), "R": (1, 0), "U": (0, -1), "D": (0, 1)}
BACK = {"L": "R", "R": "L", "U": "D", "D": "U"}


def drawn(*ways: Way) -> dict[Cell, str]:
    lines = Lines()
    for way in ways:
        lines.add(way)
    return dict(lines.signs())


def way(source: str, target: str, *corners: Cell) -> Way:
    return Way(source, target, corners)


def loose(signs: dict[Cell, str]) -> list[Cell]:
    """The cells with a side that nothing takes up, apart from where a way begins or ends."""
    return [
        (column, row)
        for (column, row), sign in signs.items()
        if sign not in HEADS.values()
        for side in SIDES[sign]
        if BACK[side] not in SIDES.get(signs.get((column + STEPS[side][0], row + STEPS[side][1]), ""), "")
    ]


def test_a_line_turns_at_its_corners_and_ends_with_an_arrow():
    signs = drawn(way("a", "b", (0, 0), (3, 0), (3, 2), (6, 2)))
    assert [signs[0, 0], signs[3, 0], signs[3, 1], signs[3, 2], signs[6, 2]] == ["─", "┐", "│", "└", "▶"]
    assert loose(signs) == [(0, 0)]


@pytest.mark.parametrize(
    ("corners", "arrow"), [(((5, 0), (0, 0)), "◀"), (((0, 0), (0, 5)), "▼"), (((0, 5), (0, 0)), "▲"), (((0, 0),), "▶")]
)
def test_an_arrow_shows_where_its_line_goes(corners: tuple[Cell, ...], arrow: str):
    assert drawn(Way("a", "b", corners))[corners[-1]] == arrow


def test_ways_out_of_one_element_fork_and_ways_into_one_join():
    signs = drawn(
        way("a", "b", (0, 1), (3, 1), (3, 0), (6, 0)),
        way("a", "c", (0, 1), (3, 1), (3, 2), (6, 2)),
        way("a", "d", (0, 1), (6, 1)),
    )
    assert (signs[3, 0], signs[3, 1], signs[3, 2]) == ("┌", "┼", "└")
    signs = drawn(way("a", "c", (0, 0), (3, 0), (3, 1), (6, 1)), way("b", "c", (0, 1), (6, 1)))
    assert (signs[3, 0], signs[3, 1]) == ("┐", "┴")


@pytest.mark.parametrize("other", ["a", "c"])  # from the same element as the other way, or from another one
def test_ways_that_only_cross_do_not_join(other: str):
    signs = drawn(way("a", "b", (0, 2), (6, 2)), way(other, "d", (3, 0), (3, 4)))
    assert signs[3, 2] == "│"


def test_a_part_that_would_lie_on_a_strange_line_goes_beside_it():
    first = way("a", "b", (0, 0), (4, 0), (4, 6), (9, 6))
    signs = drawn(first, way("c", "d", (0, 2), (4, 2), (4, 9), (9, 9)))
    assert (signs[4, 5], signs[5, 5]) == ("│", "│")
    assert (signs[5, 2], signs[5, 9]) == ("┐", "└")
    kin = drawn(first, way("a", "d", (0, 0), (4, 0), (4, 9), (9, 9)))
    assert (5, 5) not in kin


@pytest.mark.parametrize(
    ("points", "corners"),
    [
        ([(0, 0), (4, 0)], ((0, 0), (4, 0))),
        ([(0, 0), (2, 0), (4, 0)], ((0, 0), (4, 0))),
        ([(0, 0), (0, 0), (4, 0)], ((0, 0), (4, 0))),
        ([(0, 0), (4, 3)], ((0, 0), (2, 0), (2, 3), (4, 3))),
        ([(3, 3)], ((3, 3),)),
    ],
)
def test_a_slanting_line_becomes_level_and_upright_ones(points: list[Cell], corners: tuple[Cell, ...]):
    assert rectangular(points) == corners


MODELS = {
    "branches": "start > g:exclusive(name=Dear?) [amount > 100 -> book:user > end | else -> end]",
    "a loop back": "start > a:user > b:user > g:exclusive [no -> a | partly -> b | else -> end]",
    "boundary events": "start > a:user > end & late:boundary(on=a, timer=PT1H) > b:job > end2 & err:boundary(on=a, error=x) > end3",
    "a subprocess": "start > s:sub { start > g:exclusive [x -> a:user > end | else -> b:job > end2] } > end",
    "one in another": "start > o:sub { start > i:sub { start > x:job > end } > end } > end",
}


@pytest.mark.parametrize("name", MODELS)
def test_every_line_of_a_model_ends_at_something(name: str):
    text = draw(bpmn(MODELS[name], id="p"), "p", {})
    rows = re.sub(r"\([ ]+\)", lambda event: "o" * len(event[0]), text).splitlines()
    cells = {(column, row): sign for row, line in enumerate(rows) for column, sign in enumerate(line)}
    for (column, row), sign in cells.items():
        for side in SIDES.get(sign, "") if sign not in HEADS.values() else "":
            beside = cells.get((column + STEPS[side][0], row + STEPS[side][1]), " ")
            assert beside != " ", f"{sign} at {column}, {row} of\n" + "\n".join(rows)
    heads = sum(sign in HEADS.values() for sign in cells.values())
    assert heads >= 3


def test_a_way_that_is_too_long_goes_straight_to_its_end():
    there_and_back = [(column, row) for row in range(0, 20, 2) for column in ((0, 300) if row % 4 == 0 else (300, 0))]
    assert (300, 1) in drawn(Way("a", "b", rectangular(there_and_back[:4])))
    signs = drawn(Way("a", "b", rectangular(there_and_back)))
    assert (300, 1) not in signs
    assert signs[there_and_back[-1]] in HEADS.values()
    assert len(signs) <= WAY_CELLS_MAX


def test_ways_beyond_the_bound_of_cells_are_left_out_and_counted():
    lines = Lines()
    fit = CELLS_MAX // 1000
    for number in range(fit + 3):
        lines.add(Way("a", "b", ((0, number), (999, number))))
    assert lines.left_out == 3
    rows = {row for (_, row), _ in lines.signs()}
    assert rows == set(range(fit))


def test_looking_for_a_place_beside_other_ways_ends(monkeypatch: pytest.MonkeyPatch):
    looks = 0
    is_kin = Way.is_kin

    def counted(self: Way, other: Way) -> bool:
        nonlocal looks
        looks += 1
        return is_kin(self, other)

    monkeypatch.setattr(Way, "is_kin", counted)
    lines = Lines()
    for row in range(400):  # the branches of one gateway share its stem
        lines.add(Way("fork", f"a{row}", ((0, 0), (3, 0), (3, row), (6, row))))
    assert lines.left_out == 0
    assert (6, 399) in dict(lines.signs())
    assert LOOKS_MAX / 2 < looks < 2 * LOOKS_MAX
