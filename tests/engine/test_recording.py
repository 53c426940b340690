"""The events of a command: what its changes of rows mean, in order, without the steps that were taken back."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from osmia_broker.base.errors import NotFound
from osmia_broker.engine import Turn, commands, execute
from osmia_broker.engine.commands.due import ReachDeadlines, TriggerTimer
from osmia_broker.engine.commands.event_log import DropEvents, RecordEvents, StopRecording
from osmia_broker.engine.recording import record
from osmia_broker.engine.resources import compile_resources
from osmia_broker.model import USER_TASK_JOB_TYPE
from osmia_broker.state.rows import Job, JobState
from osmia_broker.state.rows.event_log import LoggedEvent
from osmia_broker.state.rows.tasks import UserTask, UserTaskState
from osmia_broker.state.state import State
from osmia_broker.state.store_protocol import Lane
from tests.bpmn import bpmn

NOW_MS = 1_000
KEY = 1 << 51


class Recorded:
    """A state with no store, whose commands are recorded."""

    def __init__(self, line: str) -> None:
        self.turn = Turn(State())
        for type in ("t", "io.camunda.zeebe:userTask"):
            self.turn.jobs.windows.refill(Lane(type), [])
        self.do(commands.DeployResources(compile_resources([("p.bpmn", bpmn(line))])))
        self.do(RecordEvents())

    def do(self, command: commands.Command, now_ms: int = NOW_MS) -> Any:
        return execute(self.turn, command, now_ms)

    def create(self, **variables: Any) -> int:
        texts = {name: json.dumps(value) for name, value in variables.items()}
        return int(self.do(commands.CreateProcessInstance("process", -1, 0, texts)).process_instance_key)

    def job(self) -> int:
        return next(iter(self.turn.jobs._rows))

    def activate(self) -> int:
        return int(self.do(commands.ActivateJobs("t", "w", 60_000, 1))[0].key)

    def events(self) -> list[LoggedEvent]:
        """The events since the last look."""
        return [LoggedEvent(*values) for values in self.turn.event_log.take_events()]

    def told(self) -> list[str]:
        """The events in short: kind, subject, intent."""
        return [f"{one.kind} {one.element_id or one.name} {one.intent}" for one in self.events()]


def test_a_new_instance_tells_each_step_in_order() -> None:
    recorded = Recorded("start > work:job(type=t) > end")
    recorded.create(n=1)
    assert recorded.told() == [
        "PROCESS_INSTANCE process created",
        "VARIABLE n created",
        "ELEMENT_INSTANCE start activating",
        "ELEMENT_INSTANCE start activated",
        "ELEMENT_INSTANCE start completing",
        "ELEMENT_INSTANCE work activating",
        "ELEMENT_INSTANCE start completed",
        "ELEMENT_INSTANCE work activated",
        "JOB work created",
    ]


def test_the_last_step_of_an_instance_knows_its_process() -> None:
    recorded = Recorded("start > work:job(type=t) > end")
    recorded.create()
    recorded.activate()
    recorded.events()
    recorded.do(commands.CompleteJob(recorded.job(), {"done": "true"}))
    events = recorded.events()
    assert [(one.kind, one.intent) for one in events[:2]] == [("JOB", "completed"), ("VARIABLE", "created")]
    assert (events[-1].kind, events[-1].intent) == ("PROCESS_INSTANCE", "completed")
    assert {one.bpmn_process_id for one in events} == {"process"}
    assert len({one.process_definition_key for one in events}) == 1


def test_positions_grow() -> None:
    recorded = Recorded("start > work:job(type=t) > end")
    recorded.create()
    recorded.create()
    positions = [one.key for one in recorded.events()]
    assert positions == sorted(set(positions))
    assert positions[0] > KEY


Act = Callable[[Recorded], Any]


@pytest.mark.parametrize(
    ("act", "told"),
    [
        (lambda it: it.activate(), ["JOB work activated"]),
        (lambda it: it.do(commands.UpdateJobRetries(it.job(), 9)), ["JOB work retries_updated"]),
        (
            lambda it: it.do(commands.FailJob(it.activate(), 2, "no", 500, {})),
            ["JOB work activated", "JOB work failed"],
        ),
        (
            lambda it: it.do(commands.FailJob(it.activate(), 0, "no", 0, {})),
            ["JOB work activated", "JOB work failed", "INCIDENT work raised"],
        ),
        (
            lambda it: (key := it.activate(), it.do(ReachDeadlines((key,)), NOW_MS + 60_000)),
            ["JOB work activated", "JOB work timed_out"],
        ),
        (
            lambda it: (key := it.activate(), it.do(commands.GiveBackJobs(((key, NOW_MS + 60_000),)))),
            ["JOB work activated", "JOB work given_back"],
        ),
        (
            lambda it: (key := it.activate(), it.do(commands.UpdateJobTimeout(key, 90_000))),
            ["JOB work activated", "JOB work timeout_updated"],
        ),
        (
            lambda it: (
                it.do(commands.FailJob(it.activate(), 2, "no", 500, {})),
                it.do(ReachDeadlines((it.job(),)), NOW_MS + 500),
            ),
            ["JOB work activated", "JOB work failed", "JOB work retried"],
        ),
    ],
)
def test_the_life_of_a_job(act: Act, told: list[str]) -> None:
    recorded = Recorded("start > work:job(type=t) > end")
    recorded.create()
    recorded.events()
    act(recorded)
    assert recorded.told() == told


def test_a_step_that_was_taken_back_is_no_event() -> None:
    recorded = Recorded("start > pick:exclusive [n > 5 -> a:user > end]")
    recorded.create(n=1)
    told = recorded.told()
    assert told[-1] == "INCIDENT pick raised"
    assert "ELEMENT_INSTANCE pick completed" not in told


def test_a_refused_command_is_no_event() -> None:
    recorded = Recorded("start > work:job(type=t) > end")
    with pytest.raises(NotFound):
        recorded.do(commands.CompleteJob(7, {}))
    assert recorded.events() == []


def test_a_cancelled_instance_cancels_its_jobs() -> None:
    recorded = Recorded("start > ask:user > end")
    key = recorded.create()
    recorded.events()
    recorded.do(commands.CancelProcessInstance(key))
    told = recorded.told()
    assert told[-1] == "PROCESS_INSTANCE process canceled"
    assert {"JOB ask canceled", "USER_TASK ask canceled", "ELEMENT_INSTANCE ask terminated"} <= set(told)


def test_an_updated_variable_tells_its_new_value() -> None:
    recorded = Recorded("start > one:job(type=t) > end")
    key = recorded.create(x=0)
    recorded.events()
    recorded.do(commands.SetVariables(key, {"x": "7"}, False))
    event = recorded.events()[0]
    assert json.loads(event.details) == {"scopeKey": str(key), "value": 7}
    assert (event.kind, event.intent, event.name) == ("VARIABLE", "updated", "x")


def test_a_value_that_did_not_change_is_no_event() -> None:
    recorded = Recorded("start > work:job(type=t) > end")
    key = recorded.create(x=1)
    recorded.events()
    recorded.do(commands.SetVariables(key, {"x": "1"}, False))
    assert recorded.events() == []


def test_a_long_value_is_left_out() -> None:
    recorded = Recorded("start > work:job(type=t) > end")
    recorded.create(text="x" * 40_000)
    event = next(one for one in recorded.events() if one.kind == "VARIABLE")
    assert json.loads(event.details) == {"scopeKey": str(event.process_instance_key), "isTruncated": True}


def test_a_deployment_tells_each_new_version() -> None:
    recorded = Recorded("start > end")
    recorded.do(commands.DeployResources(compile_resources([("q.bpmn", bpmn("start > end", id="q"))])))
    (event,) = recorded.events()
    assert (event.kind, event.intent, event.name) == ("DEPLOYMENT", "created", "q")
    assert json.loads(event.details)["version"] == 1
    recorded.do(commands.DeleteResource(event.subject_key))
    assert recorded.told() == ["DEPLOYMENT q deleted"]


def test_nothing_is_recorded_unless_somebody_asks() -> None:
    recorded = Recorded("start > work:job(type=t) > end")
    recorded.do(StopRecording())
    recorded.create()
    assert recorded.events() == []


def test_a_second_reader_does_not_begin_anew() -> None:
    recorded = Recorded("start > work:job(type=t) > end")
    first = recorded.do(RecordEvents())
    recorded.create()
    second = recorded.do(RecordEvents())
    assert second.complete_after == first.complete_after
    assert second.last > first.last


def test_dropped_events_move_the_place_up_to_which_the_log_is_complete() -> None:
    recorded = Recorded("start > work:job(type=t) > end")
    recorded.create()
    keys = tuple(one.key for one in recorded.events())
    recorded.do(DropEvents(keys[:3]))
    assert recorded.do(RecordEvents()).complete_after == keys[2]
    assert recorded.turn.event_log.take_deleted() == {LoggedEvent: [(key,) for key in keys[:3]]}


# --- user tasks with a row of their own

TASK = UserTask(KEY + 1, KEY, 0, KEY + 2, "ask", KEY + 3, "Ask", "", "", UserTaskState.CREATED)
ASSIGNING, COMPLETING, CREATED = UserTaskState.ASSIGNING, UserTaskState.COMPLETING, UserTaskState.CREATED


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ([{"assignee": "ada"}, {"assignee": ""}], ["assigned", "unassigned"]),
        ([{"assignee": "ada"}, {"assignee": "ben"}], ["assigned", "assigned"]),
        ([{"priority": 90}], ["updated"]),
        ([{"state": ASSIGNING}, {"state": CREATED, "assignee": "ada"}], ["assigning", "assigned"]),
        ([{"state": ASSIGNING}, {"state": CREATED}], ["assigning", "reopened"]),  # a listener denied it
        ([{"state": COMPLETING}, {"state": UserTaskState.COMPLETED, "ended_ms": 5}], ["completing", "completed"]),
        ([{"state": UserTaskState.CANCELED, "ended_ms": 5}], ["canceled"]),
    ],
)
def test_the_life_of_a_user_task(changes: list[dict[str, Any]], told: list[str]) -> None:
    turn = Turn(State())
    task = replace(TASK)
    turn.state.user_tasks.insert(task)
    for change in changes:
        turn.state.user_tasks.update(task, **change)
    record(turn)
    events = [LoggedEvent(*values) for values in turn.event_log.take_events()]
    assert [one.intent for one in events] == ["created", *told]
    assert {(one.kind, one.element_id, one.subject_key) for one in events} == {("USER_TASK", "ask", TASK.key)}
    assert json.loads(events[-1].details)["assignee"] == (task.assignee or None)


@pytest.mark.parametrize("key", [TASK.key, TASK.job_key])
def test_a_user_task_with_a_row_is_told_once(key: int) -> None:
    turn = Turn(State())
    turn.state.user_tasks.insert(replace(TASK, key=key))
    turn.state.jobs.insert(Job(TASK.job_key, KEY, 0, KEY + 2, "ask", USER_TASK_JOB_TYPE, JobState.ACTIVATABLE, 1))
    record(turn)
    events = [LoggedEvent(*values) for values in turn.event_log.take_events()]
    assert [one.kind for one in events] == ["USER_TASK", "JOB"]


def test_an_event_fits_a_message_whatever_it_tells() -> None:
    recorded = Recorded("start > work:user(native=yes) > end")
    recorded.create()
    task = next(iter(recorded.turn.user_tasks._rows.values()))
    many = json.dumps([f"{number:04}" + "x" * 700 for number in range(1000)])
    recorded.events()
    recorded.turn.user_tasks.update(task, assignee="a" * 2_000_000, candidate_users=many, candidate_groups=many)
    record(recorded.turn)
    [event] = recorded.events()
    details = json.loads(event.details)
    assert (details["isTruncated"], details["state"], details["priority"]) == (True, "CREATED", 50)
    assert details["assignee"] == "a" * 32_768
    assert not {"candidateUsers", "candidateGroups"} & details.keys()


def test_an_event_tells_many_candidates_as_long_as_they_fit() -> None:
    recorded = Recorded("start > work:user(native=yes) > end")
    recorded.create()
    task = next(iter(recorded.turn.user_tasks._rows.values()))
    many = json.dumps([f"{number:04}" + "x" * 500 for number in range(1000)])
    recorded.events()
    recorded.turn.user_tasks.update(task, candidate_users=many, candidate_groups=many)
    record(recorded.turn)
    [event] = recorded.events()
    assert json.loads(event.details)["candidateUsers"] == json.loads(many)
    assert "isTruncated" not in event.details


@pytest.mark.parametrize("ends", ["cancel", "interrupt"])
def test_the_last_canceling_listener_ends_what_it_held_up_in_its_own_command(ends: str) -> None:
    """Who has its answer reads the end: no follow-up is left for later."""
    line = "start > dine:sub { start > work:user(native=yes, canceling=c) > end } > end"
    recorded = Recorded(
        line
        if ends == "cancel"
        else "start > work:user(native=yes, canceling=c) > end & late:boundary(on=work, timer=PT1H) > e2:end"
    )
    instance = recorded.create()
    recorded.turn.jobs.windows.refill(Lane("c"), [])
    if ends == "cancel":
        recorded.do(commands.CancelProcessInstance(instance))
    else:
        [timer] = recorded.turn.timers._rows
        recorded.do(TriggerTimer(timer), NOW_MS + 3_600_000)
    [job] = [row.key for row in recorded.turn.jobs._rows.values() if row.type == "c"]
    assert recorded.turn.elements.get(instance) is not None
    recorded.do(commands.CompleteJob(job, {}), NOW_MS + 3_600_000)
    assert recorded.turn.elements.get(instance) is None
    assert not recorded.turn.follow_ups._rows
