"""The layout of models without diagram data: boxes do not overlap, arrows meet their boxes, and files that are drawn stay as they are."""

from itertools import combinations

import pytest

from osmia_broker.base.untrusted_xml import Unreadable, read
from osmia_broker.model.diagrams import BPMNDI, DC, DI, flow_nodes, with_diagram
from osmia_broker.model.layout import Arrow, lay_out
from tests.bpmn import bpmn

SHAPES = [
    "start > a:job > end",
    "start > pick:exclusive [x > 1 -> a:job > j:exclusive | else -> b:job > c:job > j] > end",
    "start > fork:parallel [a:job > join:parallel | b:job > join | c:job > join] > ship:job > end",
    "start > a:job > again:exclusive [x > 1 -> a | else -> end]",
    "start > again:exclusive [x > 1 -> again | else -> end]",
    "start > a:job > end & late:boundary(on=a, timer=PT1H) > b:job > end2 & bad:boundary(on=a, error=any) > c:job > end3",
    "start > dine:sub { start > cook:sub { start > a:job > end } > end } > end",
    'start > a:job > end & help:eventsub { go:start(message=help, key="=id") > b:job > end3 }',
    "start > many:adhoc { a:job & b:job & c:job } > end",
    "start > a:job > end & lonely:job",
]


def drawn(content: bytes) -> tuple[dict[str, tuple[float, ...]], dict[str, list[tuple[float, float]]]]:
    """The bounds of each shape (left, top, right, bottom), and the points of each edge."""
    root = read(content)
    bounds, points = {}, {}
    for shape in root.iter(f"{{{BPMNDI}}}BPMNShape"):
        x, y, width, height = (float(shape.find(f"{{{DC}}}Bounds").get(name)) for name in ("x", "y", "width", "height"))
        bounds[shape.get("bpmnElement")] = (x, y, x + width, y + height)
    for edge in root.iter(f"{{{BPMNDI}}}BPMNEdge"):
        found = edge.findall(f"{{{DI}}}waypoint")
        points[edge.get("bpmnElement")] = [(float(one.get("x")), float(one.get("y"))) for one in found]
    return bounds, points


