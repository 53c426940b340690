"""The commands that show and change one instance, process, task, job or incident, at a broker."""

import pytest

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
    told = osmia.refused(6, "start", unique, "--await", "--timeout", "50ms")
    key = osmia.out.strip()
    assert (
        told == f"Error: Instance {key} has not completed within 0.05s; it goes on.\n  try: osmia instance show {key}\n"
    )
    assert osmia.json("instance", "show", key)["state"] == "ACTIVE"


def test_a_missing_version_is_not_a_missing_process(osmia, unique):
    osmia.deploy("start > end", unique)
    assert f"Process '{unique}' has no version 9; the latest is 1." in osmia.refused(4, "start", unique, "--version", 9)
    assert f"try: osmia start {unique}" in osmia.refused(4, "start", unique + "x")


def test_a_list_of_a_process_that_is_not_there_does_not_say_that_nothing_is_deployed(osmia, unique):
    osmia.deploy("start > end", unique)
    assert osmia("processes", "-p", "nosuch") == 0
    assert osmia.err == "There is no process 'nosuch': osmia processes\n"


def test_a_process_is_deleted_by_key_or_id(osmia, unique):
    first = osmia.deploy("start > end", unique)
    osmia.deploy("start > a:user > end", unique)
    assert osmia.done("process", "delete", unique, "--yes") == f"Deleted process {unique} (version 2)\n"
    assert osmia.done("resource", "delete", first, "--yes") == f"Deleted {first}\n"
    assert osmia.json("processes", "-p", unique) == []
    assert "try: osmia processes --all" in osmia.refused(4, "resource", "delete", first, "--yes")
    assert "try: the same with --yes" in osmia.refused(2, "resource", "delete", first)


def test_a_task_is_shown_and_a_job_of_a_worker_is_none(osmia, unique):
    osmia.deploy(f"start > eat:user(name=Eat dinner, assignee=ada) > work:job(type={unique}) > end", unique)
    key = osmia.create(unique)
    (task,) = (one.key for one in osmia.client.search_jobs(process_instance_key=key).items)
    assert osmia.done("task", "show", task).splitlines()[0].endswith("  Eat dinner"), "a task is found by its job too"
    assert osmia.json("task", "show", task)["assignee"] == "ada"
    assert osmia.done("task", "complete", task, "--var", "dinner=pizza") == f"Completed {task}\n"
    job = osmia.client.search_jobs(process_instance_key=key, type=unique).items[0].key
    told = osmia.refused(4, "task", "complete", job)
    assert f"{job} is no user task, but a job of type '{unique}' for a worker." in told
    assert f"osmia job complete {job}" in told
    assert osmia.client.search_jobs(key=job).items[0].state == "ACTIVATABLE"
    assert "try: osmia tasks" in osmia.refused(4, "task", "complete", STRANGER)


def test_a_job_throws_an_error_and_gets_time_and_tries(osmia, unique):
    osmia.deploy(f"start > a:job(type={unique}) > end & e:boundary(on=a, error=too-much) > b:user > e2:end", unique)
    key = osmia.create(unique)
    (job,) = (row["jobKey"] for row in osmia.json("job", "activate", unique))
    assert osmia.done("job", "timeout", job, "5m") == f"{job} is held for 0:05:00 more\n"
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
    assert osmia.err == "Some have an incident: osmia incidents\n"
    assert {row["state"] for row in osmia.json("instances", "-p", unique)} == {"ACTIVE"}
    assert osmia("tasks", "-p", unique) == 0
    assert osmia.err == f"No such tasks. An incident is open: osmia incidents -p {unique}\n"


def test_an_incident_is_shown_and_resolved_with_new_retries(osmia, stopped):
    assert "no oven" in osmia.done("incident", "show", stopped[0])
    assert f"try: osmia incident resolve {stopped[0]} --retries 3" in osmia.refused(
        4, "incident", "resolve", stopped[0]
    )
    assert osmia.done("incident", "resolve", stopped[0], "--retries", 3) == f"Resolved {stopped[0]}\n"
    assert osmia.json("incident", "show", stopped[0])["state"] == "RESOLVED"
    assert "try: osmia incidents" in osmia.refused(4, "incident", "show", STRANGER)


def test_several_incidents_are_resolved_by_their_keys(osmia, stopped):
    keys = stopped[:2]
    assert osmia.done("incident", "resolve", *keys, "--retries", 1) == f"Resolved {keys[0]}\nResolved {keys[1]}\n"


def test_all_incidents_of_a_process_are_resolved(osmia, unique, stopped):
    words = ("incident", "resolve", "--all", "-p", unique, "--type", "job_no_retries")
    assert "Resolve 3 incidents?" in osmia.refused(2, *words)
    told = osmia.refused(8, *words, "--yes")
    assert "0 of 3 incidents were resolved." in told
    assert osmia.done(*words, "--retries", 1, "--yes", "-o", "key").split() == [str(key) for key in stopped]
    assert osmia.done(*words, "--yes") == ""
    assert osmia.err == "No such incidents.\n"


@pytest.mark.parametrize("words", [[], ["1", "--all"], ["1", "--process", "p"], ["1", "--type", "x"]])
def test_keys_and_all_do_not_go_together(osmia, words):
    osmia.refused(2, "incident", "resolve", *words)
