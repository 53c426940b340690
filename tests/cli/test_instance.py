"""The commands that show and change one instance, process, task, job or incident, at a broker."""

import re

import pytest

from osmia import SyncClient
from tests.bpmn import bpmn
from tests.cli.conftest import Terminal

STRANGER = "4711"


def test_an_instance_is_modified_by_elements_keys_and_moves(osmia, unique):
    osmia.deploy("start > a:user > b:user > end", unique)
    key = osmia.create(unique)
    assert osmia.done("instance", "modify", key, "--move", "a=b", "--var", "x=1") == f"Modified {key}\n"
    assert osmia.json("instance", "show", key)["elements"] == ["b"]
    assert osmia.json("instance", "variables", key)[0]["value"] == 1
    element = osmia.client.get_instance(key).elements[0].key
    osmia.done("instance", "modify", key, "--activate", "a", "--terminate", element, "--terminate", "a")
    assert osmia.json("instance", "show", key)["elements"] == ["a"]


def test_variables_of_an_instance_that_has_ended_are_refused_as_such(osmia, unique):
    osmia.deploy("start > end", unique)
    key = osmia.create(unique, {"x": 0})
    told = osmia.refused(5, "instance", "variables", key, "--var", "x=1").splitlines()
    assert told[0] == f"Error: Instance {key} has ended (completed) and stays as it is."
    assert "try: osmia instances" in osmia.refused(4, "instance", "variables", STRANGER, "--var", "x=1")


@pytest.mark.parametrize(
    "words", ["suspend", "resume", "cancel --yes", "modify --activate a", "business-id order-7", "migrate --to dinner"]
)
def test_an_instance_that_has_ended_is_not_said_to_be_none(osmia, unique, words):
    osmia.deploy("start > end", unique)
    osmia.deploy("start > a:user > end", "dinner")
    key = osmia.create(unique)
    verb, *more = words.split()
    told = osmia.refused(5, "instance", verb, key, *more)
    assert (
        told == f"Error: Instance {key} has ended (completed) and stays as it is.\n  try: osmia instance show {key}\n"
    )


@pytest.mark.parametrize(
    "words", ["show", "suspend", "resume", "cancel --yes", "modify --activate a", "diagram", "variables"]
)
def test_an_instance_that_there_is_not_is_told_of_in_one_manner(osmia, words):
    verb, *more = words.split()
    told = osmia.refused(4, "instance", verb, STRANGER, *more)
    assert told == f"Error: There is no process instance with key {STRANGER}.\n  try: osmia instances\n"


@pytest.mark.parametrize(("typed", "code"), [("n\n", 1), ("\n", 1), ("", 130), ("y\n", 0)])
def test_a_question_that_is_answered_with_no_ends_with_1(osmia, unique, monkeypatch, typed, code):
    osmia.deploy("start > a:user > end", unique)
    key = osmia.create(unique)
    monkeypatch.setattr("sys.stdin", Terminal(typed))
    assert osmia("instance", "cancel", key) == code
    assert ("Nothing was done." in osmia.err) == (code == 1)
    assert (osmia.client.get_instance(key).state == "ACTIVE") == (code != 0)


def test_a_suspended_instance_hands_out_no_job_until_it_is_resumed(osmia, unique):
    osmia.deploy(f"start > a:job(type={unique}) > end", unique)
    key = osmia.create(unique)
    assert osmia.done("instance", "suspend", key) == f"Suspended {key}\n"
    assert "SUSPENDED" in osmia.done("instance", "show", key)
    assert osmia.json("instance", "show", key)["state"] == "SUSPENDED"
    seen = osmia.client.get_instance(key)
    assert (seen.state, seen.is_running) == ("SUSPENDED", True)
    assert not osmia.client.search_instances(bpmn_process_id=unique, states=["ACTIVE"]).items
    assert [row["state"] for row in osmia.json("instances", "-p", unique)] == ["SUSPENDED"], (
        "it is among those that run"
    )
    assert [row["processInstanceKey"] for row in osmia.json("instances", "--state", "suspended", "-p", unique)] == [
        str(key)
    ]
    assert osmia.client.activate_jobs(unique, max_jobs=1, wait_ms=-1) == []
    said = osmia.refused(5, "instance", "variables", key, "--var", "x=1")
    assert f"is suspended.\n  try: osmia instance resume {key}   (when it may go on" in said
    said = osmia.refused(5, "instance", "suspend", key)
    assert "suspended already" in said
    assert "resume" not in said
    assert osmia.done("instance", "resume", key, "-o", "key") == f"{key}\n"
    assert osmia.json("instances", "--state", "suspended", "-p", unique) == []
    assert osmia.client.get_instance(key).state == "ACTIVE"
    assert [job.process_instance_key for job in osmia.client.activate_jobs(unique, max_jobs=1, wait_ms=-1)] == [key]
    assert "not suspended" in osmia.refused(5, "instance", "resume", key)


