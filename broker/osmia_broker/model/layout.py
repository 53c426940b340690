"""Places boxes and arrows from left to right, so that a model without diagram data can be drawn.

The way is that of Sugiyama, Tagawa and Toda: turn the arrows of circles round, give each box a column, keep a lane free for arrows that
pass columns, order each column by its neighbours, then set the heights. Parts that no arrow connects stand below each other.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

COLUMN_GAP = 60.0
ROW_GAP = 50.0  # room for the boundary events of the box above, and for names
LANE_GAP = 24.0  # beside an arrow that passes a column
CHANNEL = 24.0  # between two arrows that lead back, below everything
DESCENT = 20.0  # an arrow of a boundary event goes down that far before it turns
SWEEPS = 5  # over the order of the columns, the last one from the left; more changed nothing in the models tried
LANES_MAX = 20_000  # beyond it, arrows that pass columns go straight

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Arrow:
    """An arrow between two boxes. *departs* is the point on the lower edge where it begins, from the box's corner; None: its right side."""

    id: str
    source: str
    target: str
    departs: Point | None = None


@dataclass(slots=True)
class Drawing:
    """The corner of each box, the points of each arrow, and the size of it all."""

    corners: dict[str, Point] = field(default_factory=dict)
    routes: dict[str, list[Point]] = field(default_factory=dict)
    width: float = 0.0
    height: float = 0.0


def lay_out(sizes: dict[str, Point], arrows: Sequence[Arrow]) -> Drawing:
    """Place boxes with these sizes (width, height)."""
    drawing = Drawing()
    for boxes, own in _parts(sizes, arrows):
        part = _Part({id: sizes[id] for id in boxes}, own).drawn()
        top = drawing.height + ROW_GAP if drawing.corners else 0.0
        drawing.corners |= {id: (x, y + top) for id, (x, y) in part.corners.items()}
        drawing.routes |= {id: [(x, y + top) for x, y in points] for id, points in part.routes.items()}
        drawing.width = max(drawing.width, part.width)
        drawing.height = top + part.height
    return drawing


def _parts(sizes: dict[str, Point], arrows: Sequence[Arrow]) -> Iterable[tuple[list[str], list[Arrow]]]:
    """Group what arrows connect, in the order of the boxes."""
    owner = {id: id for id in sizes}

    def find(id: str) -> str:
        while owner[id] != id:
            owner[id] = owner[owner[id]]
            id = owner[id]
        return id

    for arrow in arrows:
        owner[find(arrow.target)] = find(arrow.source)
    boxes: dict[str, list[str]] = defaultdict(list)
    for id in sizes:
        boxes[find(id)].append(id)
    inside: dict[str, list[Arrow]] = defaultdict(list)
    for arrow in arrows:
        inside[find(arrow.source)].append(arrow)
    for first, some in boxes.items():
        yield some, inside[first]


