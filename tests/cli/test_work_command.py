"""`osmia work` starts no worker for a program that cannot run: it would take the retries of every job that waits."""

import pytest

from osmia_broker.cli.app import run


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder at hand, with a program that may not be executed, one that is not in PATH, and a folder."""
    monkeypatch.chdir(tmp_path)
    for name, mode in (("data.txt", 0o644), ("charge.sh", 0o755)):
        tmp_path.joinpath(name).write_text("#!/bin/sh\n")
        tmp_path.joinpath(name).chmod(mode)
    tmp_path.joinpath("programs").mkdir()


@pytest.mark.parametrize(
    ("program", "what", "mend"),
    [
        ("./nope-program", "There is no program './nope-program'.", "osmia work TYPE -- PROGRAM   (its path, or"),
        ("nope-program", "There is no program 'nope-program'.", "osmia work TYPE -- PROGRAM   (its path, or"),
        ("charge.sh", "There is no program 'charge.sh' in PATH.", "osmia work TYPE -- ./charge.sh"),
        ("./data.txt", "Expected a program to run, but './data.txt' is not executable.", "chmod +x ./data.txt"),
        ("programs", "Expected a program to run, but found the directory 'programs'.", "osmia work TYPE -- PROGRAM"),
        ("", "There is no program ''.", "osmia work TYPE -- PROGRAM"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_a_program_that_cannot_run_is_refused_before_a_job_is_taken(osmia, unique, program, what, mend):
    osmia.deploy(f"start > charge:job(type={unique}) > end", unique)
    osmia.create(unique)
    told = osmia.refused(2, "work", unique, "--address", osmia.broker.address, "--", program).splitlines()
    assert told[0] == f"Error: {what}"
    assert told[1].startswith(f"  try: {mend}")
    [job] = osmia.json("jobs", "-t", unique)
    assert (job["retries"], job["worker"] or "") == (3, "")


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("program", ["./charge.sh", "sh"])
def test_a_program_that_can_run_is_no_mistake(capsys, program):
    """Nobody is asked about it: what is missing then is the broker."""
    assert run(["work", "charge", "--address", "127.0.0.1:1", "--", program]) == 3
    assert "No broker answers" in capsys.readouterr().err