def test_several_instances_are_suspended_resumed_and_canceled_and_a_failure_stops_none_of_the_others(osmia, unique):
    osmia.deploy(f"start > a:job(type={unique}) > end", unique)
    keys = [osmia.create(unique) for _ in range(3)]
    assert osmia.done("instance", "suspend", *keys, keys[0], "-o", "key").split() == [str(key) for key in keys]
    assert osmia.done("instance", "resume", keys[1]) == f"Resumed {keys[1]}\n"
    told = osmia.refused(8, "instance", "resume", *keys)
    assert told.splitlines()[0] == "Error: 2 of 3 process instances resumed."
    assert f"  why: {keys[1]}: " in told
    assert osmia.out == f"Resumed {keys[0]}\nResumed {keys[2]}\n"
    assert "Cancel 3 process instances and everything in them?" in osmia.refused(2, "instance", "cancel", *keys)
    osmia.done("instance", "cancel", *keys, "--yes")
    assert osmia.json("instances", "-p", unique) == []


def test_a_task_of_a_suspended_instance_says_so(osmia, unique):
    osmia.deploy("start > eat:user(native=yes) > end", unique)
    instance = osmia.create(unique)
    task = osmia.done("tasks", "-p", unique, "-o", "key").strip()
    osmia.done("instance", "suspend", instance)
    assert f"instance  {instance}, which is suspended: the task takes nothing\n" in osmia.done("task", "show", task)
    for words in (["claim", task, "--user", "ada"], ["complete", task, "--var", "x=1"]):
        assert f"try: osmia instance resume {instance}   (" in osmia.refused(5, "task", *words)
    osmia.done("instance", "resume", instance)
    assert f"instance  {instance}\n" in osmia.done("task", "show", task)


def test_a_key_that_is_named_twice_counts_once_and_reasons_have_no_full_stop_between(osmia, unique):
    osmia.deploy(f"start > a:job(type={unique}) > end", unique)
    keys = [osmia.create(unique) for _ in range(2)]
    assert osmia.done("instance", "suspend", keys[0], keys[0]) == f"Suspended {keys[0]}\n"
    osmia.done("instance", "suspend", keys[1])
    told = osmia.refused(8, "instance", "suspend", *keys, *keys)
    assert told.splitlines()[0] == "Error: 0 of 2 process instances suspended."
    assert "already; " in told.splitlines()[1]
    assert told.splitlines()[1].count(" already") == 2


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["modify", STRANGER], 2, "Expected --activate, --terminate or --move"),
        (["modify", STRANGER, "--move", "a"], 2, "Expected --move FROM=TO, but found 'a'"),
        (["modify", STRANGER, "--terminate", "a", "--var", "x=1"], 2, "osmia instance variables"),
        (["modify", STRANGER, "--activate", "a"], 4, "try: osmia instances"),
        (["migrate", STRANGER, "--to", "no_such_process"], 4, "There is no such process 'no_such_process'"),
        (["migrate", STRANGER, "--to", "9" * 30], 4, "There is no such process"),
        (["migrate", STRANGER, "--to", "p", "--map", "=b"], 2, "Expected --map FROM=TO"),
        (["business-id", STRANGER, "order-7"], 4, "try: osmia instances"),
        (["show", STRANGER], 4, "try: osmia instances"),
        (["suspend", STRANGER], 4, "try: osmia instances"),
        (["resume", STRANGER], 4, "try: osmia instances"),
        (["cancel", STRANGER, "--yes"], 4, "try: osmia instances"),
    ],
)
def test_a_change_of_an_instance_that_cannot_be_is_refused_with_the_mend(osmia, words, code, text):
    assert text in osmia.refused(code, "instance", *words)


def test_a_refusal_says_the_sentence_of_the_broker_without_its_frame(osmia):
    told = osmia.refused(4, "job", "complete", STRANGER)
    assert "rejected with code" not in told
    assert told.splitlines()[-1] == "  try: osmia jobs"


