"""The drawing of a process as SVG: shapes, flows, names, tokens in words and by number; files that are no drawing."""

from pathlib import Path

import pytest
from lxml import etree

from osmia_broker.base.untrusted_xml import Unreadable
from osmia_broker.model.svg import Tokens, draw_svg
from tests.bpmn import bpmn

DINNER = (Path(__file__).parents[2] / "examples" / "dinner.bpmn").read_bytes()
SVG = "{http://www.w3.org/2000/svg}"


def drawn(content: bytes, id: str = "p", **given) -> etree._Element:
    return etree.fromstring(draw_svg(content, id, **given))


def badges(root: etree._Element) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for one in root.iter(f"{SVG}g"):
        if one.get("data-token-state"):
            found.setdefault(one.get("data-element-id"), []).append(one.get("aria-label"))
    return found


def test_a_drawing_has_the_places_of_the_file_and_the_tokens():
    root = drawn(DINNER, "dinner", tokens={"eat": Tokens(active=1)}, taken=["to_decide", "to_eat"])
    ids = [one.get("data-element-id") for one in root.iter(f"{SVG}g") if not one.get("role")]
    assert set(ids) == {"hungry", "decide", "eat", "full", "to_decide", "to_eat", "to_full"}
    assert badges(root) == {"eat": ["1 active"]}
    assert {one.get("data-element-id") for one in root.iter() if one.get("data-taken")} == {"to_decide", "to_eat"}
    assert root.find(f"{SVG}title").text == "Prepare dinner. Eat dinner: 1 active"
    box = [float(number) for number in root.get("viewBox").split()]
    assert box[2] > 446  # from the start to the end
    assert 80 < box[3] < 200


def test_an_element_that_an_incident_stops_has_both_numbers():
    root = drawn(bpmn("start > ask:user(name=Ask) > end", id="p"), tokens={"ask": Tokens(active=2, incident=3)})
    assert badges(root) == {"ask": ["2 active", "3 incident"]}
    assert "Ask: 2 active, 3 incident" in root.find(f"{SVG}title").text


def test_a_file_without_places_gets_a_layout_and_a_name_where_it_has_none():
    root = drawn(bpmn("start > pay:job > end", id="p"))
    assert "pay" in [one.text for one in root.iter(f"{SVG}text")]
    assert len([*root.iter(f"{SVG}rect")]) == 2  # the work, and the white ground


def test_a_token_without_a_place_is_named_below():
    root = drawn(DINNER, "dinner", tokens={"gone": Tokens(1), "dinner": Tokens(1)})
    assert [one.text for one in root.iter(f"{SVG}text")][-1] == "gone: 1 active"
    assert badges(root) == {}


def test_a_subprocess_lies_behind_what_stands_in_it():
    root = drawn(bpmn("start > dine:sub { start > cook:job(name=Cook) > end } > end", id="p"))
    ids = [one.get("data-element-id") for one in root.iter(f"{SVG}g")]
    assert ids.index("dine") < ids.index("cook")


@pytest.mark.parametrize(
    "line",
    [
        "start > x:exclusive [a = 1 -> one:end | else -> two:end]",
        "start > wait:catch(timer=PT1H) > end",
        "start > wait:catch(message=m, key=k) > end(terminate=yes)",
        "start > ask:user > end & late:boundary(on=ask, timer=PT1H, cancel=false) > end2",
        "start > ask:rule > pay:send > get:receive(message=m, key=k) > do:script(expression=1, result=a) > end",
        "start > e:events [one:catch(timer=PT1H) > end | two:catch(signal=s) > end2]",
    ],
)
def test_each_kind_of_element_is_drawn(line: str):
    content = bpmn(line, id="p")
    root = drawn(content)
    elements = {one.get("id") for one in etree.fromstring(content).iter() if one.get("id")}
    shapes = {one.get("data-element-id") for one in root.iter(f"{SVG}g")}
    assert shapes <= elements
    assert len(shapes) >= 5
    assert "nan" not in draw_svg(content, "p")


def test_names_are_text_and_never_markup():
    name = '<script>alert(1)</script> & "so on"'
    text = draw_svg(
        DINNER.replace(b"Eat dinner", name.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;").encode()),
        "dinner",
    )
    assert "<script" not in text
    assert "&lt;script&gt;" in text


@pytest.mark.parametrize("place", [b"nan", b"inf", b"1e300", b"", b"left"])
def test_a_place_that_is_none_is_left_out(place: bytes):
    root = drawn(
        DINNER.replace(b'<dc:Bounds x="400"', b'<dc:Bounds x="' + place + b'"'), "dinner", tokens={"eat": Tokens(1)}
    )
    assert [one.text for one in root.iter(f"{SVG}text")][-1] == "Eat dinner: 1 active"
    assert all(abs(float(number)) < 10_000 for number in root.get("viewBox").split())


def test_another_process_of_the_file_is_not_drawn():
    assert [*drawn(DINNER, "other").iter(f"{SVG}g")] == []


@pytest.mark.parametrize("content", [b"", b"no XML", b"<!DOCTYPE x [<!ENTITY e 'x'>]><x>&e;</x>"])
def test_what_is_no_file_of_a_process_is_refused(content: bytes):
    with pytest.raises(Unreadable):
        draw_svg(content, "p")
