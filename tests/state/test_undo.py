"""A command that is refused, or a step that ends in an incident, leaves no trace; and order comes from keys alone."""

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from osmia_broker import feel
from osmia_broker.base.errors import InvalidState, OsmiaError
from osmia_broker.engine import Budget, Turn, commands, execute
from osmia_broker.engine.commands.due import CarryOut, ParkFollowUp, ParkTimer, ReachDeadlines
from osmia_broker.engine.commands.job_flow import LimitJobs, PauseJobs, ResumeJobs
from osmia_broker.engine.engine import HANDLERS, UndoFailed, _walk, handles
from osmia_broker.engine.resources import compile_resources
from osmia_broker.state.missing import Missing
from osmia_broker.state.state import State
from osmia_broker.state.store_protocol import Lane, Loaded, Wanted
from osmia_broker.state.tables.windows import FIRST, WINDOWS_MAX, Window, Windows, rank
from tests.bpmn import bpmn
from tests.state.pictures import picture_of

PROCESS = bpmn(
    "start > fork:parallel [a:job(type=t, in.x='=n + 1') > join:parallel"
    " | pick:exclusive [n > 5 -> b:job(type=t) > join | else -> dine:sub { start > c:user > end } > join]] > end"
)
NOW_MS = 1_000


class Broken(commands.Command, frozen=True):
    """Carries out another command with all its steps, and then refuses it."""

    inner: commands.Command


@handles(Broken)
def _refuse_after_all(turn: Turn, command: Broken) -> None:
    HANDLERS[type(command.inner)](turn, command.inner)
    _walk(turn, is_due_work=False)
    raise InvalidState("Expected nothing, but found everything")


def fresh_turn(steps_max: int = 1_000) -> Turn:
    turn = Turn(State(), Budget(steps_max, seconds=60))
    execute(turn, commands.DeployResources(compile_resources([("p.bpmn", PROCESS)])), NOW_MS)
    for type in ("t", "io.camunda.zeebe:userTask"):
        for is_leased in (False, True):
            turn.jobs.windows.refill(Lane(type, is_leased), [])
    turn.take_events()
    return turn


def picture(turn: Turn) -> dict[str, Any]:
    """Everything that a command could have touched, as values."""
    return {
        **picture_of(turn.state),
        "events": list(turn.events),
        "results": list(turn.results),
        "agenda": list(turn.agenda),
    }


def command(choice: int, turn: Turn, value: int) -> commands.Command:
    """One of many commands, on what the state holds."""
    jobs, elements, incidents = sorted(turn.jobs._rows), sorted(turn.elements._rows), sorted(turn.incidents._rows)
    follow_ups = sorted(turn.follow_ups._rows)
    some = lambda keys: keys[value % len(keys)] if keys else 99  # noqa: E731 - a name for one index
    number = {"n": str(value % 12)}
    made: list[commands.Command] = [
        commands.CreateProcessInstance("process", -1, 0, number, result_ticket=turn.state.key_counter + 1),
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
        ReachDeadlines(tuple(jobs)),
        commands.GiveBackJobs(tuple((key, NOW_MS + 1) for key in jobs)),
        commands.ActivateJobs("t", "w", 1 + value, 8, keys=tuple(jobs[: value % 5])),
        CarryOut(some(follow_ups)),
        ParkFollowUp(some(follow_ups), "for once"),
        ParkTimer(some(sorted(turn.timers._rows)), "for once"),
        commands.UpdateJobPriority(some(jobs), value % 5 - 2),
        commands.ActivateJobs("t", "w", 1 + value, 1 + value % 3, leases=True),
        LimitJobs("u", held_max=value),
        PauseJobs("u") if value % 2 else ResumeJobs("u"),
    ]
    return made[choice % len(made)]


def try_out(turn: Turn, wanted: commands.Command) -> None:
    try:
        execute(turn, wanted, NOW_MS)
    except (OsmiaError, Missing):
        return


STEP = st.tuples(st.integers(0, 20), st.integers(0, 40))
STEPS = st.lists(STEP, max_size=25)
FAIL, SOON = 4, 27  # fails the only job of the new instance, which is activatable at once


@settings(max_examples=150, deadline=None)
@given(STEPS, STEP, st.sampled_from([1, 2, 5, 1_000]))
@example([(0, 0)], (FAIL, SOON), 1_000)
def test_a_refused_command_leaves_no_trace(before: list[tuple[int, int]], last: tuple[int, int], steps_max: int):
    turn = fresh_turn(steps_max)
    for choice, value in before:
        try_out(turn, command(choice, turn, value))
    picture_before = picture(turn)
    try_out(turn, Broken(command(last[0], turn, last[1])))
    assert picture(turn) == picture_before


