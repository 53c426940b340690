"""Draw a process as text: its elements where the file has them, its flows as lines, and the tokens of an instance.

Below stand the ways out of a gateway, each with what it is taken for: on its line there is seldom room for it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import isnan, nan
from textwrap import dedent, wrap
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
BEYOND = 10  # cells around these: what lies farther away is taken to lie there, so that no line is followed to it
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
        self._rows = [[" "] * COLUMNS_MAX for _ in range(ROWS_MAX)]

    def put(self, column: int, row: int, text: str) -> None:
        seen = text[max(-column, 0) : max(COLUMNS_MAX - column, 0)]
        if seen and 0 <= row < ROWS_MAX:
            first = max(column, 0)
            self._rows[row][first : first + len(seen)] = seen

    def room(self, column: int, row: int, most: int) -> int:
        """Return how many cells are free from here to the right, up to *most*."""
        if not 0 <= row < ROWS_MAX:
            return most
        places = range(max(column, 0), min(column + most, COLUMNS_MAX))
        return next((place - column for place in places if self._rows[row][place] != " "), most)

    def text(self) -> str:
        lines = "\n".join("".join(row).rstrip() for row in self._rows)
        return dedent(lines).strip("\n")


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
    scopes = _scopes(root, nodes, boxes)
    for id in sorted(scopes, key=lambda one: boxes[one].left - boxes[one].right):  # the outer ones first
        _draw_frame(canvas, boxes[id], nodes[id], _marks(tokens.get(id, "")), is_full=True)
    lines = _lines(root, boxes)
    for (column, row), sign in lines.signs():
        canvas.put(column, row, sign)
    others = [id for id in boxes if id not in scopes]
    others.sort(key=lambda one: nodes[one].tag == "boundaryEvent")  # it stands on the frame of its activity
    for id in others:
        _draw_node(canvas, boxes[id], nodes[id], _marks(tokens.get(id, "")), is_full=id in hosts)
    for id in others:
        if _is_low(nodes[id].tag):
            _draw_title(canvas, boxes[id], nodes[id])
    seen = {id for id, box in boxes.items() if 0 <= box.right < COLUMNS_MAX and 0 <= box.top < ROWS_MAX}
    placeless = [f"{marks} {id}" for id, marks in tokens.items() if id not in seen and id != process_id]
    left_out = f"Flows that are not drawn, because there are too many: {lines.left_out}" if lines.left_out else ""
    return "\n".join(filter(None, [canvas.text(), left_out, *_reasons(root, nodes), *placeless]))


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
        x, y, width, height = (_number(bounds, key) for key in ("x", "y", "width", "height"))
        left, right = _column(x), _column(x + width) - 1
        if _is_low(nodes[id].tag):
            middle = _row(y + height / 2)
            yield id, _Box(left, middle, max(right, left + 2), middle)
        else:
            top, bottom = _row(y), _row(y + height)
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
    return _column(_number(point, "x")), _row(_number(point, "y"))


def _number(node: Any, key: str) -> float:
    try:
        return float(node.get(key, "0"))
    except ValueError:
        return nan


def _column(x: float) -> int:
    return round(_within(x / COLUMN, COLUMNS_MAX))


def _row(y: float) -> int:
    return round(_within(y / ROW, ROWS_MAX))


def _within(place: float, most: int) -> float:
    """Return *place*, or the end of what is looked at if it lies beyond that; what is no number lies outside."""
    return -BEYOND if isnan(place) else min(max(place, -BEYOND), most + BEYOND)


def _scopes(root: Any, nodes: dict[str, Any], boxes: dict[str, _Box]) -> list[str]:
    """Return the subprocesses in whose frame something of them is drawn."""
    inner: dict[str, list[_Box]] = {}
    for parent in root.iter():
        inner.setdefault(parent.get("id", ""), []).extend(
            boxes[one.get("id")] for one in parent if one.get("id") in boxes
        )
    return [id for id, box in boxes.items() if nodes[id].tag in SCOPES and any(map(box.contains, inner.get(id, ())))]


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
    rooms = {row: canvas.room(box.left, row, most + 1) - 1 for row in rows}
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