def test_an_instance_migrates_with_its_active_elements(osmia, unique):
    osmia.deploy("start > a:user > end", unique)
    key = osmia.create(unique)
    target = osmia.deploy("start > a:user > b:user > end", unique)
    assert osmia.done("instance", "migrate", key, "--to", unique) == f"Migrated {key} to {unique} (version 2)\n"
    other = osmia.deploy("start > c:user > end", f"{unique}_other")
    row = osmia.json("instance", "migrate", key, "--to", other, "--map", "a=c")
    assert (row["processDefinitionKey"], target != other) == (str(other), True)
    assert osmia.json("instance", "show", key)["elements"] == ["c"]


def test_an_instance_shows_its_caller_and_its_marks(osmia, unique):
    osmia.deploy("start > work:user > end", f"{unique}_inner")
    osmia.deploy(f"start > c:call(process={unique}_inner) > end", unique)
    key = int(osmia.done("start", unique, "--business-id", "order-7", "--tag", "vip", "-q"))
    (inner,) = osmia.json("instances", "--parent", key)
    assert f"called {inner['processInstanceKey']}" in osmia.done("instance", "show", key)
    assert f"called by: {key}" in osmia.done("instance", "show", inner["processInstanceKey"])
    assert (osmia.json("instance", "show", key)["tags"], inner["rootProcessInstanceKey"]) == (["vip"], str(key))
    assert "business id: order-7" in osmia.done("instance", "show", key)


def test_a_business_id_is_given_once(osmia, unique):
    osmia.deploy("start > work:user > end", unique)
    key = osmia.create(unique)
    assert osmia.json("instance", "business-id", key, "order-8")["businessId"] == "order-8"
    osmia.refused(5, "instance", "business-id", key, "order-9")


def test_a_repeated_start_with_an_idempotency_key_prints_the_first_instance(osmia, unique):
    osmia.deploy("start > work:user > end", unique)
    first, again = (osmia.done("start", unique, "--idempotency-key", unique, "-q") for _ in range(2))
    assert first == again


def test_an_awaited_start_that_times_out_prints_the_key(osmia, unique):
    osmia.deploy("start > work:user > end", unique)
    told = osmia.refused(6, "start", unique, "--await", "--timeout", "500ms", "-q")
    key = osmia.out.strip()
    assert told == f"Error: Instance {key} has not ended within 500ms; it goes on.\n  try: osmia instance show {key}\n"
    assert osmia.json("instance", "show", key)["state"] == "ACTIVE"


@pytest.mark.parametrize(
    "line",
    [
        "start > g:exclusive [ nobody > 1 -> a:user > e1:end | nobody > 2 -> b:user > e2:end ] ",
        "start > sub:sub { s1:start > g:exclusive [ nobody > 1 -> e1:end | nobody > 2 -> e2:end ] } > end",
        "start > fork:parallel [ g:exclusive [ nobody > 1 -> e1:end | nobody > 2 -> e2:end ] | e3:end ]",
    ],
)
def test_an_awaited_start_ends_when_an_incident_stops_it(osmia, unique, line):
    osmia.deploy(line, unique)
    told = osmia.refused(1, "start", unique, "--await", "--timeout", "10m", "-q").splitlines()
    incident = osmia.client.search_incidents(bpmn_process_id=unique).items[0]
    assert told[0] == f"Error: Instance {incident.process_instance_key} is stopped at 'g'."
    assert told[1] == f"  why: {' '.join(incident.message.split(chr(10)))}"
    assert told[2] == f"  try: osmia incident show {incident.key}"
    assert osmia.out == f"{incident.process_instance_key}\n"


def test_an_awaited_start_ends_when_an_incident_stops_what_it_called(osmia, unique):
    osmia.deploy("start > g:exclusive [ nobody > 1 -> e1:end | nobody > 2 -> e2:end ]", f"{unique}_inner")
    osmia.deploy(f"start > call:call(process={unique}_inner) > end", unique)
    told = osmia.refused(1, "start", unique, "--await", "--timeout", "10m", "-q")
    incident = osmia.client.search_incidents(bpmn_process_id=f"{unique}_inner").items[0]
    assert f"Error: Instance {osmia.out.strip()} is stopped at 'g'." in told
    assert f"try: osmia incident show {incident.key}" in told