@settings(max_examples=100, deadline=None)
@given(STEPS)
def test_undone_commands_change_no_order(steps: list[tuple[int, int]]):
    """Each command tried and refused first, then carried out: the jobs come in the same order as without the refusals."""
    plain, disturbed = fresh_turn(), fresh_turn()
    for choice, value in steps:
        try_out(disturbed, Broken(command(choice, disturbed, value)))
        try_out(disturbed, command(choice, disturbed, value))
        try_out(plain, command(choice, plain, value))
    assert _all_jobs(plain) == _all_jobs(disturbed)


def _all_jobs(turn: Turn) -> list[int]:
    command = commands.ActivateJobs("t", "w", 1, 1_000, leases=True)
    try:
        answer = execute(turn, command, NOW_MS)
    except Missing as missing:  # keys of jobs that have ended
        turn.state.admit(missing.wanted, Loaded())
        answer = execute(turn, command, NOW_MS)
    keys = [job.key for job in answer]
    assert keys == sorted(keys, key=lambda key: rank(turn.jobs[key]))
    return keys


def test_an_undo_that_fails_is_no_refusal():
    turn = fresh_turn()
    turn.journal.note(lambda: 1 // 0)
    with pytest.raises(UndoFailed, match="Expected to undo CompleteJob"):
        execute(turn, commands.CompleteJob(7, {}), NOW_MS)


def test_a_field_that_is_not_declared_as_changing_cannot_be_set():
    turn = fresh_turn()
    execute(turn, commands.CreateProcessInstance("process", -1, 0, {}), NOW_MS)
    element = next(iter(turn.elements._rows.values()))
    with pytest.raises(AssertionError, match="never change"):
        turn.elements.update(element, scope_key=1)


@given(st.lists(st.one_of(st.integers(1, 50), st.integers(-50, -1), st.none()), max_size=120))
def test_a_window_gives_the_lowest_key_first(steps: list[int | None]):
    window, inside = Window(through=None), set()
    for key in steps:
        if key is None:
            expected = min(inside, default=None)
            assert window.pop() == expected
            inside.discard(expected)
        elif key > 0:
            window.add(key)
            inside.add(key)
        else:
            assert window.discard(-key) == (-key in inside)
            inside.discard(-key)
        assert bool(window) == bool(inside)
        assert len(window._heap) <= 2 * len(window._members) + 65, "keys that left the window stay in memory"


def test_windows_of_types_that_nobody_asks_for_are_dropped():
    windows = Windows()
    windows.refill(Lane("kept"), [1])
    for number in range(2 * WINDOWS_MAX):
        windows.refill(Lane(f"type-{number}"), [])
        windows.used("kept")
    assert len(windows) == WINDOWS_MAX
    assert windows.get(Lane("kept")) is not None
    assert windows.get(Lane("type-0")) is None


def test_a_window_that_is_being_filled_is_not_dropped():
    windows = Windows()
    windows.refill_begins(Lane("filling"))
    for number in range(2 * WINDOWS_MAX):
        windows.refill(Lane(f"type-{number}"), [])
    assert windows.get(Lane("filling")) is not None


def test_what_was_dropped_is_read_from_its_beginning():
    """Each question is for what follows what is in memory when the store is asked, which may be less than when it was raised."""
    windows = Windows()
    windows.refill_begins(Lane("kept"))
    windows.refill(Lane("kept"), range(1, 1 + Lane("kept").jobs_max))
    windows.refill(Lane("whole"), [])
    windows.turns("fair").loaded([], 0)
    lanes = {Lane("kept"): 2_000, Lane("whole"): 7, Lane("dropped"): 7}
    wanted = Wanted(windows=frozenset(lanes.items()), fair_keys=frozenset({("fair", "k"), ("lost", "k")}))
    assert windows.as_they_are(wanted) == ({(Lane("kept"), 2_000), (Lane("dropped"), FIRST)}, {("lost", "")})


def test_keys_behind_a_window_wait_for_its_refill():
    window = Window(through=10)
    window.add(11)
    assert window.pop() is None
    assert window.ends_at == 10
    window.refilling = True
    window.add(12)
    window.refill([11])
    assert [window.pop(), window.pop(), window.pop()] == [11, 12, None]
    assert not window


def test_what_is_evaluated_after_a_command_has_time_of_its_own():
    turn = fresh_turn()
    turn.allowance.deadline = -1.0  # used up, as after a slow step
    with pytest.raises(OsmiaError):
        execute(turn, commands.CompleteJob(7, {}), NOW_MS)
    turn.allowance.deadline = -1.0
    assert feel.compile("count(for i in 1..200000 return i)").evaluate({}).value == 200_000