class _Part:
    """Connected boxes. A lane, which an arrow needs to pass a column, is a box without size."""

    def __init__(self, sizes: dict[str, Point], arrows: Sequence[Arrow]) -> None:
        self.sizes = dict(sizes)
        self.arrows = arrows
        self.lower = {arrow.target for arrow in arrows if arrow.departs is not None}  # they are reached from below
        self.backward = _backward(sizes, arrows)
        self.column = self._columns()
        self.ways: dict[str, list[str]] = {}  # the boxes and lanes of each forward arrow, by its id
        self.lanes: list[str] = []
        self._add_lanes()
        self.columns = self._ordered()
        self.center = self._heights()  # of each box and lane

    def drawn(self) -> Drawing:
        """Draw the part with its corner at (0, 0)."""
        lefts, edge = [], 0.0
        for column in self.columns:
            lefts.append(edge)
            edge += max((self.sizes[id][0] for id in column), default=0.0) + COLUMN_GAP
        tops = [self.center[id] - self.sizes[id][1] / 2 for id in self.sizes]
        top, bottom = min(tops), max(self.center[id] + self.sizes[id][1] / 2 for id in self.sizes)
        self.center = {id: at - top for id, at in self.center.items()}
        drawing = Drawing(width=max(edge - COLUMN_GAP, 0.0), height=bottom - top)
        ends = [*(left - COLUMN_GAP for left in lefts[1:]), drawing.width]
        for id, (width, height) in self.sizes.items():
            left, right = lefts[self.column[id]], ends[self.column[id]]
            drawing.corners[id] = (left + (right - left - width) / 2, self.center[id] - height / 2)
        for lane in self.lanes:
            del drawing.corners[lane]
        for arrow in self.arrows:
            self._route(arrow, drawing, ends)
        if self.backward:
            drawing.height += CHANNEL * len(self.backward) + DESCENT
        return drawing

    def _columns(self) -> dict[str, int]:
        """Give each box the first column behind all boxes that lead to it."""
        following: dict[str, list[str]] = defaultdict(list)
        missing = dict.fromkeys(self.sizes, 0)
        for arrow in self.arrows:
            if arrow.id not in self.backward:
                following[arrow.source].append(arrow.target)
                missing[arrow.target] += 1
        column = dict.fromkeys(self.sizes, 0)
        ready = [id for id, number in missing.items() if not number]
        for id in ready:  # it grows on the way
            for target in following[id]:
                column[target] = max(column[target], column[id] + 1)
                missing[target] -= 1
                if not missing[target]:
                    ready.append(target)
        return column

    def _add_lanes(self) -> None:
        for arrow in self.arrows:
            if arrow.id in self.backward:
                continue
            passed = range(self.column[arrow.source] + 1, self.column[arrow.target])
            way = [arrow.source]
            for column in passed if len(self.lanes) + len(passed) <= LANES_MAX else ():
                lane = f"{arrow.id}\0{column}"  # no id has this character
                self.lanes.append(lane)
                self.sizes[lane] = (0.0, 0.0)
                self.column[lane] = column
                way.append(lane)
            self.ways[arrow.id] = [*way, arrow.target]

    def _ordered(self) -> list[list[str]]:
        """Order each column by the places of its neighbours, from left to right and back."""
        columns: list[list[str]] = [[] for _ in range(max(self.column.values()) + 1)]
        for id in self.sizes:
            columns[self.column[id]].append(id)
        before, after = self._neighbours()
        for sweep in range(SWEEPS):
            neighbours = after if sweep % 2 else before
            place: dict[str, float] = {}  # of the boxes that are sorted already, from 0 to 1
            for column in reversed(columns) if sweep % 2 else columns:
                self._sort(column, neighbours, place)
                place |= {id: at / len(column) for at, id in enumerate(column)}
        return columns

    def _sort(self, column: list[str], neighbours: dict[str, list[str]], place: dict[str, float]) -> None:
        """Sort the boxes of a column by the mean place of their neighbours; those without one keep their own place."""
        if len(column) < 2:
            return
        mean = {}
        for at, id in enumerate(column):
            known = [place[other] for other in neighbours[id] if other in place]
            mean[id] = sum(known) / len(known) if known else at / len(column)
        column.sort(key=lambda one: (mean[one], one in self.lower))

    def _neighbours(self) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
        before: dict[str, list[str]] = defaultdict(list)
        after: dict[str, list[str]] = defaultdict(list)
        for way in self.ways.values():
            for one, other in pairwise(way):
                after[one].append(other)
                before[other].append(one)
        return before, after

    def _heights(self) -> dict[str, float]:
        """Set each box as near to the middle of its neighbours as the order of its column allows."""
        before, after = self._neighbours()
        center: dict[str, float] = {}
        for column in self.columns:
            self._settle(column, before, center)
        for column in reversed(self.columns):
            self._settle(column, after, center)
        for column in self.columns:
            self._settle(column, before, center)
        return center

    def _settle(self, column: list[str], neighbours: dict[str, list[str]], center: dict[str, float]) -> None:
        """Give the boxes of a column the nearest heights to the wanted ones that leave the gaps (a regression that keeps the order)."""
        offset, previous = 0.0, ""
        blocks: list[tuple[float, list[tuple[str, float]]]] = []
        for id in column:
            if previous:
                is_lane = not (self.sizes[previous][1] and self.sizes[id][1])
                offset += (self.sizes[previous][1] + self.sizes[id][1]) / 2 + (LANE_GAP if is_lane else ROW_GAP)
            previous = id
            found = [center[other] for other in neighbours[id] if other in center]
            wanted = (sum(found) / len(found) if found else center.get(id, offset)) - offset
            block: tuple[float, list[tuple[str, float]]] = (wanted, [(id, offset)])
            while blocks and blocks[-1][0] > block[0]:
                mean, members = blocks.pop()
                size, more = len(members), len(block[1])
                block = ((mean * size + block[0] * more) / (size + more), [*members, *block[1]])
            blocks.append(block)
        for mean, members in blocks:
            for id, at in members:
                center[id] = mean + at

    def _route(self, arrow: Arrow, drawing: Drawing, ends: list[float]) -> None:
        left, top = drawing.corners[arrow.source]
        width, height = self.sizes[arrow.source]
        points = [(left + width, top + height / 2)]
        if arrow.departs is not None:
            x, y = left + arrow.departs[0], top + arrow.departs[1]
            points = [(x, y), (x, y + DESCENT)]
        if arrow.id in self.backward:
            points += self._way_back(arrow, drawing, ends, points[-1])
        else:
            for id in self.ways[arrow.id][1:]:
                turn = ends[self.column[id] - 1] + COLUMN_GAP / 2
                level = self.center[id]
                points += [(turn, points[-1][1]), (turn, level)]
            points.append((drawing.corners[arrow.target][0], self.center[arrow.target]))
        drawing.routes[arrow.id] = _straight(points)

    def _way_back(self, arrow: Arrow, drawing: Drawing, ends: list[float], start: Point) -> list[Point]:
        """Lead an arrow back below everything, and down and up between the columns."""
        number = self.backward[arrow.id]
        channel = drawing.height + DESCENT + CHANNEL * number
        down = ends[self.column[arrow.source]] + COLUMN_GAP / 4
        left, level = drawing.corners[arrow.target][0], self.center[arrow.target]
        up = ends[self.column[arrow.target] - 1] + COLUMN_GAP * 3 / 4 if self.column[arrow.target] else -COLUMN_GAP / 4
        return [(down, start[1]), (down, channel), (up, channel), (up, level), (left, level)]


