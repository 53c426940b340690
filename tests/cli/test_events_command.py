"""`osmia events`: what is kept, what comes, and in which form."""

import csv
import io
import itertools
import json

import pytest

from osmia_broker.cli.commands import events
from tests.cli.conftest import Osmia
from tests.running_broker import running_broker


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    """A broker that has recorded one instance."""
    with running_broker(tmp_path_factory.mktemp("recording"), event_log="always") as broker:
        yield broker


@pytest.fixture
def osmia(recording, capsys, unique):
    osmia = Osmia(recording, capsys)
    osmia.deploy("start > ask:user > end", unique)
    osmia.key = osmia.create(unique, {"n": 1})
    return osmia


def test_events_come_oldest_first_as_json_lines(osmia):
    rows = [json.loads(line) for line in osmia.done("events", "--instance", osmia.key, "--json").splitlines()]
    assert (rows[0]["kind"], rows[0]["intent"]) == ("PROCESS_INSTANCE", "created")
    assert {row["processInstanceKey"] for row in rows} == {str(osmia.key)}
    assert [row["details"]["value"] for row in rows if row["kind"] == "VARIABLE"] == [1]
    positions = [int(row["position"]) for row in rows]
    assert positions == sorted(positions)


@pytest.mark.parametrize("kind", ["user-task", "task", "USER_TASK"])
def test_a_kind_is_named_as_people_write_it(osmia, unique, kind):
    title, line = osmia.done("events", "-p", unique, "--kind", kind).splitlines()
    assert title.split()[:4] == ["POSITION", "AT", "KIND", "INTENT"]
    assert line.split()[2:4] == ["USER_TASK", "created"]


def test_a_list_goes_on_behind_a_position(osmia):
    first, *rest = osmia.done("events", "--instance", osmia.key, "-o", "key").splitlines()
    assert osmia.done("events", "--instance", osmia.key, "--after", first, "-o", "key").splitlines() == rest


def test_a_spreadsheet_has_its_titles_once(osmia):
    rows = list(csv.DictReader(io.StringIO(osmia.done("events", "--instance", osmia.key, "-o", "csv"))))
    assert rows[0]["intent"] == "created"
    assert len(rows) > 3


@pytest.mark.parametrize(
    ("code", "words", "text"),
    [
        (2, ("--kind", "coffee"), "one of process-instance, element-instance, job"),
        (1, ("--after", "1"), "Expected a position of "),
        (1, ("--after", str(2**63 - 1)), "the newest one"),
    ],
)
def test_what_is_refused(osmia, code, words, text):
    assert text in osmia.refused(code, "events", *words)


def test_a_broker_that_records_nothing_says_how_to_begin(running, capsys):
    osmia = Osmia(running, capsys)
    assert osmia.done("events") == ""
    assert "osmia events --follow" in osmia.err


def test_events_from_a_time_on(osmia):
    every = osmia.done("events", "--instance", osmia.key, "--json").splitlines()
    at = json.loads(every[-1])["at"]
    assert (
        osmia.done("events", "--instance", osmia.key, "--from", at, "--json").splitlines() == every
    )  # the clock stands
    assert osmia.done("events", "--instance", osmia.key, "--from", at[:10], "--json").splitlines() == every
    assert osmia.done("events", "--instance", osmia.key, "--from", "2999-01-01", "--json") == ""
    assert "Expected --from to be a date" in osmia.refused(2, "events", "--from", "yesterday")


def test_what_is_followed_for_a_time_ends_with_it(osmia, monkeypatch):
    kept = osmia.done("events", "--timeout", "5m", "-o", "key").splitlines()
    times = itertools.chain([0] * (1 + len(kept)), itertools.repeat(301))  # it is asked first, and before each event
    monkeypatch.setattr(events, "monotonic", lambda: next(times))
    followed = osmia.done("events", "--follow", "--from", "2020-01-01", "--timeout", "5m", "-o", "key")
    assert followed.splitlines() == kept


def test_a_list_that_does_not_come_in_time_is_no_list(osmia):
    assert "Not all events came within 1ms." in osmia.refused(6, "events", "--timeout", "PT0.000001S")