@pytest.mark.parametrize("event", ["start", "end"])
@pytest.mark.parametrize("is_called", [False, True])
def test_an_awaited_start_ends_when_an_incident_stops_the_process_itself(osmia, unique, event, is_called):
    listener = f'<zeebe:executionListener eventType="{event}" type="ask" retries="=nobody"/>'
    heard = f"<bpmn:extensionElements><zeebe:executionListeners>{listener}</zeebe:executionListeners></bpmn:extensionElements>"
    inner = f"{unique}_inner"
    xml = re.sub("(<bpmn:process [^>]*>)", rf"\1{heard}", bpmn("start > end", id=inner).decode())
    osmia.client.deploy((f"{inner}.bpmn", xml.encode()))
    osmia.deploy(f"start > call:call(process={inner}) > end", unique)
    told = osmia.refused(1, "start", unique if is_called else inner, "--await", "--timeout", "10m", "-q")
    incident = osmia.client.search_incidents(bpmn_process_id=inner).items[0]
    assert f"Error: Instance {osmia.out.strip()} is stopped at '{inner}'." in told
    assert f"try: osmia incident show {incident.key}" in told


def test_an_incident_beside_a_task_that_waits_is_waited_for(osmia, unique):
    osmia.deploy(
        "start > fork:parallel [ g:exclusive [ nobody > 1 -> e1:end | nobody > 2 -> e2:end ] | a:user > e3:end ]",
        unique,
    )
    assert "it goes on." in osmia.refused(6, "start", unique, "--await", "--timeout", "300ms")


def test_an_awaited_start_takes_the_marks_of_an_instance(osmia, unique):
    osmia.deploy('start > s:script(expression="=guests + 1", result=x) > end', unique)
    marks = ("--tag", "vip", "--business-id", "order-7", "--at", "s")
    row = osmia.json("start", unique, "--await", "--var", "guests=4", *marks)
    assert row["variables"] == {"guests": 4, "x": 5}
    shown = osmia.json("instance", "show", row["processInstanceKey"])
    assert (shown["tags"], shown["businessId"], shown["state"]) == (["vip"], "order-7", "COMPLETED")


def test_an_awaited_start_that_somebody_cancels_has_no_result(osmia, unique, monkeypatch):
    osmia.deploy("start > work:user > end", unique)
    looks = iter([None, osmia.client.cancel_instance])
    seen = SyncClient.get_instance

    def look(client, key):
        if cancel := next(looks, None):
            cancel(key)
        return seen(client, key)

    monkeypatch.setattr(SyncClient, "get_instance", look)
    told = osmia.refused(1, "start", unique, "--await", "-q")
    assert told.splitlines()[0] == f"Error: Instance {osmia.out.strip()} was canceled."


def test_a_missing_version_is_not_a_missing_process(osmia, unique):
    osmia.deploy("start > end", unique)
    assert f"Process '{unique}' has no version 9; the latest is 1." in osmia.refused(4, "start", unique, "--version", 9)
    assert f"try: osmia start {unique}" in osmia.refused(4, "start", unique + "x")


def test_a_list_of_a_process_that_is_not_there_does_not_say_that_nothing_is_deployed(osmia, unique):
    osmia.deploy("start > end", unique)
    assert osmia("processes", "-p", "nosuch") == 0
    assert osmia.err == "There is no process 'nosuch'. See: osmia processes\n"


@pytest.mark.parametrize("list", ["tasks", "instances", "incidents", "timers", "subscriptions", "processes"])
def test_an_empty_list_of_a_misspelt_process_names_the_nearest(osmia, unique, list):
    osmia.deploy("start > end", unique)
    assert osmia(list, "-p", f"{unique}x") == 0
    assert osmia.err == f"There is no process '{unique}x'. Did you mean '{unique}'?\n"
    osmia.done(list, "-p", unique)
    assert "There is no process" not in osmia.err


def test_a_process_is_deleted_by_key_or_id(osmia, unique):
    first = osmia.deploy("start > end", unique)
    osmia.deploy("start > a:user > end", unique)
    assert osmia.done("process", "delete", unique, "--yes") == f"Deleted process {unique} (version 2)\n"
    assert osmia.done("resource", "delete", first, "--yes") == f"Deleted {first}\n"
    assert osmia.json("processes", "-p", unique) == []
    assert "try: osmia processes --all" in osmia.refused(4, "resource", "delete", first, "--yes")
    assert f"try: osmia resource delete {first} --address {osmia.broker.address} --yes" in osmia.refused(
        2, "resource", "delete", first
    )