def _backward(sizes: dict[str, Point], arrows: Sequence[Arrow]) -> dict[str, int]:
    """Find the arrows that close a circle, and number them: those that lead to a box from which the search has come."""
    outgoing: dict[str, list[Arrow]] = defaultdict(list)
    has_incoming: set[str] = set()
    for arrow in arrows:
        outgoing[arrow.source].append(arrow)
        has_incoming.add(arrow.target)
    found: dict[str, int] = {}
    open_boxes: set[str] = set()
    done: set[str] = set()
    for root in sorted(sizes, key=lambda one: one in has_incoming):
        if root in done:
            continue
        path = [(root, iter(outgoing[root]))]
        open_boxes.add(root)
        while path:
            id, rest = path[-1]
            following = next(rest, None)
            if following is None:
                path.pop()
                open_boxes.discard(id)
                done.add(id)
            elif following.target in open_boxes:
                found[following.id] = len(found)
            elif following.target not in done:
                open_boxes.add(following.target)
                path.append((following.target, iter(outgoing[following.target])))
    return found


def _straight(points: list[Point]) -> list[Point]:
    """Leave out points that change nothing."""
    kept: list[Point] = []
    for point in points:
        if kept and kept[-1] == point:
            continue
        if len(kept) > 1 and (kept[-2][0] == kept[-1][0] == point[0] or kept[-2][1] == kept[-1][1] == point[1]):
            kept.pop()
        kept.append(point)
    return kept
