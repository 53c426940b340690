"""The commands about priority, leases, the flow of jobs and workers, at a broker."""

import pytest


def test_a_job_is_taken_by_priority_and_reported_with_its_lease(osmia, unique):
    osmia.deploy(f"start > ask:job(type={unique}) > end", unique)
    first, second = osmia.create(unique), osmia.create(unique)
    (low, high) = sorted(osmia.json("jobs", "--type", unique), key=lambda row: row["processInstanceKey"])
    assert (low["processInstanceKey"], high["processInstanceKey"]) == (str(first), str(second))
    assert osmia.json("job", "priority", high["jobKey"], "7") == {"jobKey": high["jobKey"], "priority": 7}
    (taken,) = osmia.json("job", "activate", unique, "--lease")
    assert (taken["jobKey"], taken["priority"]) == (high["jobKey"], 7)
    osmia.refused(5, "job", "complete", taken["jobKey"])
    osmia.done("job", "complete", taken["jobKey"], "--lease-token", taken["leaseToken"])
    osmia.refused(4, "job", "priority", taken["jobKey"], "7")


def test_a_type_is_paused_resumed_and_limited(osmia, unique):
    osmia.deploy(f"start > ask:job(type={unique}) > end", unique)
    for _ in range(3):
        osmia.create(unique)
    assert osmia.done("jobs", "pause", unique).strip() == f"Paused {unique}"
    assert osmia.json("job", "activate", unique) == []
    osmia.done("jobs", "resume", unique)
    osmia.done(
        "jobs", "limit", unique, "--held", "2", "--per-second", "9", "--per-key", "5", "--fair-by", "business-id"
    )
    assert len(osmia.json("job", "activate", unique, "--max", "9")) == 2
    (row,) = [one for one in osmia.json("jobs", "flow") if one["type"] == unique]
    assert (row["held"], row["heldMax"], row["perSecondMax"], row["heldPerKeyMax"]) == (2, 2, 9, 5)
    assert (row["fairBy"], row["pausedDate"]) == ("BUSINESS_ID", None)


def test_a_definition_is_paused(osmia, unique):
    definition = osmia.deploy(f"start > ask:job(type={unique}) > end", unique)
    osmia.create(unique)
    osmia.done("jobs", "pause", "--definition", definition)
    assert osmia.json("job", "activate", unique) == []
    (row,) = [one for one in osmia.json("jobs", "flow") if one["processDefinitionKey"] == str(definition)]
    assert row["pausedDate"]
    osmia.done("jobs", "resume", "--definition", definition)
    assert len(osmia.json("job", "activate", unique)) == 1


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (2, ("jobs", "limit", "x", "--held", "-1")),
        (2, ("jobs", "limit", "x", "--fair-by", "colour")),
        (2, ("jobs", "pause")),
        (2, ("jobs", "resume", "x", "--definition", "1")),
        (4, ("jobs", "pause", "--definition", "1")),
    ],
)
def test_what_is_refused(osmia, code, words):
    osmia.refused(code, *words)


def test_a_worker_is_listed_with_what_it_holds(osmia, unique):
    osmia.deploy(f"start > ask:job(type={unique}) > end", unique)
    osmia.create(unique)
    osmia.done("job", "activate", unique, "--worker", "ada")
    (row,) = osmia.json("workers", "--type", unique)
    assert (row["worker"], row["held"], row["polls"], row["streams"]) == ("ada", 1, 0, 0)
    assert row["lastSeen"]
    assert "grpc" in row["userAgent"]
    assert osmia.json("workers", "--type", "nobody") == []
