"""The one-line notation that tests write processes in."""

import pytest
from bpmn_fragments import read

from bpmn import bpmn

DIALECTS = ("zeebe", "activiti")


def flows(line: str, dialect: str = "zeebe") -> set[str]:
    process = read(bpmn(line, dialect=dialect))
    return {f"{flow.source.id} {flow.target.id}" for element in process.elements.values() for flow in element.outgoing}


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("start > end", {"start end"}),
        ("start -> a -> end", {"start a", "a end"}),
        (
            "start > pick:exclusive [x > 1 -> a:user > no:end | else -> ok:end]",
            {"start pick", "pick a", "a no", "pick ok"},
        ),
        (
            "start > pick:exclusive [x >= 1 -> a:user -> b:job | else -> c:user] > end",
            {"start pick", "pick a", "a b", "b end", "pick c", "c end"},
        ),
        ("start > f:parallel [a:job > j:parallel | b:job > j] > end", {"start f", "f a", "f b", "a j", "b j", "j end"}),
        (
            "start > ask:user > g:exclusive [x -> done:job | else -> ask] > end",
            {"start ask", "ask g", "g done", "g ask", "done end"},
        ),
        ("start > s:sub { start > a > end } > end", {"start s", "s end", "s_start a", "a s_end"}),
        (
            "start > f:parallel [s:sub { start > a:job > end } | b] > end",
            {"start f", "f s", "f b", "s end", "b end", "s_start a", "a s_end"},
        ),
        (
            "start > g:exclusive [x -> f:parallel [a | b] > c:end | else -> d:end]",
            {"start g", "g f", "f a", "f b", "a c", "b c", "g d"},
        ),
        ("start > g:exclusive [x -> end | else -> end]", {"start g", "g end"}),
    ],
)
def test_a_line_is_the_flows_it_shows(line: str, expected: set[str], dialect: str) -> None:
    assert flows(line, dialect) == expected


@pytest.mark.parametrize(("dialect", "text"), [("zeebe", "x > 1"), ("activiti", "${x > 1}")])
def test_conditions_are_written_in_the_language_of_the_dialect(dialect: str, text: str) -> None:
    gateway = read(bpmn("start > g:exclusive [x > 1 -> a:end | else -> b:end]", dialect=dialect)).elements["g"]
    assert [flow.condition and flow.condition.text for flow in gateway.outgoing] == [text, None]
    assert gateway.default_flow is gateway.outgoing[1]


def test_arguments_may_be_quoted() -> None:
    job = read(bpmn('start > a:job(type="x, (y)", retries=2, header.k="v=w") > end')).elements["a"].job
    assert job is not None
    assert (job.type.text, job.retries.text, job.headers) == ("x, (y)", "2", {"k": "v=w"})


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("start > > end", "''"),
        ("start > a b > end", "'a b'"),
        ("start > a:user(ada) > end", "'ada'"),
        ("start > a:user > a:user", "'a:user'"),
        ("start > g:exclusive [a:end]", "'a:end'"),
        ("start > g:exclusive [x -> a", "its end"),
    ],
)
def test_a_line_that_cannot_be_read_says_where(line: str, found: str) -> None:
    with pytest.raises(ValueError, match=r"^Expected .* found ") as refused:
        bpmn(line)
    assert str(refused.value).endswith(found)
