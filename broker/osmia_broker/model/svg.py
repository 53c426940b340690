"""Draw a process as SVG, from the diagram data of its file, with the tokens and the path of an instance. Nothing but the file is needed.

The looks are those of BPMN 2.0, clause 7: thin circles begin, thick ones end, double ones are in between, boxes are work, diamonds divide. A
badge at a corner has the number of tokens; a title beside it says the same in words.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from math import isfinite
from textwrap import wrap
from typing import Any

from lxml import etree

from osmia_broker.base.untrusted_xml import read
from osmia_broker.model.diagrams import BPMNDI, DC, DI, SIZES, TASK, with_diagram
from osmia_broker.model.xml import BPMN, Node, local_name, name, namespace

SVG = "http://www.w3.org/2000/svg"
NAMESPACES: dict[Any, str] = {None: SVG}
MARGIN, PLACE_MAX = 24.0, 1e6  # around the drawing; a place further out is none
LINE, CHARACTER = 14.0, 6.6  # the height of a line of text, and the width of a letter in it
LINES_MAX, TITLE_MAX = 4, 200
BADGE = 11.0  # the radius of a badge
STYLE = """
text { font: 12px system-ui, "Segoe UI", Roboto, sans-serif; fill: #1f2430 }
.node { fill: #fff; stroke: #3b4252; stroke-width: 1.6 }
.thick { stroke-width: 3.6 } .inner { fill: none } .group { fill: #f7f8fa; fill-opacity: .6 }
.flow { fill: none; stroke: #7b8494; stroke-width: 1.4 } .taken { stroke: #1b7f4d; stroke-width: 2.8 }
.arrow { fill: #7b8494 } .arrow-taken { fill: #1b7f4d }
.mark { fill: none; stroke: #3b4252; stroke-width: 1.4 } .sign { font-size: 20px; font-weight: 700; text-anchor: middle }
.name { text-anchor: middle } .has-active { stroke: #1b7f4d; stroke-width: 2.6 } .has-incident { stroke: #c0262d; stroke-width: 2.6 }
.badge.active { fill: #1b7f4d } .badge.incident { fill: #c0262d } .number { fill: #fff; font-weight: 700; text-anchor: middle }
"""
SIGNS = {"exclusiveGateway": "×", "parallelGateway": "+", "inclusiveGateway": "○", "eventBasedGateway": "⬠"}  # noqa: RUF001 - the sign of the gateway
WORK_SIGNS = {
    "userTask": "M7 16 v-3 q0 -3 4 -3 q4 0 4 3 v3 z M11 10 a3 3 0 1 1 .1 0",
    "serviceTask": "M11 7 a4 4 0 1 1 -.1 0 M11 4 v3 M11 15 v3 M4 11 h3 M15 11 h3 M6 6 l2 2 M14 14 l2 2 M16 6 l-2 2 M6 16 l2 -2",
    "sendTask": "M5 7 h12 v9 h-12 z M5 7 l6 5 l6 -5",
    "receiveTask": "M5 7 h12 v9 h-12 z M5 7 l6 5 l6 -5",
    "scriptTask": "M8 5 h8 q-4 6 0 12 h-8 q-4 -6 0 -12 M9 9 h4 M9 13 h4",
    "businessRuleTask": "M5 6 h12 v10 h-12 z M5 9 h12 M9 9 v7",
}
TRIGGER_SIGNS = {
    "timerEventDefinition": "M0 -8 a8 8 0 1 1 -.1 0 M0 -5 v5 l4 2",
    "messageEventDefinition": "M-8 -5 h16 v10 h-16 z M-8 -5 l8 6 l8 -6",
    "signalEventDefinition": "M0 -8 l8 13 h-16 z",
    "errorEventDefinition": "M-7 7 l4 -13 l6 8 l4 -9 l-4 13 l-6 -8 z",
    "escalationEventDefinition": "M0 -8 l6 14 l-6 -6 l-6 6 z",
    "conditionalEventDefinition": "M-6 -8 h12 v16 h-12 z M-4 -4 h8 M-4 0 h8 M-4 4 h8",
    "compensateEventDefinition": "M-1 -6 v12 l-7 -6 z M7 -6 v12 l-7 -6 z",
    "terminateEventDefinition": "M0 -7 a7 7 0 1 1 -.1 0",
    "linkEventDefinition": "M-8 -4 h8 v-4 l8 8 l-8 8 v-4 h-8 z",
}


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens of one element: how many go on, and how many an incident stops."""

    active: int = 0
    incident: int = 0


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle, by its corner and its size."""

    x: float
    y: float
    width: float
    height: float

    @property
    def middle(self) -> tuple[float, float]:
        """Its middle."""
        return self.x + self.width / 2, self.y + self.height / 2


def draw_svg(
    content: bytes, process_id: str, *, tokens: Mapping[str, Tokens] | None = None, taken: Collection[str] = ()
) -> str:
    """Draw a process. *tokens* are by the id of their element, *taken* holds the ids of sequence flows. A file without places gets a layout.

    Raises:
        Unreadable: the file is no XML.

    """
    content = with_diagram(content, process_id)
    root = read(content)
    return _Drawing(root, process_id, dict(tokens or {}), frozenset(taken)).text()


class _Drawing:
    def __init__(self, root: Node, process_id: str, tokens: dict[str, Tokens], taken: frozenset[str]) -> None:
        self._tokens, self._taken = tokens, taken
        self._process_id = process_id
        self._elements = {
            node.get("id", ""): node for node in root.iter() if namespace(node) == BPMN and node.get("id")
        }
        process = self._elements.get(process_id)
        inside = () if process is None else process.iter()
        self._own = {node.get("id", "") for node in inside if namespace(node) == BPMN}
        self._shapes = [
            (id, box, shape)
            for shape in root.iter(name(BPMNDI, "BPMNShape"))
            if (id := _target(shape)) in self._own and (box := _box(shape))
        ]
        self._edges = [
            (id, points, edge)
            for edge in root.iter(name(BPMNDI, "BPMNEdge"))
            if (id := _target(edge)) in self._own and len(points := _points(edge)) > 1
        ]
        self._xs: list[float] = []
        self._ys: list[float] = []

    def text(self) -> str:
        svg = etree.Element(f"{{{SVG}}}svg", {"role": "img"}, nsmap=NAMESPACES)
        heading = _add(svg, "title")
        _add(svg, "style").text = STYLE
        self._add_arrows(_add(svg, "defs"))
        for id, box, _ in sorted(self._shapes, key=lambda one: -one[1].width * one[1].height):
            if _is_scope(self._elements[id]):
                self._add_node(svg, id, box)
        for id, points, edge in self._edges:
            self._add_flow(svg, id, points, edge)
        for id, box, shape in self._shapes:
            if not _is_scope(self._elements[id]):
                self._add_node(svg, id, box)
                self._add_outer_name(svg, id, box, shape)
        for id, box, _ in self._shapes:
            self._add_badges(svg, id, box)
        self._add_tokens_without_place(svg)
        heading.text = self._heading()
        self._frame(svg)
        return etree.tostring(svg, encoding="unicode") + "\n"

    def _heading(self) -> str:
        process = self._elements.get(self._process_id)
        title = (process.get("name") if process is not None else "") or self._process_id
        places = [
            f"{self._title(id)}: {_in_words(tokens)}" for id, tokens in self._tokens.items() if id != self._process_id
        ]
        return f"{title}. {'; '.join(places)}" if places else title

    def _title(self, id: str) -> str:
        node = self._elements.get(id)
        return ((node.get("name") if node is not None else "") or id)[:TITLE_MAX]

    def _see(self, x: float, y: float) -> None:
        self._xs.append(x)
        self._ys.append(y)

    def _frame(self, svg: Node) -> None:
        """Set the part that is shown: everything that was drawn."""
        left, top = min(self._xs, default=0) - MARGIN, min(self._ys, default=0) - MARGIN
        width, height = max(self._xs, default=0) + MARGIN - left, max(self._ys, default=0) + MARGIN - top
        svg.set("viewBox", f"{left:g} {top:g} {width:g} {height:g}")
        svg.set("width", f"{width:g}")
        svg.set("height", f"{height:g}")
        back = etree.Element(
            f"{{{SVG}}}rect", {"x": f"{left:g}", "y": f"{top:g}", "width": "100%", "height": "100%", "fill": "#fff"}
        )
        svg.insert(3, back)

    # --- flows

    @staticmethod
    def _add_arrows(defs: Node) -> None:
        for kind in ("arrow", "arrow-taken"):
            marker = _add(
                defs,
                "marker",
                id=kind,
                viewBox="0 0 10 10",
                refX="9",
                refY="5",
                markerWidth="9",
                markerHeight="9",
                markerUnits="userSpaceOnUse",
                orient="auto",
            )
            _add(marker, "path", d="M0 0 L10 5 L0 10 z", **{"class": kind})

    def _add_flow(self, svg: Node, id: str, points: list[tuple[float, float]], edge: Node) -> None:
        is_taken = id in self._taken
        group = _add(svg, "g", **{"data-element-id": id})
        if is_taken:
            group.set("data-taken", "yes")
        line = _add(
            group,
            "polyline",
            points=" ".join(f"{x:g},{y:g}" for x, y in points),
            **{"class": "flow taken" if is_taken else "flow"},
        )
        if local_name(self._elements[id]) == "sequenceFlow":
            line.set("marker-end", "url(#arrow-taken)" if is_taken else "url(#arrow)")
        for x, y in points:
            self._see(x, y)
        named = self._elements[id].get("name")
        if named:
            box = _box(edge, name(BPMNDI, "BPMNLabel")) or _beside(points)
            self._add_lines(group, named, box.middle[0], box.y + LINE * 0.8, max(box.width, 90.0))

    # --- elements

    def _add_node(self, svg: Node, id: str, box: Box) -> None:
        node = self._elements[id]
        tag, tokens = local_name(node), self._tokens.get(id)
        looks = "node" + ("" if tokens is None else " has-incident" if tokens.incident else " has-active")
        group = _add(svg, "g", **{"data-element-id": id})
        _add(group, "title").text = self._title(id)
        self._see(box.x, box.y)
        self._see(box.x + box.width, box.y + box.height)
        if tag.endswith("Event"):
            _add_event(group, node, box, looks)
        elif tag.endswith("Gateway"):
            _add_gateway(group, tag, box, looks)
        elif tag in SIZES or tag == "task":
            _add(
                group,
                "rect",
                x=_n(box.x),
                y=_n(box.y),
                width=_n(box.width),
                height=_n(box.height),
                rx="8",
                **{"class": f"{looks} group" if _is_scope(node) else looks},
            )
            if tag in WORK_SIGNS:
                _add(group, "path", d=WORK_SIGNS[tag], transform=f"translate({box.x:g} {box.y:g})", **{"class": "mark"})
            self._add_work_name(group, node, box)
        else:  # data, annotations and others that no token visits
            _add(
                group, "rect", x=_n(box.x), y=_n(box.y), width=_n(box.width), height=_n(box.height), **{"class": "mark"}
            )

    def _add_work_name(self, group: Node, node: Node, box: Box) -> None:
        lines = _lines(node.get("name", "") or node.get("id", ""), box.width - 10)
        is_large = _is_scope(node) and box.height > TASK[1]
        top = box.y + 18 if is_large else box.middle[1] - (len(lines) - 1) * LINE / 2 + 4
        self._add_text(group, lines, box.middle[0], top)

    def _add_outer_name(self, svg: Node, id: str, box: Box, shape: Node) -> None:
        """Write the name of an event or a gateway, which has no room inside."""
        node = self._elements[id]
        if not local_name(node).endswith(("Event", "Gateway")) or not node.get("name"):
            return
        label = _box(shape, name(BPMNDI, "BPMNLabel")) or Box(box.x - 30, box.y + box.height + 4, box.width + 60, LINE)
        self._add_lines(svg, node.get("name", ""), label.middle[0], label.y + LINE * 0.8, max(label.width, 90.0))

    def _add_lines(self, parent: Node, text: str, x: float, y: float, width: float) -> None:
        self._add_text(parent, _lines(text, width), x, y)

    def _add_text(self, parent: Node, lines: list[str], x: float, y: float) -> None:
        for number, line in enumerate(lines):
            text = _add(parent, "text", x=_n(x), y=_n(y + number * LINE), **{"class": "name"})
            text.text = line
            half = len(line) * CHARACTER / 2
            self._see(x - half, y + number * LINE - LINE)
            self._see(x + half, y + number * LINE)

    # --- tokens

    def _add_badges(self, svg: Node, id: str, box: Box) -> None:
        tokens = self._tokens.get(id, Tokens())
        kinds = [
            (kind, number) for kind, number in (("active", tokens.active), ("incident", tokens.incident)) if number > 0
        ]
        for place, (kind, number) in enumerate(kinds):
            self._add_badge(svg, id, (box.x + 2 + place * 2.2 * BADGE, box.y + box.height - 2), kind, number)

    def _add_badge(self, svg: Node, id: str, at: tuple[float, float], kind: str, number: int) -> None:
        group = _add(
            svg, "g", role="img", **{"aria-label": f"{number} {kind}", "data-element-id": id, "data-token-state": kind}
        )
        _add(group, "title").text = f"{self._title(id)}: {number} {kind}"
        _add(group, "circle", cx=_n(at[0]), cy=_n(at[1]), r=_n(BADGE), **{"class": f"badge {kind}"})
        text = _add(group, "text", x=_n(at[0]), y=_n(at[1] + 4), **{"class": "number"})
        text.text = str(number) if kind == "active" else f"{number}!"
        self._see(at[0] - BADGE, at[1] + BADGE)

    def _add_tokens_without_place(self, svg: Node) -> None:
        """Name below the drawing what has tokens and no place in it, so that no token is lost."""
        drawn = {id for id, _, _ in self._shapes} | {self._process_id}
        left, bottom = min(self._xs, default=0), max(self._ys, default=0)
        for id, tokens in self._tokens.items():
            if id in drawn:
                continue
            bottom += LINE * 1.6
            text = _add(svg, "text", x=_n(left), y=_n(bottom), **{"data-element-id": id})
            text.text = f"{self._title(id)}: {_in_words(tokens)}"
            self._see(left + len(text.text) * CHARACTER, bottom)


def _add_event(group: Node, node: Node, box: Box, looks: str) -> None:
    (x, y), radius, tag = box.middle, min(box.width, box.height) / 2, local_name(node)
    circle = _add(
        group, "circle", cx=_n(x), cy=_n(y), r=_n(radius), **{"class": f"{looks} thick" if tag == "endEvent" else looks}
    )
    if node.get("cancelActivity") == "false" or node.get("isInterrupting") == "false":
        circle.set("stroke-dasharray", "4 3")
    if tag not in ("startEvent", "endEvent"):
        _add(group, "circle", cx=_n(x), cy=_n(y), r=_n(max(radius - 3.5, 1)), **{"class": f"{looks} inner"})
    trigger = next((local_name(child) for child in node if local_name(child) in TRIGGER_SIGNS), "")
    if trigger:
        _add(group, "path", d=TRIGGER_SIGNS[trigger], transform=f"translate({x:g} {y:g})", **{"class": "mark"})


def _add_gateway(group: Node, tag: str, box: Box, looks: str) -> None:
    x, y = box.middle
    corners = [(x, box.y), (box.x + box.width, y), (x, box.y + box.height), (box.x, y)]
    _add(group, "polygon", points=" ".join(f"{one:g},{other:g}" for one, other in corners), **{"class": looks})
    _add(group, "text", x=_n(x), y=_n(y + 7), **{"class": "sign"}).text = SIGNS.get(tag, "")


def _is_scope(node: Node) -> bool:
    return local_name(node) in ("subProcess", "transaction", "adHocSubProcess")


def _in_words(tokens: Tokens) -> str:
    kinds = (("active", tokens.active), ("incident", tokens.incident))
    return ", ".join(f"{number} {kind}" for kind, number in kinds if number > 0)


def _lines(text: str, width: float) -> list[str]:
    lines = wrap(text[:TITLE_MAX], max(int(width / CHARACTER), 4))
    return [*lines[: LINES_MAX - 1], lines[LINES_MAX - 1] + "…"] if len(lines) > LINES_MAX else lines


def _beside(points: list[tuple[float, float]]) -> Box:
    """Return a place for the name of a flow: above the middle of its line."""
    (x, y), (to_x, to_y) = points[(len(points) - 2) // 2 : (len(points) - 2) // 2 + 2]
    return Box((x + to_x) / 2 - 45, (y + to_y) / 2 - LINE * 1.3, 90, LINE)


def _target(shape: Node) -> str:
    return str(shape.get("bpmnElement", "")).rpartition(":")[2]


def _box(shape: Node, of: str = "") -> Box | None:
    """Return the place of a shape, or of its label; None if it has none that can be drawn."""
    owner = shape.find(of) if of else shape
    bounds = owner.find(name(DC, "Bounds")) if owner is not None else None
    numbers = [] if bounds is None else [_number(bounds.get(key, "")) for key in ("x", "y", "width", "height")]
    x, y, width, height = numbers or [None] * 4
    if x is None or y is None or width is None or height is None or width <= 0 or height <= 0:
        return None
    return Box(x, y, width, height)


def _points(edge: Node) -> list[tuple[float, float]]:
    places = [(_number(point.get("x", "")), _number(point.get("y", ""))) for point in edge.iter(name(DI, "waypoint"))]
    return [(x, y) for x, y in places if x is not None and y is not None]


def _number(text: str) -> float | None:
    try:
        found = float(text)
    except ValueError:
        return None
    return found if isfinite(found) and abs(found) <= PLACE_MAX else None


def _n(number: float) -> str:
    return f"{number:g}"


def _add(parent: Node, tag: str, **attributes: str) -> Node:
    return etree.SubElement(parent, f"{{{SVG}}}{tag}", attributes)
