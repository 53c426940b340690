"""A command that is refused, or a step that ends in an incident, leaves no trace; and order comes from keys alone."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from osmia_broker.engine import commands, execute
from osmia_broker.engine.engine import HANDLERS, _work_off, handles
from osmia_broker.engine.resources import compile_resources
from osmia_broker.errors import InvalidState, OsmiaError
from osmia_broker.state.activatable import Window
from osmia_broker.state.exchange import Loaded
from osmia_broker.state.missing import Missing
from osmia_broker.state.state import State
from tests.bpmn import bpmn

PROCESS = bpmn(
    "start > fork:parallel [a:job(type=t, in.x='=n + 1') > join:parallel"
    " | pick:exclusive [n > 5 -> b:job(type=t) > join | else -> dine:sub { start > c:user > end } > join]] > end"
)
NOW_MS = 1_000


class Broken(commands.Command, frozen=True):
    """Carries out another command with all its steps, and then refuses it."""

    inner: commands.Command


@handles(Broken)
def _refuse_after_all(state: State, command: Broken) -> None:
    HANDLERS[type(command.inner)](state, command.inner)
    _work_off(state)
    raise InvalidState("Expected nothing, but found everything")


def fresh_state() -> State:
    state = State()
    execute(state, commands.DeployResources(compile_resources([("p.bpmn", PROCESS)])), NOW_MS)
    for type in ("t", "io.camunda.zeebe:userTask"):
        state.jobs.refill(type, [])
    return state


def picture(state: State) -> dict[str, Any]:
    """Everything a command could have touched, as values."""
    tables = (state.elements, state.tokens, state.jobs, state.incidents)
    return {
        "rows": [{key: repr(row) for key, row in table._rows.items()} for table in tables],
        "by instance": [{key: sorted(rows) for key, rows in table._by_instance.items()} for table in tables],
        "changed": [{key: repr(row) for key, row in table._changed.items()} for table in tables],
        "variables": {
            scope: {name: row.value for name, row in rows.items()} for scope, rows in state.variables._scopes.items()
        },
        "changed variables": sorted(state.variables._changed),
        "children": dict(state.children),
        "next key": state._next_key,
        "awaited": dict(state.awaited),
        "events": list(state.events),
        "results": list(state.results),
    }


def command(choice: int, state: State, value: int) -> commands.Command:
    """One of many commands, on what the state holds."""
    jobs, elements, incidents = sorted(state.jobs._rows), sorted(state.elements._rows), sorted(state.incidents._rows)
    some = lambda keys: keys[value % len(keys)] if keys else 99  # noqa: E731 - a name for one index
    number = {"n": str(value % 12)}
    made: list[commands.Command] = [
        commands.CreateProcessInstance("process", -1, 0, number),
        commands.CreateProcessInstance("process", -1, 0, {"n": '"x"'}),
        commands.ActivateJobs("t", "w", 1 + value, 1 + value % 3),
        commands.CompleteJob(some(jobs), number),
        commands.FailJob(some(jobs), value % 2, "no", (value % 3) * 10, number),
        commands.ThrowError(some(jobs), "code", "", {}),
        commands.UpdateJobRetries(some(jobs), value % 4),
        commands.UpdateJobTimeout(some(jobs), value),
        commands.SetVariables(some(elements), number, bool(value % 2)),
        commands.ResolveIncident(some(incidents)),
        commands.CancelProcessInstance(some(elements)),
        commands.ReachDeadlines(tuple(jobs)),
        commands.GiveBackJobs(tuple((key, NOW_MS + 1) for key in jobs)),
    ]
    return made[choice % len(made)]


def try_out(state: State, wanted: commands.Command) -> None:
    try:
        execute(state, wanted, NOW_MS)
    except (OsmiaError, Missing):
        return


STEPS = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 40)), max_size=25)


@settings(max_examples=150, deadline=None)
@given(STEPS, st.tuples(st.integers(0, 12), st.integers(0, 40)))
def test_a_refused_command_leaves_no_trace(before: list[tuple[int, int]], last: tuple[int, int]):
    state = fresh_state()
    for choice, value in before:
        try_out(state, command(choice, state, value))
    picture_before = picture(state)
    try_out(state, Broken(command(last[0], state, last[1])))
    assert picture(state) == picture_before


@settings(max_examples=100, deadline=None)
@given(STEPS)
def test_undone_commands_change_no_order(steps: list[tuple[int, int]]):
    """Each command tried and refused first, then carried out: the jobs come in the same order as without the refusals."""
    plain, disturbed = fresh_state(), fresh_state()
    for choice, value in steps:
        try_out(disturbed, Broken(command(choice, disturbed, value)))
        try_out(disturbed, command(choice, disturbed, value))
        try_out(plain, command(choice, plain, value))
    assert _all_jobs(plain) == _all_jobs(disturbed)


def _all_jobs(state: State) -> list[int]:
    command = commands.ActivateJobs("t", "w", 1, 1_000)
    try:
        answer = execute(state, command, NOW_MS)
    except Missing as missing:  # keys of jobs that are over
        state.admit(missing.wanted, Loaded())
        answer = execute(state, command, NOW_MS)
    keys = [job.key for job in answer]
    assert keys == sorted(keys)
    return keys


@given(st.lists(st.one_of(st.integers(1, 50), st.none()), max_size=60))
def test_a_window_gives_the_lowest_key_first(steps: list[int | None]):
    window, inside = Window(through=None), []
    for key in steps:
        if key is not None:
            window.add(key)
            inside.append(key)
        else:
            expected = min(inside, default=None)
            assert window.pop() == expected
            if expected is not None:
                inside.remove(expected)


def test_keys_behind_a_window_wait_for_its_refill():
    window = Window(through=10)
    window.add(11)
    assert window.pop() is None
    assert window.needs_refill
    window.refilling = True
    window.add(12)
    window.refill([11])
    assert [window.pop(), window.pop(), window.pop()] == [11, 12, None]
    assert not window
