"""The diagram data of a BPMN file: whether a process has any, and a layout for one that has none (BPMN 2.0, clause 12).

Models that programs write, and those of tests, often hold no positions. A viewer draws nothing then, so the broker adds them to the copy
that it shows; the deployed file stays as it is.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from osmia_broker.base.untrusted_xml import read
from osmia_broker.model.layout import Arrow, Drawing, Point, lay_out
from osmia_broker.model.xml import BPMN, Node, local_name, name, namespace

BPMNDI = "http://www.omg.org/spec/BPMN/20100524/DI"
DC = "http://www.omg.org/spec/DD/20100524/DC"
DI = "http://www.omg.org/spec/DD/20100524/DI"
NAMESPACES = {"bpmndi": BPMNDI, "dc": DC, "di": DI}
PREFIX = "osmia_layout_"  # of the ids that the layout adds

TASK, EVENT, GATEWAY = (100.0, 80.0), (36.0, 36.0), (50.0, 50.0)
SIZES: dict[str, Point] = {
    **dict.fromkeys(
        (
            "task",
            "userTask",
            "serviceTask",
            "sendTask",
            "receiveTask",
            "scriptTask",
            "businessRuleTask",
            "manualTask",
            "callActivity",
        ),
        TASK,
    ),
    **dict.fromkeys(
        ("startEvent", "endEvent", "intermediateCatchEvent", "intermediateThrowEvent", "boundaryEvent"), EVENT
    ),
    **dict.fromkeys(
        ("exclusiveGateway", "parallelGateway", "inclusiveGateway", "eventBasedGateway", "complexGateway"), GATEWAY
    ),
    **dict.fromkeys(("subProcess", "transaction", "adHocSubProcess"), TASK),
}
SCOPES = ("process", "subProcess", "transaction", "adHocSubProcess")
PADDING, TITLE = 30.0, 20.0  # around the content of a subprocess, and above it for its name
MARGIN = 40.0  # around the diagram
BOUNDARY_STEP = 10.0  # beside the boundary events of one activity


@dataclass(frozen=True, slots=True)
class FlowNode:
    """An element of a process, for lists: its id, name and BPMN tag."""

    id: str
    name: str
    tag: str


def flow_nodes(content: bytes, process_id: str) -> list[FlowNode]:
    """List the elements of a process in document order, those of subprocesses too.

    Raises:
        Unreadable: the file is no XML.

    """
    process = _process(read(content), process_id)
    nodes = () if process is None else process.iter()
    return [FlowNode(node.get("id", ""), node.get("name", ""), local_name(node)) for node in nodes if _is_node(node)]


def with_diagram(content: bytes, process_id: str) -> bytes:
    """Return the file with diagram data for the process: unchanged if it has some.

    The added diagram is the first one of the file, which viewers show.

    Raises:
        Unreadable: the file is no XML.

    """
    root = read(content)
    process = _process(root, process_id)
    if process is None or _is_drawn(root, process):
        return content
    _draw(root, process)
    from osmia_broker.base.xml_tree import write  # as in `untrusted_xml.read`

    return write(root)


def _process(root: Node, process_id: str) -> Node | None:
    return next((node for node in root.iter(name(BPMN, "process")) if node.get("id") == process_id), None)


def _is_node(node: Node) -> bool:
    return namespace(node) == BPMN and local_name(node) in SIZES and bool(node.get("id"))


def _is_drawn(root: Node, process: Node) -> bool:
    """Whether a shape of the file is of an element of the process."""
    shown = {shape.get("bpmnElement", "").rpartition(":")[2] for shape in root.iter(name(BPMNDI, "BPMNShape"))}
    return bool(shown) and any(node.get("id") in shown for node in process.iter() if _is_node(node))


# --- the layout


def _draw(root: Node, process: Node) -> None:
    """Add a diagram of *process* in front of all others; one that shows this process already, but nothing of it, is removed."""
    for diagram in [*root.iter(name(BPMNDI, "BPMNDiagram"))]:
        plane, parent = diagram.find(name(BPMNDI, "BPMNPlane")), diagram.getparent()
        if parent is not None and (plane is None or not len(plane)):
            parent.remove(diagram)
    id = process.get("id", "")
    diagram = root.makeelement(name(BPMNDI, "BPMNDiagram"), {"id": f"{PREFIX}diagram"}, nsmap=NAMESPACES)
    plane = _put(diagram, name(BPMNDI, "BPMNPlane"), {"id": f"{PREFIX}plane", "bpmnElement": id})
    _Sketch(process).add_to(plane, MARGIN, MARGIN)
    first = next(root.iter(name(BPMNDI, "BPMNDiagram")), None)
    if first is None:
        root.append(diagram)
    else:
        first.addprevious(diagram)


class _Sketch:
    """The drawing of a process or subprocess, with those of the subprocesses inside."""

    def __init__(self, scope: Node) -> None:
        nodes = {node.get("id", ""): node for node in scope if _is_node(node)}
        self.boundaries = _boundaries(nodes)
        self.nodes = {id: node for id, node in nodes.items() if id not in self.boundaries}
        self.inner = {id: _Sketch(node) for id, node in self.nodes.items() if local_name(node) in SCOPES}
        self.sizes = {id: self._size(id, node) for id, node in self.nodes.items()}
        self.drawing: Drawing = lay_out(self.sizes, [*self._arrows(scope)])

    def _size(self, id: str, node: Node) -> Point:
        """Return the size of an element: that of a subprocess depends on its content, each boundary event needs its place."""
        width, height = SIZES[local_name(node)]
        if id in self.inner and self.inner[id].sizes:
            drawing = self.inner[id].drawing
            width, height = max(width, drawing.width + 2 * PADDING), max(height, drawing.height + 2 * PADDING + TITLE)
        attached = sum(host == id for host, _ in self.boundaries.values())
        return max(width, attached * (EVENT[0] + BOUNDARY_STEP) + BOUNDARY_STEP), height

    def _arrows(self, scope: Node) -> Iterator[Arrow]:
        """Make the arrows of the sequence flows, and of the associations that lead to handlers of compensation."""
        for node in scope:
            if namespace(node) != BPMN or local_name(node) not in ("sequenceFlow", "association"):
                continue
            id, source, target = (node.get(key, "") for key in ("id", "sourceRef", "targetRef"))
            departs = None
            if source in self.boundaries:
                host, number = self.boundaries[source]
                x, y = self._place(host, number)
                source, departs = host, (x + EVENT[0] / 2, y + EVENT[1])
            if id and source in self.nodes and target in self.nodes:
                yield Arrow(id, source, target, departs)

    def _place(self, host: str, number: int) -> Point:
        """Return the corner of a boundary event, from the corner of its activity."""
        return self.sizes[host][0] - (number + 1) * (EVENT[0] + BOUNDARY_STEP), self.sizes[host][1] - EVENT[1] / 2

    def add_to(self, plane: Node, left: float, top: float) -> None:
        """Write the shapes and edges, moved by (left, top)."""
        for id, (x, y) in self.drawing.corners.items():
            _add_shape(plane, self.nodes[id], (left + x, top + y), self.sizes[id])
            if id in self.inner:
                self.inner[id].add_to(plane, left + x + PADDING, top + y + PADDING + TITLE)
        for id, (host, number) in self.boundaries.items():
            (x, y), (dx, dy) = self.drawing.corners[host], self._place(host, number)
            shape = _add(plane, "BPMNShape", id)
            _add_bounds(shape, (left + x + dx, top + y + dy), EVENT)
        for id, points in self.drawing.routes.items():
            edge = _add(plane, "BPMNEdge", id)
            for x, y in points:
                _put(edge, name(DI, "waypoint"), {"x": f"{left + x:.0f}", "y": f"{top + y:.0f}"})


def _boundaries(nodes: dict[str, Node]) -> dict[str, tuple[str, int]]:
    """Return the activity of each boundary event, and its number there. One that is attached to nothing is an element like all others."""
    found: dict[str, tuple[str, int]] = {}
    numbers: dict[str, int] = {}
    for id, node in nodes.items():
        host = node.get("attachedToRef", "").rpartition(":")[2]
        if local_name(node) == "boundaryEvent" and host in nodes and host != id:
            numbers[host] = numbers.get(host, -1) + 1
            found[id] = (host, numbers[host])
    return {id: (host, number) for id, (host, number) in found.items() if host not in found}


def _put(parent: Node, tag: str, attributes: dict[str, str]) -> Node:
    node = parent.makeelement(tag, attributes)
    parent.append(node)
    return node


def _add(plane: Node, kind: str, id: str) -> Node:
    return _put(plane, name(BPMNDI, kind), {"id": f"{PREFIX}{id}", "bpmnElement": id})


def _add_shape(plane: Node, node: Node, corner: Point, size: Point) -> None:
    shape = _add(plane, "BPMNShape", node.get("id", ""))
    if local_name(node) in SCOPES:
        shape.set("isExpanded", "true")
    if local_name(node) == "exclusiveGateway":
        shape.set("isMarkerVisible", "true")
    _add_bounds(shape, corner, size)


def _add_bounds(shape: Node, corner: Point, size: Point) -> None:
    numbers = zip(("x", "y", "width", "height"), (*corner, *size), strict=True)
    _put(shape, name(DC, "Bounds"), {key: f"{value:.0f}" for key, value in numbers})
