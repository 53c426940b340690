"""`osmia.v1.UserTasks` over gRPC, through the SDK: the dinner scenario of user-tasks.md, section 8, and what the calls refuse."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

import osmia
from osmia_broker.calls.tasks import next_task
from osmia_broker.gateway.user_tasks_service import _changes, _task
from osmia_proto.methods import USER_TASKS
from tests.activiti import extension_file, variable
from tests.bpmn import bpmn
from tests.running_broker import RunningBroker, running_broker

DIALECTS = {
    "job": ("zeebe", "groups=family", "assignee=demo"),
    "native": ("zeebe", "native=yes, groups=family", "native=yes, assignee=demo"),
    "activiti": ("activiti", "groups=family", 'assignee="${initiator}"'),
}
JOB_TYPE = "io.camunda.zeebe:userTask"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[RunningBroker]:
    with running_broker(tmp_path) as broker:
        yield broker


def dinner(kind: str, end: str = "end") -> tuple[str, bytes]:
    dialect, decide, eat = DIALECTS[kind]
    line = f"start > decide:user(name=Decide, {decide}) > eat:user(name=Eat, {eat}) > {end}"
    return "dinner.bpmn", bpmn(line, id="dinner", dialect=dialect)


def listed(desk: Any, **filter: Any) -> list[str]:
    return [task.element_id for task in desk.search(filter, sort=[{"field": "creationDate"}]).items]


@pytest.mark.parametrize("kind", DIALECTS)
def test_what_is_for_dinner(broker: RunningBroker, kind: str):
    client = osmia.SyncClient(broker.address, metadata=[("osmia-user", "demo")])
    desk = client.user_tasks
    first = client.deploy(dinner(kind)).processes[0]
    again = client.deploy(dinner(kind)).processes[0]
    assert (first.version, again.version, again.key) == (1, 1, first.key)
    assert client.deploy(dinner(kind, "done:end")).processes[0].version == 2

    instance = client.create_instance("dinner").key
    decide, eat = _eat_dinner(broker, desk, client, instance)
    assert [(step.operation, step.user, step.changes) for step in desk.history(decide.key)] == [
        ("CREATE", "", {}),
        ("ASSIGN", "anna", {"assignee": ["", "anna"]}),
        ("UNASSIGN", "anna", {"assignee": ["anna", ""]}),
        ("ASSIGN", "demo", {"assignee": ["", "demo"]}),
        ("COMPLETE", "demo", {}),
    ]
    assert desk.get(eat.key).completion_date

    second = client.create_instance("dinner").key
    [open_task] = desk.search({"processInstanceKey": str(second)}).items
    client.cancel_instance(second)
    assert desk.get(open_task.key).state == "CANCELED"
    assert listed(desk, state="CREATED") == []
    with pytest.raises(osmia.NotFound):
        desk.complete(open_task.key)
    client.close()


def _eat_dinner(broker: RunningBroker, desk: Any, client: Any, instance: int) -> tuple[Any, Any]:
    """Steps 2 to 10 of the scenario."""
    page = desk.search({"assignee": {"$exists": False}, "candidateGroup": "family", "state": "CREATED"})
    [decide] = page.items
    assert (decide.name, decide.priority, decide.assignee, decide.candidate_groups) == ("Decide", 50, "", ("family",))
    assert decide.process_instance_key == instance
    assert listed(desk, assignee="anna") == listed(desk, state="COMPLETED") == []

    desk.claim(decide.key, user="anna", groups=["family"])
    with pytest.raises(osmia.InvalidState, match="already been assigned to 'anna'"):
        desk.claim(decide.key, user="demo")
    assert desk.get(decide.key).assignee == "anna"
    desk.unclaim(decide.key, user="anna")
    desk.claim(decide.key)  # by demo, who is named by the client
    assert listed(desk, assignee="demo", state="CREATED") == ["decide"]

    desk.complete(decide.key, {"dinner": "chicken"})
    with pytest.raises(osmia.NotFound, match="no such user task was found"):
        desk.complete(decide.key)
    done = desk.get(decide.key)
    assert (done.state, done.assignee) == ("COMPLETED", "demo")
    assert done.completion_date
    assert {one.name: one.value for one in client.search_variables(instance).items}["dinner"] == "chicken"

    [eat] = desk.search({"assignee": "demo", "state": "CREATED"}).items
    assert eat.element_id == "eat"
    assert desk.variables(eat.key)["dinner"] == "chicken"
    desk.complete(eat.key)
    assert str(client.get_instance(instance).state) == "COMPLETED"
    assert listed(desk, state="CREATED") == []
    assert listed(desk, state="COMPLETED") == ["decide", "eat"]
    return done, eat


def test_a_job_and_its_task_are_one(broker: RunningBroker):
    client, desk = broker.client, broker.client.user_tasks
    client.deploy(dinner("job"))
    client.create_instance("dinner")
    [decide] = desk.search({"state": "CREATED"}).items
    [job] = client.activate_jobs(JOB_TYPE, worker="w", max_jobs=5, timeout_ms=60_000, wait_ms=-1)
    assert job.element_instance_key == decide.element_instance_key
    client.complete_job(job.key, {"dinner": "soup"})
    assert desk.get(decide.key).state == "COMPLETED"
    with pytest.raises(osmia.NotFound):
        desk.complete(decide.key)
    [eat] = desk.search({"state": "CREATED"}).items
    [job] = client.activate_jobs(JOB_TYPE, worker="w", max_jobs=5, timeout_ms=60_000, wait_ms=-1)
    desk.complete(eat.key)
    with pytest.raises(osmia.NotFound):
        client.complete_job(job.key)


def test_a_claim_and_a_draft_survive_a_restart(tmp_path: Path):
    with running_broker(tmp_path) as broker:
        broker.client.deploy(dinner("native"))
        broker.client.create_instance("dinner", {"guests": 4})
        [task] = broker.client.user_tasks.search().items
        broker.client.user_tasks.claim(task.key, user="demo")
        broker.client.user_tasks.save_draft(task.key, {"dinner": "st"}, user="demo")
    with running_broker(tmp_path) as broker:
        desk = broker.client.user_tasks
        assert desk.get(task.key).assignee == "demo"
        assert desk.variables(task.key) == {"guests": 4}
        assert desk.draft(task.key, user="demo") == {"dinner": "st"}
        assert desk.draft(task.key, user="anna") is None
        desk.complete(task.key, user="demo")
        assert desk.draft(task.key, user="demo") is None, "it went with the task"


def test_the_next_task_is_the_one_that_is_due_then_urgent_then_old(broker: RunningBroker):
    client, desk = broker.client, broker.client.user_tasks
    attributes = 'native=yes, groups=hr, priority="=p", due="=d"'
    client.deploy(("p.bpmn", bpmn(f"start > t:user({attributes}) > end", id="p")))
    for name, priority, due in [("old", 50, None), ("young", 50, None), ("urgent", 90, None), ("due", 10, "2030-01-01T00:00:00Z")]:  # fmt: skip
        client.create_instance("p", {"name": name, "p": priority, "d": due})
        broker.clock.ms += 1_000
    got = []
    while (task := desk.claim_next(user="ada", groups=["it", "hr"])) is not None:
        assert (task.assignee, task.state) == ("ada", "CREATED")
        got.append(desk.variables(task.key)["name"])
    assert got == ["due", "urgent", "old", "young"]


@pytest.mark.parametrize(
    ("user", "groups", "only"),
    [("ada", ["it"], {}), ("ada", [], {}), ("ada", ["hr"], {"bpmn_process_id": "other"}), ("ada", ["hr"], {"element_id": "u"})],
)  # fmt: skip
def test_there_is_no_next_task_for_others(broker: RunningBroker, user: str, groups: list[str], only: dict[str, str]):
    broker.client.deploy(("p.bpmn", bpmn("start > t:user(groups=hr) > end", id="p")))
    broker.client.create_instance("p")
    assert broker.client.user_tasks.claim_next(user=user, groups=groups, **only) is None


def test_many_tasks_of_suspended_instances_hold_up_no_other(broker: RunningBroker, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(next_task, "PROPOSED", 2)
    monkeypatch.setattr(next_task, "ROUNDS_MAX", 2)
    client, desk = broker.client, broker.client.user_tasks
    client.deploy(("p.bpmn", bpmn('start > t:user(native=yes, groups=hr, priority="=p") > end', id="p")))
    suspended = [client.create_instance("p", {"p": 90}).key for _ in range(7)]
    free = client.create_instance("p", {"p": 10}).key
    with httpx.Client(base_url=f"http://127.0.0.1:{broker.broker.http_port}/v2") as rest:
        assert {rest.post(f"/process-instances/{key}/suspension").status_code for key in suspended} == {204}
    task = desk.claim_next(user="ada", groups=["hr"])
    assert task is not None
    assert task.process_instance_key == free
    assert desk.claim_next(user="ada", groups=["hr"]) is None


def test_comments_and_forms(broker: RunningBroker):
    client, desk = broker.client, broker.client.user_tasks
    client.deploy(("order.form", b'{"id":"order","components":[]}'), ("p.bpmn", bpmn("start > t:user(form_id=order) > end", id="p")))  # fmt: skip
    client.create_instance("p")
    [task] = desk.search().items
    desk.comment(task.key, "fish?", user="anna")
    desk.comment(task.key, "no", user="demo")
    assert [(one.user, one.text) for one in desk.comments(task.key)] == [("anna", "fish?"), ("demo", "no")]
    form = desk.form(task.key)
    assert form is not None
    assert (form.key, form.form_id, form.version) == (task.form_key, "order", 1)
    assert form.schema == '{"id":"order","components":[]}'


def test_the_variables_of_a_mapped_task_are_those_of_its_mapping(broker: RunningBroker):
    line, mapping = "start > t:user > end", {"t": {"inputs": {"c": variable("a")}}}
    files = [
        ("m.bpmn", bpmn(line, id="m", dialect="activiti")),
        ("m-extensions.json", extension_file("m", mappings=mapping)),
    ]
    broker.client.deploy(*files)
    instance = broker.client.create_instance("m", {"a": 1, "b": 2}).key
    [task] = broker.client.user_tasks.search({"processInstanceKey": str(instance)}).items
    assert broker.client.user_tasks.variables(task.key) == {"c": 1}


def test_more_variables_than_an_answer_holds_are_refused_and_not_cut_off(broker: RunningBroker):
    broker.client.deploy(("many.bpmn", bpmn("start > t:user > end", id="many")))
    instance = broker.client.create_instance("many", {f"v{number}": number for number in range(10_001)}).key
    [task] = broker.client.user_tasks.search({"processInstanceKey": str(instance)}).items
    with pytest.raises(osmia.InvalidState, match=r"to fit one answer.*list them in pages"):
        broker.client.user_tasks.variables(task.key)


def test_changes_of_tasks_are_followed(tmp_path: Path):
    with running_broker(tmp_path, event_log="always") as broker:
        client, desk = broker.client, broker.client.user_tasks
        client.deploy(dinner("native"))
        client.create_instance("dinner")
        position = client.event_log().newest_position
        [task] = desk.search().items
        desk.claim(task.key, user="demo")
        desk.update(task.key, {"priority": 80})
        desk.unclaim(task.key)
        desk.complete(task.key)
        changes = desk.follow(after=position)
        seen = [next(changes) for _ in range(5)]
        changes.close()
    assert [(one.element_id, one.intent) for one in seen] == [
        ("decide", "assigned"),
        ("decide", "updated"),
        ("decide", "unassigned"),
        ("decide", "completed"),
        ("eat", "created"),
    ]
    assert (seen[0].task["assignee"], seen[1].task["priority"], seen[4].task["state"]) == ("demo", 80, "CREATED")
    assert seen[0].position > position


@pytest.mark.parametrize(
    ("error", "words", "act"),
    [
        (osmia.NotFound, "no such user task was found", lambda desk: desk.get(5)),
        (osmia.NotFound, "no such user task was found", lambda desk: desk.form(5)),
        (osmia.NotFound, "no such user task was found", lambda desk: desk.variables(5)),
        (osmia.NotFound, "no such user task was found", lambda desk: desk.comments(5)),
        (osmia.NotFound, "no such user task was found", lambda desk: desk.history(5)),
        (osmia.NotFound, "no such user task was found", lambda desk: desk.draft(5, user="x")),
        (osmia.NotFound, "no such user task was found", lambda desk: desk.complete(5)),
        (osmia.InvalidArgument, "No assignee provided", lambda desk: desk.claim(5)),
        (osmia.InvalidArgument, "No assignee provided", lambda desk: desk.claim_next()),
        (osmia.InvalidArgument, "No assignee provided", lambda desk: desk.assign(5, " ")),
        (osmia.InvalidArgument, "No update data provided", lambda desk: desk.update(5, {})),
        (osmia.InvalidArgument, "[0,100] range", lambda desk: desk.update(5, {"priority": 101})),
        (osmia.InvalidArgument, "priority is 'true'", lambda desk: desk.update(5, {"priority": True})),
        (osmia.InvalidArgument, f"priority is '{10**30}'", lambda desk: desk.update(5, {"priority": 10**30})),
        (osmia.InvalidArgument, "found [null].", lambda desk: desk.update(5, {"candidateUsers": [None]})),
        (osmia.InvalidArgument, "due date '{\"a\": 1}'", lambda desk: desk.update(5, {"dueDate": {"a": 1}})),
        (osmia.InvalidArgument, "filter", lambda desk: desk.search({"unknown": 1})),
        (osmia.InvalidArgument, "sort", lambda desk: desk.search(sort=[{"field": "colour"}])),
        (osmia.InvalidArgument, "page", lambda desk: desk.search(limit=-1)),
    ],
)
def test_a_wrong_call_is_refused_with_its_reason(shared_broker: RunningBroker, error: Any, words: str, act: Any):
    with pytest.raises(error) as found:
        act(shared_broker.client.user_tasks)
    assert words in str(found.value)


def test_the_policy_is_a_setting(tmp_path: Path):
    with running_broker(tmp_path, task_policy="candidates") as broker:
        broker.client.deploy(dinner("native"))
        broker.client.create_instance("dinner")
        desk = broker.client.user_tasks
        assert desk.search().items == desk.search(user="eve").items == []
        [task] = desk.search(user="anna", groups=["family"]).items
        with pytest.raises(osmia.NotAllowed, match="as a candidate for it, but 'eve' is not"):
            desk.claim(task.key, user="eve", groups=["strangers"])
        desk.claim(task.key, user="anna", groups=["family"])
        with pytest.raises(osmia.NotAllowed, match="as its assignee, but nobody is named"):
            desk.complete(task.key)
        desk.complete(task.key, user="anna")


def test_comments_come_in_pages_and_the_sdk_reads_them_all(broker: RunningBroker):
    client = broker.client
    client.deploy(dinner("native"))
    client.create_instance("dinner")
    [task] = client.user_tasks.search().items
    texts = [str(number) + "x" * 32_000 for number in range(140)]  # more than a client takes in one message
    for text in texts:
        client.user_tasks.comment(task.key, text, user="ada")
    assert [one.text for one in client.user_tasks.comments(task.key)] == texts


@pytest.mark.parametrize(
    ("call", "member", "expected"),
    [
        ("ListUserTaskComments", "text", ["0", "1", "2", "3", "4"]),
        ("GetUserTaskHistory", "operation", ["CREATE", *["UPDATE"] * 5]),
    ],
)
async def test_pages_of_comments_and_of_the_history(broker: RunningBroker, call: str, member: str, expected: list[str]):
    broker.client.deploy(dinner("native"))
    broker.client.create_instance("dinner")
    [task] = broker.client.user_tasks.search().items
    for number in range(5):
        broker.client.user_tasks.comment(task.key, str(number))
        broker.client.user_tasks.update(task.key, {"priority": number})
    method = USER_TASKS[call]
    async with grpc.aio.insecure_channel(broker.address) as channel:
        stub = channel.unary_unary(method.full_name, method.request.SerializeToString, method.response.FromString)
        pages = [await stub(method.request(key=task.key, limit=2))]
        while pages[-1].next:
            pages.append(await stub(method.request(key=task.key, limit=2, after=pages[-1].next)))
        assert {len(page.items) for page in pages[:2]} == {2}
        assert [getattr(one, member) for page in pages for one in page.items] == expected
        assert (await stub(method.request(key=task.key))).next == ""
        for wrong in ({"limit": 1001}, {"limit": -1}, {"after": "nonsense"}):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await stub(method.request(key=task.key, **wrong))
            assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
            if "limit" in wrong:
                assert str(refused.value.details()).startswith(
                    "Expected a limit from 1 to 1000 (0 for 1000), but found"
                )


def test_a_page_of_large_tasks_fits_a_message(broker: RunningBroker):
    client = broker.client
    client.deploy(dinner("native"))
    keys = set()
    for _ in range(6):
        instance = client.create_instance("dinner").key
        [task] = client.user_tasks.search({"processInstanceKey": str(instance)}).items
        names = [f"{number:03}" + "x" * 950 for number in range(1000)]
        client.user_tasks.update(task.key, {"candidateGroups": names})
        keys.add(task.key)
    found: set[int] = set()
    after = ""
    while len(found) < 6:
        page = client.user_tasks.search({"state": "CREATED"}, after=after)
        found |= {task.key for task in page.items}
        assert len(page.items) == 1  # two have more than the 1.8 MB of a page
        after = page.end_cursor
    assert found == keys
    history = [step.operation for step in client.user_tasks.history(min(keys))]
    assert history == ["CREATE", "UPDATE"]


def test_a_task_that_an_older_broker_stored_too_large_is_shown_without_its_people():
    item: dict[str, Any] = dict.fromkeys(
        ("name", "description", "category", "assignee", "dueDate", "followUpDate", "formKey", "externalFormReference")
    )
    item |= dict.fromkeys(("completionDate", "rootProcessInstanceKey", "processDefinitionId", "businessId", "tags"))
    item |= dict.fromkeys(("processDefinitionVersion", "processName", "creationDate"))
    item |= {"userTaskKey": "1", "elementInstanceKey": "1", "processInstanceKey": "1", "processDefinitionKey": "1"}
    item |= {
        "state": "CREATED",
        "elementId": "t",
        "priority": 50,
        "customHeaders": {},
        "candidateUsers": ["x" * 4_000] * 1_000,
    }
    item |= {"candidateGroups": ["hr"]}
    task = _task(item)
    assert (task.is_truncated, task.key, [*task.candidate_users], [*task.candidate_groups]) == (True, 1, [], [])
    assert not _task(item | {"candidateUsers": ["ben"]}).is_truncated
    assert (
        _changes({"priority": [1, 2], "candidateUsers": [[], ["x" * 4_000] * 1_000]})
        == '{"priority":[1,2],"isTruncated":[false,true]}'
    )


def test_somebody_without_a_name_has_nothing_to_take_back(broker: RunningBroker):
    broker.client.deploy(dinner("native"))
    broker.client.create_instance("dinner")
    [task] = broker.client.user_tasks.search().items
    with pytest.raises(osmia.InvalidState, match="a step of somebody without a name at user task"):
        broker.client.user_tasks.undo(task.key)


def test_of_many_who_claim_and_complete_at_once_one_does(broker: RunningBroker):
    client, desk = broker.client, broker.client.user_tasks
    client.deploy(dinner("native"))
    client.create_instance("dinner")
    [task] = desk.search().items
    everybody = [f"person-{number}" for number in range(8)]

    def outcome(act: Any) -> str:
        try:
            act()
        except osmia.OsmiaError as refusal:
            return type(refusal).__name__
        return "done"

    def at_once(act: Any) -> list[str]:
        with ThreadPoolExecutor(len(everybody)) as threads:
            return sorted(threads.map(lambda user: outcome(lambda: act(user)), everybody))

    assert at_once(lambda user: desk.claim(task.key, user=user)) == ["InvalidState"] * 7 + ["done"]
    winner = desk.get(task.key).assignee
    assert winner in everybody
    assert at_once(lambda user: desk.complete(task.key, {"by": user}, user=user)) == ["NotFound"] * 7 + ["done"]
    completed = [step for step in desk.history(task.key) if step.operation == "COMPLETE"]
    assert [{"by": step.user} for step in completed] == [desk.variables(task.key)]
    [eat] = desk.search({"state": "CREATED"}).items
    assert (eat.element_id, desk.get(task.key).assignee) == ("eat", winner)
