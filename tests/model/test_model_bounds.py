"""Any bytes are read or refused, in time that grows with their length only."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from bpmn_fragments import flow, process
from hypothesis import given, settings
from hypothesis import strategies as st

from bpmn import bpmn
from osmia_broker import model
from osmia_broker.model import expressions

DINNER = (Path(__file__).parents[2] / "examples" / "dinner.bpmn").read_bytes()
VALID = [
    DINNER,
    (Path(__file__).parents[2] / "examples" / "dinner-activiti.bpmn").read_bytes(),
    bpmn(
        'start > a:job(type="=k", in.x="=1", header.h=v) > g:exclusive [x > 1 -> s:sub { start > u:user > end } | else -> e:end]'
    ),
    bpmn(
        "start > u:user(users=${a}, due=P1D, priority=3) > g:exclusive [x > 1 -> a:job | else -> e:end]",
        dialect="activiti",
    ),
]
SPLICES = st.sampled_from(
    [
        b"",
        b"<",
        b">",
        b'"',
        b"=",
        b"${",
        b"}",
        b"&amp;",
        b"&x;",
        b"<!DOCTYPE a>",
        b"<bpmn:task/>",
        b"</bpmn:process>",
        b"\x00",
        b"\xff",
        b"zeebe:",
        b"id=",
    ]
)


def is_read_or_refused(content: bytes) -> None:
    """Anything but a process or an InvalidModel goes through as an error."""
    try:
        reported = [process.id for process in model.parse("any.bpmn", content)]
    except model.InvalidModel as refused:
        reported = [fault.reason for fault in refused.faults]
    assert reported


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_refused(content: bytes) -> None:
    with pytest.raises(model.InvalidModel):
        model.parse("any.bpmn", content)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(VALID), st.data())
def test_a_mutated_file_is_read_or_refused(content: bytes, data: st.DataObject) -> None:
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(content)))
        end = data.draw(st.integers(start, min(len(content), start + 40)))
        content = content[:start] + data.draw(SPLICES | st.binary(max_size=4)) + content[end:]
    is_read_or_refused(content)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(VALID), st.data())
def test_a_file_with_exchanged_values_is_read_or_refused(content: bytes, data: st.DataObject) -> None:
    """Stays well-formed, so that every rule behind the parser is reached."""
    parts = content.split(b'"')
    for _ in range(data.draw(st.integers(1, 3))):
        one, other = (2 * data.draw(st.integers(1, len(parts) // 2 - 1)) + 1 for _ in range(2))
        parts[one] = data.draw(st.sampled_from([parts[other], b"=1 +", b"=x", b"${x", b"${x}", b"", b"a,,b", b"end"]))
    is_read_or_refused(b'"'.join(parts))


@given(st.text("a,${}#'\\ ", max_size=30))
def test_any_candidate_text_is_a_list_or_does_not_parse(text: str) -> None:
    try:
        found = expressions.list_of(text)
    except expressions.UnreadableExpression:
        return
    result = found.evaluate({"a": "b"})
    assert result.failure is not None or all(isinstance(item, str) for item in result.value)


def work(function: Callable[[], object]) -> int:
    """How many calls *function* makes."""
    calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        function()
    finally:
        sys.setprofile(None)
    return calls


def chain(length: int) -> bytes:
    tasks = "".join(
        f'<bpmn:userTask id="t{i}"/>\n{flow(f"f{i}", f"t{i}", f"t{(i + 1) % length}")}\n' for i in range(length)
    )
    return process(tasks)


def web(length: int) -> bytes:
    """Gateways that all lead to the next and back to the first: as many loops as elements."""
    gateways = "".join(
        f'<bpmn:parallelGateway id="t{i}"/>{flow(f"f{i}", f"t{i}", f"t{min(i + 1, length - 1)}")}{flow(f"b{i}", f"t{i}", "t0")}'
        for i in range(length)
    )
    return process(gateways)


def broken(length: int) -> bytes:
    return process("".join(f'<bpmn:task id="t{i}" x="y"/>\n{flow(f"f{i}", f"t{i}", "nowhere")}' for i in range(length)))


@pytest.mark.parametrize("shape", [chain, web, broken])
def test_reading_takes_linear_work(shape: Callable[[int], bytes]) -> None:
    def read(content: bytes) -> Callable[[], object]:
        return lambda: is_read_or_refused(content)

    small, large = work(read(shape(100))), work(read(shape(1000)))
    assert large < 11 * small


def test_a_process_of_ten_thousand_elements_is_read() -> None:
    [found] = model.parse("large.bpmn", chain(9_999))
    assert len(found.elements) == 10_001  # the process itself and its start event among them


@pytest.mark.parametrize(
    "file", [b'<a b="' + b"x" * 4_000_000 + b'"/>', process(f'<bpmn:task id="t" name="{"x" * 4_000_000}"/>')]
)
def test_a_long_attribute_is_read_in_few_steps(file: bytes) -> None:
    """Expat before 2.6 reads an unfinished token again with every step; equal steps of 4 KiB would be a thousand."""
    assert work(lambda: is_read_or_refused(file)) < 700


def test_a_few_loops_are_reported_of_a_web_of_them() -> None:
    with pytest.raises(model.InvalidModel) as refused:
        model.parse("web.bpmn", web(100))
    assert len(refused.value.faults) == 10