def test_a_deleted_process_is_listed_and_shown_while_instances_of_it_run(osmia, unique):
    key = osmia.deploy("start > a:user > end", unique)
    instance = osmia.create(unique)
    assert osmia.json("processes", "-p", unique)[0]["state"] == "ACTIVE"
    osmia.done("process", "delete", unique, "--yes")
    (row,) = osmia.json("processes", "-p", unique)
    assert (row["processDefinitionKey"], row["state"]) == (str(key), "DRAINING")
    assert "DRAINING" in osmia.done("processes", "-p", unique)
    for which in (unique, key):
        assert f"its running instances go on: osmia instances -p {unique}" in osmia.done("process", "show", which)
        assert f'id="{unique}"' in osmia.done("process", "xml", which)
        assert f"Version 1 of process {unique} is deleted since" in osmia.refused(
            5, "process", "delete", which, "--yes"
        )
    newer = osmia.deploy("start > b:user > end", unique)
    assert [one["state"] for one in osmia.json("processes", "-p", unique)] == ["ACTIVE", "DRAINING"]
    assert osmia.json("process", "show", unique)["processDefinitionKey"] == str(newer)
    osmia.done("instance", "cancel", instance, "--yes")
    assert [one["state"] for one in osmia.json("processes", "-p", unique)] == ["ACTIVE"]
    osmia.refused(4, "process", "show", key)


def test_a_process_is_deleted_with_its_history(osmia, unique):
    osmia.deploy("start > end", unique)
    ended = osmia.create(unique)
    osmia.done("process", "delete", unique, "--history", "--yes")
    osmia.broker.look_at_clock()
    assert "NOT_FOUND" in osmia.refused(4, "instance", "show", ended, "-o", "json")


def test_a_task_is_shown_and_a_job_of_a_worker_is_none(osmia, unique):
    osmia.deploy(
        f"start > eat:user(name=Eat dinner, assignee=ada, doc=While it is hot) > work:job(type={unique}) > end", unique
    )
    key = osmia.create(unique)
    (task,) = (one.key for one in osmia.client.search_jobs(process_instance_key=key).items)
    assert osmia.done("task", "show", task).splitlines()[0].endswith("  Eat dinner"), "a task is found by its job too"
    assert osmia.done("task", "show", task).splitlines()[1] == "  While it is hot"
    assert osmia.json("task", "show", task)["assignee"] == "ada"
    assert osmia.done("task", "complete", task, "--var", "dinner=pizza") == f"Completed {task}\n"
    job = osmia.client.search_jobs(process_instance_key=key, type=unique).items[0].key
    told = osmia.refused(4, "task", "complete", job)
    assert f"{job} is no user task, but a job of type '{unique}' for a worker." in told
    assert f"osmia job complete {job}" in told
    assert osmia.client.search_jobs(key=job).items[0].state == "ACTIVATABLE"
    assert "try: osmia tasks" in osmia.refused(4, "task", "complete", STRANGER)
    assert osmia.refused(5, "task", "complete", task) == (
        f"Error: Task {task} is completed already.\n  try: osmia tasks\n"
    )


def test_a_failed_job_loses_one_try_unless_it_is_given_a_number(osmia, unique):
    osmia.deploy(f"start > a:job(type={unique}) > end", unique)
    osmia.create(unique)
    job = osmia.client.activate_jobs(unique)[0]
    assert osmia.done("job", "fail", job.key) == f"Failed {job.key}, {job.retries - 1} retries left\n"
    assert osmia.err == ""
    (again,) = osmia.client.activate_jobs(unique)
    assert osmia.done("job", "fail", job.key, "--retries", 1) == f"Failed {job.key}, 1 retry left\n"
    (again,) = osmia.client.activate_jobs(unique)
    assert (again.key, osmia.json("job", "fail", job.key)["retries"]) == (job.key, 0)
    assert "An incident is raised: osmia incidents" in osmia.err
    (incident,) = osmia.client.search_incidents(bpmn_process_id=unique).items
    osmia.done("jobs", "-t", unique)
    assert osmia.err == "1 job has no retries left: osmia incidents --type JOB_NO_RETRIES\n"
    osmia.done("instance", "show", incident.process_instance_key)
    assert osmia.err == f"Stopped by 1 incident: osmia incident show {incident.key}\n"
    osmia.done("job", "retries", job.key, 3)
    assert osmia.err == f"Its incident still stops it: osmia incident resolve {incident.key}\n"
    osmia.done("incident", "resolve", incident.key)
    osmia.done("job", "retries", job.key, 3)
    assert osmia.err == ""
    assert "try: osmia jobs" in osmia.refused(4, "job", "fail", STRANGER)


