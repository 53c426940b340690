"""The dashboard and the alert rules ask only for metrics and labels that `/metrics` has."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.metric_names import NAME, families

yaml = pytest.importorskip("yaml", reason="PyYAML is not installed; `make setup` brings it")

DEPLOY = Path(__file__).parents[2] / "deploy"


def alerts() -> dict[str, str]:
    groups = yaml.safe_load((DEPLOY / "prometheus/alerts.yaml").read_text())["groups"]
    return {rule["alert"]: rule["expr"] for group in groups for rule in group["rules"]}


def panels() -> Iterator[dict]:
    for panel in json.loads((DEPLOY / "grafana/osmia.json").read_text())["panels"]:
        if panel["type"] != "row":
            yield panel


QUERIES = [
    *alerts().items(),
    *((f"{one['title']} {i}", t["expr"]) for one in panels() for i, t in enumerate(one["targets"])),
]


@pytest.mark.parametrize("query", [query for _, query in QUERIES], ids=[name for name, _ in QUERIES])
def test_a_query_names_series_and_labels_that_exist(query):
    known = families()
    names = NAME.findall(query)
    assert names or query.startswith("up{")
    assert not set(names) - known.keys()
    labels = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"", query))
    labels |= {label for group in re.findall(r"\bby \(([^)]*)\)", query) for label in re.split(r",\s*", group)}
    for name in names:
        assert not labels - known[name], f"{name} has the labels {sorted(known[name])}"


@pytest.mark.parametrize("query", [query for _, query in QUERIES], ids=[name for name, _ in QUERIES])
def test_the_brackets_of_a_query_close(query):
    open_ones = []
    for letter in re.sub(r'"[^"]*"', "", query):
        if letter in "([{":
            open_ones.append(letter)
        elif letter in ")]}":
            assert open_ones, query
            assert open_ones.pop() + letter in ("()", "[]", "{}"), query
    assert not open_ones, query


def test_a_query_with_a_misspelt_name_would_be_found():
    assert "osmia_commit_failure_total" not in families()
    assert "osmia_commit_failures" not in families()  # a counter is asked for with its ending


@pytest.mark.parametrize(
    "alert",
    [
        "Down",
        "NotReady",
        "CommitsFail",
        "QueueGrows",
        "IncidentsRise",
        "DiskShort",
        "TasksOverdue",
        "JobsWait",
        "TimersLate",
    ],
)
def test_there_is_an_alert_for_each_thing_that_an_operator_must_know(alert):
    assert f"Osmia{alert}" in alerts()


def test_each_alert_says_what_is_wrong_and_how_bad_it_is():
    for group in yaml.safe_load((DEPLOY / "prometheus/alerts.yaml").read_text())["groups"]:
        for rule in group["rules"]:
            assert rule["labels"]["severity"] in ("info", "warning", "critical")
            assert rule["annotations"]["summary"].endswith(".")
            assert rule["annotations"]["description"].endswith(".")


def test_each_panel_has_a_title_a_description_and_a_place_of_its_own():
    places = [(one["gridPos"]["x"], one["gridPos"]["y"]) for one in panels()]
    assert len(set(places)) == len(places)
    assert all(one["title"] and one["description"] for one in panels())
    assert all(one["gridPos"]["x"] + one["gridPos"]["w"] <= 24 for one in panels())
