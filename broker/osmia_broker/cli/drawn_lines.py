"""Lines of a drawing in characters: each way turns at corners, ways of one beginning or end join, and strange ones only cross.

A way is made of cells, one step apart. Each cell remembers in which directions each way goes on, and the sign follows from that.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise
from operator import or_

Cell = tuple[int, int]  # column, row
LEFT, RIGHT, UP, DOWN = 1, 2, 4, 8
ACROSS, UPRIGHT = LEFT | RIGHT, UP | DOWN
SIGNS = {
    LEFT: "─",
    RIGHT: "─",
    ACROSS: "─",
    UP: "│",
    DOWN: "│",
    UPRIGHT: "│",
    RIGHT | DOWN: "┌",
    LEFT | DOWN: "┐",
    RIGHT | UP: "└",
    LEFT | UP: "┘",
    RIGHT | UPRIGHT: "├",
    LEFT | UPRIGHT: "┤",
    ACROSS | DOWN: "┬",
    ACROSS | UP: "┴",
    ACROSS | UPRIGHT: "┼",
}
HEADS = {(1, 0): "▶", (-1, 0): "◀", (0, 1): "▼", (0, -1): "▲"}
TOWARDS = {(1, 0): RIGHT, (-1, 0): LEFT, (0, 1): DOWN, (0, -1): UP}
BACK = {RIGHT: LEFT, LEFT: RIGHT, UP: DOWN, DOWN: UP}
NUDGES = (0, 1, -1, 2, -2, 3, -3)  # a part that would lie on a strange line goes beside it
WAY_CELLS_MAX = 2_000  # a longer way goes straight to its end
CELLS_MAX = 200_000  # of all ways: when they are used up, the ways after them are left out
LOOKS_MAX = 200_000  # at cells and at ways on them, to find a place beside strange lines: when they are used up, no more is moved


@dataclass(frozen=True, slots=True)
class Way:
    """A line from one element to another, by its corners. Each two of them share their column or their row."""

    source: str
    target: str
    corners: tuple[Cell, ...]

    def is_kin(self, other: "Way") -> bool:
        """Whether the two may lie on each other: they begin or end at the same element."""
        return self.source == other.source or self.target == other.target


class Lines:
    """The ways of a drawing. Files come from strangers, so how many cells are drawn and looked at has a bound."""

    left_out: int  # ways for which there were too many cells

    def __init__(self) -> None:
        self.left_out = 0
        self._cells_left = CELLS_MAX
        self._looks_left = LOOKS_MAX
        self._at: dict[Cell, list[tuple[Way, int]]] = {}
        self._heads: dict[Cell, str] = {}

    def add(self, way: Way) -> None:
        """Draw a way. Its parts between two corners move aside where they would be taken for strange ones."""
        if _length(way.corners) > WAY_CELLS_MAX:
            way = Way(way.source, way.target, rectangular([way.corners[0], way.corners[-1]]))
        self._cells_left -= _length(way.corners)
        if self._cells_left < 0:
            self.left_out += 1
            return
        for place in range(1, len(way.corners) - 2):
            if self._looks_left <= 0:
                break
            way = min((_moved(way, place, by) for by in NUDGES), key=self._doubt)
        for cell, bits in _directions(way.corners).items():
            self._at.setdefault(cell, []).append((way, bits))
        *_, before, last = (way.corners[0], *cells_of(way.corners))
        self._heads[last] = HEADS.get((last[0] - before[0], last[1] - before[1]), "▶")

    def _doubt(self, way: Way) -> int:
        """Return how many cells of a way lie on strange ones, apart from those that are only crossed."""
        doubt = 0
        for cell, bits in _directions(way.corners).items():
            passing = self._at.get(cell, ())
            self._looks_left -= 1 + len(passing)
            doubt += sum({bits, other} != {ACROSS, UPRIGHT} for one, other in passing if not way.is_kin(one))
        return doubt

    def signs(self) -> Iterator[tuple[Cell, str]]:
        """Give the sign of each cell: where ways only cross, the upright one is whole."""
        for cell, passing in self._at.items():
            each = {bits for _, bits in passing}
            yield cell, "│" if each == {ACROSS, UPRIGHT} else SIGNS[reduce(or_, each)]
        yield from self._heads.items()


def _moved(way: Way, place: int, by: int) -> Way:
    """Return a way whose part between the corners *place* and the next one lies beside itself."""
    corners = list(way.corners)
    across, down = (by, 0) if corners[place][0] == corners[place + 1][0] else (0, by)
    for one in (place, place + 1):
        corners[one] = (corners[one][0] + across, corners[one][1] + down)
    return Way(way.source, way.target, tuple(corners))


def _directions(corners: Sequence[Cell]) -> dict[Cell, int]:
    """Return where a line goes on from each of its cells: from the first also to the element that it comes from."""
    cells = list(cells_of(corners))
    directions = dict.fromkeys(cells, 0)
    for (column, row), (to_column, to_row) in pairwise(cells):
        towards = TOWARDS[to_column - column, to_row - row]
        directions[column, row] |= towards
        directions[to_column, to_row] |= BACK[towards]
    directions[cells[0]] |= BACK.get(directions[cells[0]], LEFT)
    return directions


def _length(corners: Sequence[Cell]) -> int:
    return 1 + sum(abs(one[0] - other[0]) + abs(one[1] - other[1]) for one, other in pairwise(corners))


def cells_of(corners: Iterable[Cell]) -> Iterator[Cell]:
    """Give each cell on the way from corner to corner."""
    last: Cell | None = None
    for corner in corners:
        if last is None:
            yield corner
        while last is not None and last != corner:
            column, row = last
            across = (corner[0] > column) - (corner[0] < column)
            last = (column + across, row) if across else (column, row + (1 if corner[1] > row else -1))
            yield last
        last = corner


def rectangular(points: Sequence[Cell]) -> tuple[Cell, ...]:
    """Put corners between points that share neither column nor row, and leave out those that are none."""
    corners: list[Cell] = [points[0]]
    for column, row in points[1:]:
        last_column, last_row = corners[-1]
        if column != last_column and row != last_row:
            middle = (column + last_column) // 2
            corners += [(middle, last_row), (middle, row)]
        corners.append((column, row))
    kept: list[Cell] = []
    for corner in corners:
        if kept and corner == kept[-1]:
            continue
        while len(kept) > 1 and _is_straight(kept[-2], kept[-1], corner):
            kept.pop()
        kept.append(corner)
    return tuple(kept)


def _is_straight(first: Cell, middle: Cell, last: Cell) -> bool:
    return any(first[axis] == middle[axis] == last[axis] for axis in (0, 1))