def test_a_task_beside_an_incident_is_marked(osmia, unique):
    osmia.deploy(
        "start > f:parallel [ eat:user(name=Eat) > e1:end"
        " | g:exclusive [ nobody > 1 -> a:user > e2:end | nobody > 2 -> b:user > e3:end ] ]",
        unique,
    )
    osmia.create(unique)
    assert "  ! Eat  " in osmia.done("tasks", "-p", unique)
    assert osmia.err == f"1 task is in an instance with an incident (!): osmia incidents -p {unique}\n"
    (row,) = osmia.json("tasks", "-p", unique)
    assert (row["name"], row["hasIncident"]) == ("Eat", True)


def test_a_task_of_a_suspended_instance_is_marked(osmia, unique):
    osmia.deploy("start > eat:user(name=Eat) > end", unique)
    held, _ = osmia.create(unique), osmia.create(unique)
    osmia.client.suspend_instance(held)
    assert osmia.done("tasks", "-p", unique).count("  = Eat  ") == 1
    assert osmia.err == f"1 task is in a suspended instance (=): osmia instances --state suspended -p {unique}\n"
    rows = osmia.json("tasks", "-p", unique)
    assert {row["processInstanceKey"]: row["isSuspended"] for row in rows}[str(held)]
    assert sum(row["isSuspended"] for row in rows) == 1
    osmia.client.resume_instance(held)
    assert "=" not in osmia.done("tasks", "-p", unique) + osmia.err


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["tasks", "--group", "cooks_x"], "No task has the group 'cooks_x'. Tasks have: "),
        (["tasks", "--assignee", "bob_x"], "No task has the assignee 'bob_x'. Tasks have: "),
        (["jobs", "--type", "bake_x"], "No job has the type 'bake_x'. Jobs have: "),
    ],
)
def test_a_value_that_nothing_has_is_named_beside_those_that_there_are(osmia, unique, words, text):
    osmia.deploy(f"start > a:user(assignee=ada, groups=cooks) > j:job(type={unique}) > end", unique)
    osmia.create(unique)
    assert osmia(*words) == 0
    assert text in osmia.err


def test_a_migration_to_a_number_that_is_no_key_says_what_it_would_have_to_be(osmia, unique):
    osmia.deploy("start > a:user > end", unique)
    key = osmia.create(unique)
    told = osmia.refused(4, "instance", "migrate", key, "--to", "9")
    assert told.splitlines() == [
        "Error: There is no version of a process with key 9.",
        "  try: osmia processes --all   (it lists the keys of all versions)",
    ]
    told = osmia.refused(4, "instance", "migrate", key, "--to", unique[:-1])
    assert f"try: osmia instance migrate {key} --to {unique}" in told


@pytest.mark.parametrize("words", [["incidents"], ["incident", "resolve", "--all"]])
def test_a_misspelt_kind_of_incident_names_those_that_there_are(osmia, words):
    told = osmia.refused(2, *words, "--type", "no-retrys")
    assert "Expected --type to be one of IO_MAPPING_ERROR, JOB_NO_RETRIES," in told
    assert f"try: osmia {' '.join(words)} --type JOB_NO_RETRIES" in told
    assert osmia("incidents", "--type", "job-no-retries") == 0


def test_a_job_throws_an_error_and_gets_time_and_tries(osmia, unique):
    osmia.deploy(f"start > a:job(type={unique}) > end & e:boundary(on=a, error=too-much) > b:user > e2:end", unique)
    key = osmia.create(unique)
    (job,) = (row["jobKey"] for row in osmia.json("job", "activate", unique))
    assert osmia.done("job", "timeout", job, "5m") == f"{job} is held for 5m more\n"
    assert osmia.done("job", "retries", job, 1) == f"{job} has 1 retry\n"
    assert osmia.done("job", "retries", job, "--retries", 2) == f"{job} has 2 retries\n"
    osmia.refused(2, "job", "retries", job)
    osmia.refused(2, "job", "retries", job, 1, "--retries", 2)
    assert osmia.done("job", "throw-error", job, "too-much", "-m", "12") == f"Threw too-much from {job}\n"
    assert osmia.json("instance", "show", key)["elements"] == ["b"]


