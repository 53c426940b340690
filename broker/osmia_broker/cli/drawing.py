"""Draw a process as text: its elements where the file has them, its flows as lines, and the tokens of an instance."""

from dataclasses import dataclass
from itertools import pairwise
from textwrap import wrap
from typing import Any

from osmia_broker.base.untrusted_xml import read
from osmia_broker.model.diagrams import flow_nodes, with_diagram

BPMNDI = "{http://www.omg.org/spec/BPMN/20100524/DI}"
DC = "{http://www.omg.org/spec/DD/20100524/DC}"
DI = "{http://www.omg.org/spec/DD/20100524/DI}"
COLUMN, ROW = 7.0, 27.0  # the points that a character stands for: a task is 14 wide and 3 high
COLUMNS_MAX, ROWS_MAX = 500, 400
TOKENS_NAMED = 3  # beyond it the number is written


@dataclass(frozen=True, slots=True)
class _Box:
    left: int
    top: int
    right: int
    bottom: int


class _Canvas:
    """Characters at places. What lies outside is left out."""

    def __init__(self) -> None:
        self._at: dict[tuple[int, int], str] = {}

    def put(self, column: int, row: int, text: str) -> None:
        for step, letter in enumerate(text):
            if 0 <= column + step < COLUMNS_MAX and 0 <= row < ROWS_MAX:
                self._at[column + step, row] = letter

    def text(self) -> str:
        if not self._at:
            return ""
        rows = range(min(row for _, row in self._at), max(row for _, row in self._at) + 1)
        first, last = min(column for column, _ in self._at), max(column for column, _ in self._at)
        lines = ("".join(self._at.get((column, row), " ") for column in range(first, last + 1)) for row in rows)
        return "\n".join(line.rstrip() for line in lines)


def draw(xml: bytes, process_id: str, tokens: dict[str, str]) -> str:
    """Draw a process. *tokens* has a character for each token by the id of its element; those of elements without a place stand below.

    Raises:
        Unreadable: it is no XML.
    """
    content = with_diagram(xml, process_id)
    root = read(content)
    nodes = {node.id: node for node in flow_nodes(content, process_id)}
    boxes = {shape.get("bpmnElement", ""): _box(shape) for shape in root.iter(f"{BPMNDI}BPMNShape")}
    canvas = _Canvas()
    for edge in root.iter(f"{BPMNDI}BPMNEdge"):
        _draw_line(canvas, [_place(point) for point in edge.iter(f"{DI}waypoint")])
    placed = [(box, id) for id, box in boxes.items() if box is not None and id in nodes]
    for box, id in sorted(placed, key=lambda one: one[0].left - one[0].right):  # a subprocess before what stands in it
        _draw_node(canvas, box, nodes[id], _marks(tokens.get(id, "")))
    drawn = {id for _, id in placed}
    others = [f"{marks} {id}" for id, marks in tokens.items() if id not in drawn and id != process_id]
    return "\n".join(filter(None, [canvas.text(), *others]))


def _marks(tokens: str) -> str:
    if len(tokens) <= TOKENS_NAMED:
        return tokens
    stopped = tokens.count("!")
    return f"●{len(tokens) - stopped}" + (f"!{stopped}" if stopped else "")


def _box(shape: Any) -> _Box | None:
    bounds = shape.find(f"{DC}Bounds")
    if bounds is None:
        return None
    x, y, width, height = (float(bounds.get(name, "0")) for name in ("x", "y", "width", "height"))
    return _Box(round(x / COLUMN), round(y / ROW), round((x + width) / COLUMN), round((y + height) / ROW))


def _place(point: Any) -> tuple[int, int]:
    return round(float(point.get("x", "0")) / COLUMN), round(float(point.get("y", "0")) / ROW)


def _draw_line(canvas: _Canvas, points: list[tuple[int, int]]) -> None:
    for (column, row), (to_column, to_row) in pairwise(points):
        for one in range(min(column, to_column), max(column, to_column) + 1):
            canvas.put(one, row, "─")
        for one in range(min(row, to_row), max(row, to_row) + 1):
            if row != to_row:
                canvas.put(to_column, one, "│")
        if row != to_row and column != to_column:
            canvas.put(to_column, row, "┐" if to_row > row else "┘")
    if len(points) > 1:
        (column, row), (to_column, to_row) = points[-2:]
        arrow = "▶" if to_column > column else "◀" if to_column < column else "▼" if to_row > row else "▲"
        canvas.put(to_column - (arrow == "▶") + (arrow == "◀"), to_row, arrow)


def _draw_node(canvas: _Canvas, box: _Box, node: Any, marks: str) -> None:
    middle, width = (box.top + box.bottom) // 2, max(box.right - box.left - 2, 1)
    title = node.name or node.id
    if node.tag.lower().endswith("event"):
        canvas.put(box.left, middle, f"({marks.center(width)})")
        canvas.put(box.left, middle + 1, title[: 2 * width + 4])
    elif node.tag.lower().endswith("gateway"):
        canvas.put(box.left, middle, f"<{(marks or SIGNS.get(node.tag, '?')).center(width)}>")
    else:
        inner = max(box.right - box.left - 1, 4)
        canvas.put(box.left, box.top, "┌" + "─" * inner + "┐")
        for row in range(box.top + 1, max(box.bottom, box.top + 2)):
            canvas.put(box.left, row, "│" + " " * inner + "│")
        canvas.put(box.left, max(box.bottom, box.top + 2), "└" + "─" * inner + "┘")
        rows = max(box.bottom - box.top - 1, 1)
        for row, line in enumerate(wrap(title, inner)[:rows]):
            canvas.put(box.left + 1, box.top + 1 + row, line)
        canvas.put(box.right - len(marks), box.top, marks)


SIGNS = {"exclusiveGateway": "x", "parallelGateway": "+", "inclusiveGateway": "o", "eventBasedGateway": "*"}
