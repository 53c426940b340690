"""`osmia batch`, the deletion of history, and `osmia cluster-variable`: what a person types, and what is refused."""

import json

import pytest

from osmia_broker.cli.commands import batch_runs
from tests.dmn.models import decision, definitions, literal

STRANGER = 999


def begun(osmia, *words):
    """The key of a batch operation that is begun and not followed."""
    return osmia.done("batch", *words, "--yes", "--detach", "-o", "key").strip()


def test_instances_are_cancelled_and_deleted_over_a_filter(osmia, unique):
    osmia.deploy("start > t:user > end", unique)
    keys = [osmia.create(unique) for _ in range(3)]
    told = osmia.done("batch", "cancel-instances", "-p", unique, "--yes")
    assert told == "3 of 3 process instances canceled\n"
    row = osmia.json("batches", "--limit", "1")[0]
    assert (row["batchOperationType"], row["state"], row["operationsCompletedCount"]) == (
        "CANCEL_PROCESS_INSTANCE",
        "COMPLETED",
        3,
    )
    shown = osmia.done("batch", "show", row["batchOperationKey"])
    assert "3: 3 done, 0 refused" in shown
    items = osmia.json("batch", "items", row["batchOperationKey"], "--state", "completed")
    assert [one["itemKey"] for one in items] == [str(key) for key in keys]
    filter = json.dumps({"processInstanceKey": {"$in": [str(key) for key in keys[:2]]}})
    deleted = osmia.json("batch", "delete-instances", "--filter", filter, "--yes")
    assert deleted["operationsTotalCount"] == 2
    osmia.refused(4, "instance", "show", keys[0])
    assert osmia.done("batch", "cancel-instances", "-p", unique, "--yes") == ""
    assert "No such process instances." in osmia.err
    assert osmia.done("batch", "cancel-instances", "-p", unique[:-1], "--yes") == ""
    assert f"There is no process '{unique[:-1]}'. Did you mean '{unique}'?" in osmia.err


def test_the_question_fits_the_number(osmia, unique):
    osmia.deploy("start > t:user > end", unique)
    osmia.create(unique)
    assert "Cancel 1 process instance and everything in it?" in osmia.refused(
        2, "batch", "cancel-instances", "-p", unique
    )
    osmia.create(unique)
    asked = "Cancel 2 process instances and everything in them?"
    assert asked in osmia.refused(2, "batch", "cancel-instances", "-p", unique)


def test_the_items_that_are_refused_are_named(osmia, unique):
    osmia.deploy("start > a:job > end", unique)
    target = osmia.deploy("start > b:user > end", unique + "x")
    osmia.create(unique)
    words = ["batch", "migrate-instances", "-p", unique, "--to", target, "--map", "a=b", "--yes"]
    err = osmia.refused(8, *words)
    assert "Error: 0 of 1 process instance migrated." in err
    assert "different type" in err
    assert "try: osmia batch items" in err
    assert osmia.out == "0 of 1 process instance migrated\n"
    key = osmia.json("batches", "--limit", "1")[0]["batchOperationKey"]
    assert "different type" in osmia.done("batch", "show", key, "--follow")
    failed = osmia.json("batch", "items", key, "--state", "failed")
    assert "different type" in failed[0]["errorMessage"]
    assert osmia.json("batch", "items", key, "--state", "canceled") == []


def test_tokens_are_moved_instances_held_and_jobs_changed(osmia, unique):
    osmia.deploy(f"start > a:job(type={unique}) > b:user > end", unique)
    key = osmia.create(unique)
    told = osmia.done("batch", "update-jobs", "-t", unique, "--retries", "7", "--priority", "-2", "--yes")
    assert told == "1 of 1 job updated\n"
    assert [(one["retries"], one["priority"]) for one in osmia.json("jobs", "--type", unique)] == [(7, -2)]
    osmia.done("batch", "suspend-instances", "-p", unique, "--version", "1", "--yes")
    assert osmia.client.get_instance(key).state == "SUSPENDED"
    assert osmia.done("batch", "suspend-instances", "-p", unique, "--yes") == ""
    osmia.done("batch", "resume-instances", "-p", unique, "--yes")
    osmia.done("batch", "modify-instances", "-p", unique, "--move", "a=b", "--yes")
    assert [one.element_id for one in osmia.client.get_instance(key).elements] == ["b"]
    osmia.deploy(f"start > a:job(type={unique}) > b:user > c:user > end", unique)
    osmia.done("batch", "migrate-instances", "-p", unique, "--to", unique, "--yes")
    assert osmia.client.get_instance(key).version == 2