def overlap(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def inside(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return other[0] <= one[0] and one[2] <= other[2] and other[1] <= one[1] and one[3] <= other[3]


@pytest.mark.parametrize("line", SHAPES)
def test_elements_do_not_overlap(line):
    content = bpmn(line)
    bounds, _ = drawn(with_diagram(content, "process"))
    attached = {node.id for node in flow_nodes(content, "process") if node.tag == "boundaryEvent"}
    assert bounds.keys() == {node.id for node in flow_nodes(content, "process")}
    for one, other in combinations([id for id in bounds if id not in attached], 2):
        a, b = bounds[one], bounds[other]
        assert not overlap(a, b) or inside(a, b) or inside(b, a), f"{one} {a} and {other} {b}"


@pytest.mark.parametrize("line", SHAPES)
def test_flows_begin_and_end_at_their_elements(line):
    content = bpmn(line)
    bounds, points = drawn(with_diagram(content, "process"))
    flows = {one.get("id"): one for one in read(content).iter("{*}sequenceFlow")}
    assert points.keys() == flows.keys()
    for id, flow in flows.items():
        for end, (x, y) in ((flow.get("sourceRef"), points[id][0]), (flow.get("targetRef"), points[id][-1])):
            left, top, right, bottom = bounds[end]
            assert left - 1 <= x <= right + 1, f"{id} misses {end}"
            assert top - 1 <= y <= bottom + 1, f"{id} misses {end}"


@pytest.mark.parametrize("line", SHAPES)
def test_everything_is_at_positive_places(line):
    bounds, points = drawn(with_diagram(bpmn(line), "process"))
    assert min(one for bound in bounds.values() for one in bound) >= 0
    assert min(one for route in points.values() for point in route for one in point) >= 0


def test_boundary_events_sit_on_the_edge_of_their_activity_side_by_side():
    bounds, _ = drawn(with_diagram(bpmn(SHAPES[5]), "process"))
    for id in ("late", "bad"):
        assert bounds[id][1] < bounds["a"][3] < bounds[id][3]
    assert not overlap(bounds["late"], bounds["bad"])


def test_a_drawn_file_stays_as_it_is():
    content = with_diagram(bpmn("start > a:job > end"), "process")
    assert with_diagram(content, "process") is content


def test_a_diagram_of_nothing_is_replaced():
    empty = (
        b'<di:BPMNDiagram xmlns:di="' + BPMNDI.encode() + b'"><di:BPMNPlane bpmnElement="process"/></di:BPMNDiagram>'
    )
    content = bpmn("start > a:job > end").replace(b"</bpmn:definitions>", empty + b"</bpmn:definitions>")
    bounds, _ = drawn(with_diagram(content, "process"))
    assert bounds.keys() == {"start", "a", "end"}
    assert with_diagram(content, "process").count(b"BPMNDiagram ") == 1


def test_a_diagram_of_nothing_inside_the_process_is_replaced():
    empty = b'<di:BPMNDiagram xmlns:di="' + BPMNDI.encode() + b'"/>'
    content = bpmn("start > a:job > end").replace(b"</bpmn:process>", empty + b"</bpmn:process>")
    bounds, _ = drawn(with_diagram(content, "process"))
    assert bounds.keys() == {"start", "a", "end"}


def test_the_diagram_of_another_process_stays_behind():
    first = with_diagram(bpmn("start > a:job > end", id="one"), "one")
    second = b'</bpmn:process><bpmn:process id="two"><bpmn:startEvent id="begin"/></bpmn:process>'
    content = first.replace(b"</bpmn:process>", second, 1)
    planes = [one.get("bpmnElement") for one in read(with_diagram(content, "two")).iter(f"{{{BPMNDI}}}BPMNPlane")]
    assert planes == ["two", "one"]


@pytest.mark.parametrize("process_id", ["other", ""])
def test_an_unknown_process_changes_nothing(process_id):
    content = bpmn("start > a:job > end")
    assert with_diagram(content, process_id) is content
    assert flow_nodes(content, process_id) == []


@pytest.mark.parametrize("content", [b"", b"<not", b"<!DOCTYPE a><a/>"])
def test_what_is_no_xml_is_refused(content):
    with pytest.raises(Unreadable):
        with_diagram(content, "process")


def test_an_empty_process_and_flows_that_lead_nowhere_are_drawn():
    flow = '<bpmn:sequenceFlow id="f" sourceRef="start" targetRef="gone"/>'
    bounds, points = drawn(with_diagram(bpmn("start", extra=flow), "process"))
    assert bounds.keys() == {"start"}
    assert points == {}


def test_boundary_events_that_are_attached_to_each_other_are_drawn():
    events = '<bpmn:boundaryEvent id="a" attachedToRef="b"/><bpmn:boundaryEvent id="b" attachedToRef="a"/>'
    bounds, _ = drawn(with_diagram(bpmn("start", extra=events), "process"))
    assert bounds.keys() == {"start", "a", "b"}


def test_an_activiti_file_is_drawn():
    bounds, _ = drawn(with_diagram(bpmn("start > a:user > end", dialect="activiti"), "process"))
    assert bounds.keys() == {"start", "a", "end"}


def test_deep_nesting_is_drawn():
    line = "a:job"
    for level in range(60):
        line = f"s{level}:sub {{ start > {line} > end }}"
    bounds, _ = drawn(with_diagram(bpmn(f"start > {line} > end"), "process"))
    assert inside(bounds["a"], bounds["s59"])


def test_a_long_way_round_does_not_cross_the_boxes_that_it_passes():
    sizes = dict.fromkeys(["a", "b", "c", "d"], (100.0, 80.0))
    arrows = [Arrow("1", "a", "b"), Arrow("2", "b", "c"), Arrow("3", "c", "d"), Arrow("4", "a", "d")]
    drawing = lay_out(sizes, arrows)
    for id in ("b", "c"):
        left, top = drawing.corners[id]
        for (x, y), (x2, y2) in zip(drawing.routes["4"], drawing.routes["4"][1:], strict=False):
            crosses = min(x, x2) < left + 100 and left < max(x, x2) and min(y, y2) < top + 80 and top < max(y, y2)
            assert not crosses, f"{id} at {left, top}: {drawing.routes['4']}"
