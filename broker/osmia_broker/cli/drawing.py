"""Draw a process as text: its elements where the file has them, its flows as lines, and the tokens of an instance.

Below stand the ways out of a gateway, each with what it is taken for: on its line there is seldom room for it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from textwrap import wrap
from typing import Any

from osmia_broker.base.untrusted_xml import read
from osmia_broker.cli.drawn_lines import Cell, Lines, Way, rectangular
from osmia_broker.model.diagrams import flow_nodes, with_diagram
from osmia_broker.model.xml import BPMN, name

BPMNDI = "{http://www.omg.org/spec/BPMN/20100524/DI}"
DC = "{http://www.omg.org/spec/DD/20100524/DC}"
DI = "{http://www.omg.org/spec/DD/20100524/DI}"
COLUMN, ROW = 7.0, 20.0  # the points that a character stands for: a task is 14 wide and 4 high
COLUMNS_MAX, ROWS_MAX = 500, 400
TOKENS_NAMED = 3  # beyond it the number is written
REASON_CHARACTERS_MAX = 60  # of what a way is taken for
SCOPES = ("subProcess", "transaction", "adHocSubProcess")
SIGNS = {"exclusiveGateway": "x", "parallelGateway": "+", "inclusiveGateway": "o", "eventBasedGateway": "*"}


@dataclass(frozen=True, slots=True)
class _Box:
    """The cells of an element: of an event and a gateway one row, of all others a frame."""

    left: int
    top: int
    right: int
    bottom: int

    def contains(self, other: "_Box") -> bool:
        return (
            self.left < other.left and other.right < self.right and self.top < other.top and other.bottom < self.bottom
        )

    def beside(self, at: Cell, to: Cell) -> Cell:
        """Return the free cell at which a line touches, that comes near at *at* and goes on to (or comes from) *to*."""
        column, row = at
        is_low = self.top == self.bottom
        inside = self.top if is_low else min(max(row, self.top + 1), self.bottom - 1)
        if to[1] == row or self.left <= to[0] <= self.right < self.left:
            return (self.right + 1 if to[0] > column else self.left - 1), inside
        if to[0] == column and self.left <= column <= self.right:
            return column, (self.bottom + 1 if to[1] > row else self.top - 1)
        return (self.right + 1 if to[0] > self.right else self.left - 1), inside


class _Canvas:
    """Characters at places. What lies outside is left out."""

    def __init__(self) -> None:
        self._at: dict[Cell, str] = {}

    def put(self, column: int, row: int, text: str) -> None:
        for step, letter in enumerate(text):
            if 0 <= column + step < COLUMNS_MAX and 0 <= row < ROWS_MAX:
                self._at[column + step, row] = letter

    def room(self, column: int, row: int) -> int:
        """Return how many cells are free from here to the right."""
        return next(
            (step for step in range(COLUMNS_MAX) if self._at.get((column + step, row), " ") != " "), COLUMNS_MAX
        )

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
    boxes = {id: box for id, box in _boxes(root, nodes) if id in nodes}
    canvas = _Canvas()
    hosts = _hosts(root)
    scopes = [id for id, box in boxes.items() if nodes[id].tag in SCOPES and any(map(box.contains, boxes.values()))]
    for id in sorted(scopes, key=lambda one: boxes[one].left - boxes[one].right):  # the outer ones first
        _draw_frame(canvas, boxes[id], nodes[id], _marks(tokens.get(id, "")), is_full=True)
    for (column, row), sign in _lines(root, boxes).signs():
        canvas.put(column, row, sign)
    others = [id for id in boxes if id not in scopes]
    others.sort(key=lambda one: nodes[one].tag == "boundaryEvent")  # it stands on the frame of its activity
    for id in others:
        _draw_node(canvas, boxes[id], nodes[id], _marks(tokens.get(id, "")), is_full=id in hosts)
    for id in others:
        if _is_low(nodes[id].tag):
            _draw_title(canvas, boxes[id], nodes[id])
    placeless = [f"{marks} {id}" for id, marks in tokens.items() if id not in boxes and id != process_id]
    return "\n".join(filter(None, [canvas.text(), *_reasons(root, nodes), *placeless]))


def _marks(tokens: str) -> str:
    if len(tokens) <= TOKENS_NAMED:
        return tokens
    stopped = tokens.count("!")
    return f"●{len(tokens) - stopped}" + (f"!{stopped}" if stopped else "")


def _is_low(tag: str) -> bool:
    return tag.lower().endswith(("event", "gateway"))


def _boxes(root: Any, nodes: dict[str, Any]) -> Iterator[tuple[str, _Box]]:
    for shape in root.iter(f"{BPMNDI}BPMNShape"):
        id, bounds = shape.get("bpmnElement", ""), shape.find(f"{DC}Bounds")
        if bounds is None or id not in nodes:
            continue
        x, y, width, height = (float(bounds.get(key, "0")) for key in ("x", "y", "width", "height"))
        left, right = round(x / COLUMN), round((x + width) / COLUMN) - 1
        if _is_low(nodes[id].tag):
            middle = round((y + height / 2) / ROW)
            yield id, _Box(left, middle, max(right, left + 2), middle)
        else:
            top, bottom = round(y / ROW), round((y + height) / ROW)
            yield id, _Box(left, top, max(right, left + 5), max(bottom, top + 2))


def _lines(root: Any, boxes: dict[str, _Box]) -> Lines:
    """Draw each line from the edge of one element to that of another; one to something else, such as a text, is left out."""
    ends = {one.get("id"): (one.get("sourceRef"), one.get("targetRef")) for one in root.iter() if one.get("sourceRef")}
    lines = Lines()
    for edge in root.iter(f"{BPMNDI}BPMNEdge"):
        points = [_place(point) for point in edge.iter(f"{DI}waypoint")]
        source, target = ends.get(edge.get("bpmnElement"), ("", ""))
        if len(points) < 2 or source not in boxes or target not in boxes:
            continue
        first = boxes[source].beside(points[0], points[1])
        last = boxes[target].beside(points[-1], points[-2])
        lines.add(Way(source, target, rectangular([first, *points[1:-1], last])))
    return lines


def _place(point: Any) -> Cell:
    return round(float(point.get("x", "0")) / COLUMN), round(float(point.get("y", "0")) / ROW)


def _hosts(root: Any) -> set[str]:
    """Return the activities that have boundary events."""
    return {one.get("attachedToRef", "") for one in root.iter(name(BPMN, "boundaryEvent"))}


def _draw_frame(canvas: _Canvas, box: _Box, node: Any, marks: str, *, is_full: bool = False) -> None:
    """Draw a frame with the name in its middle; of one that *is_full* of other things, at its top."""
    inner = box.right - box.left - 1
    canvas.put(box.left, box.top, "┌" + "─" * inner + "┐")
    for row in range(box.top + 1, box.bottom):
        canvas.put(box.left, row, "│" + " " * inner + "│")
    canvas.put(box.left, box.bottom, "└" + "─" * inner + "┘")
    rows = max(box.bottom - box.top - 1 - is_full, 1)
    lines = wrap(node.name or node.id, inner)[:rows]
    for row, line in enumerate(lines, 0 if is_full else (rows - len(lines)) // 2):
        canvas.put(box.left + 1, box.top + 1 + row, line)
    canvas.put(box.right - len(marks), box.top, marks)


def _draw_node(canvas: _Canvas, box: _Box, node: Any, marks: str, *, is_full: bool) -> None:
    if not _is_low(node.tag):
        _draw_frame(canvas, box, node, marks, is_full=is_full)
        return
    is_event = node.tag.lower().endswith("event")
    inside = marks if is_event else marks or SIGNS.get(node.tag, "?")
    opening, closing = "()" if is_event else "<>"
    canvas.put(box.left, box.top, f"{opening}{inside.center(box.right - box.left - 1)}{closing}")


def _draw_title(canvas: _Canvas, box: _Box, node: Any) -> None:
    """Write the name of an event or a gateway where there is room: below it, or above; that of a boundary event in its activity."""
    title = node.name or (node.id if node.tag.lower().endswith("event") else "")
    most = 2 * (box.right - box.left) + 4
    rows = (box.top - 1,) if node.tag == "boundaryEvent" else (box.top + 1, box.top - 1)
    rooms = {row: min(canvas.room(box.left, row) - 1, most) for row in rows}
    row = max(rows, key=lambda one: min(rooms[one], len(title)))  # the first of those with room for it all
    canvas.put(box.left, row, _cut(title, rooms[row]))


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…" if most > 1 else ""


def _reasons(root: Any, nodes: dict[str, Any]) -> Iterator[str]:
    """Give a line for each way out of a gateway that chooses: what it is taken for, and where it leads."""
    by_source: dict[str, list[Any]] = {}
    for flow in root.iter(name(BPMN, "sequenceFlow")):
        by_source.setdefault(flow.get("sourceRef", ""), []).append(flow)
    defaults = {one.get("default") for one in root.iter() if one.get("default")}
    for id, node in nodes.items():
        flows = by_source.get(id, [])
        if len(flows) < 2 or node.tag not in ("exclusiveGateway", "inclusiveGateway"):
            continue
        title = f"{node.name or id}: "
        for number, flow in enumerate(flows):
            target = nodes.get(flow.get("targetRef", ""))
            condition = flow.find(name(BPMN, "conditionExpression"))
            text = "" if condition is None else " ".join((condition.text or "").split()).removeprefix("=").strip()
            reason = flow.get("name") or text or ("else" if flow.get("id") in defaults else "")
            reason = _cut(reason, REASON_CHARACTERS_MAX)
            lead = title if number == 0 else " " * len(title)
            yield f"{lead}{reason + ' ' if reason else ''}▶ {(target.name or target.id) if target else flow.get('targetRef')}"
