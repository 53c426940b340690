"""What may be decided at a task over gRPC, through the SDK: proposals, and what is taken back within ten seconds."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

import osmia
from osmia.errors import InvalidArgument, InvalidState, NotFound
from osmia.results import InstanceState
from osmia_broker.base import errors
from osmia_broker.calls.caller import Caller
from osmia_broker.calls.processes.results import Results
from osmia_broker.calls.tasks.proposals import Undecided
from osmia_broker.calls.tasks.user_tasks import COMMENT_CHARACTERS, UserTaskCalls
from osmia_broker.engine.commands.tasks import CompleteHeldTask
from osmia_broker.http.web.person import packed
from osmia_broker.store.read.tasks.task_proposals import HELD
from tests.bpmn import bpmn
from tests.running_broker import RunningBroker, running_broker

LINE = "start > ask:user(name=Ask, native=yes, assignee=ada) > end"
JOB_LINE = "start > ask:user(name=Ask, assignee=ada) > end"


class Place:
    """A broker with one task of ada, who calls."""

    def __init__(self, broker: RunningBroker, line: str = LINE, id: str = "p") -> None:
        self.broker, self.id = broker, id
        self.client = osmia.SyncClient(broker.address, metadata=[("osmia-user", "ada")])
        self.desk = self.client.user_tasks
        self.client.deploy((f"{id}.bpmn", bpmn(line, id=id)))
        self.instance = self.client.create_instance(id, {"amount": 500}).key
        [self.task] = self.desk.search({"processInstanceKey": str(self.instance)}).items
        self.key = self.task.key

    @property
    def state(self) -> str:
        return self.desk.get(self.key).state

    def is_over(self) -> bool:
        return not self.client.search_instances(bpmn_process_id=self.id, states=[InstanceState.ACTIVE]).items

    def later(self, ms: int) -> None:
        self.broker.clock.ms += ms
        self.broker.look_at_clock()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Place]]:
    with running_broker(tmp_path) as broker:
        yield lambda line=LINE: Place(broker, line)


# --- held completions


def test_a_held_completion_is_carried_out_by_the_broker_alone(start: Any):
    place = start()
    place.desk.complete(place.key, {"dinner": "soup"}, hold_ms=10_000)
    assert place.state == "COMPLETING"
    assert not place.is_over()
    place.later(9_999)
    assert place.state == "COMPLETING"
    place.later(1)
    assert place.is_over()
    assert place.state == "COMPLETED"
    steps = [(step.operation, step.user) for step in place.desk.history(place.key)]
    assert steps[-1] == ("COMPLETE", "ada")


def test_a_held_completion_is_taken_back(start: Any):
    place = start()
    place.desk.complete(place.key, {"dinner": "soup"}, hold_ms=10_000)
    place.desk.undo(place.key)
    assert place.state == "CREATED"
    place.later(20_000)
    assert place.state == "CREATED"
    assert "dinner" not in place.desk.variables(place.key)
    assert place.desk.history(place.key)[-1].action == "undo"
    with pytest.raises(InvalidState):  # nothing is held any more
        place.desk.undo(place.key)
    place.desk.complete(place.key)
    assert place.state == "COMPLETED"


@pytest.mark.parametrize(
    "change",
    [
        lambda desk, key: desk.complete(key, user="bob"),
        lambda desk, key: desk.complete(key, hold_ms=10_000),
        lambda desk, key: desk.claim(key, user="bob"),
        lambda desk, key: desk.assign(key, "bob", user="boss"),
        lambda desk, key: desk.update(key, {"priority": 1}),
        lambda desk, key: desk.undo(key, user="bob"),
    ],
    ids=["complete", "hold again", "claim", "assign", "update", "undo of somebody else"],
)
def test_while_a_completion_is_held_nobody_changes_the_task(start: Any, change: Any):
    place = start()
    place.desk.complete(place.key, hold_ms=10_000)
    with pytest.raises(InvalidState):
        change(place.desk, place.key)
    assert place.state == "COMPLETING"


def test_a_canceled_instance_takes_its_held_completion_along(start: Any):
    place = start()
    place.desk.complete(place.key, {"dinner": "soup"}, hold_ms=10_000)
    place.client.cancel_instance(place.instance)
    place.later(20_000)
    assert place.state == "CANCELED"
    with pytest.raises((InvalidState, NotFound)):
        place.desk.undo(place.key)


def test_a_worker_that_completes_the_job_is_quicker(start: Any):
    place = start(JOB_LINE)
    place.desk.complete(place.key, {"dinner": "soup"}, hold_ms=10_000)
    [job] = place.client.search_jobs(process_instance_key=place.instance).items
    place.client.complete_job(job.key, {"dinner": "bread"})
    assert place.state == "COMPLETED"
    place.later(20_000)
    assert place.state == "COMPLETED"


def test_a_held_completion_outlives_the_broker(tmp_path: Path):
    with running_broker(tmp_path) as broker:
        place = Place(broker)
        place.desk.complete(place.key, {"dinner": "soup"}, hold_ms=10_000)
        key, then = place.key, broker.clock.ms
    with running_broker(tmp_path) as broker:
        broker.clock.ms = then + 10_000
        broker.look_at_clock()
        desk = broker.client.user_tasks
        assert desk.get(key).state == "COMPLETED"


def test_it_can_be_taken_back_after_a_restart(tmp_path: Path):
    with running_broker(tmp_path) as broker:
        place = Place(broker)
        place.desk.complete(place.key, hold_ms=10_000)
        key = place.key
    with running_broker(tmp_path) as broker:
        broker.client.user_tasks.undo(key, user="ada")
        assert broker.client.user_tasks.get(key).state == "CREATED"


@pytest.mark.parametrize("hold_ms", [-1, 60_001])
def test_a_completion_is_held_for_a_minute_at_most(start: Any, hold_ms: int):
    place = start()
    with pytest.raises(InvalidArgument, match="hold_ms"):
        place.desk.complete(place.key, hold_ms=hold_ms)
    assert place.state == "CREATED"


def test_the_read_side_knows_the_name_of_the_follow_up():
    assert CompleteHeldTask.__name__ == HELD


# --- assignments


def test_an_assignment_is_taken_back_for_ten_seconds(start: Any):
    place = start()
    place.desk.assign(place.key, "bob")
    place.desk.undo(place.key)
    assert place.desk.get(place.key).assignee == "ada"
    place.desk.unclaim(place.key)
    place.desk.undo(place.key)
    assert place.desk.get(place.key).assignee == "ada"
    place.desk.assign(place.key, "bob")
    place.later(10_001)
    with pytest.raises(InvalidState, match="can be taken back"):
        place.desk.undo(place.key)


def test_only_ones_own_last_step_is_taken_back(start: Any):
    place = start()
    place.desk.assign(place.key, "bob")
    with pytest.raises(InvalidState):
        place.desk.undo(place.key, user="bob")
    place.desk.update(place.key, {"priority": 1}, user="boss")
    with pytest.raises(InvalidState):
        place.desk.undo(place.key)
    with pytest.raises(NotFound):
        place.desk.undo(5)


# --- handing back


def calls_of(place: Place) -> UserTaskCalls:
    partitions = place.broker.broker.partitions
    return UserTaskCalls(partitions, Results(partitions))


def hand_back(place: Place, reason: str) -> None:
    place.broker.run(calls_of(place).hand_back(place.key, reason, caller=Caller({"osmia-user": "ada"})))


def on_page(place: Place, path: str) -> None:
    address = f"http://127.0.0.1:{place.broker.broker.http_port}{path}"
    assert httpx.post(address, cookies={"osmia_person": packed(["ada", []])}).status_code == 303


def test_a_task_is_handed_back_with_the_reason_as_a_comment(start: Any):
    place = start()
    hand_back(place, "no flour")
    assert place.desk.get(place.key).assignee == ""
    assert [one.text for one in place.desk.comments(place.key)] == ["Handed back: no flour"]


def test_a_task_that_is_not_handed_back_keeps_no_comment(start: Any):
    place = start()
    on_page(place, f"/instances/{place.instance}/suspend")
    with pytest.raises(errors.InvalidState):
        hand_back(place, "no flour")
    on_page(place, f"/instances/{place.instance}/resume")
    with pytest.raises(errors.InvalidArgument, match="characters"):
        hand_back(place, "x" * COMMENT_CHARACTERS)
    assert (place.desk.get(place.key).assignee, list(place.desk.comments(place.key))) == ("ada", [])


# --- proposals


@pytest.mark.parametrize("is_saved", [True, False])
def test_a_proposal_whose_values_become_no_draft_stays_open(start: Any, monkeypatch: Any, is_saved: bool):
    place = start()
    made = place.desk.propose(place.key, {"amount": 450}, user="agent")
    if not is_saved:

        async def refuse(*_: Any, **__: Any) -> None:
            raise errors.InvalidState("Expected a disk with room, but found none")

        monkeypatch.setattr(UserTaskCalls, "save_draft", refuse)
    on_page(place, f"/tasks/{place.key}/proposals/{made}/edit")
    [seen] = place.desk.proposals(place.key)
    assert seen.state == ("EDITED" if is_saved else "OPEN")


def test_a_proposal_changes_nothing_until_it_is_accepted(start: Any):
    place = start()
    made = place.desk.propose(
        place.key, {"amount": 450, "ok": True}, outcome="approve", text="below the limit", user="agent"
    )
    assert place.desk.variables(place.key) == {"amount": 500}
    [seen] = place.desk.proposals(place.key)
    assert (seen.key, seen.user, seen.variables, seen.outcome, seen.text, seen.state) == (
        made, "agent", {"amount": 450, "ok": True}, "approve", "below the limit", "OPEN",
    )  # fmt: skip
    place.desk.answer_proposal(made, "ACCEPTED")
    assert place.state == "COMPLETED"
    [seen] = place.desk.proposals(place.key)
    assert (seen.state, seen.answered_by) == ("ACCEPTED", "ada")
    found = place.client.search_variables(process_instance_key=place.instance).items
    assert {one.name: one.value for one in found} == {"amount": 450, "ok": True}
    actions = [(step.action, step.user) for step in place.desk.history(place.key)]
    assert actions[-3:] == [("propose", "agent"), ("accept proposal", "ada"), ("approve", "ada")]


@pytest.mark.parametrize("state", ["ANSWERED", "IGNORED", "EDITED"])
def test_a_proposal_is_answered_once(start: Any, state: str):
    place = start()
    made = place.desk.propose(place.key, {"amount": 450}, user="agent")
    place.desk.answer_proposal(made, state, answer="too little")
    assert place.state == "CREATED"
    [seen] = place.desk.proposals(place.key)
    assert (seen.state, seen.answer) == (state, "too little")
    with pytest.raises(InvalidState, match="to be open"):
        place.desk.answer_proposal(made, "ACCEPTED")
    again = place.desk.propose(place.key, outcome="reject", user="agent")
    assert [one.key for one in place.desk.proposals(place.key)] == [made, again]


def test_of_those_who_answer_a_proposal_at_the_same_moment_one_does(start: Any):
    place = start()
    made = place.desk.propose(place.key, {"amount": 450}, user="agent")
    broker = place.broker.broker
    undecided = Undecided(UserTaskCalls(broker.partitions, Results(broker.partitions)), broker._database.reader)

    async def at_once() -> list[Any]:
        people = [Caller({"osmia-user": f"p{number}"}) for number in range(5)]
        answers = [undecided.answer(made, "ANSWERED", answer=one.user, caller=one) for one in people]
        return await asyncio.gather(*answers, return_exceptions=True)

    outcomes = place.broker.run(at_once())
    assert sum(one is None for one in outcomes) == 1
    assert {type(one).__name__ for one in outcomes if one is not None} == {"InvalidState"}
    [seen] = place.desk.proposals(place.key)
    assert seen.answer == seen.answered_by == f"p{outcomes.index(None)}"


def test_what_is_no_proposal_and_no_answer_is_refused(start: Any):
    place = start()
    with pytest.raises(InvalidArgument, match="variables or an outcome"):
        place.desk.propose(place.key, text="nothing")
    with pytest.raises(NotFound):
        place.desk.propose(5, {"a": 1})
    made = place.desk.propose(place.key, {"a": 1})
    with pytest.raises(InvalidArgument, match="one of ACCEPTED"):
        place.desk.answer_proposal(made, "MAYBE")
    with pytest.raises(InvalidArgument, match="to have a text"):
        place.desk.answer_proposal(made, "ANSWERED")
    with pytest.raises(NotFound, match="no such proposal"):
        place.desk.answer_proposal(7, "IGNORED")
    place.desk.complete(place.key)
    with pytest.raises(NotFound):
        place.desk.answer_proposal(made, "ACCEPTED")
    with pytest.raises(NotFound):
        place.desk.propose(place.key, {"a": 1})


def test_a_snoozed_task_comes_back_with_a_proposal(start: Any):
    place = start()
    place.desk.snooze(place.key, until_change=True)
    place.desk.propose(place.key, {"a": 1}, user="agent")
    assert place.desk.snoozed() == []