@pytest.fixture
def stopped(osmia, unique):
    """The keys of the incidents of three jobs that have no retries left."""
    osmia.deploy(f"start > a:job(type={unique}) > end", unique)
    for _ in range(3):
        osmia.create(unique)
    for job in osmia.client.activate_jobs(unique, max_jobs=3):
        osmia.client.fail_job(job.key, retries=0, message="no oven")
    return [one.key for one in osmia.client.search_incidents(bpmn_process_id=unique).items]


def test_an_instance_with_an_incident_does_not_look_healthy(osmia, unique, stopped):
    assert osmia.done("instances", "-p", unique).count("INCIDENT") == 3
    assert osmia.err == f"3 instances have an incident: osmia incidents -p {unique}\n"
    assert osmia("instances", "--state", "INCIDENT", "-p", unique, "--limit", 1) == 0
    assert "1 instance has an incident" in osmia.err
    assert {row["state"] for row in osmia.json("instances", "-p", unique)} == {"ACTIVE"}
    assert osmia("tasks", "-p", unique) == 0
    assert osmia.err == f"No such tasks. An incident is open: osmia incidents -p {unique}\n"


def test_an_incident_is_shown_and_resolved_with_new_retries(osmia, stopped):
    told = osmia.done("incident", "show", stopped[0])
    assert "no oven" in told
    assert told.splitlines()[0].endswith("  ACTIVE")  # the word of every list
    assert osmia.err == f"When the cause is mended: osmia incident resolve {stopped[0]} --retries 3\n"
    assert f"try: osmia incident resolve {stopped[0]} --retries 3" in osmia.refused(
        5, "incident", "resolve", stopped[0]
    )
    assert osmia.done("incident", "resolve", stopped[0], "--retries", 3) == f"Resolved {stopped[0]}\n"
    assert osmia.json("incident", "show", stopped[0])["state"] == "RESOLVED"
    assert osmia.err == ""
    assert "try: osmia incidents" in osmia.refused(4, "incident", "show", STRANGER)


def test_several_incidents_are_resolved_by_their_keys(osmia, stopped):
    keys = stopped[:2]
    assert osmia.done("incident", "resolve", *keys, "--retries", 1) == f"Resolved {keys[0]}\nResolved {keys[1]}\n"


def test_all_incidents_of_a_process_are_resolved(osmia, unique, stopped):
    words = ("incident", "resolve", "--all", "-p", unique, "--type", "job_no_retries")
    assert "Resolve 3 incidents?" in osmia.refused(2, *words)
    told = osmia.refused(8, *words, "--yes")
    assert "0 of 3 incidents resolved." in told
    assert osmia.done(*words, "--retries", 1, "--yes", "-o", "key").split() == [str(key) for key in stopped]
    assert osmia.done(*words, "--yes") == ""
    assert osmia.err == "No such incidents.\n"


@pytest.mark.parametrize("words", [[], ["1", "--all"], ["1", "--process", "p"], ["1", "--type", "x"]])
def test_keys_and_all_do_not_go_together(osmia, words):
    osmia.refused(2, "incident", "resolve", *words)


def test_an_ad_hoc_subprocess_has_one_line_with_the_command_that_activates(osmia, unique):
    osmia.deploy(f"start > pick:adhoc {{ a:job(type={unique}) & b:job(type=none) }} > end", unique)
    key = osmia.create(unique)
    (pick,) = osmia.client.get_instance(key).elements
    osmia.done("instance", "activate", pick.key, "a", "b")
    lines = osmia.done("instance", "show", key).splitlines()
    assert [line.strip() for line in lines if "ACTIVATED" in line] == [
        f"pick: ACTIVATED  (osmia instance activate {pick.key} ELEMENT)",
        "a: ACTIVATED",
        "b: ACTIVATED",
    ]
    assert osmia.json("instance", "show", key)["elements"].count("pick") == 3, "programs see all of them"


def test_a_loop_is_told_from_its_instances(osmia, unique):
    osmia.deploy('start > a:user(items="=[1,2]", item=x) > end', unique)
    shown = osmia.done("instance", "show", osmia.create(unique))
    assert shown.count("  a: ACTIVATED") == 2
    assert shown.count("  a (all instances): ACTIVATED") == 1
