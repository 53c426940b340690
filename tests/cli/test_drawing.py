"""`osmia instance diagram` and `osmia process xml`: a process as text, with the tokens of an instance."""

from collections.abc import Iterable, Iterator

import pytest

from osmia_broker.cli import drawn_lines
from osmia_broker.cli.drawing import COLUMNS_MAX, ROWS_MAX, draw
from tests.bpmn import bpmn

FORKED = "start > fork:parallel [ask:user(name=Ask) > join:parallel | pay:user(name=Pay) > join] > end"


def test_a_process_is_drawn_with_its_tokens():
    text = draw(bpmn(FORKED, id="p"), "p", {"ask": "●", "pay": "!"})
    lines = text.splitlines()
    [ask] = [number for number, line in enumerate(lines) if "│Ask" in line]
    [pay] = [number for number, line in enumerate(lines) if "│Pay" in line]
    assert "●┐" in lines[ask - 2]  # the name stands in the middle of three rows
    assert "!┐" in lines[pay - 2]
    assert text.count("┌────") == text.count("└────") == 2
    assert text.count("+") == 2  # the two parallel gateways
    assert "▶" in text


@pytest.mark.parametrize(
    ("tokens", "shown"), [("", "─┐"), ("●●", "●●┐"), ("●●●!", "●3!1┐"), ("●●●●●", "●5┐"), ("!!!!", "●0!4┐")]
)
def test_many_tokens_become_a_number(tokens, shown):
    assert shown in draw(bpmn("start > ask:user(name=Ask) > end", id="p"), "p", {"ask": tokens})


def test_a_long_name_stays_in_its_box_and_a_token_without_a_place_is_not_lost():
    text = draw(bpmn(f"start > ask:user(name={'x' * 60}) > end", id="p"), "p", {"gone": "●", "p": "●"})
    assert "x" * 12 in text
    assert "x" * 20 not in text
    assert text.splitlines()[-1] == "● gone"


def test_the_ways_out_of_a_gateway_are_told_apart():
    names = "start > dear:exclusive(name=Dear?) [amount > 100 -> book:user(name=Book) > end | else -> end]"
    lines = draw(bpmn(names, id="p"), "p", {}).splitlines()
    assert lines[-2:] == ["Dear?: amount > 100 ▶ Book", "       else ▶ end"]
    assert "Dear?" in "\n".join(lines[:-2])
    assert draw(bpmn(FORKED, id="p"), "p", {}).splitlines()[-1].strip().startswith("└")  # they are all taken


def test_what_stands_in_a_subprocess_is_drawn_with_its_flows():
    text = draw(bpmn("start > s:sub(name=Dinner) { start > eat:user > end } > end", id="p"), "p", {"eat": "●"})
    assert text.count("▶") == 4
    assert "│Dinner" in text


def test_a_boundary_event_stands_on_the_frame_of_its_activity():
    model = "start > a:user(name=Approve the very long request) > end & late:boundary(on=a, timer=PT1H) > end2"
    lines = draw(bpmn(model, id="p"), "p", {"late": "●"}).splitlines()
    [frame] = [line for line in lines if "( ● )─" in line or "(  ● )─" in line or "(●" in line]
    assert frame.strip().startswith("└")
    assert "late" in lines[lines.index(frame) - 1]
    assert not any("request" in line for line in lines)  # the row is the boundary event's


def test_a_long_reason_is_cut():
    model = f"start > g:exclusive [{'a' * 100} -> a:user > end | else -> end]"
    assert f"g: {'a' * 59}… ▶ a" in draw(bpmn(model, id="p"), "p", {})


def placed(x: str, y: str, width: str = "100", height: str = "80", flows: int = 1) -> bytes:
    """A process whose task stands at a place of a stranger's choice, with a line to it and a corner there."""
    sequence = "".join(f'<sequenceFlow id="f{n}" sourceRef="s" targetRef="a"/>' for n in range(flows))
    points = f'<di:waypoint x="136" y="118"/><di:waypoint x="{x}" y="118"/><di:waypoint x="{x}" y="{y}"/>'
    edges = "".join(f'<bpmndi:BPMNEdge bpmnElement="f{n}">{points}</bpmndi:BPMNEdge>' for n in range(flows))
    return f"""<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:bpmndi="http://www.omg.org/spec/BPMN/20100524/DI"
      xmlns:dc="http://www.omg.org/spec/DD/20100524/DC" xmlns:di="http://www.omg.org/spec/DD/20100524/DI">
      <process id="p"><startEvent id="s" name="Begin"/><userTask id="a" name="Far"/>{sequence}</process>
      <bpmndi:BPMNDiagram><bpmndi:BPMNPlane>
      <bpmndi:BPMNShape bpmnElement="s"><dc:Bounds x="100" y="100" width="36" height="36"/></bpmndi:BPMNShape>
      <bpmndi:BPMNShape bpmnElement="a"><dc:Bounds x="{x}" y="{y}" width="{width}" height="{height}"/></bpmndi:BPMNShape>
      {edges}</bpmndi:BPMNPlane></bpmndi:BPMNDiagram></definitions>""".encode()


FAR = ["1e7", "-1e7", "1e308", "-1e308", "NaN", "Infinity", "-Infinity", "", "here"]


@pytest.mark.parametrize("place", FAR)
def test_what_lies_far_away_is_left_out_and_no_line_is_followed_to_it(place: str, monkeypatch: pytest.MonkeyPatch):
    cells: set[drawn_lines.Cell] = set()
    cells_of = drawn_lines.cells_of

    def noted(corners: Iterable[drawn_lines.Cell]) -> Iterator[drawn_lines.Cell]:
        for cell in cells_of(corners):
            cells.add(cell)
            assert len(cells) < 2 * (COLUMNS_MAX + ROWS_MAX)
            yield cell

    monkeypatch.setattr(drawn_lines, "cells_of", noted)
    text = draw(placed(place, place), "p", {"a": "●"})
    assert cells
    assert "Begin" in text
    assert "Far" not in text
    assert text.splitlines()[-1] == "● a"


@pytest.mark.parametrize("size", FAR)
def test_a_frame_of_any_size_ends_at_the_end_of_the_drawing(size: str):
    text = draw(placed("300", "80", size, size), "p", {})
    assert "┌────" in text
    assert len(text.splitlines()) <= ROWS_MAX
    assert max(map(len, text.splitlines())) <= COLUMNS_MAX


def test_flows_that_are_too_many_to_draw_are_counted():
    assert "not drawn" not in draw(placed("300", "80", flows=300), "p", {})
    text = draw(placed("3400", "7800", flows=300), "p", {"a": "●"})
    assert "Flows that are not drawn, because there are too many: " in text
    assert "●┐" in text


def test_an_instance_is_drawn_at_a_broker(osmia, unique):
    osmia.deploy("start > ask:user(name=Ask) > end", unique)
    key = osmia.create(unique)
    drawn = osmia.done("instance", "diagram", key)
    assert "│Ask" in drawn
    assert "●┐" in drawn
    assert osmia.json("instance", "diagram", key)["processInstanceKey"] == str(key)
    image = osmia.done("instance", "diagram", key, "-o", "svg")
    assert image.startswith("<svg ")
    assert 'aria-label="1 active"' in image
    assert 'data-taken="yes"' in image
    assert "png" in osmia.refused(2, "instance", "diagram", key, "-o", "png")
    assert "svg" in osmia.refused(2, "instances", "-o", "svg")
    assert "There is no process instance with key 5." in osmia.refused(4, "instance", "diagram", 5)
    assert f'id="{unique}"' in osmia.done("process", "xml", unique)