def test_instances_migrate_with_all_that_is_active_in_them(osmia, unique):
    line = "start > fork:parallel [a:user > join:parallel | b:job(each=[1,2]) > join | m:manual > join] > end"
    osmia.deploy(line, unique)
    keys = [osmia.create(unique) for _ in range(2)]  # each waits at a, in a loop, and at the join
    osmia.deploy(line.replace("a:user", "first:user > c:user"), unique)
    words = ["batch", "migrate-instances", "-p", unique, "--version", "1", "--to", unique, "--yes"]
    told = osmia.refused(8, *words)  # there is no `a` any more
    assert "must exist in the target process definition" in told
    assert osmia.done(*words, "--map", "a=c") == "2 of 2 process instances migrated\n"
    for key in keys:
        found = osmia.client.get_instance(key)
        assert found.version == 2
        assert {one.element_id for one in found.elements} == {"c", "b"}


def test_incidents_are_resolved_of_a_process_or_of_all(osmia, unique):
    osmia.deploy(f"start > a:job(type={unique}) > end", unique)
    osmia.create(unique)
    for words in (["-p", unique], ["--all"]):
        (job,) = osmia.client.activate_jobs(unique, max_jobs=1, wait_ms=-1)
        osmia.client.fail_job(job.key, retries=0)
        assert "resolved\n" in osmia.done("batch", "resolve-incidents", *words, "--yes")
        assert osmia.json("incidents", "-p", unique) == []


def test_a_batch_that_is_not_waited_for_is_suspended_resumed_and_cancelled(osmia, unique):
    osmia.deploy("start > t:user > end", unique)
    osmia.create(unique)
    key = begun(osmia, "cancel-instances", "-p", unique)
    assert "osmia batch show" in osmia.err
    osmia.broker.look_at_clock()
    for verb in ("suspend", "resume", "cancel"):
        err = osmia.refused(5, "batch", verb, key, "--yes")
        assert f"Batch operation {key} has ended (completed) and stays as it is." in err
        assert f"try: osmia batch show {key}" in err
        assert "try: osmia batches" in osmia.refused(4, "batch", verb, STRANGER, "--yes")


def test_a_suspended_batch_is_not_waited_for_longer_than_asked(osmia, monkeypatch):
    from osmia.calls.batches import BatchOperation, BatchState, BatchType

    async def get(_self, key):
        return BatchOperation(key, BatchType.UPDATE_JOB, BatchState.SUSPENDED, "", 1, 0, 5, 2, 0)

    monkeypatch.setattr("osmia.calls.batches.BatchCalls.get", get)
    err = osmia.refused(6, "batch", "show", "7", "--follow", "--timeout", "30ms")
    assert "It is suspended. To let it go on: osmia batch resume 7" in err
    assert "Batch operation 7 has not ended within 30ms; it goes on." in err


def test_a_batch_that_somebody_else_ends_is_a_failure(osmia):
    from osmia.calls.batches import BatchOperation, BatchState, BatchType
    from osmia_broker.cli.failures import Exit, Failure

    batch = BatchOperation(7, BatchType.UPDATE_JOB, BatchState.CANCELED, "", 1, 2, 5, 2, 0)
    with pytest.raises(Failure) as refused:
        batch_runs.expect_all_done(osmia.client, batch, "2 of 5 jobs updated")
    assert (refused.value.exit, refused.value.what) == (
        Exit.PARTLY,
        "2 of 5 jobs updated; then the batch operation was canceled.",
    )


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["cancel-instances"], 2, "Expected --process ID or --filter JSON, but found none"),
        (["cancel-instances", "--filter", "{}"], 2, "but found none"),
        (["cancel-instances"], 2, " --process ID\n"),
        (["migrate-instances", "-p", "p", "--to", "q", "--map", "k=a", "--map", "k=b"], 2, "but found 'k' twice"),
        (["modify-instances", "-p", "p", "--move", "k=a", "--move", "k=b"], 2, "but found 'k' twice"),
        (["cancel-instances", "--filter", "[1]"], 2, "Expected --filter to hold a JSON object, but found a list"),
        (["cancel-instances", "--filter", "@nothing.json"], 2, "Expected to read --filter from 'nothing.json'"),
        (["cancel-instances", "--filter", '{"state": null}', "--yes"], 1, "At least one criterion"),
        (["cancel-instances", "--filter", '{"colour": "red"}', "--yes"], 1, "colour"),
        (["cancel-instances", "-p", "p", "--filter", '{"processDefinitionId": "q"}'], 2, "found it in both"),
        (["cancel-instances", "--filter", '{"state": "ACTIVE"}'], 2, "Nobody is at the terminal to answer"),
        (["migrate-instances", "-p", "p", "--to", "q", "--map", "a"], 2, "Expected --map FROM=TO, but found 'a'"),
        (["migrate-instances", "-p", "p", "--to", "no-such"], 4, "no-such"),
        (["modify-instances", "-p", "p"], 2, "Expected --move FROM=TO, but found none"),
        (["modify-instances", "-p", "p", "--move", "a"], 2, "Expected --move FROM=TO, but found 'a'"),
        (["resolve-incidents"], 2, "--filter JSON or --all, but found none"),
        (["resolve-incidents", "--all", "-p", "p"], 2, "--all stands alone"),
        (["update-jobs", "-t", "x"], 2, "Expected --retries, --priority or --lock"),
        (["update-jobs", "--retries", "3"], 2, "Expected --type TYPE, --process ID or --filter JSON"),
        (["update-jobs", "-t", "x", "--retries", "0"], 2, "--retries"),
        (["delete-evaluations"], 2, "Expected --decision ID or --filter JSON"),
        (["items", STRANGER], 4, "try: osmia batches"),
        (["show", STRANGER], 4, "try: osmia batches"),
        (["show", STRANGER, "--follow"], 4, "try: osmia batches"),
    ],
)
def test_a_batch_that_is_refused(osmia, unique, words, code, text):
    osmia.deploy("start > t:user > end", unique)
    osmia.create(unique)  # there is something that a wrong filter could take
    before = osmia.json("batches", "--limit", "1")
    assert text in osmia.refused(code, "batch", *words)
    assert osmia.out == ""
    assert osmia.json("batches", "--limit", "1") == before


