"""`osmia instance diagram` and `osmia process xml`: a process as text, with the tokens of an instance."""

import pytest

from osmia_broker.cli.drawing import draw
from tests.bpmn import bpmn

FORKED = "start > fork:parallel [ask:user(name=Ask) > join:parallel | pay:user(name=Pay) > join] > end"


def test_a_process_is_drawn_with_its_tokens():
    text = draw(bpmn(FORKED, id="p"), "p", {"ask": "●", "pay": "!"})
    lines = text.splitlines()
    [ask] = [number for number, line in enumerate(lines) if "│Ask" in line]
    [pay] = [number for number, line in enumerate(lines) if "│Pay" in line]
    assert "●┐" in lines[ask - 1]
    assert "!┐" in lines[pay - 1]
    assert text.count("┌") == text.count("└") == 2
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