def test_ended_instances_are_deleted_and_running_ones_not(osmia, unique):
    osmia.deploy("start > t:user > end", unique)
    ended, running = osmia.create(unique), osmia.create(unique)
    osmia.client.cancel_instance(ended)
    err = osmia.refused(8, "instance", "delete", ended, running, "--yes")
    assert osmia.out == f"Deleted {ended}\n"
    assert "1 of 2 process instances deleted." in err
    assert "still running" in err
    assert "still running" in osmia.refused(5, "instance", "delete", running, "--yes")
    assert "try: osmia instances" in osmia.refused(4, "instance", "delete", ended, "--yes")
    assert "Nobody is at the terminal" in osmia.refused(2, "instance", "delete", running)


def test_evaluations_are_deleted_by_key_and_over_a_filter(osmia, unique):
    osmia.client.deploy((f"{unique}.dmn", definitions(decision(unique, literal("1 + 2")))))
    first, *_ = [osmia.client.evaluate_decision(unique).key for _ in range(3)]
    assert osmia.done("decision", "delete", first, "--yes") == f"Deleted {first}\n"
    assert "try: osmia decision evaluations" in osmia.refused(4, "decision", "delete", first, "--yes")
    told = osmia.done("batch", "delete-evaluations", "--decision", unique, "--yes")
    assert told == "2 of 2 evaluations deleted\n"
    assert osmia.json("decision", "evaluations", "-d", unique) == []


def test_a_cluster_variable_from_its_creation_to_its_end(osmia, unique):
    create = ["cluster-variable", "create", unique]
    made = osmia.json(*create, '{"max": 7}', "--meta", "owner=anna", "--meta", "rank=1.5")
    assert made == {"name": unique, "value": {"max": 7}, "metadata": {"owner": "anna", "rank": 1.5}}
    assert osmia.done("cluster-variable", "show", unique) == '{"max":7}\n'
    assert "exists already" in osmia.refused(5, *create, "8")
    assert osmia.done("cluster-variable", "update", unique, "not JSON") == f"Updated {unique}\n"
    (row,) = osmia.json("cluster-variable", "list", "--name", f"{unique}*")
    assert row == {"name": unique, "value": "not JSON", "metadata": {"owner": "anna", "rank": 1.5}}
    assert osmia.done("cluster-variable", "list", "--name", unique, "-o", "csv").splitlines()[1].startswith(unique)
    assert "Nobody is at the terminal" in osmia.refused(2, "cluster-variable", "delete", unique)
    assert osmia.done("cluster-variable", "delete", unique, "--yes") == f"Deleted {unique}\n"
    assert osmia.done("cluster-variable", "list", "--name", unique) == ""
    for words in (["show", unique], ["update", unique, "1"], ["delete", unique, "--yes"]):
        assert "try: osmia cluster-variable list" in osmia.refused(4, "cluster-variable", *words)


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["create", "s", "1", "--meta", "owner"], 2, "Expected --meta NAME=VALUE, but found 'owner'"),
        (["create", "s", "1", "--meta", "=x"], 2, "Expected --meta NAME=VALUE, but found '=x'"),
        (["create", " ", "1"], 1, "No name provided"),
        (["create", "x" * 257, "1"], 1, "at most 256 characters"),
    ],
)
def test_a_cluster_variable_that_is_refused(osmia, words, code, text):
    assert text in osmia.refused(code, "cluster-variable", *words)
    assert osmia.client.cluster_variables.search("s").items == []
